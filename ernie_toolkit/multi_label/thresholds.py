"""Thresholds of the labels, tuned on a dev set."""

import numpy as np

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.decoding.label_sets import THRESHOLD

# Well over what the export check allows the logits of ONNX and Paddle to differ by (1e-4, so 2.5e-5 in probability).
MIN_GAP = 2e-4


def best_threshold(probabilities: np.ndarray, gold: np.ndarray) -> float:
    """The threshold with the best F1 of one label: half way between two probabilities, the nearest to 0.5 of several.

    What is above the threshold has the label. Only gaps of `MIN_GAP` count: in a narrower one rounding would decide,
    and the runtimes would differ.

    Args:
        probabilities: Float of shape (rows,).
        gold: Bool of the same shape.

    Returns:
        The threshold; 0.5 where no row has the label, or no other is better.
    """
    if not gold.any():
        return THRESHOLD
    order = np.argsort(-probabilities, kind="stable")
    values, hits = probabilities[order], gold[order].cumsum()
    scores = 2 * hits / (np.arange(1, len(values) + 1) + gold.sum())
    following = np.append(values[1:], 0.0)
    candidates = [(THRESHOLD, _f1(probabilities > THRESHOLD, gold))]
    ends = np.flatnonzero(values - following >= MIN_GAP)
    candidates += [((values[end] + following[end]) / 2, scores[end]) for end in ends]
    best = max(score for _, score in candidates)
    return float(min((value for value, score in candidates if score == best), key=lambda value: abs(value - THRESHOLD)))


def _f1(predicted: np.ndarray, gold: np.ndarray) -> float:
    return float(2 * (predicted & gold).sum() / (predicted.sum() + gold.sum()))


def tune_thresholds(probabilities: np.ndarray, gold: np.ndarray) -> tuple[float, ...]:
    """The best threshold of each label (see `best_threshold`), rounded to six places.

    Args:
        probabilities: Float of shape (rows, classes).
        gold: Bool of the same shape.

    Raises:
        ValueError: On shapes that do not fit.
    """
    if probabilities.shape != gold.shape or probabilities.ndim != 2:
        raise ValueError(f"probabilities of shape {probabilities.shape} and gold of shape {gold.shape} do not fit")
    return tuple(round(best_threshold(*column), 6) for column in strict_zip(probabilities.T, gold.T))
