"""infer_cpu.py in an environment without Paddle, on the oldest Python that deployments run on."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from answers import INPUTS, assert_same_answers, expected_answers
from tiny import ROOT


@pytest.fixture(scope="module")
def python(environment: Callable[[str], Path]) -> Path:
    return environment("predictor")


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("task", list(INPUTS))
def test_infer_cpu_gives_the_predictors_answers(
    bundles: dict[str, Path], python: Path, tmp_path: Path, task: str, precision: str
) -> None:
    names = {"seq_cls": ("sentence1", "sentence2"), "token_cls": ("text",), "qa": ("question", "context")}[task]
    rows = [dict(zip(names, (text,) if isinstance(text, str) else text, strict=True)) for text in INPUTS[task]]
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    command = [
        python, ROOT / "deploy/predictor/infer_cpu.py", "--model_path", bundles[task], "--input_file", source,
        "--output_file", target, "--precision_mode", precision, "--num_threads", "1",
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    answers = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    # Kernels of older releases of ONNX Runtime round otherwise.
    tolerance = 2e-5 if precision == "fp32" else 5e-3
    assert_same_answers(task, answers, expected_answers(bundles[task], task, precision), tolerance)


def test_the_environment_has_no_paddle_and_predicts_on_an_old_python(python: Path) -> None:
    code = "import sys, importlib.util as u; print(sys.version_info[:2] < (3, 10), u.find_spec('paddle'))"
    result = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["True", "None"]
