"""The library's front door: what `import ernie_toolkit` offers, and what it costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ernie_toolkit


def test_import_needs_nothing() -> None:
    code = "import sys; before = set(sys.modules); import ernie_toolkit; print(*sorted(set(sys.modules) - before))"
    found = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert "ernie_toolkit" in found
    assert not [
        name for name in found if name.split(".")[0] in ("numpy", "paddle", "onnxruntime", "tokenizers", "yaml")
    ]
    assert [name for name in found if name.startswith("ernie_toolkit.")] == []


@pytest.mark.parametrize("name", ernie_toolkit.__all__)
def test_each_name_is_there_and_explained(name: str) -> None:
    code = (
        f"import sys; from ernie_toolkit import {name}; print({name}.__doc__ or ''); assert 'paddle' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.strip()) > 20
    assert name in dir(ernie_toolkit)


def test_names_for_type_checkers_are_the_same(root: Path) -> None:
    tree = ast.parse((root / "ernie_toolkit" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    imported = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names:
            imported[alias.name] = node.module.removeprefix("ernie_toolkit.")
    assert imported == ernie_toolkit._PLACES


def test_other_names_are_no_attributes() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Trainer'"):
        ernie_toolkit.Trainer  # noqa: B018 - the attribute is what is looked for
