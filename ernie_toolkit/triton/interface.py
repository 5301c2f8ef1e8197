"""What clients of each task's ensemble send and get, and the names of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.errors import DataError
from ernie_toolkit.tasks import HEADS, TASKS
from ernie_toolkit.tasks.base import Tensor
from ernie_toolkit.text.features import TextInput


@dataclass(frozen=True)
class Interface:
    """The ensemble of a task.

    Attributes:
        task: The task's name, as in `TASKS`.
        name: The ensemble's name.
        texts: Inputs that carry texts.
        answers: Outputs.
        windows: Whether a text may take several rows of the model, so that the postprocess step has to see the texts
            again; only then do logits have a token axis.
        tokenizer_name: The name of the tokenizer step; empty: the usual one.
    """

    task: str
    name: str
    texts: tuple[Tensor, ...]
    answers: tuple[Tensor, ...]
    windows: bool
    tokenizer_name: str = ""

    @property
    def text_format(self) -> str:
        """What an input is: a text, a pair of texts, a question with its context, or a context with choices."""
        if self.choices:
            return "choices"
        if self.texts[0].name == "QUESTION":
            return "question_context"
        return "pair" if len(self.texts) == 2 else "sentence"

    @property
    def choices(self) -> bool:
        """Whether the last input carries choices, as many as the question with most has; empty texts fill it up."""
        return self.texts[-1].dims != (1,)

    @property
    def passed(self) -> tuple[Tensor, ...]:
        """What the tokenizer step passes on to the postprocess: the texts, where that has to see them.

        All inputs of a step must have as many rows as each other, so a text stands in the row of its first
        window, and its other windows have an empty one. Of choices each stands in the row of its own.
        """
        return (Tensor("TEXTS", "STRING", (len(self.texts),)),) if self.windows else ()

    @property
    def tokenizer(self) -> str:
        """The step that makes model inputs of texts."""
        return self.tokenizer_name or f"{self.name}_tokenizer"

    @property
    def model(self) -> str:
        """The step that computes logits."""
        return f"{self.name}_model"

    @property
    def postprocess(self) -> str:
        """The step that makes answers of logits."""
        return f"{self.name}_postprocess"


# The input tensors by the names that texts have in requests of other services.
TEXT_TENSORS = {"text": "INPUT", "text_pair": "INPUT_PAIR", "question": "QUESTION", "context": "CONTEXT"}


def interface_of(task: str, pairs: bool) -> Interface:
    """The ensemble of a task.

    Args:
        task: The task's name, as in `TASKS`.
        pairs: Whether each input is a pair of texts (see `Task.ensemble`).
    """
    kind = TASKS[task]
    fields = kind.text_fields("pair" if pairs else "sentence")
    texts = tuple(
        Tensor(TEXT_TENSORS.get(name, name.upper()), "STRING", (-1,) if name == "choices" else (1,)) for name in fields
    )
    ensemble = kind.ensemble
    return Interface(task, ensemble.name, texts, ensemble.answers, HEADS[kind.head].several_rows, ensemble.tokenizer)


def text_arrays(inputs: Sequence[TextInput], interface: Interface) -> list[np.ndarray]:
    """The texts of a request for each input tensor, bytes of shape (inputs, 1), or (inputs, choices).

    Args:
        inputs: As `as_inputs` returns them.
        interface: The ensemble.
    """
    columns: list[list[list[str]]] = [[] for _ in interface.texts]
    most = max((len(given) for given in inputs), default=0)
    for given in inputs:
        parts = (given,) if isinstance(given, str) else given
        for place, column in enumerate(columns):
            column.append([parts[place]])
        if interface.choices:
            columns[-1][-1] = [*parts[2:], *[""] * (most - len(parts))]
    return [
        np.array([[text.encode("utf-8") for text in row] for row in column], dtype=np.object_) for column in columns
    ]


def join_choices(
    contexts: Sequence[str], questions: Sequence[str], choices: Sequence[Sequence[str]]
) -> list[TextInput]:
    """Inputs with choices from the texts of each input tensor; empty texts at the end of the choices are none.

    Args:
        contexts: A text for each input.
        questions: A text for each input, empty where it has none.
        choices: The choices of each input.

    Raises:
        DataError: Where one tensor has more rows than another.
    """
    counts = len(contexts), len(questions), len(choices)
    if len(set(counts)) != 1:
        raise DataError(
            f"input tensors with {counts[0]}, {counts[1]} and {counts[2]} row(s): each input needs one of each"
        )
    inputs: list[TextInput] = []
    for context, question, own in strict_zip(contexts, questions, choices):
        given = list(own)
        while given and not given[-1]:
            given.pop()
        inputs.append((context, question, *given))
    return inputs


def join_texts(columns: list[list[str]]) -> list[TextInput]:
    """Inputs of a task from the texts of each input tensor.

    Raises:
        DataError: Where one has more than the other.
    """
    if len({len(column) for column in columns}) != 1:
        raise DataError(
            f"input tensors with {' and '.join(str(len(column)) for column in columns)} text(s): "
            "each input needs one of both"
        )
    return list(columns[0]) if len(columns) == 1 else list(strict_zip(columns[0], columns[1]))
