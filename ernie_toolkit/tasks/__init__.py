"""The tasks: how examples become model inputs, logits become answers, and answers become figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ernie_toolkit.errors import ConfigError
from ernie_toolkit.tasks.base import Task
from ernie_toolkit.tasks.multi_label_classification import MultiLabelClassification
from ernie_toolkit.tasks.question_answering import QuestionAnswering
from ernie_toolkit.tasks.sequence_classification import SequenceClassification
from ernie_toolkit.tasks.token_classification import TokenClassification

__all__ = [
    "TASKS",
    "MultiLabelClassification",
    "QuestionAnswering",
    "SequenceClassification",
    "Task",
    "TokenClassification",
    "make_task",
]

_CLASSES = (SequenceClassification, MultiLabelClassification, TokenClassification, QuestionAnswering)
TASKS = {task.name: task for task in _CLASSES}


def make_task(
    name: str,
    labels: Sequence[str],
    max_seq_length: int,
    text_format: str,
    label_names: Sequence[str] | None = None,
    limits: Mapping[str, int] | None = None,
    thresholds: Sequence[float] = (),
) -> Task:
    """The task of this name, set up as a data set or a bundle says.

    `limits`: further settings of the task, by the names of its own fields; its defaults where left out.
    `thresholds`: of a multi-label task, one for each label; 0.5 for all where there are none.
    Raises ConfigError on a task or a limit that is not known.
    """
    if name not in TASKS:
        raise ConfigError(f"task '{name}' is not known: use one of {', '.join(TASKS)}")
    given = dict(limits or {})
    known = {"token_cls": ("window_overlap",), "qa": ("doc_stride", "n_best_size", "max_answer_length")}
    for key in given:
        if key not in known.get(name, ()):
            raise ConfigError(f"task '{name}' has no setting '{key}': leave it out")
    if name == SequenceClassification.name:
        names = None if label_names is None else tuple(label_names)
        return SequenceClassification(tuple(labels), max_seq_length, names, text_format)
    if name == MultiLabelClassification.name:
        names = None if label_names is None else tuple(label_names)
        return MultiLabelClassification(tuple(labels), max_seq_length, tuple(thresholds), names, text_format)
    if name == TokenClassification.name:
        return TokenClassification(tuple(labels), max_seq_length, text_format=text_format, **given)
    return QuestionAnswering(max_seq_length, text_format=text_format, **given)
