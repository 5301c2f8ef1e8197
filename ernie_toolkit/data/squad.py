"""Reader of questions on contexts: SQuAD's nested JSON, CMRC2018's own form, and flat rows.

SQuAD (https://arxiv.org/abs/1606.05250, and 2.0 with `is_impossible`, https://arxiv.org/abs/1806.03822): articles with
`paragraphs`, each a `context` and its `qas`. CMRC2018 (https://arxiv.org/abs/1810.07366): paragraphs with
`context_text` and `qas`, which have `query_id`, `query_text` and answers as texts. Flat rows, as Hugging Face's
`datasets` writes them: `id`, `context`, `question` and `answers` as {"text": [...], "answer_start": [...]}. Each is
read from a list, from the list `data` of an object, and from JSON lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ernie_toolkit.data.file_options import DEFAULT_FILE_OPTIONS, FileOptions, FileRecord, Place
from ernie_toolkit.data.lines import check_whole, field_names, json_message, json_type, parse_object, read_all_lines
from ernie_toolkit.data.questions import (
    CONTEXT_FIELDS,
    QUESTION_FIELDS,
    CheckedQuestion,
    check_question,
    question_id,
)
from ernie_toolkit.data.readers import Example
from ernie_toolkit.data.registry import Split
from ernie_toolkit.errors import DataError
from ernie_toolkit.files.parsing import JsonError, decode_json

FORMS = (
    "the forms read are SQuAD's (paragraphs > context, qas > id, question, answers), CMRC2018's own (context_text, "
    "qas > query_id, query_text, answers) and flat rows (id, context, question, answers)"
)
WRAPPERS = "write one JSON list, one object with the list 'data', or one JSON object a line"
NESTED, PARAGRAPHS = "SQuAD's form", "paragraphs in SQuAD's form"
CMRC2018, FLAT = "CMRC2018's own form", "flat rows"
_SHOWN = 5


class _Entry(NamedTuple):
    """What stands in a file's list or on its line, and where; `error`: why it cannot be read.

    `value` is None where nothing can be said of it but the error.
    """

    value: Any
    where: str
    place: Place
    error: DataError | None = None


def read_squad(
    path: Path,
    split: Split = "train",
    options: FileOptions = DEFAULT_FILE_OPTIONS,
    record: FileRecord | None = None,
) -> Iterator[Example]:
    """Stream the questions of a file in their order, in the form that `parse_question` gives.

    The file is parsed whole, its questions are checked one by one as they are asked for. With `options.unanswerable`
    "score", unanswerable questions of `dev` stay, with `is_impossible` true and no answer. Questions of `test` that
    cannot be read go to `record.skipped`, by id where they have one and with their number from 0, where
    `options.on_error` is "skip".

    Args:
        path: The file.
        split: The split that the file is.
        options: How files are read.
        record: Gets the form, the ids of the questions that are left out, by reason, and why `dev` cannot be answered
            exactly; None where it is not wanted.

    Raises:
        DataError: With the file and the place in it ("data[0].paragraphs[2].qas[1]", or the line), on bad JSON its line
            and column, and on an id that occurs twice.
    """
    record = record or FileRecord()
    seen: set[str] = set()
    tally = _Tally(path, record)
    number = 0  # of the questions that take part
    for entry in _questions(path, record, options.encoding):
        where, place = entry.where, entry.place
        try:
            if entry.value is None and entry.error:
                raise entry.error
            name = check_whole(question_id(entry.value, where), where, "the id")
            if name in seen:
                raise DataError(f"{where}: id {name!r:.60} stands there twice: give each question its own")
            seen.add(name)
            place = name
            if entry.error:
                raise entry.error
            check_whole(entry.value, where)
            question = check_question(entry.value, split, where, options.unanswerable)
        except DataError as error:
            record.skip(error, place, options, split, number)
            number += 1
            continue
        if question.reason:
            record.leave_out(question.reason, name)
        else:
            tally.add(question, split)
            number += 1
            yield question.example


class _Tally:
    """What is said of the questions that were read so far.

    Its lines in the record are always up to date, since a reader may be left before the file's end.
    """

    def __init__(self, path: Path, record: FileRecord) -> None:
        self.path, self.record = path, record
        self.lines: dict[str, int] = {}
        self.questions = self.near = 0
        self.impossible: list[str] = []
        self.absent: list[str] = []
        self.first_places: list[str] = []

    def add(self, question: CheckedQuestion, split: Split) -> None:
        """Count a question, and bring the lines up to date."""
        example = question.example
        if question.first_place and split != "test":
            self.first_places.append(example["id"])
            self._say(
                "first",
                f"{self.path}: the answers of {_ids(self.first_places)} question(s) occur more than once in "
                "their contexts and have no answer_start: the first place is taken",
            )
        if split != "dev":
            return
        self.questions += 1
        if example.get("is_impossible"):
            self.impossible.append(example["id"])
        elif example["span"] is None and not any(text in example["context"] for text in example["answers"]):
            from ernie_toolkit.metrics.reading import can_be_exact  # brings numpy, which reading data does not need

            self.absent.append(example["id"])
            self.near += can_be_exact(example["context"], example["answers"])
        if self.impossible or self.absent:
            right = self.questions - len(self.impossible) - len(self.absent) + self.near
            self._say(
                "dev",
                f"{self.path}: at most {100 * right / self.questions:.2f}% of {self.questions} dev questions "
                f"can be exactly right: {', '.join(self._causes())}",
            )

    def _causes(self) -> Iterator[str]:
        if self.impossible:
            yield f"{_ids(self.impossible)} marked as unanswerable score 0 unless the answer is empty"
        if self.absent:
            but = f", {self.near} of them but for case or punctuation" if self.near else ""
            yield f"{_ids(self.absent)} have no answer that is in their context{but}"

    def _say(self, key: str, line: str) -> None:
        if key not in self.lines:
            self.lines[key] = len(self.record.notices)
            self.record.notices.append(line)
        self.record.notices[self.lines[key]] = line


def _ids(names: Sequence[str]) -> str:
    shown = ", ".join(name[:60] for name in names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return f"{len(names)} ({shown})"


def _questions(path: Path, record: FileRecord, encoding: str) -> Iterator[_Entry]:
    """Each question as a row with its context and title; what cannot be one, with its error."""
    forms: list[str] = []
    for entry in _entries(path, encoding):
        try:
            if entry.error:
                raise entry.error
            fields = _object(entry.value, entry.where)
            form = _form(fields, entry.where)
            paragraphs = _paragraphs(fields, entry.where)
        except DataError as error:
            yield entry._replace(value=None, error=error)
            continue
        if form not in forms:
            forms.append(form)
            record.format = " and ".join(forms)
        if form == FLAT:
            yield entry
        for paragraph, where in paragraphs:
            for question in _questions_of(paragraph, fields.get("title"), where):
                yield question._replace(place=question.where[len(f"{path}:") :].strip())


def _form(fields: dict[str, Any], where: str) -> str:
    """Which form an entry has. Raises DataError where it is none."""
    if "paragraphs" in fields:
        return NESTED
    if "qas" in fields:
        return CMRC2018 if "context_text" in fields else PARAGRAPHS
    if any(name in fields for name in QUESTION_FIELDS):
        return FLAT
    raise DataError(f"{where}: no question in it, its fields are {field_names(fields)}: {FORMS}")


def _paragraphs(fields: dict[str, Any], where: str) -> list[tuple[Any, str]]:
    """The paragraphs of an entry with their places; none of a flat row."""
    if "paragraphs" in fields:
        values = _list(fields, "paragraphs", where)
        return [(value, _inside(where, f"paragraphs[{number}]")) for number, value in enumerate(values)]
    return [(fields, where)] if "qas" in fields else []


def _questions_of(paragraph: Any, title: Any, where: str) -> Iterator[_Entry]:
    """The questions of a paragraph; where it has no context, each of them with that error."""
    try:
        questions = _list(_object(paragraph, where), "qas", where)
    except DataError as error:
        yield _Entry(None, where, where, error)
        return
    shared: dict[str, Any] = {} if title is None else {"title": title}
    problem: DataError | None = None
    name = next((name for name in CONTEXT_FIELDS if name in paragraph), "")
    if name:
        shared[CONTEXT_FIELDS[0]] = paragraph[name]  # looked at with each question
    else:
        wanted = " or ".join(map(repr, CONTEXT_FIELDS))
        problem = DataError(f"{where}: no field {wanted}: its fields are {field_names(paragraph)}")
    for number, question in enumerate(questions):
        place = _inside(where, f"qas[{number}]")
        try:
            yield _Entry({**_object(question, place), **shared}, place, place, problem)
        except DataError as error:
            yield _Entry(None, place, place, error)


def _inside(where: str, part: str) -> str:
    return f"{where}{'.' if where.endswith(']') else ': '}{part}"


def _entries(path: Path, encoding: str) -> Iterator[_Entry]:
    """What the file's list, its list `data`, or its lines hold."""
    lines = [line for _, line in read_all_lines(path, encoding)]
    filled = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if len(filled) > 1 and _is_row(filled[0][1]):
        yield from _lines(filled, path)
        return
    try:
        content = _load("\n".join(lines), path) if filled else []
    except DataError:
        if path.suffix.lower() != ".jsonl" or len(filled) < 2:
            raise
        yield from _lines(filled, path)
        return
    if isinstance(content, dict) and "data" in content:
        content = _list(content, "data", f"{path}")
    if isinstance(content, dict):
        yield _Entry(content, f"{path}:{filled[0][0]}", filled[0][0])
        return
    if not isinstance(content, list):
        raise DataError(f"{path}: a JSON {json_type(content)}, neither an object nor a list: {FORMS}")
    for number, value in enumerate(content):
        yield _Entry(value, f"{path}: data[{number}]", f"data[{number}]")


def _lines(filled: Sequence[tuple[int, str]], path: Path) -> Iterator[_Entry]:
    for number, line in filled:
        where = f"{path}:{number}"
        try:
            yield _Entry(parse_object(line, where), where, number)
        except DataError as error:
            yield _Entry(None, where, number, error)


def _is_row(line: str) -> bool:
    """Whether a line is a JSON object of its own."""
    try:
        parse_object(line, "")
    except DataError:
        return False
    return True


def _load(text: str, path: Path) -> Any:
    try:
        return decode_json(text, finite=False)
    except JsonError as error:
        raise DataError(json_message(error, path, WRAPPERS)) from None


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{where}: a JSON {json_type(value)}, not an object: {FORMS}")
    return value


def _list(parent: dict[str, Any], name: str, where: str) -> list[Any]:
    if not isinstance(parent.get(name), list):
        what = f"is a JSON {json_type(parent[name])}: it must be a list" if name in parent else "is missing"
        raise DataError(f"{where}: field '{name}' {what}; its fields are {field_names(parent)}: {FORMS}")
    return list(parent[name])
