"""The floors of the house: what a deployment reads never imports Paddle, and imports only point down."""

import ast
import sys
from pathlib import Path

import pytest
from light_imports import check_imports_no_paddle

FLOORS = {
    "errors": 1, "compat": 1, "files": 1, "transactions": 1, "decoding": 1, "bundle": 1, "options": 1, "cli": 1,
    "batching": 1, "settings": 1, "pairing": 1, "guide_flags": 1, "parsing": 1, "ranges": 1, "paths": 1, "checksums": 1,
    "onnx_wire": 1, "bundle_graph": 1, "bundle_info": 1, "safe_pickle": 1, "escapes": 1, "pickled_arrays": 1,
    "weights": 1,
    "tokenization": 2, "features": 2, "metrics": 2, "windows": 2, "encoded": 2,
    "tasks": 2,
    "inference": 3, "data": 3, "serving": 3, "triton": 3, "paddle_serving": 3,
    "models": 4, "model_config": 4, "paddle_files": 4, "acceleration": 4, "training": 4, "export": 4, "finetuning": 4,
    "reporting": 4,
    "predictions": 4, "heads": 4, "finished": 4, "compression": 4, "devices": 4, "multi_label": 4, "analysis": 4,
}  # fmt: skip
# What `serving` needs is only in an environment of its own: tests/deployments/test_simple_serving.py checks it there.
LOW = sorted(name for name, floor in FLOORS.items() if floor <= 3 and name != "serving")


def modules(root: Path) -> list[Path]:
    """Every module of the library."""
    return sorted((root / "ernie_toolkit").rglob("*.py"))


def floor_of(root: Path, path: Path) -> int:
    """The floor of a module's part of the library; 0 for the package itself."""
    part = path.relative_to(root / "ernie_toolkit").parts[0].removesuffix(".py")
    return 0 if part == "__init__" else FLOORS[part]


def test_every_part_stands_on_a_floor(root: Path) -> None:
    for path in modules(root):
        floor_of(root, path)


def test_imports_point_down(root: Path) -> None:
    upward = []
    for path in modules(root):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                parts = name.split(".")
                known = parts[0] == "ernie_toolkit" and len(parts) > 1
                if known and FLOORS[parts[1]] > floor_of(root, path):
                    upward.append(f"{path}:{node.lineno}: {name}")
    assert not upward


def test_scripts_are_on_top(root: Path) -> None:
    for path in modules(root):
        source = path.read_text(encoding="utf-8")
        assert "import utils" not in source and "from utils" not in source, path


@pytest.mark.parametrize("name", LOW)
def test_low_floors_import_no_paddle(name: str) -> None:
    check_imports_no_paddle(sys.executable, name)
