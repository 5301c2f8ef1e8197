"""Models of transformers' here and models of ours there: the same logits, with real PyTorch."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tiny import ROOT


def test_both_libraries_compute_the_same(environment: Callable[[str], Path], tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "huggingface.py"), "--output", str(output)]
    done = subprocess.run(
        [*command, "--torch_python", str(environment("huggingface"))], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(output.read_text(encoding="utf-8"))
    assert len(found["rows"]) == 18 and found["other ids"] == 0 and found["texts"] > 50
    for row in found["rows"]:
        assert row["same weights back"] and max(value for value in row.values() if isinstance(value, float)) < 1e-4
