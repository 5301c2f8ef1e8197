"""Doccano's exports to a multi-label data directory, and back to label rows again.

python multi_label/doccano.py --doccano_file all.jsonl --save_dir data --splits 0.8 0.1 0.1
python multi_label/doccano.py --doccano_file all.jsonl --save_dir data --task_type hierarchical --separator "##"
python multi_label/doccano.py --to_doccano data/train_dirty.txt --doccano_file relabel.jsonl
"""

import sys
from collections.abc import Sequence

from ernie_toolkit.arguments.settings import resolve_options, script_parser
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.multi_label.doccano import DoccanoOptions, check_doccano_options, from_doccano, to_doccano


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    return script_parser("multi_label/doccano.py", __doc__, DoccanoOptions)


def main(argv: Sequence[str]) -> None:
    """Parse arguments, convert."""
    parser = build_parser()
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        options = resolve_options(DoccanoOptions, {}, given)
        check_doccano_options(options, list(vars(given)))
        if options.to_doccano:
            to_doccano(options)
        else:
            from_doccano(options)


if __name__ == "__main__":
    main(sys.argv[1:])
