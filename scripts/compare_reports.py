"""Print one table out of several compression reports: model variants against data sets, with averages.

    python scripts/compare_reports.py best_models/*/compress_report.json [--output table.md]

Numbers are dev metrics times 100; reading comprehension shows EM/F1, and EM counts in the average. A variant
that a report lacks has "-" there, and no average.
"""

from pathlib import Path

from ernie_toolkit.compression.report.comparison import comparison_table, read_reports
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.files import write_text
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.escapes import terminal_lines


def main() -> None:
    """Read the reports, print the table, and write it to `--output`."""
    parser = OneLineParser(prog="compare_reports.py", description=__doc__)
    parser.add_argument("reports", type=path_text, nargs="+", help="compress_report.json of each data set")
    parser.add_argument("--output", type=path_text, help="write the table to this Markdown file too")
    args = parser.parse_args()
    with exit_on_toolkit_error(parser.prog):
        table = comparison_table(read_reports([Path(name) for name in args.reports]))
        if args.output:
            write_text(Path(args.output), table)
        print(terminal_lines(table), end="")


if __name__ == "__main__":
    main()
