"""Rank training rows by how suspicious their labels are.

python multi_label/analysis/dirty.py --dataset_dir data --params_path ./checkpoint/ --dirty_num 100
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.arguments.options import option
from ernie_toolkit.arguments.settings import add_options, resolve_options
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, say, warn
from ernie_toolkit.data.label_sets import label_sets_text
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.files.transactions import common_directory, transaction
from ernie_toolkit.formats.ranges import COUNT, SEED, Range
from ernie_toolkit.multi_label.analysis.wrong_labels import METHODS, most_suspicious, suspicion
from ernie_toolkit.multi_label.checks import check_targets, data_files
from ernie_toolkit.multi_label.options import TrainedOptions
from ernie_toolkit.training.devices import use_device


@dataclass(frozen=True)
class DirtyOptions(TrainedOptions):
    """What is looked for, and where it goes."""

    dataset_dir: str = option("../data", "directory with the training and label files", parse=path_text)
    params_path: str = option("../checkpoint/", "directory of a model trained on these rows", parse=path_text)
    dirty_num: int = option(100, "rows to write at most, the most suspicious first", allowed=COUNT)
    dirty_threshold: float = option(
        0.0, "rows with no higher score than this are not written", allowed=Range(-(10**9), 10**9)
    )
    dirty_file: str = option("train_dirty.txt", "file in --dataset_dir for the suspicious rows", parse=path_text)
    rest_file: str = option("train_dirty_rest.txt", "file in --dataset_dir for all other rows", parse=path_text)
    method: str = option(METHODS[0], "representer points' influence, or confident learning (cleanlab)", METHODS)
    seed: int = option(3, "seed of confident learning's folds", allowed=SEED)


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    parser = OneLineParser(prog="dirty.py", description=__doc__)
    add_options(parser, DirtyOptions, without=("dev_file",))
    add_guide_flags(parser, "multi_label/analysis/dirty.py")
    return parser


def main(argv: Sequence[str]) -> None:
    """Parse arguments, rank, write."""
    parser = build_parser()
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        options = resolve_options(DirtyOptions, {}, given)
        directory = Path(options.dataset_dir)
        targets = [directory / options.dirty_file, directory / options.rest_file]
        check_targets({"dirty_file": targets[0], "rest_file": targets[1]}, data_files(options))
        from ernie_toolkit.multi_label.trained import check_labels, check_params, load_trained
        from ernie_toolkit.multi_label.training import load_directory

        model = check_params(options.params_path)
        data = load_directory(options, ("train",))
        check_labels(model, data.spec.labels, directory / options.label_file)
        use_device(options.device or None)
        trained = load_trained(options.params_path, options.max_seq_length)
        rows = data.split("train")
        features = trained.sentence_features([row["sentence"] for row in rows], options.batch_size)
        scores = suspicion(options.method, features, trained.task.gold(rows), options.seed)
        dirty = most_suspicious(scores, options.dirty_num, options.dirty_threshold)
        chosen = set(dirty.tolist())
        with transaction(common_directory(targets)) as files:
            files.write_text(targets[0], label_sets_text(rows[place] for place in dirty))
            files.write_text(targets[1], label_sets_text(row for place, row in enumerate(rows) if place not in chosen))
        say(
            f"{targets[0]}: {len(dirty)} rows, scores {scores[dirty[-1]]:.4f} to {scores[dirty[0]]:.4f}"
            if len(dirty)
            else f"{targets[0]}: no row scores over {options.dirty_threshold}"
        )
        say(f"{targets[1]}: {len(rows) - len(dirty)} rows")
        for message in data.warnings:
            warn(message)


if __name__ == "__main__":
    main(sys.argv[1:])
