"""Doccano's exports of text classification, to a multi-label data directory and back.

https://github.com/doccano/doccano: a row is an object with the text under "text" (older versions: "data") and the
labels' names under "label" ("labels" in the oldest, "cats" in projects of intents and slots, whose "entities" are
spans); "id" and other fields may be there. An export holds an object a line (JSONL) or one list of them (JSON).
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from ernie_toolkit.data.file_options import FileOptions, FileRecord, Place
from ernie_toolkit.data.label_sets import SEPARATOR
from ernie_toolkit.data.label_spelling import joined_labels, label_key, spelling_notices
from ernie_toolkit.data.lines import check_text, field_names, json_type, read_objects
from ernie_toolkit.data.readers import Example
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.files import write_text

TEXT_FIELDS = ("text", "data")
LABEL_FIELDS = ("label", "labels", "cats")
SPAN_FIELD = "entities"
SPLITS = ("train", "dev", "test")
TASK_TYPES = ("multi_label", "multi_class", "hierarchical")
UNLABELLED = ("leave_out", "negative")
LEVEL_SEPARATOR = "##"
FORMS = "a row needs its text in 'text' (or 'data') and its label name or names in 'label' (or 'labels', 'cats')"
SPAN_HINT = "spans are read by run_token_cls.py --dataset custom; export a text classification project for this"


@dataclass(frozen=True)
class DoccanoExport:
    """The rows of an export, and what was found in it.

    Attributes:
        rows: `sentence`, `labels` (names, as they stand), `id` (the row's index in the export).
        unlabelled: Places of the rows without a label, whether they are among `rows` or not.
        form: How the file was read, for people.
        notices: Lines to warn about.
    """

    rows: list[Example]
    unlabelled: tuple[Place, ...]
    form: str
    notices: tuple[str, ...]


def read_doccano(
    path: Path,
    task_type: str = "multi_label",
    separator: str = LEVEL_SEPARATOR,
    unlabelled: str = "leave_out",
    dirty: bool = False,
    encoding: str = "utf-8",
) -> DoccanoExport:
    """The rows of an export for one of `TASK_TYPES`.

    multi_class: each row has one label. hierarchical: a label names its levels from the top and implies those above it
    ("猫##短毛" gives 猫 and 猫##短毛). Tabs and line breaks in a text become spaces, as a line of a data directory
    holds one text.

    Args:
        path: The export, JSONL or JSON.
        task_type: One of `TASK_TYPES`.
        separator: What stands between the levels of a hierarchical label.
        unlabelled: Rows without a label are left out ("leave_out"), as nobody may have looked at them yet, or are rows
            that have none of the labels ("negative").
        dirty: Whether what stands behind the last tab of a text is dropped: the label of a line of dirty.py's that was
            imported whole.
        encoding: One of `file_options.ENCODINGS`.

    Raises:
        DataError: With its place, on what is no such row, on spans, on a label given twice, empty or with a comma, and
            where there is no row.
    """
    rows: list[Example] = []
    bare: list[Place] = []
    texts: dict[str, None] = {}
    names: dict[str, None] = {}
    spans, index, record = 0, -1, FileRecord()
    entries = read_objects(path, "train", FileOptions(encoding=encoding), record)
    for index, (_, place, where, row) in enumerate(entries):
        text_field, label_field = _fields(row, where)
        text = check_text(row[text_field], f"field '{text_field}'", where)
        labels = _labels(row[label_field], where)
        if row.get(SPAN_FIELD):
            if not labels:
                raise DataError(f"{where}: spans in '{SPAN_FIELD}' and no label for the text: {SPAN_HINT}")
            spans += 1
        texts[f"'{text_field}'"] = names[f"'{label_field}'"] = None
        labels = _by_task(labels, task_type, separator, where)
        if not labels:
            bare.append(place)
        if labels or unlabelled == "negative":
            columns = text.split("\t")
            sentence = " ".join(columns[:-1] if dirty and len(columns) > 1 else columns)
            sentence = check_text(sentence.replace("\r", "").replace("\n", " "), f"field '{text_field}'", where)
            rows.append({"sentence": sentence, "labels": labels, "id": index})
    if index < 0:
        raise DataError(f"{path}: no row in it: export the project as JSONL; {FORMS}")
    if not rows:
        raise DataError(f"{path}: none of its {index + 1} rows has a label: label some, or give `unlabelled` negative")
    notices = [f"{path}: '{SPAN_FIELD}' of {spans} row(s) are not read: these are labels of whole texts"] * bool(spans)
    notices += _join_spellings(rows, path)
    if task_type == "hierarchical" and not any(separator in label for row in rows for label in row["labels"]):
        notices.append(f"{path}: no label has levels parted by '{separator}': hierarchical changes nothing")
    form = f"{record.format}, text in {' and '.join(texts)}, labels in {' and '.join(names)}"
    return DoccanoExport(rows, tuple(bare), form, tuple(notices))


def _fields(row: dict[str, Any], where: str) -> tuple[str, str]:
    """The names of the text's and the labels' field. Raises DataError where there is none, or two disagree."""
    found = field_names(row)
    text = next((name for name in TEXT_FIELDS if name in row), "")
    if not text:
        raise DataError(f"{where}: no text, its fields are {found}: {FORMS}")
    named = [name for name in LABEL_FIELDS if name in row]
    if not named:
        hint = SPAN_HINT if row.get(SPAN_FIELD) else FORMS
        raise DataError(f"{where}: no labels, its fields are {found}: {hint}")
    filled = [name for name in named if row[name]]
    if len(filled) > 1 and row[filled[0]] != row[filled[1]]:
        raise DataError(f"{where}: labels in '{filled[0]}' and others in '{filled[1]}': take one of them out")
    return text, (filled or named)[0]


def _labels(value: Any, where: str) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list):
        raise DataError(f"{where}: the labels are a JSON {json_type(value)}: write a list of names, or one name")
    labels: list[str] = []
    for item in items:
        if isinstance(item, (list, dict)):
            raise DataError(f"{where}: a label is a JSON {json_type(item)}, as of a span, and not a name: {SPAN_HINT}")
        if not isinstance(item, str):
            raise DataError(f"{where}: a label is a JSON {json_type(item)}, not a name: export label names")
        name = item.strip()
        if not name or SEPARATOR in name or "\t" in name or "\n" in name or "\r" in name:
            raise DataError(f"{where}: label {item!r:.60} is empty, or holds a comma, a tab or a line break: rename it")
        if name in labels:
            raise DataError(f"{where}: label '{name}' stands there twice: take one out")
        labels.append(name)
    return tuple(labels)


def _by_task(labels: tuple[str, ...], task_type: str, separator: str, where: str) -> tuple[str, ...]:
    """The labels of a row as a task has them."""
    if task_type == "multi_class" and len(labels) > 1:
        raise DataError(f"{where}: {len(labels)} labels ({', '.join(labels)}): use `task_type` multi_label")
    if task_type != "hierarchical":
        return labels
    found: dict[str, None] = {}
    for label in labels:
        levels = label.split(separator)
        if not all(level.strip() for level in levels):
            raise DataError(f"{where}: label '{label}' has an empty level: levels are parted by '{separator}'")
        for depth in range(len(levels)):
            found[separator.join(levels[: depth + 1])] = None
    return tuple(found)


def _join_spellings(rows: Sequence[Example], path: Path) -> list[str]:
    """Give labels that look the same their most frequent spelling, since no label file may have two of them.

    Returns lines that say so.
    """
    counts = Counter(label for row in rows for label in row["labels"])
    labels = joined_labels(counts)
    for row in rows:
        row["labels"] = tuple(dict.fromkeys(labels[label_key(label)] for label in row["labels"]))
    return spelling_notices(path, counts, labels)


def label_names(rows: Sequence[Example]) -> tuple[str, ...]:
    """All labels of some rows, sorted.

    Raises:
        DataError: On fewer than two.
    """
    names = tuple(sorted({label for row in rows for label in row["labels"]}))
    if len(names) < 2:
        raise DataError(f"{len(names)} label(s) in all rows: a classifier needs two at least")
    return names


def split_rows(
    rows: Sequence[Example], shares: Sequence[float], seed: int, shuffle: bool = True
) -> dict[str, list[Example]]:
    """Rows cut into train, dev and test by shares that add up to 1; every row is in one.

    Args:
        rows: The rows.
        shares: The share of train; of train and dev; or of all three.
        seed: The seed of the order.
        shuffle: Whether rows are cut in an order drawn by the seed, else in their own.

    Raises:
        ConfigError: On other numbers of shares, on shares that are negative or add up to another sum, and where train
            or dev gets no row though a share is wanted.
    """
    shown = f"`shares` {' '.join(map(str, shares))}"
    if (
        not 1 <= len(shares) <= len(SPLITS)
        or not all(0 <= share <= 1 for share in shares)
        or abs(sum(shares) - 1) > 1e-6
    ):
        raise ConfigError(f"{shown}: give shares of {', '.join(SPLITS)} (or of the first one or two) that add up to 1")
    order = list(range(len(rows)))
    if shuffle:
        random.Random(seed).shuffle(order)
    counts = _part_sizes(len(rows), (*shares, *(0.0,) * (len(SPLITS) - len(shares))))
    cuts = list(accumulate(counts, initial=0))
    parts = {name: [rows[place] for place in order[cuts[n] : cuts[n + 1]]] for n, name in enumerate(SPLITS)}
    for name in SPLITS[: min(len(shares), 2)]:
        if not parts[name]:
            raise ConfigError(f"{shown}: {len(rows)} row(s) leave {name} empty: give it a larger share, or more rows")
    return parts


def _part_sizes(rows: int, shares: Sequence[float]) -> list[int]:
    """How many rows each part gets: its share rounded, but one at least where a share is wanted and rows are there."""
    sizes = [round(share * rows) for share in shares]
    last = max(place for place, share in enumerate(shares) if share)
    sizes[last] += rows - sum(sizes)
    for place, share in enumerate(shares):
        largest = max(range(len(sizes)), key=sizes.__getitem__)
        if share and not sizes[place] and sizes[largest] > 1:
            sizes[place] += 1
            sizes[largest] -= 1
    return sizes


def write_doccano(path: Path, rows: Sequence[Example]) -> None:
    """Write rows as doccano imports them: an object a line with "text" and "label".

    Args:
        path: The file, JSONL.
        rows: Examples with `sentence` and `labels`.
    """
    lines = (json.dumps({"text": row["sentence"], "label": list(row["labels"])}, ensure_ascii=False) for row in rows)
    write_text(path, "".join(line + "\n" for line in lines))
