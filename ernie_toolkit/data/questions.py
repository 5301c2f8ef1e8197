"""One question on a context, in any of the forms that are read: what it has to have, and where its answer stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Optional, Tuple

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.data.lines import check_text, field_names, json_type
from ernie_toolkit.data.readers import Example
from ernie_toolkit.data.registry import Split
from ernie_toolkit.errors import DataError

ANSWER_NOT_FOUND = "question(s) whose answer is not found in the context"
ANSWER_AMBIGUOUS = "question(s) whose answer occurs more than once in the context, none of them near its answer_start"
NO_ANSWER = "question(s) without an answer"
UNANSWERABLE = "question(s) marked as unanswerable"
NEAR = 50
"""How many characters from its `answer_start` an answer is still looked for: offsets of real sets are a few off."""
# SQuAD's names first, then CMRC2018's own.
ID_FIELDS, QUESTION_FIELDS, CONTEXT_FIELDS = ("id", "query_id"), ("question", "query_text"), ("context", "context_text")
_YES, _NO = ("true", "1", "yes"), ("false", "0", "no", "")

_Answer = Tuple[str, Optional[int], bool]
"""A text, its offset where that is known, and whether the row says anything of its place."""


class CheckedQuestion(NamedTuple):
    """A question that was checked.

    Attributes:
        example: See `parse_question`; `is_impossible` is there, and true, where the question is marked so.
        reason: Why it takes no part, empty where it does.
        first_place: Whether its answer occurs more than once, the row does not say where, and the first place was
            taken.
    """

    example: Example
    reason: str
    first_place: bool


def parse_question(row: dict[str, Any], split: Split, where: str) -> Example | None:
    """Check one question and locate its answer.

    `span` of the example holds the characters [start, end) of the first answer that `locate` finds; the context is kept
    as it is, so that offsets stay true. In `dev` a question none of whose answers can be located stays, with `span`
    None, but it needs an answer's text; in `test` it needs none, and answers that are all at -1 are placeholders.

    Args:
        row: `id`, `question`, `context`, `answers`, maybe `title`.
        split: The split that the row is of.
        where: The file and the place, for messages.

    Returns:
        The example; None for a question of `train` none of whose answers can be located, since nothing can be learnt
        from it, and in `train` and `dev` for one that is marked as unanswerable, whatever answers it has.

    Raises:
        DataError: Where it is no such row.
    """
    question = check_question(row, split, where)
    return None if question.reason else question.example


def check_question(row: dict[str, Any], split: Split, where: str, unanswerable: str = "leave_out") -> CheckedQuestion:
    """As `parse_question`, with the reason why a question is left out.

    Args:
        row: See `parse_question`.
        split: See `parse_question`.
        where: See `parse_question`.
        unanswerable: What becomes of questions of `dev` that are marked so, one of `file_options.UNANSWERABLE`.

    Raises:
        DataError: See `parse_question`.
    """
    name = question_id(row, where)
    context = first_text(row, CONTEXT_FIELDS, where)
    question = first_text(row, QUESTION_FIELDS, where)
    title = row.get("title")
    if title is not None and not isinstance(title, str):
        raise DataError(f"{where}: field 'title' is a JSON {json_type(title)}: it must be a text")
    answers, impossible = _answers(row, where), _is_impossible(row, where)
    if impossible or (split == "test" and all(start == -1 for _, start, _ in answers)):
        answers = []
    if split == "dev" and not answers and not impossible:
        raise DataError(
            f"{where}: no answer to question {name!r:.60}: a question of the dev file needs one in 'answers', or "
            f"is_impossible: true; its fields are {field_names(row)}"
        )
    span, first_place = _place(context, answers)
    example: Example = {
        "id": name,
        "title": title or "",
        "question": question,
        "context": context,
        "answers": [text for text, _, _ in answers],
        "span": span,
    }
    reason = ""
    if impossible and split != "test":
        example["is_impossible"] = True
        reason = "" if split == "dev" and unanswerable == "score" else UNANSWERABLE
    elif split == "train" and span is None:
        there = any(text in context for text in example["answers"])
        reason = ANSWER_AMBIGUOUS if there else ANSWER_NOT_FOUND if answers else NO_ANSWER
    return CheckedQuestion(example, reason, first_place)


def _place(context: str, answers: Sequence[_Answer]) -> tuple[tuple[int, int] | None, bool]:
    """The place of the first answer that is found, and whether it is the first of several."""
    for text, start, given in answers:
        # Where a published CMRC2018 answer occurs more than once, its place is the first in 1,304 of 1,306 cases.
        span = locate(context, text, start if given else context.find(text))
        if span is not None:
            return span, not given and context.find(text, span[0] + 1) >= 0
    return None, False


def locate(context: str, answer: str, start: int | None) -> tuple[int, int] | None:
    """The characters [start, end) of a context where an answer stands, or None.

    It is looked for at `start`, else at the nearest place at most `NEAR` characters from there, of two equally near
    ones the first. Where that fails, or `start` is not known, the answer has to occur exactly once.

    Args:
        context: The text.
        answer: A part of it.
        start: Where the file says that it begins; None, or below 0 as in several published files, where that is not
            known.
    """
    first = context.find(answer)
    if first < 0:
        return None
    if start is not None and start >= 0:
        # Up to `start` and from it: of all occurrences the nearest is one of these two.
        around = (context.rfind(answer, 0, start + len(answer)), context.find(answer, start))
        near = [place for place in around if place >= 0 and abs(place - start) <= NEAR]
        if near:
            found = min(near, key=lambda place: (abs(place - start), place))
            return found, found + len(answer)
    if context.find(answer, first + 1) >= 0:
        return None
    return first, first + len(answer)


def first_text(row: dict[str, Any], names: Sequence[str], where: str) -> str:
    """The text under the first of some names that a row has.

    Args:
        row: The row's fields.
        names: The field's names, in order.
        where: The file and the place, for messages.

    Raises:
        DataError: Where there is none; it names the fields that there are.
    """
    for name in names:
        if name in row:
            return check_text(row[name], f"field '{name}'", where)
    wanted = " or ".join(map(repr, names))
    raise DataError(f"{where}: no field {wanted}: its fields are {field_names(row)}")


def question_id(row: dict[str, Any], where: str) -> str:
    """A question's identifier; whole numbers become texts.

    Args:
        row: The row's fields.
        where: The file and the place, for messages.

    Raises:
        DataError: Where there is none.
    """
    field = next((name for name in ID_FIELDS if name in row), "")
    if not field:
        raise DataError(
            f"{where}: no field 'id' or 'query_id': give each question its own; its fields are {field_names(row)}"
        )
    value = row[field]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise DataError(
            f"{where}: the question's {field} is {value!r:.60}: a question needs a text or a whole number as its id"
        )
    return check_text(value, f"field '{field}'", where)


def _is_impossible(row: dict[str, Any], where: str) -> bool:
    """Whether a question is marked as unanswerable.

    That is by `is_impossible` (SQuAD 2.0), or by columns of answers that are empty (`datasets` leaves `is_impossible`
    out).
    """
    value = row.get("is_impossible")
    if value is None:
        answers = row.get("answers")
        return isinstance(answers, dict) and answers.get("text") == []
    if isinstance(value, (int, float)) and value in (0, 1):
        return bool(value)
    text = value.strip().lower() if isinstance(value, str) else None
    if text not in (*_YES, *_NO):
        raise DataError(f"{where}: field 'is_impossible' is {value!r:.40}: it must be true or false")
    return text in _YES


def _answers(row: dict[str, Any], where: str) -> list[_Answer]:
    """Texts without white space around them, and the offsets of these texts; empty ones are dropped."""
    answers: list[_Answer] = []
    for number, (text, start, given) in enumerate(_answer_pairs(row, where)):
        place = f"{where}.answers[{number}]"
        if start is not None and (isinstance(start, bool) or not isinstance(start, int)):
            raise DataError(f"{place}: field 'answer_start' must be a whole number, not {start!r:.40}")
        if isinstance(text, str) and not text.strip():
            continue
        kept = check_text(text, "field 'text'", place)
        if start is not None and start >= 0:
            start += len(kept) - len(kept.lstrip())
        answers.append((kept.strip(), start, given))
    return answers


def _answer_pairs(row: dict[str, Any], where: str) -> list[tuple[Any, Any, bool]]:
    """Text, offset and whether one is given of each answer, in whichever form `answers` has."""
    value = row.get("answers")
    if value is None:
        return []
    if isinstance(value, str):
        return [(value, None, False)]
    if isinstance(value, dict):  # columns, or a single answer
        texts, starts = value.get("text"), value.get("answer_start")
        if not isinstance(texts, list):
            if "text" not in value:
                raise DataError(f"{where}: field 'answers' has no 'text': its fields are {field_names(value)}")
            return [(texts, starts, starts is not None)]
        return _columns(texts, starts, "answer_start", where)
    if not isinstance(value, list):
        raise DataError(f"{where}: field 'answers' is a JSON {json_type(value)}: it must be a list")
    if value and all(isinstance(item, str) for item in value):
        return _columns(value, row.get("answer_starts"), "answer_starts", where)
    pairs = []
    for number, item in enumerate(value):
        if not isinstance(item, dict):
            raise DataError(
                f"{where}.answers[{number}]: a JSON {json_type(item)}, not an object: write every answer as "
                '{"text": ..., "answer_start": ...}, or every answer as a text'
            )
        pairs.append((item.get("text"), item.get("answer_start"), item.get("answer_start") is not None))
    return pairs


def _columns(texts: list[Any], starts: Any, name: str, where: str) -> list[tuple[Any, Any, bool]]:
    """Answers from a list of texts and a list of their offsets, or none."""
    if starts is None:
        return [(text, None, False) for text in texts]
    if not isinstance(starts, list) or len(starts) != len(texts):
        found = len(starts) if isinstance(starts, list) else f"a JSON {json_type(starts)}"
        raise DataError(f"{where}: {len(texts)} answer(s) and {found} in '{name}': give one offset for each answer")
    return [(text, start, start is not None) for text, start in strict_zip(texts, starts)]
