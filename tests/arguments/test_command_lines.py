"""Numbers and paths that are invalid, on the command lines of all scripts and in YAML files."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from command_lines import PATHS

from ernie_toolkit.arguments.options import ReadingOptions
from ernie_toolkit.arguments.settings import read_config
from ernie_toolkit.commands.options import RunOptions
from ernie_toolkit.compression.options import CompressionOptions
from ernie_toolkit.data import load_dataset
from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.models import load_model
from ernie_toolkit.training.options import TrainingOptions

CLASSES = (RunOptions, TrainingOptions, ReadingOptions, CompressionOptions)
NUMBERS = (float("nan"), float("inf"), 10**30, -(10**12), "1e400", "nan", True, None, {"a": 1})


def test_every_script_refuses_them(root: Path) -> None:
    done = subprocess.run([sys.executable, "tests/support/command_lines.py"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[0]) > 500


def test_every_number_has_a_range_and_every_directory_is_a_path() -> None:
    for item in (item for options in CLASSES for item in dataclasses.fields(options)):
        default = item.default[0] if isinstance(item.default, tuple) and item.default else item.default
        if type(default) in (int, float):
            assert item.metadata["allowed"] is not None, item.name
            values = item.default if isinstance(item.default, tuple) else (item.default,)
            assert all(value in item.metadata["allowed"] for value in values), item.name
        if isinstance(item.default, str) and item.name.endswith(("_dir", "_file", "_path")):
            assert item.metadata["parse"] is path_text, item.name


@pytest.mark.parametrize("name", {item.name: item for options in CLASSES for item in dataclasses.fields(options)})
def test_yaml_refuses_them(tmp_path: Path, name: str) -> None:
    item = {item.name: item for options in CLASSES for item in dataclasses.fields(options)}[name]
    values: list[object] = list(NUMBERS) if item.metadata["allowed"] is not None else []
    if item.metadata["parse"] is path_text:
        values += [path for path in PATHS if "\ud800" not in path and "\udcff" not in path]  # YAML has no such text
    for value in values:
        path = tmp_path / "c.yml"
        path.write_text(yaml.safe_dump({"DefaultArgs": {name: value}}), encoding="utf-8")
        with pytest.raises(ConfigError, match=name) as caught:
            read_config(path, "seq_cls", "tnews", CLASSES)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize("path", [path for path in PATHS if path])
def test_the_library_refuses_them_too(path: str) -> None:
    for name in ("train_file", "dev_file", "label_file"):
        with pytest.raises(ConfigError, match=f"`{name}` is a path"):
            load_dataset("custom", **{"train_file": "x.tsv", "dev_file": "y.tsv", name: path})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="`data_dir` is a path"):
        load_dataset("afqmc", data_dir=path)
    with pytest.raises(ModelError, match=r"a path .*: give a trained model") as caught:
        load_model(path, ("0", "1"))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
