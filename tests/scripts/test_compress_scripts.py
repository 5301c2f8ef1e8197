"""The compress_* scripts as a user runs them, each in a process of its own, on what the run_* scripts made."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.inference import Predictor

FEW = (
    "--max_steps",
    "6",
    "--save_steps",
    "3",
    "--max_dev_samples",
    "40",
    "--max_train_samples",
    "120",
    "--disable_tqdm",
    "--report_to",
    "none",
)
SETS = {"seq_cls": "afqmc", "token_cls": "msra_ner", "qa": "cmrc2018", "multiple_choice": "c3"}


def call(root: Path, where: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / script), *arguments]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=600)


def error_of(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a refused call prints."""
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.strip().splitlines()
    return line


@pytest.mark.slow
@pytest.mark.parametrize("task", SETS)
def test_from_fine_tuning_to_a_compressed_model(root: Path, tmp_path: Path, task: str) -> None:
    dataset = SETS[task]
    trained = call(root, tmp_path, f"run_{task}.py", "--dataset", dataset, *FEW)
    assert trained.returncode == 0, trained.stderr
    model = tmp_path / "best_models" / dataset
    before = (model / "model_state.pdparams").read_bytes()
    done = call(
        root,
        tmp_path,
        f"compress_{task}.py",
        "--model_name_or_path",
        f"best_models/{dataset}/",
        "--dataset",
        dataset,
        "--output_dir",
        f"./best_models/{dataset}",
        f"--config={root}/configs/default.yml",
        "--batch_size_list",
        "4",
        *FEW,
    )
    assert done.returncode == 0, done.stderr
    assert "generated sample" in done.stderr and "report: " in done.stdout
    report = json.loads((model / "compress_report.json").read_text(encoding="utf-8"))
    assert report["data_source"] == "sample" and report["warnings"] and report["strategy"] == "dynabert+ptq"
    onnx = ["3/4", "3/4 INT8 dynamic", "3/4 INT8 mse 4x1", "3/4 INT8 KL 4x1"]
    names = {engine: [] for engine in ("onnxruntime", "openvino")}
    for item in report["candidates"]:
        names[item["engine"]].append(item["name"])
    assert names["onnxruntime"] == onnx
    assert {"OpenVINO FP32", "3/4 OpenVINO FP32", "3/4 OpenVINO INT8"} <= set(names["openvino"])
    assert set(report["recommended"]) == {"throughput", "latency"}
    assert set(report["recommended"].values()) <= {item["name"] for item in (report["baseline"], *report["candidates"])}
    assert (model / "model_state.pdparams").read_bytes() == before
    for engine in names:
        predictor = Predictor(model / "width_mult_0.75" / "export", precision="int8", num_threads=1, engine=engine)
        assert predictor.predict(predictor.task.examples_for(predictor.bundle.info.text_format)[:1])
    assert predictor.bundle.info.warnings and predictor.bundle.info.data_source == "sample"
    config = json.loads((model / "width_mult_0.75" / "config.json").read_text(encoding="utf-8"))
    assert config["pruned_num_attention_heads"] * 4 == config["num_attention_heads"] * 3
    # The bundle by itself, as the published guide's --input_infer_model_path.
    again = call(
        root,
        tmp_path,
        f"compress_{task}.py",
        "--input_infer_model_path",
        str(model / "export"),
        "--dataset",
        dataset,
        "--strategy",
        "ptq",
        "--output_dir",
        "from_bundle",
        "--algo_list",
        "avg",
        "--batch_size_list",
        "4",
        *FEW,
    )
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "from_bundle" / "width_mult_1" / "export" / "model_int8.onnx").is_file()


def steps_of(checkpoints: Path) -> int:
    """The steps of the last checkpoint that is there."""
    return max((int(path.name.rpartition("-")[2]) for path in checkpoints.glob("checkpoint-*")), default=0)


@pytest.mark.slow
def test_a_killed_run_resumes_in_the_middle_of_training(root: Path, tmp_path: Path) -> None:
    trained = call(root, tmp_path, "run_seq_cls.py", "--dataset", "tnews", *FEW)
    assert trained.returncode == 0, trained.stderr
    common = (
        "--dataset",
        "tnews",
        "--algo_list",
        "avg",
        "--batch_size_list",
        "4",
        *FEW[4:],
        "--max_steps",
        "60",
        "--save_steps",
        "5",
        "--logging_steps",
        "5",
        "--depth_mult_list",
        "1",
        "1/2",
    )
    whole = call(root, tmp_path, "compress_seq_cls.py", *common, "--output_dir", "whole")
    assert whole.returncode == 0, whole.stderr
    command = [sys.executable, str(root / "compress_seq_cls.py"), *common, "--output_dir", "cut"]
    checkpoints = tmp_path / "cut" / "unfinished" / "dynabert" / "checkpoints"
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        limit = time.monotonic() + 300
        # A later one takes an earlier one's place, perhaps between two looks.
        while steps_of(checkpoints) < 10 and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.01)
        assert process.poll() is None, "the run ended before it could be killed"
    finally:
        process.kill()
        process.wait()
    refused = error_of(call(root, tmp_path, "compress_seq_cls.py", *common, "--output_dir", "cut"))
    assert "unfinished run: go on with it by --resume" in refused
    resumed = call(root, tmp_path, "compress_seq_cls.py", *common, "--output_dir", "cut", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    again = call(root, tmp_path, "compress_seq_cls.py", *common, "--output_dir", "cut", "--resume")
    assert again.returncode == 0 and "the run has ended before" in again.stdout and "step 60:" not in again.stdout
    assert "step 5:" not in resumed.stdout and "step 60:" in resumed.stdout
    reports = [json.loads((tmp_path / name / "compress_report.json").read_text()) for name in ("whole", "cut")]
    for one, other in zip(*(report["candidates"] for report in reports), strict=True):
        assert one["name"] == other["name"] and one["metrics"] == pytest.approx(other["metrics"], abs=1e-3)
    assert reports[0]["depths"] == reports[1]["depths"] and len(reports[0]["depths"]) == 1
    # A model of fewer layers is fine-tuned like any other.
    small = "cut/width_mult_0.75_depth_mult_0.5"
    arguments = ("--dataset", "tnews", "--data_source", "sample", "--model_name_or_path", small, *FEW)
    places = ("--do_train", "--do_export", "--output_dir", "on", "--export_model_dir", "on")
    on = call(root, tmp_path, "run_seq_cls.py", *arguments, *places)
    assert on.returncode == 0, on.stderr
    config = json.loads((tmp_path / "on" / "tnews" / "config.json").read_text(encoding="utf-8"))
    assert config["num_hidden_layers"] == 1 and config["pruned_num_attention_heads"] == 3
    predictor = Predictor(tmp_path / "on" / "tnews" / "export", num_threads=1)
    assert predictor.predict(["热点新闻"])


def test_mistakes_in_one_line(root: Path, tmp_path: Path) -> None:
    line = error_of(call(root, tmp_path, "compress_seq_cls.py"))
    assert line.endswith(
        "best_models/afqmc: no fine-tuned model there: python run_seq_cls.py --dataset afqmc makes one"
    )
    line = error_of(call(root, tmp_path, "compress_qa.py", "--strategy", "ptq+qat"))
    assert "--strategy ptq+qat: use one of dynabert, ptq" in line
    line = error_of(call(root, tmp_path, "compress_token_cls.py", "--dataset", "afqmc"))
    assert "run_seq_cls.py" in line
    line = error_of(call(root, tmp_path, "compress_seq_cls.py", "--input_infer_model_path", "no", "--strategy", "ptq"))
    assert "no is not a bundle" in line
    line = error_of(call(root, tmp_path, "compress_seq_cls.py", "--recompute"))
    assert "--recompute runs layers again" in line and "leave it out" in line
    line = error_of(call(root, tmp_path, "compress_seq_cls.py", "--strategy", "qat", "--round_type", "adaround"))
    assert "--round_type belongs to ptq" in line
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_quantized_as_it_is(root: Path, tmp_path: Path, bundle: Bundle) -> None:
    """What it reads and how long its rows are is its own: other data and other lengths are refused."""
    common = (
        "--input_infer_model_path",
        str(bundle.directory),
        "--strategy",
        "ptq",
        "--data_source",
        "sample",
        "--output_dir",
        "out",
    )
    done = call(root, tmp_path, "compress_seq_cls.py", *common, "--dataset", "csl")
    warning, line = done.stderr.splitlines()
    assert done.returncode == 2 and "generated sample" in warning
    assert "with 2 labels that reads 'pair' (afqmc), csl is seq_cls with 2 and 'keywords': choose its own" in line
    line = error_of(call(root, tmp_path, "compress_seq_cls.py", *common, "--max_seq_length", "64"))
    assert f"--max_seq_length 64: the bundle {bundle.directory} was made with 48; leave it out" in line
    line = error_of(call(root, tmp_path, "compress_seq_cls.py", *common, "--bf16"))
    assert "--bf16 needs a GPU" in line
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").touch()
    line = error_of(call(root, tmp_path, "compress_seq_cls.py", *common))
    assert line.endswith("--output_dir out is a file: give a directory")
    (tmp_path / "out").unlink()
    done = call(root, tmp_path, "compress_seq_cls.py", *common, "--max_seq_length", "48", "--method_list", "dynamic")
    assert done.returncode == 0, done.stderr


def test_half_precision_needs_a_gpu(root: Path, tmp_path: Path, model_dir: Path) -> None:
    command = [
        sys.executable,
        str(root / "compress_seq_cls.py"),
        "--model_name_or_path",
        str(model_dir),
        "--data_source",
        "sample",
        "--output_dir",
        "out",
        "--bf16",
    ]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 2 and "--bf16 needs a GPU" in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_has_every_option_of_the_guide(root: Path, tmp_path: Path) -> None:
    done = call(root, tmp_path, "compress_seq_cls.py", "--help")
    for flag in (
        "strategy",
        "width_mult_list",
        "depth_mult_list",
        "algo_list",
        "batch_size_list",
        "batch_num_list",
        "weight_quantize_type",
        "round_type",
        "bias_correction",
        "activation_quantize_type",
        "use_pact",
        "moving_rate",
        "input_infer_model_path",
        "keep_fp32",
        "max_drop",
        "prune_vocab",
        "fp16",
        "learning_rate",
        "output_dir",
        "config",
    ):
        assert f"--{flag}" in done.stdout
    assert "--fp16_opt_level" not in done.stdout
