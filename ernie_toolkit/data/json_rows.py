"""Fields of a JSON row of a user's classification file: its texts and its label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ernie_toolkit.data.column_names import known_roles
from ernie_toolkit.data.file_options import DEFAULT_FILE_OPTIONS, FileOptions
from ernie_toolkit.data.lines import field_names, text_field
from ernie_toolkit.errors import DataError

_PAIR_FIELDS = (("sentence1", "sentence2"), ("text_a", "text_b"), ("text", "text_pair"))
_SENTENCE_FIELDS = ("sentence", "text")
_LABEL_FIELD = "label"


def text_fields(row: Mapping[str, Any], options: FileOptions, where: str) -> tuple[str, ...]:
    """The names of the field or the two fields with a row's texts.

    Args:
        row: The row's fields.
        options: The fields that the user names, if any.
        where: The file and the line, for messages.

    Raises:
        DataError: Where there is no text; it names the fields that there are.
    """
    if options.text_column:
        return tuple(name for name in (options.text_column, options.text_pair_column) if name)
    if options.text_pair_column:
        raise DataError(f"{where}: `text_pair_column` names the second text: name the first with `text_column`")
    for pair in _PAIR_FIELDS:
        if row.get(pair[1]) is not None:
            return pair
    for name in _SENTENCE_FIELDS:
        if name in row:
            return (name,)
    names = [name for name, value in row.items() if isinstance(value, str)]
    places = known_roles(names).texts
    if 1 <= len(places) <= 2:
        return tuple(names[place] for place in places)
    raise DataError(
        f"{where}: no text: expected 'text' or 'sentence', or 'sentence1' and 'sentence2' "
        "(or text_a/text_b, text/text_pair), or a field that `text_column` names; "
        f"the fields are {field_names(list(row)[:20])}"
    )


def texts_of_row(row: dict[str, Any], where: str, options: FileOptions = DEFAULT_FILE_OPTIONS) -> list[str]:
    """The text or the two texts of a JSON row, under any of the field names above.

    Args:
        row: The row's fields.
        where: The file and the line, for messages.
        options: The fields that the user names, if any.

    Raises:
        DataError: Where there is no text, or an empty one.
    """
    return [text_field(row, name, where) for name in text_fields(row, options, where)]


def label_field(row: Mapping[str, Any], options: FileOptions) -> str | None:
    """The name of the field with a row's label, None where it has none.

    Args:
        row: The row's fields.
        options: The field that the user names, if any.
    """
    if options.label_column:
        return options.label_column if options.label_column in row else None
    if _LABEL_FIELD in row:
        return _LABEL_FIELD
    names = list(row)
    place = known_roles(names).label
    return None if place is None else names[place]


def label_of_row(row: Mapping[str, Any], options: FileOptions, required: bool, where: str) -> str | None:
    """The label of a JSON row as it is spelt there, None where it has none.

    Numbers and truth values are spelt as in JSON; a list may hold one label.

    Args:
        row: The row's fields.
        options: The field that the user names, if any.
        required: Whether the row needs a label.
        where: The file and the line, for messages.

    Raises:
        DataError: On anything else, and where a required label is not there.
    """
    name = label_field(row, options)
    value = None if name is None else row[name]
    if isinstance(value, list):
        if len(value) > 1:
            raise DataError(
                f"{where}: field '{name}' has {len(value)} labels, this task reads one: see multi_label/train.py"
            )
        value = value[0] if value else None
    if value is None or (isinstance(value, str) and not value.strip()):
        if not required:
            return None
        wanted = options.label_column or _LABEL_FIELD
        raise DataError(
            f"{where}: no label: expected one in field '{wanted}' (`label_column` names another); "
            f"the fields are {field_names(list(row)[:20])}"
        )
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    if not isinstance(value, str):
        raise DataError(
            f"{where}: field '{name}' is neither a text nor a whole number: {value!r:.60}: write the label there "
            "(a text, a whole number, true or false, or a list of one of these)"
        )
    return value
