"""Find dev rows that the training set gives little evidence for, and rows that would support them.

python multi_label/analysis/sparse.py --dataset_dir data --params_path ./checkpoint/ --aug_strategy substitute
python multi_label/analysis/sparse.py --dataset_dir data --params_path ./checkpoint/ --annotate
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.arguments.settings import resolve_options, script_parser
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, say, warn
from ernie_toolkit.data.label_sets import format_line, label_sets_text
from ernie_toolkit.files.transactions import common_directory, transaction
from ernie_toolkit.multi_label.analysis.options import SparseOptions
from ernie_toolkit.multi_label.analysis.similarity import evidence, sparsest, support
from ernie_toolkit.multi_label.analysis.supporting import check_sparse_options, supporting_rows, texts_to_annotate


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    return script_parser("multi_label/analysis/sparse.py", __doc__, SparseOptions)


def main(argv: Sequence[str]) -> None:
    """Read the data, load the model, find the rows with the least evidence and what supports them, write both."""
    parser = build_parser()
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        options = resolve_options(SparseOptions, {}, given)
        check_sparse_options(options)
        from ernie_toolkit.multi_label.trained import open_trained
        from ernie_toolkit.multi_label.training import load_known_directory

        directory = Path(options.dataset_dir)
        sparse_file, support_file = directory / options.sparse_file, directory / options.support_file
        data = load_known_directory(options, ("train", "dev"))
        train, dev = data.split("train"), data.split("dev")
        texts = texts_to_annotate(options, data) if options.annotate else []
        trained = open_trained(options)
        known, asked = (
            trained.sentence_features([row["sentence"] for row in rows], options.batch_size) for rows in (train, dev)
        )
        scores = evidence(asked, known, options.rationale_num_sparse)
        sparse = sparsest(scores, options.sparse_num)
        say(
            f"{sparse_file}: {len(sparse)} of {len(dev)} rows, mean evidence {scores[sparse].mean():.3f}; "
            f"of all dev rows {scores.mean():.3f}"
        )
        others = trained.sentence_features(texts, options.batch_size) if options.annotate else known
        places = support(
            asked[sparse], others, options.rationale_num_sparse, options.support_threshold, options.support_num
        )
        if options.annotate:
            written = "".join(format_line(texts[place], ()).rstrip("\t\n") + "\n" for place in places)
            result = f"{len(places)} texts to label; then add them to {directory / options.train_file}"
        else:
            rows = supporting_rows(options, train, places)
            written = label_sets_text(rows)
            result = (
                f"{len(rows)} rows from {len(places)} training rows; to train on both: awk 1 "
                f"{directory / options.train_file} {support_file} > {directory / 'train_support.txt'}"
            )
        with transaction(common_directory([sparse_file, support_file])) as files:
            files.write_text(sparse_file, label_sets_text(dev[place] for place in sparse))
            files.write_text(support_file, written)
        say(f"{support_file}: {result}")
        warn(*data.warnings)


if __name__ == "__main__":
    main(sys.argv[1:])
