"""Which reader serves a data set: the one place that tells the tasks' files apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ernie_toolkit.data.custom import read_custom
from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.questions import ANSWER_NOT_FOUND, parse_question
from ernie_toolkit.data.readers import NO_GOLD_LABEL, Example, parse_row, read_clue_jsonl
from ernie_toolkit.data.registry import CUSTOM, DatasetSpec, Split
from ernie_toolkit.data.squad import read_squad
from ernie_toolkit.data.tagged import parse_tagged_row, read_tagged

_SHOWN_PLACES = 5
_REASONS = {"qa": ANSWER_NOT_FOUND}


def read_examples(
    path: Path, spec: DatasetSpec, split: Split, options: FileOptions, record: FileRecord
) -> Iterator[Example]:
    """Stream the examples of a file; how it was read and what was left out of it goes to `record`.

    Raises DataError at the first row that does not fit.
    """
    if spec.task_name == "token_cls":
        return read_tagged(path, spec, split, options, record)
    if spec.task_name == "qa":
        return read_squad(path, split, options, record)
    if spec.name == CUSTOM:
        return read_custom(path, spec, split, options, record)
    return read_clue_jsonl(path, spec, split, options, record)


def parse_examples(
    rows: list[dict[str, Any]], spec: DatasetSpec, split: Split, source: str, record: FileRecord
) -> Iterator[Example]:
    """The same for rows that are in memory, in the official fields; `source` names them in messages."""
    for index, row in enumerate(rows):
        where = f"{source} {split} row {index + 1}"
        example: Example | None
        if spec.task_name == "token_cls":
            example = parse_tagged_row(row, spec, split, index, where)
        elif spec.task_name == "qa":
            example = parse_question(row, split, where)
        else:
            example = parse_row(row, spec, split, index, where)
        if example is None:
            record.leave_out(_REASONS.get(spec.task_name, NO_GOLD_LABEL), row.get("id", index + 1))
        else:
            if split == "test" and spec.task_name == "seq_cls":
                example["line"] = index + 1
            yield example


def left_out_warnings(path: Path | str, record: FileRecord) -> list[str]:
    """The lines that tell the user what was left out of a file."""
    lines = []
    for reason, places in record.left_out.items():
        shown = ", ".join(str(place)[:60] for place in places[:_SHOWN_PLACES])
        more = ", ..." if len(places) > _SHOWN_PLACES else ""
        lines.append(f"{len(places)} {reason} left out of {path}: {shown}{more}")
    return lines
