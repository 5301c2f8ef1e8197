"""deploy/predictor/infer.py as a user runs it: Paddle Inference, the guide's flags, how fast it is."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.processor import BF16_FEATURES, processor_features
from ernie_toolkit.inference.speed import measure_speed

Run = Callable[..., "subprocess.CompletedProcess[str]"]
SPEED = (
    r"sample nums: {count}, batch size: {size}, time: [\d.]+ s, latency of a batch: [\d.]+ ms \(95th percentile [\d.]+ "
    r"ms\), throughput: [\d.]+ texts/s\n"
)


@pytest.fixture
def run(root: Path, bundle: Bundle, tmp_path: Path) -> Run:
    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(root / "deploy/predictor/infer.py"), "--model_path", str(bundle.directory)]
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **variables}
        return subprocess.run(
            [*command, *arguments], capture_output=True, text=True, cwd=tmp_path, check=False, env=environment
        )

    return run


def test_it_computes_in_paddle_inference(run: Run, bundle: Bundle, tmp_path: Path) -> None:
    done = run("--text", "怎么还款", "--text_pair", "如何还款", "--output_file", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("engine: paddle_inference fp32 (the bundle recommends none)\n")
    [answer] = Predictor(bundle, num_threads=1, engine="onnxruntime").predict([("怎么还款", "如何还款")])
    [row] = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert row["label"] == answer.label and row["confidence"] == pytest.approx(answer.confidence, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "engine"),
    [
        ((), "paddle_inference"),
        (("--engine", "openvino", "--engine_cache", "none"), "openvino"),
        (("--use_onnxruntime", "true"), "onnxruntime"),
    ],
)
def test_speed(run: Run, tmp_path: Path, arguments: tuple[str, ...], engine: str) -> None:
    (tmp_path / "in.tsv").write_text("甲\t乙\n丙丁\t丁\n" * 5, encoding="utf-8")
    done = run("--perf", "--input_file", "in.tsv", "--batch_size", "4", "--perf_warmup_steps", "3", *arguments)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(rf"engine: {engine} fp32 \(.*\)\n{SPEED.format(count=10, size=4)}", done.stdout)


def test_the_guides_flags(run: Run) -> None:
    done = run(
        "--task_name", "afqmc", "--collect_shape", "--precision", "fp32", "--use_trt", "--perf_warmup_steps", "0"
    )
    assert done.returncode == 0, done.stderr
    assert "notice: --collect_shape is not needed: shapes are measured for TensorRT, on a GPU: " in done.stderr
    assert "notice: --use_trt is not needed: this script computes without TensorRT: " in done.stderr


def test_bf16(run: Run) -> None:
    done = run("--enable_bf16", ONEDNN_MAX_CPU_ISA="AVX2")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "precision 'bf16' needs a processor with avx512_bf16 or amx_bf16" in done.stderr
    if set(BF16_FEATURES) & set(processor_features()):
        done = run("--enable_bf16")
        assert done.returncode == 0 and "engine: paddle_inference bf16 (as asked for)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--enable_quantize",), "engine 'paddle_inference' has no precision 'int8', only fp32, bf16: onnxruntime or"),
        (("--precision", "fp16"), "engine 'paddle_inference' has no precision 'fp16'"),
        (("--device", "gpu"), "engine 'paddle_inference' computes on cpu, not on 'gpu': use onnxruntime"),
        (("--device", "npu"), "is no device"),
        (("--task_name", "tnews"), None),
        (("--task_name", "msra_ner"), "is a bundle for the task 'seq_cls', not 'token_cls'"),
        (("--task_name", "clue"), "invalid choice"),
        (("--perf_warmup_steps", "-1"), "--perf_warmup_steps is -1: it must not be negative"),
        (("--perf", "--text", "甲"), "reads pairs"),
    ],
)
def test_errors_are_one_line(run: Run, arguments: tuple[str, ...], message: str | None) -> None:
    done = run(*arguments)
    if message is None:  # another data set of the same task
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_a_data_sets_name_says_where_its_bundle_is(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, root / "deploy/predictor/infer.py", "--task_name", "tnews"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2 and "best_models/tnews/export is not a bundle" in done.stderr


class Counted:
    """A predictor that only counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def predict(self, texts: list[str], batch_size: int) -> list[str]:
        assert 0 < len(texts) <= batch_size
        self.asked.append(list(texts))
        return list(texts)


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 30))
def test_every_text_is_measured_in_every_round(count: int, size: int, steps: int) -> None:
    texts, counted = [str(number) for number in range(count)], Counted()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ernie_toolkit.inference.speed.MEASURED_SECONDS", 1e-5)
        speed = measure_speed(counted, texts, size, steps)
    batches = -(-count // size)
    assert len(counted.asked) == steps + batches * speed.rounds and len(speed.seconds) == batches * speed.rounds
    assert [text for batch in counted.asked[steps : steps + batches] for text in batch] == texts
    assert re.fullmatch(SPEED.format(count=count, size=size), f"{speed}\n")


def test_no_text_has_no_speed() -> None:
    with pytest.raises(ConfigError, match="no text to measure the speed of"):
        measure_speed(Counted(), [], 4, 20)
