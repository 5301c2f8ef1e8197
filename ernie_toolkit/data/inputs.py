"""Files of texts to predict, for a model whose data set need not be there: a row of the file, a row of the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from ernie_toolkit.data.choice_files import read_choices
from ernie_toolkit.data.choices import parse_choice_row
from ernie_toolkit.data.column_names import is_known
from ernie_toolkit.data.encodings import encoding_notice
from ernie_toolkit.data.file_options import DEFAULT_FILE_OPTIONS, FileOptions, FileRecord, Place, SkippedRow
from ernie_toolkit.data.json_rows import texts_of_row
from ernie_toolkit.data.label_sets import read_numbered_texts
from ernie_toolkit.data.lines import (
    blank_row,
    check_text,
    is_json,
    parse_object,
    read_lines,
    read_objects,
    text_field,
    whole_list,
)
from ernie_toolkit.data.questions import ID_FIELDS, QUESTION_FIELDS
from ernie_toolkit.data.readers import parse_row
from ernie_toolkit.data.registry import DEFAULT_TASK, DatasetSpec
from ernie_toolkit.data.squad import read_squad
from ernie_toolkit.data.tables import read_table
from ernie_toolkit.data.tag_columns import tagged_file_error
from ernie_toolkit.data.tagged import text_of_row
from ernie_toolkit.errors import DataError
from ernie_toolkit.text.features import TextInput, texts_of
from ernie_toolkit.text.formats import CHOICE_FORMATS

# How many texts a plain line has, and a JSON row of a custom data set.
_COLUMNS = {"sentence": 1, "pair": 2, "characters": 1, "question_context": 2}
_CUSTOM_FORMATS = ("sentence", "pair")
# Fields of the objects in which questions stand together.
_GROUPS = ("data", "qas", "paragraphs", "context_text", "query_text")
_ANSWER = TypeVar("_ANSWER")
_Row = TypeVar("_Row")


@dataclass(frozen=True)
class InputRow:
    """A row to predict.

    Attributes:
        text: The text or the pair, None where it cannot be read.
        place: Its line in the file from 1, a question's id in a file of SQuAD's form, None where it comes from no file.
        reason: Why it cannot be read, else empty.
    """

    text: TextInput | None
    place: Place | None = None
    reason: str = ""


def texts_to_predict(rows: Iterable[InputRow]) -> list[TextInput]:
    """What a model is asked: the texts or pairs of those rows that can be read."""
    return [row.text for row in rows if row.text is not None]


def with_answers(rows: Iterable[InputRow], answers: Iterable[_ANSWER]) -> Iterator[tuple[InputRow, _ANSWER | None]]:
    """Every row with its answer, None for one that cannot be read.

    Args:
        rows: The rows to predict.
        answers: Those to `texts_to_predict(rows)`, in that order.
    """
    remaining = iter(answers)
    for row in rows:
        yield row, None if row.text is None else next(remaining)


def rows_in_order(texts: Iterable[tuple[int, str]], skipped: Iterable[SkippedRow]) -> list[InputRow]:
    """Numbered texts and the rows between them that cannot be read, in the order of their lines.

    Args:
        texts: Line numbers from 1 and texts.
        skipped: The rows that cannot be read.
    """
    rows = [InputRow(text, line) for line, text in texts] + [InputRow(None, row.place, row.reason) for row in skipped]
    return sorted(rows, key=lambda row: cast(int, row.place))


def skipped_notice(rows: Sequence[InputRow]) -> str | None:
    """One line that says how many rows have no answer, and why the first has none; None where all have one."""
    reasons = [row.reason for row in rows if row.text is None]
    return f"{len(reasons)} of {len(rows)} row(s) have no answer, the first: {reasons[0]}" if reasons else None


def read_inputs(path: Path, text_format: str) -> list[TextInput]:
    """The texts or pairs of a file of which every row can be read.

    Args:
        path: The file.
        text_format: What the model reads, one of `TEXT_FORMATS`.

    Raises:
        DataError: As `read_input_rows`.
    """
    return texts_to_predict(read_input_rows(path, text_format))


def read_input_rows(
    path: Path,
    text_format: str,
    options: FileOptions = DEFAULT_FILE_OPTIONS,
    labels: Sequence[str] = (),
    record: FileRecord | None = None,
) -> list[InputRow]:
    """The rows of a file: JSON (.json, .jsonl), or columns (`read_table`), a tab between the texts of a pair.

    JSON rows have the official fields of the format (CSL's `keyword` and `abst`, say, or `question` and `context`), for
    sentences and pairs those of a custom data set, and for texts to tag `text`, `sentence` or `tokens`; other fields,
    labels too, are not looked at. Questions are read from files in the forms of `read_squad`, too, and those with
    choices in the forms of `read_choices`, each blank as a row. Every line up to the last that is not blank is a row.
    One that is blank or cannot be read has no text, and a reason, where
    `options.on_error` is "skip".

    Args:
        path: The file.
        text_format: What the model reads, one of `TEXT_FORMATS`.
        options: How files are read.
        labels: The model's own, of which no column of texts consists.
        record: Gets lines on how the file was read; None where they are not wanted.

    Raises:
        DataError: With file and line at the first row that does not fit, under "skip" where no row fits, and in either
            case on a file without a row, with a header, of tags, or with labels in place of second texts.
    """
    record = record or FileRecord()
    notice = encoding_notice(path, options.encoding)
    record.notices += [notice] if notice else []
    squad = text_format == "question_context" and is_json(path) and _is_squad(path, options)
    choices = text_format in CHOICE_FORMATS and is_json(path)
    if squad:
        rows = _questions(path, options, record)
    elif choices:
        rows = _choices(path, text_format, options, record)
    elif is_json(path):
        found = ((place, where, row) for _, place, where, row in read_objects(path, "test", options, record))
        rows = list(_parsed(found, options, lambda row, where: input_of_object(row, text_format, where)))
    else:
        check_is_of_texts(path, text_format, labels, options.encoding)
        table = read_table(path, options.encoding)
        record.notices += table.notices
        columns = f"{'comma' if table.separator == ',' else 'tab'}-separated column(s)"
        cells = ((place, f"{path}:{place}", row) for place, row in table.rows)
        rows = list(_parsed(cells, options, lambda row, where: _plain_input(row, text_format, columns, where, options)))
    if not squad and not choices:
        rows += [InputRow(None, skipped.place, skipped.reason) for skipped in record.skipped]
        rows.sort(key=lambda row: cast(int, row.place))
    if not rows:
        raise DataError(f"{path}: no {'question' if squad or choices else 'text'} in it: write one input a line")
    if all(row.text is None for row in rows):
        raise DataError(f"{path}: none of its {len(rows)} row(s) can be read, the first: {rows[0].reason}")
    return rows


def _parsed(
    found: Iterable[tuple[int, str, _Row | DataError]],
    options: FileOptions,
    parse: Callable[[_Row, str], TextInput],
) -> Iterator[InputRow]:
    """Rows as inputs; where one is none, its error is raised, or is the row's reason."""
    for place, where, row in found:
        try:
            if isinstance(row, DataError):
                raise row
            yield InputRow(parse(row, where), place)
        except DataError as error:
            if options.on_error != "skip":
                raise
            yield InputRow(None, place, str(error))


def _questions(path: Path, options: FileOptions, record: FileRecord) -> list[InputRow]:
    examples = read_squad(path, "test", options, record)
    rows = [InputRow((example["question"], example["context"]), example["id"]) for example in examples]
    for skipped in record.skipped:
        rows.insert(cast(int, skipped.row), InputRow(None, skipped.place, skipped.reason))
    return rows


def _choices(path: Path, text_format: str, options: FileOptions, record: FileRecord) -> list[InputRow]:
    examples = list(read_choices(path, text_format, "test", options, record))
    rows = [InputRow(texts_of(example, text_format), example.get("line", str(example["id"]))) for example in examples]
    skipped = [InputRow(None, item.place, item.reason) for item in record.skipped]
    if all(isinstance(row.place, int) for row in (*rows, *skipped)):
        return sorted([*rows, *skipped], key=lambda row: cast(int, row.place))
    for item, row in zip(record.skipped, skipped):  # of a list of questions, each has its number
        rows.insert(cast(int, item.row), row)
    return rows


def read_text_rows(path: Path, options: FileOptions, record: FileRecord) -> list[InputRow]:
    """The rows of a file of single texts, in which nothing but a tab separates: JSON, or a text a line as it stands.

    As `read_input_rows`, but quotation marks and commas are the text's own whatever the file's name ends with.

    Args:
        path: The file.
        options: How files are read.
        record: Gets lines on how the file was read.

    Raises:
        DataError: As `read_input_rows`.
    """
    if is_json(path):
        return read_input_rows(path, "sentence", options, record=record)
    notice = encoding_notice(path, options.encoding)
    record.notices += [notice] if notice else []
    check_is_of_texts(path, encoding=options.encoding)
    return rows_in_order(*read_numbered_texts(path, options.on_error, options.encoding))


def check_is_of_texts(
    path: Path, text_format: str = "sentence", labels: Sequence[str] = (), encoding: str = "utf-8"
) -> None:
    """Check that the lines of a plain file are texts to predict, and not a header, tags or labels.

    Args:
        path: The file.
        text_format: What the model reads, one of `TEXT_FORMATS`.
        labels: The model's own, of which no column of texts consists.
        encoding: One of `file_options.ENCODINGS`.

    Raises:
        DataError: Where they are not.
    """
    rows = [cells for _, cells in read_table(path, encoding).rows if cells and not isinstance(cells, DataError)]
    if rows and all(map(is_known, rows[0])):
        names = ", ".join(name.strip() for name in rows[0])
        raise DataError(f"{path}:1: a header ({names}), which would be answered as a text: take the line out")
    if rows and all(len(row) == 1 and _is_object(row[0]) for row in rows):
        raise DataError(
            f"{path}: JSON objects, which would be answered as texts: name the file .jsonl, or write one text a line"
        )
    tagged = _tagged_error(path, encoding)
    if tagged is not None:
        raise DataError(f"{path}: {tagged}")
    if text_format == "pair" and rows and all(len(row) == 2 and row[1].strip() in labels for row in rows):
        raise DataError(
            f"{path}: its second column holds labels ({rows[0][1].strip()} ...), where the model reads pairs of "
            "texts: write text<TAB>text a line"
        )


def _tagged_error(path: Path, encoding: str) -> str | None:
    try:
        return tagged_file_error(path, encoding)
    except DataError:
        return None  # of a line that cannot be read the reader itself says so


def _is_squad(path: Path, options: FileOptions) -> bool:
    """Whether a file holds questions in a form of `read_squad`, and not rows of a question and its context alone."""
    whole = whole_list(path, options.encoding)
    flat = [row for row in whole or () if isinstance(row, dict)]
    has_ids = any(name in row for row in flat for name in (*_GROUPS, *ID_FIELDS))
    if not has_ids and any(name in row for row in flat for name in QUESTION_FIELDS):
        return False
    lines = [line for _, line in read_lines(path, options.encoding)]
    rows = list(_objects(lines))
    if any("question" in row for row in rows) and len(rows) + 1 >= len(lines):
        return False
    return bool(lines) and (not rows or any(name in rows[0] for name in _GROUPS) or len(rows) < len(lines))


def _is_object(line: str) -> bool:
    return line.lstrip().startswith("{") and next(_objects([line]), None) is not None


def _objects(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            yield parse_object(line, "")
        except DataError:
            continue


def input_of_object(
    row: dict[str, Any], text_format: str, where: str, options: FileOptions = DEFAULT_FILE_OPTIONS
) -> TextInput:
    """The text, the pair or the question of one JSON row to predict; its other fields are not looked at.

    Args:
        row: The row's fields.
        text_format: What the model reads, one of `TEXT_FORMATS`.
        where: The file and the line, for messages.
        options: The fields that the user names, if any, for single texts and pairs.

    Raises:
        DataError: Where it has no such text.
    """
    if text_format == "characters":
        return text_field(row, options.text_column, where) if options.text_column else text_of_row(row, where)
    if text_format == "question_context":
        return text_field(row, "question", where), text_field(row, "context", where)
    if text_format in _CUSTOM_FORMATS:
        texts = texts_of_row(row, where, options)
        if len(texts) != _COLUMNS[text_format]:
            raise DataError(f"{where}: {len(texts)} text(s), the model reads {_COLUMNS[text_format]}")
        return texts[0] if len(texts) == 1 else (texts[0], texts[1])
    if text_format in CHOICE_FORMATS:
        return texts_of(parse_choice_row({**row, "answer": None, "id": 0}, text_format, "test", 0, where), text_format)
    unlabelled: dict[str, Any] = {**row, "label": None, "id": 0}
    example = parse_row(unlabelled, DatasetSpec("input", DEFAULT_TASK, (), text_format), "test", 0, where)
    assert example is not None  # only sets with gold gaps leave rows out
    return texts_of(example, text_format)


def _plain_input(row: Sequence[str], text_format: str, columns: str, where: str, options: FileOptions) -> TextInput:
    if not row:
        raise blank_row(where, options)
    expected = _COLUMNS.get(text_format)
    if expected is None:
        raise DataError(f"{where}: a model of the format '{text_format}' reads JSON lines: name the file .jsonl")
    if len(row) != expected:
        cut = {1: "cut -f1", 2: "cut -f1,2"}[expected]
        hint = f" ({cut} drops a label)" if len(row) == expected + 1 else ""
        if columns.startswith("comma"):
            hint = ": put texts with a comma between quotation marks, or name the file .txt"
        raise DataError(f"{where}: {len(row)} {columns}, the model reads {expected} text(s){hint}")
    texts = [check_text(text, f"column {number}", where) for number, text in enumerate(row, 1)]
    return texts[0] if expected == 1 else (texts[0], texts[1])
