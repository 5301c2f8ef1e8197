"""Make new training rows from labelled ones.

python multi_label/analysis/aug.py --train_path data/train.txt --aug_path data/aug.txt --aug_type synonym
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.arguments.options import DEVICES, device_of, option
from ernie_toolkit.arguments.settings import add_options, resolve_options
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, say
from ernie_toolkit.data.label_sets import split_line, write_label_sets
from ernie_toolkit.data.lines import read_lines
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.ranges import SEED, Range
from ernie_toolkit.multi_label.analysis.augmentation import (
    MIX,
    REPLACERS,
    STRATEGIES,
    TYPES,
    augment,
    check_augmentation,
)
from ernie_toolkit.multi_label.checks import check_targets, usual_files
from ernie_toolkit.training.devices import use_device


@dataclass(frozen=True)
class AugmentationOptions:
    """What is made of what."""

    train_path: str = option("../data/train.txt", "labelled file: text<TAB>label,label", parse=path_text)
    aug_path: str = option("../data/aug.txt", "file for the new rows", parse=path_text)
    aug_strategy: str = option("substitute", "what is done to words; mix: one of these each time", (*STRATEGIES, MIX))
    aug_type: str = option("synonym", "words that come in: synonyms, homonyms, or a masked language model's", TYPES)
    create_n: int = option(2, "new rows for each row, where so many can be made", allowed=Range(1, 1000))
    aug_percent: float = option(
        0.1, "share of a text's words that are touched, one at least", allowed=Range(0, 1, above=True)
    )
    params_path: str = option(
        "", "mlm: directory of a pretrained ERNIE model with its masked-language-model head", parse=path_text
    )
    device: str = option("", "mlm: device to compute on", parse=device_of(*DEVICES))
    seed: int = option(3, "seed of the choices", allowed=SEED)


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    parser = OneLineParser(prog="aug.py", description=__doc__)
    add_options(parser, AugmentationOptions)
    add_guide_flags(parser, "multi_label/analysis/aug.py")
    return parser


def main(argv: Sequence[str]) -> None:
    """Parse arguments, augment, write."""
    parser = build_parser()
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        options = resolve_options(AugmentationOptions, {}, given)
        check_augmentation(options.aug_strategy, options.create_n, options.aug_percent)
        if (options.aug_type == "mlm") != bool(options.params_path):
            raise ConfigError("--aug_type mlm and --params_path go together: give both, or neither")
        source = Path(options.train_path)
        check_targets({"aug_path": Path(options.aug_path)}, {**usual_files(source.parent), "train_path": source})
        rows = []
        for number, line in read_lines(Path(options.train_path)):
            text, labels = split_line(line, f"{options.train_path}:{number}")
            rows.append({"sentence": text, "labels": labels})
        if not rows:
            raise DataError(f"{options.train_path}: no rows: write text<TAB>label,label, one row a line")
        if options.aug_type == "mlm":
            use_device(options.device or None)
            from ernie_toolkit.multi_label.analysis.masked_model import MaskedModel

            replace = MaskedModel(Path(options.params_path))
        else:
            replace = REPLACERS[options.aug_type]
        made = augment(rows, options.aug_strategy, replace, options.create_n, options.aug_percent, options.seed)
        write_label_sets(Path(options.aug_path), made)
        say(f"{options.aug_path}: {len(made)} new rows from {len(rows)}")


if __name__ == "__main__":
    main(sys.argv[1:])
