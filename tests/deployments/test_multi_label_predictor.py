"""infer.py and infer_cpu.py on a multi-label bundle, in an environment without Paddle, on an old Python."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from label_sets import TEXTS, assert_same_sets, expected_sets
from tiny import ROOT

from ernie_toolkit.bundle import read_bundle
from ernie_toolkit.data.label_sets import write_label_sets
from ernie_toolkit.data.sample.reviews import LABELS
from ernie_toolkit.inference import Predictor

INFER = ROOT / "multi_label/deploy/predictor/infer.py"
# Kernels of older releases of ONNX Runtime round otherwise.
TOLERANCES = {"fp32": 2e-5, "int8": 2e-2}


@pytest.fixture(scope="module")
def python(environment: Callable[[str], Path]) -> Path:
    return environment("predictor")


@pytest.fixture(scope="module")
def data(multi_label_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose dev.txt has what the model answers, but for the last row."""
    directory = tmp_path_factory.mktemp("data")
    (directory / "label.txt").write_text("".join(label + "\n" for label in LABELS), encoding="utf-8")
    texts = [" ".join(text.split()) for text in TEXTS]
    (directory / "data.txt").write_text("".join(text + "\n" for text in texts), encoding="utf-8")
    answers = Predictor(multi_label_bundle, num_threads=1).predict(texts)
    rows = [{"sentence": text, "labels": answer.labels} for text, answer in zip(texts, answers, strict=True)]
    write_label_sets(directory / "dev.txt", rows)
    left_out = [label for label in LABELS if label not in rows[-1]["labels"]]
    write_label_sets(directory / "test.txt", [*rows[:-1], {**rows[-1], "labels": left_out}])
    return directory


def infer(python: Path, *arguments: str | Path, code: int = 0) -> str:
    """What infer.py prints; its one line of error where it is to fail."""
    done = subprocess.run([python, INFER, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    if code:
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr if code else done.stdout


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_infer_cpu_gives_the_predictors_label_sets(
    python: Path, multi_label_bundle: Path, tmp_path: Path, precision: str
) -> None:
    got = []
    for number, texts in enumerate((TEXTS[:30], TEXTS[30:])):
        source, target = tmp_path / f"{number}.jsonl", tmp_path / f"{number}.out"
        rows = (json.dumps({"sentence": text}, ensure_ascii=False) + "\n" for text in texts)
        source.write_text("".join(rows), encoding="utf-8")
        command = [
            python,
            ROOT / "deploy/predictor/infer_cpu.py",
            "--model_path",
            multi_label_bundle,
            "--task_name",
            "multi_label",
            "--input_file",
            source,
            "--output_file",
            target,
            "--precision_mode",
            precision,
            "--num_threads",
            "1",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        got += [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    sets = [
        {LABELS.index(label): value for label, value in zip(row["labels"], row["confidences"], strict=True)}
        for row in got
    ]
    expected = expected_sets(multi_label_bundle, precision)
    assert_same_sets(sets, expected, read_bundle(multi_label_bundle).info.thresholds, TOLERANCES[precision])
    assert {len(answer.labels) for answer in expected} > {2, 4, 6}


def test_infer_prints_text_and_labels_as_the_guide_does(python: Path, multi_label_bundle: Path, data: Path) -> None:
    printed = infer(
        python, "--model_path_prefix", multi_label_bundle / "float32", "--dataset_dir", data, "--num_threads", "1"
    )
    rows = [line.split("\t") for line in (data / "dev.txt").read_text(encoding="utf-8").splitlines()]
    blocks = (f"input data: {text}\nlabel: {labels.replace(',', ', ')}\n{'-' * 28}\n" for text, labels in rows)
    assert printed == "".join(blocks) + "engine: onnxruntime fp32 (the bundle recommends none)\n"


def test_one_threshold_for_all_labels(python: Path, multi_label_bundle: Path) -> None:
    arguments = ("--model_path_prefix", multi_label_bundle, "--threshold")
    assert infer(python, *arguments, "1").count("label: \n") == 3
    assert infer(python, *arguments, "0").count(f"label: {', '.join(LABELS)}\n") == 3
    assert "must lie between 0 and 1" in infer(python, *arguments, "1.5", code=2)


@pytest.mark.parametrize("quantize", [(), ("--use_quantize",)])
def test_perf_measures_f1_and_speed(
    python: Path, multi_label_bundle: Path, data: Path, quantize: tuple[str, ...]
) -> None:
    arguments = ("--model_path_prefix", multi_label_bundle, "--dataset_dir", data, "--perf", "--num_threads", "1")
    dev = infer(python, *arguments, *quantize)
    figures = ("accuracy", "latency:", "throughput:", "one text at a time: median", f"sample nums: {len(TEXTS)},")
    assert all(part in dev for part in figures)
    test = infer(python, *arguments, *quantize, "--perf_dataset", "test")
    if not quantize:
        assert "micro f1 100.00, macro f1 100.00, accuracy 100.00" in dev
        assert f"accuracy {100 * (1 - 1 / len(TEXTS)):.2f}" in test and "f1 100.00" not in test


def test_a_directory_in_another_encoding(python: Path, multi_label_bundle: Path, data: Path, tmp_path: Path) -> None:
    for name in ("label.txt", "data.txt", "dev.txt"):
        (tmp_path / name).write_text((data / name).read_text(encoding="utf-8"), encoding="gb18030")
    model = ("--model_path_prefix", multi_label_bundle, "--num_threads", "1", "--dataset_dir")
    other = (tmp_path, "--encoding", "auto")
    assert infer(python, *model, *other) == infer(python, *model, data)
    assert "micro f1 100.00, macro f1 100.00, accuracy 100.00" in infer(python, *model, *other, "--perf")
    assert "label.txt:1: byte 1 of the line" in infer(python, *model, tmp_path, code=2)


def test_mistakes_are_one_line(python: Path, multi_label_bundle: Path, data: Path, tmp_path: Path) -> None:
    model = ("--model_path_prefix", multi_label_bundle)
    assert "is not a bundle" in infer(python, "--model_path_prefix", tmp_path / "float32", code=2)
    assert "--perf needs --dataset_dir" in infer(python, *model, "--perf", code=2)
    assert "no such file" in infer(python, *model, "--dataset_dir", tmp_path, code=2)
    assert "--device cpu" in infer(python, *model, "--device", "gpu", code=2)
    assert "batch_size is 0" in infer(python, *model, "--batch_size", "0", code=2)
    (tmp_path / "label.txt").write_text("\n".join(LABELS[::-1]), encoding="utf-8")
    assert "give the data it was trained on" in infer(python, *model, "--dataset_dir", tmp_path, code=2)
    other = ("--dataset_dir", data, "--label_file", "data.txt")
    assert "data.txt" in infer(python, *model, *other, code=2)


def test_a_bundle_of_another_task_is_refused(python: Path, bundle: object) -> None:
    directory = bundle.directory  # type: ignore[attr-defined]
    assert "multi_label/export_model.py" in infer(python, "--model_path_prefix", directory, code=2)
