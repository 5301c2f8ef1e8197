"""One of several choices for a question on a context: free texts (C3), or idioms for a blank (ChID)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, cast

import numpy as np

from ernie_toolkit.decoding import NO_OPTIONS, Answer, AnswerOptions, ChoiceAnswer, decode_choices, split_logits
from ernie_toolkit.errors import DataError
from ernie_toolkit.tasks.base import (
    Ensemble,
    Example,
    RowSelection,
    Task,
    TaskSettings,
    Tensor,
    arrays_of,
    cross_entropy,
    logits_table,
)
from ernie_toolkit.text.blanks import blank_of
from ernie_toolkit.text.choices import ChoiceRow, choice_rows
from ernie_toolkit.text.dataset import EncodedDataset, GroupedDataset, Outputs
from ernie_toolkit.text.features import TextInput, Texts, as_inputs
from ernie_toolkit.text.tokenization import WordPieceTokenizer

TALK = "男：我是一名医生。\n女：周末我想去爬山。"
IDIOMS = ("一丝不苟", "喜出望外", "半途而废", "车水马龙")


@dataclass(frozen=True)
class MultipleChoice(Task):
    """Context, question and choices to one of the choices (see `Task`).

    The model reads each choice in a row of its own and gives it one logit; the choices of a question are put together
    behind it, so that a question may have any number of them.

    Attributes:
        max_seq_length: The longest sequence in tokens.
        text_format: How texts are read: "choices", or "cloze" where the question is a blank of the context, and the
            blanks of one context that are asked together get a different choice each.
        temperature: What logits are divided by for probabilities.
        answer_options: What is asked of the answers.
    """

    max_seq_length: int
    text_format: str = "choices"
    labels: tuple[str, ...] = field(default=(), init=False)
    label_names: tuple[str, ...] | None = field(default=None, init=False)
    temperature: float = 1.0
    answer_options: AnswerOptions = NO_OPTIONS

    name: ClassVar[str] = "multiple_choice"
    title: ClassVar[tuple[str, str]] = ("多项选择", "multiple choice")
    script: ClassVar[str] = "run_multiple_choice.py"
    config_section: ClassVar[str | None] = "MultipleChoice"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "loss")
    answer: ClassVar[type[Answer]] = ChoiceAnswer
    ANSWER_OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "top_k": ("scores",),
        "all_scores": ("scores",),
        "abstain_below": ("abstained",),
    }
    head: ClassVar[str] = "choice"
    soft_loss: ClassVar[str] = "choices"
    data_form: ClassVar[str] = "choices"
    has_labels: ClassVar[bool] = False
    model_path: ClassVar[str] = "best_models/c3/export"
    service_path: ClassVar[str] = "models/ernie_multiple_choice"
    ensemble: ClassVar[Ensemble] = Ensemble(
        "ernie_multiple_choice",
        (Tensor("choice", "STRING"), Tensor("index", "INT64"), Tensor("confidence", "FP32")),
    )
    default_text_format: ClassVar[str] = "choices"
    examples: ClassVar[Mapping[str, Sequence[TextInput]]] = {
        "choices": [
            (TALK, "女的周末打算做什么？", "看书", "爬山", "游泳"),
            (TALK, "男的是做什么工作的？", "医生", "司机", "教师"),
        ],
        # Of two passages: a server answers them when it starts, and needs scipy for several blanks of one only.
        "cloze": [
            ("小王写论文#idiom1#，每个数字都要核对三遍。", "#idiom1#", *IDIOMS),
            ("听到获奖的消息，姐姐#idiom1#。", "#idiom1#", *IDIOMS),
        ],
    }

    @classmethod
    def make(cls, settings: TaskSettings) -> MultipleChoice:
        """The task for sequences of this length."""
        return cls(settings.max_seq_length, settings.text_format, temperature=settings.temperature)

    @classmethod
    def num_classes(cls, labels: Sequence[str]) -> int | None:
        """One logit for each choice."""
        return 1

    @classmethod
    def text_fields(cls, text_format: str) -> tuple[str, ...]:
        """Context, question and choices, in every format."""
        return "context", "question", "choices"

    @classmethod
    def request_values(cls, given: TextInput) -> list[Any]:
        """Context and question, and the choices as a list."""
        return [given[0], given[1], list(given[2:])]

    def encode(self, tokenizer: WordPieceTokenizer, inputs: Texts) -> EncodedDataset:
        """One row for each choice, those of a question next to each other (see `choice_rows`)."""
        rows = choice_rows(tokenizer, as_inputs(inputs, self.text_format), self.max_seq_length, self.text_format)
        # A window around a blank is meant to be one: only texts that are to be read whole are cut.
        cuts = None if self.text_format == "cloze" else sum(row.cut for row in rows)
        return EncodedDataset(rows, tokenizer.special.pad, cut_rows=cuts)

    def with_targets(self, rows: EncodedDataset, examples: Sequence[Example]) -> EncodedDataset:
        """`labels`: int64 of shape (rows, 2), the question's number and 1 for its right choice, else 0.

        Raises:
            DataError: Where an example's `answer` is the index of none of its choices.
        """
        sources = np.array([row.source for row in _choice_rows(rows)], dtype=np.int64)
        right = np.zeros(len(sources), dtype=np.int64)
        begin = 0
        for number, example in enumerate(examples):
            answer, count = example.get("answer"), len(example["choices"])
            if not isinstance(answer, int) or not 0 <= answer < count:
                raise DataError(f"example {number}: its answer is {answer!r:.40}: it must be the index of a choice")
            right[begin + answer] = 1
            begin += count
        return replace(rows, targets={"labels": np.stack([sources, right], axis=1)})

    def training_rows(self, rows: EncodedDataset, options: RowSelection) -> EncodedDataset:
        """All rows, those of a question drawn together, so that a batch has whole questions."""
        groups: dict[int, list[int]] = {}
        for number, row in enumerate(_choice_rows(rows)):
            groups.setdefault(row.source, []).append(number)
        return GroupedDataset(rows.features, rows.pad_id, rows.targets, rows.cut_rows, tuple(groups.values()))

    def decode(self, rows: EncodedDataset, logits: Outputs, inputs: Sequence[TextInput]) -> list[ChoiceAnswer]:
        """The most probable choice of each question.

        Of a cloze, the blanks of one context that are among the inputs get a different choice each: the choices whose
        probabilities have the highest product.

        Raises:
            ConfigError: Where that is to be done, and scipy is not installed.
        """
        passages = [(given[0], given[2:]) for given in inputs]
        return self._answers(logits, inputs, passages if self.text_format == "cloze" else None)

    def _answers(
        self, logits: Outputs, inputs: Sequence[TextInput], passages: Sequence[Any] | None
    ) -> list[ChoiceAnswer]:
        choices = [given[2:] for given in inputs]
        table = logits_table(logits, 1)[:, 0]
        parts = split_logits(table, list(map(len, choices)))
        return decode_choices(parts, choices, passages, self.answer_options, self.temperature)

    def score(
        self,
        rows: EncodedDataset,
        logits: Outputs,
        examples: Sequence[Example],
        answers: Sequence[Any] | None = None,
    ) -> dict[str, float]:
        """Accuracy, for a cloze also without its blanks' sharing of the choices, and the loss over questions."""
        inputs = self.inputs(examples)
        gold = [example["answer"] for example in examples]

        def accuracy(found: Sequence[ChoiceAnswer]) -> float:
            return float(np.mean([answer.index == index for answer, index in zip(found, gold)])) if gold else 0.0

        answers = self.decode(rows, logits, inputs) if answers is None else answers
        scores = {"accuracy": accuracy(answers)}
        if self.text_format == "cloze":
            scores["argmax_accuracy"] = accuracy(self._answers(logits, inputs, None))
        parts = split_logits(logits_table(logits, 1)[:, 0], [len(given) - 2 for given in inputs])
        losses = [cross_entropy(values[None], np.array([index])) for values, index in zip(parts, gold)]
        return {**scores, "loss": float(np.mean(losses)) if losses else 0.0}

    def least_rows(self, inputs: Sequence[TextInput]) -> int:
        """A row for each choice."""
        return sum(len(given) - 2 for given in inputs)

    def service_result(
        self,
        inputs: Sequence[TextInput],
        answers: Sequence[ChoiceAnswer],
        logits: Sequence[np.ndarray],
        words: Sequence[Sequence[str] | None],
    ) -> dict[str, Any]:
        """Question and choices of each input, and the fields of its answer."""
        found = [answer.fields() for answer in answers]
        return {
            "question": [self._asked(given) for given in inputs],
            "choices": [list(given[2:]) for given in inputs],
            **{name: [item[name] for item in found] for name in self.answer_names(self.answer_options)},
        }

    def _asked(self, given: TextInput) -> str:
        return blank_of(given[0], given[1]) if self.text_format == "cloze" else given[1]

    def answer_arrays(self, answers: Sequence[ChoiceAnswer]) -> list[np.ndarray]:
        """Text, place and probability of each choice."""
        rows = [(str(answer.choice).encode(), answer.index, answer.confidence) for answer in answers]
        return arrays_of(rows, self.ensemble.answers)


def _choice_rows(rows: EncodedDataset) -> Sequence[ChoiceRow]:
    return cast("Sequence[ChoiceRow]", rows.features)
