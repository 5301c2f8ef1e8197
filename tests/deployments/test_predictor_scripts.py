"""infer_cpu.py in an environment without Paddle, on the oldest Python that deployments run on."""

import ast
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from answers import INPUTS, assert_same_answers, expected_answers, json_row
from light_imports import check_imports_no_paddle
from tiny import ROOT

OLD_PACKAGES = (
    *("arguments", "bundle", "corpus", "data", "decoding", "fastdeploy", "files", "formats", "inference", "metrics"),
    *("paddle_serving", "tasks", "text", "triton"),
)
SERVICE = ("client", "model", "options", "wire")


@pytest.fixture(scope="module")
def python(environment: Callable[[str], Path]) -> Path:
    return environment("predictor")


@pytest.mark.parametrize("name", OLD_PACKAGES)
def test_packages_of_deployments_load_on_an_old_python(python: Path, name: str) -> None:
    # Paddle Serving, which one module imports, is in an environment of its own.
    for part in [f"{name}.{module}" for module in SERVICE] if name == "paddle_serving" else [name]:
        check_imports_no_paddle(python, part)


def test_files_of_any_size_are_predicted_on_an_old_python(
    bundles: dict[str, Path], python: Path, tmp_path: Path
) -> None:
    rows = [json_row("seq_cls", item) for item in INPUTS["seq_cls"]]
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    command = [python, ROOT / "deploy/predictor/infer_cpu.py", "--model_path", bundles["seq_cls"], "--input", source]
    command += ["--output", tmp_path / "out", "--precision_mode", "fp32", "--chunk_rows", "2", "--workers", "2"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    answers = [json.loads(line) for line in (tmp_path / "out" / "in.jsonl").read_text(encoding="utf-8").splitlines()]
    assert_same_answers("seq_cls", answers, expected_answers(bundles["seq_cls"], "seq_cls"))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("task", list(INPUTS))
def test_infer_cpu_gives_the_predictors_answers(
    bundles: dict[str, Path], python: Path, tmp_path: Path, task: str, precision: str
) -> None:
    rows = [json_row(task, item) for item in INPUTS[task]]
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    command = [
        python,
        ROOT / "deploy/predictor/infer_cpu.py",
        "--model_path",
        bundles[task],
        "--input_file",
        source,
        "--output_file",
        target,
        "--precision_mode",
        precision,
        "--num_threads",
        "1",
    ]
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


def test_grpc_clients_parse_their_arguments_on_an_old_python(python: Path) -> None:
    for folder, suffix in (("triton_serving", "grpc"), ("serving", "rpc")):
        script = ROOT / "deploy" / folder / f"seq_cls_{suffix}_client.py"
        command = [python, script, "--text", "a", "b", "--text_pair", "c", "d"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        # As far as the package that this environment lacks.
        assert result.returncode == 2 and "No module named 'tritonclient'" in result.stderr, result.stderr


def test_nothing_that_runs_on_an_old_python_zips_strictly() -> None:
    """`zip(strict=True)` came with Python 3.10, and is found only where it is called."""
    paths = [path for folder in ("deploy", "multi_label/deploy") for path in (ROOT / folder).rglob("*.py")]
    paths += (path for name in OLD_PACKAGES for path in (ROOT / "ernie_toolkit" / name).rglob("*.py"))
    paths += (ROOT / "ernie_toolkit").glob("*.py")
    found = [
        f"{path}:{node.lineno}"
        for path in paths
        if path.name != "compat.py" and "simple_serving" not in path.parts  # compat asks for the version first
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "zip"
        and any(keyword.arg == "strict" for keyword in node.keywords)
    ]
    assert len(paths) > 50 and not found
