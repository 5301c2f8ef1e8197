"""Labels of a data set in the order of a trained model's outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ernie_toolkit.data.registry import DatasetSpec


def same_labels(trained: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether two lists hold the same labels, in whatever order.

    Args:
        trained: Labels of a trained model.
        labels: Labels of a data set.
    """
    return len(trained) == len(labels) and set(trained) == set(labels)


def in_model_order(spec: DatasetSpec, trained: Sequence[str] | None) -> DatasetSpec:
    """A specification with its labels in a trained model's order, where both have the same ones; else as it is.

    Args:
        spec: The data set.
        trained: The model's labels in the order of its logits, None where nothing names them.
    """
    if trained is None or tuple(trained) == spec.labels or not same_labels(trained, spec.labels):
        return spec
    names = spec.label_names and tuple(spec.label_names[spec.label_ids[label]] for label in trained)
    return replace(spec, labels=tuple(trained), label_names=names)
