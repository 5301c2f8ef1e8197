"""Rows of a user's classification file before their labels are known, whichever form the file has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ernie_toolkit.data.column_names import plain_names
from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.json_rows import label_field, label_of_row, text_fields, texts_of_row
from ernie_toolkit.data.layout import Layout, Source, columns_error, find_layout
from ernie_toolkit.data.lines import blank_row, check_text, is_json, read_objects
from ernie_toolkit.data.registry import SPLITS, DatasetSpec, Split
from ernie_toolkit.data.tables import Cells, Table, read_table
from ernie_toolkit.errors import DataError

# A layout shows in so many.
_HEAD_LINES = 1000


class RawRow(NamedTuple):
    """One row of a user's file.

    Attributes:
        where: The file and the line, for messages.
        line: Its first line, from 1 (in a JSON list its place).
        number: Its number from 0, a header not counted, blank lines counted.
        texts: Its text or its two texts.
        label: As it is spelt there, None where it has none.
        own_id: The id that it has in the file, or None.
    """

    where: str
    line: int
    number: int
    texts: list[str]
    label: str | None
    own_id: int | None


def raw_rows(
    path: Path,
    split: Split,
    options: FileOptions,
    record: FileRecord,
    texts: int | None = None,
    reference: Layout | None = None,
) -> Iterator[RawRow]:
    """Stream the rows of a file; how it is read, its blank lines and the rows that are skipped go to `record`.

    Args:
        path: The file.
        split: The split that the file is.
        options: How files are read.
        record: What was found in the file.
        texts: How many texts a row has, None where that is not known.
        reference: The layout of the training file, None where there is none.

    Raises:
        DataError: At the first row that does not fit.
    """
    if is_json(path):
        return _json_rows(path, split, options, record)
    return _column_rows(path, split, options, record, texts, reference)


def reference_layout(path: Path, spec: DatasetSpec, options: FileOptions) -> Layout | None:
    """The layout that a file without a header has its columns by: that of the data set's first file with columns.

    Args:
        path: The file without a header.
        spec: The data set, with the paths of its files.
        options: How files are read.

    Returns:
        The layout, None where `path` is that first file or none has columns.
    """
    for split in SPLITS:
        for name in spec.files.get(split, ()):
            other = Path(name)
            if other == path:
                return None
            if not is_json(other):
                return layout_of(other, split, options)
    return None


def layout_of(path: Path, split: Split, options: FileOptions) -> Layout | None:
    """The layout of a file with columns by its first lines, None where it is empty.

    Args:
        path: The file.
        split: The split that the file is.
        options: How files are read.

    Raises:
        DataError: On a file that cannot be read, and on columns that are ambiguous.
    """
    semicolons = _semicolons_part_columns(split, None)
    try:
        table = read_table(path, options.encoding, _HEAD_LINES, semicolons)
    except DataError:
        # A quoted column may continue behind these lines; reading all of them names what is wrong with the file.
        table = read_table(path, options.encoding, semicolons=semicolons)
    return find_layout(Source(path, table, split, options))


def _semicolons_part_columns(split: Split, reference: Layout | None) -> bool:
    """Whether semicolons can part a file's columns: rows to predict may be single texts, those of training are not."""
    return split != "test" or (reference is not None and reference.separator == ";")


def _json_rows(path: Path, split: Split, options: FileOptions, record: FileRecord) -> Iterator[RawRow]:
    described = False
    for index, line, where, row in read_objects(path, split, options, record):
        try:
            texts = texts_of_row(row, where, options)
            label = label_of_row(row, options, split != "test", where)
        except DataError as error:
            record.skip(error, line, options, split, index)
            continue
        if not described:
            fields = [*text_fields(row, options, where), *filter(None, [label_field(row, options)])]
            record.format += f": {', '.join(fields)}"
            described = True
        own = row.get("id")
        own_id = own if isinstance(own, int) and not isinstance(own, bool) else None
        yield RawRow(where, line, index, texts, label, own_id)


def _column_rows(
    path: Path, split: Split, options: FileOptions, record: FileRecord, texts: int | None, reference: Layout | None
) -> Iterator[RawRow]:
    table = read_table(path, options.encoding, semicolons=_semicolons_part_columns(split, reference))
    layout = find_layout(Source(path, table, split, options, texts), reference)
    record.notices += table.notices
    record.blank_lines += table.last_blank_lines
    if layout is None:
        for number, cells in table.rows:  # there is nothing but errors
            if isinstance(cells, DataError):
                record.skip(cells, number, options, split)
        return
    record.format = f"{table.format}, {layout.shown}"
    _refuse_empty_column(path, table, layout)
    ids = _own_ids(table, layout)
    index = -1
    before_header = bool(layout.names)
    for number, cells in table.rows:
        where = f"{path}:{number}"
        if before_header and not isinstance(cells, DataError):
            # Blank lines above a header are no rows either.
            before_header = not cells
            record.blank_lines += not cells
            continue
        index += 1
        if not cells and split != "test":
            record.blank_lines += 1
            continue
        try:
            if not cells:
                raise blank_row(where, options)
            row = _row(cells, layout, split, table, ids, where, number, index)
        except DataError as error:
            record.skip(error, number, options, split, index)
        else:
            yield row


def _refuse_empty_column(path: Path, table: Table, layout: Layout) -> None:
    """Raise DataError where a column of texts is empty in every row: it is a wrong one, not rows to be filled."""
    rows = [cells for _, cells in table.rows if cells and not isinstance(cells, DataError)][bool(layout.names) :]
    for place in layout.texts if len(rows) > 1 else ():
        if not any(cells[place].strip() for cells in rows if place < len(cells)):
            raise DataError(
                f"{path}: column {place + 1} is empty in every row: name the columns of text and label with "
                "`text_column` and `label_column`, or take it out"
            )


def _row(
    cells: Cells | DataError, layout: Layout, split: Split, table: Table, ids: bool, where: str, number: int, index: int
) -> RawRow:
    if isinstance(cells, DataError):
        raise cells
    if layout.names and plain_names(cells) == plain_names(layout.names):
        raise DataError(f"{where}: the header stands there again: take the line out")
    if len(cells) != layout.width:
        raise columns_error(where, str(layout.width), cells, table.separator)
    texts = [check_text(cells[place], f"column {place + 1}", where) for place in layout.texts]
    label = None if layout.label is None else cells[layout.label]
    if label is not None and not label.strip():
        if split != "test":
            raise DataError(f"{where}: the label column is empty: fill it or take the line out")
        label = None
    own_id = int(cells[layout.row_id]) if ids and layout.row_id is not None else None
    return RawRow(where, number, index, texts, label, own_id)


def _own_ids(table: Table, layout: Layout) -> bool:
    """Whether the column of ids has a whole number of its own in each row, as an example's `id` is."""
    if layout.row_id is None:
        return False
    rows = [cells for _, cells in table.rows if cells and not isinstance(cells, DataError)]
    values = [cells[layout.row_id] for cells in rows[bool(layout.names) :] if len(cells) == layout.width]
    whole = all(value.isascii() and value.isdigit() and len(value) < 19 for value in values)
    return whole and len(set(values)) == len(rows[bool(layout.names) :])
