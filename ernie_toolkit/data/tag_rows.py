"""Tagged text in JSON: objects a line or in one list, with `tokens` and their tags, or a `text` and tags or spans."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Callable

from ernie_toolkit.data.lines import (
    check_text,
    check_whole,
    field_names,
    json_message,
    json_type,
    parse_object,
    whole_list,
)
from ernie_toolkit.data.tag_sentences import Line, Row, Sentence, TaggedFile, check_tokens, everywhere, filled_line
from ernie_toolkit.data.tag_spans import SPAN_FORMS, SpanSet, read_label_studio, read_spans
from ernie_toolkit.errors import DataError
from ernie_toolkit.files.parsing import JsonError, decode_json_prefix

NOT_ANNOTATED = "row(s) without an annotation"
TAG_FORM = "a tag for each token"
_TAG_FIELDS = ("labels", "tags", "ner_tags", "label")
_SPAN_FIELDS = ("label", "labels", "entities", "spans")
_TEXT_FIELDS = ("text", "sentence")
_DATA_LIST = re.compile(r'"data"\s*:\s*(?=\[)')
# What Label Studio's JSON-MIN has in each row; one without a span has no field for spans.
_MIN_FIELD = "annotation_id"
_SPACE = re.compile(r"[ \t\n\r]*")


def read_rows(file: TaggedFile) -> Iterator[Row]:
    """The sentences of a file of JSON lines or of one JSON list."""
    rows = RowReader(file)
    for number, load in _objects(file):
        yield number, partial(rows.read, load, number)


class RowReader:
    """Reads the rows of one file; an empty list of labels means what the other rows make of it."""

    def __init__(self, file: TaggedFile) -> None:
        self.file = file
        self._has_spans: bool | None = None

    def read(self, load: Callable[[], dict[str, Any]], number: int) -> Sentence | None:
        """One row; None for one that nobody has annotated, which training and evaluation leave out and count.

        Args:
            load: Parses the row.
            number: Its line from 1 (in a list its place).

        Raises:
            DataError: Where it does not fit.
        """
        row = load()
        where = f"{self.file.path}:{number}"
        if _is_label_studio(row):
            name = _task_field(row["data"], f"{where}: field 'data'")
            text = check_text(row["data"][name], f"field 'data': '{name}'", where)
            found = read_label_studio(row, text, where)
            if found is None and self.file.split != "test":
                self.file.record.leave_out(NOT_ANNOTATED, number)
                return None
            if found is not None and name not in _TEXT_FIELDS:
                found = replace(found, form=f"{found.form}, text in '{name}'")
            return _span_sentence(text, found, row, where)
        sentence = sentence_of_row(row, where)
        if sentence.tags == [] and "tokens" not in row and self._spans_elsewhere():
            return _span_sentence("".join(sentence.tokens), SpanSet((), ""), row, where)
        if (
            sentence.tags is None
            and self.file.split != "test"
            and any(row.get(name, "") is None for name in _SPAN_FIELDS)
        ):
            self.file.record.leave_out(NOT_ANNOTATED, number)
            return None
        return sentence

    def _spans_elsewhere(self) -> bool:
        """Whether the first row of the file with anything under `labels` has spans there."""
        if self._has_spans is None:
            self._has_spans = False
            for _, load in _objects(self.file):
                try:
                    value = load().get("labels")
                except DataError:
                    continue  # its turn comes
                if value:
                    self._has_spans = not _is_texts(value)
                    break
        return self._has_spans


def sentence_of_row(row: dict[str, Any], where: str) -> Sentence:
    """A row with `tokens` and their tags, or with a text and its tags or spans; tags are None or [] for none.

    Args:
        row: The row's fields.
        where: The file and the line, for messages.

    Raises:
        DataError: Where it is no such row.
    """
    tokens = _is_texts(row.get("tokens"))
    tag_field = next((name for name in _TAG_FIELDS if row.get(name) not in (None, "")), None)
    spans = [name for name in _SPAN_FIELDS if _holds_spans(row.get(name), name) and (row[name] or not tokens)]
    if spans and not (tokens and tag_field is not None and tag_field not in spans):
        if tokens:
            raise DataError(
                f"{where}: 'tokens' beside spans under '{spans[0]}', which count characters: give 'text' alone"
            )
        filled = [name for name in spans if row[name]]
        if len(filled) > 1 and row[filled[0]] != row[filled[1]]:
            raise DataError(f"{where}: entities under '{filled[0]}' and under '{filled[1]}': keep one of the fields")
        name = (filled or spans)[0]
        text = _text(row, where)
        return _span_sentence(text, read_spans(row[name], text, name, where), row, where)
    if tag_field is None and _MIN_FIELD in row and not any(isinstance(value, list) and value for value in row.values()):
        return _span_sentence(_text(row, where), SpanSet((), ""), row, where)
    tags = None
    if tag_field is not None:
        value = row[tag_field]
        if not isinstance(value, list):
            raise DataError(
                f"{where}: field '{tag_field}' is a JSON {json_type(value)}: it must be a list of texts, a tag for "
                f"each token, or spans: {SPAN_FORMS}"
            )
        tags = _list_of_texts(value, f"field '{tag_field}'", where)
    found = tokens_of_row(row, where)
    if tags and not tokens and len(tags) != len(found):
        raise DataError(
            f"{where}: {len(tags)} tag(s) under '{tag_field}' for a text of {len(found)} characters: give one "
            "to each character, or the tokens under 'tokens'"
        )
    form, fields = (TAG_FORM, "") if tags else ("", _fields_without_tags(row))
    return Sentence(found, tags, everywhere(where), row.get("id"), form=form, fields=fields)


def tokens_of_row(row: dict[str, Any], where: str) -> list[str]:
    """The `tokens` of a row, else the characters of its text.

    Tokens that are objects, with places in the text beside them, give way to the text.

    Args:
        row: The row's fields.
        where: The file and the line, for messages.

    Raises:
        DataError: Where there are none.
    """
    given = row.get("tokens")
    places = isinstance(given, list) and bool(given) and isinstance(given[0], dict) and "text" in row
    if given is not None and not places:
        tokens = _list_of_texts(row["tokens"], "field 'tokens'", where)
        if not tokens:
            raise DataError(f"{where}: field 'tokens' is an empty list: fill it or take the row out")
        check_tokens(tokens, everywhere(where))
        return tokens
    if _is_label_studio(row):
        name = _task_field(row["data"], f"{where}: field 'data'")
        return list(check_text(row["data"][name], f"field 'data': '{name}'", where))
    return list(_text(row, where))


def _span_sentence(text: str, found: SpanSet | None, row: dict[str, Any], where: str) -> Sentence:
    tags = None if found is None else found.tags(text)
    form, notes = ("", ()) if found is None else (found.form, found.notes)
    return Sentence(list(text), tags, everywhere(where), row.get("id"), spans=True, form=form, notes=notes)


def _text(row: dict[str, Any], where: str) -> str:
    for name in _TEXT_FIELDS:
        if name in row:
            return check_text(row[name], f"field '{name}'", where)
    raise DataError(f"{where}: no text: expected 'tokens', 'text' or 'sentence'; the fields are {field_names(row)}")


def _task_field(data: dict[str, Any], where: str) -> str:
    """Where the text of a Label Studio task stands: under a usual name, else in the only field that is a text."""
    named = next((name for name in _TEXT_FIELDS if name in data), None)
    texts = [name for name, value in data.items() if isinstance(value, str)]
    if named is None and len(texts) != 1:
        found = field_names(data)
        raise DataError(
            f"{where}: no text: expected 'text', 'sentence' or one field with a text; the fields are {found}"
        )
    return named or texts[0]


def _fields_without_tags(row: dict[str, Any]) -> str:
    names, spans = ", ".join(_TAG_FIELDS), ", ".join(_SPAN_FIELDS)
    return f"the fields are {field_names(row)}: tags are read under {names}, spans under {spans}"


def _is_label_studio(row: dict[str, Any]) -> bool:
    return isinstance(row.get("data"), dict) and not any(name in row for name in ("tokens", *_TEXT_FIELDS))


def _holds_spans(value: Any, name: str) -> bool:
    """Whether a field holds spans; an empty list under `labels` may be a list of tags, too."""
    if isinstance(value, dict):
        return True
    if not isinstance(value, list):
        return False
    return isinstance(value[0], (list, dict)) if value else name != "labels"


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], str)


def _list_of_texts(value: Any, what: str, where: str) -> list[str]:
    if not isinstance(value, list):
        raise DataError(f"{where}: {what} is a JSON {json_type(value)}: it must be a list of texts")
    for number, item in enumerate(value, 1):
        if not isinstance(item, str):
            hint = "write texts only" if json_type(item) != "number" else "write texts (the names of tags), not numbers"
            raise DataError(f"{where}: {what} has a JSON {json_type(item)} at place {number}: {hint}")
    return value


def _objects(file: TaggedFile) -> Iterator[tuple[int, Callable[[], dict[str, Any]]]]:
    """Each row's line, and what gives the row or raises its DataError."""
    begin = next((line.lstrip()[0] for _, line in file.lines_or_faults() if isinstance(line, str) and line.strip()), "")
    file.record.format = file.record.format or ("a JSON list" if begin == "[" else "JSON lines")
    if begin == "[":
        yield from _listed(file)
        return
    rows = whole_list(file.path, file.options.encoding) if begin == "{" else None
    if rows is not None:
        file.record.format = "a JSON list under 'data'"
        yield from _listed(file, rows)
        return
    for number, line in file.rows():
        yield number, partial(_object_of_line, file, line, f"{file.path}:{number}")


def _object_of_line(file: TaggedFile, line: Line, where: str) -> dict[str, Any]:
    return check_whole(parse_object(filled_line(line, where, file.options), where), where)


def _object_of_value(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{where}: a JSON {json_type(value)} in the list, not an object: write one object for each row")
    return check_whole(value, where)


def _listed(file: TaggedFile, rows: list[Any] | None = None) -> Iterator[tuple[int, Callable[[], dict[str, Any]]]]:
    """The rows of a file that is one JSON list, each with the line where it begins.

    `rows`: what the list holds, where it stands under `data` of an object that is known to be whole.
    """
    text = "\n".join(line for _, line in file.lines())
    begin = _skip(text, 0)
    if rows is not None:
        # Inside of other fields there may be another "data".
        shown = repr(rows)  # NaN is not equal to itself
        places = (at.end() for at in _DATA_LIST.finditer(text))
        begin = next(place for place in places if repr(decode_json_prefix(text, place)[0]) == shown)
    position = _skip(text, begin + 1)
    counted, number = 0, 1
    while text[position : position + 1] != "]":
        number, counted = number + text.count("\n", counted, position), position
        try:
            value, position = decode_json_prefix(text, position)
        except JsonError as error:
            place = file.path if error.line else f"{file.path}:{number}"
            raise DataError(json_message(error, Path(place), "the file begins as a list of objects")) from None
        yield number, partial(_object_of_value, value, f"{file.path}:{number}")
        position = _next(file, text, position)
    end = _skip(text, position + 1)
    if end < len(text) and rows is None:
        line = 1 + text.count("\n", 0, end)
        raise DataError(f"{file.path}:{line}: text behind the JSON list: write one list, or one object a line")


def _next(file: TaggedFile, text: str, position: int) -> int:
    """Where the next element or the closing bracket stands, behind a comma."""
    position = _skip(text, position)
    if text[position : position + 1] == ",":
        return _skip(text, position + 1)
    if text[position : position + 1] != "]":
        line = 1 + text.count("\n", 0, position)
        raise DataError(f"{file.path}:{line}: the JSON list is broken there: a comma or its closing bracket is missing")
    return position


def _skip(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position
