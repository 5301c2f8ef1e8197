"""Repositories without a bundle: those that are committed are what the builder writes; what is refused."""

import subprocess
import sys
from pathlib import Path

import pytest
from tiny import ROOT

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.triton.repository import RepositoryOptions, build_generic, build_repository

BUILDER = ROOT / "deploy/triton_serving/build_repository.py"
COMMITTED = {
    "deploy/triton_serving/models": ("seq_cls", "token_cls", "qa", "multiple_choice"),
    "multi_label/deploy/triton_serving/models": ("multi_label",),
}


def build(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, BUILDER, *arguments], capture_output=True, text=True, check=False)


def contents(directory: Path) -> dict[str, bytes]:
    """The files of a directory by their path in it; what Python writes there itself is left out."""
    paths = (path for path in directory.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(directory)): path.read_bytes() for path in paths}


@pytest.mark.parametrize("committed", COMMITTED)
def test_the_committed_repositories_are_what_the_builder_writes(tmp_path: Path, committed: str) -> None:
    done = build("--without_bundle", *COMMITTED[committed], "--model_repository", tmp_path / "models")
    assert done.returncode == 0, done.stderr
    written = contents(tmp_path / "models")
    assert written == contents(ROOT / committed)
    assert len([name for name in written if name.endswith("config.pbtxt")]) == 4 * len(COMMITTED[committed])


def test_classification_alone_reads_pairs(tmp_path: Path) -> None:
    done = build("--without_bundle", "seq_cls", "--single", "--model_repository", tmp_path / "models")
    assert done.returncode == 0, done.stderr
    trees = (tmp_path / "models", *(ROOT / name for name in COMMITTED))
    found = [name for tree in trees for name, content in contents(tree).items() if b'"INPUT_PAIR"' in content]
    assert sorted(found) == ["ernie_seqcls/config.pbtxt", "ernie_seqcls_tokenizer/config.pbtxt"]


def test_a_bundle_differs_in_its_own_sizes_alone(bundle: Bundle, tmp_path: Path) -> None:
    """Outputs have the names of the bundle's graph, so that a bundle can be put there later."""
    build_repository(bundle.directory, tmp_path / "own", RepositoryOptions())
    pairs = bundle.info.text_format == "pair"
    build_generic(bundle.info.task, pairs, tmp_path / "generic", RepositoryOptions())
    labels = f"dims: {len(bundle.info.labels)}\n".encode()
    own, generic = contents(tmp_path / "own"), contents(tmp_path / "generic")
    assert set(generic) <= set(own)
    for name, content in generic.items():
        assert own[name].replace(labels, b"dims: -1\n") == content, name


def test_what_is_refused(tmp_path: Path) -> None:
    for backend in ("onnxruntime", "fastdeploy"):
        with pytest.raises(ConfigError, match="computes a bundle's own file"):
            build_generic("qa", False, tmp_path / "models", RepositoryOptions(backend))
    for arguments, message in (
        (("--single",), "--single is for --without_bundle"),
        (("--without_bundle", "ner"), "invalid choice: 'ner'"),
    ):
        done = build(*arguments, "--model_repository", tmp_path / "models")
        assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "models").exists()
