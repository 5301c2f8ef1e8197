"""Whole or not there."""

import os
import resource
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from kills import stopped_everywhere

from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import (
    check_output_file,
    recover_directory,
    remove_directory,
    replaced_directory,
    replaced_file,
    write_json,
)
from ernie_toolkit.files.transactions import transaction


def test_a_failed_write_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    write_json(target, {"a": "字"})
    with pytest.raises(RuntimeError), replaced_file(target) as temporary:
        temporary.write_text("half", encoding="utf-8")
        raise RuntimeError
    assert target.read_text(encoding="utf-8") == '{\n  "a": "字"\n}\n'
    assert list(tmp_path.iterdir()) == [target]


def test_new_files_can_be_read_by_others(tmp_path: Path) -> None:
    write_json(tmp_path / "report.json", {})
    (tmp_path / "ordinary").touch()
    assert (tmp_path / "report.json").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_a_failed_directory_leaves_the_earlier_one(tmp_path: Path) -> None:
    target = tmp_path / "export"
    with replaced_directory(target) as temporary:
        (temporary / "file").write_text("1")
    with pytest.raises(RuntimeError), replaced_directory(target) as temporary:
        (temporary / "file").write_text("2")
        raise RuntimeError
    assert (target / "file").read_text() == "1"
    with replaced_directory(target) as temporary:
        (temporary / "other").write_text("3")
    assert [path.name for path in target.iterdir()] == ["other"]
    assert list(tmp_path.iterdir()) == [target]


def test_places_where_no_file_can_be_are_said_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("earlier")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place, reason in (
        (tmp_path, "it is a folder"),
        (file / "x", f"{file} is not a folder"),
        (file / "x" / "y", f"{file} is not a folder"),
        (tmp_path / ("a" * 300), "File name too long"),
        (pipe, "is not an ordinary file"),
    ):
        for attempt in (check_output_file, lambda path: write_json(path, {})):
            with pytest.raises(ConfigError) as error:
                attempt(place)
            assert str(place) in str(error.value) and reason in str(error.value)
            assert len(str(error.value).splitlines()) == 1
    for place, reason in (
        (file, "it is a file"),
        (file / "x", "is not a folder"),
        (tmp_path / ("a" * 300), "too long"),
    ):
        with pytest.raises(ConfigError, match=reason), replaced_directory(place):
            raise AssertionError("the block must not be entered")
    assert file.read_text() == "earlier" and stat.S_ISFIFO(pipe.stat().st_mode)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "pipe"}
    check_output_file(tmp_path / "new" / "deep" / "file")
    check_output_file(file)
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_said_in_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    for attempt in (check_output_file, lambda path: write_json(path, {})):
        with pytest.raises(ConfigError, match="permission"):
            attempt(tmp_path / "file")


def test_leftovers_of_killed_processes_are_swept_and_those_of_living_ones_are_not(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    (tmp_path / ".report.json.abc.tmp").write_text("half")
    (tmp_path / ".report.json.abd.tmp").mkdir()
    (tmp_path / ".report.json.abd.tmp" / "file").write_text("half")
    others = {".other.json.abc.tmp", ".report.json.keep"}
    for name in others:
        (tmp_path / name).write_text("not of this target")
    write_json(target, {})
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", *others}
    with replaced_file(target) as first:
        with replaced_file(target) as second:  # a second writer of the same place
            second.write_text("second")
        assert first.exists()
        first.write_text("first")
    assert target.read_text() == "first"
    with replaced_directory(tmp_path / "export") as outer:
        with replaced_directory(tmp_path / "export") as inner:
            (inner / "file").write_text("inner")
        (outer / "file").write_text("outer")
    assert (tmp_path / "export" / "file").read_text() == "outer"
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "export", *others}


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_directory_stopped_anywhere_is_the_old_or_the_new_one(
    tmp_path: Path, exchanges: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exchanges:
        monkeypatch.setattr("ernie_toolkit.files.atomic.exchange", lambda one, other: False)

    def write(place: Path, text: str) -> None:
        with replaced_directory(place / "export") as temporary:
            (temporary / "file").write_text(text)

    def prepare(number: int) -> Callable[[], None]:
        (tmp_path / str(number)).mkdir()
        write(tmp_path / str(number), "old")
        return lambda: write(tmp_path / str(number), "new")

    stops = 0
    for stops in stopped_everywhere(prepare):
        place = tmp_path / str(stops)
        recover_directory(place / "export")
        assert (place / "export" / "file").read_text() in ("old", "new")
        write(place, "newer")
        assert (place / "export" / "file").read_text() == "newer" and len(list(place.iterdir())) == 1
    assert stops > 5


def test_directories_change_places_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "export"

    def write(text: str) -> None:
        with replaced_directory(target) as temporary:
            (temporary / "file").write_text(text)

    write("1")
    with monkeypatch.context() as patch:  # no renaming can come between: none is there
        patch.setattr(os, "replace", None)
        write("2")
    assert (target / "file").read_text() == "2"
    # A system that cannot, and a process that is killed between the two renamings.
    monkeypatch.setattr("ernie_toolkit.files.atomic.exchange", lambda one, other: False)
    write("3")
    assert (target / "file").read_text() == "3" and list(tmp_path.iterdir()) == [target]
    target.rename(tmp_path / ".export.abc.old")
    assert recover_directory(target) and not recover_directory(target)
    assert (target / "file").read_text() == "3"
    target.rename(tmp_path / ".export.abc.old")
    with pytest.raises(RuntimeError), replaced_directory(target):
        raise RuntimeError
    assert (target / "file").read_text() == "3" and list(tmp_path.iterdir()) == [target]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    real = tmp_path / "elsewhere"
    (real / "export").mkdir(parents=True)
    (real / "file").write_text("1")
    place = tmp_path / "place"
    place.mkdir()
    (place / "file").symlink_to(real / "file")
    (place / "export").symlink_to(real / "export")
    write_json(place / "file", 2)
    with replaced_directory(place / "export") as temporary:
        (temporary / "model").write_text("3")
    assert (place / "file").is_symlink() and (real / "file").read_text() == "2\n"
    assert (place / "export").is_symlink() and (real / "export" / "model").read_text() == "3"
    assert {path.name for path in (*real.iterdir(), *place.iterdir())} == {"file", "export"}


def test_a_directory_goes_as_a_whole(tmp_path: Path) -> None:
    def prepare(number: int) -> Callable[[], None]:
        target = tmp_path / str(number) / "checkpoints"
        (target / "deep").mkdir(parents=True)
        (target / "deep" / "file").write_text("1")
        (target / "run.json").write_text("{}")
        return lambda: remove_directory(target)

    remove_directory(tmp_path / "nothing")
    for stops in stopped_everywhere(prepare):
        left = tmp_path / str(stops) / "checkpoints"
        if left.exists():
            assert sorted(path.name for path in left.rglob("*")) == ["deep", "file", "run.json"]
        remove_directory(left)
        assert not list(left.parent.glob("*")) and not list(left.parent.glob(".*"))
    # What earlier versions were deleting is deleted, not brought back.
    (tmp_path / ".checkpoints.old").mkdir()
    remove_directory(tmp_path / "checkpoints")
    assert not (tmp_path / "checkpoints").exists() and not (tmp_path / ".checkpoints.old").exists()


def test_long_names_have_temporary_ones(tmp_path: Path) -> None:
    for name in ("a" * 255, "字" * 85):
        write_json(tmp_path / name, {})
        assert (tmp_path / name).is_file()


@pytest.mark.parametrize("limit", [0, 100])
def test_a_disk_that_takes_no_more_is_one_line(tmp_path: Path, limit: int) -> None:
    """A limit on the size of files stands for a full disk: it needs no rights, and errors come from the same place."""
    target, directory = tmp_path / "report.json", tmp_path / "export"
    write_json(target, "earlier")
    with replaced_directory(directory) as temporary:
        (temporary / "file").write_text("earlier")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(ConfigError, match=f"{target} cannot be written: File too large: make room"):
            write_json(target, "x" * 1000)
        with pytest.raises(ConfigError, match="cannot be written"), replaced_directory(directory) as temporary:
            (temporary / "file").write_text("x" * 1000)
        with pytest.raises(ConfigError, match="cannot be written"), transaction(tmp_path) as files:
            files.write_text(target, "x" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert target.read_text() == '"earlier"\n' and (directory / "file").read_text() == "earlier"
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "export"}
