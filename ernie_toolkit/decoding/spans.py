"""Start and end logits of a context's windows to the answer of a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.decoding.labels import ABSTAINED, more_fields, softmax
from ernie_toolkit.decoding.options import NO_OPTIONS, AnswerOptions


@dataclass(frozen=True)
class SpanCandidate:
    """A possible answer to a question.

    Attributes:
        text: The answer, a part of the context.
        start: Its first character in the context.
        end: The character after its last one.
        score: The sum of its start and its end logit.
        confidence: The softmax of the scores over the candidates of one question.
    """

    text: str
    start: int
    end: int
    score: float
    confidence: float


@dataclass(frozen=True)
class SpanAnswer:
    """The best candidate of a question, and all candidates from the best down.

    Where a context has no token at all, the text is empty, the place [0, 0) and the confidence 0.

    Attributes:
        text: The best candidate's text; None where the answer abstains.
        start: Its first character in the context; None where the answer abstains.
        end: The character after its last one; None where the answer abstains.
        confidence: The best candidate's confidence (see `SpanCandidate`).
        candidates: All candidates, best first, or as many as were asked for.
        abstained: Whether no answer is given; None where nobody asked for that.
        lists_candidates: Whether people see the candidates too.
    """

    text: str | None
    start: int | None
    end: int | None
    confidence: float
    candidates: tuple[SpanCandidate, ...]
    abstained: bool | None = None
    lists_candidates: bool = False

    FIELDS: ClassVar[tuple[str, ...]] = ("answer", "start", "end", "confidence", "n_best")

    def fields(self) -> dict[str, Any]:
        """`answer`, `start`, `end` and `confidence`, in `n_best` the same of each candidate; `abstained` if asked."""
        candidates = [
            {
                "text": item.text,
                "start": item.start,
                "end": item.end,
                "score": round(item.score, 4),
                "confidence": round(item.confidence, 6),
            }
            for item in self.candidates
        ]
        return {
            "answer": self.text,
            "start": self.start,
            "end": self.end,
            "confidence": round(self.confidence, 6),
            "n_best": candidates,
            **more_fields(None, self.abstained),
        }

    @property
    def content(self) -> tuple[int | None, int | None]:
        """Where the answer begins and ends."""
        return self.start, self.end

    def lines(self) -> list[str]:
        """The answer, its first and last character, and its confidence; then the candidates, where asked for."""
        shown = ABSTAINED if self.start is None or self.end is None else _place_line(self.text, self.start, self.end)
        ranked = self.candidates if self.lists_candidates else ()
        return [
            f"answer: {shown}  confidence: {self.confidence:.4f}",
            *(f"  {_place_line(item.text, item.start, item.end)}  {item.confidence:.4f}" for item in ranked),
        ]


def _place_line(text: str | None, start: int, end: int) -> str:
    return f"{text}  pos: [{start}, {end - 1}]"


@dataclass(frozen=True)
class WindowLogits:
    """The logits of one window's context tokens, and their places in the context.

    Tokens of the question are not in it, so no answer reaches into one.

    Attributes:
        start: Floats of shape (tokens,).
        end: Floats of shape (tokens,).
        offsets: Integers of shape (tokens, 2), characters [start, end) of the context.
    """

    start: np.ndarray
    end: np.ndarray
    offsets: np.ndarray


def best_spans(window: WindowLogits, n_best_size: int, max_answer_length: int) -> dict[tuple[int, int], float]:
    """The best places of one window with their scores; a place is characters [start, end).

    All pairs of a start and an end token are compared, not only those of the best starts with the best ends. Of several
    pairs for one place (tokens can be made of the same character) the best counts.

    Args:
        window: The window's logits.
        n_best_size: How many places are found, where there are so many.
        max_answer_length: Tokens of the longest answer.
    """
    tokens = len(window.start)
    reach = min(max_answer_length, tokens)
    if not reach:
        return {}
    ends = np.concatenate([window.end.astype(np.float64), np.full(reach - 1, -np.inf)])
    scores = window.start.astype(np.float64)[:, None] + np.lib.stride_tricks.sliding_window_view(ends, reach)
    flat = scores.ravel()
    count = n_best_size
    while True:
        count = min(count, len(flat))
        best = np.argpartition(-flat, count - 1)[:count]
        spans: dict[tuple[int, int], float] = {}
        for index in best[np.isfinite(flat[best])].tolist():
            first, more = divmod(index, reach)
            place = int(window.offsets[first, 0]), int(window.offsets[first + more, 1])
            spans[place] = max(float(flat[index]), spans.get(place, -np.inf))
        if len(spans) >= n_best_size or count == len(flat):
            return spans
        count *= 2


def decode_spans(
    windows: Sequence[WindowLogits],
    context: str,
    n_best_size: int,
    max_answer_length: int,
    options: AnswerOptions = NO_OPTIONS,
) -> SpanAnswer:
    """The answer to a question from all windows of its context, by n-best search.

    A place that several windows offer counts with its best score; of equal scores the earlier and then the shorter
    place wins.

    Args:
        windows: The logits of each window.
        context: The text whose characters `context[start:end]` are a candidate's text.
        n_best_size: Candidates that are kept, of which confidences are shares; more are kept where `options` list more.
        max_answer_length: Tokens of the longest answer.
        options: What is asked of the answer.
    """
    n_best_size = max(n_best_size, options.n_best or 0)
    scores: dict[tuple[int, int], float] = {}
    for window in windows:
        for place, score in best_spans(window, n_best_size, max_answer_length).items():
            scores[place] = max(score, scores.get(place, -np.inf))
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:n_best_size]
    if not ranked:
        abstained = options.abstained(0.0)
        return SpanAnswer(None, None, None, 0.0, (), True) if abstained else SpanAnswer("", 0, 0, 0.0, (), abstained)
    confidences = softmax(np.array([score for _, score in ranked])).tolist()
    candidates = tuple(
        SpanCandidate(context[start:end], start, end, score, confidence)
        for ((start, end), score), confidence in strict_zip(ranked, confidences)
    )
    best = candidates[0]
    abstained = options.abstained(best.confidence)
    kept, listed = candidates[: options.n_best], options.n_best is not None
    answer = SpanAnswer(best.text, best.start, best.end, best.confidence, kept, abstained, listed)
    return replace(answer, text=None, start=None, end=None) if abstained else answer
