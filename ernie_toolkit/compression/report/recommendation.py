"""Which model, engine and precision a report recommends: the fastest within the loss that is allowed."""

from collections.abc import Sequence

from ernie_toolkit.bundle import Recommendation
from ernie_toolkit.bundle.info import LATENCY, THROUGHPUT, WORKLOADS
from ernie_toolkit.compression.report.metrics import ratio_text, shown_metrics
from ernie_toolkit.compression.report.model import Candidate, Report
from ernie_toolkit.inference.processor import processor_features

WORKLOAD_TEXTS = {THROUGHPUT: "texts in batches", LATENCY: "single requests"}


def workload_ratio(report: Report, item: Candidate, workload: str) -> float | None:
    """Return how many times FP32's speed a model has, as shown; None where it was not measured.

    Args:
        report: The run's.
        item: One of its models.
        workload: "throughput", in batches, or "latency", one sequence at a time.
    """
    shown = shown_metrics(report, item)
    return shown.throughput_ratio if workload == THROUGHPUT else shown.latency_ratio


def fastest_within(report: Report, items: Sequence[Candidate], max_drop: float, workload: str) -> list[Candidate]:
    """Return the models that lose no more than is allowed against the first, the fastest first.

    Metrics and ratios are those shown. Of an engine and a precision only the fastest is there.

    Args:
        report: The run's.
        items: The models to choose from; losses are counted from the first.
        max_drop: Points of the metric that may be lost.
        workload: See `workload_ratio`.
    """
    if not items:
        return []
    level = shown_metrics(report, items[0]).metric
    found: dict[tuple[str, str], tuple[float, Candidate]] = {}
    for item in items:
        metric, rate = shown_metrics(report, item).metric, workload_ratio(report, item, workload)
        if level is None or metric is None or rate is None or round(level - metric, 2) > max_drop:
            continue
        key = (item.engine, item.precision)
        if key not in found or rate > found[key][0]:
            found[key] = (rate, item)
    return [item for _, item in sorted(found.values(), key=lambda pair: -pair[0])]


def recommendations(report: Report, items: Sequence[Candidate], max_drop: float) -> tuple[Recommendation, ...]:
    """Return what a bundle is best opened with, for each workload the fastest first.

    Args:
        report: The run's.
        items: The models of the bundle, its FP32 model first: losses are counted from that.
        max_drop: Points of the metric that may be lost.
    """
    return tuple(
        Recommendation(item.engine, item.precision, needed_features(item.precision), report.processor, workload)
        for workload in WORKLOADS
        for item in fastest_within(report, items, max_drop, workload)
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


def recommended(report: Report) -> dict[str, Candidate]:
    """Return the model of a whole report to deploy on this processor for each workload.

    That is the fastest kept one within `max_drop`, or the FP32 model; a workload that was not measured has none.
    """
    items = [report.baseline, *(item for item in report.candidates if item.kept)]
    found = {workload: fastest_within(report, items, allowed_loss(report), workload) for workload in WORKLOADS}
    return {workload: best[0] for workload, best in found.items() if best}


def recommendation_line(report: Report) -> str:
    """Return what to deploy and why, for people; empty where nothing was kept beside the FP32 model."""
    if not any(item.kept for item in report.candidates):
        return ""
    told = [
        f"for {WORKLOAD_TEXTS[workload]} {item.name} ({item.engine} {item.precision}, "
        f"{ratio_text(workload_ratio(report, item, workload))} FP32)"
        for workload, item in recommended(report).items()
    ]
    loss = f"each the fastest that loses no more than {allowed_loss(report):g} points on {report.processor}"
    return f"{', '.join(told)}: {loss}" if told else ""
