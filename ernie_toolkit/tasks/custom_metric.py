"""A task that is measured by a function of the user's too."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import Any, cast

from ernie_toolkit.decoding import Answer
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.tasks.base import Example, Task
from ernie_toolkit.text.dataset import EncodedDataset, Outputs

CustomEvaluate = typing.Callable[[typing.Sequence[Answer], typing.Sequence[Example]], float]
"""Answers of a model and the labelled examples that they are of, in one order, to one number: the more, the better."""


class TaskWithMetric:
    """A task with one metric more, the first of its `metrics`, which has the function's name.

    All else is the task's own.

    Args:
        task: The task.
        evaluate: Computes the metric (see `CustomEvaluate`).

    Raises:
        ConfigError: Where the task has a metric of this name.
    """

    def __init__(self, task: Task, evaluate: CustomEvaluate) -> None:
        name = getattr(evaluate, "__name__", "custom_evaluate")
        name = name if name.isidentifier() else "custom_evaluate"  # a lambda has none
        if name in task.metrics:
            raise ConfigError(f"custom_evaluate is named {name}, as a metric of the task {task.name}: rename it")
        self._task, self._evaluate, self._metric = task, evaluate, name
        self.metrics = (name, *task.metrics)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # copying asks for some before there is a task
            raise AttributeError(name)
        return getattr(self._task, name)

    def score(
        self,
        rows: EncodedDataset,
        logits: Outputs,
        examples: Sequence[Example],
        answers: Sequence[Any] | None = None,
    ) -> dict[str, float]:
        """The custom metric, then the task's own.

        Args:
            rows: See `Task.score`.
            logits: See `Task.score`.
            examples: See `Task.score`.
            answers: See `Task.score`.
        """
        answers = self._task.decode(rows, logits, self._task.inputs(examples)) if answers is None else answers
        value = self._evaluate(answers, examples)
        return {self._metric: float(value), **self._task.score(rows, logits, examples, answers)}


Task.register(TaskWithMetric)


def with_metric(task: Task, evaluate: CustomEvaluate | None) -> Task:
    """The task with a custom metric too; a task that has one already stays as it is.

    Args:
        task: The task.
        evaluate: Computes the metric (see `CustomEvaluate`); None: the task stays as it is.
    """
    if evaluate is None or isinstance(task, TaskWithMetric):
        return task
    return cast(Task, TaskWithMetric(task, evaluate))
