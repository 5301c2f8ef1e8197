"""One label of a closed set for each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.decoding.options import NO_OPTIONS, AnswerOptions

ABSTAINED = "(abstained)"
"""What people see in place of an answer that is not given."""


@dataclass(frozen=True)
class LabelScore:
    """A label and how probable it is.

    Attributes:
        index: Its place in the logits.
        label: Its identifier.
        name: Its readable name.
        confidence: Its probability.
    """

    index: int
    label: str
    name: str
    confidence: float

    def fields(self) -> dict[str, Any]:
        """`label`, `label_name` and `confidence`, rounded to six places."""
        return {"label": self.label, "label_name": self.name, "confidence": round(self.confidence, 6)}


@dataclass(frozen=True)
class LabelAnswer:
    """One label of a closed set.

    Attributes:
        index: Its place in the logits; None where the answer abstains.
        label: Its identifier; None where the answer abstains.
        name: Its readable name; None where the answer abstains.
        confidence: The probability of the most probable label.
        scores: The most probable labels, best first; None where nobody asked for them.
        abstained: Whether no label is given; None where nobody asked for that.
    """

    index: int | None
    label: str | None
    name: str | None
    confidence: float
    scores: tuple[LabelScore, ...] | None = None
    abstained: bool | None = None

    FIELDS: ClassVar[tuple[str, ...]] = ("label", "label_name", "confidence")

    def fields(self) -> dict[str, Any]:
        """`label`, `label_name` and `confidence` (see `Answer.fields`); `scores` and `abstained` where asked for."""
        found = {"label": self.label, "label_name": self.name, "confidence": round(self.confidence, 6)}
        return {**found, **more_fields(self.scores, self.abstained)}

    @property
    def content(self) -> str | None:
        """The label."""
        return self.label

    def lines(self) -> list[str]:
        """The label and its probability; then the most probable labels, where asked for."""
        shown = ABSTAINED if self.abstained else f"{self.label} ({self.name})"
        return [f"label: {shown}  confidence: {self.confidence:.4f}", *score_lines(self.scores)]


def more_fields(scores: Sequence[Any] | None, abstained: bool | None) -> dict[str, Any]:
    """`scores` and `abstained` as JSON, those of the two that were asked for.

    Args:
        scores: Labels or choices with `fields` of their own; None: not asked for.
        abstained: Whether no answer is given; None: not asked for.
    """
    found: dict[str, Any] = {} if scores is None else {"scores": [item.fields() for item in scores]}
    return found if abstained is None else {**found, "abstained": abstained}


def score_lines(scores: Sequence[LabelScore] | None) -> list[str]:
    """A line for each of the most probable labels; none where nobody asked for them."""
    return [f"  {item.label} ({item.name})  {item.confidence:.4f}" for item in scores or ()]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis, computed in float64 with the maximum subtracted first.

    Args:
        logits: Floats of shape (..., classes).

    Returns:
        float64 of the same shape.
    """
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    exponents = np.exp(shifted)
    return exponents / exponents.sum(axis=-1, keepdims=True)


def scaled(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Logits divided by a temperature in float64; at 1 the logits themselves, bit by bit.

    Args:
        logits: Floats of any shape.
        temperature: What they are divided by.
    """
    return logits if temperature == 1.0 else logits.astype(np.float64) / temperature


def largest(values: np.ndarray, count: int) -> list[int]:
    """The places of the largest values, largest first; of equal ones the first.

    Args:
        values: Floats of shape (n,).
        count: How many places at most.
    """
    places: list[int] = np.argsort(-values, kind="stable")[:count].tolist()
    return places


def ranked_labels(
    values: np.ndarray, probabilities: np.ndarray, labels: Sequence[str], names: Sequence[str], count: int
) -> tuple[LabelScore, ...]:
    """The most probable labels of one row, best first; of equal ones the first.

    Args:
        values: What they are ranked by, floats of shape (len(labels),).
        probabilities: Those of all labels, floats of the same shape.
        labels: Label identifiers.
        names: Readable names in the labels' order.
        count: How many at most.
    """
    return tuple(
        LabelScore(place, labels[place], names[place], float(probabilities[place])) for place in largest(values, count)
    )


def decode_labels(
    logits: np.ndarray,
    labels: Sequence[str],
    names: Sequence[str] | None = None,
    options: AnswerOptions = NO_OPTIONS,
    temperature: float = 1.0,
) -> list[LabelAnswer]:
    """The most probable label of each row; of equal logits the first wins.

    Args:
        logits: Floats of shape (rows, len(labels)).
        labels: Label identifiers in the order of the logits.
        names: Readable names in the labels' order; None: the labels themselves.
        options: What is asked of the answers.
        temperature: What the logits are divided by for probabilities; it changes no label.

    Raises:
        ValueError: Where shapes do not fit.
    """
    if logits.ndim != 2 or logits.shape[1] != len(labels):
        raise ValueError(f"logits of shape {logits.shape} do not fit {len(labels)} labels: want (rows, {len(labels)})")
    if not len(logits):
        return []
    shown = labels if names is None else names
    best = logits.argmax(axis=1)
    probabilities = softmax(scaled(logits, temperature))
    answers = []
    for place, row, values in strict_zip(best.tolist(), probabilities, logits):
        scores = None
        if options.lists_scores:
            scores = ranked_labels(values, row, labels, shown, options.listed(len(labels)))
        abstained = options.abstained(float(row[place]))
        answer = LabelAnswer(place, labels[place], shown[place], float(row[place]), scores, abstained)
        answers.append(replace(answer, index=None, label=None, name=None) if abstained else answer)
    return answers
