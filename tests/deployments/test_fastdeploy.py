"""FastDeploy 1.0.7 for real: ONNX Runtime, OpenVINO and Paddle on the CPU, and the pairs it would die on."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from answers import INPUTS, assert_same_answers, expected_answers, json_row
from tiny import ROOT, make_tiny_model

from ernie_toolkit.bundle import read_bundle
from ernie_toolkit.models import Vocabulary, save_model

TASKS = ("seq_cls", "token_cls", "qa", "multiple_choice")
# What the wheel for CPUs takes; a list ends the line.
CPU_PAIRS = "this build takes --device cpu with --backend onnx_runtime, paddle, openvino\n"


@pytest.fixture(scope="module")
def python(environment: Callable[[str], Path]) -> Path:
    return environment("python")


def infer(python: Path, task: str, bundle: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run one of the scripts."""
    command = [python, ROOT / "deploy" / "python" / f"{task}_infer.py", "--model_dir", bundle, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def answers(python: Path, task: str, bundle: Path, folder: Path, *arguments: object) -> list[dict[str, Any]]:
    """The script's answers to the shared inputs."""
    rows = [json_row(task, item) for item in INPUTS[task]]
    source, target = folder / "in.jsonl", folder / "out.jsonl"
    source.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    arguments = ("--input_file", source, "--output_file", target, "--batch_size", 32, *arguments)
    result = infer(python, task, bundle, *arguments)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]


def export_legacy(model: Path) -> subprocess.CompletedProcess[str]:
    """Write the old format beside the bundle of a model."""
    command = [sys.executable, "-m", "ernie_toolkit.export", "--legacy_pdmodel", "--model_name_or_path", model]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def legacy_bundles(bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The bundles with the old format beside them."""
    copies = {}
    for task, bundle in ((task, bundles[task]) for task in TASKS):
        copies[task] = Path(shutil.copytree(bundle.parent, tmp_path_factory.mktemp("legacy") / task)) / "export"
        result = export_legacy(copies[task].parent)
        assert result.returncode == 0, result.stderr
        assert read_bundle(copies[task], verify=True)  # the bundle is as it was
    return copies


@pytest.mark.parametrize("task", TASKS)
def test_paddle_gives_the_predictors_answers(
    legacy_bundles: dict[str, Path], python: Path, tmp_path: Path, task: str
) -> None:
    got = answers(python, task, legacy_bundles[task], tmp_path, "--backend", "paddle")
    assert_same_answers(task, got, expected_answers(legacy_bundles[task], task))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("task", TASKS)
def test_onnx_runtime_gives_the_predictors_answers(
    bundles: dict[str, Path], python: Path, tmp_path: Path, task: str, precision: str
) -> None:
    prefix = "model" if precision == "fp32" else "int8"
    got = answers(python, task, bundles[task], tmp_path, "--model_prefix", prefix)
    # FastDeploy carries ONNX Runtime 1.12, whose kernels round otherwise.
    tolerance = 2e-5 if precision == "fp32" else 5e-3
    assert_same_answers(task, got, expected_answers(bundles[task], task, precision), tolerance)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("task", TASKS)
def test_openvino_is_near(bundles: dict[str, Path], python: Path, tmp_path: Path, task: str, precision: str) -> None:
    """It computes in bf16 where the processor can, so near ties of an untrained model may fall otherwise."""
    prefix = "model" if precision == "fp32" else "int8"
    got = answers(python, task, bundles[task], tmp_path, "--backend", "openvino", "--model_prefix", prefix)
    expected = expected_answers(bundles[task], task, precision)
    if task == "token_cls":
        same = [
            one == other
            for a, b in zip(got, expected, strict=True)
            for one, other in zip(a["tags"], b["tags"], strict=True)
        ]
        assert sum(same) / len(same) > 0.9
        return
    for one, other in zip(got, expected, strict=True):
        if task == "seq_cls":
            assert one["label"] == other["label"] or one["confidence"] < 0.52
            continue
        if task == "multiple_choice":
            assert one["probabilities"] == pytest.approx(other["probabilities"], abs=0.02)
            continue
        found = {(item["start"], item["end"]): item["confidence"] for item in one["n_best"]}
        assert found[other["start"], other["end"]] == pytest.approx(other["confidence"], abs=0.02)


def test_the_old_format_is_of_the_bundles_model_or_not_written(
    bundles: dict[str, Path], python: Path, tmp_path: Path, vocabulary: Vocabulary
) -> None:
    model = Path(shutil.copytree(bundles["qa"].parent, tmp_path / "model"))
    refused = infer(python, "qa", model / "export", "--backend", "paddle")
    assert refused.returncode == 2 and "--legacy_pdmodel" in refused.stderr
    # Trained again, and not exported.
    other = make_tiny_model(vocabulary, ("0", "1"), "qa", initializer_range=0.1)
    save_model(other.model, other.vocabulary, model)
    result = export_legacy(model)
    assert result.returncode == 2 and len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert "model.onnx" in result.stderr and "export the model again" in result.stderr
    assert not (model / "export" / "legacy").exists()


def test_what_fastdeploy_would_die_on_is_refused_in_one_line(bundles: dict[str, Path], python: Path) -> None:
    refused = [
        (("--device", "cpu", "--backend", "tensorrt"), f"cpu has no --backend tensorrt: {CPU_PAIRS}"),
        (("--device", "cpu", "--backend", "paddle_tensorrt"), f"cpu has no --backend paddle_tensorrt: {CPU_PAIRS}"),
        (("--device", "gpu", "--backend", "openvino"), f"gpu has no --backend openvino: {CPU_PAIRS}"),
        (
            ("--device", "gpu", "--backend", "onnx_runtime"),
            f"built without gpu (fastdeploy-gpu-python has it): {CPU_PAIRS}",
        ),
        (
            ("--device", "gpu", "--backend", "tensorrt"),
            f"built without gpu (fastdeploy-gpu-python has it): {CPU_PAIRS}",
        ),
        (("--device", "kunlunxin", "--backend", "paddle"), f"a build from source can have it): {CPU_PAIRS}"),
        (
            ("--device", "kunlunxin", "--backend", "onnx_runtime"),
            f"kunlunxin has no --backend onnx_runtime: {CPU_PAIRS}",
        ),
        (("--backend", "paddle", "--model_prefix", "int8"), "or use onnx_runtime or openvino"),
        (("--use_fp16", "true"), "--use_fp16 is for"),
        (("--max_length", "2048"), "over the bundle's own"),
        (("--max_length", "4096"), "--max_length is 4096: it must lie between 5 and 2048"),
        (("--batch_size", "0"), "--batch_size is 0"),
        (("--use_fp16", "perhaps"), "neither true nor false"),
    ]
    for arguments, part in refused:
        result = infer(python, "seq_cls", bundles["seq_cls"], *arguments)
        assert result.returncode == 2, (arguments, result)
        assert part in result.stderr and len(result.stderr.strip().splitlines()) == 1, (arguments, result.stderr)
    other = infer(python, "qa", bundles["seq_cls"])
    assert other.returncode == 2 and "is a bundle for the task 'seq_cls'" in other.stderr


def test_the_guides_output(bundles: dict[str, Path], python: Path) -> None:
    labels = infer(python, "seq_cls", bundles["seq_cls"], "--use_fast", "false")
    assert "Batch id:0, example id:0, sentence1:" in labels.stdout and ", similarity:" in labels.stdout
    assert "Batch id:1, example id:0" in labels.stdout and "no effect" in labels.stderr
    entities = infer(python, "token_cls", bundles["token_cls"])
    assert entities.stdout.count("The model detects all entities:") == 2 and "   pos: [" in entities.stdout
    assert infer(python, "qa", bundles["qa"]).stdout.count("answer: ") == 2
