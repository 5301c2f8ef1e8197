"""What a user's own files hold: their texts' format and their labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.data.file_options import DEFAULT_FILE_OPTIONS, FileOptions
from ernie_toolkit.data.forms import DataForm, form_of
from ernie_toolkit.data.registry import CUSTOM, DEFAULT_TASK, SPLITS, DatasetSpec
from ernie_toolkit.errors import ConfigError


def custom_spec(
    train_file: Path | None = None,
    dev_file: Path | None = None,
    test_file: Path | None = None,
    label_file: Path | None = None,
    task: str = DEFAULT_TASK,
    options: FileOptions = DEFAULT_FILE_OPTIONS,
    trained_labels: Sequence[str] | None = None,
) -> DatasetSpec:
    """Find out what a user's files hold: for classification single sentences or pairs, and which labels.

    For classification the text format is that of the first row of the first labelled file (train, else dev, else test).
    Without `label_file` and `trained_labels` the labels are those of the training file, sorted (whole numbers by value;
    BIO tags by type, O last), so that shuffled rows give the same model outputs. Some tasks have none.

    Args:
        train_file: The training rows, or None.
        dev_file: The rows to evaluate on, or None.
        test_file: The rows to predict, or None.
        label_file: The labels in the order of the model's outputs, one a line with an optional name after a tab; or
            None.
        task: The task's name, as in `TASKS`.
        options: How files are read.
        trained_labels: Those of a trained model, used where there is no `label_file`; or None.

    Raises:
        ConfigError: Where there is no file, or none that gives the labels.
        DataError: On files that are missing or malformed.
    """
    from ernie_toolkit.tasks import task_named  # tasks need numpy, reading data does not

    paths = strict_zip(SPLITS, (train_file, dev_file, test_file))
    files = {split: path for split, path in paths if path is not None}
    if not files:
        raise ConfigError("data set 'custom' needs `train_file`, `dev_file` or `test_file`")
    kind, form = task_named(task), form_of(task)
    labels: tuple[str, ...] = ()
    names: tuple[str, ...] | None = None
    if kind.has_labels or label_file is not None:
        labels, names = _labels(form, train_file, label_file, options, trained_labels)
    split, first = next(iter(files.items()))
    return DatasetSpec(
        name=CUSTOM,
        task_name=task,
        labels=labels,
        text_format=form.text_format(first, split, options),
        label_names=names,
        metric=kind.metrics[0],
        files={split: (str(path),) for split, path in files.items()},
    )


def _labels(
    form: DataForm,
    train_file: Path | None,
    label_file: Path | None,
    options: FileOptions,
    trained_labels: Sequence[str] | None,
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The labels of a user's files, and their names where they have some."""
    if label_file is not None:
        return form.label_list(label_file, options)
    if trained_labels:
        return tuple(trained_labels), None
    if train_file is None:
        raise ConfigError("data set 'custom' has no labels: give `label_file` or `train_file`")
    return form.found_labels(train_file, options), None
