"""Ranges of activations for static INT8: which values the 256 steps cover, and which are clipped.

A tensor is seen twice over the same calibration batches: once for its extremes (`Extremes`), once for its
distribution between them (`Histogram`). All algorithms choose a range from these.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ernie_toolkit.errors import ConfigError

BINS = 2048
STEPS = 256
# Shares of the whole range that are tried by the algorithms that search.
CANDIDATES = np.linspace(0.02, 1.0, 99)
# `hist` clips this share of all values at either end.
TAIL = 1e-4
SMOOTHING = 1e-4

Range = tuple[float, float]


@dataclass(frozen=True)
class Extremes:
    """The least and the greatest value of each batch.

    Attributes:
        lows: Float64 of shape (batches,).
        highs: Float64 of shape (batches,).
    """

    lows: np.ndarray
    highs: np.ndarray

    @property
    def range(self) -> Range:
        """The least and the greatest of all, widened to hold 0, which every INT8 range has to represent."""
        return min(float(self.lows.min()), 0.0), max(float(self.highs.max()), 0.0)


@dataclass(frozen=True)
class Histogram:
    """How many values fall into each of equal bins.

    Attributes:
        counts: Int64 of shape (bins,).
        range: What the bins divide, from the least value to the greatest.
    """

    counts: np.ndarray
    range: Range

    @property
    def centers(self) -> np.ndarray:
        """The middle of each bin, float64 of shape (bins,)."""
        low, high = self.range
        return low + (np.arange(len(self.counts)) + 0.5) * (high - low) / len(self.counts)

    def with_values(self, values: np.ndarray) -> "Histogram":
        """The histogram with more values counted; those outside the range count in the bin at its end."""
        low, high = self.range
        clipped = np.clip(values.ravel(), low, high)
        counts, _ = np.histogram(clipped, len(self.counts), (low, high if high > low else low + 1.0))
        return Histogram(self.counts + counts, self.range)


def extremes_of(batches: Sequence[np.ndarray]) -> Extremes:
    """Extremes of a tensor over batches.

    Args:
        batches: What the tensor was in each, of any shape.

    Raises:
        ValueError: On no batch, and on values that are not finite.
    """
    if not batches:
        raise ValueError("extremes of no batches are not defined")
    found = Extremes(
        np.array([batch.min() for batch in batches], dtype=np.float64),
        np.array([batch.max() for batch in batches], dtype=np.float64),
    )
    if not np.isfinite(found.lows).all() or not np.isfinite(found.highs).all():
        raise ValueError("the activations have values that are not finite")
    return found


def empty_histogram(extremes: Extremes, bins: int = BINS) -> Histogram:
    """A histogram with nothing counted yet.

    Args:
        extremes: The bins divide their range.
        bins: How many there are.
    """
    return Histogram(np.zeros(bins, dtype=np.int64), extremes.range)


def quantized(values: np.ndarray, bounds: Range, steps: int = STEPS) -> np.ndarray:
    """Values as they are after quantization to uint8 over a range and back, float64 of the same shape.

    The scale is the range over `steps` - 1, the zero point a whole number, as ONNX's QuantizeLinear has them.

    Args:
        values: Float of any shape; those outside the range are clipped.
        bounds: The range; it is widened to hold 0.
        steps: How many values there are after quantization.
    """
    low, high = min(bounds[0], 0.0), max(bounds[1], 0.0)
    scale = (high - low) / (steps - 1) or 1.0
    zero = np.rint(-low / scale)
    return (np.clip(np.rint(np.asarray(values, dtype=np.float64) / scale) + zero, 0, steps - 1) - zero) * scale


def abs_max_range(extremes: Extremes, histogram: Histogram) -> Range:
    """Symmetric, to the greatest absolute value of all batches.

    Args:
        extremes: Of the activation.
        histogram: Not looked at; all of `ALGORITHMS` take the same.
    """
    low, high = extremes.range
    largest = max(-low, high)
    return -largest, largest


def min_max_range(extremes: Extremes, histogram: Histogram) -> Range:
    """From the least value to the greatest.

    Args:
        extremes: Of the activation.
        histogram: Not looked at; all of `ALGORITHMS` take the same.
    """
    return extremes.range


def average_range(extremes: Extremes, histogram: Histogram) -> Range:
    """Symmetric, to the mean over batches of each batch's greatest absolute value.

    Args:
        extremes: Of the activation.
        histogram: Not looked at; all of `ALGORITHMS` take the same.
    """
    largest = float(np.maximum(-extremes.lows, extremes.highs).mean())
    return -abs(largest), abs(largest)


def percentile_range(extremes: Extremes, histogram: Histogram) -> Range:
    """What is left when the share `TAIL` of all values is clipped at either end, to the bin.

    Args:
        extremes: Not looked at; all of `ALGORITHMS` take the same.
        histogram: Of the activation.
    """
    shares = np.cumsum(histogram.counts) / histogram.counts.sum()
    low, high = histogram.range
    width = (high - low) / len(histogram.counts)
    first = int(np.searchsorted(shares, TAIL, side="right"))
    last = int(np.searchsorted(shares, 1 - TAIL, side="left"))
    return min(low + first * width, 0.0), max(low + (last + 1) * width, 0.0)


def _searched(cost: Callable[[Histogram, Range], float]) -> Callable[[Extremes, Histogram], Range]:
    def search(extremes: Extremes, histogram: Histogram) -> Range:
        low, high = histogram.range
        costs = [cost(histogram, (low * share, high * share)) for share in CANDIDATES]
        best = CANDIDATES[int(np.argmin(costs))]
        return low * float(best), high * float(best)

    return search


def squared_error(histogram: Histogram, bounds: Range) -> float:
    """Mean squared error that quantization over a range makes, of values at the bins' centers.

    Args:
        histogram: Of the activation.
        bounds: The range that is tried.
    """
    errors = (histogram.centers - quantized(histogram.centers, bounds)) ** 2
    return float((histogram.counts * errors).sum() / histogram.counts.sum())


def moved_earth(histogram: Histogram, bounds: Range) -> float:
    """Earth mover's distance between the values and the quantized ones.

    Quantization keeps the order of values, so that each is best moved to its own quantized one: the distance is the
    mean absolute error (Vallender, 1974).

    Args:
        histogram: Of the activation.
        bounds: The range that is tried.
    """
    errors = np.abs(histogram.centers - quantized(histogram.centers, bounds))
    return float((histogram.counts * errors).sum() / histogram.counts.sum())


def divergence(histogram: Histogram, bounds: Range) -> float:
    """Kullback-Leibler divergence, in nats, of the quantized distribution from the clipped one.

    Both are taken over the bins within the range: the clipped one counts what lies outside in the bins at its ends, the
    quantized one spreads what falls on a step evenly over the step's bins that are not empty (Migacz, 2017, 8-bit
    inference with TensorRT). A share of `SMOOTHING` of the latter is spread over all of these bins, so that clipped
    values in an otherwise empty one cost much and not infinitely much.

    Args:
        histogram: Of the activation.
        bounds: The range that is tried.

    Returns:
        The divergence; infinity where no value lies within the range.
    """
    inside = (histogram.centers >= bounds[0]) & (histogram.centers <= bounds[1])
    if not inside.any():
        return float("inf")
    first, last = np.flatnonzero(inside)[[0, -1]]
    within = histogram.counts[first : last + 1].astype(np.float64)
    clipped = within.copy()
    clipped[0] += histogram.counts[:first].sum()
    clipped[-1] += histogram.counts[last + 1 :].sum()
    steps = np.unique(quantized(histogram.centers[first : last + 1], bounds), return_inverse=True)[1]
    filled = clipped > 0
    if not within.sum():
        return float("inf")
    sums = np.bincount(steps, within)
    sizes = np.bincount(steps, filled)
    spread = np.where(filled, sums[steps] / np.maximum(sizes[steps], 1), 0.0)[filled]
    p, q = clipped[filled] / clipped.sum(), (1 - SMOOTHING) * spread / spread.sum() + SMOOTHING / filled.sum()
    return float((p * np.log(p / q)).sum())


ALGORITHMS: dict[str, Callable[[Extremes, Histogram], Range]] = {
    "abs_max": abs_max_range,
    "min_max": min_max_range,
    "avg": average_range,
    "hist": percentile_range,
    "mse": _searched(squared_error),
    "KL": _searched(divergence),
    "emd": _searched(moved_earth),
}
# Algorithms whose range hangs on which rows are in one batch.
BY_BATCH = ("avg",)


def calibrated_range(algorithm: str, extremes: Extremes, histogram: Histogram) -> Range:
    """The range [low, high] that an algorithm chooses; it always holds 0.

    Args:
        algorithm: One of `ALGORITHMS`.
        extremes: Of the activation.
        histogram: Of the activation, over the range of these extremes.

    Raises:
        ConfigError: On an unknown algorithm.
    """
    if algorithm not in ALGORITHMS:
        raise ConfigError(f"calibration algorithm '{algorithm}' is not known: use one of {', '.join(ALGORITHMS)}")
    return ALGORITHMS[algorithm](extremes, histogram)
