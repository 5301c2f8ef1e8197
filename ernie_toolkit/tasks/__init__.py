"""The tasks: how examples become model inputs, logits become answers, and answers become metrics.

A new task is a module here that defines a subclass of `Task`, and a line below that registers it.
"""

from __future__ import annotations

from ernie_toolkit.tasks.base import HEADS, Task, TaskSettings
from ernie_toolkit.tasks.multi_label_classification import MultiLabelClassification
from ernie_toolkit.tasks.multiple_choice import MultipleChoice
from ernie_toolkit.tasks.question_answering import QuestionAnswering
from ernie_toolkit.tasks.registry import TASKS, make_task, register, task_named
from ernie_toolkit.tasks.sequence_classification import SequenceClassification
from ernie_toolkit.tasks.token_classification import TokenClassification

__all__ = [
    "HEADS",
    "TASKS",
    "MultiLabelClassification",
    "MultipleChoice",
    "QuestionAnswering",
    "SequenceClassification",
    "Task",
    "TaskSettings",
    "TokenClassification",
    "make_task",
    "register",
    "task_named",
]

register(SequenceClassification)
register(TokenClassification)
register(QuestionAnswering)
register(MultiLabelClassification)
register(MultipleChoice)
