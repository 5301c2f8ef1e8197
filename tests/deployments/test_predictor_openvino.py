"""infer_cpu.py in an environment that has OpenVINO and no other engine."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from answers import INPUTS, assert_same_answers, expected_answers, json_row
from task_bundles import with_openvino_int8
from tiny import ROOT

from ernie_toolkit.bundle import read_bundle
from ernie_toolkit.inference import Predictor

SCRIPT = ROOT / "deploy/predictor/infer_cpu.py"


@pytest.fixture(scope="module")
def python(environment: Callable[[str], Path]) -> Path:
    return environment("predictor_openvino")


def predict(
    python: Path, bundle: Path, task: str, folder: Path, *arguments: str
) -> tuple[list[dict[str, object]], str]:
    """The answers to the tests' inputs, and what was printed."""
    rows = [json_row(task, item) for item in INPUTS[task]]
    source, target = folder / "in.jsonl", folder / "out.jsonl"
    source.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    command = [python, SCRIPT, "--model_path", bundle, "--input_file", source, "--output_file", target, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()], done.stdout


@pytest.mark.parametrize("task", list(INPUTS))
def test_it_answers_as_onnx_runtime_does(bundles: dict[str, Path], python: Path, tmp_path: Path, task: str) -> None:
    for arguments in ((), ("--engine", "openvino", "--num_threads", "1")):
        answers, printed = predict(python, bundles[task], task, tmp_path, *arguments)
        assert "\nengine: openvino fp32 (the bundle recommends none)\n" in printed
        assert_same_answers(task, answers, expected_answers(bundles[task], task))


def test_int8(bundles: dict[str, Path], python: Path, tmp_path: Path) -> None:
    import shutil

    root = Path(shutil.copytree(bundles["seq_cls"], tmp_path / "export"))
    bundle = with_openvino_int8(read_bundle(root))
    answers, printed = predict(python, root, "seq_cls", tmp_path, "--precision_mode", "int8", "--num_threads", "1")
    assert "\nengine: openvino int8 (" in printed
    predictor = Predictor(bundle, num_threads=1, engine="openvino", precision="int8")
    assert_same_answers("seq_cls", answers, [answer.fields() for answer in predictor.predict(INPUTS["seq_cls"])], 5e-3)


def test_what_it_lacks_is_named(bundles: dict[str, Path], python: Path) -> None:
    code = "import importlib.util as u; print([bool(u.find_spec(name)) for name in ('onnxruntime', 'paddle', 'nncf')])"
    assert subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout == (
        "[False, False, False]\n"
    )
    for arguments, message in (
        (("--engine", "onnxruntime"), "engine 'onnxruntime' is not installed: pip install -r deploy/predictor/"),
        (("--precision_mode", "int8"), "has no INT8 model for OpenVINO"),
        (("--precision_mode", "fp16"), "no installed engine has precision 'fp16': pip install -r deploy/predictor/"),
    ):
        command = [python, SCRIPT, "--model_path", bundles["seq_cls"], *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr
