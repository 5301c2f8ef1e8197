"""Messages of the library name parameters; scripts print them with their flags."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from command_lines import SCRIPTS
from script_parsers import parser_of

from ernie_toolkit.compression.options import CompressionOptions
from ernie_toolkit.console import FLAGS, exit_on_toolkit_error, notice, warn, with_flags
from ernie_toolkit.errors import ConfigError

LIBRARY = "ernie_toolkit"
# What is a script's side as a whole. Elsewhere so is each function that makes a parser or takes what one has parsed.
SCRIPT_SIDE = {
    "arguments": "makes flags of options, and says which flags of the guides are taken",
    "commands": "the arguments of the scripts",
    "console.py": "holds FLAGS",
    "export/__main__.py": "is a script",
    "multi_label/doccano.py": "what doccano.py does; its --overwrite is another than that of training",
}
# Flags of other programs, which ours start or ask to be started with.
OTHERS = {
    "training/devices.py": "--gpus",
    "triton/server.py": "--model-repository --backend-directory",
    # The page that lists the flags.
    "reference.py": "--dataset --verbose --{}",
}
# A command to type, with its flags: "compress_*.py --fp16", "python -m ernie_toolkit.export --legacy_pdmodel ...".
COMMAND = re.compile(r"(?:[\w*]+\.py|python -m [\w.]+|pip install)(?: --?[a-z][\w-]*(?: [\w./*-]+| \{\})?)+")
FLAG = re.compile(r"(?<![\w-])--(?:[a-z][\w-]*|\{\})")
# Scripts that have a `build_parser` of their own, or one that `parser_of` knows.
PARSERS = [name for name in SCRIPTS if not re.search("client|serving/start_server|__main__|scripts/", name)]
PARSERS += ["deploy/simple_serving/client_seq_cls.py"]


def on_script_side(node: ast.AST) -> bool:
    """Whether a function makes a parser or takes what one has parsed."""
    if not isinstance(node, ast.FunctionDef):
        return False
    words = {word.attr for word in ast.walk(node) if isinstance(word, ast.Attribute)}
    return bool({"add_argument", "Namespace", "ArgumentParser"} & words)


def texts(node: ast.AST, docstrings: bool = True) -> Iterator[str]:
    """The texts of a module, but for those of a script's side; what is filled in stands there as {}."""
    for child in ast.iter_child_nodes(node):
        if on_script_side(child) or (not docstrings and isinstance(child, ast.Expr)):
            continue
        if isinstance(child, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in child.values)
            yield "".join(map(str, parts))
            yield from (text for part in child.values if not isinstance(part, ast.Constant) for text in texts(part))
        elif isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value
        else:
            yield from texts(child, docstrings)


def modules(root: Path) -> dict[str, ast.Module]:
    """The modules of the library that are no script's side, by their paths in it."""
    found = {}
    for path in sorted((root / LIBRARY).rglob("*.py")):
        name = path.relative_to(root / LIBRARY).as_posix()
        if name not in SCRIPT_SIDE and name.partition("/")[0] not in SCRIPT_SIDE:
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def test_each_flag_is_one_of_the_scripts() -> None:
    flags = {flag for script in PARSERS for flag in parser_of(script)._option_string_actions}
    assert set(FLAGS.values()) <= flags


def test_each_name_is_one_of_the_library(root: Path) -> None:
    found: set[str] = set()
    for path in (root / LIBRARY).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                found |= {node.name, *(item.arg for item in (*node.args.args, *node.args.kwonlyargs))}
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(node.target.id)
    assert set(FLAGS) <= found


def test_the_library_names_no_flag(root: Path) -> None:
    found = {}
    for name, tree in modules(root).items():
        allowed = OTHERS.get(name, "").split()
        flags = [flag for text in texts(tree) for flag in FLAG.findall(COMMAND.sub("", text)) if flag not in allowed]
        if flags:
            found[name] = flags
    assert not found, "name the parameter in backquotes, and list it in console.FLAGS"


def test_names_in_messages_have_a_flag(root: Path) -> None:
    lines = [line for tree in modules(root).values() for line in texts(tree, docstrings=False)]
    names = {name for line in lines for name in re.findall("`([a-z_0-9]+)`", line)}
    assert len(names) > 70 and names <= set(FLAGS)


def test_options_that_a_message_may_name_have_a_flag(root: Path) -> None:
    """Messages are about any of these: they name it by its field."""
    chosen = {item.name for item in fields(CompressionOptions) if item.metadata["choices"]}
    listed = {"method_list", "algo_list", "batch_size_list", "batch_num_list"}
    ranged = {
        node.target.id
        for path in (root / LIBRARY).rglob("*options.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(node.value, ast.Call)
        if any(word.arg == "allowed" for word in node.value.keywords)
    }
    assert len(ranged) > 40 and chosen | listed | ranged <= set(FLAGS)


def test_a_script_prints_flags(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), exit_on_toolkit_error("train.py"):
        raise ConfigError("runs holds a run: go on with it by `resume`, or drop it with `overwrite`")
    notice("`save_strategy` no: there is no best checkpoint")
    warn("`name` custom reads its own files: leave `data_dir` out")
    assert capsys.readouterr().err.splitlines() == [
        "train.py: error: runs holds a run: go on with it by --resume, or drop it with --overwrite_output_dir",
        "notice: --save_strategy no: there is no best checkpoint",
        "warning: --dataset custom reads its own files: leave --data_dir out",
    ]


def test_other_words_stay_as_they_are() -> None:
    for text in ("`rows`: 3", "a`device", "`resume all`", "``"):
        assert with_flags(text) == text
