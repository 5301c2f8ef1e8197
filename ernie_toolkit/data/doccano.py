"""Doccano's JSON lines for text classification, to a multi-label data directory and back.

https://github.com/doccano/doccano: a line is an object with the text under "text" (older versions: "data") and the
labels' names under "label" ("labels" in the oldest); "id" and other fields may be there.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ernie_toolkit.data.label_sets import SEPARATOR
from ernie_toolkit.data.lines import check_text, json_type, parse_object, read_lines
from ernie_toolkit.data.readers import Example
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.files import write_text

TEXT_FIELDS = ("text", "data")
LABEL_FIELDS = ("label", "labels")
SPLITS = ("train", "dev", "test")


def read_doccano(path: Path, encoding: str = "utf-8") -> list[Example]:
    """The rows of an export: `sentence`, `labels` (names, as they stand), `id` (the row's index).

    Tabs and line breaks in a text become spaces, as a line of a data directory holds one text. Raises DataError
    with file and line on what is no such row, on a label given twice, empty or with a comma, and where there is none.
    """
    rows = []
    for index, (number, line) in enumerate(read_lines(path, encoding)):
        where = f"{path}:{number}"
        row = parse_object(line, where)
        text = check_text(_field(row, TEXT_FIELDS, where), "the text", where)
        rows.append({"sentence": " ".join(text.split("\t")).replace("\r", "").replace("\n", " "),
                     "labels": _labels(row, where), "id": index})  # fmt: skip
    if not rows:
        raise DataError(f"{path}: no row in it: export the project as JSONL")
    return rows


def _field(row: dict[str, Any], names: Sequence[str], where: str) -> Any:
    for name in names:
        if name in row:
            return row[name]
    raise DataError(f"{where}: no field '{names[0]}': the row has {', '.join(map(repr, row)) or 'no field'}")


def _labels(row: dict[str, Any], where: str) -> tuple[str, ...]:
    value = _field(row, LABEL_FIELDS, where)
    if not isinstance(value, list):
        raise DataError(f"{where}: the labels are a JSON {json_type(value)}: it must be a list of names")
    labels = []
    for item in value:
        if not isinstance(item, str):
            hint = "a span" if isinstance(item, list) else f"a JSON {json_type(item)}"
            raise DataError(f"{where}: a label is {hint}, not a name: export a text classification project")
        name = item.strip()
        if not name or SEPARATOR in name or "\t" in name or "\n" in name:
            raise DataError(f"{where}: label {item!r:.60} is empty, or holds a comma, a tab or a line break: rename it")
        if name in labels:
            raise DataError(f"{where}: label '{name}' stands there twice: take one out")
        labels.append(name)
    return tuple(labels)


def label_names(rows: Sequence[Example]) -> tuple[str, ...]:
    """All labels of some rows, sorted. Raises DataError on fewer than two."""
    names = tuple(sorted({label for row in rows for label in row["labels"]}))
    if len(names) < 2:
        raise DataError(f"{len(names)} label(s) in all rows: a multi-label model needs two at least")
    return names


def split_rows(rows: Sequence[Example], shares: Sequence[float], seed: int) -> dict[str, list[Example]]:
    """Rows shuffled by a seed and cut into train, dev and test by shares that add up to 1; every row is in one.

    Raises ConfigError on shares that are not three, are negative or add up to another sum, and where the training
    or dev part gets no row.
    """
    if len(shares) != len(SPLITS) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise ConfigError(f"--splits {' '.join(map(str, shares))}: give shares of {', '.join(SPLITS)} that add up to 1")
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    first = round(shares[0] * len(rows))
    second = first + round(shares[1] * len(rows)) if shares[2] else len(rows)
    cuts = (0, first, second, len(rows))
    parts = {name: [rows[place] for place in order[cuts[n] : cuts[n + 1]]] for n, name in enumerate(SPLITS)}
    for name in ("train", "dev"):
        if not parts[name]:
            raise ConfigError(f"--splits {' '.join(map(str, shares))}: {len(rows)} row(s) leave {name} empty")
    return parts


def write_doccano(path: Path, rows: Sequence[Example]) -> None:
    """Write rows as doccano imports them: an object a line with "text" and "label"."""
    lines = (json.dumps({"text": row["sentence"], "label": list(row["labels"])}, ensure_ascii=False) for row in rows)
    write_text(path, "".join(line + "\n" for line in lines))
