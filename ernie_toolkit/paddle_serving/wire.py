"""What a pipeline request carries and what its answer says: strings under names, both ways.

`sentence` is a list of texts, as JSON, or as `repr` of a NumPy array, which is what PipelineClient and PaddleNLP's own
client send. An array is read literal by literal and never evaluated. `prob_limit`, which may be left out, is a number.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.decoding import LabelSetAnswer
from ernie_toolkit.errors import ToolkitError
from ernie_toolkit.files.parsing import JsonError, decode_json
from ernie_toolkit.formats.ranges import real_number, whole_number
from ernie_toolkit.text.features import Texts, as_inputs

TEXTS, THRESHOLD = "sentence", "prob_limit"
SHOWN = 60  # characters of a value that an error message repeats
_OPENING = re.compile(r"\s*array\(\s*\[\s*")
_LITERAL = re.compile(r"""[bu]?(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")""")
_COMMA = re.compile(r"\s*,\s*")
_CLOSING = re.compile(r"\s*\]\s*(?:,\s*dtype=(?:object|'[^']{1,10}')\s*)?\)\s*$")


class RequestError(ToolkitError):
    """A request that cannot be answered as it is."""


class ServiceError(ToolkitError):
    """The service could not be reached, or refused a request."""


def parse_texts(request: Mapping[str, str], max_texts: int) -> list[str]:
    """The texts of a request.

    Args:
        request: The request's strings by name.
        max_texts: How many there may be.

    Raises:
        RequestError: With the reason.
    """
    value = request.get(TEXTS)
    if value is None:
        found = ", ".join(f"'{name:.{SHOWN}}'" for name in list(request)[:5]) or "none"
        raise RequestError(f"the request has no key '{TEXTS}', only {found}")
    items = _array(value) if _OPENING.match(value) else _json(value)
    if not items:
        raise RequestError(f"'{TEXTS}' is empty: give one text at least")
    if len(items) > max_texts:
        raise RequestError(f"'{TEXTS}' has {len(items)} texts: a request may have {max_texts}")
    return [_text(item, f"{TEXTS}[{number}]") for number, item in enumerate(items)]


def parse_threshold(request: Mapping[str, str]) -> float | None:
    """The probability that labels have to be above; None where a request leaves it out.

    Raises:
        RequestError: On anything but a number from 0 to 1.
    """
    value = request.get(THRESHOLD)
    if value is None:
        return None
    try:
        number = real_number(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise RequestError(f"'{THRESHOLD}' is {value[:SHOWN]!r}: it must be a number between 0 and 1")
    return number


def _json(value: str) -> list[object]:
    try:
        items = decode_json(value)
    except JsonError:
        raise RequestError(
            f"'{TEXTS}' is {_shown(value)}: it must be a list of texts as JSON, or the repr of an array of them"
        ) from None
    if not isinstance(items, list):
        raise RequestError(f"'{TEXTS}' is {_shown(value)}: it must be a list of texts")
    return items


def _array(value: str) -> list[object]:
    """The elements of `array([...])`: strings, or bytes in UTF-8."""
    opening = _OPENING.match(value)
    assert opening is not None
    items: list[object] = []
    place = opening.end()
    while not _CLOSING.match(value, place):
        comma = _COMMA.match(value, place) if items else None
        literal = _LITERAL.match(value, comma.end() if comma else place)
        if literal is None or (items and comma is None):
            raise RequestError(
                f"'{TEXTS}' is an array with {_shown(value[place:])} after {len(items)} text(s): "
                "it must be one list of texts, none left out"
            )
        items.append(_literal(literal.group()))
        place = literal.end()
    return items


def _literal(source: str) -> str:
    try:
        item = ast.literal_eval(source)
        return item.decode("utf-8") if isinstance(item, bytes) else str(item)
    except UnicodeDecodeError as error:
        raise RequestError(f"a text is not UTF-8 ({error.reason} at byte {error.start})") from None
    except (ValueError, SyntaxError):
        raise RequestError(f"{_shown(source)} is not a string") from None


def _shown(value: str) -> str:
    """The beginning of a value, in ASCII where it could not be written."""
    shown = repr(value[:SHOWN]) + ("..." if len(value) > SHOWN else "")
    return shown.encode("utf-8", "backslashreplace").decode()


def _text(item: object, where: str) -> str:
    if not isinstance(item, str):
        raise RequestError(f"{where} is {_shown(str(item))}: it must be a string")
    if not item.strip():
        raise RequestError(f"{where} is an empty text: leave it out or fill it")
    try:
        item.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RequestError(f"{where} has half of a surrogate pair at character {error.start}") from None
    return item


def answer_columns(answers: Sequence[LabelSetAnswer]) -> dict[str, str]:
    """An answer's strings, each a list as JSON (and as Python) with one entry for each text.

    `label`: the indices joined by commas, as PaddleNLP's service writes them. `label_name` and `confidence`:
    lists, in the same order.
    """
    columns = {
        "label": [",".join(map(str, answer.indices)) for answer in answers],
        "label_name": [list(answer.names or ()) for answer in answers],
        "confidence": [[round(value, 6) for value in answer.confidences or ()] for answer in answers],
    }
    return {name: json.dumps(column, ensure_ascii=False) for name, column in columns.items()}


def request_columns(texts: Texts, threshold: float | None = None) -> dict[str, str]:
    """A request's strings by name.

    Args:
        texts: Single texts, as `as_inputs` takes them; one is a list of one.
        threshold: The probability that labels have to be above; None: the service's own.

    Raises:
        DataError: On what holds no single texts.
    """
    limit = {} if threshold is None else {THRESHOLD: repr(threshold)}
    return {TEXTS: json.dumps(as_inputs(texts, "sentence"), ensure_ascii=False), **limit}


def parse_answer(number: int, reason: str, columns: Mapping[str, str]) -> list[dict[str, Any]]:
    """For each text its labels (indices), their names and probabilities, from an answer's strings.

    Args:
        number: The answer's `err_no`.
        reason: The answer's `err_msg`.
        columns: The answer's strings by name.

    Raises:
        ServiceError: Where the answer says that there is none, or is not of this service.
    """
    if number:
        raise ServiceError(f"the service refused: {reason} (err_no {number})")
    try:
        labels, names, confidences = (decode_json(columns[name]) for name in ("label", "label_name", "confidence"))
        return [
            {
                "labels": [whole_number(index) for index in joined.split(",") if index],
                "label_names": named,
                "confidences": values,
            }
            for joined, named, values in strict_zip(labels, names, confidences)
        ]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ServiceError("the answer is not that of this service: check the address") from None
