"""The tasks by name, and how one of them is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Type, TypeVar

from ernie_toolkit.arguments.settings import TASK_SECTIONS
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.tasks.base import Task
from ernie_toolkit.tasks.settings import TaskSettings, check_limits

TASKS: dict[str, type[Task]] = {}
"""Every task that data sets, models and deployments may name."""
_TaskClass = TypeVar("_TaskClass", bound=Type[Task])


def register(task: _TaskClass) -> _TaskClass:
    """Add a task to `TASKS`, and return it: usable as a decorator.

    Raises:
        ConfigError: Where its name is taken.
    """
    if TASKS.setdefault(task.name, task) is not task:
        raise ConfigError(f"task '{task.name}' is registered already: choose another name")
    if task.config_section is not None:
        TASK_SECTIONS[task.name] = task.config_section
    return task


def task_named(name: str) -> type[Task]:
    """The class of a task.

    Raises:
        ConfigError: Where no task has this name.
    """
    if name not in TASKS:
        raise ConfigError(f"task '{name}' is not known: use one of {', '.join(TASKS)}")
    return TASKS[name]


def make_task(
    name: str,
    labels: Sequence[str],
    max_seq_length: int,
    text_format: str,
    label_names: Sequence[str] | None = None,
    limits: Mapping[str, int] | None = None,
    thresholds: Sequence[float] = (),
    temperature: float = 1.0,
) -> Task:
    """The task of this name, set up as a data set or a bundle says.

    Args:
        name: As in `TASKS`.
        labels: Label identifiers in the order of the model's outputs; empty where the task has none.
        max_seq_length: The longest sequence in tokens.
        text_format: How texts are read, one of `TEXT_FORMATS`.
        label_names: Readable names in the labels' order, or None.
        limits: Further settings of the task, by the names of its own fields; its defaults where left out.
        thresholds: Of a multi-label task, the probability that each label has to be above; none: 0.5 for all.
        temperature: What logits are divided by for probabilities.

    Raises:
        ConfigError: On a task or a limit that is not known.
    """
    task = task_named(name)
    check_limits(task, limits or {})
    names = None if label_names is None else tuple(label_names)
    return task.make(
        TaskSettings(
            tuple(labels), max_seq_length, text_format, names, dict(limits or {}), tuple(thresholds), temperature
        )
    )
