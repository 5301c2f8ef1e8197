"""Make new training rows from labelled ones.

python multi_label/analysis/aug.py --train_path data/train.txt --aug_path data/aug.txt --aug_type synonym
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.arguments.settings import resolve_options, script_parser
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, say
from ernie_toolkit.data.label_sets import write_label_sets
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.multi_label.analysis.augmentation import REPLACERS, Replace, augment, read_rows
from ernie_toolkit.multi_label.analysis.options import AugmentationOptions
from ernie_toolkit.multi_label.checks import check_targets, usual_files
from ernie_toolkit.training.devices import use_device


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    return script_parser("multi_label/analysis/aug.py", __doc__, AugmentationOptions)


def main(argv: Sequence[str]) -> None:
    """Read the rows, choose where new words come from, augment, write."""
    parser = build_parser()
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        options = resolve_options(AugmentationOptions, {}, given)
        if (options.aug_type == "mlm") != bool(options.params_path):
            raise ConfigError("--aug_type mlm and --params_path go together: give both, or neither")
        source, target = Path(options.train_path), Path(options.aug_path)
        check_targets({"aug_path": target}, {**usual_files(source.parent), "train_path": source})
        rows = read_rows(source)
        replace: Replace
        if options.aug_type == "mlm":
            use_device(options.device or None)
            from ernie_toolkit.multi_label.analysis.masked_model import MaskedModel

            replace = MaskedModel(Path(options.params_path))
        else:
            replace = REPLACERS[options.aug_type]
        made = augment(rows, options.aug_strategy, replace, options.create_n, options.aug_percent, options.seed)
        write_label_sets(target, made)
        say(f"{options.aug_path}: {len(made)} new rows from {len(rows)}")


if __name__ == "__main__":
    main(sys.argv[1:])
