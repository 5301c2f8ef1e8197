"""How the files of a corpus are read, found out by their first rows before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ernie_toolkit.bundle import BundleInfo
from ernie_toolkit.corpus.inputs import InputFile
from ernie_toolkit.corpus.lines import Record, read_csv, read_lines, read_tabs
from ernie_toolkit.corpus.parquet import parquet_columns
from ernie_toolkit.corpus.rows import Layout, read_row, records_of
from ernie_toolkit.data.column_names import is_known, known_roles
from ernie_toolkit.data.encodings import NAMES, codec_of, detected, encoding_notice, read_head
from ernie_toolkit.data.file_options import FileOptions
from ernie_toolkit.data.lines import field_names, parse_object
from ernie_toolkit.errors import DataError
from ernie_toolkit.tasks import TASKS

HEAD_ROWS = 100
"""Rows of each file that are read before anything is computed."""
PREFIX = "predicted_"
_TABLES = ("sentence", "pair", "characters", "question_context")


def layout_of(file: InputFile, info: BundleInfo, options: FileOptions, prefix: str | None) -> tuple[Layout, list[str]]:
    """How a file is read for a model, and lines on what was found out.

    Args:
        file: The file.
        info: What the bundle says.
        options: The encoding, and the columns that the user names, if any.
        prefix: What the names of the answer's fields begin with; None: nothing, or `PREFIX` where a column of the file
            has such a name.

    Raises:
        ConfigError: Where a Parquet file cannot be read here.
        DataError: Where none of the first rows can be read, where the columns with the texts are not clear, and where
            `prefix` does not keep the answer's names apart from the columns.
    """
    notices: list[str] = []
    if file.kind == "parquet":
        names, written = parquet_columns(file.path)
        texts = _texts(names, info.text_format, options, file.path)
        layout = Layout(file, columns=tuple(names), texts=texts)
        if written:
            notices.append(f"{file.path}: values of {', '.join(written)} are written as texts (ISO 8601, base64)")
    else:
        codec = _codec(file.path, options.encoding)
        notice = encoding_notice(file.path, options.encoding)
        notices += [notice] if notice else []
        if file.kind == "json":
            texts = tuple(name for name in (options.text_column, options.text_pair_column) if name)
            layout = Layout(file, codec, texts=texts)
        else:
            layout = _table(file, codec, info, options)
    head = list(islice(records_of(layout), HEAD_ROWS))
    layout, renamed = _with_prefix(layout, head, TASKS[info.task].answer.FIELDS, prefix)
    _check_head(layout, head, info)
    if len(head) < HEAD_ROWS and not any(record.value is not None for record in head):
        notices.append(f"{file.path}: no row in it: the file of its answers is empty")
    return layout, [*notices, *renamed]


def _codec(path: Path, encoding: str) -> str:
    head = read_head(path)
    codec = codec_of(path, head, encoding)
    if codec == "utf-8" and any(record.reason for record in islice(read_lines(path, codec), HEAD_ROWS)):
        found = detected(path, head)
        if found in NAMES and found != codec:
            raise DataError(f"{path}: the file is {NAMES[found]}, not UTF-8: read it with `encoding` auto")
    return codec


def _table(file: InputFile, codec: str, info: BundleInfo, options: FileOptions) -> Layout:
    """A file with columns; its first row is a header where it has the name of a text in it."""
    path, needed = file.path, tuple(TASKS[info.task].text_fields(info.text_format))
    if info.text_format not in _TABLES:
        raise DataError(f"{path}: a model of the format '{info.text_format}' reads JSON lines or Parquet: write those")
    if file.kind == "txt":
        return Layout(file, codec, "\t", needed, texts=needed)
    separator = _separator(path, codec) if file.kind == "csv" else "\t"
    rows = read_csv(path, codec, separator, None) if file.kind == "csv" else read_tabs(path, codec, None)
    first = next((record for record in islice(rows, HEAD_ROWS) if record.value is not None), None)
    if first is None:
        return Layout(file, codec, separator, needed, texts=needed)
    if first.reason:
        raise DataError(f"{path}:{first.line}: {first.reason}")
    cells = [cell.strip() for cell in first.value]
    named = [name for name in (options.text_column, options.text_pair_column) if name and not name.isdigit()]
    if (named and set(named) <= set(cells)) or any(map(is_known, cells)):
        texts = _texts(cells, info.text_format, options, path)
        return Layout(file, codec, separator, tuple(cells), True, texts)
    if options.text_column:
        columns = [f"column_{number}" for number in range(1, len(cells) + 1)]
        return Layout(file, codec, separator, tuple(columns), texts=_texts(columns, info.text_format, options, path))
    if len(cells) != len(needed):
        raise DataError(
            f"{path}:{first.line}: {len(cells)} column(s), none with a name that texts have, and the model reads "
            f"{len(needed)} text(s): write a header, or give `text_column`"
        )
    return Layout(file, codec, separator, needed, texts=needed)


def _separator(path: Path, codec: str) -> str:
    """What stands between the columns of a .csv file, by its first line."""
    lines = (
        record.value for record in islice(read_lines(path, codec), HEAD_ROWS) if record.value and not record.reason
    )
    first = next(lines, "")
    return next((separator for separator in ",\t;" if separator in first), ",")


def _texts(names: Sequence[str], text_format: str, options: FileOptions, path: Path) -> tuple[str, ...]:
    """The columns with the texts, by the user's word or by their names."""
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{path}: two columns are named {name!r:.60}: give each a name of its own")
    if text_format not in _TABLES:
        return ()
    count = 2 if text_format in ("pair", "question_context") else 1
    asked = [name for name in (options.text_column, options.text_pair_column) if name]
    if asked:
        found = tuple(_asked(name, names, path) for name in asked)
    elif text_format == "question_context":
        found = tuple(name for name in ("question", "context") if name in names)
    else:
        found = tuple(names[place] for place in known_roles(names).texts)
    if len(found) != count:
        remedy = "give `text_column` (and `text_pair_column` for a pair)"
        if text_format == "question_context":
            remedy = "name them question and context"
        raise DataError(
            f"{path}: the model reads {count} text(s), and {len(found)} of its columns are texts by their names "
            f"({field_names(names)}): {remedy}"
        )
    if text_format == "question_context" and found != ("question", "context"):
        raise DataError(f"{path}: name the columns question and context, as the model reads both")
    return found


def _asked(name: str, names: Sequence[str], path: Path) -> str:
    if name in names:
        return name
    if name.isdigit() and 1 <= int(name) <= len(names):
        return names[int(name) - 1]
    raise DataError(f"{path}: no column {name!r:.60}: its columns are {field_names(names)}")


def _with_prefix(
    layout: Layout, head: Sequence[Record], fields: Sequence[str], asked: str | None
) -> tuple[Layout, list[str]]:
    """The layout with a prefix that keeps the answer's names apart from the columns, and a line where one was added."""
    columns = set(layout.columns)
    for record in head if layout.file.kind == "json" else ():
        columns |= _names(record)
    prefix = asked or ""
    clash = sorted(columns & {prefix + name for name in fields})
    path = layout.file.path
    if clash and asked is not None:
        raise DataError(
            f"{path}: it has the column(s) {', '.join(clash)}, as the answers do: give another `answer_prefix`"
        )
    while columns & {prefix + name for name in fields}:
        prefix = PREFIX + prefix
    renamed = f"{path}: it has the column(s) {', '.join(clash)}, as the answers do: theirs begin with {prefix}"
    return replace(layout, prefix=prefix), [renamed] if clash else []


def _names(record: Record) -> set[str]:
    if record.value is None or record.reason:
        return set()
    try:
        return set(parse_object(record.value, ""))
    except DataError:
        return set()  # the row is reported when its turn comes


def _check_head(layout: Layout, head: Sequence[Record], info: BundleInfo) -> None:
    """DataError where rows are there, and none of the first ones can be read: the file is of another kind."""
    rows, first = [record for record in head if record.value is not None], None
    if layout.file.kind == "json" and rows and str(rows[0].value).lstrip().startswith("["):
        raise DataError(f"{layout.file.path}: a JSON list: a corpus is read row by row: write one object a line")
    for record in rows:
        try:
            read_row(layout, record, info.text_format, ())
            return
        except DataError as error:
            first = first or error
    if first is not None:
        raise DataError(f"{layout.file.path}: none of its first {len(rows)} row(s) can be read, the first: {first}")
