"""Show what a grid search has reached: a table of all models, the best settings, and a zip for CLUE's server.

python clue/table.py clue_results
python clue/table.py clue_results --submission out.zip --submitted_model ernie-3.0-medium-zh
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.arguments.settings import add_options, resolve_options
from ernie_toolkit.clue_benchmark.options import TableOptions
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, notice
from ernie_toolkit.files.paths import path_text


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    parser = OneLineParser(prog="table.py", description=__doc__)
    parser.add_argument("results", type=path_text, help="the --output_dir of grid_search.py")
    add_options(parser, TableOptions)
    return parser


def main(argv: Sequence[str]) -> None:
    """Print the tables, write the zip."""
    parser = build_parser()
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        options = resolve_options(TableOptions, {}, given)

        from ernie_toolkit.clue_benchmark.submission import chosen_model, write_submission
        from ernie_toolkit.clue_benchmark.table import FORMATS, read_rows
        from ernie_toolkit.files import check_output_file

        if options.submission:
            check_output_file(Path(options.submission))
        results = Path(given.results)
        rows = read_rows(results)
        print(FORMATS[options.format](rows), end="", flush=True)
        if options.submission:
            model = chosen_model(rows, options.submitted_model)
            notice(*write_submission(Path(options.submission), results, model, options.partial))


if __name__ == "__main__":
    main(sys.argv[1:])
