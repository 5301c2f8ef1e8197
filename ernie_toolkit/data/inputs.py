"""Files of texts to predict, for a model whose data set need not be there."""

from pathlib import Path
from typing import Any

from ernie_toolkit.data.custom import is_json, texts_of_row
from ernie_toolkit.data.lines import check_text, parse_object, read_lines
from ernie_toolkit.data.readers import parse_row
from ernie_toolkit.data.registry import DatasetSpec
from ernie_toolkit.errors import DataError
from ernie_toolkit.features import TextInput, texts_of

_COLUMNS = {"sentence": 1, "pair": 2}


def read_inputs(path: Path, text_format: str) -> list[TextInput]:
    """Texts or pairs from a file: JSON lines (.json, .jsonl), or plain lines with a tab between the texts of a pair.

    JSON rows have the official fields of the format (CSL's `keyword` and `abst`, say), or for sentences and
    pairs those of a custom data set; other fields, labels too, are not looked at. Raises DataError with file
    and line at the first line that does not fit, and where the file has no line at all.
    """
    read = _json_row if is_json(path) else _plain_row
    inputs = [read(line, text_format, f"{path}:{number}") for number, line in read_lines(path)]
    if not inputs:
        raise DataError(f"{path}: no text in it: write one input a line")
    return inputs


def _json_row(line: str, text_format: str, where: str) -> TextInput:
    row = parse_object(line, where)
    if text_format in _COLUMNS:
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
