"""What a report's numbers say, once for its table, its picture, its JSON and the console.

Every change and every ratio is computed from the numbers that are shown beside it, and so agrees with them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ernie_toolkit.compression.report.measurement import significant
from ernie_toolkit.compression.report.model import Candidate, Report

# Times of one model, measured again on a machine that others use too, lie about as far apart.
SAME_SPEED = 0.05
# Ratios that vary by more than this were measured on a machine that had other work.
BUSY_SPREAD = 1.25
# A model that is more times as fast as another one is the faster one on the next run too, whatever else is running.
CLEARLY_FASTER = BUSY_SPREAD
# Shares of answers equal to FP32's that lie no further apart count as the same.
SAME_ANSWERS = 0.01


@dataclass(frozen=True)
class ShownMetrics:
    """A model's metrics, speed included, as they are shown; None where they are not known.

    Attributes:
        metric: The task's own, in points (times 100) of two decimals.
        change: Points against FP32's.
        latency_ms: Milliseconds for one sequence, to three digits.
        latency_ratio: How many times FP32's speed that is, two decimals; over 1 is faster.
        sequences_per_second: In batches, to three digits.
        throughput_ratio: How many times FP32's speed that is, two decimals; over 1 is faster.
    """

    metric: float | None
    change: float | None
    latency_ms: float | None
    latency_ratio: float | None
    sequences_per_second: float | None
    throughput_ratio: float | None


def points(item: Candidate, metric: str) -> float | None:
    """A metric in points of two decimals; None where the model has none.

    Args:
        item: The model.
        metric: Its name, as in `Candidate.metrics`.
    """
    return round(100 * item.metrics[metric], 2) if metric in item.metrics else None


def shown_metrics(report: Report, item: Candidate) -> ShownMetrics:
    """What is shown of one of a report's models.

    Args:
        report: The report.
        item: One of its candidates, or its FP32 model.
    """
    full = report.baseline
    metric, before = points(item, report.metric), points(full, report.metric)
    latency, slower = _shown(item.latency_ms), _shown(full.latency_ms)
    sequences, fewer = _shown(item.sequences_per_second), _shown(full.sequences_per_second)
    return ShownMetrics(
        metric,
        None if metric is None or before is None else round(metric - before, 2) + 0.0,
        latency,
        _ratio(slower, latency),
        sequences,
        _ratio(sequences, fewer),
    )


def best_tradeoffs(report: Report) -> list[Candidate]:
    """The models, FP32 included, that are the best trade-offs of quality and latency, the best one first.

    Quality is the task's own metric as shown. Each is more than `SAME_SPEED` faster, for one sequence, than every
    better one in the list. Of several that are equally good and equally fast, one stands for all: a kept one before
    others, the smallest file before larger ones. Models without a latency are none.
    """
    levels: dict[float, list[Candidate]] = {}
    for item in (report.baseline, *report.candidates):
        found = shown_metrics(report, item)
        if found.metric is not None and found.latency_ms is not None:
            levels.setdefault(found.metric, []).append(item)
    front: list[Candidate] = []
    limit = float("inf")
    for metric in sorted(levels, reverse=True):
        fast = [item for item in levels[metric] if _latency(item) * (1 + SAME_SPEED) < limit]
        if fast:
            limit = min(_latency(item) for item in fast)
            equals = [item for item in fast if _latency(item) <= limit * (1 + SAME_SPEED)]
            front.append(min(equals, key=lambda item: (not item.kept, item.size)))
    return front


def best_of(report: Report, items: Sequence[Candidate]) -> Candidate:
    """The model to keep: the best by the metric as shown, of equals the smallest file, then the first by its name.

    Not equal are those whose answers changed clearly more often: a metric hides what changes both ways. The rule gives
    the same on every run: speed, which is measured anew each time, decides between equals only where one is
    `CLEARLY_FASTER` than others.

    Args:
        report: Says which metric counts.
        items: The candidates to choose from.

    Raises:
        ValueError: Without models.
    """
    metrics = [shown_metrics(report, item).metric for item in items]
    best = max((metric for metric in metrics if metric is not None), default=None)
    equals = [item for item, metric in zip(items, metrics, strict=True) if metric == best]
    most = max(item.equal_answers or 0.0 for item in equals)
    equals = [item for item in equals if (item.equal_answers or 0.0) >= most - SAME_ANSWERS]
    fastest = min(map(_latency, equals))
    return min(
        (item for item in equals if _latency(item) <= fastest * CLEARLY_FASTER), key=lambda item: (item.size, item.name)
    )


def is_noisy(item: Candidate) -> bool:
    """Whether the machine had other work while a model's speed was measured, so that it is a rough one."""
    return item.speed_spread is not None and item.speed_spread > BUSY_SPREAD


def change_text(change: float | None) -> str:
    """Points against FP32, signed; without a sign where there is no difference, "-" where it is not known."""
    if change is None:
        return "-"
    return f"{change:+.2f}" if change else "0.00"


def number_text(value: float | None) -> str:
    """A time or a rate in its significant digits: 0.0958, 12.3, 5,240; "-" where it is not known."""
    if value is None:
        return "-"
    whole = f"{value:.2e}".partition("e")[2]
    return f"{value:,.{max(2 - int(whole), 0)}f}"


def ratio_text(ratio: float | None) -> str:
    """How many times FP32's speed: 1.24x; "-" where it is not known."""
    return "-" if ratio is None else f"{ratio:.2f}x"


def speed_text(report: Report, item: Candidate) -> str:
    """Both speeds of a model, each with its own ratio to FP32's; says where they are rough.

    Args:
        report: The report, which has FP32's speeds.
        item: One of its models.
    """
    found = shown_metrics(report, item)
    if found.latency_ms is None or found.sequences_per_second is None:
        return "speed not measured"
    return (
        f"{number_text(found.latency_ms)} ms a sequence ({ratio_text(found.latency_ratio)}), "
        f"{number_text(found.sequences_per_second)} sequences/s in batches ({ratio_text(found.throughput_ratio)})"
        + (" (rough: busy machine)" if is_noisy(item) else "")
    )


def megabytes_text(report: Report, size: float) -> str:
    """Bytes as megabytes (10^6 bytes), with two decimals in a report on small models.

    Args:
        report: Says by its FP32 model's size whether models are small.
        size: The bytes.
    """
    return f"{size / 1e6:,.{1 if report.baseline.size >= 10e6 else 2}f}"


def _shown(value: float | None) -> float | None:
    return None if value is None else significant(value)


def _ratio(value: float | None, other: float | None) -> float | None:
    return None if value is None or not other else round(value / other, 2)


def _latency(item: Candidate) -> float:
    latency = _shown(item.latency_ms)
    return float("inf") if latency is None else latency
