"""Examples of a data set's files and rows, by the form of its task's files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.forms import form_of
from ernie_toolkit.data.readers import Example
from ernie_toolkit.data.registry import DatasetSpec, Split

_SHOWN_PLACES = 5


def read_examples(
    path: Path, spec: DatasetSpec, split: Split, options: FileOptions, record: FileRecord
) -> Iterator[Example]:
    """Stream the examples of a file.

    Args:
        path: The file.
        spec: The data set.
        split: The split that the file is.
        options: How files are read.
        record: Gets what was left out and how the file was read.

    Raises:
        DataError: At the first row that does not fit.
    """
    return form_of(spec.task_name).read(path, spec, split, options, record)


def parse_examples(
    rows: list[dict[str, Any]], spec: DatasetSpec, split: Split, source: str, record: FileRecord
) -> Iterator[Example]:
    """As `read_examples`, for rows that are in memory.

    Args:
        rows: Rows in the official fields.
        spec: The data set.
        split: The split that they are of.
        source: What they are called in messages.
        record: Gets what was left out.

    Raises:
        DataError: At the first row that does not fit.
    """
    form = form_of(spec.task_name)
    for index, row in enumerate(rows):
        example = form.parse(row, spec, split, index, f"{source} {split} row {index + 1}")
        if example is None:
            record.leave_out(form.left_out, row.get("id", index + 1))
        else:
            if split == "test" and form.numbers_test_rows:
                example["line"] = index + 1
            yield example


def left_out_warnings(path: Path | str, record: FileRecord) -> list[str]:
    """The lines that tell the user what was left out of a file.

    Args:
        path: The file.
        record: What was found in it.
    """
    lines = []
    for reason, places in record.left_out.items():
        shown = ", ".join(str(place)[:60] for place in places[:_SHOWN_PLACES])
        more = ", ..." if len(places) > _SHOWN_PLACES else ""
        lines.append(f"{len(places)} {reason} left out of {path}: {shown}{more}")
    return lines
