"""What a row of a file is: the input that the model reads, and the fields that are written beside its answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.corpus.inputs import InputFile
from ernie_toolkit.corpus.lines import Record, read_csv, read_lines, read_tabs
from ernie_toolkit.corpus.parquet import read_parquet
from ernie_toolkit.data.file_options import FileOptions
from ernie_toolkit.data.inputs import input_of_object
from ernie_toolkit.data.lines import check_whole, parse_object
from ernie_toolkit.errors import DataError
from ernie_toolkit.text.features import TextInput


@dataclass(frozen=True)
class Layout:
    """How one file is read.

    Attributes:
        file: The file.
        codec: Of `encodings.codec_of`; empty for Parquet.
        separator: What stands between columns; empty where rows are objects.
        columns: The names of the columns, empty where each row has names of its own.
        header: Whether the first row holds these names.
        texts: The columns with the texts; empty: each row's own, by their names.
        prefix: What the names of the answer's fields begin with.
    """

    file: InputFile
    codec: str = ""
    separator: str = ""
    columns: tuple[str, ...] = ()
    header: bool = False
    texts: tuple[str, ...] = ()
    prefix: str = ""

    @property
    def reading(self) -> FileOptions:
        """The columns of the texts as the readers of rows take them."""
        first, second = (*self.texts, "", "")[:2]
        return FileOptions(text_column=first, text_pair_column=second)

    @property
    def described(self) -> str:
        """How the file is read, for people."""
        names = {"\t": "tab-separated", ",": "comma-separated", ";": "semicolon-separated"}
        form = names.get(self.separator, {"json": "JSON lines", "parquet": "Parquet"}.get(self.file.kind, ""))
        if not self.separator or self.file.kind == "txt":
            return f"one text a line ({' <tab> '.join(self.columns)})" if self.file.kind == "txt" else form
        return f"{form}, {'header' if self.header else 'no header, columns'}: {', '.join(self.columns)}"


def records_of(layout: Layout, skip: int = 0) -> Iterator[Record]:
    """Stream the rows of a file, blank lines too, behind its header.

    Args:
        layout: How it is read.
        skip: Rows that are left out at its beginning.

    Raises:
        DataError: Where the file cannot be read.
    """
    file = layout.file
    if file.kind == "parquet":
        yield from read_parquet(file.path, skip)
        return
    if file.kind == "json":
        records = read_lines(file.path, layout.codec)
    elif file.kind == "csv":
        records = read_csv(file.path, layout.codec, layout.separator, len(layout.columns) or None)
    else:
        records = read_tabs(file.path, layout.codec, len(layout.columns) or None)
    if layout.header:
        next((record for record in records if record.value is not None), None)
    for number, record in enumerate(records):
        if number >= skip:
            yield record


def place_of(layout: Layout, line: int) -> str:
    """A row's place, for messages.

    Args:
        layout: How its file is read.
        line: Its number from 1.
    """
    return f"{layout.file.path}: row {line}" if layout.file.kind == "parquet" else f"{layout.file.path}:{line}"


def read_row(layout: Layout, record: Record, text_format: str, answers: tuple[str, ...]) -> tuple[TextInput, str]:
    """The model's input in a row, and the row as the beginning of a JSON object, without its last brace.

    Args:
        layout: How the file is read.
        record: The row, with a value.
        text_format: What the model reads, one of `TEXT_FORMATS`.
        answers: The names of the answer's fields.

    Raises:
        DataError: Where it cannot be read, and where it has a field of an answer's name.
    """
    where = place_of(layout, record.line)
    if record.reason:
        raise DataError(f"{where}: {record.reason}")
    if layout.file.kind == "json":
        row = check_whole(parse_object(record.value, where), where)
        # As it stands, so that numbers keep all their digits.
        start = record.value.strip()[:-1].rstrip()
    else:
        row = _fields(layout, record.value)
        start = json.dumps(row, ensure_ascii=False)[:-1]
    for name in answers:
        if name in row:
            raise DataError(
                f"{where}: its field '{name}' has the name of an answer's, and the rows before have none: "
                "give `answer_prefix`"
            )
    return input_of_object(row, text_format, where, layout.reading), start


def _fields(layout: Layout, value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else dict(strict_zip(layout.columns, value))
