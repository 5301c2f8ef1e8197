"""Speed of opened models on real rows, measured side by side so that ratios hold on a busy machine."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ernie_toolkit.text.batching import batches_by_length
from ernie_toolkit.text.dataset import Batch, EncodedDataset
from ernie_toolkit.text.features import pad_batch

Run = Callable[[Batch], object]
"""Computes a batch."""
Item = TypeVar("Item")

REPEATS, LATENCY_ROWS, THROUGHPUT_ROWS, BATCH_SIZE = 3, 32, 128, 32
# Small models are through in no time: more turns cost little there, and make the medians steady.
MOST_REPEATS, SECONDS = 15, 0.5
# Further digits of a time differ each time it is measured.
DIGITS = 3


@dataclass(frozen=True)
class Speed:
    """How fast a model computes, to `DIGITS` digits.

    Attributes:
        latency_ms: Milliseconds for one sequence by itself.
        sequences_per_second: In batches.
        spread: The third quartile over the first one of the ratios that both come from, two decimals: near 1 on a quiet
            machine; None: nothing was compared.
    """

    latency_ms: float
    sequences_per_second: float
    spread: float | None = None


def significant(value: float, digits: int = DIGITS) -> float:
    """A number rounded to some significant digits.

    Args:
        value: The number.
        digits: How many digits are left, zeros before the first not counted.
    """
    return float(f"{value:.{digits - 1}e}")


def measure(
    sessions: Mapping[str, Run],
    rows: EncodedDataset,
    known: Speed | None = None,
    repeats: int = REPEATS,
    max_latency_rows: int = LATENCY_ROWS,
    max_rows: int = THROUGHPUT_ROWS,
    batch_size: int = BATCH_SIZE,
    seconds: float = SECONDS,
) -> dict[str, Speed]:
    """Speed of each session on the same rows, in batches by length as prediction makes them.

    The sessions take turns at each batch, in an order that is turned round every time: a busy moment hits all of them
    alike. Before that each runs each batch once, uncounted. Where there are more rows than a limit, those measured are
    spaced evenly in order of length.

    The latency of the first session is the median over rows and turns of one row by itself, its throughput comes from
    each batch's median. Another one's are the first one's by the medians of the ratios that neighbouring turns have:
    what it takes where the first takes as long as is said.

    Args:
        sessions: Opened models by name; the first is what the others are compared with.
        rows: The rows to measure on.
        known: The first session's speed, where it was measured before; None: it is measured now.
        repeats: Turns that each batch gets at least.
        max_latency_rows: Rows that are measured one at a time, at most.
        max_rows: Rows that are measured in batches, at most.
        batch_size: Rows in one of these batches.
        seconds: How long more turns are made, up to `MOST_REPEATS` of them.

    Raises:
        ValueError: Without sessions, rows or repeats.
    """
    if not sessions or not len(rows) or min(repeats, max_latency_rows, max_rows, batch_size) < 1:
        raise ValueError("speed is measured with one session, one row and one repeat at least")
    lengths = rows.lengths()
    singles = [_batch(rows, [row]) for row in spaced_by_length(lengths, max_latency_rows)]
    chosen = spaced_by_length(lengths, max_rows)
    groups = batches_by_length([lengths[row] for row in chosen], batch_size)
    batches = [_batch(rows, [chosen[place] for place in group]) for group in groups]
    alone = take_turns(sessions, singles, repeats, seconds)
    together = take_turns(sessions, batches, repeats, seconds)
    first = next(iter(sessions))
    passed = np.median(together[first], axis=0)  # seconds of each batch
    reference = known or _speed(1000 * float(np.median(alone[first])), len(chosen) / float(passed.sum()))
    found = {first: reference}
    for name in list(sessions)[1:]:
        rows_ratios, batch_ratios = alone[first] / alone[name], together[first] / together[name]
        by_row = float(np.median(rows_ratios))
        by_batch = float(passed.sum() / (passed / np.median(batch_ratios, axis=0)).sum())
        spread = max(_spread(rows_ratios), _spread(batch_ratios))
        found[name] = _speed(reference.latency_ms / by_row, reference.sequences_per_second * by_batch, spread)
    return found


def _speed(latency_ms: float, sequences_per_second: float, spread: float | None = None) -> Speed:
    return Speed(significant(latency_ms), significant(sequences_per_second), spread)


def _spread(ratios: np.ndarray) -> float:
    """The middle of what the columns' third quartiles are over their first ones, to two decimals."""
    first, third = np.quantile(ratios, (0.25, 0.75), axis=0)
    return round(float(np.median(third / first)), 2)


def spaced_by_length(lengths: Sequence[int], limit: int) -> list[int]:
    """Some rows evenly spaced in order of length, with the shortest and the longest; shortest first.

    Args:
        lengths: Each row's length in tokens.
        limit: The most rows to choose; 1: the middle one.
    """
    order = np.argsort(np.asarray(lengths, dtype=np.int64), kind="stable")
    if len(order) <= limit:
        return [int(row) for row in order]
    if limit == 1:
        return [int(order[len(order) // 2])]
    places = np.linspace(0, len(order) - 1, limit).round().astype(np.int64)
    return [int(row) for row in order[places]]


def row_tokens(rows: EncodedDataset) -> tuple[int, int, int]:
    """Tokens of the shortest, the middle and the longest row, that speed was measured on."""
    lengths = sorted(rows.lengths())
    return lengths[0], lengths[len(lengths) // 2], lengths[-1]


def _batch(rows: EncodedDataset, chosen: Sequence[int]) -> Batch:
    return pad_batch([rows.features[row] for row in chosen], rows.pad_id)


def _orders(names: Sequence[str], batches: int, repeat: int) -> Iterator[tuple[int, str]]:
    """Batch and session of each run of a repeat; the order of sessions turns from batch to batch and the next time."""
    orders = (list(names), list(reversed(names)))
    for batch in range(batches):
        for name in orders[(repeat + batch) % 2]:
            yield batch, name


def take_turns(
    sessions: Mapping[str, Callable[[Item], object]], batches: Sequence[Item], repeats: int, seconds: float
) -> dict[str, np.ndarray]:
    """Seconds that each session takes for each batch, measured in turns (see `measure`).

    Args:
        sessions: What computes a batch, by name.
        batches: What each of them is given.
        repeats: Turns that each batch gets at least.
        seconds: How long more turns are made, up to `MOST_REPEATS` of them.

    Returns:
        For each session seconds, float64 of shape (repeats, batches).
    """
    for batch in batches:  # the runtime sets memory aside for each shape it has not seen
        for session in sessions.values():
            session(batch)
    taken: dict[str, list[list[float]]] = {name: [] for name in sessions}
    began = time.perf_counter()
    for repeat in range(max(repeats, MOST_REPEATS)):
        if repeat >= repeats and time.perf_counter() - began > seconds:
            break
        for times in taken.values():
            times.append([0.0] * len(batches))
        for place, name in _orders(list(sessions), len(batches), repeat):
            started = time.perf_counter()
            sessions[name](batches[place])
            taken[name][repeat][place] = time.perf_counter() - started
    return {name: np.array(times) for name, times in taken.items()}
