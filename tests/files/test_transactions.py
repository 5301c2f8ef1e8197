"""Files that are replaced together or not at all, wherever the process that replaces them stops."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from kills import stopped_everywhere

from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.files.transactions import COMMITTED, JOURNAL, common_directory, finish_transaction, transaction


def content(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir() if path.is_file()}


OLD = {"a": "old a", "b": "old b", "c": "old c"}
NEW = {"a": "new a", "b": "new b", "d": "new d"}


def replace(directory: Path) -> None:
    with transaction(directory) as files:
        for name, text in NEW.items():
            files.write_text(directory / name, text)
        files.remove(directory / "c")


def test_files_are_replaced_and_removed(tmp_path: Path) -> None:
    for name, text in OLD.items():
        (tmp_path / name).write_text(text)
    replace(tmp_path)
    assert content(tmp_path) == NEW
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "d"]
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    assert (tmp_path / "d").stat().st_mode == ordinary.stat().st_mode


def test_an_exception_leaves_everything(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(RuntimeError), transaction(tmp_path) as files:
        files.write_text(tmp_path / "a", "new")
        raise RuntimeError
    assert content(tmp_path) == {"a": "old"} and len(list(tmp_path.iterdir())) == 1


def test_what_was_cut_off_is_finished(tmp_path: Path) -> None:
    def prepare(number: int) -> Callable[[], None]:
        directory = tmp_path / str(number)
        directory.mkdir()
        for name, text in OLD.items():
            (directory / name).write_text(text)
        return lambda: replace(directory)

    seen = []
    for number in stopped_everywhere(prepare):
        directory = tmp_path / str(number)
        finish_transaction(directory)
        assert content(directory) in (OLD, NEW)
        seen.append(content(directory) == NEW)
        replace(directory)
        assert content(directory) == NEW and len(list(directory.iterdir())) == len(NEW)
    # Old until it counts, new from then on.
    assert len(seen) > 15 and seen == sorted(seen) and not seen[0] and seen[-1]


def test_a_committed_transaction_is_finished_by_who_reads(tmp_path: Path) -> None:
    committed = tmp_path / COMMITTED
    committed.mkdir()
    (committed / "a").write_text("new")
    (tmp_path / "b").write_text("old")
    (committed / JOURNAL).write_text(json.dumps({"replace": ["a", "gone already"], "remove": ["b"]}))
    assert finish_transaction(tmp_path) and not finish_transaction(tmp_path)
    assert content(tmp_path) == {"a": "new"} and not committed.exists()


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "link/outside", ".transaction/x", ""])
def test_a_journal_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "other"
    committed = inside / COMMITTED
    committed.mkdir(parents=True)
    outside.mkdir()
    (outside / "outside").write_text("theirs")
    (inside / "link").symlink_to(outside)
    for key in ("replace", "remove"):
        (committed / JOURNAL).write_text(json.dumps({"replace": [], "remove": [], key: [name]}))
        with pytest.raises(DataError, match="leads out"):
            finish_transaction(inside)
    assert (outside / "outside").read_text() == "theirs"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"replace": 3, "remove": []}', "[" * 100_000, "\x00"])
def test_a_journal_that_is_none_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / COMMITTED).mkdir()
    (tmp_path / COMMITTED / JOURNAL).write_text(text)
    with pytest.raises(DataError, match=f"{JOURNAL}: .*delete "):
        finish_transaction(tmp_path)


def test_what_is_no_directory_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / JOURNAL).write_text(json.dumps({"replace": [], "remove": ["a"]}))
    for number, make in enumerate((os.mkfifo, Path.touch, lambda path: path.symlink_to(elsewhere))):
        directory = tmp_path / str(number)
        directory.mkdir()
        (directory / "a").write_text("mine")
        make(directory / COMMITTED)
        with pytest.raises(DataError, match="cut off"):
            finish_transaction(directory)
        assert (directory / "a").read_text() == "mine" and (elsewhere / JOURNAL).is_file()


def test_targets_lie_in_one_directory(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not lie in"), transaction(tmp_path / "a") as files:
        files.path(tmp_path / "b" / "file")
    assert common_directory([tmp_path / "a" / "x", tmp_path / "b" / "y"]) == tmp_path
    with pytest.raises(ConfigError, match="different disks"):
        common_directory([tmp_path / "x", Path("/proc/y")])
    with transaction(tmp_path) as files:
        files.write_text(tmp_path / "deep" / "er" / "x", "text")
    assert (tmp_path / "deep" / "er" / "x").read_text() == "text"


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    left = tmp_path / f".{COMMITTED}.abc.tmp"
    left.mkdir()
    (left / "model").write_text("large")
    with transaction(tmp_path) as files:
        files.write_text(tmp_path / "a", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
