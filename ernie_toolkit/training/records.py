"""What a run records for its readers: metrics.json, the training curve, versions."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ernie_toolkit import __version__
from ernie_toolkit.console import say
from ernie_toolkit.errors import ModelError
from ernie_toolkit.files import replaced_file
from ernie_toolkit.files.parsing import read_json_object
from ernie_toolkit.files.transactions import finish_transaction
from ernie_toolkit.formats.escapes import terminal_line

METRICS_FILE, EVALUATION_FILE, CURVE_FILE = "metrics.json", "eval_results.json", "training_curve.png"
METRICS_REMEDY = "delete it, or evaluate the model again"
PACKAGES = (
    "paddlepaddle",
    "paddlepaddle-gpu",
    "paddlenlp",
    "paddle2onnx",
    "onnxruntime",
    "openvino",
    "nncf",
    "tokenizers",
    "numpy",
)


def versions() -> dict[str, str]:
    """Return the versions of Python, the toolkit and those packages that affect results and are installed."""
    found = {"python": platform.python_version(), "ernie_toolkit": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # either of the CPU and the GPU build is there, not both
    return found


def read_metrics(directory: Path) -> dict[str, Any]:
    """Read a model's `metrics.json`; return an empty dictionary where there is none."""
    finish_transaction(directory)
    path = directory / METRICS_FILE
    if not path.is_file():
        return {}
    value = read_json_object(path, ModelError, METRICS_REMEDY)
    for name, kind in (("settings", dict), ("warnings", list), ("metrics", dict)):
        if not isinstance(value.get(name, kind()), kind):
            raise ModelError(f"{path}: {name} is not a {kind.__name__}: {METRICS_REMEDY}")
    return value


def print_metrics(metrics: Mapping[str, float], path: Path) -> None:
    """Print the metrics of the dev set in one line, and details ("PER/f1") as a table below it.

    Args:
        metrics: Metrics by name.
        path: The file that has them, for the line.
    """
    say(f"dev: {', '.join(f'{name} {value:.4f}' for name, value in metrics.items() if '/' not in name)} ({path})")
    rows: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        if "/" in name:
            row, _, column = name.rpartition("/")
            rows.setdefault(row, {})[column] = value
    if rows:
        columns = list(next(iter(rows.values())))
        width = max(map(len, rows))
        say("  " + " " * width + "".join(f"{column:>11}" for column in columns))
        for row, values in rows.items():
            cells = (
                f"{value:>11.0f}" if column == "support" else f"{value:>11.4f}" for column, value in values.items()
            )
            say(f"  {row:<{width}}" + "".join(cells))


def plot_training_curve(history: Sequence[dict[str, Any]], metric: str, title: str, path: Path, best_step: int) -> None:
    """Draw training loss and dev metric against steps into a PNG file.

    Args:
        history: Log entries with `step` and either `loss` or `eval_<metric>`.
        metric: The metric's name.
        title: The picture's title.
        path: The picture.
        best_step: The step whose weights are kept.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    losses = [(entry["step"], entry["loss"]) for entry in history if "loss" in entry]
    scores = [(entry["step"], entry[f"eval_{metric}"]) for entry in history if f"eval_{metric}" in entry]
    figure = Figure(figsize=(7.2, 4.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    left = figure.add_subplot()
    left.plot(*zip(*losses, strict=True), color="#9aa5b1", linewidth=1.6, label="training loss") if losses else None
    left.set(xlabel="step", ylabel="training loss")
    left.set_title(terminal_line(title), parse_math=False)  # a path may have "$" in it, which begins a formula
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.spines[["top"]].set_visible(False)
    left.set_ylim(bottom=0)
    right = left.twinx()
    right.spines[["top"]].set_visible(False)
    right.set_ylabel(f"dev {metric}", color="#1f6feb")
    if scores:
        steps, values = zip(*scores, strict=True)
        right.plot(steps, values, color="#1f6feb", marker="o", markersize=4.5, linewidth=1.8, label=f"dev {metric}")
        best = steps.index(best_step)
        right.annotate(
            f"{values[best]:.4f}",
            (steps[best], values[best]),
            textcoords="offset points",
            xytext=(0, 7),
            ha="center",
            color="#1f6feb",
        )
        right.margins(y=0.2)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    with replaced_file(path) as temporary:
        figure.savefig(temporary, format="png")
