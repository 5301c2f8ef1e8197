"""Which model, engine and precision a report recommends: the fastest within the loss that is allowed."""

from collections.abc import Sequence
from statistics import geometric_mean

from ernie_toolkit.bundle import Recommendation
from ernie_toolkit.compression.report.metrics import ratio_text, shown_metrics
from ernie_toolkit.compression.report.model import Candidate, Report
from ernie_toolkit.inference.processor import processor_features


def fastest_within(report: Report, items: Sequence[Candidate], max_drop: float) -> list[Candidate]:
    """Return the models that lose no more than is allowed against the first, the fastest first.

    What counts is the speed of batches and that of single sequences alike: the geometric mean of both ratios to FP32.
    Files want the one, services the other. Metrics and ratios are those shown. Of an engine and a precision only the
    fastest is there.

    Args:
        report: The run's.
        items: The models to choose from; losses are counted from the first.
        max_drop: Points of the metric that may be lost.
    """
    if not items:
        return []
    level = shown_metrics(report, items[0]).metric
    found: dict[tuple[str, str], tuple[float, Candidate]] = {}
    for item in items:
        shown = shown_metrics(report, item)
        ratios = (shown.throughput_ratio, shown.latency_ratio)
        if level is None or shown.metric is None or round(level - shown.metric, 2) > max_drop or None in ratios:
            continue
        rate = geometric_mean(ratio or 0.01 for ratio in ratios)  # both have two decimals
        key = (item.engine, item.precision)
        if key not in found or rate > found[key][0]:
            found[key] = (rate, item)
    return [item for _, item in sorted(found.values(), key=lambda pair: -pair[0])]


def recommendations(report: Report, items: Sequence[Candidate], max_drop: float) -> tuple[Recommendation, ...]:
    """Return what a bundle is best opened with.

    Args:
        report: The run's.
        items: The models of the bundle, its FP32 model first: losses are counted from that.
        max_drop: Points of the metric that may be lost.
    """
    return tuple(
        Recommendation(item.engine, item.precision, needed_features(item.precision), report.processor)
        for item in fastest_within(report, items, max_drop)
    )


def needed_features(precision: str) -> tuple[str, ...]:
    """Return the instructions by which this processor computes a precision fast, the least that another one needs too.

    INT8 by AMX is fast on a processor with VNNI alone as well, and all that have the one have the other. BF16 by AMX is
    not: by AVX-512 it is half as fast.
    """
    ways = {"int8": ("avx512_vnni", "avx_vnni"), "bf16": ("amx_bf16", "avx512_bf16")}.get(precision, ())
    present = processor_features()
    return next(((name,) for name in ways if name in present), ())


def allowed_loss(report: Report) -> float:
    """Return the points that `max_drop` allows to be lost, 0 where the report has none."""
    loss = report.settings.get("max_drop")
    return float(loss) if isinstance(loss, (int, float)) and 0 <= loss < 100 else 0.0


def recommended(report: Report) -> Candidate | None:
    """Return the model of a whole report to deploy on this processor: the fastest kept one within `max_drop`."""
    kept = [item for item in report.candidates if item.kept]
    found = fastest_within(report, [report.baseline, *kept], allowed_loss(report))
    return found[0] if found else None


def recommendation_line(report: Report) -> str:
    """Return what to deploy and why, for people; empty where nothing was kept beside the FP32 model."""
    found = recommended(report)
    if found is None or not any(item.kept for item in report.candidates):
        return ""
    shown = shown_metrics(report, found)
    batches, single = ratio_text(shown.throughput_ratio), ratio_text(shown.latency_ratio)
    return (
        f"{found.name} ({found.engine} {found.precision}), the fastest in batches and one at a time together that "
        f"loses no more than {allowed_loss(report):g} points: in batches {batches}, one at a time {single}, on "
        f"{report.processor}"
    )
