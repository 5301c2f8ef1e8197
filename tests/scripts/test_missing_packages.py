"""Where Paddle is not installed: a script that needs it says so in one line, with the command to install it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import ROOT, make_tiny_model

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.data.label_sets import write_sample_directory
from ernie_toolkit.data.sample.reviews import LABELS
from ernie_toolkit.models import Vocabulary, save_model

# Python imports this before a script, in the processes that a script starts, too.
HIDING = """
import os, sys

class Hiding:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in os.environ.get("HIDDEN", "paddle paddlenlp paddle2onnx").split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hiding())
"""
COMMANDS = (
    "run_seq_cls.py --output_dir out",
    "run_token_cls.py --output_dir out --data_source sample --device cpu",
    "run_qa.py --output_dir out --data_source sample --fast_cpu false",
    "run_seq_cls.py --output_dir out --data_source sample --do_eval --model_name_or_path {model}",
    "compress_seq_cls.py --dataset afqmc --data_source sample --model_name_or_path {model} --output_dir out",
    "multi_label/train.py",
    "multi_label/predict.py --params_path {labels}",
    "multi_label/export_model.py --params_path {labels} --output_path out",
    "multi_label/prune.py --params_dir {labels} --output_dir out",
    "multi_label/analysis/evaluate.py --dataset_dir data --params_path {labels}",
    "multi_label/analysis/dirty.py --dataset_dir data --params_path {labels}",
    "multi_label/analysis/sparse.py --dataset_dir data --params_path {labels} --aug_strategy substitute",
    "-m ernie_toolkit.export --legacy_pdmodel --model_name_or_path {model} --bundle_dir {bundle}",
    "scripts/demo.py --output_dir out",
    "benchmarks/training_speed.py --texts {texts} --vocab {model}/vocab.txt",
    "benchmarks/tokenization.py --texts {texts} --vocab {model}/vocab.txt",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, vocabulary: Vocabulary) -> Path:
    """A directory with the multi-label sample, a model for it, texts, and the module that hides Paddle."""
    where = tmp_path_factory.mktemp("place")
    write_sample_directory(where / "data")
    loaded = make_tiny_model(vocabulary, LABELS, "multi_label")
    save_model(loaded.model, loaded.vocabulary, where / "labels")
    (where / "texts.json").write_text('{"sentence": "好吃"}\n' * 8, encoding="utf-8")
    (where / "hiding").mkdir()
    (where / "hiding" / "sitecustomize.py").write_text(HIDING, encoding="utf-8")
    return where


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.split()[0 if command[0] != "-" else 1])
def test_one_line_and_the_command(place: Path, model_dir: Path, bundle: Bundle, command: str) -> None:
    names = {"model": model_dir, "labels": place / "labels", "texts": place / "texts.json", "bundle": bundle.directory}
    script, *arguments = (word.format(**names) for word in command.split())
    start = [script] if script == "-m" else [str(ROOT / script)]
    path = os.pathsep.join((str(place / "hiding"), str(ROOT)))
    done = subprocess.run(
        [sys.executable, *start, *arguments],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr and "No module named" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if ": error: " in line]
    assert any("is not installed, which this needs: pip install -r requirements.txt" in line for line in errors), errors
    assert len(errors) == (2 if script.startswith(("scripts/demo", "benchmarks/training_speed")) else 1)


def test_prediction_without_its_runtime(place: Path, bundle: Bundle) -> None:
    """Answered with what prediction alone takes, which is less than training does."""
    path = os.pathsep.join((str(place / "hiding"), str(ROOT)))
    script = str(ROOT / "deploy" / "predictor" / "infer_cpu.py")
    done = subprocess.run(
        [sys.executable, script, "--model_path", str(bundle.directory)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path, "HIDDEN": "onnxruntime"},
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "error: onnxruntime is not installed" in done.stderr
    assert "pip install -r deploy/predictor/requirements_cpu.txt" in done.stderr


def test_prediction_needs_none_of_it(place: Path, bundle: Bundle) -> None:
    path = os.pathsep.join((str(place / "hiding"), str(ROOT)))
    script = str(ROOT / "deploy" / "predictor" / "infer_cpu.py")
    done = subprocess.run(
        [sys.executable, script, "--model_path", str(bundle.directory)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0 and done.stdout.count("label: ") == 2, done.stderr
