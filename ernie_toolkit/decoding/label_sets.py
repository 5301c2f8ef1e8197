"""Any number of labels of a closed set for each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ernie_toolkit.compat import strict_zip

THRESHOLD = 0.5
"""What a label's probability has to be above, where its model has no threshold of its own for it."""


@dataclass(frozen=True)
class LabelSetAnswer:
    """The labels that a text has, in the order of the logits.

    Attributes:
        indices: Places of these labels among all labels.
        labels: Their identifiers.
        names: Their readable names.
        confidences: Their probabilities.
        probabilities: That of every label of the model, whether the text has it or not.
    """

    indices: tuple[int, ...]
    labels: tuple[str, ...]
    names: tuple[str, ...]
    confidences: tuple[float, ...]
    probabilities: tuple[float, ...]

    FIELDS: ClassVar[tuple[str, ...]] = ("labels", "label_names", "confidences")

    def fields(self) -> dict[str, Any]:
        """`labels`, `label_names` and `confidences` of the labels that the text has (see `Answer.fields`)."""
        return {
            "labels": list(self.labels),
            "label_names": list(self.names),
            "confidences": [round(value, 6) for value in self.confidences],
        }

    @property
    def content(self) -> tuple[str, ...]:
        """The labels."""
        return self.labels

    def lines(self) -> list[str]:
        """The labels' names and their probabilities, in one line."""
        confidences = ", ".join(f"{value:.4f}" for value in self.confidences)
        return [f"label: {','.join(self.names) or '(none)'}  confidence: {confidences or '-'}"]


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


def decode_label_sets(
    logits: np.ndarray, labels: Sequence[str], thresholds: Sequence[float], names: Sequence[str] | None = None
) -> list[LabelSetAnswer]:
    """The labels of each row: those whose sigmoid is above the label's threshold; there may be none.

    Args:
        logits: Floats of shape (rows, len(labels)).
        labels: Label identifiers in the order of the logits.
        thresholds: Probabilities, one for each label.
        names: Readable names in the labels' order; None: the labels themselves.

    Raises:
        ValueError: Where shapes do not fit.
    """
    if logits.ndim != 2 or logits.shape[1] != len(labels):
        raise ValueError(f"logits of shape {logits.shape} do not fit {len(labels)} labels: want (rows, {len(labels)})")
    if len(thresholds) != len(labels):
        raise ValueError(f"{len(thresholds)} thresholds do not fit {len(labels)} labels: want one for each")
    shown = labels if names is None else names
    probabilities = sigmoid(logits)
    answers = []
    for row, chosen in strict_zip(probabilities.tolist(), label_sets(probabilities, thresholds)):
        places = np.flatnonzero(chosen).tolist()
        answers.append(
            LabelSetAnswer(
                tuple(places),
                tuple(labels[place] for place in places),
                tuple(shown[place] for place in places),
                tuple(row[place] for place in places),
                tuple(row),
            )
        )
    return answers
