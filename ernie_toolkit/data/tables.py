"""Rows of text files with columns: tab-separated, or separated by commas or semicolons with the quoting of RFC 4180."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import List, Tuple, Union

from ernie_toolkit.data.column_names import is_known
from ernie_toolkit.data.lines import lines_or_faults
from ernie_toolkit.errors import DataError

Line = Tuple[int, str]
Cells = List[str]
TableRow = Tuple[int, Union[Cells, DataError]]
"""The number of a row's first line, and its columns, none for a blank row, or why it cannot be read."""

_WRAPPED = re.compile(r'"([^"]*(?:""[^"]*)*)"')
# What Python's csv module says where a column continues to the end of the file, or over its limit.
_NEVER_CLOSED = ("unexpected end of data", "field larger than")
_COLUMN_LIMIT = 131_072
SEPARATOR_NAMES = {"\t": "tab", ",": "comma", ";": "semicolon"}
# What Excel writes above the rows of a file, and reads, to say what stands between columns.
_DECLARED = re.compile(r'"?sep=([,;\t])"?[,;\s]*', re.IGNORECASE)
# Of so many rows with quotation marks around a column each, they are the file's and not the texts'.
_QUOTED_ROWS = 3


@dataclass(frozen=True)
class Table:
    """The rows of a file, blank ones too but not those at its end.

    Attributes:
        rows: Line numbers from 1 with their columns, or with the error of a line that cannot be read.
        separator: What stands between columns.
        quoted: Whether quotation marks around columns were taken off.
        last_blank_lines: How many blank lines there are after the last row.
        notices: Lines to warn about.
    """

    rows: list[TableRow]
    separator: str
    quoted: bool = False
    last_blank_lines: int = 0
    notices: list[str] = field(default_factory=list)

    @property
    def format(self) -> str:
        """How the file was read, for people."""
        return f"{SEPARATOR_NAMES[self.separator]}-separated{', quotation marks of CSV taken off' * self.quoted}"


def read_table(path: Path, encoding: str, limit: int | None = None, semicolons: bool = True) -> Table:
    """The rows of a file: as CSV where its name ends with .csv, else tab-separated.

    Quotation marks are CSV's in a .csv file. In other files they are the text's own, but for files that nothing but a
    writer of CSV makes (`_tab_rows`).

    Args:
        path: The file.
        encoding: One of `file_options.ENCODINGS`.
        limit: How many lines are looked at; None: all.
        semicolons: Whether semicolons may separate the columns of a .csv file without a header; in a file with one text
            a row they are rather the texts'.

    Raises:
        DataError: On a file that cannot be read, and on a quotation mark that is never closed.
    """
    lines: list[Line] = []
    faults: list[TableRow] = []
    for number, line in islice(lines_or_faults(path, encoding), limit):
        if isinstance(line, str):
            lines.append((number, line))
        else:
            faults.append((number, line))
    notices: list[str] = []
    separator, lines = _separator(path, lines, semicolons)
    quoted = False
    if separator == "\t":
        rows, quoted = _tab_rows(path, lines, notices)
    else:
        rows = _csv_rows(path, lines, separator)
    if faults:
        rows = sorted([*rows, *faults], key=lambda row: row[0])
    rows = [(number, cells if isinstance(cells, DataError) or _filled(cells) else []) for number, cells in rows]
    end = len(rows)
    while end and not rows[end - 1][1]:
        end -= 1
    return Table(_without_empty_columns(rows[:end]), separator, quoted, len(rows) - end, notices)


def _without_empty_columns(rows: list[TableRow]) -> list[TableRow]:
    """Rows without the columns at their end that no row fills, from the third on: spreadsheets and editors leave such.

    Some rows may have more of them than others.
    """
    filled = [cells for _, cells in rows if cells and not isinstance(cells, DataError)]
    widest = max(map(len, filled), default=0)
    if widest <= 2 or any(len(cells) == widest and cells[-1].strip() for cells in filled):
        return rows
    end = max([2, *(place for cells in filled for place, cell in enumerate(cells, 1) if cell.strip())])
    return [(number, cells if isinstance(cells, DataError) else cells[:end]) for number, cells in rows]


def _filled(cells: Cells) -> bool:
    return bool("".join(cells).strip())


def _separator(path: Path, lines: list[Line], semicolons: bool) -> tuple[str, list[Line]]:
    """What stands between the columns of a file, and its lines without one that only declares that."""
    if path.suffix.lower() != ".csv":
        return "\t", lines
    declared = _DECLARED.fullmatch(lines[0][1]) if lines else None
    if declared:
        return declared[1], lines[1:]
    first = next((line for _, line in lines if line.strip()), "")
    # Several programs name tab-separated files so.
    if "\t" in first and "," not in first:
        return "\t", lines
    semicolons = semicolons or all(map(is_known, first.split(";")))
    return (";" if semicolons and _has_semicolon_columns(path, lines) else ","), lines


def _has_semicolon_columns(path: Path, lines: Sequence[Line]) -> bool:
    """Whether semicolons part columns, as Excel has it in several countries.

    That is where every row has the same two columns or more, which commas do not give.
    """
    if not any(";" in line for _, line in lines):
        return False
    widths = []
    for separator in ";,":
        try:
            rows = [cells for _, cells in _csv_rows(path, lines, separator) if cells]
        except DataError:
            rows = []
        found = {0 if isinstance(cells, DataError) else len(cells) for cells in rows if cells != [""]}
        widths.append(found.pop() if len(found) == 1 else 0)
    return widths[0] >= 2 > widths[1]


def _csv_rows(path: Path, lines: Sequence[Line], separator: str) -> list[TableRow]:
    """Rows by RFC 4180: a quoted column may hold separators, line ends, and quotation marks that are doubled.

    A column may be as long as the longest line; the limit of Python's csv module finds marks that are never closed.
    """
    before = csv.field_size_limit(max([_COLUMN_LIMIT, *(len(line) for _, line in lines)]))
    try:
        return _limited_csv_rows(path, lines, separator)
    finally:
        csv.field_size_limit(before)


def _limited_csv_rows(path: Path, lines: Sequence[Line], separator: str) -> list[TableRow]:
    reader = csv.reader((line + "\n" for _, line in lines), delimiter=separator, strict=True)
    rows: list[TableRow] = []
    while reader.line_num < len(lines):
        number = lines[reader.line_num][0]
        try:
            rows.append((number, next(reader)))
        except csv.Error as error:
            if any(words in str(error) for words in _NEVER_CLOSED):
                raise DataError(f"{path}:{number}: a quotation mark is opened and never closed: close it") from None
            rows.append((number, DataError(f"{path}:{number}: no row of CSV ({error}): double quotation marks in it")))
    return rows


def _tab_rows(path: Path, lines: Sequence[Line], notices: list[str]) -> tuple[list[TableRow], bool]:
    """Rows of a tab-separated file, and whether its quotation marks were CSV's and are taken off.

    They are CSV's where every one of them stands around a column, or doubled inside of such a column, and either a
    doubled one is there, or a whole column has them, or lines alone do not give one number of columns but CSV does.
    """
    plain = [(number, line.split("\t")) for number, line in lines]
    marked = [cell for _, cells in plain for cell in cells if '"' in cell]
    if not marked:
        return list(plain), False
    rows = [cells for _, cells in plain if _filled(cells)]
    bare = [cell for cell in marked if not _WRAPPED.fullmatch(cell)]
    doubled = any('""' in cell[1:-1] for cell in marked if _WRAPPED.fullmatch(cell))
    if len({len(cells) for cells in rows}) == 1:
        if bare or not (doubled or _has_quoted_column(rows)):
            if doubled:
                number = next(number for number, cells in plain if any(cell in bare[:1] for cell in cells))
                notices.append(
                    f"{path}: some quotation marks look like CSV's, line {number} has one that is not: "
                    "all are kept as they stand"
                )
            return list(plain), False
        return [(number, [_unquoted(cell) for cell in cells]) for number, cells in plain], True
    try:
        found = _csv_rows(path, lines, "\t")
    except DataError:
        return list(plain), False
    return (found, True) if _clean(found, sum(line.count('"') for _, line in lines)) else (list(plain), False)


def _clean(rows: Sequence[TableRow], marks: int) -> bool:
    """Whether rows read as CSV are what a writer of CSV has written, in a file with so many quotation marks.

    They have one number of columns, and every column that needs quotation marks has them. A line end and a tab in one
    column are rather two stray quotation marks with rows between.
    """
    widths, needed = set(), 0
    for _, cells in rows:
        if isinstance(cells, DataError):
            return False
        if not _filled(cells):
            continue
        widths.add(len(cells))
        for cell in cells:
            if "\n" in cell and "\t" in cell:
                return False
            if any(sign in cell for sign in '"\n\t'):
                needed += 2 + 2 * cell.count('"')
    return len(widths) == 1 and marks >= needed


def _has_quoted_column(rows: Sequence[Cells]) -> bool:
    """Whether every row has quotation marks around the same column; the first row may be a header without."""
    body = rows[1:]
    return len(body) >= _QUOTED_ROWS and any(
        all(len(cells[column]) > 1 and _WRAPPED.fullmatch(cells[column]) for cells in body)
        for column in range(len(rows[0]))
    )


def _unquoted(cell: str) -> str:
    match = _WRAPPED.fullmatch(cell)
    return match[1].replace('""', '"') if match else cell
