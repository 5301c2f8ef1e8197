"""A data set out of examples that a program has itself."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import Any

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.data.forms import form_of
from ernie_toolkit.data.loading import DataSet
from ernie_toolkit.data.registry import CUSTOM, DEFAULT_TASK, SPLITS, DatasetSpec
from ernie_toolkit.errors import ConfigError, DataError

Examples = typing.Sequence[typing.Dict[str, Any]]


def make_dataset(
    train: Examples | None = None,
    dev: Examples | None = None,
    test: Examples | None = None,
    *,
    labels: Sequence[str] = (),
    task: str = DEFAULT_TASK,
    name: str = CUSTOM,
) -> DataSet:
    """A data set of examples in memory, in place of `load_dataset`.

        data = make_dataset(train=[{"sentence": "物流很快", "label": "good"}, ...], dev=[...])

    Examples have "sentence", or "sentence1" and "sentence2", and "label" (seq_cls); "text", and "labels" with a tag for
    each character (token_cls); "sentence" and "labels" (multi_label); "question", "context", "answers" and "span" (qa);
    "context", "question", "choices" and "answer", an index (multiple_choice).
    One without "id" gets its number from 0.

    Args:
        train: The training examples, None where they are not needed.
        dev: The examples to evaluate on, None where they are not needed.
        test: The examples to predict, which need no labels; None where there are none.
        labels: Label identifiers in the order of the model's outputs; none: those of the training examples, sorted.
        task: The task's name, as in `TASKS`.
        name: The data set's name, for reports and bundles.

    Raises:
        ConfigError: On a task that is not known, and where there are no labels.
        DataError: On an example without its text or with a label that is not among `labels`.
    """
    from ernie_toolkit.tasks import task_named  # tasks need numpy, which the names of data sets do not

    kind, form = task_named(task), form_of(task)
    splits = dict(strict_zip(SPLITS, (train, dev, test)))
    field = form.label_field
    if field and not labels:
        given = enumerate(train or ())
        labels = sorted({label for row, example in given for label in _labels_of(example, field, "train", row)})
        if not labels:
            raise ConfigError(f"a data set of task '{task}' needs labels, or training examples that have them")
    text_format = form.example_format(next((rows[0] for rows in splits.values() if rows), {}))
    spec = DatasetSpec(name, task, tuple(labels), text_format, metric=kind.metrics[0])
    known = set(labels)
    for split, rows in splits.items():
        for row, example in enumerate(rows or ()):
            _check_text(example, text_format, f"{split} example {row}")
            if field and not (split == "test" and field not in example):
                for label in _labels_of(example, field, split, row):
                    if label not in known:
                        raise DataError(f"{split} example {row}: label '{label}' is not among the labels")
    own = {
        split: None if rows is None else [{"id": row, **example} for row, example in enumerate(rows)]
        for split, rows in splits.items()
    }
    return DataSet(spec, own["train"], own["dev"], own["test"], "custom", "given as examples")


def _labels_of(example: dict[str, Any], field: str, split: str, row: int) -> list[str]:
    if field not in example:
        raise DataError(f"{split} example {row} has no '{field}': {str(example)[:60]}")
    value = example[field]
    return [value] if isinstance(value, str) else list(value)


def _check_text(example: dict[str, Any], text_format: str, where: str) -> None:
    from ernie_toolkit.text.features import texts_of  # needs numpy, which the names of data sets do not

    try:
        texts_of(example, text_format)
    except KeyError as error:
        raise DataError(f"{where} has no {error} ({text_format}): {str(example)[:60]}") from None
