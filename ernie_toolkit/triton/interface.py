"""What clients of each task's ensemble send and get, and the names of its steps."""

from __future__ import annotations

from dataclasses import dataclass

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.errors import DataError
from ernie_toolkit.text.features import TextInput


@dataclass(frozen=True)
class Tensor:
    """A tensor of a model: its name, its Triton type ("STRING", "INT64", "FP32"), its shape without the batch."""

    name: str
    type: str
    dims: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class Interface:
    """The ensemble of a task.

    `texts`: inputs that carry texts. `answers`: outputs. `windows`: whether a text may take several rows of
    the model, so that the postprocess step has to see the texts again; only then do logits have a token axis.
    `tokenizer_name`: the name of the tokenizer step, where it is not the usual.
    """

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


# A set has as many columns as the largest one of the request's texts has labels, at least one; -1 (of probability 0)
# fills up the others. Names are a JSON list in one string. The names of the models are those of PaddleNLP's guide.
NO_LABEL = -1
LABEL_SET_ANSWERS = (
    Tensor("label", "INT64", (-1,)),
    Tensor("confidence", "FP32", (-1,)),
    Tensor("label_name", "STRING"),
)
LABEL_ANSWERS = (Tensor("label", "INT64"), Tensor("confidence", "FP32"), Tensor("label_name", "STRING"))
SPAN_ANSWERS = (
    Tensor("answer", "STRING"),
    Tensor("confidence", "FP32"),
    Tensor("start", "INT64"),
    Tensor("end", "INT64"),
)


def interface_of(task: str, pairs: bool) -> Interface:
    """The ensemble of a task; `pairs`: whether each input is a pair of texts.

    Answers: the label's index, probability and name; or those of any number of labels; or for texts to tag one
    JSON list of entities ("pos": first and last character, "label", "entity", "confidence"); or for questions
    text, probability and place (characters [start, end)) of the answer.
    """
    if task == "qa":
        return Interface("ernie_qa", (Tensor("QUESTION", "STRING"), Tensor("CONTEXT", "STRING")), SPAN_ANSWERS, True)
    texts = (Tensor("INPUT", "STRING"),) + ((Tensor("INPUT_PAIR", "STRING"),) if pairs else ())
    if task == "token_cls":
        return Interface("ernie_tokencls", texts, (Tensor("OUTPUT", "STRING"),), True)
    if task == "multi_label":
        return Interface("seqcls", texts, LABEL_SET_ANSWERS, False, "tokenizer")
    return Interface("ernie_seqcls", texts, LABEL_ANSWERS, False)


def join_texts(columns: list[list[str]]) -> list[TextInput]:
    """Inputs of a task from the texts of each input tensor; DataError where one has more than the other."""
    if len({len(column) for column in columns}) != 1:
        raise DataError(
            f"input tensors with {' and '.join(str(len(column)) for column in columns)} text(s): "
            "each input needs one of both"
        )
    return list(columns[0]) if len(columns) == 1 else list(strict_zip(columns[0], columns[1]))
