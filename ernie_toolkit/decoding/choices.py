"""One of a question's own choices; of the blanks of one passage each another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.decoding.labels import softmax
from ernie_toolkit.errors import ConfigError

INSTALL_SCIPY = "pip install 'ernie_toolkit[choices]' (or pip install scipy)"


@dataclass(frozen=True)
class ChoiceAnswer:
    """One of the choices of a question.

    Attributes:
        index: Its place among them, from 0.
        choice: Its text.
        confidence: Its probability.
        probabilities: That of every choice.
    """

    index: int
    choice: str
    confidence: float
    probabilities: tuple[float, ...]

    FIELDS: ClassVar[tuple[str, ...]] = ("choice", "index", "confidence", "probabilities")

    def fields(self) -> dict[str, Any]:
        """`choice`, `index`, `confidence` and `probabilities` (see `Answer.fields`)."""
        return {
            "choice": self.choice,
            "index": self.index,
            "confidence": round(self.confidence, 6),
            "probabilities": [round(value, 6) for value in self.probabilities],
        }

    @property
    def content(self) -> int:
        """The choice's place."""
        return self.index

    def lines(self) -> list[str]:
        """The choice, its place and its probability; then those of all."""
        every = ", ".join(f"{value:.4f}" for value in self.probabilities)
        return [f"choice: {self.choice} ({self.index})  confidence: {self.confidence:.4f}", f"probabilities: {every}"]


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
    logits: Sequence[np.ndarray], choices: Sequence[Sequence[str]], passages: Sequence[Any] | None = None
) -> list[ChoiceAnswer]:
    """The most probable choice of each question; the blanks of one passage get a different one each.

    Args:
        logits: For each question floats of shape (choices,).
        choices: For each question its choices.
        passages: For each question what its passage is known by, equal for blanks that share their choices and use each
            of them once; None: each question is by itself.

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
    return [
        ChoiceAnswer(index, texts[index], float(values[index]), tuple(values.tolist()))
        for index, texts, values in strict_zip(chosen, choices, probabilities)
    ]


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
