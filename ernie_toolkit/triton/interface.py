"""What clients of each task's ensemble send and get, and the names of its steps."""

from __future__ import annotations

from dataclasses import dataclass

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
        """What an input is: a text, a pair of texts, or a question with its context."""
        if self.texts[0].name == "QUESTION":
            return "question_context"
        return "pair" if len(self.texts) == 2 else "sentence"

    @property
    def passed(self) -> tuple[Tensor, ...]:
        """What the tokenizer step passes on to the postprocess: the texts, where that has to see them.

        All inputs of a step must have as many rows as each other, so a text stands in the row of its first
        window, and its other windows have an empty one.
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
    texts = tuple(Tensor(TEXT_TENSORS.get(name, name.upper()), "STRING") for name in fields)
    ensemble = kind.ensemble
    return Interface(task, ensemble.name, texts, ensemble.answers, HEADS[kind.head].tokens, ensemble.tokenizer)


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
