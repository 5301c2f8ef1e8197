"""Checksums of files, computed once and remembered; and no longer than the files stay as they were."""

import os
import time
from pathlib import Path

import pytest

from ernie_toolkit.files import checksums, sha256_of
from ernie_toolkit.files.checksums import cache_directory, remembered_sha256


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache directory of a user who has nothing in it yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ernie_toolkit" / "sha256"


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files whose checksums are computed from here on, not remembered."""
    found: list[Path] = []

    def counted(path: Path) -> str:
        found.append(path)
        return sha256_of(path)

    monkeypatch.setattr(checksums, "sha256_of", counted)
    return found


def old_file(path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is not young any more: the clock of the one who asks is ahead."""
    path.write_bytes(content)
    now = time.time
    monkeypatch.setattr(checksums.time, "time", lambda: now() + 10)
    return path


def test_computed_once(cache: Path, computed: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = old_file(tmp_path / "a", b"content", monkeypatch)
    assert {remembered_sha256(file) for _ in range(3)} == {sha256_of(file)} and len(computed) == 1
    (tmp_path / "link").symlink_to(file)
    file.rename(tmp_path / "b")  # its time of change is another then
    (tmp_path / "link").unlink()
    assert remembered_sha256(tmp_path / "b") == sha256_of(tmp_path / "b") and len(computed) == 2
    assert len(list(cache.iterdir())) == 1 and cache.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("restored", [False, True])
def test_changed_files_are_computed_anew(
    cache: Path, computed: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restored: bool
) -> None:
    """Also where size and modification time are as before: anybody can set that time."""
    file = old_file(tmp_path / "a", b"content", monkeypatch)
    before, state = remembered_sha256(file), file.stat()
    file.write_bytes(b"CONTENT")
    if restored:
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
        assert (file.stat().st_mtime_ns, file.stat().st_size) == (state.st_mtime_ns, state.st_size)
    assert remembered_sha256(file) == sha256_of(file) != before and len(computed) == 2


def test_young_files_are_not_remembered(cache: Path, computed: list[Path], tmp_path: Path) -> None:
    """Within a tick of the clock a file can change again, and look the same."""
    file = tmp_path / "a"
    file.write_bytes(b"content")
    assert remembered_sha256(file) == remembered_sha256(file) and len(computed) == 2 and not cache.exists()
    os.utime(file, (time.time() + 3600,) * 2)  # a clock that is behind the file's
    assert remembered_sha256(file) == remembered_sha256(file) and len(computed) == 4


@pytest.mark.parametrize("content", [b"", b"\xff", b"1 2 3 " + b"0" * 64 + b"\n", b"x" * 100])
def test_a_record_that_says_nothing_of_the_file(
    cache: Path, computed: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    file = old_file(tmp_path / "a", b"content", monkeypatch)
    remembered_sha256(file)
    [record] = cache.iterdir()
    record.write_bytes(content)
    assert remembered_sha256(file) == sha256_of(file) and len(computed) == 2
    assert remembered_sha256(file) == sha256_of(file) and len(computed) == 2


def test_places_that_nothing_can_be_written_to(
    computed: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = old_file(tmp_path / "a", b"content", monkeypatch)
    (tmp_path / "file").touch()
    for place in (str(tmp_path / "file"), "/proc/nowhere"):
        monkeypatch.setenv("XDG_CACHE_HOME", place)
        assert remembered_sha256(file) == sha256_of(file)
    assert len(computed) == 2


def test_whose_cache_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache_directory() == tmp_path / ".cache/ernie_toolkit/sha256"
    monkeypatch.setenv("HOME", "relative")
    assert cache_directory() is None
