"""How the texts of an example are read: one text, a pair of texts, or choices. Needs no other package."""

from __future__ import annotations

from typing import Literal, get_args

TextFormat = Literal[
    "sentence", "pair", "keywords", "coreference", "characters", "question_context", "choices", "cloze"
]
TEXT_FORMATS: tuple[str, ...] = get_args(TextFormat)
PAIR_FORMATS = ("pair", "keywords", "question_context")
"""Formats whose inputs are pairs of texts."""
CHOICE_FORMATS = ("choices", "cloze")
"""Formats whose inputs are a context, a question and the choices; in "cloze" the question is a blank of the context."""
