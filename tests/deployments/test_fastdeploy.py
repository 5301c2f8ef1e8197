"""FastDeploy 1.0.7 for real: ONNX Runtime, OpenVINO and Paddle on the CPU, and the pairs it would die on."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from answers import INPUTS, assert_same_answers, expected_answers
from tiny import ROOT, make_tiny_model

from ernie_toolkit.bundle import read_bundle
from ernie_toolkit.models import Vocabulary, save_model

FIELDS = {"seq_cls": ("sentence1", "sentence2"), "token_cls": ("text",), "qa": ("question", "context")}


@pytest.fixture(scope="module")
def python(environment: Callable[[str], Path]) -> Path:
    return environment("python")


def infer(python: Path, task: str, bundle: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run one of the three scripts."""
    command = [python, ROOT / "deploy" / "python" / f"{task}_infer.py", "--model_dir", bundle, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def answers(python: Path, task: str, bundle: Path, folder: Path, *arguments: object) -> list[dict[str, Any]]:
    """The script's answers to the shared inputs."""
    rows = [dict(zip(FIELDS[task], (text,) if isinstance(text, str) else text, strict=True)) for text in INPUTS[task]]
    source, target = folder / "in.jsonl", folder / "out.jsonl"
    source.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    arguments = ("--input_file", source, "--output_file", target, "--batch_size", 32, *arguments)
    result = infer(python, task, bundle, *arguments)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("task", list(INPUTS))
def test_onnx_runtime_gives_the_predictors_answers(
    bundles: dict[str, Path], python: Path, tmp_path: Path, task: str, precision: str
) -> None:
    prefix = "model" if precision == "fp32" else "int8"
    got = answers(python, task, bundles[task], tmp_path, "--model_prefix", prefix)
    # FastDeploy carries ONNX Runtime 1.12, whose kernels round otherwise.
    tolerance = 2e-5 if precision == "fp32" else 5e-3
    assert_same_answers(task, got, expected_answers(bundles[task], task, precision), tolerance)


@pytest.mark.parametrize("task", list(INPUTS))
def test_openvino_is_near(bundles: dict[str, Path], python: Path, tmp_path: Path, task: str) -> None:
    """It computes in bf16 where the processor can, so near ties of an untrained model may fall otherwise."""
    got = answers(python, task, bundles[task], tmp_path, "--backend", "openvino")
    expected = expected_answers(bundles[task], task)
    if task == "token_cls":
        same = [one == other for a, b in zip(got, expected, strict=True)
                for one, other in zip(a["tags"], b["tags"], strict=True)]  # fmt: skip
        assert sum(same) / len(same) > 0.9
        return
    for one, other in zip(got, expected, strict=True):
        if task == "seq_cls":
            assert one["label"] == other["label"] or one["confidence"] < 0.52
            continue
        found = {(item["start"], item["end"]): item["confidence"] for item in one["n_best"]}
        assert found[other["start"], other["end"]] == pytest.approx(other["confidence"], abs=0.02)


def test_paddle_reads_the_format_before_pir(
    bundles: dict[str, Path], python: Path, tmp_path: Path, vocabulary: Vocabulary
) -> None:
    copy = Path(shutil.copytree(bundles["qa"], tmp_path / "model" / "export"))
    refused = infer(python, "qa", copy, "--backend", "paddle")
    assert refused.returncode == 2 and "--legacy_pdmodel" in refused.stderr
    model = make_tiny_model(vocabulary, ("0", "1"), "qa", initializer_range=0.2)  # the seed makes it the bundle's
    save_model(model.model, model.vocabulary, tmp_path / "model")
    command = [sys.executable, "-m", "ernie_toolkit.export", "--legacy_pdmodel", "--model_name_or_path"]
    result = subprocess.run([*command, tmp_path / "model"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert read_bundle(copy, verify=True)  # the bundle is as it was
    got = answers(python, "qa", copy, tmp_path, "--backend", "paddle")
    assert_same_answers("qa", got, expected_answers(copy, "qa"))


def test_what_fastdeploy_would_die_on_is_refused_in_one_line(bundles: dict[str, Path], python: Path) -> None:
    refused = [
        (("--device", "cpu", "--backend", "tensorrt"), "these pairs work: cpu: onnx_runtime, paddle, openvino"),
        (("--device", "cpu", "--backend", "paddle_tensorrt"), "these pairs work"),
        (("--device", "gpu", "--backend", "openvino"), "these pairs work"),
        (("--device", "gpu", "--backend", "onnx_runtime"), "built without gpu"),
        (("--device", "gpu", "--backend", "tensorrt"), "built without gpu"),
        (("--device", "kunlunxin", "--backend", "paddle"), "built without kunlunxin"),
        (("--device", "kunlunxin", "--backend", "onnx_runtime"), "these pairs work"),
        (("--use_fp16", "true"), "--use_fp16 is for"),
        (("--max_length", "4096"), "over the bundle's own"),
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
