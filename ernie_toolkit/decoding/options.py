"""What a request may ask of its answers: more of them, fewer, or none where the model is unsure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ernie_toolkit.errors import ConfigError
from ernie_toolkit.formats.ranges import COUNT, COUNT_OR_NONE, SHARE, Range, check_number

N_BEST = Range(1, 10_000)
RANGES: Mapping[str, tuple[type, Range]] = {
    "top_k": (int, COUNT),
    "min_labels": (int, COUNT_OR_NONE),
    "max_labels": (int, COUNT),
    "min_confidence": (float, SHARE),
    "n_best": (int, N_BEST),
    "abstain_below": (float, SHARE),
}
"""The options that are numbers: their type and their range."""


def _check_threshold(threshold: Any) -> None:
    """ConfigError where a threshold is neither a share nor a mapping of labels to shares."""
    if threshold is None:
        return
    if not isinstance(threshold, Mapping):
        check_number(threshold, float, SHARE, "`threshold`")
        return
    if not threshold:
        raise ConfigError("`threshold` names no label: give a number for each label that is to have another, or one")
    for label, value in threshold.items():
        if not isinstance(label, str):
            raise ConfigError(f"`threshold` names the label {str(label)!r:.40}, which is no text: give labels as texts")
        check_number(value, float, SHARE, f"`threshold` of {label!r:.40}")


@dataclass(frozen=True)
class AnswerOptions:
    """What a request asks of its answers; each task takes those options that have a meaning for it.

    Attributes:
        top_k: How many of the most probable labels or choices are listed, all where there are fewer; None: none.
        all_scores: Whether the probabilities of all labels or choices are listed, the most probable first.
        min_labels: Of sets of labels: the most probable labels fill up smaller sets; None: sets may be empty.
        max_labels: Of sets of labels: larger sets keep their most probable labels; None: all.
        threshold: Of sets of labels: the probability that a label has to be above, for all labels or by label; labels
            that are not named keep the bundle's own; None: the bundle's own for all.
        min_confidence: Entities below this confidence are left out; None: none is.
        n_best: How many candidates of an answer in a context are listed; None: as many as the bundle keeps.
        abstain_below: An answer below this confidence is not given; None: all are.

    Raises:
        ConfigError: On a value out of its range, and on options that exclude each other.
    """

    top_k: int | None = None
    all_scores: bool = False
    min_labels: int | None = None
    max_labels: int | None = None
    threshold: float | Mapping[str, float] | None = None
    min_confidence: float | None = None
    n_best: int | None = None
    abstain_below: float | None = None

    def __post_init__(self) -> None:
        for name, (kind, allowed) in RANGES.items():
            if getattr(self, name) is not None:
                check_number(getattr(self, name), kind, allowed, f"`{name}`")
        if not isinstance(self.all_scores, bool):
            raise ConfigError(f"`all_scores` is {str(self.all_scores)!r:.40}: it must be true or false")
        _check_threshold(self.threshold)
        if self.top_k is not None and self.all_scores:
            raise ConfigError("`top_k` and `all_scores` exclude each other: give one of them")
        if self.min_labels is not None and self.max_labels is not None and self.min_labels > self.max_labels:
            raise ConfigError(
                f"`min_labels` is {self.min_labels}, more than `max_labels`, {self.max_labels}: lower it, or raise that"
            )

    @property
    def given(self) -> tuple[str, ...]:
        """The names of the options that are not left out."""
        return tuple(item.name for item in fields(self) if getattr(self, item.name) not in (None, False))

    @property
    def lists_scores(self) -> bool:
        """Whether probabilities of more labels or choices than the answer's are listed."""
        return self.all_scores or self.top_k is not None

    def listed(self, count: int) -> int:
        """How many of so many labels or choices are listed."""
        return count if self.top_k is None else min(self.top_k, count)

    def abstained(self, confidence: float) -> bool | None:
        """Whether an answer of this confidence is not given; None where nobody asked for that."""
        return None if self.abstain_below is None else confidence < self.abstain_below


NO_OPTIONS = AnswerOptions()
"""What changes no answer."""
