"""How the texts of an example are read: one text, or a pair of texts. Needs no other package."""

from __future__ import annotations

from typing import Literal, get_args

TextFormat = Literal["sentence", "pair", "keywords", "coreference", "characters", "question_context"]
TEXT_FORMATS: tuple[str, ...] = get_args(TextFormat)
PAIR_FORMATS = ("pair", "keywords", "question_context")
"""Formats whose inputs are pairs of texts."""
