"""Checks of numbers from users and files: their type and their bounds."""

from __future__ import annotations

import argparse
import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Union

from ernie_toolkit.errors import ConfigError, ToolkitError

Number = Union[int, float]
# Of a number's text: longer ones are digits without end.
_MAX_TEXT = 40
# Bounds above this exclude nonsense, and are not worth a word where a value is too small.
_TECHNICAL = 1000


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`; never infinity or NaN.

    Attributes:
        low: The smallest number.
        high: The largest number.
        above: Whether `low` itself is excluded.
        below: Whether `high` itself is excluded.
        also: Numbers outside that have a meaning of their own.
    """

    low: float
    high: float
    above: bool = False
    below: bool = False
    also: tuple[Number, ...] = ()

    def __contains__(self, value: Number) -> bool:
        if value in self.also:
            return True
        if isinstance(value, float) and not math.isfinite(value):
            return False
        over = value > self.low if self.above else value >= self.low
        return over and (value < self.high if self.below else value <= self.high)

    def reason(self, value: Number) -> str:
        """Return what a value outside of the range has to do, for messages: "be at least 1"."""
        otherwise = f", or {' or '.join(map(str, self.also))}" if self.also else ""
        if self.high < _TECHNICAL or self.low not in (0, 1):
            words = f"lie between {self.low:g} and {self.high:g}"
            words += f", {self.high:g} not included" if self.below else ""
        elif value > self.high:
            words = f"be at most {self.high:,}"
        elif self.low == 0:
            words = "be over 0" if self.above else "not be negative"
        else:
            words = f"be at least {self.low}"
        return words + otherwise


def _shown(value: Number) -> str:
    """A number for messages, short whatever it is."""
    if isinstance(value, float) or abs(value) < 10**30:
        return str(value)
    return f"{'-' if value < 0 else ''}10**{int(value.bit_length() * math.log10(2))} or so"


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
DEVICE_NUMBER = Range(0, 1023)
INSTANCES = Range(1, 256)
# Triton's own fields: 32 bits of rows, and a delay in microseconds.
TRITON_BATCH, QUEUE_DELAY = Range(1, 1 << 20), Range(0, 10**9)
# A metric, a measured range: any number that is one.
FIGURE = Range(-1e300, 1e300)
SECONDS = Range(0, 10**6, above=True)


def whole_number(text: str) -> int:
    """Parse a whole number of a few digits.

    Raises:
        ValueError: On any other text.
    """
    if len(text) > _MAX_TEXT:
        raise ValueError("too many digits")
    return int(text)


def real_number(text: str) -> float:
    """Parse a finite number.

    Raises:
        ValueError: On any other text.
    """
    value = float(text) if len(text) <= _MAX_TEXT else math.nan
    if not math.isfinite(value):
        raise ValueError("not a finite number")
    return value


# argparse names these where a text is no number.
whole_number.__name__, real_number.__name__ = "int", "float"
PARSERS: dict[type, Callable[[str], Number]] = {int: whole_number, float: real_number}


def check_number(
    value: Any,
    kind: type,
    allowed: Range,
    name: str,
    error: type[ToolkitError] = ConfigError,
    remedy: str = "",
    listed: bool = False,
) -> Any:
    """Return a value of a file or an option as an int or a float that lies in a range.

    Refused are other types, infinity, NaN and truth values.

    Args:
        value: The value; a number of NumPy's too.
        kind: Int or float.
        allowed: The range.
        name: The value's name, for messages.
        error: The class of the error to raise.
        remedy: What the message tells the user to do, where not empty.
        listed: Whether the name is that of a list that has the value.

    Raises:
        ToolkitError: Of class `error`, with the value's name, what it is and what it has to be.
    """
    subject, must = (f"{name} has", "each must") if listed else (f"{name} is", "it must")
    ending = f": {remedy}" if remedy else ""
    # NumPy's numbers are of these kinds too.
    if isinstance(value, bool) or not isinstance(value, numbers.Integral if kind is int else numbers.Real):
        shown = repr(value)[:_MAX_TEXT] if isinstance(value, (str, bool, float, type(None))) else type(value).__name__
        raise error(f"{subject} {shown}: {must} be a {'whole number' if kind is int else 'number'}{ending}")
    number: Number = int(value) if isinstance(value, numbers.Integral) else float(value)
    if number not in allowed:
        raise error(f"{subject} {_shown(number)}: {must} {allowed.reason(number)}{ending}")
    return kind(number)


def in_range(kind: type, allowed: Range) -> Callable[[str], Number]:
    """Return a parser of command-line values that raises ArgumentTypeError on a number outside of a range.

    Args:
        kind: Int or float.
        allowed: The range.
    """

    def number(text: str) -> Number:
        value = PARSERS[kind](text)
        if value not in allowed:
            raise argparse.ArgumentTypeError(f"it is {_shown(value)}: it must {allowed.reason(value)}")
        return value

    number.__name__ = kind.__name__
    return number
