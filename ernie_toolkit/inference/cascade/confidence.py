"""How sure a model is of each answer, and the temperature that makes its probabilities true on the average.

Temperature scaling after Guo et al. 2017, "On Calibration of Modern Neural Networks", https://arxiv.org/abs/1706.04599
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from importlib.util import find_spec

import numpy as np

from ernie_toolkit.bundle.cascade import MAX_PROBABILITY, TEMPERATURE
from ernie_toolkit.decoding import sigmoid, softmax
from ernie_toolkit.tasks import MultiLabelClassification, Task

# Temperatures of models that were trained at all lie well within these.
LOWEST, HIGHEST = math.log(0.05), math.log(20.0)
assert math.exp(LOWEST) in TEMPERATURE and math.exp(HIGHEST) in TEMPERATURE
TOLERANCE = 1e-4


def confidences(logits: np.ndarray, task: Task, kind: str, temperature: float) -> np.ndarray:
    """How sure a model is of its answer to each row: float64 of shape (rows,), from 0 to 1.

    For one label, "max_probability" is the label's probability, and "margin" what it has before that of the next label.
    For sets of labels, "max_probability" is the product over all labels of the probability that the label is rightly
    given or left out, and "margin" the least distance of a label's probability from its threshold.

    Args:
        logits: float32 of shape (rows, classes).
        task: The model's task, with its thresholds.
        kind: "max_probability" or "margin".
        temperature: What the logits are divided by; thresholds move with them, so that answers stay the same.
    """
    if isinstance(task, MultiLabelClassification):
        probability = sigmoid(logits / temperature)
        thresholds = _moved(task.used_thresholds, temperature)
        if kind == MAX_PROBABILITY:
            decided = np.where(probability > thresholds, probability, 1 - probability)
            return np.asarray(decided.prod(axis=1))
        return np.asarray(np.abs(probability - thresholds).min(axis=1))
    probability = softmax(logits / temperature)
    if kind == MAX_PROBABILITY:
        return np.asarray(probability.max(axis=1))
    if probability.shape[1] == 1:
        return np.ones(len(probability))
    best = np.partition(probability, probability.shape[1] - 2, axis=1)
    return np.asarray(best[:, -1] - best[:, -2])


def _moved(thresholds: Sequence[float], temperature: float) -> np.ndarray:
    """Thresholds of probabilities whose logits are divided by a temperature."""
    values = np.asarray(thresholds, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return sigmoid((np.log(values) - np.log1p(-values)) / temperature)


def negative_log_likelihood(logits: np.ndarray, gold: np.ndarray, temperature: float) -> float:
    """Mean negative log likelihood of the gold labels in nats.

    Args:
        logits: float32 of shape (rows, classes).
        gold: int64 of shape (rows,), the label of each row; or bool of shape (rows, classes), its labels.
        temperature: What the logits are divided by.
    """
    values = logits.astype(np.float64) / temperature
    if gold.ndim == 2:
        return float(np.logaddexp(0.0, np.where(gold, -values, values)).sum(axis=1).mean())
    shifted = values - values.max(axis=1, keepdims=True)
    chosen = shifted[np.arange(len(gold)), gold]
    return float((np.log(np.exp(shifted).sum(axis=1)) - chosen).mean())


def fit_temperature(logits: np.ndarray, gold: np.ndarray) -> float:
    """The temperature from 0.05 to 20 at which the gold labels are most likely.

    Args:
        logits: float32 of shape (rows, classes).
        gold: As `negative_log_likelihood` takes it.
    """
    return math.exp(
        minimum(lambda value: negative_log_likelihood(logits, gold, math.exp(value)), LOWEST, HIGHEST, TOLERANCE)
    )


def minimum(function: Callable[[float], float], low: float, high: float, tolerance: float) -> float:
    """Where a function with one minimum between two bounds is least: SciPy's bounded search, or golden section.

    Deployments, where a cascade may be built too, have no SciPy; both find the same place, within the tolerance.

    Args:
        function: The function.
        low: The lower bound.
        high: The upper bound.
        tolerance: How near the place has to be.
    """
    if find_spec("scipy") is None:
        return golden_section(function, low, high, tolerance)
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(function, bounds=(low, high), method="bounded", options={"xatol": tolerance})
    return float(found.x)


def golden_section(function: Callable[[float], float], low: float, high: float, tolerance: float) -> float:
    """Where a function with one minimum between two bounds is least, by golden section search.

    Args:
        function: The function.
        low: The lower bound.
        high: The upper bound.
        tolerance: How near the place has to be.
    """
    share = (math.sqrt(5) - 1) / 2
    left, right = high - share * (high - low), low + share * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > tolerance:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - share * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + share * (high - low)
            at_right = function(right)
    return (low + high) / 2
