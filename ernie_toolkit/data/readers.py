"""Streaming reader of the official JSON-lines files of sequence classification."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Dict

from ernie_toolkit.data.file_options import DEFAULT_FILE_OPTIONS, FileOptions, FileRecord
from ernie_toolkit.data.lines import check_text, field_names, read_objects, text_field
from ernie_toolkit.data.registry import DatasetSpec, Split
from ernie_toolkit.errors import DataError

Example = Dict[str, Any]
"""One example, by its task.

seq_cls: a row in its official field names, plus `label` (str, or None where there is none) and `id` (int).
token_cls: `id` (int), `text`, `labels` (a BIO tag for every character, or None where there are none).
qa: `id` (str), `title`, `question`, `context`, `answers` (gold texts), `span` (characters [start, end) of the
context where the answer to learn stands, or None), and `is_impossible` (true) for an unanswerable one that is scored.
multiple_choice: `id` (int or str), `context`, `question` (for a blank, the blank), `choices`, and `answer`, the index
of the right one (None in `test` where it is not known).
multi_label: `id` (int), `sentence`, `labels` (identifiers in the model's order).
"""

GAP = "-"
NO_GOLD_LABEL = "row(s) without a gold label (label '-')"
_SHOWN_LABELS = 20


def read_clue_jsonl(
    path: Path,
    spec: DatasetSpec,
    split: Split = "train",
    options: FileOptions = DEFAULT_FILE_OPTIONS,
    record: FileRecord | None = None,
) -> Iterator[Example]:
    """Stream the examples of a file in CLUE's format: one JSON object a line.

    Rows of `train` and `dev` need a label; rows of `test` may have one (`label` is None where not). Rows labelled "-"
    in a set with `has_gold_gaps` are left out of `train` and `dev`. `id` is the row's own `id` (`idx` in CLUEWSC2020),
    else its index among the rows; in `test` that counts blank lines too, and `line` is the row's line number, from 1
    (in a JSON list its place).

    Args:
        path: The file.
        spec: The data set.
        split: The split that the file is.
        options: How files are read.
        record: Gets what was left out and how the file was read; None where it is not wanted.

    Raises:
        DataError: With file and line number at the first line that does not fit.
    """
    record = FileRecord() if record is None else record
    kept = 0
    described = False
    for index, number, where, row in read_objects(path, split, options, record):
        try:
            example = parse_row(row, spec, split, index if split == "test" else kept, where)
        except DataError as error:
            record.skip(error, number, options, split, index)
            continue
        if not described:
            fields = (*_FIELDS[spec.text_format], *(("label",) if "label" in row else ()))
            record.format += f": {', '.join(fields)}"
            described = True
        kept += 1
        if example is None:
            record.leave_out(NO_GOLD_LABEL, number)
            continue
        if split == "test":
            example["line"] = number
        yield example


def parse_row(row: dict[str, Any], spec: DatasetSpec, split: Split, index: int, where: str) -> Example | None:
    """Check one row and bring it into the form of an `Example`; None for a row without a gold label.

    Args:
        row: The row's fields.
        spec: The data set.
        split: The split that the row is of.
        index: The `id` of a row that has none.
        where: The file and the line, for messages.

    Raises:
        DataError: Where it does not fit.
    """
    example = {**row, **_CHECKS[spec.text_format](row, where)}
    gap = spec.has_gold_gaps and row.get("label") == GAP
    if gap and split != "test":
        return None
    example["label"] = None if gap else parse_label(row, spec, split, where)
    example["id"] = _row_id(row, index, where)
    return example


def parse_label(row: dict[str, Any], spec: DatasetSpec, split: Split, where: str) -> str | None:
    """The label as a text, numbers and truth values spelt as in JSON; None for an unlabelled test row.

    Args:
        row: The row's fields.
        spec: The data set.
        split: The split that the row is of.
        where: The file and the line, for messages.

    Raises:
        DataError: On a label that the data set does not have, and on none in `train` and `dev`.
    """
    value = row.get("label")
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None or value == "":
        if split == "test":
            return None
        found = field_names(row)
        raise DataError(
            f"{where}: no label: a row of the {split} file needs a field 'label'; the fields are {found:.200}"
        )
    if isinstance(value, bool):
        value = "true" if value else "false"
    if isinstance(value, int):
        value = str(value)
    if not isinstance(value, str):
        raise DataError(f"{where}: field 'label' is neither a text nor a whole number: {value!r:.60}")
    return check_label(value if value in spec.labels else value.strip(), spec, where)


def check_label(label: str, spec: DatasetSpec, where: str) -> str:
    """Check that a data set has a label, and return it.

    Args:
        label: The label.
        spec: The data set.
        where: The file and the line, for messages.

    Raises:
        DataError: Where it has not; it names the known ones.
    """
    if label not in spec.labels:
        known = ", ".join(spec.labels[:_SHOWN_LABELS])
        if len(spec.labels) > _SHOWN_LABELS:
            known += f" ... {spec.labels[-1]} ({len(spec.labels)} labels)"
        raise DataError(f"{where}: label {label!r:.60} is not one of {spec.name}'s labels: {known}")
    return label


def _row_id(row: dict[str, Any], index: int, where: str) -> int:
    value = row.get("id", row.get("idx", index))
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise DataError(f"{where}: the row's id is not a whole number: {value!r:.60}")
    return value


def _check_sentence(row: dict[str, Any], where: str) -> Example:
    return {"sentence": text_field(row, "sentence", where)}


def _check_pair(row: dict[str, Any], where: str) -> Example:
    return {name: text_field(row, name, where) for name in ("sentence1", "sentence2")}


def _check_keywords(row: dict[str, Any], where: str) -> Example:
    abstract = text_field(row, "abst", where)
    keywords = row.get("keyword")
    if not isinstance(keywords, list) or not keywords:
        raise DataError(f"{where}: field 'keyword' must be a list with a keyword in it, not {keywords!r:.40}")
    words = [check_text(word, f"keyword {number}", where) for number, word in enumerate(keywords, 1)]
    return {"abst": abstract, "keyword": words}


def _check_coreference(row: dict[str, Any], where: str) -> Example:
    """Check that both spans lie where their offsets (characters, from 0) say, and apart from each other."""
    text = text_field(row, "text", where)
    target = row.get("target")
    if not isinstance(target, dict):
        raise DataError(f"{where}: field 'target' must be an object with the text and index of two spans")
    ends = {}
    for span in ("span1", "span2"):
        words = text_field(target, f"{span}_text", f"{where}: target")
        start = target.get(f"{span}_index")
        if isinstance(start, bool) or not isinstance(start, int):
            raise DataError(f"{where}: target: field '{span}_index' must be a whole number, not {start!r:.40}")
        if start < 0 or text[start : start + len(words)] != words:
            found = text.find(words)
            hint = f"the text has it first at {found}" if found >= 0 else "the text does not have it at all"
            raise DataError(
                f"{where}: target: {span}_text {words!r:.60} is not at {span}_index {start} "
                f"(offsets count characters from 0): {hint}"
            )
        ends[span] = (start, start + len(words))
    (first, first_end), (second, second_end) = ends["span1"], ends["span2"]
    if first < second_end and second < first_end:
        raise DataError(f"{where}: target: span1 and span2 overlap: they must be two places of the text")
    return {"text": text, "target": target}


# The fields that are read of a row, by text format.
_FIELDS = {
    "sentence": ("sentence",),
    "pair": ("sentence1", "sentence2"),
    "keywords": ("keyword", "abst"),
    "coreference": ("text", "target"),
}
_CHECKS = {
    "sentence": _check_sentence,
    "pair": _check_pair,
    "keywords": _check_keywords,
    "coreference": _check_coreference,
}
