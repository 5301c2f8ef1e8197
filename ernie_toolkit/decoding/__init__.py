"""Logits to answers, the same everywhere from training to deployments: labels, label sets, entities, spans, choices."""

from __future__ import annotations

from ernie_toolkit.decoding.answers import Answer
from ernie_toolkit.decoding.bio import EntitySpan, entity_spans
from ernie_toolkit.decoding.choices import ChoiceAnswer, ChoiceScore, decode_choices, split_logits
from ernie_toolkit.decoding.label_sets import LabelSetAnswer, decode_label_sets, label_sets, sigmoid
from ernie_toolkit.decoding.labels import LabelAnswer, LabelScore, decode_labels, softmax
from ernie_toolkit.decoding.options import NO_OPTIONS, AnswerOptions
from ernie_toolkit.decoding.spans import SpanAnswer, SpanCandidate, WindowLogits, decode_spans
from ernie_toolkit.decoding.tags import Entity, TaggedText, character_tags, decode_tags, word_starts

__all__ = [
    "NO_OPTIONS",
    "Answer",
    "AnswerOptions",
    "ChoiceAnswer",
    "ChoiceScore",
    "Entity",
    "EntitySpan",
    "LabelAnswer",
    "LabelScore",
    "LabelSetAnswer",
    "SpanAnswer",
    "SpanCandidate",
    "TaggedText",
    "WindowLogits",
    "character_tags",
    "decode_choices",
    "decode_label_sets",
    "decode_labels",
    "decode_spans",
    "decode_tags",
    "entity_spans",
    "label_sets",
    "sigmoid",
    "softmax",
    "split_logits",
    "word_starts",
]
