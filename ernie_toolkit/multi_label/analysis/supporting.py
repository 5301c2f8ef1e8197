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
    """Check that the files to write are none of the data's own.

    Args:
        options: Name the directory and the files.

    Raises:
        ConfigError: On one that is, or that cannot be written.
    """
    directory = Path(options.dataset_dir)
    written = {name: directory / getattr(options, name) for name in ("sparse_file", "support_file")}
    check_targets(written, {**data_files(options), "unlabeled_file": directory / options.unlabeled_file})


def supporting_rows(options: SparseOptions, train: Sequence[Example], places: Sequence[int]) -> list[Example]:
    """The supporting training rows, changed by the strategy: one new row for each where one can be made.

    Args:
        options: Say how rows are changed.
        train: All training rows.
        places: Places of the supporting ones among them.
    """
    rows = [train[place] for place in places]
    if not rows:
        return []
    everything = [row["sentence"] for row in train]
    return augment(rows, options.aug_strategy, REPLACERS["synonym"], 1, options.aug_percent, options.seed, everything)


def texts_to_annotate(options: SparseOptions, data: DataSet) -> list[str]:
    """The texts of the unlabelled file that are in no labelled file of the data directory.

    Args:
        options: Name the directory and the unlabelled file.
        data: Its train and dev rows; test rows are read here where there are any.

    Raises:
        DataError: Where none is left, and on a file that cannot be read.
    """
    directory = Path(options.dataset_dir)
    source, test = directory / options.unlabeled_file, directory / FILES["test"]
    tested = read_label_sets(test, data.spec.labels, options.encoding) if test.is_file() else ()
    labelled = [*data.split("train"), *data.split("dev"), *tested]
    return unknown_texts(read_texts(source, options.encoding), (row["sentence"] for row in labelled), source)
