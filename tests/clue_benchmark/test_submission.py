"""The zip for CLUE's server: its names, what is missing, whole or not at all."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from clue_results import metrics_of, write_answers, write_cell
from tiny import ROOT

from ernie_toolkit.clue_benchmark.grid import CLUE_DATASETS
from ernie_toolkit.clue_benchmark.submission import chosen_model, write_submission
from ernie_toolkit.clue_benchmark.table import read_rows
from ernie_toolkit.errors import ConfigError

NAMES = {
    *("afqmc_predict.json", "tnews11_predict.json", "iflytek_predict.json", "cmnli_predict.json"),
    *("ocnli_50k_predict.json", "cluewsc11_predict.json", "csl_predict.json", "cmrc2018_predict.json"),
    *("chid11_predict.json", "c311_predict.json"),
}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A model with answers to all ten."""
    for name in CLUE_DATASETS:
        cell = write_cell(tmp_path / "results", "a", name, [({}, 1, dict(metrics_of(name, 0.5)))])
        write_answers(cell, "trial-000", f"{name}_predict.json")
    return tmp_path / "results"


def test_all_names(results: Path, tmp_path: Path) -> None:
    lines = write_submission(tmp_path / "out.zip", results, "a", partial=False)
    assert len(lines) == 1 and set(zipfile.ZipFile(tmp_path / "out.zip").namelist()) == NAMES
    before = (tmp_path / "out.zip").read_bytes()
    write_submission(tmp_path / "out.zip", results, "a", partial=False)
    assert (tmp_path / "out.zip").read_bytes() == before


def test_missing_files(results: Path, tmp_path: Path) -> None:
    (results / "a" / "c3" / "best" / "c3_predict.json").unlink()
    write_cell(results, "a", "csl", [({"x": 1}, 1, {"accuracy": 0.1}), ({"x": 2}, 1, {"accuracy": 0.9})])
    with pytest.raises(
        ConfigError, match=r"lacks 2 of 10 files: csl_predict.json \(the best trial is not exported\); c311"
    ):
        write_submission(tmp_path / "out.zip", results, "a", partial=False)
    assert not (tmp_path / "out.zip").exists()
    lines = write_submission(tmp_path / "out.zip", results, "a", partial=True)
    assert "not in it: csl_predict.json" in lines[1]
    assert set(zipfile.ZipFile(tmp_path / "out.zip").namelist()) == NAMES - {"csl_predict.json", "c311_predict.json"}


def test_which_model(results: Path) -> None:
    write_cell(results, "b", "c3", [({}, 1, {"accuracy": 0.5})])
    rows = read_rows(results)
    assert chosen_model(rows, "b") == "b" and chosen_model(rows[:1], "") == "a"
    for name, said in (("", "one of a, b"), ("c", "no results of 'c'")):
        with pytest.raises(ConfigError, match=said):
            chosen_model(rows, name)


def test_the_script(results: Path, tmp_path: Path) -> None:
    (results / "a" / "c3" / "best" / "c3_predict.json").unlink()
    command = [sys.executable, str(ROOT / "clue" / "table.py"), str(results), "--submission", str(tmp_path / "o.zip")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stdout.startswith("Dev scores")
    assert done.stderr.count("\n") == 1 and "c311_predict.json" in done.stderr and "--partial" in done.stderr
    done = subprocess.run([*command, "--partial", "--format", "csv"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "not in it: c311_predict.json" in done.stderr, done.stderr
    assert done.stdout.startswith("model,data set,metric") and (tmp_path / "o.zip").is_file()
