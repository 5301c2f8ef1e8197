"""What users do with such scripts: they copy one, change a line, and run it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOCAL = '''
import paddle
import paddle.nn.functional as F


def focal_loss(logits, labels):
    """Lin et al., 2017, with gamma 2."""
    likelihood = -F.cross_entropy(logits, labels, reduction="none")
    loss = (-((1 - paddle.exp(likelihood)) ** 2) * likelihood).mean()
    print(f"focal {float(loss):.6f}")
    return loss


'''
LOAD = '''
from ernie_toolkit import make_dataset

GOOD, BAD = "物流很快，质量也好", "等了三天，还是坏的"


def load(args):
    """Reviews out of this program."""
    rows = [{"sentence": text + str(place), "label": label} for place in range(24)
            for text, label in ((GOOD, "good"), (BAD, "bad"))]
    return make_dataset(train=rows, dev=rows[:10], test=[{"sentence": "质量很好"}], name="reviews")


'''
METRIC = '''
def share_of_ones(answers, examples):
    """Not a good metric, but one's own."""
    return sum(answer.label == "1" for answer in answers) / len(answers)


'''
SMALL = ("--device", "cpu", "--max_steps", "4", "--logging_steps", "1", "--disable_tqdm", "--max_seq_length", "24")


def copied(root: Path, place: Path, script: str, before_main: str, *changes: tuple[str, str]) -> Path:
    """A script and utils.py copied to a folder of their own, with some text before `main` and some lines changed."""
    place.mkdir()
    shutil.copy(root / "utils.py", place)
    text = (root / script).read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    own = place / f"my_{script}"
    own.write_text(text.replace("\n\ndef main(", before_main + "def main(", 1), encoding="utf-8")
    return own


def called(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A script run in its own folder."""
    command = [sys.executable, str(script), *SMALL, *arguments]
    return subprocess.run(command, cwd=script.parent, capture_output=True, text=True)


def test_another_criterion(root: Path, tmp_path: Path) -> None:
    script = copied(root, tmp_path / "mine", "run_seq_cls.py", FOCAL, ("criterion=None", "criterion=focal_loss"))
    done = called(script, "--dataset", "afqmc", "--data_source", "sample", "--max_train_samples", "64", "--do_train")
    assert done.returncode == 0, done.stderr
    losses = [float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("focal ")]
    logged = [
        float(line.split("loss ")[1].split(",")[0])
        for line in done.stdout.splitlines()
        if "step " in line and ": loss " in line
    ]
    assert len(losses) == 4 and logged == pytest.approx(losses, abs=2e-4)
    assert max(losses) < 0.35  # cross entropy starts at 0.69, a quarter of it is the focal loss
    assert (tmp_path / "mine" / "best_models" / "afqmc" / "metrics.json").is_file()


def test_other_data(root: Path, tmp_path: Path) -> None:
    changes = ("load_dataset(args.dataset, **args.source)", "load(args)")
    script = copied(root, tmp_path / "mine", "run_seq_cls.py", LOAD, changes)
    stages = ("--do_train", "--do_predict", "--do_export")
    done = called(script, "--model_name_or_path", "ernie-sample-nano", *stages)
    assert done.returncode == 0, done.stderr
    assert "data: reviews from custom (given as examples)" in done.stdout
    results = json.loads((tmp_path / "mine" / "best_models" / "afqmc" / "test_results.json").read_text())
    assert results["dataset"] == "reviews" and results["predictions"][0]["label"] in ("good", "bad")
    from ernie_toolkit import Predictor

    (answer,) = Predictor(tmp_path / "mine" / "best_models" / "afqmc" / "export").predict(["质量很好"])
    assert answer.label in ("good", "bad")


def test_another_metric_chooses_the_best_checkpoint(root: Path, tmp_path: Path) -> None:
    changes = ("custom_evaluate=None", "custom_evaluate=share_of_ones")
    script = copied(root, tmp_path / "mine", "run_seq_cls.py", METRIC, changes)
    data = ("--dataset", "afqmc", "--data_source", "sample", "--max_train_samples", "64", "--max_dev_samples", "40")
    done = called(script, *data, "--do_train", "--save_steps", "1", "--do_export")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "mine" / "best_models" / "afqmc" / "metrics.json").read_text())
    steps = record["training"]["evaluations"]
    assert record["metrics"]["share_of_ones"] == max(entry["eval_share_of_ones"] for entry in steps)
    assert record["settings"]["metric_for_best_model"] == "share_of_ones" and "accuracy" in record["metrics"]
    bundle = json.loads((tmp_path / "mine" / "best_models" / "afqmc" / "export" / "bundle.json").read_text())
    assert bundle["metrics"]["share_of_ones"] == record["metrics"]["share_of_ones"]
    # Compression is measured by it too.
    script = copied(root, tmp_path / "again", "compress_seq_cls.py", METRIC, changes)
    model = ("--model_name_or_path", str(tmp_path / "mine" / "best_models" / "afqmc"), "--output_dir", "smaller")
    grid = ("--strategy", "ptq", "--method_list", "dynamic")
    done = called(script, *data, *model, *grid)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "again" / "smaller" / "compress_report.json").read_text())
    assert report["metric"] == "share_of_ones"
    assert report["baseline"]["metrics"]["share_of_ones"] == pytest.approx(record["metrics"]["share_of_ones"])


@pytest.mark.parametrize(
    "script", sorted(Path(__file__).resolve().parents[2].glob("*_*.py")), ids=lambda path: path.name
)
def test_scripts_can_be_read_in_one_sitting(script: Path) -> None:
    lines = script.read_text(encoding="utf-8").splitlines()
    assert 30 <= len(lines) <= 90
    assert len((script.parent / "utils.py").read_text(encoding="utf-8").splitlines()) < 150
    own = [line for line in lines if "ernie_toolkit" in line]
    assert own and all(line.startswith("from ernie_toolkit import ") for line in own)  # public names alone
