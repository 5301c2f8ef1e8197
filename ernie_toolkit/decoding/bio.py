"""Strict BIO: tags to entities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Tuple

EntitySpan = Tuple[str, int, int]


def _is_bio(tag: str) -> bool:
    return tag == "O" or (tag.startswith(("B-", "I-")) and len(tag) > 2)


def entity_spans(tags: Sequence[str]) -> list[EntitySpan]:
    """(type, start, end) of each entity, in order: indices into `tags`, the end exclusive.

    An entity begins at B-X and continues through the I-X that stand directly after it; an I-X that continues nothing is
    no part of any. This is IOB2 read strictly (Ramshaw and Marcus, 1995; Tjong Kim Sang and Veenstra, 1999).

    Raises:
        ValueError: On a tag that is none of O, B-X and I-X.
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
