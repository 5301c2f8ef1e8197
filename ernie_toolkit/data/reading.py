"""Which reader serves a data set: the one place that tells the tasks' files apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ernie_toolkit.data.custom import read_custom
from ernie_toolkit.data.readers import Example, parse_row, read_clue_jsonl
from ernie_toolkit.data.registry import CUSTOM, DatasetSpec, Split
from ernie_toolkit.data.squad import parse_question, read_squad
from ernie_toolkit.data.tagged import parse_tagged_row, read_tagged

_SHOWN_IDS = 5


def read_examples(path: Path, spec: DatasetSpec, split: Split, left_out: list[Any]) -> Iterator[Example]:
    """Stream the examples of a file; what is left out of it is appended to `left_out`, by line number or id.

    Raises DataError at the first row that does not fit.
    """
    if spec.task == "token_cls":
        return read_tagged(path, spec, split)
    if spec.task == "qa":
        return read_squad(path, split, left_out)
    if spec.name == CUSTOM:
        return read_custom(path, spec, split)
    return read_clue_jsonl(path, spec, split, left_out)


def parse_examples(
    rows: list[dict[str, Any]], spec: DatasetSpec, split: Split, source: str, left_out: list[Any]
) -> Iterator[Example]:
    """The same for rows that are in memory, in the official fields; `source` names them in messages."""
    for index, row in enumerate(rows):
        where = f"{source} {split} row {index + 1}"
        example: Example | None
        if spec.task == "token_cls":
            example = parse_tagged_row(row, spec, split, index, where)
        elif spec.task == "qa":
            example = parse_question(row, split, where)
        else:
            example = parse_row(row, spec, split, index, where)
        if example is None:
            left_out.append(row.get("id", index + 1))
        else:
            yield example


def left_out_warning(spec: DatasetSpec, path: Path, left_out: list[Any]) -> str:
    """The line that tells the user what was left out of a file."""
    if spec.task != "qa":
        return f"{len(left_out)} row(s) without a gold label (label '-') left out of {path}"
    ids = ", ".join(f"{name!r:.60}" for name in left_out[:_SHOWN_IDS]) + (", ..." if len(left_out) > _SHOWN_IDS else "")
    return f"{len(left_out)} question(s) whose answer is not found in the context left out of {path}: {ids}"
