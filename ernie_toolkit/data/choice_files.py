"""Readers of questions with choices: C3's nested lists, ChID's lines, and rows of context, question and choices.

C3 (https://arxiv.org/abs/1904.09679): a JSON list of [turns or paragraphs, questions, id], its questions with
`question`, `choice` and `answer`; dialogues (c3-d-*.json) and mixed texts (c3-m-*.json) are two files that are read
together. ChID (https://aclanthology.org/P19-1075), as CLUE has it: JSON lines of `content`, a text or several with
blanks, and `candidates`; the answers stand in a second file, or in `answer` where a row has one blank.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ernie_toolkit.data.choices import (
    answer_index,
    check_choices,
    checked_blank,
    context_text,
    parse_choice_row,
)
from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.lines import (
    check_whole,
    field_names,
    json_type,
    parse_object,
    read_lines,
    read_objects,
    whole_list,
)
from ernie_toolkit.data.readers import Example
from ernie_toolkit.data.registry import Split
from ernie_toolkit.errors import DataError
from ernie_toolkit.files.parsing import read_json_object
from ernie_toolkit.text.blanks import blanks_of

C3, CHID, ROWS = "C3's form", "ChID's form", "JSON lines"
_FIELDS = ("context", "question", "choices", "answer")
_PARTS = re.compile(r"(^|-)([dm])(?=-)")


def form_of_choices(path: Path, encoding: str) -> str:
    """Which of the three forms a file has, by its first row; `ROWS` where that says nothing.

    Args:
        path: The file.
        encoding: One of `file_options.ENCODINGS`.

    Raises:
        DataError: On a file that cannot be read.
    """
    whole = whole_list(path, encoding)
    if whole is not None:
        first = whole[0] if whole else None
        return C3 if isinstance(first, list) else CHID if _is_cloze(first) else ROWS
    for _, line in read_lines(path, encoding):
        try:
            return CHID if _is_cloze(parse_object(line, "")) else ROWS
        except DataError:
            break
    return ROWS


def _is_cloze(row: Any) -> bool:
    return isinstance(row, dict) and "content" in row


def read_choices(
    path: Path, text_format: str, split: Split, options: FileOptions, record: FileRecord
) -> Iterator[Example]:
    """Stream the questions of a file, in whichever of the three forms it is.

    An example has `id`, `context`, `question`, `choices`, and `answer`, the right choice's index (None in `test` where
    it is not known). In a cloze each blank is a question, and `question` is the blank.

    Args:
        path: The file; the other part of C3 and ChID's answers are looked for beside it.
        text_format: "choices" or "cloze".
        split: The split that the file is.
        options: How files are read.
        record: Gets how the file was read, and rows to predict that cannot be.

    Raises:
        DataError: With the file and the place at the first row that does not fit.
    """
    form = form_of_choices(path, options.encoding)
    if (form == CHID) != (text_format == "cloze") and form != ROWS:
        raise DataError(f"{path}: {form}, and the others are {text_format}: give files of one kind")
    if form == C3:
        return _read_c3(path, split, options, record)
    if form == CHID:
        return _read_chid(path, split, options, record)
    return _read_rows(path, text_format, split, options, record)


def _read_rows(
    path: Path, text_format: str, split: Split, options: FileOptions, record: FileRecord
) -> Iterator[Example]:
    described = False
    kept = 0
    for index, number, where, row in read_objects(path, split, options, record):
        try:
            example = parse_choice_row(row, text_format, split, index if split == "test" else kept, where)
        except DataError as error:
            record.skip(error, number, options, split, index)
            continue
        if not described:
            record.format += f": {', '.join(name for name in _FIELDS if name in row)}"
            described = True
        kept += 1
        yield {**example, "line": number} if split == "test" else example


def other_part(path: Path) -> Path | None:
    """The other of the two files that C3 has for each split, by its name; None where the name says no part."""
    if not _PARTS.search(path.name):
        return None
    return path.with_name(_PARTS.sub(lambda found: found[1] + ("m" if found[2] == "d" else "d"), path.name, count=1))


def _read_c3(path: Path, split: Split, options: FileOptions, record: FileRecord) -> Iterator[Example]:
    other = other_part(path)
    paths = [path]
    if other is not None and other.is_file():
        paths.append(other)
    elif other is not None:
        record.notices.append(f"{path}: one of the two parts of C3: {other.name} is not beside it, and is not read")
    record.format = f"{C3} ({', '.join(each.name for each in paths)})" if len(paths) > 1 else C3
    number = repeated = 0
    notices = tuple(record.notices)
    for each in paths:
        for where, document, row in _c3_questions(each, options.encoding):
            try:
                example = _c3_example(document, row, split, number, where)
            except DataError as error:
                record.skip(error, str(number), options, split, number)
            else:
                if len(set(example["choices"])) < len(example["choices"]):
                    repeated += 1
                    # Up to date with each question, since a reader may be left before the file's end.
                    record.notices[:] = (
                        *notices,
                        f"{path}: {repeated} question(s) have a choice twice: the first of the two counts",
                    )
                yield example
            number += 1


def _c3_questions(path: Path, encoding: str) -> Iterator[tuple[str, Any, Any]]:
    """Place, context and fields of each question; an entry that has none is given whole, with no fields."""
    entries = whole_list(path, encoding)
    if entries is None:
        raise DataError(f"{path}: no JSON list: a file of C3 is a list of [texts, questions, id]")
    for place, entry in enumerate(entries):
        where = f"{path}: data[{place}]"
        if not isinstance(entry, list) or len(entry) < 2 or not isinstance(entry[1], list) or not entry[1]:
            yield where, None, entry
            continue
        for number, row in enumerate(entry[1]):
            yield f"{where}[1][{number}]", entry[0], row


def _c3_example(document: Any, row: Any, split: Split, number: int, where: str) -> Example:
    if document is None:
        raise DataError(f"{where}: not [texts, questions, id] with a question at least, as each entry of C3 is")
    if not isinstance(row, dict):
        raise DataError(f"{where}: a JSON {json_type(row)}, not an object: a question has question, choice and answer")
    return parse_c3_row({**row, "context": document}, split, number, where)


def parse_c3_row(row: dict[str, Any], split: Split, number: int, where: str) -> Example:
    """The example in a question of C3's fields, with its `context`.

    Args:
        row: The row's fields.
        split: The split that the row is of.
        number: Its number from 0, which is its id.
        where: The place, for messages.

    Raises:
        DataError: Where it does not fit.
    """
    check_whole(row, where)
    for name in ("question", "choice"):
        if name not in row:
            raise DataError(f"{where}: no field '{name}': the question has {field_names(row)}")
    choices = check_choices(row["choice"], "choice", where, repeats=True)
    answer = None
    if row.get("answer") not in (None, ""):
        answer = answer_index(row["answer"], choices, "answer", where)
    elif split != "test":
        raise DataError(f"{where}: no answer: a question of the {split} file needs the right choice in 'answer'")
    return {
        "id": number,
        "context": context_text(row["context"], "texts", where),
        "question": context_text(row["question"], "question", where),
        "choices": choices,
        "answer": answer,
    }


def answers_path(path: Path) -> Path:
    """Where the answers to a file of ChID stand: train_answer.json beside train.json."""
    return path.with_name(f"{path.stem}_answer.json")


def _read_chid(path: Path, split: Split, options: FileOptions, record: FileRecord) -> Iterator[Example]:
    beside = answers_path(path)
    answers = read_json_object(beside, DataError, "write {blank: index}") if beside.is_file() else None
    form = CHID + (f" ({path.name}, {beside.name})" if answers is not None else "")
    seen: set[str] = set()
    for index, number, where, row in read_objects(path, split, options, record):
        try:
            examples = list(_chid_examples(row, answers, split, index, where, beside.name))
            for name in (example["question"] for example in examples if answers is not None):
                if name in seen:
                    raise DataError(f"{where}: the blank {name} stands in an earlier row too: give each its own number")
                seen.add(name)
        except DataError as error:
            record.skip(error, number, options, split, index)
            continue
        record.format = form
        for example in examples:
            yield {**example, "line": number} if split == "test" else example


def _chid_examples(
    row: dict[str, Any], answers: dict[str, Any] | None, split: Split, index: int, where: str, beside: str
) -> Iterator[Example]:
    """An example for each blank of a row."""
    for name in ("content", "candidates"):
        if name not in row:
            raise DataError(f"{where}: no field '{name}': the row has {field_names(row)}")
    context = context_text(row["content"], "content", where)
    blanks = blanks_of(context)
    if not blanks:
        raise DataError(f"{where}: no blank in 'content': write it as #idiom1#")
    known = answers
    if answers is None and row.get("answer") is not None:
        if len(blanks) > 1:
            raise DataError(f"{where}: one 'answer' to {len(blanks)} blanks: write their answers to {beside}")
        known = {blanks[0]: row["answer"]}
    if known is None and split != "test":
        raise DataError(f"{where}: no answer: neither is there {beside}, nor has the row a field 'answer'")
    for blank in blanks:
        answer = None if known is None else known.get(blank)
        if answer is None and split != "test":
            raise DataError(f"{where}: no answer to the blank {blank} in {beside}")
        yield parse_chid_row({**row, "blank": blank, "answer": answer}, index, where)


def parse_chid_row(row: dict[str, Any], index: int, where: str) -> Example:
    """The example in a blank of ChID's fields: `content`, `candidates`, `blank`, and `answer`, an index or None.

    Args:
        row: The fields.
        index: The id of a blank that has no number.
        where: The place, for messages.

    Raises:
        DataError: Where it does not fit.
    """
    context = context_text(row["content"], "content", where)
    blank = checked_blank(context, row["blank"], where)
    choices = check_choices(row["candidates"], "candidates", where)
    answer = row.get("answer")
    numbered = any(sign.isdigit() for sign in blank)
    return {
        "id": blank if numbered else row.get("id", index),
        "context": context,
        "question": blank,
        "choices": choices,
        "answer": None if answer is None else answer_index(answer, choices, "answer", where),
    }
