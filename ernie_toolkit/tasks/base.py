"""What every task provides from its data to its deployments, with defaults for what most tasks have in common."""

from __future__ import annotations

import typing
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np

from ernie_toolkit.decoding import NO_OPTIONS, Answer, AnswerOptions, softmax
from ernie_toolkit.formats.ranges import Range
from ernie_toolkit.tasks.settings import TaskSettings, check_answer_options
from ernie_toolkit.text.dataset import EncodedDataset, Outputs
from ernie_toolkit.text.features import TextInput, Texts, texts_of
from ernie_toolkit.text.formats import PAIR_FORMATS
from ernie_toolkit.text.tokenization import WordPieceTokenizer

Example = typing.Mapping[str, Any]
TOP_LABELS = 5
"""Most probable labels that a service's answer lists."""


@dataclass(frozen=True)
class HeadShape:
    """The shape of a head's logits.

    Attributes:
        outputs: How many tensors the model gives.
        tokens: Whether these have logits for each token, so that a text may be read in several windows.
        choices: Whether each choice of an input is a row.
    """

    outputs: int
    tokens: bool
    choices: bool = False

    @property
    def several_rows(self) -> bool:
        """Whether an input may take several rows, so that who decodes has to see the inputs again."""
        return self.tokens or self.choices


HEADS = {
    "sequence": HeadShape(1, False),
    "token": HeadShape(1, True),
    "span": HeadShape(2, True),
    "choice": HeadShape(1, False, True),
}
"""Heads by name; `models.families.base.HEAD_CLASSES` has the Paddle class of each."""


@dataclass(frozen=True)
class RequestParameter:
    """A parameter that an HTTP request may set.

    Attributes:
        name: Its name in the request.
        kind: Int or float.
        allowed: The values a client script accepts.
        setting: The limit that it replaces, or "threshold".
        text: Its meaning, for a client's help.
    """

    name: str
    kind: type
    allowed: Range
    setting: str
    text: str


@dataclass(frozen=True)
class Tensor:
    """A tensor of a model in a Triton repository.

    Attributes:
        name: Its name.
        type: Its Triton type: "STRING", "INT64" or "FP32".
        dims: Its shape without the batch; -1 where a size is open.
    """

    name: str
    type: str
    dims: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class Ensemble:
    """The models of a task in a Triton repository.

    Attributes:
        name: The ensemble's name.
        answers: Its outputs, in order.
        tokenizer: The tokenizer step's name; empty: `<name>_tokenizer`.
    """

    name: str
    answers: tuple[Tensor, ...]
    tokenizer: str = ""


class RowSelection(Protocol):
    """The training options that decide which rows a task trains on (see `TrainingOptions`)."""

    @property
    def negative_window_ratio(self) -> float:
        """Windows without the answer for each one with it; -1 for all."""

    @property
    def seed(self) -> int:
        """The seed that rows are drawn with."""


class Task(ABC):
    """How a task's examples become model inputs, its logits answers, and its answers metrics.

    Training, evaluation and every deployment go through the same object, so that what was measured is what is served.
    A subclass is a frozen dataclass; `register` makes it known to data sets, models and deployments.
    """

    labels: tuple[str, ...]
    """Label identifiers in the order of the logits; empty where the task has none."""
    label_names: tuple[str, ...] | None
    """Readable names in the labels' order, or None."""
    text_format: str
    """How the texts of an example are read (see `features.texts_of`)."""
    max_seq_length: int
    """The longest sequence in tokens."""
    temperature: float = 1.0
    """What logits are divided by for probabilities; it changes no answer."""
    answer_options: AnswerOptions = NO_OPTIONS
    """What is asked of the answers (see `answering`)."""

    name: ClassVar[str]
    """As in `DatasetSpec.task_name` and `bundle.json`."""
    title: ClassVar[tuple[str, str]]
    """Its name for people, in Chinese and in English."""
    script: ClassVar[str]
    """The script that trains it."""
    config_section: ClassVar[str | None] = None
    """The section of its data sets in a YAML file of options, where it has one."""
    metrics: ClassVar[tuple[str, ...]]
    """Metrics that may choose the best checkpoint, the task's own first."""
    published_metrics: ClassVar[Mapping[str, str]] = {}
    """Metrics that published tables give side by side, with their headings; averages are of the first.

    Where there are none, tables have the metric that chose the model.
    """
    answer: ClassVar[type[Answer]]
    """The class of its answers."""
    ANSWER_OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """The options that it takes of `AnswerOptions`, with the fields that each adds to an answer's."""
    head: ClassVar[str] = "sequence"
    """One of `HEADS`."""
    problem_type: ClassVar[str | None] = None
    """`problem_type` of the model's `config.json`; distinguishes tasks that have the same head."""
    soft_loss: ClassVar[str] = "classes"
    """How a student learns the logits of its teacher: one of `compression.distillation.losses.SOFT_LOSSES`."""
    data_form: ClassVar[str] = "columns"
    """How its files are read: one of `data.forms.FORMS`."""
    has_labels: ClassVar[bool] = True
    has_thresholds: ClassVar[bool] = False
    options_class: ClassVar[type | None] = None
    """The dataclass of those limits that scripts have options for (see `arguments.options`)."""
    LIMITS: ClassVar[tuple[str, ...]] = ()
    """Its fields beside the length that `bundle.json` records and a deployment may change."""

    model_path: ClassVar[str]
    """The bundle that deployments open where none is named."""
    service_path: ClassVar[str]
    """The path of its HTTP service, below `/`."""
    ensemble: ClassVar[Ensemble]
    request_parameters: ClassVar[tuple[RequestParameter, ...]] = ()
    accepts_words: ClassVar[bool] = False
    """Whether a text of an HTTP request may come as a list of words."""
    default_text_format: ClassVar[str] = "sentence"
    """The text format of the client scripts' examples."""
    examples: ClassVar[Mapping[str, Sequence[TextInput]]]
    """Built-in inputs by text format."""

    @classmethod
    @abstractmethod
    def make(cls, settings: TaskSettings) -> Task:
        """The task with these settings.

        Raises:
            ConfigError: Where they do not fit each other.
        """

    @classmethod
    def num_classes(cls, labels: Sequence[str]) -> int | None:
        """The size of the logits' last dimension, for these labels; None where that dimension is the tokens'."""
        return len(labels)

    @classmethod
    def text_fields(cls, text_format: str) -> tuple[str, ...]:
        """The names of an input's texts in a request: one, or two for a pair."""
        return ("text", "text_pair") if text_format in PAIR_FORMATS else ("text",)

    @classmethod
    def request_values(cls, given: TextInput) -> list[Any]:
        """The value of each of `text_fields` in a request for one input."""
        return [given] if isinstance(given, str) else list(given)

    @classmethod
    def examples_for(cls, text_format: str) -> list[TextInput]:
        """Built-in inputs in a text format, or in the one of the same number of texts."""
        alike = "pair" if text_format in PAIR_FORMATS else "sentence"
        return list(cls.examples.get(text_format) or cls.examples.get(alike) or cls.examples[cls.default_text_format])

    @property
    def limits(self) -> dict[str, int]:
        """The further settings, as `bundle.json` records them."""
        return {name: getattr(self, name) for name in self.LIMITS}

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The probability that each label has to be above, for a task with sets of them; else empty."""
        return ()

    @property
    def shown_names(self) -> tuple[str, ...]:
        """A name for people for each label: the label itself where it has no other."""
        return self.label_names or self.labels

    @classmethod
    def answer_names(cls, options: AnswerOptions) -> tuple[str, ...]:
        """The names of an answer's fields with these options."""
        more = (name for option in options.given for name in cls.ANSWER_OPTIONS.get(option, ()))
        return tuple(dict.fromkeys((*cls.answer.FIELDS, *more)))

    def answering(self, options: AnswerOptions) -> Task:
        """The task whose answers are as the options ask.

        Args:
            options: What is asked of the answers; those of an earlier call are given up.

        Raises:
            ConfigError: On an option that the task does not take, or a value that does not fit its labels.
        """
        check_answer_options(type(self), options)
        if options == self.answer_options:
            return self
        changed: Any = self  # every task that takes an option is a dataclass with this field
        return typing.cast(Task, replace(changed, answer_options=options))

    def inputs(self, examples: Sequence[Example]) -> list[TextInput]:
        """What the model reads of some examples of a data set."""
        return [texts_of(example, self.text_format) for example in examples]

    @abstractmethod
    def encode(self, tokenizer: WordPieceTokenizer, inputs: Texts) -> EncodedDataset:
        """Model inputs of some texts or pairs, without targets.

        Args:
            tokenizer: The model's tokenizer.
            inputs: As `as_inputs` takes them.

        Raises:
            ConfigError: On limits that leave no room.
            DataError: On inputs that the task does not read.
        """

    @abstractmethod
    def with_targets(self, rows: EncodedDataset, examples: Sequence[Example]) -> EncodedDataset:
        """The same rows with training targets.

        Args:
            rows: Of `encode`.
            examples: Those that `rows` were encoded from, with labels.
        """

    def training_rows(self, rows: EncodedDataset, options: RowSelection) -> EncodedDataset:
        """Those of the rows with targets that a run with these options trains on.

        Args:
            rows: Of `with_targets`.
            options: The training options that choose rows.
        """
        return rows

    @abstractmethod
    def decode(self, rows: EncodedDataset, logits: Outputs, inputs: Sequence[TextInput]) -> Sequence[Answer]:
        """The answer to each input, in their order.

        Args:
            rows: Of `encode`.
            logits: Those of `rows` (see `Outputs`).
            inputs: The inputs that `rows` were encoded from.
        """

    @abstractmethod
    def score(
        self,
        rows: EncodedDataset,
        logits: Outputs,
        examples: Sequence[Example],
        answers: Sequence[Any] | None = None,
    ) -> dict[str, float]:
        """Metrics of a set with targets, all but `loss` (in nats) between 0 and 1.

        A name with a slash ("PER/f1") belongs to a table of details.

        Args:
            rows: Of `with_targets`.
            logits: Those of `rows` (see `Outputs`).
            examples: Those that `rows` were encoded from, with labels.
            answers: Those of `decode`, where they are known already; None: a task that is measured by them decodes.
        """

    def least_rows(self, inputs: Sequence[TextInput]) -> int:
        """No more rows than `encode` makes of these inputs, found without tokenizing them."""
        return len(inputs)

    @abstractmethod
    def service_result(
        self,
        inputs: Sequence[TextInput],
        answers: Sequence[Any],
        logits: Sequence[np.ndarray],
        words: Sequence[Sequence[str] | None],
    ) -> dict[str, Any]:
        """The `result` of an HTTP answer, as JSON: names to lists with an entry for each input.

        Args:
            inputs: The texts or pairs of the request.
            answers: Their answers, of `decode`.
            logits: Those of the answers, as `decode` got them.
            words: For each input the words that it came split into, or None; empty where none did.
        """

    @abstractmethod
    def answer_arrays(self, answers: Sequence[Any]) -> list[np.ndarray]:
        """Answers as the arrays of `ensemble.answers`, in their order; the first dimension is the answers'."""

    @classmethod
    def answer_fields(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of one answer (see `Answer.fields`) from its values in `answer_arrays`, by name, texts as bytes.

        What the arrays do not hold (all tags, other candidates) is left out; labels stay indices.
        """
        return {name: value.decode("utf-8") if isinstance(value, bytes) else value for name, value in values.items()}


def cross_entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    """Mean cross entropy in nats.

    Args:
        logits: Floats of shape (rows, classes).
        targets: The classes' indices, of shape (rows,).
    """
    probability = softmax(logits)[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(probability, 1e-300)).mean())


def logits_table(logits: Outputs, classes: int) -> np.ndarray:
    """Logits of labels as one float32 array of shape (rows, classes).

    Args:
        logits: Those of each row (see `Outputs`).
        classes: The number of classes, which no rows at all cannot show.
    """
    return np.asarray(logits, dtype=np.float32).reshape(len(logits), classes)


_KINDS: Mapping[str, type] = {"INT64": np.int64, "FP32": np.float32, "STRING": np.object_}


def arrays_of(rows: Sequence[Sequence[Any]], tensors: Sequence[Tensor]) -> list[np.ndarray]:
    """Rows of plain values as one array of shape (rows, 1) for each tensor; texts are bytes.

    Args:
        rows: A value for each tensor, in their order.
        tensors: Names and types of the arrays.
    """
    return [
        np.array([row[place] for row in rows], dtype=_KINDS[tensor.type]).reshape(-1, 1)
        for place, tensor in enumerate(tensors)
    ]
