"""The answer to a question as a span of a context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import groupby
from typing import Any, ClassVar, cast

import numpy as np

from ernie_toolkit.arguments.options import ReadingOptions
from ernie_toolkit.compat import strict_zip
from ernie_toolkit.decoding import NO_OPTIONS, Answer, AnswerOptions, SpanAnswer, WindowLogits, decode_spans
from ernie_toolkit.metrics import reading_scores
from ernie_toolkit.tasks.base import (
    Ensemble,
    Example,
    RequestParameter,
    RowSelection,
    Task,
    TaskSettings,
    Tensor,
    arrays_of,
    cross_entropy,
)
from ernie_toolkit.text.dataset import IGNORED, EncodedDataset, Outputs
from ernie_toolkit.text.features import TextInput, Texts
from ernie_toolkit.text.tokenization import WordPieceTokenizer
from ernie_toolkit.text.windows import Window, context_windows, least_tokens, least_windows

TARGETS = ("start_positions", "end_positions")
COMPANY = "临江公司成立于1998年5月。临江公司生产全棉毛巾。临江公司的总部设在白埠市东部。"
_RANGES = {item.name: item.metadata["allowed"] for item in fields(ReadingOptions)}


@dataclass(frozen=True)
class QuestionAnswering(Task):
    """Question and context to a span of the context, which is read in windows (see `Task`).

    Attributes:
        max_seq_length: The longest window in tokens.
        doc_stride: Tokens that neighbouring windows share, at most half of a window.
        n_best_size: Candidates kept for a question.
        max_answer_length: Tokens of the longest answer.
        text_format: How texts are read: "question_context".
        answer_options: What is asked of the answers.
    """

    max_seq_length: int
    doc_stride: int = ReadingOptions.doc_stride
    n_best_size: int = ReadingOptions.n_best_size
    max_answer_length: int = ReadingOptions.max_answer_length
    text_format: str = "question_context"
    labels: tuple[str, ...] = field(default=(), init=False)
    label_names: tuple[str, ...] | None = field(default=None, init=False)
    answer_options: AnswerOptions = NO_OPTIONS

    name: ClassVar[str] = "qa"
    title: ClassVar[tuple[str, str]] = ("阅读理解", "question answering")
    script: ClassVar[str] = "run_qa.py"
    config_section: ClassVar[str | None] = "QuestionAnswering"
    metrics: ClassVar[tuple[str, ...]] = ("f1", "exact_match", "loss")
    published_metrics: ClassVar[Mapping[str, str]] = {"exact_match": "EM", "f1": "F1"}
    answer: ClassVar[type[Answer]] = SpanAnswer
    ANSWER_OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"n_best": (), "abstain_below": ("abstained",)}
    head: ClassVar[str] = "span"
    soft_loss: ClassVar[str] = "positions"
    data_form: ClassVar[str] = "questions"
    has_labels: ClassVar[bool] = False
    options_class: ClassVar[type | None] = ReadingOptions
    LIMITS: ClassVar[tuple[str, ...]] = ("doc_stride", "n_best_size", "max_answer_length")
    model_path: ClassVar[str] = "best_models/cmrc2018/export"
    service_path: ClassVar[str] = "models/ernie_qa"
    ensemble: ClassVar[Ensemble] = Ensemble(
        "ernie_qa",
        (
            Tensor("answer", "STRING"),
            Tensor("confidence", "FP32"),
            Tensor("start", "INT64"),
            Tensor("end", "INT64"),
        ),
    )
    request_parameters: ClassVar[tuple[RequestParameter, ...]] = (
        RequestParameter("doc_stride", int, _RANGES["doc_stride"], "doc_stride", "tokens that windows share"),
    )
    default_text_format: ClassVar[str] = "question_context"
    examples: ClassVar[Mapping[str, Sequence[TextInput]]] = {
        "question_context": [("临江公司成立于哪一年？", COMPANY), ("临江公司的总部在哪里？", COMPANY)]
    }

    @classmethod
    def make(cls, settings: TaskSettings) -> QuestionAnswering:
        """The task with these limits, its defaults for those that are not given."""
        given = settings.limits
        return cls(
            settings.max_seq_length,
            given.get("doc_stride", cls.doc_stride),
            given.get("n_best_size", cls.n_best_size),
            given.get("max_answer_length", cls.max_answer_length),
            settings.text_format,
        )

    @classmethod
    def num_classes(cls, labels: Sequence[str]) -> int | None:
        """None: start and end are chosen among the tokens."""
        return None

    @classmethod
    def text_fields(cls, text_format: str) -> tuple[str, ...]:
        """Question and context, in every format."""
        return "question", "context"

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

    def training_rows(self, rows: EncodedDataset, options: RowSelection) -> EncodedDataset:
        """All windows that hold an answer, and a share of those that lack it (see `thin_negatives`)."""
        return thin_negatives(rows, options.negative_window_ratio, options.seed)

    def decode(self, rows: EncodedDataset, logits: Outputs, inputs: Sequence[TextInput]) -> list[SpanAnswer]:
        """The answer to each question from all windows of its context."""
        parts = strict_zip(cast("Sequence[Window]", rows.features), logits)
        answers = []
        for source, group in groupby(parts, key=lambda part: part[0].source):
            found = [
                WindowLogits(values[0, window.place], values[1, window.place], window.offsets)
                for window, values in group
            ]
            limits = (self.n_best_size, self.max_answer_length, self.answer_options)
            answers.append(decode_spans(found, inputs[source][1], *limits))
        return answers

    def score(
        self,
        rows: EncodedDataset,
        logits: Outputs,
        examples: Sequence[Example],
        answers: Sequence[Any] | None = None,
    ) -> dict[str, float]:
        """Exact match and F1 of CMRC2018, and the loss over windows, as in training.

        Questions with `is_impossible` are right where the answer is empty (see `reading_scores`); those without a place
        of their answer have no part in the loss.
        """
        answers = self.decode(rows, logits, self.inputs(examples)) if answers is None else answers
        golds = [None if example.get("is_impossible") else example["answers"] for example in examples]
        scores = reading_scores([answer.text or "" for answer in answers], golds)
        losses = []
        for index, name in enumerate(TARGETS):
            gold = np.asarray(rows.targets[name])
            losses += [
                cross_entropy(values[index][None], gold[row : row + 1])
                for row, values in enumerate(logits)
                if gold[row] != IGNORED
            ]
        return {**scores, "loss": float(np.mean(losses)) if losses else 0.0}

    def least_rows(self, inputs: Sequence[TextInput]) -> int:
        """As many windows as the contexts make alone: a question takes room, and the windows are then more."""
        room = self.max_seq_length - 3
        return sum(least_windows(least_tokens(text[1]), room, self.doc_stride) for text in inputs)

    def service_result(
        self,
        inputs: Sequence[TextInput],
        answers: Sequence[SpanAnswer],
        logits: Sequence[np.ndarray],
        words: Sequence[Sequence[str] | None],
    ) -> dict[str, Any]:
        """Context and question of each input, and the fields of its answer."""
        found = [answer.fields() for answer in answers]
        # The order of a service's answers, which is not that of files; then what the answer options add.
        names = ("answer", "confidence", "start", "end", "n_best", *self.answer_names(self.answer_options))
        return {
            "context": [item[1] for item in inputs],
            "question": [item[0] for item in inputs],
            **{name: [item[name] for item in found] for name in dict.fromkeys(names)},
        }

    def answer_arrays(self, answers: Sequence[SpanAnswer]) -> list[np.ndarray]:
        """Text, probability and place (characters [start, end)) of each answer."""
        rows = [(str(answer.text).encode(), answer.confidence, answer.start, answer.end) for answer in answers]
        return arrays_of(rows, self.ensemble.answers)


def thin_negatives(rows: EncodedDataset, ratio: float, seed: int) -> EncodedDataset:
    """Training rows with a share of the windows that lack the answer, drawn at random.

    Most windows of a long context lack the answer, and a model that sees them all learns to point to [CLS] first.
    Windows whose answer is nowhere known are left out too.

    Args:
        rows: Windows with targets.
        ratio: Windows without the answer for each one that holds it; -1: all rows as they are.
        seed: The seed that they are drawn with.
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
