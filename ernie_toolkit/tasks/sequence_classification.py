"""One label for a text or a pair of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ernie_toolkit.decoding import LabelAnswer, decode_labels
from ernie_toolkit.metrics import accuracy
from ernie_toolkit.tasks.base import Example, cross_entropy
from ernie_toolkit.text.dataset import EncodedDataset, Outputs
from ernie_toolkit.text.features import TextInput, Texts, encode_counting_cuts, texts_of
from ernie_toolkit.text.tokenization import WordPieceTokenizer


@dataclass(frozen=True)
class SequenceClassification:
    """Text or pair to label; what is longer than `max_seq_length` tokens is cut off (see `Task`)."""

    labels: tuple[str, ...]
    max_seq_length: int
    label_names: tuple[str, ...] | None = None
    text_format: str = "sentence"

    name: ClassVar[str] = "seq_cls"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "loss")
    thresholds: ClassVar[tuple[float, ...]] = ()

    @property
    def limits(self) -> dict[str, int]:
        """None beside the length."""
        return {}

    def inputs(self, examples: Sequence[Example]) -> list[TextInput]:
        """The texts of some examples."""
        return [texts_of(example, self.text_format) for example in examples]

    def encode(self, tokenizer: WordPieceTokenizer, inputs: Texts) -> EncodedDataset:
        """One row for each input."""
        features, cuts = encode_counting_cuts(tokenizer, inputs, self.max_seq_length, self.text_format)
        return EncodedDataset(features, tokenizer.special.pad, cut_rows=cuts)

    def with_targets(self, rows: EncodedDataset, examples: Sequence[Example]) -> EncodedDataset:
        """`labels`: int64 of shape (rows,)."""
        ids = {label: index for index, label in enumerate(self.labels)}
        labels = np.array([ids[example["label"]] for example in examples], dtype=np.int64)
        return replace(rows, targets={"labels": labels})

    def decode(self, rows: EncodedDataset, logits: Outputs, inputs: Sequence[TextInput]) -> list[LabelAnswer]:
        """The most probable label of each input."""
        return decode_labels(_table(logits, len(self.labels)), self.labels, self.label_names)

    def score(self, rows: EncodedDataset, logits: Outputs, examples: Sequence[Example]) -> dict[str, float]:
        """Accuracy and loss."""
        gold = np.asarray(rows.targets["labels"])
        table = _table(logits, len(self.labels))
        return {"accuracy": accuracy(table, gold), "loss": cross_entropy(table, gold)}


def _table(logits: Outputs, classes: int) -> np.ndarray:
    return np.asarray(logits, dtype=np.float32).reshape(len(logits), classes)
