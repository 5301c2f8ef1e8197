"""The arguments by which scripts ask for more, fewer or surer answers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Tuple, Union

from ernie_toolkit.bundle import BundleInfo
from ernie_toolkit.decoding import AnswerOptions
from ernie_toolkit.decoding.options import RANGES
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.formats.ranges import SHARE, in_range
from ernie_toolkit.inference.predictor import bundle_task

_HELP = {
    "top_k": "list this many of the most probable labels or choices beside the answer",
    "min_labels": "of sets of labels: fill up smaller sets with the most probable labels",
    "max_labels": "of sets of labels: keep the most probable labels of larger sets",
    "min_confidence": "leave out entities below this confidence",
    "n_best": "list this many candidates of an answer in a context",
    "abstain_below": "give no answer (null) below this confidence",
}
Threshold = Union[float, Tuple[str, float]]


def threshold(text: str) -> Threshold:
    """A threshold for all labels, "0.4", or for one, "LABEL=0.4".

    Raises:
        ArgumentTypeError: Argparse's, on anything else.
    """
    label, separator, number = text.rpartition("=")
    value = float(in_range(float, SHARE)(number))
    return (label, value) if separator else value


threshold.__name__ = "NUMBER or LABEL=NUMBER"


def add_answer_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `AnswerOptions`; a task refuses those that it does not take.

    Args:
        parser: The script's.
    """
    group = parser.add_argument_group("answers as wanted")
    for name, (kind, allowed) in RANGES.items():
        group.add_argument(f"--{name}", type=in_range(kind, allowed), help=_HELP[name])
    group.add_argument("--all_scores", action="store_true", help="list all labels or choices with their probabilities")
    group.add_argument(
        "--threshold",
        nargs="+",
        type=threshold,
        metavar="NUMBER|LABEL=NUMBER",
        help="of sets of labels: the probability that labels have to be above, for all or by label "
        "(default: the bundle's thresholds)",
    )


def answer_options(args: argparse.Namespace, info: BundleInfo, where: Path) -> AnswerOptions:
    """The options as the arguments say, checked before the model is opened.

    Args:
        args: Of `add_answer_arguments`.
        info: What the bundle says.
        where: The bundle, for messages.

    Raises:
        ConfigError: On options that exclude each other, and on those that the model does not take.
    """
    values: dict[str, Any] = {name: getattr(args, name) for name in (*RANGES, "all_scores")}
    options = AnswerOptions(threshold=_joined(args.threshold or []), **values)
    bundle_task(info, where).answering(options)
    return options


def _joined(given: list[Threshold]) -> float | dict[str, float] | None:
    """One threshold, or those by label; ConfigError where both are given, or a label twice."""
    by_label: dict[str, float] = {}
    for item in given:
        if not isinstance(item, tuple):
            if len(given) > 1:
                raise ConfigError("`threshold` is one number for all labels, or LABEL=NUMBER for each: not both")
            return item
        if item[0] in by_label:
            raise ConfigError(f"`threshold` names {item[0]!r:.60} twice: give one number for it")
        by_label[item[0]] = item[1]
    return by_label or None
