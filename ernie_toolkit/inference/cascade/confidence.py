"""How sure a model is of each answer."""

from __future__ import annotations

import numpy as np

from ernie_toolkit.bundle.cascade import MAX_PROBABILITY
from ernie_toolkit.decoding import sigmoid, softmax
from ernie_toolkit.decoding.label_sets import moved_thresholds, set_confidences
from ernie_toolkit.tasks import MultiLabelClassification, Task


def confidences(logits: np.ndarray, task: Task, kind: str, temperature: float) -> np.ndarray:
    """How sure a model is of its answer to each row: float64 of shape (rows,), from 0 to 1.

    For one label, "max_probability" is the label's probability, and "margin" what it has before that of the next label.
    For sets of labels, "max_probability" is the product over all labels of the probability that the label is rightly
    given or left out, and "margin" the least distance of a label's probability from its threshold.

    Args:
        logits: float32 of shape (rows, classes).
        task: The model's task, with its thresholds.
        kind: "max_probability" or "margin".
        temperature: What the logits are divided by; thresholds move with them, so that answers stay the same.
    """
    if isinstance(task, MultiLabelClassification):
        probability = sigmoid(logits / temperature)
        thresholds = moved_thresholds(task.used_thresholds, temperature)
        if kind == MAX_PROBABILITY:
            return set_confidences(probability > thresholds, probability)
        return np.asarray(np.abs(probability - thresholds).min(axis=1))
    probability = softmax(logits / temperature)
    if kind == MAX_PROBABILITY:
        return np.asarray(probability.max(axis=1))
    if probability.shape[1] == 1:
        return np.ones(len(probability))
    best = np.partition(probability, probability.shape[1] - 2, axis=1)
    return np.asarray(best[:, -1] - best[:, -2])
