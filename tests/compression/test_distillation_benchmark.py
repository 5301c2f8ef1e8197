"""The distillation benchmark's table; nothing is timed."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def benchmark(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The benchmark's module."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return import_module("distillation")


def test_the_table_has_means_and_spreads(benchmark: Any) -> None:
    def run(kind: str, seed: int, seconds: float, **metrics: float) -> object:
        return benchmark.Run(kind, seed, metrics, 0.5, "accuracy", 10, 9.0, seconds)

    runs = [
        *(run("online", seed, 10.0, mini=0.4 + seed / 100, nano=0.3) for seed in (1, 2)),
        *(run("separate", seed, 8.0, mini=0.4 + seed / 100) for seed in (1, 2)),
        *(run("separate", seed, 7.0, nano=0.3) for seed in (1, 2)),
        *(run("labels", seed, 9.0, mini=0.35, nano=0.25) for seed in (1, 2)),
    ]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in benchmark.table(runs).splitlines()]
    assert lines[2] == ["mini", "41.50 ± 0.71", "41.50 ± 0.71", "35.00 ± 0.00", "6.50 ± 0.71"]
    assert lines[3] == ["nano", "30.00 ± 0.00", "30.00 ± 0.00", "25.00 ± 0.00", "5.00 ± 0.00"]
    assert lines[4] == ["processor time, s", "10.0", "15.0", "9.0", "1.50x saved"]


def test_what_distill_refuses_is_one_line(root: Path, tmp_path: Path) -> None:
    script = str(root / "benchmarks" / "distillation.py")
    command = [sys.executable, script, "--teacher", "nowhere", "--dataset", "tnews", "--students", "nano"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and "--teacher nowhere: no model directory there" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("distillation.py: error: distill.py ended with code 2")
