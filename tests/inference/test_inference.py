"""Predictor on a real ONNX Runtime session."""

import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from tiny import PAIRS

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.data import DataSet
from ernie_toolkit.errors import BundleError, ConfigError, DataError, DeviceError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.text.features import TextInput, texts_of


@pytest.fixture(scope="module")
def texts(afqmc_sample: DataSet) -> list[TextInput]:
    return [texts_of(example, "pair") for example in afqmc_sample.split("dev")]


@pytest.fixture(scope="module")
def predictor(bundle: Bundle) -> Predictor:
    return Predictor(bundle.directory, num_threads=1)


def test_logits_equal_paddles(
    predictor: Predictor, texts: list[TextInput], model_dir: Path, afqmc_sample: DataSet
) -> None:
    from ernie_toolkit.models import load_model
    from ernie_toolkit.session import Session
    from ernie_toolkit.training import predict_logits

    session = Session(load_model(str(model_dir)), afqmc_sample, PAIRS)
    expected = predict_logits(session.loaded.model, session.encoded(afqmc_sample.split("dev")), 7)
    assert expected.std() > 1e-2  # else equality would say nothing
    assert np.abs(predictor.logits(texts) - expected).max() < 1e-5


def test_answers_do_not_depend_on_batch_size_or_order(predictor: Predictor, texts: list[TextInput]) -> None:
    reference = predictor.predict(texts, batch_size=1)
    assert {answer.label for answer in reference} == {"0", "1"}
    for batch_size in (3, 32, 1000):
        for one, other in zip(reference, predictor.predict(texts, batch_size), strict=True):
            assert (one.index, one.label, one.name) == (other.index, other.label, other.name)
            assert one.confidence == pytest.approx(other.confidence, abs=1e-5)
    backwards = predictor.predict(texts[::-1])[::-1]
    assert [answer.label for answer in backwards] == [answer.label for answer in reference]


def test_int8_is_close_and_other(bundle: Bundle, predictor: Predictor, texts: list[TextInput]) -> None:
    quantized = Predictor(bundle.directory, num_threads=1, precision="int8").logits(texts)
    exact = predictor.logits(texts)
    difference = np.linalg.norm(quantized - exact) / np.linalg.norm(exact)
    assert 1e-5 < difference < 0.1
    assert (quantized.argmax(axis=1) == exact.argmax(axis=1)).mean() > 0.9


def test_several_threads_on_one_predictor(predictor: Predictor, texts: list[TextInput]) -> None:
    expected = predictor.logits(texts, 8)
    found: dict[int, np.ndarray] = {}
    workers = [threading.Thread(target=lambda n=n: found.update({n: predictor.logits(texts, 8)})) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 4
    assert all(np.array_equal(logits, expected) for logits in found.values())


def test_one_input_is_one_answer(predictor: Predictor, texts: list[TextInput]) -> None:
    pair = texts[0]
    (alone,) = predictor.predict(pair)
    assert [answer.label for answer in predictor.predict(iter(texts[:3]))] == [
        answer.label for answer in predictor.predict(np.array(texts[:3], dtype=object))
    ]
    assert alone.confidence == pytest.approx(predictor.predict([pair])[0].confidence, abs=1e-5)
    assert predictor.logits(pair).shape == (1, 2) and predictor.logits([]).shape == (0, 2)
    for wrong in (
        "怎么还款",
        ["怎么还款"],
        ["怎么还款", "如何还款"],
        np.array(["怎么还款", "如何还款"]),
        ("a", "b", "c"),
    ):
        for ask in (predictor.predict, predictor.logits):
            with pytest.raises(DataError, match=r"input 1 is .* this model reads pairs"):
                ask(wrong)


def test_limits_and_bad_arguments(bundle: Bundle, predictor: Predictor) -> None:
    assert predictor.predict([]) == []
    short = Predictor(bundle.directory, max_seq_length=16)
    assert short.task.max_seq_length == 16
    with pytest.raises(ConfigError, match="batch_size is 0"):
        predictor.predict([("a", "b")], batch_size=0)
    with pytest.raises(DataError, match="input 1 is an empty text"):
        predictor.predict([("a", "")])
    with pytest.raises(ConfigError, match="over the bundle's own, 48"):
        Predictor(bundle.directory, max_seq_length=49)
    with pytest.raises(ConfigError, match="num_threads is 0"):
        Predictor(bundle.directory, num_threads=0)
    with pytest.raises(ConfigError, match="`precision` 'int4' is not known: use one of auto, fp32, "):
        Predictor(bundle.directory, precision="int4")
    with pytest.raises(ConfigError, match="`engine` 'tensorflow' is not known: use one of auto, onnxruntime, "):
        Predictor(bundle.directory, engine="tensorflow")
    with pytest.raises(ConfigError, match="`device` 'tpu' is not known: use one of cpu, gpu"):
        Predictor(bundle.directory, device="tpu")


def test_a_gpu_that_is_not_there(bundle: Bundle) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine's onnxruntime has a CUDA provider")
    with pytest.raises(DeviceError, match="CUDA is not among the providers"):
        Predictor(bundle.directory, device="gpu")


def test_a_model_that_is_none(bundle: Bundle, tmp_path: Path) -> None:
    import shutil

    broken = Path(shutil.copytree(bundle.directory, tmp_path / "export"))
    size = (broken / "model.onnx").stat().st_size
    (broken / "model.onnx").write_bytes(b"\x00" * size)
    with pytest.raises(BundleError, match="sha256 differs"):
        Predictor(broken)
    for precision in ("fp32", "int8"):
        with pytest.raises(BundleError, match="not an ONNX model"):
            Predictor(broken, precision=precision, verify=False)


def test_ready_without_paddle(bundle: Bundle) -> None:
    code = (
        "import sys; from ernie_toolkit.inference import Predictor\n"
        f"print(Predictor({str(bundle.directory)!r}).predict([('甲', '乙')])[0].label)\n"
        "assert not [n for n in sys.modules if n.split('.')[0] in ('paddle', 'paddlenlp', 'onnx')]"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout in (
        "0\n",
        "1\n",
    )


class TestInferCpu:
    """deploy/predictor/infer_cpu.py as a user runs it."""

    @pytest.fixture
    def run(self, root: Path, bundle: Bundle, tmp_path: Path):  # noqa: ANN201
        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            script = root / "deploy" / "predictor" / "infer_cpu.py"
            command = [sys.executable, str(script), "--model_path", str(bundle.directory), *arguments]
            return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

        return run

    def test_built_in_examples(self, run) -> None:  # noqa: ANN001
        result = run()
        assert result.returncode == 0, result.stderr
        assert result.stdout.count("label: ") == 2 and "confidence: 0." in result.stdout

    def test_texts_and_int8(self, run) -> None:  # noqa: ANN001
        result = run("--text", "怎么还款", "--text_pair", "如何还款", "--precision_mode", "int8", "--num_threads", "1")
        assert result.returncode == 0, result.stderr
        assert "input: 怎么还款 | 如何还款" in result.stdout

    def test_engines(self, run, bundle: Bundle, tmp_path: Path) -> None:  # noqa: ANN001
        answers = run().stdout.partition("engine: ")[0]
        for engine in ("onnxruntime", "openvino", "paddle_inference"):
            result = run("--engine", engine, "--engine_cache", "kept")
            assert result.returncode == 0, result.stderr
            shown, _, rest = result.stdout.partition("engine: ")
            assert rest.startswith(f"{engine} fp32 (the bundle recommends none)\nready in ")
            assert re.sub(r"0\.\d+", "", shown) == re.sub(r"0\.\d+", "", answers)
        assert [path.suffix for path in (tmp_path / "kept").iterdir()] == [".blob"]
        (tmp_path / "blocked").write_text("in the way", encoding="utf-8")
        result = run("--engine", "openvino", "--engine_cache", "blocked")
        assert result.returncode == 0 and result.stdout.startswith("input: ")
        assert "the compiled model could not be kept for the next start: " in result.stdout + result.stderr

    def test_files(self, run, tmp_path: Path) -> None:  # noqa: ANN001
        (tmp_path / "in.tsv").write_text("甲\t乙\n丙\t丁\n\n", encoding="utf-8")
        (tmp_path / "in.jsonl").write_text(
            '{"sentence1": "甲", "sentence2": "乙", "label": "x"}\n{"text_a": "丙", "text_b": "丁"}\n', encoding="utf-8"
        )
        outputs = []
        for name in ("in.tsv", "in.jsonl"):
            result = run("--input_file", name, "--output_file", "out.jsonl", "--batch_size", "1")
            assert result.returncode == 0, result.stderr
            outputs.append((tmp_path / "out.jsonl").read_text(encoding="utf-8"))
        assert outputs[0] == outputs[1]
        rows = [json.loads(line) for line in outputs[0].splitlines()]
        assert [row["text"] for row in rows] == [["甲", "乙"], ["丙", "丁"]]
        assert [row["line"] for row in rows] == [1, 2]
        assert all(row["label_name"] in ("different", "same") and 0 < row["confidence"] <= 1 for row in rows)

    def test_as_many_answers_as_lines(self, run, tmp_path: Path) -> None:  # noqa: ANN001
        (tmp_path / "in.tsv").write_text("甲\t乙\n\n只有一个\n丙\t丁\n \n", encoding="utf-8")
        stopped = run("--input_file", "in.tsv")
        assert stopped.returncode == 2 and "in.tsv:2: a blank line" in stopped.stderr
        result = run("--input_file", "in.tsv", "--on_error", "skip", "--output_file", "out.jsonl")
        assert result.returncode == 0 and "4 answers in out.jsonl" in result.stdout
        assert "2 of 4 row(s) have no answer, the first: in.tsv:2: a blank line" in result.stderr
        rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [row["line"] for row in rows] == [1, 2, 3, 4]
        empty = [False, True, True, False]
        assert [row["label"] is None for row in rows] == [row["text"] is None for row in rows] == empty
        assert rows[1]["reason"].startswith("in.tsv:2: a blank line") and "1 tab-separated column" in rows[2]["reason"]
        shown = run("--input_file", "in.tsv", "--on_error", "skip")
        assert shown.stdout.count("no answer: in.tsv:") == 2 and shown.stdout.count("label: ") == 2

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--text", "甲"), "reads pairs"),
            (("--text_pair", "甲"), "without --text"),
            (("--text", "甲", "--input_file", "x"), "exclude each other"),
            (("--input_file", "nowhere.txt"), "nowhere.txt"),
            (("--model_path", "nowhere"), "is not a bundle"),
            (("--batch_size", "0"), "batch_size is 0"),
            (("--output_file", "."), "is a folder"),
            (("--output_file", f"{__file__}/x"), "is not a folder"),
            # Numbers are told before anything is looked for.
            (("--output_file", ".", "--batch_size", "0"), "--batch_size is 0: it must be at least 1"),
            (("--batch_size", "x"), "invalid int"),
            (("--max_seq_length", "64"), "over the bundle's own"),
            (("--max_seq_length", "4096"), "must lie between 5 and 2048"),
            (("--precision", "int8"), "unrecognized arguments"),
            (("--engine", "tensorrt"), "invalid choice"),
            (("--engine", "openvino", "--precision_mode", "int8"), "has no INT8 model for OpenVINO"),
            (("--engine", "openvino", "--precision_mode", "fp16"), "has no precision 'fp16'"),
        ],
    )
    def test_errors_are_one_line(self, run, arguments: tuple[str, ...], message: str) -> None:  # noqa: ANN001
        started = time.perf_counter()
        result = run(*arguments)
        assert result.returncode == 2 and message in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
        assert time.perf_counter() - started < 30

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.txt", "甲\n", "a.txt:1: 1 tab-separated column(s)"),
            ("a.txt", "甲\t乙\n丙\t\n", "a.txt:2: column 2 is an empty text"),
            ("a.txt", "", "no text in it"),
            ("a.jsonl", '{"text": "甲"}\n', "a.jsonl:1: 1 text(s)"),
            ("a.jsonl", '{"text": "甲"\n', "a.jsonl:1: not valid JSON"),
        ],
    )
    def test_bad_files(self, run, tmp_path: Path, name: str, content: str, message: str) -> None:  # noqa: ANN001
        (tmp_path / name).write_text(content, encoding="utf-8")
        result = run("--input_file", name)
        assert result.returncode == 2 and message in result.stderr
