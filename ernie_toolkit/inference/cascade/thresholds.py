"""Which confidence each part of a cascade has to reach: the cheapest thresholds that lose no more than is allowed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ernie_toolkit.bundle.cascade import EVERY_ROW_DEFERRED
from ernie_toolkit.decoding import label_sets, sigmoid
from ernie_toolkit.tasks import MultiLabelClassification, Task

# Threshold combinations that are tried at most, and candidates of one part.
COMBINATIONS, CANDIDATES = 20_000, 1000


COLUMNS = ("hits", "given", "wanted")


@dataclass(frozen=True)
class Counts:
    """What one model's answers add to micro F1, row by row; with one label a row, micro F1 is accuracy.

    Attributes:
        hits: Labels that are rightly given, int64 of shape (rows,).
        given: Labels that are given, int64 of shape (rows,).
        wanted: Labels that the row has, int64 of shape (rows,).
    """

    hits: np.ndarray
    given: np.ndarray
    wanted: np.ndarray


def counts_of(logits: np.ndarray, gold: np.ndarray, task: Task) -> Counts:
    """The counts of a model's answers.

    Args:
        logits: float32 of shape (rows, classes).
        gold: int64 of shape (rows,), the label of each row; or bool of shape (rows, classes), its labels.
        task: The model's task, with its thresholds.
    """
    if isinstance(task, MultiLabelClassification):
        chosen = label_sets(sigmoid(logits), task.used_thresholds)
        return Counts((chosen & gold).sum(axis=1), chosen.sum(axis=1), gold.sum(axis=1))
    one = np.ones(len(gold), dtype=np.int64)
    return Counts((logits.argmax(axis=1) == gold).astype(np.int64), one, one)


def answering_parts(confidences: Sequence[np.ndarray], thresholds: Sequence[float]) -> np.ndarray:
    """The number of the part that answers each row, from 0: int64 of shape (rows,).

    Args:
        confidences: Of each part but the last, float64 of shape (rows,).
        thresholds: Of each of these parts; from it on the part answers.
    """
    found = np.full(len(confidences[0]), len(confidences), dtype=np.int64)
    for number in reversed(range(len(confidences))):
        found[confidences[number] >= thresholds[number]] = number
    return found


def answered_counts(counts: Sequence[Counts], answering: np.ndarray) -> Counts:
    """The counts where each row is answered by one of several models.

    Args:
        counts: Of each model.
        answering: The model of each row, of `answering_parts`.
    """
    rows = np.arange(len(answering))
    return Counts(*(np.stack([getattr(item, name) for item in counts])[answering, rows] for name in COLUMNS))


def micro_f1(counts: Counts) -> float:
    """Micro F1 between 0 and 1; accuracy, with one label a row; 0 where there is no label at all."""
    labels = int(counts.given.sum() + counts.wanted.sum())
    return 2 * int(counts.hits.sum()) / labels if labels else 0.0


def influences(counts: Counts) -> np.ndarray:
    """What each row moves micro F1 by, to the first order: float64 of shape (rows,), whose sum is 0.

    The sum of squares of the difference between two models is the variance of the difference of their metrics, by the
    delta method for a ratio of sums; for accuracy it is that of McNemar's test.
    """
    labels = counts.given + counts.wanted
    return np.asarray((2 * counts.hits - micro_f1(counts) * labels) / max(1, int(labels.sum())))


def candidates(confidence: np.ndarray, most: int) -> np.ndarray:
    """Thresholds to try, between the values that occur; the first takes every row, the last none.

    Args:
        confidence: float64 of shape (rows,).
        most: How many at most, 2 at least.
    """
    values = np.unique(confidence)
    between = (values[:-1] + values[1:]) / 2
    if len(between) > most - 2:
        between = between[np.linspace(0, len(between) - 1, max(most - 2, 0)).round().astype(np.int64)]
    return np.concatenate([[0.0], between, [EVERY_ROW_DEFERRED]])


def choose_thresholds(
    counts: Sequence[Counts], confidences: Sequence[np.ndarray], seconds: Sequence[float], max_drop: float
) -> tuple[float, ...]:
    """The thresholds with the least computing time that lose at most `max_drop` points against the last part.

    The loss counts with one standard error of it added: the cheapest of many thresholds is the one whose loss on these
    very rows is small by chance, and other rows would show more. To defer every row loses nothing, so there always are
    some thresholds; of equal ones those with the better metric are taken.

    Args:
        counts: Of each part.
        confidences: Of each part but the last, float64 of shape (rows,).
        seconds: Time of a row in each part.
        max_drop: In percentage points.

    Returns:
        One for each part but the last.
    """
    last = len(confidences)
    most = max(2, min(CANDIDATES, int(COMBINATIONS ** (1 / last))))
    reference, shares = micro_f1(counts[-1]), influences(counts[-1])
    # A row that reaches a part has passed all before it.
    until = np.cumsum(np.asarray(seconds, dtype=np.float64))
    best: tuple[float, float] | None = None
    chosen = (EVERY_ROW_DEFERRED,) * last
    for thresholds in itertools.product(*(candidates(item, most).tolist() for item in confidences)):
        answering = answering_parts(confidences, thresholds)
        answered = answered_counts(counts, answering)
        metric = micro_f1(answered)
        error = float(np.sqrt(np.square(shares - influences(answered)).sum()))
        # In points, with room for what rounding adds to a difference that is exactly the allowed one.
        if 100 * (reference - metric + error) > max_drop + 1e-9:
            continue
        rank = (float(until[answering].mean()), -metric)
        if best is None or rank < best:
            best, chosen = rank, thresholds
    return tuple(chosen)
