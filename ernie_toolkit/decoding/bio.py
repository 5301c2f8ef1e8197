"""Strict BIO: tags to entities, and label sets that are none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Tuple

from ernie_toolkit.errors import DataError

EntitySpan = Tuple[str, int, int]


def _is_bio(tag: str) -> bool:
    return tag == "O" or (tag.startswith(("B-", "I-")) and len(tag) > 2)


def entity_spans(tags: Sequence[str]) -> list[EntitySpan]:
    """(type, start, end) of each entity, in order: indices into `tags`, the end exclusive.

    An entity begins at B-X and goes on through the I-X that stand directly after it; an I-X that continues
    nothing is no part of any. This is IOB2 read strictly (Ramshaw and Marcus, 1995; Tjong Kim Sang and
    Veenstra, 1999). Raises ValueError on a tag that is none of O, B-X and I-X.
    """
    spans: list[EntitySpan] = []
    kind, start = "", -1
    for index, tag in enumerate([*tags, "O"]):
        if not _is_bio(tag):
            raise ValueError(f"tag {tag!r} at {index} is none of O, B-X and I-X")
        if start >= 0 and tag != f"I-{kind}":
            spans.append((kind, start, index))
            start = -1
        if tag.startswith("B-"):
            kind, start = tag[2:], index
    return spans


def check_bio_labels(labels: Sequence[str], where: str) -> None:
    """Raise DataError unless `labels` are "O" and B-X, with I-X or without, for each type X of entity.

    `where` is the file that the labels came from; the message begins with it.
    """
    for label in labels:
        if not _is_bio(label):
            raise DataError(
                f'{where}: label "{label}" is not BIO; name labels "O" outside of entities, "B-TYPE" at the '
                'first character of an entity and "I-TYPE" at its other characters'
            )
    if "O" not in labels:
        raise DataError(f'{where}: the BIO labels have no "O"; add it, it marks what is outside of entities')
    for label in labels:
        begin = "B-" + label[2:]
        if label.startswith("I-") and begin not in labels:
            # with not one B the set was tagged by another scheme; with some, a single label was forgotten
            scheme = "" if any(other.startswith("B-") for other in labels) else ", as in IO tagging; BIO is needed"
            raise DataError(
                f'{where}: label "{label}" has no "{begin}"{scheme}: tag the first character of every entity "{begin}"'
            )
