"""The answer to a question as a span of a context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import ClassVar, cast

import numpy as np

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.decoding import SpanAnswer, WindowLogits, decode_spans
from ernie_toolkit.metrics import reading_scores
from ernie_toolkit.tasks.base import Example, cross_entropy
from ernie_toolkit.text.dataset import IGNORED, EncodedDataset, Outputs
from ernie_toolkit.text.features import TextInput, Texts, texts_of
from ernie_toolkit.text.tokenization import WordPieceTokenizer
from ernie_toolkit.text.windows import Window, context_windows

TARGETS = ("start_positions", "end_positions")


@dataclass(frozen=True)
class QuestionAnswering:
    """Question and context to a span of the context, which is read in windows (see `Task`).

    `doc_stride`: tokens that neighbouring windows share, at most half of a window. `n_best_size`: candidates
    kept for a question. `max_answer_length`: tokens of the longest answer.
    """

    max_seq_length: int
    doc_stride: int = 128
    n_best_size: int = 20
    max_answer_length: int = 50
    text_format: str = "question_context"

    name: ClassVar[str] = "qa"
    metrics: ClassVar[tuple[str, ...]] = ("f1", "exact_match", "loss")
    labels: ClassVar[tuple[str, ...]] = ()
    label_names: ClassVar[tuple[str, ...] | None] = None
    thresholds: ClassVar[tuple[float, ...]] = ()

    @property
    def limits(self) -> dict[str, int]:
        """Windows and search."""
        return {name: getattr(self, name) for name in ("doc_stride", "n_best_size", "max_answer_length")}

    def inputs(self, examples: Sequence[Example]) -> list[TextInput]:
        """Question and context of some examples."""
        return [texts_of(example, self.text_format) for example in examples]

    def encode(self, tokenizer: WordPieceTokenizer, inputs: Texts) -> EncodedDataset:
        """One row for each window, those of a question next to each other."""
        windows = context_windows(tokenizer, inputs, self.max_seq_length, self.doc_stride)
        return EncodedDataset(windows, tokenizer.special.pad)

    def with_targets(self, rows: EncodedDataset, examples: Sequence[Example]) -> EncodedDataset:
        """`start_positions` and `end_positions`: int64 of shape (rows,), the answer's first and last token.

        A window without the whole answer points to [CLS]. Where no place of the answer is known, both are
        `IGNORED`.
        """
        windows = cast("Sequence[Window]", rows.features)
        places = np.array([_target(window, examples[window.source]["span"]) for window in windows], dtype=np.int64)
        return replace(rows, targets=dict(strict_zip(TARGETS, places.reshape(-1, 2).T.copy())))

    def decode(self, rows: EncodedDataset, logits: Outputs, inputs: Sequence[TextInput]) -> list[SpanAnswer]:
        """The answer to each question from all windows of its context."""
        parts = strict_zip(cast("Sequence[Window]", rows.features), logits)
        answers = []
        for source, group in groupby(parts, key=lambda part: part[0].source):
            found = [
                WindowLogits(values[0, window.place], values[1, window.place], window.offsets)
                for window, values in group
            ]
            answers.append(decode_spans(found, inputs[source][1], self.n_best_size, self.max_answer_length))
        return answers

    def score(self, rows: EncodedDataset, logits: Outputs, examples: Sequence[Example]) -> dict[str, float]:
        """Exact match and F1 of CMRC2018, and the loss over windows, as in training.

        Questions with `is_impossible` are right where the answer is empty (see `reading_scores`); those without a place
        of their answer have no part in the loss.
        """
        answers = self.decode(rows, logits, self.inputs(examples))
        golds = [None if example.get("is_impossible") else example["answers"] for example in examples]
        scores = reading_scores([answer.text for answer in answers], golds)
        losses = []
        for index, name in enumerate(TARGETS):
            gold = np.asarray(rows.targets[name])
            losses += [
                cross_entropy(values[index][None], gold[row : row + 1])
                for row, values in enumerate(logits)
                if gold[row] != IGNORED
            ]
        return {**scores, "loss": float(np.mean(losses)) if losses else 0.0}


def thin_negatives(rows: EncodedDataset, ratio: float, seed: int) -> EncodedDataset:
    """Training rows with `ratio` windows that lack the answer for each one that holds it, drawn at random.

    Most windows of a long context lack the answer, and a model that sees them all learns to point to [CLS]
    first. Windows whose answer is nowhere known are left out too. All rows where `ratio` is -1.
    """
    if ratio == -1:
        return rows
    starts = np.asarray(rows.targets[TARGETS[0]])
    positives, negatives = np.flatnonzero(starts > 0), np.flatnonzero(starts == 0)
    count = min(len(negatives), round(ratio * len(positives)))
    kept = np.random.default_rng(seed).choice(negatives, count, replace=False)
    return rows.subset(np.sort(np.concatenate([positives, kept])).tolist())


def _target(window: Window, span: tuple[int, int] | None) -> tuple[int, int]:
    if span is None:
        return IGNORED, IGNORED
    start, end = span
    inside = np.flatnonzero((window.offsets[:, 1] > start) & (window.offsets[:, 0] < end))
    if not len(inside):
        return 0, 0
    first, last = int(inside[0]), int(inside[-1])
    # A stretch that begins or ends within the answer does not hold all of it.
    cut_left = first == 0 and window.begin > 0 and window.offsets[0, 0] > start
    cut_right = last + 1 == len(window.offsets) and window.end < window.total and window.offsets[last, 1] < end
    if cut_left or cut_right:
        return 0, 0
    return window.first + first, window.first + last
