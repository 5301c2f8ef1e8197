"""Messages of the library name parameters; scripts print them with their flags."""

import ast
import re
from pathlib import Path

import pytest
from script_parsers import parser_of

from ernie_toolkit.console import FLAGS, exit_on_toolkit_error, notice, with_flags
from ernie_toolkit.errors import ConfigError

TRAINING = Path("ernie_toolkit/training")
# Each flag of FLAGS is one of these scripts'.
SCRIPTS = ("run_seq_cls.py", "deploy/predictor/infer_gpu.py")
# A flag of paddle.distributed.launch, which is no parameter of ours.
OTHERS = {"--gpus"}


def texts(path: Path) -> list[str]:
    """The string constants of a module, without its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in bare]
    return [node.value for node in constants if isinstance(node.value, str)]


def test_each_flag_is_one_of_the_scripts() -> None:
    flags = {flag for script in SCRIPTS for flag in parser_of(script)._option_string_actions}
    assert set(FLAGS.values()) <= flags


def test_training_names_parameters_that_have_a_flag(root: Path) -> None:
    found = {path.name: texts(path) for path in sorted((root / TRAINING).glob("*.py"))}
    names = {name for lines in found.values() for line in lines for name in re.findall("`([a-z_0-9]+)`", line)}
    assert len(names) > 5 and names <= set(FLAGS)
    flags = {flag for lines in found.values() for line in lines for flag in re.findall("--[a-z]\\w+", line)}
    assert flags == OTHERS


def test_a_script_prints_flags(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), exit_on_toolkit_error("train.py"):
        raise ConfigError("runs holds a run: go on with it by `resume`, or drop it with `overwrite`")
    notice("`save_strategy` no: there is no best checkpoint")
    assert capsys.readouterr().err.splitlines() == [
        "train.py: error: runs holds a run: go on with it by --resume, or drop it with --overwrite_output_dir",
        "notice: --save_strategy no: there is no best checkpoint",
    ]


def test_other_words_stay_as_they_are() -> None:
    for text in ("`rows`: 3", "a`device", "`resume all`", "``"):
        assert with_flags(text) == text
