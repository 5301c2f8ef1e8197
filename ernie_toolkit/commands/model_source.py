"""What a trained model says of itself: the labels of its head, and which data it was fine-tuned on."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ernie_toolkit.commands.options import SourceOptions
from ernie_toolkit.data.file_options import FileOptions
from ernie_toolkit.data.registry import CUSTOM
from ernie_toolkit.errors import ModelError
from ernie_toolkit.models import is_local
from ernie_toolkit.models.config import model_labels, model_task
from ernie_toolkit.models.heads import are_named
from ernie_toolkit.training.finished import SAMPLE

Source = TypeVar("Source", bound=SourceOptions)


def trained_labels(name_or_path: str, task: str) -> tuple[str, ...] | None:
    """The labels that a model directory was trained for, in the order of its logits; None where nothing names them.

    Args:
        name_or_path: The directory; a published name has no labels.
        task: The task that the model is used for.

    Raises:
        ModelError: Where it was trained for another task: data would be read for labels that it is not of.
    """
    if not is_local(name_or_path):
        return None
    other = model_task(Path(name_or_path))
    if other not in (None, task):
        raise ModelError(
            f"{name_or_path}: its head was trained for the task '{other}', not for '{task}': choose a model of this "
            "task, or fine-tune it first"
        )
    labels = model_labels(Path(name_or_path))
    return labels if are_named(labels) else None


def with_own_source(source: Source, record: Mapping[str, Any]) -> Source:
    """The options with the sample as their data where the model was fine-tuned on it and they name no other data.

    Args:
        source: The options.
        record: What is kept of the model's fine-tuning (`metrics.json`), empty where nothing is.
    """
    named = bool(source.data_dir) or source.dataset == CUSTOM or source.data_source != "auto"
    if named or record.get("data_source") != SAMPLE:
        return source
    return dataclasses.replace(source, data_source=SAMPLE)


def rows_of_a_model(
    source: SourceOptions, record: Mapping[str, Any], task: str, files: FileOptions, labels: tuple[str, ...] | None
) -> dict[str, Any]:
    """Keyword arguments of `load_dataset` for what goes on from a trained model: its train and dev rows.

    Args:
        source: The options.
        record: See `with_own_source`.
        task: The task's name.
        files: How the user's files are read.
        labels: Those that the model was trained for; None: nothing names them.
    """
    limits = {"train": source.max_train_samples, "dev": source.max_dev_samples}
    return dataset_arguments(with_own_source(source, record)) | {
        "task": task,
        "splits": list(limits),
        "limits": {split: rows for split, rows in limits.items() if rows},
        "options": files,
        "labels": labels,
    }


def dataset_arguments(source: SourceOptions) -> dict[str, Any]:
    """Keyword arguments of `load_dataset` that say where the rows are."""
    files = {name: getattr(source, name) or None for name in ("train_file", "dev_file", "label_file")}
    return {"data_dir": source.data_dir or None, "data_source": source.data_source, **files}
