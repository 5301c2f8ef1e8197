"""Bundles: whole, described, and refused where they are not."""

import json
import shutil
from pathlib import Path

import pytest

from ernie_toolkit.bundle import BUNDLE_FILE, Bundle, read_bundle
from ernie_toolkit.errors import BundleError


@pytest.fixture
def copy(bundle: Bundle, tmp_path: Path) -> Path:
    """A copy of the bundle to damage."""
    return Path(shutil.copytree(bundle.directory, tmp_path / "export"))


def edit(directory: Path, **changes: object) -> None:
    """Change fields of bundle.json."""
    path = directory / BUNDLE_FILE
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def test_a_bundle_says_what_it_holds(bundle: Bundle) -> None:
    info = read_bundle(bundle.directory, verify=True).info
    assert info == bundle.info
    assert set(info.files) == {"tokenizer", "onnx", "paddle_program", "paddle_weights"}
    assert {path.name for path in bundle.directory.iterdir()} == {
        "bundle.json",
        "tokenizer.json",
        "model.onnx",
        "model.json",
        "model.pdiparams",
    }
    assert (info.labels, info.label_names) == (("0", "1"), ("different", "same"))
    assert (info.text_format, info.max_seq_length, info.data_source) == ("pair", 48, "sample")
    assert info.parity["rows"] == 100 and info.parity["max_abs_difference"] < 1e-5


def test_what_is_not_there(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not a bundle"):
        read_bundle(tmp_path / "nowhere")
    with pytest.raises(BundleError, match="give that path"):
        read_bundle(copy.parent)
    with pytest.raises(BundleError, match="no file with the role 'onnx_int8'"):
        read_bundle(copy).path("onnx_int8")
    (copy / "model.onnx").unlink()
    with pytest.raises(BundleError, match=r"model\.onnx is missing"):
        read_bundle(copy)


def test_changed_files_are_noticed(copy: Path) -> None:
    model = copy / "model.onnx"
    content = model.read_bytes()
    model.write_bytes(content[:-1])
    with pytest.raises(BundleError, match="bytes"):
        read_bundle(copy)
    model.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    read_bundle(copy, verify=False)
    with pytest.raises(BundleError, match="sha256 differs"):
        read_bundle(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, "format version 2"),
        ({"labels": "01"}, "not a whole bundle"),
        ({"files": {}}, "no file with the role tokenizer, onnx"),
        ({"max_seq_length": None}, "not a whole bundle"),
        ({"label_names": ["one"]}, "2 labels and 1 names"),
        ({"files": {"onnx": {"name": "../x", "size": 1, "sha256": ""}}}, "leads out of the bundle"),
    ],
)
def test_descriptions_that_are_refused(copy: Path, changes: dict[str, object], message: str) -> None:
    edit(copy, **changes)
    with pytest.raises(BundleError, match=message):
        read_bundle(copy)


@pytest.mark.parametrize("content", ["", "[1]", "{"])
def test_a_description_that_is_no_object(copy: Path, content: str) -> None:
    (copy / BUNDLE_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(BundleError, match="JSON"):
        read_bundle(copy)
