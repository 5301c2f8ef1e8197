"""Spellings of labels that are one to a reader: width, blanks and characters that cannot be seen."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ernie_toolkit.errors import DataError

# Fewer rows with a label each are a small file; from so many on the wrong column was read.
OWN_LABEL_ROWS = 20
_OWN_LABEL_SHARE = 0.9
_SWAPPED_ROWS = 4
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


def label_key(label: str) -> str:
    """What two spellings of a label have in common.

    That is its NFKC form, without zero-width characters, without blanks around it and with single ones in it.
    """
    if label.isascii() and " " not in label and label.isprintable():
        return label
    text = unicodedata.normalize("NFKC", label)
    return " ".join("".join(character for character in text if unicodedata.category(character) != "Cf").split())


def trimmed(label: str) -> str:
    """A label without blanks and invisible characters around it."""
    while label and (label[0].isspace() or unicodedata.category(label[0]) == "Cf"):
        label = label[1:]
    while label and (label[-1].isspace() or unicodedata.category(label[-1]) == "Cf"):
        label = label[:-1]
    return label


def joined_labels(counts: Mapping[str, int]) -> dict[str, str]:
    """One label for each key of some spellings: the most frequent of its spellings, of equal ones the first."""
    groups: dict[str, Counter[str]] = {}
    for spelling, count in counts.items():
        groups.setdefault(label_key(spelling), Counter())[trimmed(spelling)] += count
    return {key: group.most_common(1)[0][0] for key, group in groups.items()}


def spelling_notices(path: Path, counts: Mapping[str, int], labels: Mapping[str, str]) -> list[str]:
    """Lines on spellings in a file that are read as one label.

    Args:
        path: The file.
        counts: Rows by the spelling of their label.
        labels: Label by key, as `joined_labels` gives it.
    """
    groups: dict[str, dict[str, int]] = {}
    for spelling, count in counts.items():
        groups.setdefault(label_key(spelling), {})[spelling] = count
    lines = []
    for key, group in groups.items():
        label = labels.get(key)
        if label is None or (len(group) == 1 and trimmed(next(iter(group))) == label):
            continue
        shown = " and ".join(f"{spelling!r} ({count} row(s))" for spelling, count in group.items())
        if len(group) > 1:
            lines.append(f"{path}: labels {visible(shown)} are read as one, {visible(repr(label))}")
        else:
            lines.append(f"{path}: label {visible(shown)} is read as {visible(repr(label))}")
    return lines


def twin_notices(path: Path, labels: Iterable[str]) -> list[str]:
    """Lines on labels of a file that stay two, but are one in other case, or the same number.

    Args:
        path: The file.
        labels: Its labels.
    """
    known: dict[str, str] = {}
    lines = []
    for label in labels:
        twin = known.setdefault(_loose_key(label), label)
        if twin != label:
            lines.append(
                f"{path}: labels {twin!r:.40} and {label!r:.40} are two: if they are meant as one, spell them alike"
            )
    return lines


def _loose_key(label: str) -> str:
    if _NUMBER.fullmatch(label):
        return str(float(label))
    return label.casefold()


def visible(text: str) -> str:
    """A text with its invisible characters as escapes; `repr` leaves some of them."""
    return "".join(
        f"\\u{ord(character):04x}" if unicodedata.category(character) == "Cf" else character for character in text
    )


def check_spellings(path: Path, labels: Iterable[str]) -> None:
    """Check that no two labels of a label file are one to a reader of rows.

    Args:
        path: The file.
        labels: Its labels.

    Raises:
        DataError: Where two differ in width, blanks or invisible characters alone.
    """
    known: dict[str, str] = {}
    for label in labels:
        twin = known.setdefault(label_key(label), label)
        if twin != label:
            raise DataError(
                f"{path}: labels {visible(repr(twin))} and {visible(repr(label))} differ in width, blanks or "
                "invisible characters alone: take one out"
            )


def check_labels_are_shared(path: Path, texts: Sequence[Sequence[str]], labels: Sequence[str], remedy: str) -> None:
    """Check that what was read as the labels of training rows is not rather their texts or numbers.

    They are not the labels where nearly every row has one of its own, and where a text is shared by more rows than a
    label is and is shorter, or, of single texts, has several labels on average.

    Args:
        path: The file.
        texts: The texts of each row.
        labels: The label of each row.
        remedy: How the user names the right columns.

    Raises:
        DataError: Where they are not the labels.
    """
    rows, known = len(labels), set(labels)
    if rows >= OWN_LABEL_ROWS and len(known) >= _OWN_LABEL_SHARE * rows:
        raise DataError(
            f"{path}: {len(known)} labels in {rows} rows, nearly every row has its own ({labels[0]!r:.40}, ...): "
            f"is this the label's column? {remedy}"
        )
    if rows < _SWAPPED_ROWS:
        return
    length = _mean_length(labels)
    for column in range(min(map(len, texts))):
        values = [row[column] for row in texts]
        different = len(set(values))
        several = len(texts[0]) == 1 and different > 1 and len(known) >= max(_SWAPPED_ROWS, 2 * different)
        if several or (different < len(known) and 2 * _mean_length(values) < length):
            raise DataError(
                f"{path}: {len(known)} labels as {labels[0]!r:.40}, but only {different} different texts as "
                f"{values[0]!r:.20}: are these the labels? {remedy}"
            )


def _mean_length(values: Iterable[str]) -> float:
    lengths = list(map(len, values))
    return sum(lengths) / len(lengths)
