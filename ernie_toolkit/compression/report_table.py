"""A compression report as a page of Markdown."""

from collections.abc import Sequence

from ernie_toolkit.compression.measurement import BATCH_SIZE, LATENCY_ROWS, REPEATS, THROUGHPUT_ROWS
from ernie_toolkit.compression.report import Candidate, Report, best_tradeoffs

MISSING = "-"
METRIC_NAMES = {"f1": "F1", "exact_match": "EM"}
"""How tables call a metric, where not by its own name."""


def metric_name(metric: str) -> str:
    """How tables call a metric."""
    return METRIC_NAMES.get(metric, metric)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers; aligned as plain text too."""
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in (header, *rows)]
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
    """The whole page; `plot`: the picture's file, relative to the page."""
    made = [item for item in report.candidates if item.kept]
    parts = [
        f"# Compression report: {report.dataset}",
        f"Model `{report.model}`, strategy `{report.strategy}`, task {report.task}, seed {report.seed}. Data: "
        f"{report.data_source}, {report.dev_rows:,} dev rows.",
        *(f"> **Warning:** {' '.join(message.split())}" for message in report.warnings),
        "\n".join(_highlight(report, item) for item in made),
        f"![{metric_name(report.metric)} against latency]({plot})",
        _table(report),
        _notes(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _highlight(report: Report, item: Candidate) -> str:
    figure = f"{metric_name(report.metric)} {100 * item.metrics[report.metric]:.2f} ({_change(item)} points)"
    size = f"{item.size / 1e6:.1f} MB instead of {report.baseline.size / 1e6:.1f}"
    speed = "speed not measured"
    if item.throughput_ratio is not None and item.latency_ratio is not None:
        batches, alone = item.throughput_ratio, item.latency_ratio
        speed = f"{batches:.2f} times FP32's speed in batches, {alone:.2f} times for one sequence"
    return f"- **{item.name}**: {figure}, {size}, {speed}: [`{item.file}`]({item.file})"


def _change(item: Candidate) -> str:
    """Points of the metric against FP32, signed; without a sign where they round to nothing."""
    text = f"{-item.drop:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def _number(value: float | None, digits: int, scale: float = 1.0, unit: str = "") -> str:
    return MISSING if value is None else f"{value * scale:,.{digits}f}{unit}"


def _unit_of_flops(report: Report) -> tuple[str, float]:
    """Unit and factor that operations are shown in; a tiny model has a few millions."""
    return ("GFLOPs", 1e-9) if (report.baseline.flops or 0) >= 1e9 else ("MFLOPs", 1e-6)


def _table(report: Report) -> str:
    shown = [report.metric] + [name for name in ("exact_match",) if name in report.baseline.metrics]
    unit, scale = _unit_of_flops(report)
    size_digits = 1 if report.baseline.size >= 10e6 else 2
    header = ["model", *map(metric_name, shown), "change", "size, MB", "parameters, M", unit,
              "latency, ms", "speed-up", "sequences/s", "speed-up"]  # fmt: skip
    front = {item.name for item in best_tradeoffs(report)}
    rows = []
    for item in (report.baseline, *report.candidates):
        name = f"**{item.name}**" if item.kept else item.name
        rows.append([
            f"{name} ★" if item.name in front else name,
            *(_number(item.metrics.get(metric), 2, 100) for metric in shown),
            MISSING if item is report.baseline else _change(item),
            _number(item.size, size_digits, 1e-6), _number(item.parameters, 2, 1e-6), _number(item.flops, 2, scale),
            _number(item.latency_ms, 2), _number(item.latency_ratio, 2, unit="x"),
            _number(item.sequences_per_second, 1), _number(item.throughput_ratio, 2, unit="x"),
        ])  # fmt: skip
    return markdown_table(header, rows)


def _notes(report: Report) -> str:
    metric, threads = metric_name(report.metric), f"{report.threads} thread{'s' if report.threads != 1 else ''}"
    tokens = ""
    if report.row_tokens:
        low, middle, high = report.row_tokens
        tokens = f", which have {low} to {high} tokens, {middle} in the middle"
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    lines = [
        "**Bold**: kept, in the bundle of its width. ★: best trade-off; no other model is as good and as fast in "
        "batches, and better in one of the two.",
        f"Quality, and its change against FP32, in points: the {metric} on the dev set times 100. Size: the ONNX file; "
        "1 MB is 10^6 bytes.",
        f"{_unit_of_flops(report)[0]}: the matrix products of one sequence of {report.flops_length} tokens, a "
        "multiply-add counted as two; INT8 does as many, in integers.",
        f"Speed: ONNX Runtime with {threads} on {report.processor}, on rows of the dev set{tokens}. Latency: the "
        f"median of at most {LATENCY_ROWS} rows, one at a time. Sequences/s: at most {THROUGHPUT_ROWS} rows in "
        f"batches of {BATCH_SIZE} by length, padded to the longest of the batch.",
        f"FP32 and each candidate took turns at every row and batch, {REPEATS} times over: a speed-up compares the "
        "same minutes, while times of two candidates may be of different ones. The picture's latency is FP32's over "
        "the speed-up.",
        f"Versions: {versions}." if versions else "",
    ]
    return "\n".join(f"- {line}" for line in lines if line)
