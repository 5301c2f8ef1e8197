"""Rank training rows by how suspicious their labels are.

python multi_label/analysis/dirty.py --dataset_dir data --params_path ./checkpoint/ --dirty_num 100
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.arguments.settings import resolve_options, script_parser
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, say, warn
from ernie_toolkit.data.label_sets import label_sets_text
from ernie_toolkit.files.transactions import common_directory, transaction
from ernie_toolkit.multi_label.analysis.options import DirtyOptions
from ernie_toolkit.multi_label.analysis.wrong_labels import most_suspicious, suspicion
from ernie_toolkit.multi_label.checks import check_targets, data_files


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    return script_parser("multi_label/analysis/dirty.py", __doc__, DirtyOptions, without=("dev_file",))


def main(argv: Sequence[str]) -> None:
    """Read the data, load the model, rank the training rows, write the most suspicious and the rest."""
    parser = build_parser()
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        options = resolve_options(DirtyOptions, {}, given)
        directory = Path(options.dataset_dir)
        dirty_file, rest_file = directory / options.dirty_file, directory / options.rest_file
        check_targets({"dirty_file": dirty_file, "rest_file": rest_file}, data_files(options))
        from ernie_toolkit.multi_label.trained import open_trained
        from ernie_toolkit.multi_label.training import load_known_directory

        data = load_known_directory(options, ("train",))
        rows = data.split("train")
        trained = open_trained(options)
        features = trained.sentence_features([row["sentence"] for row in rows], options.batch_size)
        scores = suspicion(options.method, features, trained.task.gold(rows), options.seed)
        dirty = most_suspicious(scores, options.dirty_num, options.dirty_threshold)
        chosen = set(dirty.tolist())
        with transaction(common_directory([dirty_file, rest_file])) as files:
            files.write_text(dirty_file, label_sets_text(rows[place] for place in dirty))
            files.write_text(rest_file, label_sets_text(row for place, row in enumerate(rows) if place not in chosen))
        say(
            f"{dirty_file}: {len(dirty)} rows, scores {scores[dirty[-1]]:.4f} to {scores[dirty[0]]:.4f}"
            if len(dirty)
            else f"{dirty_file}: no row scores over {options.dirty_threshold}"
        )
        say(f"{rest_file}: {len(rows) - len(dirty)} rows")
        warn(*data.warnings)


if __name__ == "__main__":
    main(sys.argv[1:])
