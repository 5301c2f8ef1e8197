"""Public docstrings name every parameter in a section of its own, `Args:` or, for fields, `Attributes:`."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

# Packages and modules that keep to this.
FINISHED = (
    "arguments",
    "bundle",
    "clue_benchmark",
    "commands",
    "compat",
    "compression",
    "console",
    "corpus",
    "data",
    "decoding",
    "errors",
    "export",
    "fastdeploy",
    "files",
    "formats",
    "inference",
    "metrics",
    "models",
    "multi_label",
    "paddle_serving",
    "progress",
    "ray_cluster",
    "reference",
    "session",
    "simple_serving",
    "tasks",
    "text",
    "training",
    "triton",
)
# With one parameter the first sentence mostly says it all.
FEWEST = 2
# Bases that have no methods for a subclass to override.
PLAIN_BASES = {"ABC", "Exception", "NamedTuple", "Protocol", "ToolkitError", "ValueError", "str"}

Function = (ast.FunctionDef, ast.AsyncFunctionDef)


def _modules(root: Path, name: str) -> list[Path]:
    place = root / "ernie_toolkit" / name
    return sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]


def _name(node: ast.expr) -> str:
    """The last part of a name, as of a base class or a decorator."""
    node = node.func if isinstance(node, ast.Call) else node
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _classes(root: Path) -> dict[str, ast.ClassDef]:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in (root / "ernie_toolkit").rglob("*.py"))
    return {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)}


def _overrides(name: str, owner: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> bool:
    """Whether a base has the method, and so its parameters; a base from elsewhere may have any."""
    for base in map(_name, owner.bases):
        if base in classes:
            own = {item.name for item in classes[base].body if isinstance(item, Function)}
            if name in own or _overrides(name, classes[base], classes):
                return True
        elif base not in PLAIN_BASES:
            return True
    return False


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    given = node.args
    names = [item.arg for item in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls") and not name.startswith("_")]


def _functions(
    path: Path, classes: dict[str, ast.ClassDef]
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    """Public functions and methods of a module: where each is, itself, and the docstring that has to describe it."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            if "overload" not in map(_name, node.decorator_list):
                yield f"{path}:{node.lineno}: {node.name}", node, ast.get_docstring(node) or ""
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for item in (item for item in node.body if isinstance(item, Function)):
                where = f"{path}:{item.lineno}: {node.name}.{item.name}"
                if item.name == "__init__":
                    yield where, item, ast.get_docstring(node) or ""
                elif not item.name.startswith("_") and not _overrides(item.name, node, classes):
                    yield where, item, ast.get_docstring(item) or ""


@pytest.fixture(scope="module")
def classes() -> dict[str, ast.ClassDef]:
    """Every class of the library by its name."""
    return _classes(Path(__file__).resolve().parents[1])


@pytest.mark.parametrize("name", FINISHED)
def test_every_parameter_has_a_line(root: Path, classes: dict[str, ast.ClassDef], name: str) -> None:
    missing = []
    for path in _modules(root, name):
        for where, node, docstring in _functions(path, classes):
            parameters = _parameters(node)
            _, _, section = docstring.partition("\nArgs:\n")
            described = re.findall(r"^ {4}\*{0,2}(\w+): \S", section, re.MULTILINE)
            if len(parameters) >= FEWEST:
                missing += [f"{where}: {parameter}" for parameter in parameters if parameter not in described]
    assert not missing


@pytest.mark.parametrize("name", FINISHED)
def test_running_text_has_no_parameters_and_errors(root: Path, classes: dict[str, ast.ClassDef], name: str) -> None:
    """As "`path`: the file." and "Raises ValueError on no rows." would, beside the sections."""
    found = []
    for path in _modules(root, name):
        for where, node, docstring in _functions(path, classes):
            text = re.split(r"\n(?:Args|Attributes|Returns|Raises):\n", docstring)[0]
            found += [f"{where}: {parameter}" for parameter in _parameters(node) if f"`{parameter}`: " in text]
            found += [f"{where}: {error}" for error in re.findall(r"\bRaises? [A-Z]\w*", text)]
    assert not found
