"""Blanks in a text that choices are to fill. Needs no other package."""

from __future__ import annotations

import re

from ernie_toolkit.errors import DataError

BLANK = re.compile(r"#idiom[0-9]*#")
"""A blank, as ChID (https://aclanthology.org/P19-1075) marks it."""


def blank_of(context: str, question: str) -> str:
    """The blank of a context that a question means: the question itself, or the only one where it is empty.

    Args:
        context: A text with blanks.
        question: One of them, or empty.

    Raises:
        DataError: Where it is none of them, or stands there more than once, or is not said.
    """
    found = BLANK.findall(context)
    if not question.strip() and len(found) == 1:
        return str(found[0])
    if found.count(question.strip()) == 1:
        return question.strip()
    shown = ", ".join(found[:5]) or "none"
    if question.strip() in found:
        raise DataError(f"the blank {question.strip()} stands in its context more than once: give each its own number")
    asked = f"{question!r:.40} is" if question.strip() else "the question names"
    remedy = "write blanks as #idiom1#, and the one to fill as the question"
    raise DataError(f"{asked} no blank of its context, which has {shown}: {remedy}")


def blanks_of(context: str) -> list[str]:
    """The blanks of a context, in their order."""
    return BLANK.findall(context)
