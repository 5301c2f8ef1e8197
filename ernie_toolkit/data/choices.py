"""One question with its choices, in any of the forms that are read: what it has to have, and which choice is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ernie_toolkit.data.lines import check_text, field_names, json_type, text_field
from ernie_toolkit.data.readers import Example
from ernie_toolkit.data.registry import Split
from ernie_toolkit.errors import DataError
from ernie_toolkit.text.blanks import blank_of

MIN_CHOICES = 2
_FROM_ZERO = "counted from 0"


def check_choices(value: Any, name: str, where: str, repeats: bool = False) -> list[str]:
    """The choices of a question.

    Args:
        value: The value of the field.
        name: The field's name, for messages.
        where: The file and the place, for messages.
        repeats: Whether a choice may stand there twice, as in some questions of C3.

    Raises:
        DataError: Where it is no list of at least two different texts.
    """
    if not isinstance(value, list):
        raise DataError(f"{where}: field '{name}' is a JSON {json_type(value)}: write the choices as a list of texts")
    choices = [check_text(item, f"choice {number} (counted from 0)", where) for number, item in enumerate(value)]
    if len(choices) < MIN_CHOICES:
        raise DataError(f"{where}: {len(choices)} choice(s) in '{name}': a question needs {MIN_CHOICES} at least")
    for number, choice in enumerate(choices):
        if not repeats and choice in choices[:number]:
            first = choices.index(choice)
            raise DataError(f"{where}: choices {first} and {number} are both {choice!r:.60}: take one out")
    return choices


def answer_index(value: Any, choices: Sequence[str], name: str, where: str) -> int:
    """Which choice an answer means: a number is an index from 0, a text is a choice and never an index.

    Args:
        value: The value of the field.
        choices: The question's.
        name: The field's name, for messages.
        where: The file and the place, for messages.

    Raises:
        DataError: Where it is none of them, and where a number could be meant either way.
    """
    if isinstance(value, str):
        for text in (value, value.strip()):
            if text in choices:
                return list(choices).index(text)
        if value.strip().isdigit():
            hint = f"an index is a number without quotation marks, {_FROM_ZERO}"
        else:
            hint = f"write one of them as it stands there, or its index, {_FROM_ZERO}"
        raise DataError(f"{where}: field '{name}' is {value!r:.60}, none of its {len(choices)} choices: {hint}")
    if isinstance(value, bool) or not isinstance(value, int):
        kind = json_type(value) if not isinstance(value, float) else "number with a fraction"
        raise DataError(f"{where}: field '{name}' is a {kind}: write the right choice, or its index, {_FROM_ZERO}")
    if not 0 <= value < len(choices):
        raise DataError(
            f"{where}: field '{name}' is {value}: the indices of its {len(choices)} choices go from 0 to "
            f"{len(choices) - 1}"
        )
    if str(value) in choices and choices[value] != str(value):
        raise DataError(
            f"{where}: field '{name}' is {value}, which is the index of {choices[value]!r:.40} and also the text of a "
            f"choice: write the right choice as a text"
        )
    return value


def context_text(value: Any, name: str, where: str) -> str:
    """A context: a text, or a list of them (the turns of a dialogue, say), which become lines.

    Args:
        value: The value of the field.
        name: The field's name, for messages.
        where: The file and the place, for messages.

    Raises:
        DataError: Where it is neither, or holds no text.
    """
    if isinstance(value, list) and value:
        return "\n".join(check_text(item, f"text {number} of '{name}'", where) for number, item in enumerate(value))
    return check_text(value, f"field '{name}'", where)


def parse_choice_row(row: dict[str, Any], text_format: str, split: Split, index: int, where: str) -> Example:
    """The example in a row of `context`, `question`, `choices` and `answer`.

    `question` may be missing, for a cloze where the context has one blank. Rows of `test` need no answer.

    Args:
        row: The row's fields.
        text_format: "choices" or "cloze".
        split: The split that the row is of.
        index: The `id` of a row that has none.
        where: The file and the line, for messages.

    Raises:
        DataError: Where it does not fit.
    """
    for name in ("context", "choices"):
        if name not in row:
            raise DataError(f"{where}: no field '{name}': the row has {field_names(row)}")
    context = context_text(row["context"], "context", where)
    question = "" if row.get("question") in (None, "") else text_field(row, "question", where)
    choices = check_choices(row["choices"], "choices", where)
    if text_format == "cloze":
        question = checked_blank(context, question, where)
    answer = None
    if row.get("answer") is not None:
        answer = answer_index(row["answer"], choices, "answer", where)
    elif split != "test":
        raise DataError(f"{where}: no answer: a row of the {split} file needs the choice or its index in 'answer'")
    return {
        "id": _row_id(row, index, where),
        "context": context,
        "question": question,
        "choices": choices,
        "answer": answer,
    }


def checked_blank(context: str, question: str, where: str) -> str:
    """The blank that a question means (see `blank_of`).

    Args:
        context: A text with blanks.
        question: One of them, or empty.
        where: The file and the place, for messages.

    Raises:
        DataError: Where it is none of them.
    """
    try:
        return blank_of(context, question)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None


def _row_id(row: dict[str, Any], index: int, where: str) -> int | str:
    value = row.get("id", index)
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise DataError(f"{where}: the row's id is {value!r:.60}: it must be a text or a whole number")
    return value
