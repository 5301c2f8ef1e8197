"""YAML files with the guides' keys, and the guides' flags in runs from end to end."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from ernie_toolkit.arguments.settings import read_config
from ernie_toolkit.commands.config import RUN_NAMES, SOURCE_NAMES, config_notices, with_config
from ernie_toolkit.commands.options import RunOptions, SourceOptions
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.training.options import TrainingOptions

CLASSES = (RunOptions, TrainingOptions)
GUIDE = """
DefaultArgs:
    learning_rate: 0.00003
    num_train_epochs: 3
    evaluation_strategy: epoch
    save_strategy: no
    logging_strategy: "no"
    fp16: false
    device: GPU:1
    metric_for_best_model: eval_accuracy
    lazy_data_processing: true
    resume: true
SequenceClassification:
    "clue TNEWS":
        dataset: "clue tnews"
        num_train_epochs: 1
        preprocessing_num_workers: 4
        output_dir: there
    afqmc:
        dataset: tnews
        task_name: afqmc
TokenClassification:
    msra_ner:
            max_seq_length: 64
"""


@pytest.fixture
def guide(tmp_path: Path) -> Path:
    path = tmp_path / "guide.yml"
    path.write_text(GUIDE, encoding="utf-8")
    return path


def test_the_guides_keys_are_read(guide: Path) -> None:
    values = read_config(guide, "seq_cls", "tnews", CLASSES)
    assert values == {
        "learning_rate": 3e-5,
        "num_train_epochs": 1.0,
        "evaluation_strategy": "epoch",
        "save_strategy": "no",
        "logging_strategy": "no",
        "fp16": False,
        "device": "gpu:1",
        "metric_for_best_model": "accuracy",
        "resume": True,
        "dataset": "tnews",
        "output_dir": "there",
    }
    assert read_config(guide, "token_cls", "msra_ner", CLASSES)["max_seq_length"] == 64


def test_what_is_said_of_keys_that_do_nothing(guide: Path) -> None:
    lines = config_notices(guide, "seq_cls", "tnews", {"device", "output_dir"})
    lazy = f"{guide}: DefaultArgs.lazy_data_processing is not needed: all rows are encoded once, before training"
    resume = f"{guide}: DefaultArgs.resume is left out: give --resume on the command line"
    workers = f"{guide}: SequenceClassification.tnews.preprocessing_num_workers is not needed: rows are encoded"
    assert (lines[0], lines[1], len(lines)) == (lazy, resume, 3) and lines[2].startswith(workers)
    (other,) = config_notices(guide, "seq_cls", "afqmc", {"device", "resume"})[1:]
    assert other.startswith(f"{guide}: SequenceClassification.afqmc.dataset is left out: the section's name")
    assert config_notices(guide, "token_cls", "msra_ner", {"device", "resume"}) == [lazy]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("learning_rat: 1", "unknown key 'learning_rat' in DefaultArgs: use one of"),
        ("device: tpu", "DefaultArgs.device: 'tpu' is no device"),
        ("save_strategy: never", "'never': use one of steps, epoch, no"),
        ("fp16: 1", "it must be of type bool"),
    ],
)
def test_keys_and_values_that_stay_errors(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "other.yml"
    path.write_text(f"DefaultArgs:\n  {line}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_config(path, "seq_cls", "afqmc", CLASSES)


def test_the_command_line_beats_the_file(guide: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = SourceOptions(dataset="tnews", config=str(guide))
    for device in ({}, {"device": "cpu"}):
        given = argparse.Namespace(config=str(guide), **device)
        found = vars(with_config(given, source, "seq_cls", RUN_NAMES))
        assert found == {"config": str(guide), "device": "gpu:1", "resume": True, "output_dir": "there", **device}
    found = vars(with_config(given, source, "seq_cls", SOURCE_NAMES))
    assert found == {"config": str(guide), "device": "cpu"}  # compress_* has another output_dir than run_*
    assert "output_dir is left out: give --output_dir on the command line" in capsys.readouterr().err


def call(where: Path, *words: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *map(str, words)], cwd=where, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
def test_the_guides_flags_in_a_run(root: Path, tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text("DefaultArgs:\n  evaluation_strategy: epoch\n  device: cpu:0\n", encoding="utf-8")
    few = ("--max_train_samples", 96, "--max_dev_samples", 32, "--max_seq_length", 48, "--num_train_epochs", 2)
    done = call(
        tmp_path,
        root / "run_seq_cls.py",
        "--dataset",
        "clue AFQMC",
        "--data_source",
        "sample",
        "--do_train",
        "--do_export",
        "--output_dir",
        "m",
        "--export_model_dir",
        "m",
        "--config",
        "c.yml",
        "--logging_dir",
        "curves",
        "--model_name_or_path",
        "ernie-sample-nano",
        "--load_best_model_at_end",
        "false",
        "--disable_tqdm",
        "True",
        "--lazy_data_processing",
        "--dynamic_max_length",
        16,
        32,
        *few,
    )
    assert "notice: --lazy_data_processing is not needed: " in done.stderr
    assert "notice: --dynamic_max_length is not needed: " in done.stderr
    assert "the last step's weights" in done.stdout and list((tmp_path / "curves").iterdir())
    record = json.loads((tmp_path / "m" / "afqmc" / "metrics.json").read_text(encoding="utf-8"))["training"]
    assert [entry["step"] for entry in record["evaluations"]] == [3, 6] and record["best_step"] == 6
    for name in ("float32", "int8"):
        path = tmp_path / "m" / "afqmc" / "export" / name
        done = call(tmp_path, root / "deploy" / "predictor" / "infer_cpu.py", "--model_path", path, "--vocab_path", "v")
        assert "ready in" in done.stdout and "notice: --vocab_path is not needed" in done.stderr
        assert ("asks for INT8" in done.stderr) == (name == "int8")


@pytest.mark.slow
def test_the_guides_evaluation(root: Path, tmp_path: Path) -> None:
    scripts = root / "multi_label"
    call(
        tmp_path,
        scripts / "train.py",
        "--dataset_dir",
        "data",
        "--max_steps",
        2,
        "--max_seq_length",
        32,
        "--report_to",
        "none",
        "--disable_tqdm",
        "--device",
        "cpu:0",
        "--save_strategy",
        "no",
    )
    done = call(
        tmp_path,
        scripts / "analysis" / "evaluate.py",
        "--device",
        "cpu",
        "--max_seq_length",
        32,
        "--bad_case_path",
        "./wrong.txt",
        "--dataset_dir",
        "data",
        "--params_path",
        "./checkpoint",
    )
    assert "./wrong.txt" in done.stdout and (tmp_path / "wrong.txt").is_file()
