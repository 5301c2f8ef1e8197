"""Whole or not there."""

import os
import stat
from pathlib import Path

import pytest

from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import check_output_file, replaced_directory, replaced_file, write_json


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
