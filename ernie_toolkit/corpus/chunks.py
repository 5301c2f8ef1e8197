"""Chunks of rows, which are predicted and written one after another, and what becomes of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ernie_toolkit.corpus.lines import Record
from ernie_toolkit.corpus.rows import Layout, records_of
from ernie_toolkit.errors import DataError

CHUNK_CHARACTERS = 1 << 22
"""Characters after which a chunk ends, however few rows it has: documents are long."""


@dataclass(frozen=True)
class Chunk:
    """Rows that are predicted at once.

    Attributes:
        number: Its place among all chunks of the run, from 0.
        file: The place of its file among the inputs, from 0.
        records: The rows, blank lines too.
        end: The place in the file behind it, in bytes.
        last: Whether it is the file's last.
    """

    number: int
    file: int
    records: tuple[Record, ...]
    end: int
    last: bool


@dataclass(frozen=True)
class Result:
    """What became of a chunk.

    Attributes:
        number: The chunk's.
        file: The chunk's.
        records: How many rows and blank lines it had.
        answered: How many rows have an answer.
        blank: How many lines are blank.
        cut: How many inputs of the model were longer than it reads.
        lines: The answers, a JSON object a line, in UTF-8.
        bad_lines: The rows without an answer, a JSON object a line, in UTF-8.
        reasons: Why each of these has none.
        end: The chunk's.
        last: The chunk's.
    """

    number: int
    file: int
    records: int
    answered: int
    blank: int
    cut: int
    lines: bytes
    bad_lines: bytes
    reasons: tuple[str, ...]
    end: int
    last: bool

    @property
    def bad(self) -> int:
        """How many rows have no answer."""
        return len(self.reasons)


@dataclass(frozen=True)
class ChunkSource:
    """All chunks that are left of a corpus, in order; can be iterated again, and sent to another process.

    Attributes:
        layouts: How each file is read.
        chunk_rows: Rows of a chunk; one with very long rows has fewer.
        done: Of each file the rows that are written already; None: the file is finished. Files that are not there have
            none.
    """

    layouts: tuple[Layout, ...]
    chunk_rows: int
    done: Mapping[int, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Chunk]:
        """Yield the chunks; raises DataError where a file cannot be read, or was changed meanwhile."""
        number = 0
        for place, layout in enumerate(self.layouts):
            skip = self.done.get(place, 0)
            if skip is None:
                continue
            for records, last in grouped(records_of(layout, skip), self.chunk_rows):
                end = records[-1].end if records else layout.file.size
                if last:
                    check_unchanged(layout)
                yield Chunk(number, place, tuple(records), end, last)
                number += 1


def check_unchanged(layout: Layout) -> None:
    """Check that a file is as it was when the run began.

    Args:
        layout: How it is read.

    Raises:
        DataError: Where its size or its time of change is another.
    """
    file = layout.file
    state = file.path.stat()
    if (state.st_size, state.st_mtime_ns) != (file.size, file.mtime_ns):
        raise DataError(f"{file.path}: was changed while it was read: start anew with `overwrite`")


def grouped(records: Iterator[Record], rows: int) -> Iterator[tuple[list[Record], bool]]:
    """Group rows, and say of each group whether it is the last; of no rows at all there is one group, an empty one.

    Args:
        records: The rows.
        rows: How many a group has at most.
    """
    group: list[Record] = []
    weight = 0
    for record in records:
        if group and (len(group) >= rows or weight >= CHUNK_CHARACTERS):
            yield group, False
            group, weight = [], 0
        group.append(record)
        weight += _characters(record.value)
    yield group, True


def _characters(value: Any) -> int:
    """About how long a row is."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_characters, value.values()))
    return sum(map(_characters, value)) if isinstance(value, list) else 8
