"""What every task tells the journey from data to deployment."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np

from ernie_toolkit.decoding import Answer, softmax
from ernie_toolkit.text.dataset import EncodedDataset, Outputs
from ernie_toolkit.text.features import TextInput, Texts
from ernie_toolkit.text.tokenization import WordPieceTokenizer

Example = typing.Mapping[str, Any]


class Task(Protocol):
    """How a task's examples become model inputs, its logits answers, and its answers figures.

    Training, evaluation and every deployment go through the same object, so that what was measured is what
    is served.
    """

    name: ClassVar[str]
    """As in `DatasetSpec.task`, `bundle.json` and `--task_name`."""

    metrics: ClassVar[tuple[str, ...]]
    """Figures that may choose the best checkpoint, the task's own first."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Label identifiers in the order of the logits; empty where the task has none."""

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """Readable names in the labels' order, or None."""

    @property
    def text_format(self) -> str:
        """How the texts of an example are read (see `features.texts_of`)."""

    @property
    def max_seq_length(self) -> int:
        """The longest sequence in tokens."""

    @property
    def limits(self) -> dict[str, int]:
        """The task's further settings, as `bundle.json` records them."""

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The probability that each label has to be above, for a task with sets of them; else empty."""

    def inputs(self, examples: Sequence[Example]) -> list[TextInput]:
        """What the model reads of some examples of a data set."""

    def encode(self, tokenizer: WordPieceTokenizer, inputs: Texts) -> EncodedDataset:
        """Model inputs of some texts or pairs (see `as_inputs`), without targets.

        Raises ConfigError on limits that leave no room, DataError on inputs that the task does not read.
        """

    def with_targets(self, rows: EncodedDataset, examples: Sequence[Example]) -> EncodedDataset:
        """The same rows with training targets; `examples` are those that `rows` were encoded from."""

    def decode(self, rows: EncodedDataset, logits: Outputs, inputs: Sequence[TextInput]) -> Sequence[Answer]:
        """The answer to each input, in their order; `logits` are those of `rows`, `rows` those of `inputs`."""

    def score(self, rows: EncodedDataset, logits: Outputs, examples: Sequence[Example]) -> dict[str, float]:
        """Figures of a set with targets, all but `loss` (in nats) between 0 and 1.

        A name with a slash ("PER/f1") belongs to a table of details.
        """


def cross_entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    """Mean cross entropy in nats of logits of shape (rows, classes) and classes of shape (rows,)."""
    probability = softmax(logits)[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(probability, 1e-300)).mean())
