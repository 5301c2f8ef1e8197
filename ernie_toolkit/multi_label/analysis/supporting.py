"""Rows that support those with little evidence: training rows that are changed, or texts that are to be labelled."""

from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.data import DataSet
from ernie_toolkit.data.label_sets import FILES, read_label_sets, read_texts
from ernie_toolkit.data.readers import Example
from ernie_toolkit.multi_label.analysis.augmentation import REPLACERS, augment
from ernie_toolkit.multi_label.analysis.options import SparseOptions
from ernie_toolkit.multi_label.checks import check_targets, data_files, unknown_texts


def check_sparse_options(options: SparseOptions) -> None:
    """Raise ConfigError on a file to write that is one of the data's own."""
    directory = Path(options.dataset_dir)
    written = {name: directory / getattr(options, name) for name in ("sparse_file", "support_file")}
    check_targets(written, {**data_files(options), "unlabeled_file": directory / options.unlabeled_file})


def supporting_rows(options: SparseOptions, train: Sequence[Example], places: Sequence[int]) -> list[Example]:
    """The supporting training rows, changed by the strategy: one new row for each where one can be made.

    `places`: their places in `train`.
    """
    rows = [train[place] for place in places]
    if not rows:
        return []
    everything = [row["sentence"] for row in train]
    return augment(rows, options.aug_strategy, REPLACERS["synonym"], 1, options.aug_percent, options.seed, everything)


def texts_to_annotate(options: SparseOptions, data: DataSet) -> list[str]:
    """The texts of the unlabelled file that are in no labelled file of the data directory.

    `data`: its train and dev rows; test rows are read here where there are any.
    Raises DataError where none is left.
    """
    directory = Path(options.dataset_dir)
    source, test = directory / options.unlabeled_file, directory / FILES["test"]
    tested = read_label_sets(test, data.spec.labels, options.encoding) if test.is_file() else ()
    labelled = [*data.split("train"), *data.split("dev"), *tested]
    return unknown_texts(read_texts(source, options.encoding), (row["sentence"] for row in labelled), source)
