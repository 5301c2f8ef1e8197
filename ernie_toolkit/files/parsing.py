"""JSON and YAML from files, requests and lines: the one place where their text becomes values.

Stricter than Python's own readers, which take NaN, Infinity and 1e999 as numbers, turn digits without end into
integers, and raise RecursionError where a text is nested deeply.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn, Type

from ernie_toolkit.errors import ToolkitError

MAX_BYTES = 1 << 28
"""Of a file that is read whole: far more than any vocabulary has, and less than a device without an end."""
MAX_DEPTH = 100
# Of an integer; what is longer than this has no floating-point value.
MAX_DIGITS = 300
# Of a YAML file, its aliases written out: nine lists of nine aliases are 9**9 values.
MAX_VALUES = 100_000
SHOWN = 40
NESTED = f"nested too deeply, more than {MAX_DEPTH} levels"

Kind = Type[ToolkitError]


class JsonError(ValueError):
    """A text that is not JSON.

    Args:
        reason: What is wrong, in a few words.
        line: Where, from 1; 0 where it is unknown.
        column: Where in the line, from 1; 0 where it is unknown.
    """

    def __init__(self, reason: str, line: int = 0, column: int = 0) -> None:
        super().__init__(f"line {line}, column {column}: {reason}" if line else reason)
        self.reason, self.line, self.column = reason, line, column


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise JsonError(f"a number of {len(digits):,} digits, {digits[:SHOWN]}...")
    return int(digits)


def _fraction(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise JsonError(f"the number {digits[:SHOWN]} is too large")
    return value


def _no_number(name: str) -> NoReturn:
    raise JsonError(f"{name} is no number in JSON")


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_fraction, parse_constant=_no_number)
_LENIENT = json.JSONDecoder(parse_int=_integer)


def decode_json(text: str | bytes, finite: bool = True) -> Any:
    """Return the value of a JSON text, read more strictly than Python does it.

    Args:
        text: Bytes are read as UTF-8, and a byte order mark is skipped.
        finite: Whether NaN and Infinity are refused; False takes them, since some libraries write them into fields of
            data sets that nobody reads.

    Raises:
        JsonError: On anything else, on integers of more than `MAX_DIGITS` digits, and on values nested more than
            `MAX_DEPTH` deep.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise JsonError(f"it is not UTF-8 ({error.reason} at byte {error.start})") from None
    try:
        value = (_DECODER if finite else _LENIENT).decode(text.lstrip("\ufeff"))
    except json.JSONDecodeError as error:
        raise JsonError(error.msg, error.lineno, error.colno) from None
    except RecursionError:
        raise JsonError(NESTED) from None
    return _shallow(value, text)


def decode_json_prefix(text: str, position: int) -> tuple[Any, int]:
    """Return the JSON value that begins at a position of a text, and the position after it.

    Args:
        text: The text, in which anything may follow the value.
        position: Where the value begins, a character's index.

    Raises:
        JsonError: As `decode_json`.
    """
    try:
        value, end = _LENIENT.raw_decode(text, position)
    except json.JSONDecodeError as error:
        raise JsonError(error.msg, error.lineno, error.colno) from None
    except RecursionError:
        raise JsonError(NESTED) from None
    return _shallow(value, text), end


def _shallow(value: Any, text: str) -> Any:
    """The value itself; JsonError where it is nested too deeply for what reads it later."""
    if text.count("[") + text.count("{") > MAX_DEPTH and _problem(value, None):
        raise JsonError(NESTED)
    return value


def _problem(value: Any, most: int | None) -> str:
    """Why a value is too large to be worked with; empty where it is not. `most`: values in all, None for any."""
    containers = (dict, list, tuple, set)
    level, count = [value] if isinstance(value, containers) else [], 0
    for _ in range(MAX_DEPTH):
        children = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
        count += len(children)
        if most is not None and count > most:
            return f"more than {most:,} values, its aliases written out"
        level = [child for child in children if isinstance(child, containers)]
        if not level:
            return ""
    return NESTED


def parse_json_object(text: str | bytes, where: Path | str, error: Kind, remedy: str) -> dict[str, Any]:
    """Return the JSON object that a text is.

    Args:
        text: As `decode_json` takes it.
        where: The place that the text comes from, for messages.
        error: The class of the error to raise.
        remedy: What the message tells the user to do.

    Raises:
        ToolkitError: Of class `error`, in one line, where the text is not a JSON object.
    """
    try:
        value = decode_json(text)
        # Its escapes can spell half a character, which cannot be written anywhere.
        if (b"\\u" if isinstance(text, bytes) else "\\u") in text:  # type: ignore[operator]
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except JsonError as problem:
        raise error(f"{where}: not JSON ({problem}): {remedy}") from None
    except UnicodeEncodeError:
        raise error(f"{where}: a text in it holds half of a surrogate pair: {remedy}") from None
    if not isinstance(value, dict):
        raise error(f"{where}: not a JSON object: {remedy}")
    return value


def read_json_object(path: Path, error: Kind, remedy: str) -> dict[str, Any]:
    """Return the JSON object of a file (see `decode_json`).

    Args:
        path: The file.
        error: The class of the error to raise.
        remedy: What the message tells the user to do.

    Raises:
        ToolkitError: Of class `error`, in one line, where there is no such object.
    """
    return parse_json_object(_read_bytes(path, error, remedy), path, error, remedy)


def read_utf8(path: Path, error: Kind, remedy: str) -> str:
    """Return the text of a file.

    Args:
        path: The file.
        error: The class of the error to raise.
        remedy: What the message tells the user to do.

    Raises:
        ToolkitError: Of class `error`, where it cannot be read: also a name that no file has (too long, with a zero
            byte), a directory, other bytes than UTF-8, and a file of more than `MAX_BYTES`.
    """
    try:
        return _read_bytes(path, error, remedy).decode("utf-8")
    except UnicodeDecodeError as problem:
        raise error(f"{path} is not UTF-8 ({problem.reason} at byte {problem.start}): {remedy}") from None


def _read_bytes(path: Path, error: Kind, remedy: str) -> bytes:
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as problem:
        raise error(f"{shown_path(path)} cannot be read ({reason_of(problem)}): {remedy}") from None
    if len(data) > MAX_BYTES:
        raise error(f"{path} has more than {MAX_BYTES:,} bytes: {remedy}")
    return data


def reason_of(problem: OSError | ValueError) -> str:
    """Return in a few words why a file could not be opened."""
    if isinstance(problem, OSError):
        return problem.strerror or type(problem).__name__
    return "a name that no file can have"


def shown_path(path: Path | str) -> str:
    """Return a path for a message, shortened in the middle where it is very long."""
    text = str(path)
    return text if len(text) <= 300 else f"{text[:140]}...{text[-140:]}"


def read_yaml(path: Path, error: Kind, remedy: str) -> Any:
    """Return the value of a YAML file, of plain types only.

    Args:
        path: The file.
        error: The class of the error to raise.
        remedy: What the message tells the user to do.

    Raises:
        ToolkitError: Of class `error`, in one line, where it cannot be read, and where its aliases stand for more than
            `MAX_VALUES` values.
    """
    import yaml

    text = read_utf8(path, error, remedy)
    try:
        value = yaml.safe_load(text)
    except RecursionError:
        raise error(f"{path}: {NESTED}: {remedy}") from None
    # Beside its own errors PyYAML lets out those of int(), float(), date() and the like.
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as problem:
        reason = " ".join(str(problem).split())[:300] or type(problem).__name__
        raise error(f"{path}: cannot be read as YAML ({reason}): {remedy}") from None
    if found := _problem(value, MAX_VALUES):
        raise error(f"{path}: {found}: {remedy}")
    return value
