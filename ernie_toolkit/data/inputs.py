"""Files of texts to predict, for a model whose data set need not be there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ernie_toolkit.data.custom import texts_of_row
from ernie_toolkit.data.lines import check_text, is_json, parse_object, read_lines, text_field
from ernie_toolkit.data.readers import parse_row
from ernie_toolkit.data.registry import DatasetSpec
from ernie_toolkit.data.squad import read_squad
from ernie_toolkit.data.tagged import text_of_row
from ernie_toolkit.errors import DataError
from ernie_toolkit.features import TextInput, texts_of

# How many texts a plain line has, and a JSON row of a custom data set.
_COLUMNS = {"sentence": 1, "pair": 2, "characters": 1, "question_context": 2}
_CUSTOM_FORMATS = ("sentence", "pair")


def read_inputs(path: Path, text_format: str) -> list[TextInput]:
    """Texts or pairs from a file: JSON lines (.json, .jsonl), or plain lines with a tab between the texts of a pair.

    JSON rows have the official fields of the format (CSL's `keyword` and `abst`, say, or `question` and
    `context`), for sentences and pairs those of a custom data set, and for texts to tag `text`, `sentence`
    or `tokens`; other fields, labels too, are not looked at. Questions are read from a file in SQuAD's form,
    too. Raises DataError with file and line at the first line that does not fit, and where there is none.
    """
    if text_format == "question_context" and is_json(path) and _is_squad(path):
        inputs: list[TextInput] = [(row["question"], row["context"]) for row in read_squad(path, "test")]
        if not inputs:
            raise DataError(f"{path}: no question in it: is it the right file?")
        return inputs
    read = _json_row if is_json(path) else _plain_row
    inputs = [read(line, text_format, f"{path}:{number}") for number, line in read_lines(path)]
    if not inputs:
        raise DataError(f"{path}: no text in it: write one input a line")
    return inputs


def _is_squad(path: Path) -> bool:
    """Whether a file's first line is not one JSON row with a question: SQuAD's form is one object or list."""
    for _, line in read_lines(path):
        try:
            row = parse_object(line, f"{path}")
            return "data" in row and "question" not in row
        except DataError:
            return True
    return False


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
        raise DataError(f"{where}: {len(columns)} tab-separated column(s), the model reads {expected} text(s)")
    texts = [check_text(text, f"column {number}", where) for number, text in enumerate(columns, 1)]
    return texts[0] if expected == 1 else (texts[0], texts[1])
