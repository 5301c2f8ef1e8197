"""Options as fields of dataclasses: a default, a help text, and the values that one may have."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from ernie_toolkit.formats.ranges import (
    Range,
    check_number,
    whole_number,
)

DEVICES = ("cpu", "gpu", "xpu", "npu")
THRESHOLD_OR_OWN, LENGTH_OR_OWN = Range(0, 1, also=(-1,)), Range(5, 2048, also=(0,))


def option(
    default: Any,
    text: str,
    choices: tuple[str, ...] | None = None,
    parse: Callable[[str], Any] | None = None,
    empty: bool = False,
    allowed: Range | None = None,
) -> Any:
    """A field of a dataclass of options.

    Args:
        default: The value where none is given.
        text: What the option means, for the help.
        choices: The texts that it may be; None: any.
        parse: What a value's text becomes; it raises ArgumentTypeError on a text that is none. None: by the default's
            type.
        empty: Whether a list may be given without a value.
        allowed: The numbers that it may be, which every number has.
    """
    metadata = {"help": text, "choices": choices, "parse": parse, "empty": empty, "allowed": allowed}
    return field(default=default, metadata=metadata)


def default_values(*options_classes: type) -> dict[str, Any]:
    """The defaults of dataclasses made with `option`, by the options' names; those of later classes count."""
    return {item.name: item.default for options_class in options_classes for item in fields(options_class)}


@dataclass(frozen=True)
class ScreenOptions:
    """What a script prints of its settings."""

    verbose: bool = option(False, "print all settings, not only those that differ from the defaults")


def boolean(text: str) -> bool:
    """A switch's value as the guides write it.

    Raises:
        ArgumentTypeError: Argparse's, on anything else.
    """
    if text.lower() in ("1", "true", "t", "yes", "y", "on"):
        return True
    if text.lower() in ("0", "false", "f", "no", "n", "off"):
        return False
    raise argparse.ArgumentTypeError(f"'{text}' is neither true nor false")


def split_device(device: str) -> tuple[str, int | None]:
    """The kind of a device and the card's number: "gpu:1" is ("gpu", 1), "gpu" is ("gpu", None)."""
    kind, _, number = device.partition(":")
    return kind, whole_number(number) if number else None


def device_of(*kinds: str) -> Callable[[str], str]:
    """A parser of devices of these kinds, which may name a card: "gpu", "gpu:1"; "cpu:0" is "cpu"."""

    def device_name(text: str) -> str:
        found = re.fullmatch(r"([a-z]+)(?::([0-9]{1,4}))?", text.strip().lower())
        if found is None or found[1] not in kinds:
            cards = [kind for kind in kinds if kind != "cpu"]
            example = f", or {cards[0]}:0 for one card" if cards else ""
            raise argparse.ArgumentTypeError(f"'{text}' is no device: use one of {', '.join(kinds)}{example}")
        return "cpu" if found[1] == "cpu" else found[0]

    return device_name


def dataset_name(text: str) -> str:
    """The name of a data set as `registry` has it, of one as PaddleNLP's scripts take it: "clue tnews", "TNEWS"."""
    words = text.lower().split()
    if len(words) == 2 and words[0] == "clue":
        words = words[1:]
    name = " ".join(words)
    return {"cluewsc": "cluewsc2020", "wsc": "cluewsc2020"}.get(name, name)


def metric_name(text: str) -> str:
    """A metric's name without the "eval_" that PaddleNLP's Trainer puts before it."""
    return text[5:] if text.startswith("eval_") else text


def check_option_ranges(options: Any) -> None:
    """Check that the numbers of some options are in their ranges (see `option`).

    Raises:
        ConfigError: On the first that is not.
    """
    for item in fields(options):
        allowed, value = item.metadata.get("allowed"), getattr(options, item.name)
        if allowed is None:
            continue
        for one in value if isinstance(value, tuple) else (value,):
            kind = float if isinstance(item.default, float) else int
            if isinstance(item.default, tuple) and isinstance(item.default[0], float):
                kind = float
            check_number(one, kind, allowed, f"`{item.name}`", listed=isinstance(value, tuple))


@dataclass(frozen=True)
class ReadingOptions:
    """How a context is read, and how an answer is searched in it."""

    doc_stride: int = option(
        128, "tokens that neighbouring windows of a context share, at most half of a window", allowed=Range(0, 2048)
    )
    n_best_size: int = option(20, "candidates kept for a question", allowed=Range(1, 10_000))
    max_answer_length: int = option(50, "tokens of the longest answer", allowed=Range(1, 2048))
