"""The floors of the house: what a deployment reads never imports Paddle, and imports only point down."""

import ast
import sys
from pathlib import Path

import pytest
from light_imports import check_imports_no_paddle

# From the ground up: a module imports from floors below its own and from its own package. Packages of one line do not
# know each other.
HOUSE = (
    ("errors", "compat"),
    ("files",),
    ("formats",),
    ("console",),
    ("arguments", "progress", "ray_cluster"),
    ("text", "decoding"),
    ("metrics",),
    ("tasks",),
    ("bundle",),
    ("data",),
    ("inference",),
    ("simple_serving", "triton", "paddle_serving", "fastdeploy", "corpus"),
    ("models",),
    ("training",),
    ("export",),
    ("session",),
    ("compression",),
    ("multi_label",),
    ("commands",),
    ("clue_benchmark",),
    ("reference",),
)
FLOORS = {name: floor for floor, names in enumerate(HOUSE, 1) for name in names}
# What these need is in environments of their own: tests/deployments checks them there, whole.
ELSEWHERE = ("simple_serving", "paddle_serving")
LOW = [
    *sorted(name for name, floor in FLOORS.items() if floor < FLOORS["models"] and name not in ELSEWHERE),
    *(f"paddle_serving.{name}" for name in ("client", "model", "options", "wire")),
]


def modules(root: Path) -> list[Path]:
    """Every module of the library."""
    return sorted((root / "ernie_toolkit").rglob("*.py"))


def floor_of(root: Path, path: Path) -> int:
    """The floor of a module's part of the library; 0 for the package itself."""
    part = path.relative_to(root / "ernie_toolkit").parts[0].removesuffix(".py")
    return 0 if part == "__init__" else FLOORS[part]


def _may_import(root: Path, path: Path, name: str) -> bool:
    own = path.relative_to(root / "ernie_toolkit").parts[0].removesuffix(".py")
    return name == own or FLOORS[name] < floor_of(root, path)


def test_every_part_stands_on_a_floor(root: Path) -> None:
    for path in modules(root):
        floor_of(root, path)


def test_imports_point_down(root: Path) -> None:
    upward = []
    front_door = root / "ernie_toolkit" / "__init__.py"  # imports each name when it is asked for
    for path in (path for path in modules(root) if path != front_door):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                parts = name.split(".")
                known = parts[0] == "ernie_toolkit" and len(parts) > 1
                if known and not _may_import(root, path, parts[1]):
                    upward.append(f"{path}:{node.lineno}: {name}")
    assert not upward


def test_scripts_are_on_top(root: Path) -> None:
    for path in modules(root):
        source = path.read_text(encoding="utf-8")
        assert "import utils" not in source and "from utils" not in source, path


@pytest.mark.parametrize("name", LOW)
def test_low_floors_import_no_paddle(name: str) -> None:
    check_imports_no_paddle(sys.executable, name)
