"""Files of texts to predict, for a model whose data set need not be there: a row of the file, a row of the answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, Union, cast

from ernie_toolkit.data.custom import texts_of_row
from ernie_toolkit.data.file_options import DEFAULT_FILE_OPTIONS, FileOptions, FileRecord, Place, SkippedRow
from ernie_toolkit.data.lines import check_text, is_json, parse_object, read_all_lines, text_field
from ernie_toolkit.data.readers import parse_row
from ernie_toolkit.data.registry import DatasetSpec
from ernie_toolkit.data.squad import read_squad
from ernie_toolkit.data.tagged import text_of_row
from ernie_toolkit.errors import DataError
from ernie_toolkit.features import TextInput, texts_of

# How many texts a plain line has, and a JSON row of a custom data set.
_COLUMNS = {"sentence": 1, "pair": 2, "characters": 1, "question_context": 2}
_CUSTOM_FORMATS = ("sentence", "pair")
# What the columns of a table are called; a first line of nothing else is no text (see `is_header`).
_HEADER_NAMES = frozenset((
    "id", "idx", "text", "texts", "text1", "text2", "text_a", "text_b", "text_pair", "sentence", "sentence1",
    "sentence2", "sentence_a", "sentence_b", "question", "context", "query", "title", "content", "label", "labels",
    "tag", "tags", "文本", "文本1", "文本2", "句子", "句子1", "句子2", "问题", "上下文", "标题", "内容", "正文",
    "标签", "类别",
))  # fmt: skip
BLANK = "a blank line"
_ANSWER = TypeVar("_ANSWER")
_Line = Union[str, DataError]


@dataclass(frozen=True)
class InputRow:
    """A row to predict.

    `text`: the text or the pair, None where it cannot be read, and `reason` says why. `place`: its line in the file
    from 1, a question's id in a file of SQuAD's form, None where it comes from no file.
    """

    text: TextInput | None
    place: Place | None = None
    reason: str = ""


def texts_to_predict(rows: Iterable[InputRow]) -> list[TextInput]:
    """What a model is asked: the texts or pairs of those rows that can be read."""
    return [row.text for row in rows if row.text is not None]


def with_answers(rows: Iterable[InputRow], answers: Iterable[_ANSWER]) -> Iterator[tuple[InputRow, _ANSWER | None]]:
    """Every row with its answer, None for one that cannot be read; `answers` are those to `texts_to_predict`."""
    remaining = iter(answers)
    for row in rows:
        yield row, None if row.text is None else next(remaining)


def rows_in_order(texts: Iterable[tuple[int, str]], skipped: Iterable[SkippedRow]) -> list[InputRow]:
    """Numbered texts and the rows between them that cannot be read, in the order of their lines."""
    rows = [InputRow(text, line) for line, text in texts] + [InputRow(None, row.place, row.reason) for row in skipped]
    return sorted(rows, key=lambda row: cast(int, row.place))


def skipped_notice(rows: Sequence[InputRow]) -> str | None:
    """One line that says how many rows have no answer, and why the first has none; None where all have one."""
    reasons = [row.reason for row in rows if row.text is None]
    return f"{len(reasons)} of {len(rows)} row(s) have no answer, the first: {reasons[0]}" if reasons else None


def read_inputs(path: Path, text_format: str) -> list[TextInput]:
    """The texts or pairs of a file of which every row can be read (see `read_input_rows`)."""
    return texts_to_predict(read_input_rows(path, text_format))


def read_input_rows(
    path: Path, text_format: str, options: FileOptions = DEFAULT_FILE_OPTIONS, labels: Sequence[str] = ()
) -> list[InputRow]:
    """The rows of a file: JSON lines (.json, .jsonl), or plain lines with a tab between the texts of a pair.

    JSON rows have the official fields of the format (CSL's `keyword` and `abst`, say, or `question` and
    `context`), for sentences and pairs those of a custom data set, and for texts to tag `text`, `sentence`
    or `tokens`; other fields, labels too, are not looked at. Questions are read from a file in SQuAD's form,
    too. Every line up to the last that is not blank is a row. A row that is blank or cannot be read has no text, and
    a reason, where `options.on_error` is "skip". `labels`: the model's, of which a column of texts does not consist.

    Raises DataError with file and line at the first line that does not fit, under "skip" where no row fits, and in
    either case on a file without a row, with a header, of tags, or with labels in place of second texts.
    """
    if text_format == "question_context" and is_json(path) and _is_squad(path):
        rows = _squad_rows(path, options)
    elif is_json(path):
        rows = _rows(path, options, lambda line, where: _json_row(line, text_format, where))
    else:
        check_is_of_texts(path, text_format, labels)
        rows = _rows(path, options, lambda line, where: _plain_row(line, text_format, where))
    return rows


def read_numbered_texts(
    path: Path, on_error: str = "stop", encoding: str = "utf-8"
) -> tuple[list[tuple[int, str]], list[SkippedRow]]:
    """The texts of an unlabelled file, a line each, with their lines from 1, and the rows that cannot be read.

    Under on_error "skip"; else raises DataError at the first of these. Raises DataError where there is no text.
    """

    def parse(line: str, where: str) -> str:
        if "\t" in line:
            raise DataError(f"{where}: a tab in a text: write texts alone (cut -f1 drops the labels)")
        return check_text(line, "the line", where)

    rows = _rows(path, FileOptions(on_error=on_error, encoding=encoding), parse)
    texts = [(cast(int, row.place), str(row.text)) for row in rows if row.text is not None]
    return texts, [SkippedRow(cast(int, row.place), row.reason) for row in rows if row.text is None]


def _rows(path: Path, options: FileOptions, parse: Callable[[str, str], TextInput]) -> list[InputRow]:
    rows = []
    for number, line in _lines(path, options):
        where = f"{path}:{number}"
        try:
            if isinstance(line, DataError):
                raise line
            if not line.strip():
                raise DataError(f"{where}: {BLANK}: take it out, or give it an answer of null (--on_error skip)")
            rows.append(InputRow(parse(line, where), number))
        except DataError as error:
            if options.on_error != "skip":
                raise
            # What is to be done about it is done.
            reason = f"{where}: {BLANK}" if isinstance(line, str) and not line.strip() else str(error)
            rows.append(InputRow(None, number, reason))
    return _checked(path, rows, "no text in it: write one input a line")


def _checked(path: Path, rows: list[InputRow], nothing: str) -> list[InputRow]:
    if not rows:
        raise DataError(f"{path}: {nothing}")
    if all(row.text is None for row in rows):
        raise DataError(f"{path}: none of its {len(rows)} row(s) can be read, the first: {rows[0].reason}")
    return rows


def _lines(path: Path, options: FileOptions) -> list[tuple[int, _Line]]:
    """The lines of a file up to the last that is not blank; under "skip" an error in place of one that is not UTF-8."""
    lines: list[tuple[int, _Line]] = []
    try:
        lines.extend(read_all_lines(path))
    except DataError as error:
        content = path.read_bytes() if options.on_error == "skip" and path.is_file() else b""
        if not content or b"\0" in content:  # no text at all, or of two bytes for a character
            raise
        lines = [(number, _decoded(raw, f"{path}:{number}")) for number, raw in enumerate(content.split(b"\n"), 1)]
        if all(isinstance(line, DataError) or not line.strip() for _, line in lines):
            raise error from None
    while lines and isinstance(lines[-1][1], str) and not lines[-1][1].strip():
        lines.pop()
    return lines


def _decoded(raw: bytes, where: str) -> _Line:
    try:
        return raw.rstrip(b"\r").decode("utf-8-sig" if where.endswith(":1") else "utf-8")
    except UnicodeDecodeError as error:
        return DataError(f"{where}: byte {error.start + 1} of the line (0x{raw[error.start]:02x}) is not UTF-8")


def check_is_of_texts(path: Path, text_format: str = "sentence", labels: Sequence[str] = ()) -> None:
    """DataError on a plain file whose lines could be read, but are not texts to predict: a header, tags, labels."""
    columns = [line.split("\t") for _, line in _readable_lines(path)]
    if not columns:
        return
    if is_header(columns[0]):
        names = ", ".join(name.strip() for name in columns[0])
        raise DataError(f"{path}:1: a header ({names}), which would be answered as a text: take the line out")
    tagged = tagged_file_error(path)
    if tagged is not None:
        raise DataError(tagged)
    if labels and text_format == "pair" and all(len(row) == 2 and row[1].strip() in labels for row in columns):
        raise DataError(
            f"{path}: its second column holds labels ({columns[0][1].strip()} ...), where the model reads pairs of "
            "texts: write text<TAB>text a line"
        )


def is_header(columns: Sequence[str]) -> bool:
    """Whether the columns of a file's first line are names of columns, and nothing else."""
    return all(name.strip().casefold() in _HEADER_NAMES for name in columns)


def _readable_lines(path: Path) -> list[tuple[int, str]]:
    """The lines that are not blank, as far as they can be read; empty where a file cannot be opened."""
    lines: list[tuple[int, str]] = []
    try:
        lines.extend((number, line) for number, line in read_all_lines(path) if line.strip())
    except DataError:
        return lines  # the reader itself says what is wrong
    return lines


def tagged_file_error(path: Path) -> str | None:
    """What to say of a file of tags in place of texts; None where it is none.

    Stands in for `ernie_toolkit.data.tagged.tagged_file_error`.
    """
    columns = [line.replace(" ", "\t").split("\t") for _, line in _readable_lines(path)]
    tags = sum(len(row) == 2 and (row[1] == "O" or row[1][:2] in ("B-", "I-", "E-", "S-", "M-")) for row in columns)
    if len(columns) < 2 or tags < 0.9 * len(columns):
        return None
    return (
        f"{path}: a file of tags (a token and its tag a line), not of texts: write a text a line, or predict it with "
        "run_token_cls.py --dataset custom --test_file, which reads tags"
    )


def _squad_rows(path: Path, options: FileOptions) -> list[InputRow]:
    record = FileRecord()
    examples = list(read_squad(path, "test", options, record))
    rows = [InputRow((example["question"], example["context"]), example["id"]) for example in examples]
    rows += [InputRow(None, row.place, row.reason) for row in record.skipped]
    return _checked(path, rows, "no question in it: is it the right file?")


def _is_squad(path: Path) -> bool:
    """Whether a file is one JSON value in SQuAD's form, an object or a list, and not one JSON row a line."""
    lines = _readable_lines(path)
    if not lines:
        return False
    try:
        row = parse_object(lines[0][1], f"{path}")
        return "question" not in row and "data" in row
    except DataError:
        if len(lines) == 1:
            return True
    try:
        json.loads("\n".join(line for _, line in lines))
        return True
    except (ValueError, RecursionError):
        # Neither: the message is about what most lines are.
        return not any("question" in row for row in _objects(line for _, line in lines))


def _objects(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            yield parse_object(line, "")
        except DataError:
            continue


def _json_row(line: str, text_format: str, where: str) -> TextInput:
    row = parse_object(line, where)
    if text_format == "characters":
        return text_of_row(row, where)
    if text_format == "question_context":
        return text_field(row, "question", where), text_field(row, "context", where)
    if text_format in _CUSTOM_FORMATS:
        texts = texts_of_row(row, where)
        if len(texts) != _COLUMNS[text_format]:
            raise DataError(f"{where}: {len(texts)} text(s), the model reads {_COLUMNS[text_format]}")
        return texts[0] if len(texts) == 1 else (texts[0], texts[1])
    unlabelled: dict[str, Any] = {**row, "label": None, "id": 0}
    example = parse_row(unlabelled, DatasetSpec("input", "seq_cls", (), text_format), "test", 0, where)
    assert example is not None  # only sets with gold gaps leave rows out
    return texts_of(example, text_format)


def _plain_row(line: str, text_format: str, where: str) -> TextInput:
    expected = _COLUMNS.get(text_format)
    if expected is None:
        raise DataError(f"{where}: a model of the format '{text_format}' reads JSON lines: name the file .jsonl")
    columns = line.split("\t")
    if len(columns) != expected:
        cut = {1: "cut -f1", 2: "cut -f1,2"}[expected]
        hint = f" ({cut} drops a label)" if len(columns) == expected + 1 else ""
        raise DataError(f"{where}: {len(columns)} tab-separated column(s), the model reads {expected} text(s){hint}")
    texts = [check_text(text, f"column {number}", where) for number, text in enumerate(columns, 1)]
    return texts[0] if expected == 1 else (texts[0], texts[1])
