"""Speed of ONNX Runtime sessions on real rows, measured side by side so that ratios hold on a busy machine."""

import platform
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ernie_toolkit.batching import batches_by_length
from ernie_toolkit.encoded import Batch, EncodedDataset
from ernie_toolkit.features import pad_batch

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

REPEATS, LATENCY_ROWS, THROUGHPUT_ROWS, BATCH_SIZE = 3, 32, 128, 32


@dataclass(frozen=True)
class Speed:
    """Milliseconds for one sequence by itself, and sequences a second in batches."""

    latency_ms: float
    sequences_per_second: float


def measure(
    sessions: "Mapping[str, InferenceSession]",
    rows: EncodedDataset,
    repeats: int = REPEATS,
    max_latency_rows: int = LATENCY_ROWS,
    max_rows: int = THROUGHPUT_ROWS,
    batch_size: int = BATCH_SIZE,
) -> dict[str, Speed]:
    """Speed of each session on the same rows, in batches by length as prediction makes them.

    Latency is the median over rows and repeats of one row by itself; throughput comes from the median over
    repeats of a pass over all batches. The sessions take turns at each batch, in an order that is turned
    round every time: a busy moment hits all of them alike. Before that each runs each batch once,
    uncounted. Where there are more rows than a limit, those measured are spaced evenly in order of length.
    ValueError without sessions, rows or repeats.
    """
    if not sessions or not len(rows) or min(repeats, max_latency_rows, max_rows, batch_size) < 1:
        raise ValueError("speed is measured with one session, one row and one repeat at least")
    lengths = rows.lengths()
    singles = [_batch(rows, [row]) for row in spaced_by_length(lengths, max_latency_rows)]
    chosen = spaced_by_length(lengths, max_rows)
    groups = batches_by_length([lengths[row] for row in chosen], batch_size)
    batches = [_batch(rows, [chosen[place] for place in group]) for group in groups]
    alone = _take_turns(sessions, singles, repeats)
    together = _take_turns(sessions, batches, repeats)
    return {
        name: Speed(
            1000 * float(np.median(alone[name])), len(chosen) / statistics.median(together[name].sum(axis=1).tolist())
        )
        for name in sessions
    }


def spaced_by_length(lengths: Sequence[int], limit: int) -> list[int]:
    """At most `limit` rows, evenly spaced in order of length, with the shortest and the longest; shortest first."""
    order = np.argsort(np.asarray(lengths, dtype=np.int64), kind="stable")
    if len(order) <= limit:
        return [int(row) for row in order]
    if limit == 1:
        return [int(order[len(order) // 2])]
    places = np.linspace(0, len(order) - 1, limit).round().astype(np.int64)
    return [int(row) for row in order[places]]


def row_tokens(rows: EncodedDataset) -> tuple[int, int, int]:
    """Tokens of the shortest, the middle and the longest row, for a report to tell what speed was measured on."""
    lengths = sorted(rows.lengths())
    return lengths[0], lengths[len(lengths) // 2], lengths[-1]


def processor_name() -> str:
    """The name of this machine's processor, as far as the system tells it."""
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return platform.processor() or platform.machine() or "unknown processor"


def _batch(rows: EncodedDataset, chosen: Sequence[int]) -> Batch:
    return pad_batch([rows.features[row] for row in chosen], rows.pad_id)


def _turns(names: Sequence[str], batches: int, repeats: int) -> Iterator[tuple[int, int, str]]:
    """Repeat, batch and session of each run; the order of sessions turns from batch to batch and repeat to repeat."""
    orders = (list(names), list(reversed(names)))
    for repeat in range(repeats):
        for batch in range(batches):
            for name in orders[(repeat + batch) % 2]:
                yield repeat, batch, name


def _take_turns(
    sessions: "Mapping[str, InferenceSession]", batches: Sequence[Batch], repeats: int
) -> dict[str, np.ndarray]:
    """Seconds of each session, float64 of shape (repeats, batches)."""
    for batch in batches:  # the runtime sets memory aside for each shape it has not seen
        for session in sessions.values():
            session.run(None, batch)
    seconds = {name: np.zeros((repeats, len(batches))) for name in sessions}
    for repeat, place, name in _turns(list(sessions), len(batches), repeats):
        started = time.perf_counter()
        sessions[name].run(None, batches[place])
        seconds[name][repeat, place] = time.perf_counter() - started
    return seconds
