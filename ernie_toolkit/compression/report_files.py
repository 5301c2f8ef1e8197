"""The three files of a compression report: for programs, for people, for people in a hurry."""

from dataclasses import asdict
from pathlib import Path

from ernie_toolkit.compression.report import FORMAT_VERSION, PLOT_FILE, REPORT_FILE, TABLE_FILE, Report
from ernie_toolkit.compression.report_plot import plot_report
from ernie_toolkit.compression.report_table import report_page
from ernie_toolkit.files import write_json, write_text


def write_report(report: Report, directory: Path) -> None:
    """Write `compress_report.json`, `.md` and `.png` into a directory, each whole or not at all."""
    write_json(directory / REPORT_FILE, {"format_version": FORMAT_VERSION} | asdict(report))
    write_text(directory / TABLE_FILE, report_page(report, PLOT_FILE))
    plot_report(report, directory / PLOT_FILE)
