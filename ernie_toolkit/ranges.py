"""Numbers that people and files give: of which kind, and between which bounds."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Union

from ernie_toolkit.errors import ConfigError, ToolkitError

Number = Union[int, float]
# Of a number's text: longer ones are digits without end.
_MAX_TEXT = 40
# Bounds above this keep out what cannot be meant, and are not worth a word where a value is too small.
_TECHNICAL = 100_000


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`; never infinity or NaN.

    `above`, `below`: without `low` or `high` itself. `also`: numbers outside that have a meaning of their own.
    """

    low: float
    high: float
    above: bool = False
    below: bool = False
    also: tuple[Number, ...] = ()

    def __contains__(self, value: Number) -> bool:
        if value in self.also:
            return True
        if not math.isfinite(value):
            return False
        over = value > self.low if self.above else value >= self.low
        return over and (value < self.high if self.below else value <= self.high)

    @property
    def text(self) -> str:
        """What a value has to be, for messages: "be at least 1"."""
        ends = f"{_shown(self.low)} and {_shown(self.high)}"
        if self.high < _TECHNICAL or self.low not in (0, 1):
            words = f"lie between {ends}" + (f", {_shown(self.high)} not included" if self.below else "")
        else:
            words = f"be {'over' if self.above else 'at least'} {_shown(self.low)}, and at most {_shown(self.high)}"
        return words + (f", or be {' or '.join(map(_shown, self.also))}" if self.also else "")


def _shown(value: Number) -> str:
    """A number for messages, short whatever it is."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    text = str(value) if abs(value) < 10**15 or isinstance(value, float) else f"{value:.6e}"
    return text


COUNT = Range(1, 10**9)
COUNT_OR_NONE = Range(0, 10**9)
# Rows that are computed at once.
BATCH_SIZE = Range(1, 1_000_000)
THREADS = Range(1, 1024)
THREADS_OR_ALL = Range(0, 1024)
# Tokens of a sequence; two texts need five, and no model here has more positions than this.
SEQUENCE_LENGTH = Range(5, 2048)
# What NumPy takes, and Paddle and Python too.
SEED = Range(0, 2**32 - 1)
SHARE = Range(0, 1)
PORT = Range(0, 65535)
# A metric, a measured range: any number that is one.
FIGURE = Range(-1e300, 1e300)
SECONDS = Range(0, 10**6, above=True)


def whole_number(text: str) -> int:
    """A whole number from a text of a few digits; ValueError on any other."""
    if len(text) > _MAX_TEXT:
        raise ValueError("too many digits")
    return int(text)


def real_number(text: str) -> float:
    """A number from a text; ValueError on any other, infinity and NaN too."""
    value = float(text) if len(text) <= _MAX_TEXT else math.nan
    if not math.isfinite(value):
        raise ValueError("not a finite number")
    return value


PARSERS: dict[type, Callable[[str], Number]] = {int: whole_number, float: real_number}


def check_number(
    value: Any, kind: type, allowed: Range, name: str, error: type[ToolkitError] = ConfigError, remedy: str = ""
) -> Any:
    """A value of a file or an option as a number of a kind, int or float, that lies in a range.

    Raises an error of the kind given, with the value's name, what it is and what it has to be, on anything else:
    another type, infinity, NaN, a truth value.
    """
    wanted = f"it must {allowed.text}" + (f": {remedy}" if remedy else "")
    if isinstance(value, bool) or not isinstance(value, int if kind is int else (int, float)):
        shown = repr(value)[:_MAX_TEXT] if isinstance(value, (str, bool, float, type(None))) else type(value).__name__
        raise error(f"{name} is {shown}: it must be a {'whole number' if kind is int else 'number'}"
                    + (f": {remedy}" if remedy else ""))  # fmt: skip
    if value not in allowed:
        raise error(f"{name} is {_shown(value)}: {wanted}")
    return kind(value)


def in_range(kind: type, allowed: Range) -> Callable[[str], Number]:
    """A parser of command-line values: a number of a kind that lies in a range, else ArgumentTypeError."""

    def number(text: str) -> Number:
        value = PARSERS[kind](text)
        if value not in allowed:
            raise argparse.ArgumentTypeError(f"it is {_shown(value)}: it must {allowed.text}")
        return value

    number.__name__ = kind.__name__
    return number
