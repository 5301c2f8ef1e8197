"""Whole or not there."""

from pathlib import Path

import pytest

from ernie_toolkit.files import replaced_directory, replaced_file, write_json


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
