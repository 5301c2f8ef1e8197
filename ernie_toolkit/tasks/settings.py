"""What a task is made from, as a data set or a bundle records it, and the checks of what is asked of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ernie_toolkit.decoding import AnswerOptions
from ernie_toolkit.errors import ConfigError

if TYPE_CHECKING:
    from ernie_toolkit.tasks.base import Task


@dataclass(frozen=True)
class TaskSettings:
    """What a task is made from, as a data set or a bundle records it.

    Attributes:
        labels: Label identifiers in the order of the logits; empty where the task has none.
        max_seq_length: The longest sequence in tokens.
        text_format: How texts are read, one of `TEXT_FORMATS`.
        label_names: Readable names in the labels' order, or None.
        limits: Further settings by name (see `Task.LIMITS`).
        thresholds: Probabilities from 0 to 1, one for each label.
        temperature: What logits are divided by for probabilities.
    """

    labels: tuple[str, ...]
    max_seq_length: int
    text_format: str
    label_names: tuple[str, ...] | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    thresholds: tuple[float, ...] = ()
    temperature: float = 1.0


def check_limits(task: type[Task], limits: Mapping[str, int]) -> None:
    """Check that a task has the settings that are given.

    Args:
        task: The task's class.
        limits: Values of its settings by name.

    Raises:
        ConfigError: On a name that the task does not have.
    """
    for name in limits:
        if name not in task.LIMITS:
            raise ConfigError(f"task '{task.name}' has no setting '{name}': leave it out")


def check_answer_options(task: type[Task], options: AnswerOptions) -> None:
    """Check that a task takes the options that are given.

    Args:
        task: The task's class.
        options: What is asked of the answers.

    Raises:
        ConfigError: On the first option that it does not take.
    """
    for name in options.given:
        if name not in task.ANSWER_OPTIONS:
            known = ", ".join(f"`{option}`" for option in task.ANSWER_OPTIONS) or "none"
            raise ConfigError(f"a model for the task '{task.name}' takes no `{name}`, only {known}: leave it out")
