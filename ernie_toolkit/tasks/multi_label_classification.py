"""Any number of labels for a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ernie_toolkit.decoding import LabelSetAnswer, decode_label_sets, label_sets, sigmoid
from ernie_toolkit.decoding.label_sets import THRESHOLD
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.metrics import label_set_scores
from ernie_toolkit.tasks.base import Example
from ernie_toolkit.text.dataset import EncodedDataset, Outputs
from ernie_toolkit.text.features import TextInput, Texts, encode_counting_cuts, texts_of
from ernie_toolkit.text.tokenization import WordPieceTokenizer


@dataclass(frozen=True)
class MultiLabelClassification:
    """Text to the labels that it has; what is longer than `max_seq_length` tokens is cut off (see `Task`).

    `thresholds`: the probability that each label has to be above, 0.5 for all where empty. Raises ConfigError on
    thresholds that are not one for each label, or not from 0 to 1.
    """

    labels: tuple[str, ...]
    max_seq_length: int
    thresholds: tuple[float, ...] = ()
    label_names: tuple[str, ...] | None = None
    text_format: str = "sentence"

    name: ClassVar[str] = "multi_label"
    metrics: ClassVar[tuple[str, ...]] = ("macro_f1", "micro_f1", "accuracy", "loss")

    def __post_init__(self) -> None:
        if len(self.thresholds) not in (0, len(self.labels)):
            raise ConfigError(f"{len(self.thresholds)} thresholds for {len(self.labels)} labels: give one for each")
        wrong = [value for value in self.thresholds if not 0 <= value <= 1]
        if wrong:
            raise ConfigError(f"a threshold is {wrong[0]}: it must lie between 0 and 1")

    @property
    def limits(self) -> dict[str, int]:
        """None beside the length."""
        return {}

    @property
    def used_thresholds(self) -> tuple[float, ...]:
        """One for each label."""
        return self.thresholds or (THRESHOLD,) * len(self.labels)

    def inputs(self, examples: Sequence[Example]) -> list[TextInput]:
        """The texts of some examples."""
        return [texts_of(example, self.text_format) for example in examples]

    def encode(self, tokenizer: WordPieceTokenizer, inputs: Texts) -> EncodedDataset:
        """One row for each text."""
        features, cuts = encode_counting_cuts(tokenizer, inputs, self.max_seq_length, self.text_format)
        return EncodedDataset(features, tokenizer.special.pad, cut_rows=cuts)

    def with_targets(self, rows: EncodedDataset, examples: Sequence[Example]) -> EncodedDataset:
        """`labels`: float32 of shape (rows, classes), 1 for the labels that a row has, 0 for the others."""
        return replace(rows, targets={"labels": self.gold(examples).astype(np.float32)})

    def gold(self, examples: Sequence[Example]) -> np.ndarray:
        """The labels of some examples: bool of shape (rows, classes)."""
        places = {label: index for index, label in enumerate(self.labels)}
        table = np.zeros((len(examples), len(self.labels)), dtype=bool)
        for row, example in enumerate(examples):
            table[row, [places[label] for label in example["labels"]]] = True
        return table

    def decode(self, rows: EncodedDataset, logits: Outputs, inputs: Sequence[TextInput]) -> list[LabelSetAnswer]:
        """The labels of each text, by the thresholds."""
        return decode_label_sets(self.table(logits), self.labels, self.used_thresholds, self.label_names)

    def score(self, rows: EncodedDataset, logits: Outputs, examples: Sequence[Example]) -> dict[str, float]:
        """Micro and macro figures at the thresholds, the loss, and precision, recall and F1 of each label.

        Macro figures are means over the labels that the examples or the answers have (see `label_set_scores`).
        """
        gold, table = self.gold(examples), self.table(logits)
        scores, labels = label_set_scores(gold, label_sets(sigmoid(table), self.used_thresholds))
        details = {
            f"{label}/{name}": float(labels[name][index])
            for index, label in enumerate(self.label_names or self.labels)
            for name in ("precision", "recall", "f1", "support")
        }
        return {**scores, "loss": binary_cross_entropy(table, gold), **details}

    def table(self, logits: Outputs) -> np.ndarray:
        """Logits as one float32 array of shape (rows, classes)."""
        return np.asarray(logits, dtype=np.float32).reshape(len(logits), len(self.labels))


def binary_cross_entropy(logits: np.ndarray, gold: np.ndarray) -> float:
    """Mean binary cross entropy in nats over all rows and classes; both of shape (rows, classes), `gold` bool."""
    values = logits.astype(np.float64)
    return float((np.maximum(values, 0) - values * gold + np.log1p(np.exp(-np.abs(values)))).mean())
