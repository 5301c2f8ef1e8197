"""A compression report as a page of Markdown."""

from collections.abc import Sequence

from ernie_toolkit.compression.report.measurement import BATCH_SIZE, LATENCY_ROWS, THROUGHPUT_ROWS
from ernie_toolkit.compression.report.metrics import (
    SAME_SPEED,
    best_tradeoffs,
    change_text,
    is_noisy,
    megabytes_text,
    number_text,
    points,
    ratio_text,
    shown_metrics,
    speed_text,
)
from ernie_toolkit.compression.report.model import ENGINE_NAMES, Candidate, Report
from ernie_toolkit.compression.report.recommendation import recommendation_line
from ernie_toolkit.formats.escapes import markdown_code, markdown_link, markdown_text

MISSING = "-"
STAR = "★"
"""Marks the best trade-offs, in the table and in the picture."""
METRIC_NAMES = {"f1": "F1", "exact_match": "EM"}
"""How tables call a metric, where not by its own name."""


def metric_name(metric: str) -> str:
    """How tables call a metric."""
    return METRIC_NAMES.get(metric, metric)


def _metric(metric: str) -> str:
    return markdown_text(metric_name(metric))


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers; aligned as plain text too.

    Cells are Markdown: users' texts have gone through `markdown_text`.

    Args:
        header: The columns' heads.
        rows: Cells of each row, as many as there are heads.
    """
    cells = (header, *rows)
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(header))]
    lines = [
        "| "
        + " | ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        + " |"
        for row in cells
    ]
    rule = "| " + " | ".join(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]) + " |"
    return "\n".join([lines[0], rule, *lines[1:]])


def report_page(report: Report, plot: str) -> str:
    """The whole page.

    Args:
        report: The report.
        plot: The picture's file, relative to the page.
    """
    made = [item for item in report.candidates if item.kept]
    parts = [
        f"# Compression report: {markdown_text(report.dataset)}",
        f"Model {markdown_code(report.model)}, strategy {markdown_code(report.strategy)}, task "
        f"{markdown_text(report.task)}, seed {report.seed}. Data: {markdown_text(report.data_source)}, "
        f"{report.dev_rows:,} dev rows.",
        *(f"> **Warning:** {markdown_text(message)}" for message in report.warnings),
        _recommendation(report),
        "\n".join(_highlight(report, item) for item in made),
        f"![{_metric(report.metric)} against latency]({plot})",
        _table(report),
        _notes(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _recommendation(report: Report) -> str:
    """Which model to deploy on this processor, and why; empty where there is nothing to choose from."""
    line = recommendation_line(report)
    return f"**Recommended**: {markdown_text(line)}" if line else ""


def _highlight(report: Report, item: Candidate) -> str:
    found = shown_metrics(report, item)
    figure = f"{_metric(report.metric)} {_number(found.metric, 2)} ({change_text(found.change)} points)"
    size = f"{megabytes_text(report, item.size)} MB instead of {megabytes_text(report, report.baseline.size)}"
    link = markdown_link(item.file)
    return f"- **{markdown_text(item.name)}**: {figure}, {size}, {speed_text(report, item)}: {link}"


def _number(value: float | None, digits: int, scale: float = 1.0) -> str:
    return MISSING if value is None else f"{value * scale:,.{digits}f}"


def _unit_of_flops(report: Report) -> tuple[str, float]:
    """Unit and factor that operations are shown in; a tiny model has a few millions."""
    return ("GFLOPs", 1e-9) if (report.baseline.flops or 0) >= 1e9 else ("MFLOPs", 1e-6)


def _table(report: Report) -> str:
    more = [name for name in ("exact_match",) if name in report.baseline.metrics and name != report.metric]
    unit, scale = _unit_of_flops(report)
    header = [
        "model",
        *map(_metric, (report.metric, *more)),
        "change",
        "size, MB",
        "parameters, M",
        unit,
        "latency, ms",
        "ratio",
        "sequences/s",
        "ratio",
        "equal, %",
    ]
    front = {item.name for item in best_tradeoffs(report)}
    rows = []
    for item in (report.baseline, *report.candidates):
        name = f"**{markdown_text(item.name)}**" if item.kept else markdown_text(item.name)
        found = shown_metrics(report, item)
        rows.append(
            [
                f"{name} {STAR}" if item.name in front else name,
                _number(found.metric, 2),
                *(_number(points(item, metric), 2) for metric in more),
                MISSING if item is report.baseline else change_text(found.change),
                megabytes_text(report, item.size),
                _number(item.parameters, 2, 1e-6),
                _number(item.flops, 2, scale),
                number_text(found.latency_ms),
                ratio_text(found.latency_ratio),
                number_text(found.sequences_per_second),
                ratio_text(found.throughput_ratio),
                MISSING if item is report.baseline else _number(item.equal_answers, 1, 100),
            ]
        )
    return markdown_table(header, rows)


def _notes(report: Report) -> str:
    metric, threads = _metric(report.metric), f"{report.threads} thread{'s' if report.threads != 1 else ''}"
    tokens = ""
    if report.row_tokens:
        low, middle, high = report.row_tokens
        tokens = f", which have {low} to {high} tokens, {middle} in the middle"
    used = [name for name in ENGINE_NAMES if any(item.engine == name for item in (report.baseline, *report.candidates))]
    engines = " and ".join(ENGINE_NAMES[name] for name in used)
    versions = markdown_text(", ".join(f"{name} {version}" for name, version in report.versions.items()))
    processor = markdown_text(report.processor)
    row = 100 / max(report.dev_rows, 1)
    lines = [
        f"**Bold**: kept, in the bundle of its size. {STAR}: best trade-off of {metric} and latency: no better model "
        f"is as fast, where less than {100 * SAME_SPEED:.0f}% between two times counts as none. Of equals one has it: "
        "a kept one, else the smallest.",
        f"Quality: the {metric} on the dev set times 100; change: what it is above FP32's."
        + (f" One of the {report.dev_rows:,} dev rows is {row:.2f} points." if report.metric == "accuracy" else ""),
        "Equal: share of the dev set's answers that are the FP32 model's: it shows changes that the metric does not."
        if any(item.equal_answers is not None for item in report.candidates)
        else "",
        *(markdown_text(f"{choice.text[:1].upper()}{choice.text[1:]}.") for choice in report.depths),
        "Size: the model's file, of OpenVINO's INT8 both files; 1 MB is 10^6 bytes.",
        f"{_unit_of_flops(report)[0]}: the matrix products of one sequence of {report.flops_length} tokens, a "
        "multiply-add counted as two; INT8 does as many, in integers.",
        f"Speed: {engines} with {threads} on {processor}, on rows of the dev set{tokens}. Latency: the "
        f"median of at most {LATENCY_ROWS} rows, one at a time. Sequences/s: at most {THROUGHPUT_ROWS} rows in "
        f"batches of {BATCH_SIZE} by length, padded to the longest of the batch. The ratio behind each: how many times "
        "FP32's speed that is, over 1 is faster.",
        "FP32 and each candidate took turns at every row and batch. A candidate's times are FP32's by the median ratio "
        "of neighbouring turns, so that all stand for the same minutes.",
        _noise(report),
        f"Versions: {versions}." if versions else "",
    ]
    return "\n".join(f"- {line}" for line in lines if line)


def _noise(report: Report) -> str:
    """What to think of speeds that were measured on a busy machine; empty where none was."""
    rough = [item for item in report.candidates if is_noisy(item)]
    if not rough:
        return ""
    worst = max(item.speed_spread or 1.0 for item in rough)
    names = markdown_text(", ".join(item.name for item in rough))
    return (
        f"**Rough speeds**: the machine had other work. Of {names}, ratios of the turns lie up to {worst:.2f} times "
        "apart in their middle half: compress again on a quiet machine before you choose by speed."
    )
