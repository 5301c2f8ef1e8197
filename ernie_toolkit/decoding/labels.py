"""One label of a closed set for each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ernie_toolkit.compat import strict_zip


@dataclass(frozen=True)
class LabelAnswer:
    """One label of a closed set.

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

    FIELDS: ClassVar[tuple[str, ...]] = ("label", "label_name", "confidence")

    def fields(self) -> dict[str, Any]:
        """`label`, `label_name` and `confidence` (see `Answer.fields`)."""
        return {"label": self.label, "label_name": self.name, "confidence": round(self.confidence, 6)}

    @property
    def content(self) -> str:
        """The label."""
        return self.label

    def lines(self) -> list[str]:
        """The label and its probability."""
        return [f"label: {self.label} ({self.name})  confidence: {self.confidence:.4f}"]


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


def decode_labels(logits: np.ndarray, labels: Sequence[str], names: Sequence[str] | None = None) -> list[LabelAnswer]:
    """The most probable label of each row; of equal logits the first wins.

    Args:
        logits: Floats of shape (rows, len(labels)).
        labels: Label identifiers in the order of the logits.
        names: Readable names in the labels' order; None: the labels themselves.

    Raises:
        ValueError: Where shapes do not fit.
    """
    if logits.ndim != 2 or logits.shape[1] != len(labels):
        raise ValueError(f"logits of shape {logits.shape} do not fit {len(labels)} labels: want (rows, {len(labels)})")
    if not len(logits):
        return []
    shown = labels if names is None else names
    best = logits.argmax(axis=1)
    confidence = softmax(logits)[np.arange(len(best)), best]
    return [LabelAnswer(int(i), labels[i], shown[i], float(p)) for i, p in strict_zip(best.tolist(), confidence)]
