"""Reader of questions on contexts in SQuAD's JSON form (https://arxiv.org/abs/1606.05250), as CMRC2018 has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ernie_toolkit.data.file_options import DEFAULT_FILE_OPTIONS, FileOptions, FileRecord
from ernie_toolkit.data.lines import check_text, json_type, read_all_lines, text_field
from ernie_toolkit.data.readers import Example
from ernie_toolkit.data.registry import Split
from ernie_toolkit.errors import DataError

ANSWER_NOT_FOUND = "question(s) whose answer is not found in the context"
NEAR = 50
"""How many characters from its `answer_start` an answer is still looked for: offsets of real sets are a few off."""


def read_squad(
    path: Path,
    split: Split = "train",
    options: FileOptions = DEFAULT_FILE_OPTIONS,
    record: FileRecord | None = None,
) -> Iterator[Example]:
    """Stream the questions of a file in their order, in the form that `parse_question` gives.

    The file is one JSON object with the list `data`, or that list. The file is parsed whole, its questions
    are checked one by one as they are asked for. Of questions that `parse_question` leaves out `record` is told
    the ids. Raises DataError that names the file and the place in it
    ("data[0].paragraphs[2].qas[1]"), on bad JSON its line and column, and on an id that occurs twice.
    """
    record = record or FileRecord()
    seen: set[str] = set()
    for row, where in _questions(path, options.encoding):
        name = _question_id(row, where)
        if name in seen:
            raise DataError(f"{where}: id {name!r:.60} stands there twice: give each question its own")
        seen.add(name)
        example = parse_question(row, split, where)
        if example is not None:
            yield example
        else:
            record.leave_out(ANSWER_NOT_FOUND, name)


def parse_question(row: dict[str, Any], split: Split, where: str) -> Example | None:
    """Check one question (`id`, `question`, `context`, `answers`, maybe `title`) and locate its answer.

    `span` holds the characters [start, end) of the first answer that `locate` finds; the context is kept as
    it is, so that offsets stay true. None for a question of `train` none of whose answers can be located:
    nothing can be learnt from it. In `dev` such a question stays, with `span` None, but it needs an answer's
    text; in `test` it needs none, and answers that are all at -1 are placeholders. Raises DataError that
    begins with `where`.
    """
    name = _question_id(row, where)
    context = text_field(row, "context", where)
    question = text_field(row, "question", where)
    title = row.get("title")
    if title is not None and not isinstance(title, str):
        raise DataError(f"{where}: field 'title' is a JSON {json_type(title)}: it must be a text")
    answers = _answers(row.get("answers"), where)
    if split == "test" and all(start == -1 for _, start in answers):
        answers = []
    if split == "dev" and not answers:
        raise DataError(f"{where}: no answer to question {name!r:.60}: a question of the dev file needs one")
    places = (locate(context, text, start) for text, start in answers)
    span = next((place for place in places if place is not None), None)
    if split == "train" and span is None:
        return None
    return {
        "id": name,
        "title": title or "",
        "question": question,
        "context": context,
        "answers": [text for text, _ in answers],
        "span": span,
    }


def locate(context: str, answer: str, start: int | None) -> tuple[int, int] | None:
    """The characters [start, end) of a context where an answer stands, or None.

    It is looked for at `start`, else at the nearest place at most `NEAR` characters from there, of two
    equally near ones the first. Where that fails, or `start` is not known (None, or below 0 as in several
    published files), the answer has to occur exactly once.
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


def _questions(path: Path, encoding: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Each question with its context and title, and its place for messages."""
    content = _load(path, encoding)
    data = content if isinstance(content, list) else _list(content, "data", f"{path}")
    for i, entry in enumerate(data):
        entry_where = f"{path}: data[{i}]"
        for j, paragraph in enumerate(_list(entry, "paragraphs", entry_where)):
            where = f"{entry_where}.paragraphs[{j}]"
            questions = _list(paragraph, "qas", where)
            context = text_field(paragraph, "context", where)
            for k, question in enumerate(questions):
                row = _object(question, f"{where}.qas[{k}]")
                yield {**row, "context": context, "title": entry.get("title")}, f"{where}.qas[{k}]"


def _load(path: Path, encoding: str) -> Any:
    text = "\n".join(line for _, line in read_all_lines(path, encoding))
    if not text.strip():
        return []
    hint = 'the file must be one JSON object with the list "data" (SQuAD\'s form)'
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: not valid JSON (column {error.colno}: {error.msg}): {hint}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not usable JSON ({error}): {hint}") from None


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{where}: a JSON {json_type(value)}, not an object: see SQuAD's form")
    return value


def _list(parent: Any, name: str, where: str) -> list[Any]:
    row = _object(parent, where)
    if not isinstance(row.get(name), list):
        what = f"is a JSON {json_type(row[name])}" if name in row else "is missing"
        raise DataError(f"{where}: field '{name}' {what}: it must be a list")
    return list(row[name])


def _question_id(row: dict[str, Any], where: str) -> str:
    value = row.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        found = "no field 'id'" if "id" not in row else f"the question's id is {value!r:.60}"
        raise DataError(f"{where}: {found}: a question needs a text or a whole number as its id")
    return check_text(value, "field 'id'", where)


def _answers(value: Any, where: str) -> list[tuple[str, int | None]]:
    """Texts without white space around them, and the offsets of these texts; empty ones are dropped."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise DataError(f"{where}: field 'answers' is a JSON {json_type(value)}: it must be a list")
    answers: list[tuple[str, int | None]] = []
    for number, item in enumerate(value):
        place = f"{where}.answers[{number}]"
        text, start = _object(item, place).get("text"), item.get("answer_start")
        if start is not None and (isinstance(start, bool) or not isinstance(start, int)):
            raise DataError(f"{place}: field 'answer_start' must be a whole number, not {start!r:.40}")
        if isinstance(text, str) and not text.strip():
            continue
        kept = check_text(text, "field 'text'", place)
        if start is not None and start >= 0:
            start += len(kept) - len(kept.lstrip())
        answers.append((kept.strip(), start))
    return answers
