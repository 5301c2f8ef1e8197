"""Metrics of label sets, as scikit-learn computes them over the labels that occur."""

from __future__ import annotations

import numpy as np


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(part, whole, out=np.zeros(np.shape(whole)), where=whole > 0))


def label_set_scores(gold: np.ndarray, predicted: np.ndarray) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Metrics of all rows, and those of each label, shares between 0 and 1; a share of nothing is 0.

    Labels that are in no gold set and in no predicted one have no part in the macro averages: no answer could give them
    another metric than 0, and all models would share it. Zero divisions are as with scikit-learn's `zero_division=0`.

    Args:
        gold: Bool of shape (rows, classes).
        predicted: Bool of shape (rows, classes).

    Returns:
        `accuracy` (rows whose whole set is right), `micro_*` over all decisions and `macro_*`, the plain mean over
        labels, of `precision`, `recall` and `f1`; and by label `precision`, `recall`, `f1`, `support` (gold rows) and
        `predicted` (rows that were given the label), each of shape (classes,).

    Raises:
        ValueError: On shapes that do not fit, and on no rows.
    """
    if gold.shape != predicted.shape or gold.ndim != 2:
        raise ValueError(f"gold of shape {gold.shape} and predictions of shape {predicted.shape} do not fit")
    if not len(gold):
        raise ValueError("figures of no rows are not defined")
    right = (gold & predicted).sum(axis=0).astype(np.float64)
    support, given = gold.sum(axis=0), predicted.sum(axis=0)
    labels = {
        "precision": _share(right, given),
        "recall": _share(right, support),
        "f1": _share(2 * right, support + given),
        "support": support,
        "predicted": given,
    }
    hits, wanted, chosen = right.sum(), support.sum(), given.sum()
    total = {
        "accuracy": float((gold == predicted).all(axis=1).mean()),
        "micro_precision": float(_share(hits, chosen)),
        "micro_recall": float(_share(hits, wanted)),
        "micro_f1": float(_share(2 * hits, wanted + chosen)),
    }
    occurs = support + given > 0
    for name in ("precision", "recall", "f1"):
        total[f"macro_{name}"] = float(labels[name][occurs].mean()) if occurs.any() else 0.0
    return total, labels
