"""Fine-tune models on the data sets of CLUE with every combination of a grid, and keep the best of each.

python clue/grid_search.py --models ernie-3.0-medium-zh --datasets all --data_dir DIR
python clue/grid_search.py --models DIR DIR --datasets afqmc tnews --data_dir DIR --ray_address auto

The same command again goes on where it was cut off: what is finished is not trained again.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.arguments.settings import add_options, resolve_options
from ernie_toolkit.clue_benchmark.grid import read_grid
from ernie_toolkit.clue_benchmark.options import GridOptions, check_grid_options
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    parser = OneLineParser(prog="grid_search.py", description=__doc__)
    add_options(parser, GridOptions)
    return parser


def main(argv: Sequence[str]) -> int:
    """Plan the trials, run those that are not finished, export the best ones; gives the exit code."""
    parser = build_parser()
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        options = check_grid_options(resolve_options(GridOptions, {}, given))
        beside = Path(__file__).with_name("grid.yml")  # where the script is called from elsewhere
        config = beside if "config" not in vars(given) and not Path(options.config).exists() else Path(options.config)
        grids = read_grid(config, options.datasets)

        from ernie_toolkit.clue_benchmark.runners import check_published, runner
        from ernie_toolkit.clue_benchmark.search import check_data, report_best, report_plan, search
        from ernie_toolkit.clue_benchmark.trials import LOCK_FILE, locked, plan_cells

        cells, results = plan_cells(options, grids), Path(options.output_dir)
        with locked(results / LOCK_FILE, f"{results}: another grid search writes there: wait for it, or give another"):
            check_data(cells, results)
            check_published(options.models)
            report_plan(cells)
            with runner(options) as run:
                failed = search(cells, options, run)
        report_best(cells, failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
