"""Probabilities that are true on the average: one temperature for a model, and how far off it is before and after.

Temperature scaling and the expected calibration error after Guo et al. 2017, "On Calibration of Modern Neural
Networks", https://arxiv.org/abs/1706.04599; the error itself is that of Naeini et al. 2015, "Obtaining Well Calibrated
Probabilities Using Bayesian Binning", https://ojs.aaai.org/index.php/AAAI/article/view/9602.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from ernie_toolkit.decoding.label_sets import sigmoid
from ernie_toolkit.decoding.labels import softmax
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.formats.ranges import Range

TEMPERATURE = Range(0.01, 100)
# Temperatures of models that were trained at all lie well within these.
LOWEST, HIGHEST = math.log(0.05), math.log(20.0)
assert math.exp(LOWEST) in TEMPERATURE and math.exp(HIGHEST) in TEMPERATURE
TOLERANCE = 1e-4
BINS = 15
# Fewer dev rows say nothing of probabilities once they are halved.
LEAST_ROWS = 40
SEED = 1000
_PLACES = 6


def negative_log_likelihood(logits: np.ndarray, gold: np.ndarray, temperature: float) -> float:
    """Mean negative log likelihood of the gold labels in nats.

    Args:
        logits: Floats of shape (rows, classes); minus infinity where a row has fewer choices than another.
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
    """The temperature from 0.05 to 20 at which the gold labels are most likely; 1 where no other is better.

    Args:
        logits: As `negative_log_likelihood` takes them.
        gold: As `negative_log_likelihood` takes it.
    """
    found = math.exp(
        minimum(lambda value: negative_log_likelihood(logits, gold, math.exp(value)), LOWEST, HIGHEST, TOLERANCE)
    )
    better = negative_log_likelihood(logits, gold, found) < negative_log_likelihood(logits, gold, 1.0)
    return found if better else 1.0


def expected_calibration_error(logits: np.ndarray, gold: np.ndarray, temperature: float, bins: int = BINS) -> float:
    """How far confidences lie from what comes true: the mean over bins of equal width, weighted by their rows.

    For one label, of each bin the distance between the mean probability of the labels given and the share of them that
    is right. For sets of labels, every label of every row counts: the distance between its mean probability and the
    share of rows that have it.

    Args:
        logits: As `negative_log_likelihood` takes them.
        gold: As `negative_log_likelihood` takes it.
        temperature: What the logits are divided by.
        bins: How many bins there are between 0 and 1.
    """
    values = logits.astype(np.float64) / temperature
    if gold.ndim == 2:
        confidence, true = sigmoid(values).ravel(), gold.ravel()
    else:
        confidence, true = softmax(values).max(axis=1), logits.argmax(axis=1) == gold
    places = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(places, weights=confidence - true, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def halves(rows: int, seed: int) -> tuple[list[int], list[int]]:
    """The rows to choose on, and those to measure on, drawn at random, each in the rows' order.

    Args:
        rows: How many there are.
        seed: Of the draw.
    """
    order = np.random.default_rng(seed).permutation(rows)
    return sorted(order[: rows // 2].tolist()), sorted(order[rows // 2 :].tolist())


@dataclass(frozen=True)
class Calibration:
    """A temperature, and what one that was fitted on half of the rows does to the other half.

    Attributes:
        temperature: Fitted on all rows; the one that is used.
        rows: How many there are.
        fitting_rows: Those of the half that `half_temperature` was fitted on.
        measuring_rows: Those of the other half, which all that follows is measured on.
        half_temperature: The temperature of that measurement.
        ece_before: Expected calibration error without a temperature.
        ece_after: The same with `half_temperature`.
        nll_before: Mean negative log likelihood in nats without a temperature.
        nll_after: The same with `half_temperature`.
        bins: Of the expected calibration error.
        seed: Of the draw that halves the rows.
    """

    temperature: float
    rows: int
    fitting_rows: int
    measuring_rows: int
    half_temperature: float
    ece_before: float
    ece_after: float
    nll_before: float
    nll_after: float
    bins: int = BINS
    seed: int = SEED

    def fields(self) -> dict[str, Any]:
        """The record as JSON, figures rounded to six places."""
        return {
            name: round(value, _PLACES) if isinstance(value, float) else value
            for name, value in dataclasses.asdict(self).items()
        }

    def __str__(self) -> str:
        return (
            f"temperature {self.temperature:.4f} of {self.rows:,} dev rows; fitted on {self.fitting_rows:,} of them "
            f"({self.half_temperature:.4f}), on the other {self.measuring_rows:,} the expected calibration error goes "
            f"from {self.ece_before:.4f} to {self.ece_after:.4f}, the NLL from {self.nll_before:.4f} to "
            f"{self.nll_after:.4f}"
        )


def check_calibration_rows(rows: int) -> None:
    """Check that there are dev rows enough to calibrate on.

    Args:
        rows: How many there are.

    Raises:
        ConfigError: Where there are fewer than `LEAST_ROWS`.
    """
    if rows < LEAST_ROWS:
        raise ConfigError(
            f"a calibration halves the dev rows, and there are {rows}: give {LEAST_ROWS} at least, or leave it out"
        )


def calibrate(logits: np.ndarray, gold: np.ndarray, seed: int = SEED) -> Calibration:
    """Fit a temperature on half of some labelled rows, measure it on the other half, and fit it again on all.

    Args:
        logits: As `negative_log_likelihood` takes them.
        gold: As `negative_log_likelihood` takes it.
        seed: Of the draw that halves the rows.

    Raises:
        ConfigError: As `check_calibration_rows`.
    """
    check_calibration_rows(len(gold))
    fitting, measuring = halves(len(gold), seed)
    half = fit_temperature(logits[fitting], gold[fitting])
    rest = logits[measuring], gold[measuring]
    return Calibration(
        round(fit_temperature(logits, gold), _PLACES),
        len(gold),
        len(fitting),
        len(measuring),
        half,
        expected_calibration_error(*rest, 1.0),
        expected_calibration_error(*rest, half),
        negative_log_likelihood(*rest, 1.0),
        negative_log_likelihood(*rest, half),
        seed=seed,
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
