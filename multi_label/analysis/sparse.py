"""Find dev rows that the training set gives little evidence for, and rows that would support them.

python multi_label/analysis/sparse.py --dataset_dir data --params_path ./checkpoint/ --aug_strategy substitute
python multi_label/analysis/sparse.py --dataset_dir data --params_path ./checkpoint/ --annotate
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.arguments.options import option
from ernie_toolkit.arguments.settings import add_options, resolve_options
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, say, warn
from ernie_toolkit.data.label_sets import FILES, format_line, label_sets_text, read_label_sets, read_texts
from ernie_toolkit.data.readers import Example
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.files.transactions import common_directory, transaction
from ernie_toolkit.formats.ranges import BATCH_SIZE, COUNT, SEED, Range
from ernie_toolkit.multi_label.analysis.augmentation import (
    DUPLICATE,
    REPLACERS,
    STRATEGIES,
    augment,
    check_augmentation,
)
from ernie_toolkit.multi_label.analysis.similarity import evidence, sparsest, support
from ernie_toolkit.multi_label.checks import check_targets, data_files, unknown_texts
from ernie_toolkit.multi_label.options import TrainedOptions
from ernie_toolkit.training.devices import use_device


@dataclass(frozen=True)
class SparseOptions(TrainedOptions):
    """What is sparse, what supports it, and where both go."""

    dataset_dir: str = option("../data", "directory with the training, dev and label files", parse=path_text)
    params_path: str = option("../checkpoint/", "directory of a model trained on these rows", parse=path_text)
    batch_size: int = option(16, "rows in one batch", allowed=BATCH_SIZE)
    rationale_num_sparse: int = option(
        3, "nearest training rows whose mean similarity is a dev row's evidence", allowed=COUNT
    )
    rationale_num_support: int = option(6, "nearest rows of each sparse row that may support it", allowed=COUNT)
    sparse_num: int = option(100, "dev rows with the least evidence to write", allowed=COUNT)
    support_num: int = option(100, "rows to write for them, the most similar first", allowed=COUNT)
    support_threshold: float = option(
        0.7, "similarity (cosine) that a supporting row must be over", allowed=Range(-1, 1)
    )
    aug_strategy: str = option(DUPLICATE, "how supporting training rows are changed", (DUPLICATE, *STRATEGIES))
    aug_percent: float = option(
        0.1, "share of a supporting row's words that are changed", allowed=Range(0, 1, above=True)
    )
    annotate: bool = option(False, "take the supporting rows from --unlabeled_file, for somebody to label")
    unlabeled_file: str = option("data.txt", "file of texts in --dataset_dir, one a line", parse=path_text)
    sparse_file: str = option("sparse.txt", "file in --dataset_dir for the sparse rows", parse=path_text)
    support_file: str = option("support.txt", "file in --dataset_dir for the supporting rows", parse=path_text)
    seed: int = option(3, "seed of the changes", allowed=SEED)


def check(options: SparseOptions) -> None:
    """Raise ConfigError on the first value that cannot be meant."""
    check_augmentation(options.aug_strategy, 1, options.aug_percent)
    directory = Path(options.dataset_dir)
    written = {name: directory / getattr(options, name) for name in ("sparse_file", "support_file")}
    check_targets(written, {**data_files(options), "unlabeled_file": directory / options.unlabeled_file})


def supporting(options: SparseOptions, train: list[Example], places: Sequence[int]) -> list[Example]:
    """The supporting training rows, changed by the strategy: one new row for each where there can be one."""
    rows = [train[place] for place in places]
    if not rows:
        return []
    everything = [row["sentence"] for row in train]
    return augment(rows, options.aug_strategy, REPLACERS["synonym"], 1, options.aug_percent, options.seed, everything)


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    parser = OneLineParser(prog="sparse.py", description=__doc__)
    add_options(parser, SparseOptions)
    add_guide_flags(parser, "multi_label/analysis/sparse.py")
    return parser


def main(argv: Sequence[str]) -> None:
    """Parse arguments, find, write."""
    parser = build_parser()
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        options = resolve_options(SparseOptions, {}, given)
        check(options)
        from ernie_toolkit.multi_label.trained import check_labels, check_params, load_trained
        from ernie_toolkit.multi_label.training import load_directory

        directory = Path(options.dataset_dir)
        model = check_params(options.params_path)
        data = load_directory(options, ("train", "dev"))
        check_labels(model, data.spec.labels, directory / options.label_file)
        train, dev = data.split("train"), data.split("dev")
        texts = []
        if options.annotate:
            source = directory / options.unlabeled_file
            test = directory / FILES["test"]
            tested = read_label_sets(test, data.spec.labels, options.encoding) if test.is_file() else ()
            labelled = [*train, *dev, *tested]
            texts = unknown_texts(read_texts(source, options.encoding), (row["sentence"] for row in labelled), source)
        use_device(options.device or None)
        trained = load_trained(options.params_path, options.max_seq_length)
        known, asked = (
            trained.sentence_features([row["sentence"] for row in rows], options.batch_size) for rows in (train, dev)
        )
        scores = evidence(asked, known, options.rationale_num_sparse)
        sparse = sparsest(scores, options.sparse_num)
        say(
            f"{directory / options.sparse_file}: {len(sparse)} of {len(dev)} rows, mean evidence "
            f"{scores[sparse].mean():.3f}; of all dev rows {np.mean(scores):.3f}"
        )
        others = trained.sentence_features(texts, options.batch_size) if options.annotate else known
        places = support(
            asked[sparse], others, options.rationale_num_sparse, options.support_threshold, options.support_num
        )
        targets = [directory / options.sparse_file, directory / options.support_file]
        rows = [] if options.annotate else supporting(options, train, places)
        with transaction(common_directory(targets)) as files:
            files.write_text(targets[0], label_sets_text(dev[place] for place in sparse))
            if options.annotate:
                lines = (format_line(texts[place], ()).rstrip("\t\n") + "\n" for place in places)
                files.write_text(targets[1], "".join(lines))
            else:
                files.write_text(targets[1], label_sets_text(rows))
        if options.annotate:
            say(f"{targets[1]}: {len(places)} texts to label; then add them to {directory / options.train_file}")
        else:
            say(
                f"{targets[1]}: {len(rows)} rows from {len(places)} training rows; to train on both: "
                f"awk 1 {directory / options.train_file} {targets[1]} > {directory / 'train_support.txt'}"
            )
        for message in data.warnings:
            warn(message)


if __name__ == "__main__":
    main(sys.argv[1:])
