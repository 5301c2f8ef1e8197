"""Long runs: every data set, a kill in mid-run, two processes, a machine without Paddle, the demo."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ernie_toolkit.data import DATASETS, get_spec
from ernie_toolkit.inference import Predictor
from ernie_toolkit.tasks import TASKS, SequenceClassification

pytestmark = pytest.mark.slow


def command(root: Path, output: Path, dataset: str, *arguments: str) -> list[str]:
    """A run of a data set's script on the sample that writes below `output`."""
    script = str(root / TASKS[get_spec(dataset).task_name].script)
    return [
        sys.executable,
        script,
        "--dataset",
        dataset,
        "--data_source",
        "sample",
        "--device",
        "cpu",
        "--disable_tqdm",
        "--output_dir",
        str(output),
        "--export_model_dir",
        str(output),
        *arguments,
    ]


@pytest.mark.parametrize("dataset", sorted(DATASETS))
def test_each_data_set_makes_the_whole_journey(root: Path, tmp_path: Path, dataset: str) -> None:
    stages = ("--do_train", "--do_eval", "--do_predict", "--do_export")
    result = subprocess.run(
        command(root, tmp_path, dataset, "--max_steps", "30", *stages),
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "generated sample" in result.stderr.splitlines()[-1]
    directory, spec = tmp_path / dataset, get_spec(dataset)
    metrics = json.loads((directory / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["data_source"] == "sample" and any("generated sample" in line for line in metrics["warnings"])
    assert metrics["training"]["steps"] == 30
    predictor = Predictor(directory / "export")
    assert predictor.labels == spec.labels and predictor.bundle.info.warnings
    assert predictor.bundle.info.metrics == metrics["metrics"]
    predictions = json.loads((directory / "test_results.json").read_text(encoding="utf-8"))
    rows = predictions["predictions"]
    assert predictions["warnings"] and rows
    if spec.task_name == "token_cls":
        for row in rows:
            assert len(row["tags"]) == len(row["text"]) and set(row["tags"]) <= set(spec.labels)
            assert all(row["text"][item["start"] : item["end"]] == item["text"] for item in row["entities"])
        return
    if spec.task_name == "multiple_choice":
        check_choices(directory, dataset, rows)
        return
    submission = (directory / f"{dataset}_predict.json").read_text("utf-8")
    if spec.task_name == "qa":
        assert json.loads(submission) == {row["id"]: row["answer"] for row in rows}
        assert all(row["n_best"][0]["text"] == row["answer"] and len(row["n_best"]) <= 20 for row in rows)
        return
    assert all(row["label"] in spec.labels for row in rows)
    assert [json.loads(line)["id"] for line in submission.splitlines()] == [row["id"] for row in rows]


def check_choices(directory: Path, dataset: str, rows: list[dict[str, Any]]) -> None:
    """Each answer is a choice, and CLUE's file has its place among them."""
    submission = (directory / f"{dataset}11_predict.json").read_text("utf-8")
    assert all(row["confidence"] == row["probabilities"][row["index"]] for row in rows)
    if dataset == "chid":
        assert json.loads(submission) == {row["id"]: row["index"] for row in rows}
    else:
        found = [json.loads(line) for line in submission.splitlines()]
        assert found == [{"id": row["id"], "label": row["index"]} for row in rows]


@pytest.mark.parametrize(
    ("dataset", "metric"), [("afqmc", "accuracy"), ("msra_ner", "f1"), ("cmrc2018", "f1"), ("c3", "accuracy")]
)
def test_a_killed_run_resumes_to_the_same_end(root: Path, tmp_path: Path, dataset: str, metric: str) -> None:
    """kill -9 in mid-run; the resumed run's evaluations and metrics are those of a run left alone."""
    settings = (
        dataset,
        "--max_train_samples",
        "640",
        "--max_dev_samples",
        "100",
        "--max_steps",
        "120",
        "--per_device_train_batch_size",
        "32",
        "--save_steps",
        "10",
        "--do_train",
        "--do_eval",
        "--report_to",
        "none",
        "--hidden_dropout_prob",
        "0.1",
        "--attention_probs_dropout_prob",
        "0.1",
        "--max_seq_length",
        "128",
    )
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    subprocess.run(command(root, whole, *settings), cwd=root, check=True, capture_output=True)
    process = subprocess.Popen(
        command(root, cut, *settings), cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    checkpoints = cut / dataset / "checkpoints"
    deadline = time.monotonic() + 300
    while process.poll() is None and not (checkpoints / "checkpoint-40").exists():
        assert time.monotonic() < deadline, "no checkpoint within five minutes"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    again = subprocess.run(command(root, cut, *settings), cwd=root, capture_output=True, text=True, check=False)
    assert again.returncode == 2 and "--resume" in again.stderr
    subprocess.run(command(root, cut, *settings, "--resume"), cwd=root, check=True, capture_output=True)

    def figures(output: Path) -> tuple[dict[str, float], list[tuple[int, float, float]], int]:
        report = json.loads((output / dataset / "metrics.json").read_text(encoding="utf-8"))
        training = report["training"]
        seen = [(entry["step"], entry[f"eval_{metric}"], entry["eval_loss"]) for entry in training["evaluations"]]
        return report["metrics"], seen, training["resumed_from_step"]

    metrics, evaluations, start = figures(whole)
    metrics_cut, evaluations_cut, start_cut = figures(cut)
    assert start == 0 and 40 <= start_cut < 120 and len(evaluations) == 12
    assert metrics_cut == pytest.approx(metrics, abs=1e-5)
    assert np.allclose(evaluations_cut, evaluations, atol=1e-4)
    assert not checkpoints.exists()


def test_two_processes_train_together(root: Path, tmp_path: Path) -> None:
    run = command(
        root,
        tmp_path,
        "afqmc",
        "--max_train_samples",
        "256",
        "--max_dev_samples",
        "100",
        "--num_train_epochs",
        "1",
        "--per_device_train_batch_size",
        "16",
        "--do_train",
        "--do_eval",
    )
    launch = [
        "-m",
        "paddle.distributed.launch",
        "--nproc_per_node",
        "2",
        "--backend",
        "gloo",
        "--log_dir",
        str(tmp_path / "log"),
    ]
    result = subprocess.run(
        [run[0], *launch, *run[1:]], cwd=root, capture_output=True, text=True, check=False, timeout=600
    )
    logs = {path.name: path.read_text("utf-8") for path in (tmp_path / "log").glob("workerlog.*")}
    assert result.returncode == 0, (result.stderr[-2000:], logs)
    report = json.loads((tmp_path / "afqmc" / "metrics.json").read_text(encoding="utf-8"))
    # 256 rows over 2 processes of 16 rows a step.
    assert report["training"]["steps"] == 8
    assert "dev: accuracy" in logs["workerlog.0"] and "dev: accuracy" not in logs["workerlog.1"]


def test_prediction_on_a_machine_without_paddle(root: Path, bundle, tmp_path: Path) -> None:  # noqa: ANN001
    """A fresh environment with deploy/predictor/requirements_cpu.txt and nothing else."""
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    python = str(environment / "bin" / "python")
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    source = tmp_path / "source"  # an install builds in place: keep the checkout as it is
    shutil.copytree(root, source, ignore=shutil.ignore_patterns(".venv", ".venvs", ".git", "*.egg-info", "build"))
    requirements = "deploy/predictor/requirements_cpu.txt"
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "-r", requirements],
        cwd=source,
        check=True,
        env=clean,
        capture_output=True,
    )
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], check=True, capture_output=True, text=True
    )
    names = {line.split("==")[0].lower() for line in listed.stdout.splitlines()}
    assert {"numpy", "tokenizers", "onnxruntime", "ernie_toolkit"} <= names
    assert not names & {"paddlepaddle", "paddlenlp", "onnx", "scikit-learn", "matplotlib"}

    def infer(precision: str) -> subprocess.CompletedProcess[str]:
        arguments = ["--model_path", str(bundle.directory), "--precision_mode", precision]
        script = str(source / "deploy" / "predictor" / "infer_cpu.py")
        return subprocess.run([python, script, *arguments], cwd=tmp_path, env=clean, capture_output=True, text=True)

    done = infer("fp32")
    assert done.returncode == 0 and done.stdout.count("label: ") == 2, done.stderr
    # The bundle has no INT8 model: making one takes packages that a deployment does not need else.
    refused = infer("int8")
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1, refused.stderr
    needed = refused.stderr.partition("pip install ")[2].partition(",")[0].split()
    assert needed == ["onnx", "ml_dtypes"]
    subprocess.run([python, "-m", "pip", "install", "-q", *needed], check=True, env=clean, capture_output=True)
    done = infer("int8")
    assert done.returncode == 0 and done.stdout.count("label: ") == 2, done.stderr


def test_the_demo(root: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, str(root / "scripts" / "demo.py"), "--output_dir", str(tmp_path)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    lines = re.findall(r"^(\S.*?)[ *]+(0\.\d{4}) ", result.stdout.rpartition("dev accuracy")[2], re.MULTILINE)
    rows = {name: float(score) for name, score in lines}
    # A processor's rounding may decide a tie: the two are near, not equal to the last row.
    assert rows["FP32"] > 0.7 and abs(rows["OpenVINO FP32"] - rows["FP32"]) < 0.01
    assert {"3/4", "3/4 OpenVINO INT8"} <= set(rows) and min(rows.values()) > rows["FP32"] - 0.05
    # The pruned and quantized model answers too: each pair rightly.
    assert result.stdout.count("(right)") == 3 and "WRONG" not in result.stdout
    answers = Predictor(tmp_path / "afqmc" / "export").predict(SequenceClassification.examples["pair"])
    # Two threads round otherwise than one: the first pair has 0.68 with two on an EPYC, and more with one.
    assert [answer.label for answer in answers] == ["1", "0"] and min(answer.confidence for answer in answers) > 0.6


def test_stages_one_by_one_from_another_directory(root: Path, tmp_path: Path) -> None:
    """Train, then evaluate, predict and export what is there, each in a process of its own, outside the project."""
    settings = ("tnews", "--max_train_samples", "200", "--max_dev_samples", "100")
    run = [*command(root, Path("out"), *settings), "--max_steps", "20"]

    def stage(name: str, *more: str) -> str:
        result = subprocess.run([*run, name, *more], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    directory = tmp_path / "out" / "tnews"
    stage("--do_train")
    trained = (directory / "metrics.json").read_bytes()
    stage("--do_eval")
    assert (directory / "metrics.json").read_bytes() == trained
    evaluation = json.loads((directory / "eval_results.json").read_text(encoding="utf-8"))
    assert evaluation["metrics"] == pytest.approx(json.loads(trained)["metrics"], abs=1e-6)
    assert "predictions: " in stage("--do_predict")
    stage("--do_export")
    info = Predictor(directory / "export").bundle.info
    assert info.data_source == "sample" and info.metrics == json.loads(trained)["metrics"] and info.warnings
    assert info.label_names is not None and info.label_names[0] == "news_story"
