"""A tag for every character of a text, and the entities that the tags make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import ClassVar, cast

import numpy as np

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.decoding import TaggedText, decode_tags, entity_spans
from ernie_toolkit.metrics import entity_scores
from ernie_toolkit.tasks.base import Example, cross_entropy
from ernie_toolkit.text.dataset import IGNORED, EncodedDataset, Outputs
from ernie_toolkit.text.features import TextInput, Texts, texts_of
from ernie_toolkit.text.tokenization import WordPieceTokenizer
from ernie_toolkit.text.windows import Window, kept_ranges, text_windows

WINDOW_OVERLAP = 32


@dataclass(frozen=True)
class TokenClassification:
    """Text to tags and entities; a text of more than `max_seq_length` tokens is read in windows (see `Task`).

    `window_overlap`: tokens that neighbouring windows share, at most half of a window. Each token is
    answered for, and trained on, in the window where it stands nearer to the middle.
    """

    labels: tuple[str, ...]
    max_seq_length: int
    window_overlap: int = WINDOW_OVERLAP
    text_format: str = "characters"

    name: ClassVar[str] = "token_cls"
    metrics: ClassVar[tuple[str, ...]] = ("f1", "precision", "recall", "loss")
    label_names: ClassVar[tuple[str, ...] | None] = None
    thresholds: ClassVar[tuple[float, ...]] = ()

    @property
    def limits(self) -> dict[str, int]:
        """The overlap of windows, in tokens."""
        return {"window_overlap": self.window_overlap}

    def inputs(self, examples: Sequence[Example]) -> list[TextInput]:
        """The texts of some examples."""
        return [texts_of(example, self.text_format) for example in examples]

    def encode(self, tokenizer: WordPieceTokenizer, inputs: Texts) -> EncodedDataset:
        """One row for each window, those of a text next to each other."""
        windows = text_windows(tokenizer, inputs, self.max_seq_length, self.window_overlap)
        return EncodedDataset(windows, tokenizer.special.pad)

    def with_targets(self, rows: EncodedDataset, examples: Sequence[Example]) -> EncodedDataset:
        """`labels`: for each window int64 of shape (tokens,), the tag of each token's first character.

        Special tokens, and those that count in another window, are `IGNORED`.
        """
        ids = {label: index for index, label in enumerate(self.labels)}
        tags = [np.array([ids[tag] for tag in example["labels"]], dtype=np.int64) for example in examples]
        windows = cast("Sequence[Window]", rows.features)
        targets = []
        for window, (start, end) in strict_zip(windows, kept_ranges(windows)):
            target = np.full(len(window), IGNORED, dtype=np.int64)
            target[window.place][start:end] = tags[window.source][window.offsets[start:end, 0]]
            targets.append(target)
        return replace(rows, targets={"labels": targets})

    def decode(self, rows: EncodedDataset, logits: Outputs, inputs: Sequence[TextInput]) -> list[TaggedText]:
        """Tags and entities of each text, its windows joined."""
        windows = cast("Sequence[Window]", rows.features)
        parts = strict_zip(windows, kept_ranges(windows), logits)
        answers = []
        for source, group in groupby(parts, key=lambda part: part[0].source):
            kept = [
                (window.offsets[start:end], values[window.place][start:end]) for window, (start, end), values in group
            ]
            offsets, values = (np.concatenate(arrays) for arrays in strict_zip(*kept))
            answers.append(decode_tags(values, offsets, str(inputs[source]), self.labels))
        return answers

    def score(self, rows: EncodedDataset, logits: Outputs, examples: Sequence[Example]) -> dict[str, float]:
        """Precision, recall and F1 of entities, overall and as "TYPE/f1", and the loss over tokens."""
        answers = self.decode(rows, logits, self.inputs(examples))
        overall, by_type = entity_scores(
            [entity_spans(example["labels"]) for example in examples], [entity_spans(answer.tags) for answer in answers]
        )
        figures = {name: getattr(overall, name) for name in ("precision", "recall", "f1")}
        targets = np.concatenate(list(rows.targets["labels"]))
        counted = targets != IGNORED
        figures["loss"] = cross_entropy(np.concatenate(list(logits))[counted], targets[counted])
        for kind, scores in by_type.items():
            for name in ("precision", "recall", "f1", "support"):
                figures[f"{kind}/{name}"] = float(getattr(scores, name))
        return figures
