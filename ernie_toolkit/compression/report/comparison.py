"""Several compression reports side by side: model variants against data sets, as published tables show them."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from statistics import fmean

from ernie_toolkit.compression.report.metrics import change_text, points
from ernie_toolkit.compression.report.model import OPENVINO, Candidate, Report, read_report
from ernie_toolkit.compression.report.table import MISSING, markdown_table, metric_name
from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.formats.escapes import markdown_text
from ernie_toolkit.models.sizes import Shares, parse_depth, parse_width
from ernie_toolkit.tasks import TASKS

FORMS = (
    "",
    "FP16",
    "INT8 embeddings",
    "INT8",
    "INT8 + embeddings",
    "OpenVINO FP32",
    "OpenVINO BF16",
    "OpenVINO INT8",
    "OpenVINO INT8 + embeddings",
)
Variant = tuple[bool, Fraction, Fraction, int]  # whether its vocabulary was cut, width, depth, place in FORMS


def read_reports(paths: Iterable[Path]) -> list[Report]:
    """The reports in these files, in their order.

    Raises:
        ModelError: As `read_report`.
        ConfigError: Where two are on the same data set.
    """
    found: dict[str, tuple[Path, Report]] = {}
    for path in paths:
        report = read_report(path)
        if report.dataset in found:
            other = found[report.dataset][0]
            raise ConfigError(f"{other} and {path} are both on {report.dataset}: give one report for each data set")
        found[report.dataset] = (path, report)
    return [report for _, report in found.values()]


def comparison_table(reports: Sequence[Report]) -> str:
    """A Markdown table: model variants by data sets, with their averages and what these lie off FP32's.

    Metrics are times 100, on the dev sets; averages are those of the metrics shown, and differences those of the
    averages shown. Of the kept candidates of a size, a precision and a kind of embeddings the best by the task's own
    metric counts. What QAT has trained counts in INT8, which it was trained for, and not in FP32. Reading comprehension
    shows EM/F1, and EM counts in the average. A variant that a report lacks has "-" there and no average.

    Args:
        reports: One for each data set, a column each.

    Raises:
        ConfigError: Without reports, or on a width or depth that is none.
        ModelError: Where a report lacks a metric.
    """
    if not reports:
        raise ConfigError("no report to compare: give one compress_report.json at least")
    models = [_variants(report) for report in reports]
    order = sorted(
        {variant for found in models for variant in found}, key=lambda key: (key[0], -key[2], -key[1], key[3])
    )
    full = _average(reports, [found[_FP32] for found in models])
    rows = []
    for variant in order:
        items = [found.get(variant) for found in models]
        present = [item for item in items if item is not None]
        average = _average(reports, present) if len(present) == len(reports) else None
        cells = [_cell(report, item) for report, item in zip(reports, items, strict=True)]
        off = MISSING if average is None or variant == _FP32 else change_text(round(average - full, 2) + 0.0)
        rows.append([_label(variant), *cells, MISSING if average is None else f"{average:.2f}", off])
    header = [
        "model",
        *(markdown_text(f"{report.dataset} ({_metric(report)})") for report in reports),
        "average",
        "against FP32",
    ]
    notes = [_sample_note(report) for report in reports if report.data_source == "sample"]
    return "\n\n".join([markdown_table(header, rows), *notes]) + "\n"


_FP32: Variant = (False, Fraction(1), Fraction(1), 0)


def _variants(report: Report) -> dict[Variant, Candidate]:
    found = {_FP32: report.baseline}
    for item in report.candidates:
        key = _variant(item, report)
        if key == _FP32 or not item.kept or (item.precision == "fp32" and item.method == "qat"):
            continue
        if key not in found or _points(report, item) > _points(report, found[key]):
            found[key] = item
    return found


def _variant(item: Candidate, report: Report) -> Variant:
    form = "FP16" if item.precision == "fp16" else ""
    if item.precision == "int8":
        # Without a method only the tables were quantized.
        form = "INT8" if item.method else ""
        if item.embeddings:
            form = f"{form} + embeddings" if form else "INT8 embeddings"
    if item.engine == OPENVINO:
        form = f"OpenVINO {form or item.precision.upper()}"
    cut = item.vocabulary < report.baseline.vocabulary
    return cut, parse_width(item.width), parse_depth(item.depth), FORMS.index(form)


def _label(variant: Variant) -> str:
    cut, width, depth, form = variant
    parts = [Shares(width, depth).text, "cut vocabulary" if cut else "", FORMS[form]]
    return " + ".join(part for part in parts if part) or "FP32"


def _points(report: Report, item: Candidate, metric: str = "") -> float:
    name = metric or report.metric
    value = points(item, name)
    if value is None:
        raise ModelError(f"the report on {report.dataset} has no {name} of {item.name}: compress the model again")
    return value


def _published(report: Report) -> Mapping[str, str]:
    """The metrics of a report's column with their headings: those of its task's tables, else the one it compares by."""
    task = TASKS.get(report.task)
    return (task and task.published_metrics) or {report.metric: metric_name(report.metric)}


def _metric(report: Report) -> str:
    return "/".join(_published(report).values())


def _cell(report: Report, item: Candidate | None) -> str:
    if item is None:
        return MISSING
    return "/".join(f"{_points(report, item, metric):.2f}" for metric in _published(report))


def _average(reports: Sequence[Report], items: Sequence[Candidate]) -> float:
    pairs = zip(reports, items, strict=True)
    return round(fmean(_points(report, item, next(iter(_published(report)))) for report, item in pairs), 2)


def _sample_note(report: Report) -> str:
    name = markdown_text(report.dataset)
    return f"{name}: the toolkit's generated sample; its figures say nothing about the real data set."
