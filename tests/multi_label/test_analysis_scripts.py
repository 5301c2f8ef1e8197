"""multi_label/analysis/*.py as a user runs them, on a model trained for some steps."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import make_tiny_model

from ernie_toolkit.data.label_sets import read_label_list, read_label_sets, write_label_sets, write_sample_directory
from ernie_toolkit.models import Vocabulary, save_model

pytestmark = pytest.mark.slow
ROWS = {"train": 240, "dev": 60, "test": 10}


def call(root: Path, where: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "multi_label/analysis" / script), *arguments]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture(scope="module")
def source(root: Path, tmp_path_factory: pytest.TempPathFactory, vocabulary: Vocabulary) -> Path:
    """A directory with some rows of the sample and an untrained model; read only."""
    where = tmp_path_factory.mktemp("analysis")
    write_sample_directory(where / "data")
    labels = read_label_list(where / "data/label.txt")
    for name, count in ROWS.items():
        path = where / f"data/{name}.txt"
        write_label_sets(path, list(read_label_sets(path, labels))[:count])
    loaded = make_tiny_model(vocabulary, labels, "multi_label", initializer_range=0.2)
    save_model(loaded.model, vocabulary, where / "checkpoint")
    (where / "analysis").mkdir()
    return where


@pytest.fixture
def place(source: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(source, tmp_path / "multi_label")
    return tmp_path / "multi_label"


def test_evaluation_from_where_the_guide_stands(root: Path, place: Path) -> None:
    done = call(root, place / "analysis", "evaluate.py", "--max_seq_length", "60", "--threshold", "0.4")
    assert done.returncode == 0, done.stderr
    for line in ("Train dataset size: 240", "Dev dataset size: 60", "Class name: 价格差评"):
        assert line in done.stdout
    lines = (place / "analysis/bad_case.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "Prediction\tLabel\tText" and all(line.count("\t") == 2 for line in lines)
    assert f"{len(lines) - 1} of 60 dev rows are wrong" in done.stdout
    assert "Evaluation report" in (place / "analysis/report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("method", ["representer", "confident"])
def test_dirty_rows_and_the_rest(root: Path, place: Path, method: str) -> None:
    arguments = ("--dirty_num", "20", "--max_seq_length", "60", "--method", method)
    done = call(root, place / "analysis", "dirty.py", *arguments)
    assert done.returncode == 0, done.stderr
    parts = [
        (place / f"data/{name}.txt").read_text(encoding="utf-8").splitlines()
        for name in ("train_dirty", "train_dirty_rest", "train")
    ]
    assert len(parts[0]) == 20 and sorted(parts[0] + parts[1]) == sorted(parts[2])


def test_sparse_rows_and_what_supports_them(root: Path, place: Path) -> None:
    arguments = ("--sparse_num", "10", "--support_num", "15", "--support_threshold", "0", "--max_seq_length", "60")
    done = call(root, place / "analysis", "sparse.py", *arguments, "--aug_strategy", "swap")
    assert done.returncode == 0, done.stderr
    labels = read_label_list(place / "data/label.txt")
    rows = {
        name: list(read_label_sets(place / f"data/{name}.txt", labels))
        for name in ("sparse", "support", "train", "dev")
    }
    assert {row["sentence"] for row in rows["sparse"]} < {row["sentence"] for row in rows["dev"]}
    assert len(rows["sparse"]) == 10 and 10 <= len(rows["support"]) <= 15
    assert not {row["sentence"] for row in rows["support"]} & {row["sentence"] for row in rows["train"]}
    known = {row["sentence"] for name in ("train", "dev") for row in rows[name]}
    with (place / "data/data.txt").open("a", encoding="utf-8") as stream:
        stream.writelines(text + "\n" for text in sorted(known))
    done = call(root, place / "analysis", "sparse.py", *arguments, "--annotate")
    assert done.returncode == 0, done.stderr
    support = (place / "data/support.txt").read_text(encoding="utf-8").splitlines()
    assert not known & set(support)
    assert len(support) == 15 and set(support) < set((place / "data/data.txt").read_text(encoding="utf-8").splitlines())


def test_new_rows(root: Path, place: Path) -> None:
    arguments = ("--train_path", "data/dev.txt", "--aug_path", "data/aug.txt", "--aug_type", "homonym")
    done = call(root, place, "aug.py", *arguments)
    assert done.returncode == 0, done.stderr
    made = list(read_label_sets(place / "data/aug.txt", read_label_list(place / "data/label.txt")))
    assert 100 <= len(made) <= 120 and f"{len(made)} new rows from 60" in done.stdout


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("evaluate.py", ("--params_path", "none"), "none: no such model directory"),
        ("evaluate.py", ("--dataset_dir", "none"), "none: no such data directory"),
        ("dirty.py", ("--dirty_num", "0"), "--dirty_num is 0"),
        ("dirty.py", ("--rest_file", "train.txt"), "--rest_file and --train_file are the same file"),
        ("dirty.py", ("--method", "luck"), "invalid choice"),
        ("sparse.py", ("--support_threshold", "2"), "--support_threshold is 2.0: it must lie between -1 and 1"),
        ("sparse.py", ("--rationale_num_sparse", "0"), "--rationale_num_sparse is 0"),
        ("sparse.py", ("--annotate", "--unlabeled_file", "none.txt"), "none.txt: no such file"),
        ("aug.py", ("--aug_percent", "0"), "--aug_percent is 0.0"),
        ("aug.py", ("--aug_type", "mlm"), "--aug_type mlm and --params_path go together"),
        ("aug.py", ("--aug_type", "mlm", "--params_path", "../checkpoint"), "no masked-language-model head"),
        ("aug.py", ("--aug_path", "../data/train.txt"), "--aug_path and --train_path are the same file"),
    ],
)
def test_what_is_refused(root: Path, source: Path, script: str, arguments: tuple[str, ...], message: str) -> None:
    done = call(root, source / "analysis", script, *arguments)
    assert done.returncode == 2 and message in done.stderr.strip().splitlines()[-1], done.stderr
    assert "Traceback" not in done.stderr
