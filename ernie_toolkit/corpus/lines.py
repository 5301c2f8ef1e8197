"""The rows of text files of any size, as they stand there: one after another, each fault kept to its own row."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ernie_toolkit.data.encodings import NAMES, unreadable

LONGEST_LINE = 1 << 26
"""Bytes of the longest line: a file without line ends must not fill the memory."""
_SHOWN_BYTES = 1 << 16
_BLOCK = 1 << 20
_UTF8_MARK = b"\xef\xbb\xbf"


class Record(NamedTuple):
    """A row of a file before it is looked at.

    Attributes:
        line: Its number from 1: of its first line, in a Parquet file of the row.
        value: A line of text, columns, or fields by name; None: a blank line.
        reason: Why it cannot be read, empty where it can.
        end: The place in the file behind it, in bytes.
    """

    line: int
    value: Any
    reason: str
    end: int


def read_lines(path: Path, codec: str, whole: bool = False) -> Iterator[Record]:
    r"""Stream the lines of a file; a blank one has None for a value, one that cannot be decoded a reason.

    Only "\\n" ends a line. Byte order marks at the start of a line and "\\r" before its end are taken away.

    Args:
        path: The file.
        codec: Of `encodings.codec_of`.
        whole: Whether lines stay as they are, blank ones and "\\r" too: columns in quotation marks may hold them.

    Raises:
        DataError: Where the file cannot be read.
    """
    wide = codec.startswith("utf-16")
    end = "\n".encode(codec) if wide else b"\n"
    try:
        with path.open("rb") as stream:
            place = 0
            for number, raw in enumerate(_wide_lines(stream, end) if wide else _narrow_lines(stream), 1):
                place += raw[1]
                record = _decoded(number, raw[0], raw[1], codec, end, place)
                yield record if whole or record.reason else record._replace(value=_bare(record.value))
    except OSError as error:
        raise unreadable(path, error) from None


def _narrow_lines(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Each line, with how many bytes it has in the file; of one that is too long the beginning."""
    while True:
        raw = stream.readline(LONGEST_LINE)
        if not raw:
            return
        size = len(raw)
        part = raw
        while len(part) == LONGEST_LINE and not part.endswith(b"\n"):
            part = stream.readline(LONGEST_LINE)
            size += len(part)
        yield raw, size


def _wide_lines(stream: BinaryIO, end: bytes) -> Iterator[tuple[bytes, int]]:
    """As `_narrow_lines`, in units of two bytes."""
    left, dropped = b"", 0
    for block in iter(lambda: stream.read(_BLOCK), b""):
        left += block
        start = 0
        while True:
            found = _aligned(left, end, start)
            if found < 0:
                break
            yield left[start : found + 2], found + 2 - start + dropped
            start, dropped = found + 2, 0
        left = left[start:]
        if len(left) > LONGEST_LINE:
            dropped += len(left) - LONGEST_LINE
            left = left[:LONGEST_LINE]
    if left:
        yield left, len(left) + dropped


def _aligned(data: bytes, end: bytes, start: int) -> int:
    found = data.find(end, start)
    while found >= 0 and found % 2:
        found = data.find(end, found + 1)
    return found


def _decoded(number: int, raw: bytes, size: int, codec: str, end: bytes, place: int) -> Record:
    if size > len(raw) or len(raw) >= LONGEST_LINE:
        shown = raw[:_SHOWN_BYTES].decode(codec, errors="replace")
        return Record(number, shown, f"a line of {size:,} bytes, and {LONGEST_LINE:,} are the most", place)
    if raw.endswith(end):
        raw = raw[: -len(end)]
    while raw.startswith(_UTF8_MARK):
        raw = raw[len(_UTF8_MARK) :]
    try:
        text = raw.decode(codec).lstrip("\ufeff")
    except UnicodeDecodeError as error:
        reason = f"byte {error.start + 1} of the line (0x{raw[error.start]:02x}) is not {NAMES[codec]}"
        return Record(number, raw.decode(codec, errors="backslashreplace"), reason, place)
    return Record(number, text, "", place)


def _bare(text: str) -> str | None:
    return text.rstrip("\r") if text.strip() else None


class _Feed:
    """Gives lines to a reader of CSV, remembers those of the row it is at, and takes some back."""

    def __init__(self, lines: Iterator[Record]) -> None:
        self._lines = lines
        self._back: deque[Record] = deque()
        self.taken: list[Record] = []

    def peek(self) -> Record | None:
        if not self._back:
            following = next(self._lines, None)
            if following is None:
                return None
            self._back.append(following)
        return self._back[0]

    def drop(self) -> None:
        self._back.popleft()

    def give_back(self, lines: list[Record]) -> None:
        self._back.extendleft(reversed(lines))

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        following = self.peek()
        if following is None or following.reason:
            raise StopIteration  # a row with quotation marks ends here, and is not whole
        self.drop()
        self.taken.append(following)
        return f"{following.value}\n"


def read_csv(path: Path, codec: str, separator: str, columns: int | None) -> Iterator[Record]:
    """Stream the rows of a file by RFC 4180; the value of a row is the list of its columns.

    A quotation mark that is not closed, or a row with another number of columns, is a fault of one line: what follows
    it is read anew from the next line.

    Args:
        path: The file.
        codec: Of `encodings.codec_of`.
        separator: What stands between columns.
        columns: How many a row has; None: whatever it has.

    Raises:
        DataError: Where the file cannot be read.
    """
    feed = _Feed(read_lines(path, codec, whole=True))
    reader = csv.reader(feed, delimiter=separator, strict=True)
    while True:
        first = feed.peek()
        if first is None:
            return
        if first.reason or not first.value.strip():
            feed.drop()
            yield first if first.reason else first._replace(value=None)
            continue
        feed.taken.clear()
        try:
            cells = next(reader)
            reason = wrong_columns(len(cells), columns)
        except StopIteration:
            return
        except csv.Error as error:
            cells, reason = [], f"no row of CSV ({error}): double quotation marks in a column, and close them"
        if not reason:
            yield Record(first.line, cells, "", feed.taken[-1].end)
            continue
        feed.give_back(feed.taken[1:])
        yield first._replace(value=_bare(first.value), reason=reason)


def read_tabs(path: Path, codec: str, columns: int | None) -> Iterator[Record]:
    """Stream the rows of a tab-separated file, whose quotation marks are the texts' own.

    Args:
        path: The file.
        codec: Of `encodings.codec_of`.
        columns: How many a row has; None: whatever it has.

    Raises:
        DataError: Where the file cannot be read.
    """
    for record in read_lines(path, codec):
        if record.reason or record.value is None:
            yield record
            continue
        cells = record.value.split("\t")
        reason = wrong_columns(len(cells), columns)
        yield record._replace(value=record.value if reason else cells, reason=reason)


def wrong_columns(found: int, columns: int | None) -> str:
    """Why a row of so many columns cannot be read, empty where it can.

    Args:
        found: How many it has.
        columns: How many it should have; None: any number.
    """
    return "" if columns in (None, found) else f"{found} column(s) where there should be {columns}"
