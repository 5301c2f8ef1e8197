"""A compression report as a picture: quality against latency, marks as large as the files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ernie_toolkit.compression.report.metrics import best_tradeoffs, megabytes_text, shown_metrics
from ernie_toolkit.compression.report.model import ENGINE_NAMES, ONNX_RUNTIME, OPENVINO, Candidate, Report
from ernie_toolkit.compression.report.recommendation import allowed_loss
from ernie_toolkit.compression.report.table import STAR, metric_name
from ernie_toolkit.files import replaced_file
from ernie_toolkit.formats.escapes import terminal_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INCHES, DPI = (9.6, 5.6), 120
COLOURS = {"fp32": "#6e7781", "bf16": "#1a7f37", "int8": "#1f6feb", "fp16": "#c4740a"}
# Shapes by engine.
MARKERS = {ONNX_RUNTIME: "o", OPENVINO: "s"}
INK, FAINT, WARNING, ALLOWED = "#24292f", "#afb8c1", "#b42318", "#e6f4ea"
# Points squared of the largest file's disc and of candidates that are neither kept nor on the front.
LARGEST_DISC, SMALL_DISC = 620.0, 22.0
# Above this span of latencies an axis from 0 would press the fast models together.
LOG_SPAN = 8.0
# The metric's axis covers as many points at least: a loss of a tenth looks like the little that it is.
LEAST_POINTS = 5.0

# Shares of the picture: the axes' left, bottom, width and height; where names begin, and between which heights.
AXES = (0.085, 0.235, 0.545, 0.64)
LABELS_X, LABELS_Y, LABEL_GAP, LONGEST_NAME = 0.655, (0.14, 0.86), 0.0245, 50
SIZES: dict[str, Any] = {"color": "#eaeef2", "markeredgecolor": FAINT}

Timed = list[tuple[float, float, Candidate]]  # latency in ms, metric in hundredths


def plot_report(report: Report, path: Path) -> None:
    """Draw a report (see `draw_report`) into a PNG of 1152 x 672.

    Args:
        report: The report.
        path: Where the picture is written.
    """
    with replaced_file(path) as temporary:
        draw_report(report).savefig(temporary, format="png")


def draw_report(report: Report) -> "Figure":
    """The dev metric (y, in hundredths) against the latency of one sequence (x, ms).

    Both are the numbers of the page's table. The latency's axis begins at 0, or is logarithmic and says so; that of
    the metric covers `LEAST_POINTS` at least, with the loss that `max_drop` allows shaded. The best trade-offs are
    joined by a line; they and the kept ones are named beside the axes. Candidates without a latency are left out.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=INCHES, dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes(AXES)
    points = picture_points(report)
    best = best_tradeoffs(report)
    front = [point for point in points if any(point[2] is item for item in best)]
    named = [point for point in points if point in front or point[2].kept or point[2] is report.baseline]
    areas = _areas(points)
    _scale(axes, report, points)
    _draw_models(axes, report, points, named, front, areas)
    _headings(figure, axes, report)
    _legends(figure, report, points, named)
    _name(axes, named, front, areas, report)
    return figure


def picture_points(report: Report) -> Timed:
    """What is drawn: latency in ms, metric in points, and the model; those without either are left out."""
    found = []
    for item in (report.baseline, *report.candidates):
        shown = shown_metrics(report, item)
        if shown.latency_ms is not None and shown.metric is not None:
            found.append((shown.latency_ms, shown.metric, item))
    return found


def _areas(points: Timed) -> dict[str, float]:
    """Points squared of each model's disc, by its name."""
    largest = max((item.size for _, _, item in points), default=1)
    return {item.name: max(LARGEST_DISC * item.size / max(largest, 1), 8.0) for _, _, item in points}


def _scale(axes: "Axes", report: Report, points: Timed) -> None:
    """Limits that show differences at their size, with room for discs and names."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    latencies = [x for x, _, _ in points] or [1.0]
    low, high = min(latencies), max(latencies)
    kind = "from 0"
    if high > LOG_SPAN * low:
        kind = "logarithmic"
        axes.set_xscale("log")
        margin = (high / low) ** 0.13
        axes.set_xlim(low / margin, high * margin)
        ticks = _round_values(low / margin, high * margin)
        axes.set_xticks(ticks)
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.set_xlim(0, 1.13 * high)
    axes.set_xlabel(f"latency of one sequence, ms (left is faster; axis {kind})", color=INK)
    bottom, top = metric_limits([y for _, y, _ in points] or [100.0], allowed_loss(report))
    axes.set_ylim(bottom, top)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 2.5, 5, 10]))
    reach = "from 0" if bottom <= 0 else f"of {top - bottom:.1f} points, not from 0"
    axes.set_ylabel(
        f"dev {terminal_line(metric_name(report.metric))} x 100 (axis {reach})", color=INK, parse_math=False
    )


def metric_limits(values: Sequence[float], loss: float) -> tuple[float, float]:
    """Where the metric's axis begins and ends, in points: over all values and an allowed loss, never narrow.

    Args:
        values: The metrics that are drawn, in points.
        loss: Points that may be lost.
    """
    low, high = min(values), max(values)
    span = max(1.28 * (high - low), LEAST_POINTS, 6 * loss)
    middle = (low + high) / 2
    top = min(middle + span / 2, max(high, 100.0) + 0.06 * span)  # a disc at 100 is whole
    bottom = top - span
    return (0.0, span) if low >= 0 and bottom < 0 and high < span else (bottom, top)


def _round_values(low: float, high: float) -> list[float]:
    """The values 1, 2, 5, 10, 20, ... of a range, and 1.5, 3, 7, ... too where those are few."""
    for steps in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
        decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
        values = [step * 10.0**decade for decade in decades for step in steps]
        values = [value for value in values if low <= value <= high]
        if len(values) > 3:
            break
    return values


def _draw_models(
    axes: "Axes", report: Report, points: Timed, named: Timed, front: Timed, areas: dict[str, float]
) -> None:
    axes.grid(color="#eaeef2", linewidth=0.8)
    axes.set_axisbelow(True)
    level = shown_metrics(report, report.baseline).metric
    if level is not None:
        axes.axhline(level, color=COLOURS["fp32"], linewidth=1, dashes=(5, 4))
        axes.axhspan(level - allowed_loss(report), level, color=ALLOWED, linewidth=0, zorder=0)
    line = sorted(front, key=lambda point: point[:2])
    axes.plot([x for x, _, _ in line], [y for _, y, _ in line], color=FAINT, linewidth=1.6, zorder=2)
    for x, y, item in points:
        if (x, y, item) not in named:
            shape: dict[str, Any] = {"marker": MARKERS[item.engine], "linewidths": 0}
            axes.scatter(x, y, SMALL_DISC, COLOURS[item.precision], alpha=0.35, zorder=3, **shape)
    for x, y, item in sorted(named, key=lambda point: -areas[point[2].name]):
        edge = INK if item.kept or item is report.baseline else "white"
        shape = {"marker": MARKERS[item.engine], "edgecolors": edge, "linewidths": 1.1}
        axes.scatter(x, y, areas[item.name], COLOURS[item.precision], alpha=0.9, zorder=4, **shape)


def _headings(figure: "Figure", axes: "Axes", report: Report) -> None:
    name = metric_name(report.metric)
    threads = f"{report.threads} thread{'s' if report.threads != 1 else ''}"
    left = axes.get_position().x0
    title = terminal_line(f"{report.dataset}: {name} against latency")
    figure.text(left, 0.945, title, fontsize=13, fontweight="bold", color=INK, parse_math=False)
    source, colour = f"{report.strategy}, {threads} of {report.processor}", "#57606a"
    if report.data_source == "sample":
        source, colour = f"{source}; generated sample, says nothing about the real data", WARNING
    figure.text(left, 0.9, terminal_line(source)[:150], fontsize=8.5, color=colour, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors="#57606a", which="both")


def _legends(figure: "Figure", report: Report, points: Timed, named: Timed) -> None:
    """Below the axes: what colours, edges and lines mean, and how large a disc is for how large a file."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    def disc(label: str, area: float, **settings: Any) -> Line2D:
        shape: dict[str, Any] = {"marker": "o", "linestyle": "none", "markersize": area**0.5, "markeredgewidth": 1.1}
        return Line2D([], [], label=label, **{**shape, "markeredgecolor": "white", **settings})

    found = [name for name in COLOURS if any(item.precision == name for _, _, item in points)]
    entries: list[Any] = [disc(name.upper(), 70, color=COLOURS[name]) for name in found]
    engines = [name for name in MARKERS if any(item.engine == name for _, _, item in points)]
    if len(engines) > 1:
        grey = {"color": "none", "markeredgecolor": FAINT}
        entries += [disc(ENGINE_NAMES[name], 70, marker=MARKERS[name], **grey) for name in engines]
    entries.append(disc("kept", 70, color="none", markeredgecolor=INK))
    if len(named) < len(points):
        entries.append(disc("other candidates", SMALL_DISC, color=COLOURS["int8"], alpha=0.35, markeredgewidth=0))
    entries.append(Line2D([], [], color=FAINT, linewidth=1.6, label=f"{STAR} best trade-offs"))
    entries.append(Line2D([], [], color=COLOURS["fp32"], linewidth=1, dashes=(4, 3), label="FP32's quality"))
    loss = allowed_loss(report)
    if loss:
        entries.append(Patch(color=ALLOWED, label=f"up to {loss:g} less"))
    shared = {"frameon": False, "fontsize": 8.5, "labelcolor": INK, "borderpad": 0}
    figure.legend(
        handles=entries, loc="center left", bbox_to_anchor=(AXES[0], 0.07), ncols=4, columnspacing=1.5, **shared
    )
    largest = max((item.size for _, _, item in points), default=0)
    if largest:
        discs = [
            disc(f"{megabytes_text(report, share * largest)} MB{note}", share * LARGEST_DISC, **SIZES)
            for share, note in ((1.0, " on disk"), (0.5, ""), (0.2, ""))
        ]
        figure.legend(
            handles=discs,
            loc="center left",
            bbox_to_anchor=(LABELS_X, 0.07),
            ncols=len(discs),
            handletextpad=0.8,
            columnspacing=0.8,
            **shared,
        )


def _name(axes: "Axes", named: Timed, front: Timed, areas: dict[str, float], report: Report) -> None:
    """Write names in a column beside the axes, each joined to its disc by a line."""
    ordered = sorted(named, key=lambda point: (point[1], -point[0]))
    if not ordered:
        return
    heights = axes.transData.transform([(x, y) for x, y, _ in ordered])[:, 1] / (DPI * INCHES[1])
    low, high = LABELS_Y
    gap = min(LABEL_GAP, (high - low) / max(len(ordered) - 1, 1))
    for (x, y, item), height in zip(ordered, spread_out(heights.tolist(), low, high, gap), strict=True):
        name = terminal_line(item.name)[:LONGEST_NAME]
        axes.annotate(
            f"{name} {STAR}" if (x, y, item) in front else name,
            (x, y),
            (LABELS_X, height),
            textcoords="figure fraction",
            fontsize=8 * gap / LABEL_GAP,
            weight="bold" if item.kept or item is report.baseline else "normal",
            color=INK,
            va="center",
            parse_math=False,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": "#8c959f",
                "linewidth": 0.7,
                "relpos": (0.0, 0.5),
                "shrinkA": 2,
                "shrinkB": areas[item.name] ** 0.5 / 2,
            },
        )


def spread_out(places: Sequence[float], low: float, high: float, gap: float) -> list[float]:
    """Places near some given ones, in their order, that do not come too close to each other.

    Args:
        places: In ascending order, no more of them than there is room for.
        low: The least that a place may be.
        high: The most that a place may be.
        gap: How far two lie apart at least.
    """
    found: list[float] = []
    for place in places:
        found.append(max(place, found[-1] + gap if found else low))
    limit = high
    for index in reversed(range(len(found))):
        found[index] = min(found[index], limit)
        limit = found[index] - gap
    return found
