"""One of a question's own choices; of the blanks of one passage each another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.decoding.labels import ABSTAINED, largest, more_fields, scaled, softmax
from ernie_toolkit.decoding.options import NO_OPTIONS, AnswerOptions
from ernie_toolkit.errors import ConfigError

INSTALL_SCIPY = "pip install 'ernie_toolkit[choices]' (or pip install scipy)"


@dataclass(frozen=True)
class ChoiceScore:
    """A choice and how probable it is.

    Attributes:
        index: Its place among the choices, from 0.
        choice: Its text.
        confidence: Its probability.
    """

    index: int
    choice: str
    confidence: float

    def fields(self) -> dict[str, Any]:
        """`choice`, `index` and `confidence`, rounded to six places."""
        return {"choice": self.choice, "index": self.index, "confidence": round(self.confidence, 6)}


@dataclass(frozen=True)
class ChoiceAnswer:
    """One of the choices of a question.

    Attributes:
        index: Its place among them, from 0; None where the answer abstains.
        choice: Its text; None where the answer abstains.
        confidence: The probability of the choice that would be given.
        probabilities: That of every choice.
        scores: The most probable choices, best first; None where nobody asked for them.
        abstained: Whether no choice is given; None where nobody asked for that.
    """

    index: int | None
    choice: str | None
    confidence: float
    probabilities: tuple[float, ...]
    scores: tuple[ChoiceScore, ...] | None = None
    abstained: bool | None = None

    FIELDS: ClassVar[tuple[str, ...]] = ("choice", "index", "confidence", "probabilities")

    def fields(self) -> dict[str, Any]:
        """`choice`, `index`, `confidence` and `probabilities` (see `Answer.fields`); `scores`, `abstained` if asked."""
        return {
            "choice": self.choice,
            "index": self.index,
            "confidence": round(self.confidence, 6),
            "probabilities": [round(value, 6) for value in self.probabilities],
            **more_fields(self.scores, self.abstained),
        }

    @property
    def content(self) -> int | None:
        """The choice's place."""
        return self.index

    def lines(self) -> list[str]:
        """The choice, its place and its probability; then those of all, and the most probable ones where asked for."""
        every = ", ".join(f"{value:.4f}" for value in self.probabilities)
        shown = ABSTAINED if self.abstained else f"{self.choice} ({self.index})"
        ranked = [f"  {item.choice} ({item.index})  {item.confidence:.4f}" for item in self.scores or ()]
        return [f"choice: {shown}  confidence: {self.confidence:.4f}", f"probabilities: {every}", *ranked]


def split_logits(logits: np.ndarray, counts: Sequence[int]) -> list[np.ndarray]:
    """The logits of each question's choices.

    Args:
        logits: Floats of shape (rows,), those of a question's choices next to each other.
        counts: How many choices each question has.

    Raises:
        ValueError: Where there are not as many rows as choices.
    """
    if len(logits) != sum(counts):
        raise ValueError(f"{len(logits)} logits do not fit {sum(counts)} choices")
    return np.split(logits, np.cumsum(counts)[:-1]) if len(counts) else []


def decode_choices(
    logits: Sequence[np.ndarray],
    choices: Sequence[Sequence[str]],
    passages: Sequence[Any] | None = None,
    options: AnswerOptions = NO_OPTIONS,
    temperature: float = 1.0,
) -> list[ChoiceAnswer]:
    """The most probable choice of each question; the blanks of one passage get a different one each.

    Args:
        logits: For each question floats of shape (choices,).
        choices: For each question its choices.
        passages: For each question what its passage is known by, equal for blanks that share their choices and use each
            of them once; None: each question is by itself.
        options: What is asked of the answers.
        temperature: What the logits are divided by for probabilities; it changes no choice.

    Raises:
        ConfigError: Where several blanks of a passage are asked, and scipy is not installed.
    """
    probabilities = [softmax(values) for values in logits]
    chosen = [int(np.argmax(values)) for values in probabilities]
    for members in shared_passages(passages or ()):
        # With more blanks than choices no blank can have one of its own.
        if len(members) <= len(choices[members[0]]):
            found = assigned(np.stack([probabilities[place] for place in members]))
            for place, choice in strict_zip(members, found):
                chosen[place] = choice
    if temperature != 1.0:
        probabilities = [softmax(scaled(values, temperature)) for values in logits]
    return [
        _answer(index, texts, values, ranks, options)
        for index, texts, values, ranks in strict_zip(chosen, choices, probabilities, logits)
    ]


def _answer(
    index: int, texts: Sequence[str], probabilities: np.ndarray, logits: np.ndarray, options: AnswerOptions
) -> ChoiceAnswer:
    """The answer to one question, with what the options ask for."""
    scores = None
    if options.lists_scores:
        order = largest(logits, options.listed(len(texts)))
        scores = tuple(ChoiceScore(place, texts[place], float(probabilities[place])) for place in order)
    confidence = float(probabilities[index])
    abstained = options.abstained(confidence)
    answer = ChoiceAnswer(index, texts[index], confidence, tuple(probabilities.tolist()), scores, abstained)
    return replace(answer, index=None, choice=None) if abstained else answer


def shared_passages(passages: Sequence[Any]) -> list[list[int]]:
    """The numbers of questions that share a passage with another one, passage by passage.

    Args:
        passages: For each question what its passage is known by.
    """
    groups: dict[Any, list[int]] = {}
    for number, passage in enumerate(passages):
        groups.setdefault(passage, []).append(number)
    return [members for members in groups.values() if len(members) > 1]


def assigned(probabilities: np.ndarray) -> list[int]:
    """For each blank another choice, so that the sum of their logarithms is highest.

    Args:
        probabilities: Floats of shape (blanks, choices), with no more blanks than choices.

    Raises:
        ConfigError: Where scipy is not installed.
    """
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError:
        raise ConfigError(
            "several blanks of one passage are filled together, each with another choice, by scipy, which is not "
            f"installed: {INSTALL_SCIPY}, or ask for one blank at a time"
        ) from None
    _, columns = linear_sum_assignment(-np.log(np.maximum(probabilities, 1e-300)))
    return [int(column) for column in columns]
