"""Quality against latency as a picture: a row of panels for each engine, of each batch size and thread count one."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ernie_toolkit.clue_benchmark.latency import Point
from ernie_toolkit.compression.report.plot import FAINT, INK, WARNING, spread_out
from ernie_toolkit.files import replaced_file
from ernie_toolkit.formats.escapes import terminal_line
from ernie_toolkit.inference.engines.base import ENGINES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 110
# In inches: a panel's height, its axes within it, what is above and below all panels and left of them; what a panel has
# beside axes and names, and a letter of a name.
PANEL_HEIGHT, AXES, TOP, BOTTOM, LEFT = 3.1, (2.35, 2.2), 1.0, 0.1, 0.75
ENGINE_NAMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "paddle_inference": "Paddle Inference"}
MODEL_COLOUR, COMPRESSED_COLOUR = "#1f6feb", "#1a7f37"
# Shares of a panel's height: names are so far from each other at least, or nearer where there are many.
GAP, LONGEST_NAME = 0.075, 40
LEAST_POINTS = 2.0
BETWEEN, LETTER = 0.85, 0.066


def parameters_text(parameters: int | None) -> str:
    """A number of weights for people: 118M; empty where it is not known."""
    if parameters is None:
        return ""
    for size, unit in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if parameters >= size:
            return f"{parameters / size:.3g}{unit}"
    return str(parameters)


def draw_points(points: Sequence[Point], path: Path, quality: str, texts: str) -> None:
    """Draw what was measured into a PNG.

    Args:
        points: What was measured.
        path: The picture.
        quality: What the axis of quality shows.
        texts: What latency was measured on, for the line below the title.
    """
    with replaced_file(path) as temporary:
        figure_of(points, quality, texts).savefig(temporary, format="png")


def figure_of(points: Sequence[Point], quality: str, texts: str) -> "Figure":
    """The figure of `draw_points`.

    Args:
        points: What was measured.
        quality: What the axis of quality shows.
        texts: What latency was measured on.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    engines = [name for name in ENGINES if any(point.engine == name for point in points)]
    columns = sorted({(point.batch_size, point.threads) for point in points})
    panel = AXES[0] + BETWEEN + LETTER * max(len(_label(point)) for point in points)
    width, height = LEFT + panel * len(columns), TOP + PANEL_HEIGHT * len(engines) + BOTTOM
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(
        LEFT / width,
        1 - 0.4 / height,
        terminal_line(f"{quality} against latency"),
        fontsize=13,
        fontweight="bold",
        color=INK,
        parse_math=False,
    )
    colour = WARNING if "sample" in texts else "#57606a"
    figure.text(LEFT / width, 1 - 0.68 / height, terminal_line(texts), fontsize=8.5, color=colour, parse_math=False)
    if any(point.compressed for point in points):
        figure.text(
            1 - 0.3 / width, 1 - 0.4 / height, "square: compressed, or another bundle", ha="right", fontsize=8.5
        )
    low, high = _quality_limits(points)
    for row, engine in enumerate(engines):
        for column, (size, threads) in enumerate(columns):
            left = (LEFT + column * panel) / width
            bottom = 1 - (TOP + row * PANEL_HEIGHT + AXES[1]) / height
            axes = figure.add_axes((left, bottom, AXES[0] / width, AXES[1] / height))
            chosen = [
                point for point in points if (point.engine, point.batch_size, point.threads) == (engine, size, threads)
            ]
            axes.set_ylim(low, high)
            _draw_panel(axes, chosen)
            title = f"{ENGINE_NAMES[engine]}, batch {size}, {threads} thread{'s' * (threads != 1)}"
            axes.set_title(title, fontsize=9, color=INK, loc="left")
            if column == 0:
                axes.set_ylabel(terminal_line(f"{quality} x 100")[:40], fontsize=8.5, color=INK, parse_math=False)
    return figure


def _quality_limits(points: Sequence[Point]) -> tuple[float, float]:
    """Where the axis of quality begins and ends, in hundredths, the same in all panels."""
    values = [100 * point.quality for point in points]
    middle, span = (min(values) + max(values)) / 2, max(1.4 * (max(values) - min(values)), LEAST_POINTS)
    low = max(middle - span / 2, -0.03 * span)  # a point at 0 is whole
    return low, low + span


def _draw_panel(axes: "Axes", points: Sequence[Point]) -> None:
    axes.grid(color="#eaeef2", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors="#57606a", which="both", labelsize=8)
    axes.set_xlabel("latency of a batch, ms (left is faster; axis from 0)", fontsize=8, color=INK)
    if not points:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color="#57606a")
        return
    axes.set_xlim(0, 1.1 * max(point.latency_ms for point in points))
    for point in points:
        axes.scatter(
            point.latency_ms,
            100 * point.quality,
            44,
            COMPRESSED_COLOUR if point.compressed else MODEL_COLOUR,
            marker="s" if point.compressed else "o",
            edgecolors="white",
            linewidths=0.8,
            zorder=3,
        )
    _name(axes, points)


def _name(axes: "Axes", points: Sequence[Point]) -> None:
    """Write names and sizes in a column beside the axes, each joined to its point by a line."""
    ordered = sorted(points, key=lambda point: (point.quality, -point.latency_ms, point.model))
    low, high = axes.get_ylim()
    heights = [(100 * point.quality - low) / (high - low) for point in ordered]
    gap = min(GAP, 1 / max(len(ordered) - 1, 1))
    for point, height in zip(ordered, spread_out(heights, 0.0, 1.0, gap), strict=True):
        axes.annotate(
            _label(point),
            (point.latency_ms, 100 * point.quality),
            (1.05, height),
            textcoords="axes fraction",
            fontsize=7.5 * min(1.0, gap / GAP + 0.1),
            color=INK,
            va="center",
            parse_math=False,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": "#8c959f",
                "linewidth": 0.6,
                "relpos": (0.0, 0.5),
                "shrinkA": 2,
                "shrinkB": 4,
            },
        )


def _label(point: Point) -> str:
    """A point's name, with its precision where that is not said, and its size."""
    size = parameters_text(point.parameters)
    precision = "" if point.precision == "fp32" or point.precision in point.model.lower() else point.precision
    words = (terminal_line(point.model)[:LONGEST_NAME], precision, f"({size})" if size else "")
    return " ".join(filter(None, words))
