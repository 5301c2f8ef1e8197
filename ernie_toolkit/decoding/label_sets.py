"""Any number of labels of a closed set for each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.decoding.labels import ABSTAINED, LabelScore, more_fields, ranked_labels, scaled, score_lines
from ernie_toolkit.decoding.options import NO_OPTIONS, AnswerOptions

THRESHOLD = 0.5
"""What a label's probability has to be above, where its model has no threshold of its own for it."""


@dataclass(frozen=True)
class LabelSetAnswer:
    """The labels that a text has, in the order of the logits; none of them where the answer abstains.

    Attributes:
        indices: Places of these labels among all labels.
        labels: Their identifiers; None where the answer abstains.
        names: Their readable names; None where the answer abstains.
        confidences: Their probabilities; None where the answer abstains.
        probabilities: That of every label of the model, whether the text has it or not.
        scores: All labels, the most probable first; None where nobody asked for them.
        set_confidence: The probability that the set is right as a whole: the product over all labels of the probability
            that the label is rightly given or left out; None where nobody asked to abstain.
        abstained: Whether no set is given; None where nobody asked for that.
    """

    indices: tuple[int, ...]
    labels: tuple[str, ...] | None
    names: tuple[str, ...] | None
    confidences: tuple[float, ...] | None
    probabilities: tuple[float, ...]
    scores: tuple[LabelScore, ...] | None = None
    set_confidence: float | None = None
    abstained: bool | None = None

    FIELDS: ClassVar[tuple[str, ...]] = ("labels", "label_names", "confidences")

    def fields(self) -> dict[str, Any]:
        """`labels`, `label_names` and `confidences` of the labels that the text has (see `Answer.fields`).

        Where asked for, `scores` too, and `set_confidence` and `abstained`.
        """
        found: dict[str, Any] = {
            "labels": None if self.labels is None else list(self.labels),
            "label_names": None if self.names is None else list(self.names),
            "confidences": None if self.confidences is None else [round(value, 6) for value in self.confidences],
        }
        sure = {} if self.set_confidence is None else {"set_confidence": round(self.set_confidence, 6)}
        return {**found, **sure, **more_fields(self.scores, self.abstained)}

    @property
    def content(self) -> tuple[str, ...] | None:
        """The labels."""
        return self.labels

    def lines(self) -> list[str]:
        """The labels' names and their probabilities, in one line; then what was asked for beside."""
        confidences = ", ".join(f"{value:.4f}" for value in self.confidences or ())
        names = ABSTAINED if self.names is None else ",".join(self.names) or "(none)"
        whole = "" if self.set_confidence is None else f"  of the set: {self.set_confidence:.4f}"
        return [f"label: {names}  confidence: {confidences or '-'}{whole}", *score_lines(self.scores)]


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-logits)) in float64, without overflow; any shape."""
    values = logits.astype(np.float64)
    small = np.exp(-np.abs(values))
    return np.where(values >= 0, 1.0, small) / (1.0 + small)


def label_sets(probabilities: np.ndarray, thresholds: Sequence[float]) -> np.ndarray:
    """Which labels each row has, as bool of shape (rows, classes).

    Args:
        probabilities: Floats of shape (rows, classes).
        thresholds: One for each class, which its probability has to be above.
    """
    return np.asarray(probabilities > np.asarray(thresholds, dtype=np.float64))


def moved_thresholds(thresholds: Sequence[float], temperature: float) -> np.ndarray:
    """Thresholds of probabilities whose logits are divided by a temperature, so that label sets stay the same.

    A threshold t is the logit log(t / (1 - t)), which is divided too; 0 and 1 stay as they are.

    Args:
        thresholds: Probabilities before.
        temperature: What the logits are divided by; its inverse leads back.
    """
    values = np.asarray(thresholds, dtype=np.float64)
    if temperature == 1.0:
        return values
    with np.errstate(divide="ignore"):
        return sigmoid((np.log(values) - np.log1p(-values)) / temperature)


def bounded_sets(chosen: np.ndarray, probabilities: np.ndarray, least: int, most: int) -> np.ndarray:
    """Sets of labels with a number of labels between two bounds, bool of shape (rows, classes).

    A smaller set gets the most probable labels beside its own, a larger one keeps its most probable ones; of equal ones
    the first.

    Args:
        chosen: The sets, bool of shape (rows, classes).
        probabilities: Floats of the same shape.
        least: The least number of labels.
        most: The largest number of labels.
    """
    order = np.argsort(np.where(chosen, -2.0, 0.0) - probabilities, axis=1, kind="stable")
    counts = np.clip(chosen.sum(axis=1), least, most)
    bounded = np.zeros_like(chosen)
    np.put_along_axis(bounded, order, np.arange(chosen.shape[1]) < counts[:, None], axis=1)
    return bounded


def set_confidences(chosen: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The probability that each set is right as a whole, of the shape of the others without its last axis.

    Args:
        chosen: The sets, bool of shape (..., classes).
        probabilities: Floats of the same shape.
    """
    return np.asarray(np.where(chosen, probabilities, 1 - probabilities).prod(axis=-1))


def decode_label_sets(
    logits: np.ndarray,
    labels: Sequence[str],
    thresholds: Sequence[float],
    names: Sequence[str] | None = None,
    options: AnswerOptions = NO_OPTIONS,
    temperature: float = 1.0,
) -> list[LabelSetAnswer]:
    """The labels of each row: those whose sigmoid is above the label's threshold; there may be none.

    Args:
        logits: Floats of shape (rows, len(labels)).
        labels: Label identifiers in the order of the logits.
        thresholds: Probabilities at temperature 1, one for each label.
        names: Readable names in the labels' order; None: the labels themselves.
        options: What is asked of the answers; a threshold in them has no part here.
        temperature: What the logits are divided by for probabilities. Labels are chosen before, so that it changes no
            set.

    Raises:
        ValueError: Where shapes do not fit.
    """
    if logits.ndim != 2 or logits.shape[1] != len(labels):
        raise ValueError(f"logits of shape {logits.shape} do not fit {len(labels)} labels: want (rows, {len(labels)})")
    if len(thresholds) != len(labels):
        raise ValueError(f"{len(thresholds)} thresholds do not fit {len(labels)} labels: want one for each")
    shown = labels if names is None else names
    plain = sigmoid(logits)
    sets = label_sets(plain, thresholds)
    if options.min_labels is not None or options.max_labels is not None:
        sets = bounded_sets(sets, plain, options.min_labels or 0, options.max_labels or len(labels))
    probabilities = plain if temperature == 1.0 else sigmoid(scaled(logits, temperature))
    return [
        _answer(row, chosen, values, labels, shown, options)
        for row, chosen, values in strict_zip(probabilities, sets, logits)
    ]


def _answer(
    row: np.ndarray,
    chosen: np.ndarray,
    logits: np.ndarray,
    labels: Sequence[str],
    names: Sequence[str],
    options: AnswerOptions,
) -> LabelSetAnswer:
    """The answer of one row, with what the options ask for."""
    scores, confidence, abstained = None, None, None
    if options.lists_scores:
        scores = ranked_labels(logits, row, labels, names, options.listed(len(labels)))
    if options.abstain_below is not None:
        confidence = float(set_confidences(chosen, row))
        abstained = options.abstained(confidence)
    values = tuple(row.tolist())
    if abstained:
        return LabelSetAnswer((), None, None, None, values, scores, confidence, abstained)
    places = np.flatnonzero(chosen).tolist()
    return LabelSetAnswer(
        tuple(places),
        tuple(labels[place] for place in places),
        tuple(names[place] for place in places),
        tuple(values[place] for place in places),
        values,
        scores,
        confidence,
        abstained,
    )
