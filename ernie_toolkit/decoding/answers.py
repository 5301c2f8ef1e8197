"""Answers of every task as JSON, for files and servers."""

from __future__ import annotations

from typing import Any, Union

from ernie_toolkit.decoding.label_sets import LabelSetAnswer
from ernie_toolkit.decoding.labels import LabelAnswer
from ernie_toolkit.decoding.spans import SpanAnswer
from ernie_toolkit.decoding.tags import TaggedText

Answer = Union[LabelAnswer, LabelSetAnswer, TaggedText, SpanAnswer]


FIELDS = {
    "seq_cls": ("label", "label_name", "confidence"),
    "multi_label": ("labels", "label_names", "confidences"),
    "token_cls": ("entities", "tags"),
    "qa": ("answer", "start", "end", "confidence", "n_best"),
}
"""The fields of an answer, by the name of its task."""


def empty_fields(task: str) -> dict[str, None]:
    """The fields of `answer_fields` of a row to predict that could not be read: all None."""
    return dict.fromkeys(FIELDS[task])


def answer_fields(answer: Answer) -> dict[str, Any]:
    """An answer as JSON fields, confidences rounded to six places.

    A label: `label`, `label_name`, `confidence`. A set of labels: `labels`, `label_names`, `confidences`. A tagged
    text: `entities`, each with `text`, `type`, `start`, `end` (characters, end exclusive) and `confidence`, and
    `tags`, one for each character. A span: `answer`, `start`, `end`, `confidence` and `n_best`.
    """
    if isinstance(answer, LabelAnswer):
        return {"label": answer.label, "label_name": answer.name, "confidence": round(answer.confidence, 6)}
    if isinstance(answer, LabelSetAnswer):
        return {
            "labels": list(answer.labels),
            "label_names": list(answer.names),
            "confidences": [round(value, 6) for value in answer.confidences],
        }
    if isinstance(answer, TaggedText):
        entities = [
            {
                "text": item.text,
                "type": item.type,
                "start": item.start,
                "end": item.end,
                "confidence": round(item.confidence, 6),
            }
            for item in answer.entities
        ]
        return {"entities": entities, "tags": list(answer.tags)}
    candidates = [
        {
            "text": item.text,
            "start": item.start,
            "end": item.end,
            "score": round(item.score, 4),
            "confidence": round(item.confidence, 6),
        }
        for item in answer.candidates
    ]
    return {
        "answer": answer.text,
        "start": answer.start,
        "end": answer.end,
        "confidence": round(answer.confidence, 6),
        "n_best": candidates,
    }
