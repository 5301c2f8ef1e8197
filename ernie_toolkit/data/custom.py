"""A user's own data: what its files hold, and the reader of those for classification.

Files for classification are tab-separated or JSON lines; those with tags and those with questions have the
official forms (`tagged`, `squad`). Tab-separated files have no header and no quoting: `text<TAB>label` or
`text<TAB>text2<TAB>label` a line; a test file may leave the label column out. Files named .json or .jsonl
hold one object a line with the text under `sentence` or `text`, or a pair under `sentence1`/`sentence2`,
`text_a`/`text_b` or `text`/`text_pair`, and the `label`. Either way the examples come out with the official
field names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ernie_toolkit.data.file_options import DEFAULT_FILE_OPTIONS, FileOptions, FileRecord
from ernie_toolkit.data.lines import check_text, is_json, parse_object, read_lines, text_field
from ernie_toolkit.data.readers import Example, check_label, parse_label
from ernie_toolkit.data.registry import CUSTOM, SPLITS, DatasetSpec, Split
from ernie_toolkit.data.tagged import bio_labels, read_tags
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.pairing import strict_zip

_PAIR_FIELDS = (("sentence1", "sentence2"), ("text_a", "text_b"), ("text", "text_pair"))
_SENTENCE_FIELDS = ("sentence", "text")
_TEXT_COLUMNS = {"sentence": 1, "pair": 2}
_LABELLED_COLUMNS = "2 (text, label) or 3 (text, text, label)"
_TEST_COLUMNS = "1 (text) or 2 (text, text)"


def custom_spec(
    train_file: Path | None = None,
    dev_file: Path | None = None,
    test_file: Path | None = None,
    label_file: Path | None = None,
    task: str = "seq_cls",
    options: FileOptions = DEFAULT_FILE_OPTIONS,
) -> DatasetSpec:
    """Find out what a user's files hold: for classification single sentences or pairs, and which labels.

    In seq_cls the text format is that of the first line of the first labelled file (train, else dev, else
    test). The labels are those of `label_file`, one a line with an optional name after a tab, in its order;
    without it those of the training file, sorted (whole numbers by value; BIO tags by type, O last), so that
    shuffled rows give the same model outputs. In qa there are none. Raises ConfigError where no file tells
    the labels, DataError on bad files.
    """
    paths = strict_zip(SPLITS, (train_file, dev_file, test_file))
    files = {split: path for split, path in paths if path is not None}
    if not files:
        raise ConfigError("data set 'custom' needs --train_file, --dev_file or --test_file")
    if task == "qa" and label_file is not None:
        raise ConfigError("--label_file is for tasks with labels, and questions have none: leave it out")
    labels, names = ((), None) if task == "qa" else _labels(train_file, label_file, task, options)
    split, first = next(iter(files.items()))
    formats = {"token_cls": "characters", "qa": "question_context"}
    return DatasetSpec(
        name=CUSTOM,
        task=task,
        labels=labels,
        text_format=formats.get(task) or _text_format(first, split),
        label_names=names,
        metric="accuracy" if task == "seq_cls" else "f1",
        files={split: (str(path),) for split, path in files.items()},
    )


def _labels(
    train_file: Path | None, label_file: Path | None, task: str, options: FileOptions
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The labels of a user's files, and their names where they have some."""
    names: tuple[str, ...] | None = None
    if label_file is not None:
        labels, names = read_labels(label_file)
        if task == "token_cls":
            labels, names = bio_labels(labels, names, f"{label_file}")
    elif train_file is not None:
        labels = read_tags(train_file, options) if task == "token_cls" else _collect_labels(train_file)
    else:
        raise ConfigError("data set 'custom' has no labels: give --label_file or --train_file")
    return labels, names


def read_custom(
    path: Path,
    spec: DatasetSpec,
    split: Split = "train",
    options: FileOptions = DEFAULT_FILE_OPTIONS,
    record: FileRecord | None = None,
) -> Iterator[Example]:
    """Stream the examples of a user's file, with the fields `sentence` or `sentence1` and `sentence2`.

    `label` is None for the rows of a test file that has none; `id` is a JSON row's own whole-number `id`,
    else the row's index. Raises DataError with file and line number at the first line that does not fit.
    """
    if is_json(path):
        yield from _read_json(path, spec, split)
    else:
        yield from _read_columns(path, spec, split)


def read_labels(path: Path) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """Labels and, where every line has one, names from a label file: `label` or `label<TAB>name` a line.

    Raises DataError on a repeated label, on fewer than two labels and on names on some lines only.
    """
    names: dict[str, str | None] = {}
    for number, line in read_lines(path):
        label, *rest = (part.strip() for part in line.split("\t"))
        if len(rest) > 1 or not label or (rest and not rest[0]):
            raise DataError(f"{path}:{number}: expected label or label<TAB>name: {line!r:.60}")
        if label in names:
            raise DataError(f"{path}:{number}: label '{label}' stands there twice: take one line out")
        names[label] = rest[0] if rest else None
    _check_count(len(names), path)
    given = [name for name in names.values() if name is not None]
    if given and len(given) != len(names):
        missing = next(label for label, name in names.items() if name is None)
        raise DataError(f"{path}: label '{missing}' has no name, others have: name all or none")
    return tuple(names), tuple(given) or None


def _check_count(count: int, path: Path) -> None:
    if count < 2:
        raise DataError(f"{path}: {count} label(s) found: a classifier needs at least two")


def _label_order(label: str) -> tuple[int, int, str]:
    # Digits in files come as "10" and "9"; by text 10 would stand first.
    if label.isascii() and label[label.startswith("-") :].isdigit() and len(label) < 19:
        return 0, int(label), label
    return 1, 0, label


def _collect_labels(path: Path) -> tuple[str, ...]:
    labels: set[str] = set()
    for number, line in read_lines(path):
        where = f"{path}:{number}"
        if is_json(path):
            value = _json_label(parse_object(line, where), "train", where)
            if value is not None:
                labels.add(value)
            continue
        *texts, label = line.split("\t")
        if len(texts) not in _TEXT_COLUMNS.values():
            raise _columns_error(where, _LABELLED_COLUMNS, line)
        labels.add(_filled(label, where))
    _check_count(len(labels), path)
    return tuple(sorted(labels, key=_label_order))


def _json_label(row: dict[str, Any], split: Split, where: str) -> str | None:
    """The label of a row before the labels are known."""
    value = row.get("label")
    if isinstance(value, bool):
        value = "true" if value else "false"
    spec = DatasetSpec(CUSTOM, "seq_cls", (str(value),), "sentence")
    return parse_label({**row, "label": value}, spec, split, where)


def _text_format(path: Path, split: Split) -> str:
    """Whether the first line of a file is a sentence or a pair; a test file's columns count as texts."""
    for number, line in read_lines(path):
        where = f"{path}:{number}"
        if is_json(path):
            return "pair" if len(_text_fields(parse_object(line, where), where)) == 2 else "sentence"
        columns = line.count("\t") + (1 if split == "test" else 0)
        if columns not in _TEXT_COLUMNS.values():
            raise _columns_error(where, _TEST_COLUMNS if split == "test" else _LABELLED_COLUMNS, line)
        return "pair" if columns == 2 else "sentence"
    raise DataError(f"{path}: the file is empty: it needs at least one row")


def _text_fields(row: dict[str, Any], where: str) -> tuple[str, ...]:
    for pair in _PAIR_FIELDS:
        if row.get(pair[1]) is not None:
            return pair
    for name in _SENTENCE_FIELDS:
        if name in row:
            return (name,)
    found = ", ".join(map(repr, row)) or "none"
    raise DataError(
        f"{where}: no text: expected 'text' or 'sentence', or 'sentence1' and 'sentence2' "
        f"(or text_a/text_b, text/text_pair); the fields are {found}"
    )


def texts_of_row(row: dict[str, Any], where: str) -> list[str]:
    """The text or the two texts of a JSON row, under any of the field names above. Raises DataError."""
    return [text_field(row, name, where) for name in _text_fields(row, where)]


def _canonical(texts: list[str]) -> Example:
    return {"sentence": texts[0]} if len(texts) == 1 else {"sentence1": texts[0], "sentence2": texts[1]}


def _read_json(path: Path, spec: DatasetSpec, split: Split) -> Iterator[Example]:
    for index, (number, line) in enumerate(read_lines(path)):
        where = f"{path}:{number}"
        row = parse_object(line, where)
        texts = texts_of_row(row, where)
        if len(texts) != _TEXT_COLUMNS[spec.text_format]:
            raise DataError(f"{where}: {len(texts)} text(s) in a data set of {spec.text_format}s: use one kind")
        example = _canonical(texts)
        own = row.get("id")
        example["label"] = parse_label(row, spec, split, where)
        example["id"] = own if isinstance(own, int) and not isinstance(own, bool) else index
        yield example


def _read_columns(path: Path, spec: DatasetSpec, split: Split) -> Iterator[Example]:
    texts_expected = _TEXT_COLUMNS[spec.text_format]
    expected: int | None = None if split == "test" else texts_expected + 1
    for index, (number, line) in enumerate(read_lines(path)):
        where = f"{path}:{number}"
        columns = line.split("\t")
        if expected is None and len(columns) in (texts_expected, texts_expected + 1):
            expected = len(columns)
        if len(columns) != expected:
            raise _columns_error(where, str(expected or f"{texts_expected} or {texts_expected + 1}"), line)
        texts = [check_text(text, f"column {n}", where) for n, text in enumerate(columns[:texts_expected], 1)]
        example = _canonical(texts)
        example["label"] = None
        if expected > texts_expected:
            example["label"] = check_label(_filled(columns[-1], where), spec, where)
        example["id"] = index
        yield example


def _filled(label: str, where: str) -> str:
    label = label.strip()
    if not label:
        raise DataError(f"{where}: the label column is empty: fill it or take the line out")
    return label


def _columns_error(where: str, expected: str, line: str) -> DataError:
    count = line.count("\t") + 1
    return DataError(f"{where}: {count} tab-separated column(s) where {expected} are expected: {line!r:.60}")
