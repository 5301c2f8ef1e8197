"""The reader of users' own files for classification.

Files for classification have columns (`tables`, `layout`) or are JSON (`json_rows`); those with tags and those with
questions have the official forms (`tagged`, `squad`). Either way the examples come out with the official field names,
and labels that differ in width, blanks or invisible characters alone are one (`label_spelling`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.data.custom_rows import RawRow, layout_of, raw_rows, reference_layout
from ernie_toolkit.data.file_options import DEFAULT_FILE_OPTIONS, FileOptions, FileRecord
from ernie_toolkit.data.json_rows import texts_of_row
from ernie_toolkit.data.label_spelling import (
    check_labels_are_shared,
    joined_labels,
    label_key,
    spelling_notices,
    trimmed,
    twin_notices,
)
from ernie_toolkit.data.lines import is_json, read_lines
from ernie_toolkit.data.readers import Example, check_label
from ernie_toolkit.data.registry import DatasetSpec, Split
from ernie_toolkit.errors import DataError

__all__ = ["collect_labels", "custom_text_format", "read_custom", "read_labels", "texts_of_row"]

# Fewer rows show no header.
_HEADER_ROWS = 8
_TEXTS = {"sentence": 1, "pair": 2}


def read_custom(
    path: Path,
    spec: DatasetSpec,
    split: Split = "train",
    options: FileOptions = DEFAULT_FILE_OPTIONS,
    record: FileRecord | None = None,
) -> Iterator[Example]:
    """Give the examples of a user's file, with the fields `sentence` or `sentence1` and `sentence2`.

    `label` is None for the rows of a test file that has none. `id` is a row's own whole number, else the row's index;
    in a test file that counts every line below the header, and `line` is the row's line number, from 1 (in a JSON list
    its place).

    Args:
        path: A file with columns, or JSON.
        spec: The data set; labels come out in its spelling.
        split: The split that the file is; the rows of "test" need no label.
        options: How files are read.
        record: Gets lines on how the file was read and on other spellings of labels; None where they are not wanted.

    Raises:
        DataError: With file and line, at the first line that does not fit.
    """
    record = FileRecord() if record is None else record
    texts = _TEXTS[spec.text_format]
    reference = None if is_json(path) else reference_layout(path, spec, options)
    labels = {label_key(label): label for label in spec.labels}
    spellings: Counter[str] = Counter()
    examples: list[Example] = []
    first_line = 0
    for row in raw_rows(path, split, options, record, texts, reference):
        first_line = first_line or row.line
        try:
            examples.append(_example(row, spec, split, labels, texts, len(examples)))
        except DataError as error:
            record.skip(error, row.line, options, split, row.number)
        else:
            spellings.update(() if row.label is None else (row.label,))
    record.notices += spelling_notices(path, spellings, labels)
    if split == "train":
        record.notices += twin_notices(path, spec.labels)
    if split == "train" and first_line == 1 and not is_json(path):
        record.notices += _lone_first_label(path, examples)
    yield from examples


def _example(row: RawRow, spec: DatasetSpec, split: Split, labels: dict[str, str], texts: int, index: int) -> Example:
    if len(row.texts) != texts:
        raise DataError(f"{row.where}: {len(row.texts)} text(s) in a data set of {spec.text_format}s: use one kind")
    example: Example = dict(strict_zip(("sentence",) if texts == 1 else ("sentence1", "sentence2"), row.texts))
    example["label"] = None
    if row.label is not None:
        label = labels.get(label_key(row.label))
        if label is None:
            _refuse_label(row, spec, split, labels)
        example["label"] = label
    example["id"] = row.own_id if row.own_id is not None else (row.number if split == "test" else index)
    if split == "test":
        example["line"] = row.line
    return example


def _lone_first_label(path: Path, examples: Sequence[Example]) -> list[str]:
    """A line on a first row that may be a header in words of the user's own: it alone has a label of its own."""
    counts = Counter(example["label"] for example in examples)
    if len(examples) < _HEADER_ROWS or counts[examples[0]["label"]] > 1 or list(counts.values()).count(1) > 1:
        return []
    return [
        f"{path}: label {examples[0]['label']!r:.40} stands in the first row alone, every other in several: if that is "
        "a header, name the columns with `text_column` and `label_column`"
    ]


def _refuse_label(row: RawRow, spec: DatasetSpec, split: Split, labels: dict[str, str]) -> None:
    """Raise the error of an unknown label; where a text is one, the columns stand in another order than expected."""
    try:
        check_label(trimmed(row.label or ""), spec, row.where)
    except DataError as error:
        for text in row.texts:
            if label_key(text) in labels:
                raise DataError(
                    f"{error}; '{trimmed(text):.40}' is one: name the columns with `text_column` and `label_column`"
                ) from None
        named = {label_key(name): label for label, name in zip(spec.labels, spec.label_names or ())}
        label = named.get(label_key(row.label or ""))
        if label is not None:
            raise DataError(f"{error}; it is the name of '{label}' in the label file: write '{label}'") from None
        if split == "test":
            raise DataError(f"{error}; rows to predict need no label: take the column out") from None
        raise


def read_labels(
    path: Path, encoding: str = "utf-8", at_least: int = 2
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """Labels and, where every line has one, names from a label file: `label` or `label<TAB>name` a line.

    Blanks and invisible characters around them are dropped, as those around the labels of rows are.

    Args:
        path: The label file.
        encoding: One of `file_options.ENCODINGS`.
        at_least: How many labels it has to have.

    Returns:
        The labels, and the names in the same order or None.

    Raises:
        DataError: On a repeated label, on too few labels and on names on some lines only.
    """
    names: dict[str, str | None] = {}
    for number, line in read_lines(path, encoding):
        label, *rest = map(trimmed, line.split("\t"))
        if len(rest) > 1 or not label or (rest and not rest[0]):
            raise DataError(f"{path}:{number}: expected label or label<TAB>name: {line!r:.60}")
        if label in names:
            raise DataError(f"{path}:{number}: label '{label}' stands there twice: take one line out")
        names[label] = rest[0] if rest else None
    _check_count(list(names), path, at_least)
    given = [name for name in names.values() if name is not None]
    if given and len(given) != len(names):
        missing = next(label for label, name in names.items() if name is None)
        raise DataError(f"{path}: label '{missing}' has no name, others have: name all or none")
    return tuple(names), tuple(given) or None


def _check_count(labels: Sequence[str], path: Path, at_least: int = 2) -> None:
    if len(labels) < at_least:
        found = f" ('{labels[0]:.40}' alone)" if labels else ", the file has no rows"
        wanted = "a classifier needs at least two" if at_least == 2 else "write one type of entity at least"
        raise DataError(f"{path}: {len(labels)} label(s) found{found}: {wanted}")


def _label_order(label: str) -> tuple[int, int, str]:
    # Digits in files come as "10" and "9"; by text 10 would stand first.
    if label.isascii() and label[label.startswith("-") :].isdigit() and len(label) < 19:
        return 0, int(label), label
    return 1, 0, label


def collect_labels(path: Path, options: FileOptions) -> tuple[str, ...]:
    """The labels of a training file, one for all spellings that differ in nothing that can be meant.

    Args:
        path: The training file.
        options: How files are read.

    Returns:
        The labels, whole numbers first by value, then the others by text.

    Raises:
        DataError: On fewer than two labels, and where a column of texts seems to be taken for the labels.
    """
    rows = [(row.texts, row.label) for row in raw_rows(path, "train", options, FileRecord()) if row.label is not None]
    labels = joined_labels(Counter(label for _, label in rows))
    if rows and not options.label_column:
        check_labels_are_shared(
            path, [texts for texts, _ in rows], [labels[label_key(label)] for _, label in rows], _remedy(path)
        )
    _check_count(list(labels.values()), path)
    return tuple(sorted(labels.values(), key=_label_order))


def _remedy(path: Path) -> str:
    if is_json(path):
        return "give its field with `label_column`"
    return "give the columns' numbers with `text_column` and `label_column`"


def custom_text_format(path: Path, split: Split, options: FileOptions) -> str:
    """Whether the first row of a file is a sentence or a pair.

    Args:
        path: The file.
        split: The split that the file is; a test file's columns count as texts.
        options: How files are read.

    Returns:
        "sentence" or "pair".

    Raises:
        DataError: On an empty file.
    """
    if is_json(path):
        texts = next((len(row.texts) for row in raw_rows(path, split, options, FileRecord())), 0)
    else:
        layout = layout_of(path, split, options)
        texts = len(layout.texts) if layout else 0
    if texts:
        return "pair" if texts == 2 else "sentence"
    raise DataError(f"{path}: the file is empty: it needs at least one row")
