"""Accuracy of classification."""

from __future__ import annotations

import numpy as np


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Share of rows whose largest logit is at the gold label, between 0 and 1.

    Args:
        logits: Floats of shape (rows, classes); of equal logits the first counts, as in `decode_labels`.
        labels: Integers of shape (rows,), the gold labels' indices.

    Raises:
        ValueError: On no rows or on unequal numbers of rows.
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(f"logits of shape {logits.shape} and labels of shape {labels.shape} do not fit")
    if not len(labels):
        raise ValueError("accuracy of no rows is not defined")
    return float((logits.argmax(axis=1) == labels).mean())
