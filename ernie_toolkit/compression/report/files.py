"""The three files of a compression report: for programs, for people, for people in a hurry."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ernie_toolkit.compression.report.metrics import best_tradeoffs, shown_metrics
from ernie_toolkit.compression.report.model import FORMAT_VERSION, REPORT_NAME, Candidate, Report
from ernie_toolkit.compression.report.plot import plot_report
from ernie_toolkit.compression.report.recommendation import recommended
from ernie_toolkit.compression.report.table import report_page
from ernie_toolkit.files.transactions import transaction


def report_json(report: Report) -> dict[str, Any]:
    """The report as JSON: `Report`, and for each model what the page shows of it beside what was measured.

    A model has `change` too, points of the metric above FP32's, `latency_ratio` and `throughput_ratio`, how many times
    FP32's speed, and `best_tradeoff`, whether it is one of `best_tradeoffs`; the report has `recommended`, the name of
    the model to deploy for each workload. Readers of the file compute them anew.
    """
    front = {item.name for item in best_tradeoffs(report)}

    def described(item: Candidate) -> dict[str, Any]:
        found = shown_metrics(report, item)
        return asdict(item) | {
            "change": found.change,
            "latency_ratio": found.latency_ratio,
            "throughput_ratio": found.throughput_ratio,
            "best_tradeoff": item.name in front,
        }

    models = {"baseline": described(report.baseline), "candidates": [described(item) for item in report.candidates]}
    chosen = {"recommended": {workload: item.name for workload, item in recommended(report).items()}}
    return {"format_version": FORMAT_VERSION} | asdict(report) | models | chosen


def write_report(report: Report, directory: Path, name: str = REPORT_NAME) -> None:
    """Write a report's `.json`, `.md` and `.png`, together or not at all.

    Args:
        report: The whole report, or what there is of it so far.
        directory: Gets the three files.
        name: Of the files, without the suffix.
    """
    with transaction(directory) as files:
        files.write_json(directory / f"{name}.json", report_json(report))
        files.write_text(directory / f"{name}.md", report_page(report, f"{name}.png"))
        plot_report(report, files.path(directory / f"{name}.png"))
