"""PaddleNLP SimpleServing's wire format: requests to texts and settings. Pure functions.

Answers are written by `Task.service_result`.

A request is `{"data": {...}, "parameters": {...}}`, an answer `{"result": {...}}`; deploy/simple_serving/README.md
lists the fields. Parameters that are not known are ignored, as there; further fields beside `data` and
`parameters` are refused, as there.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ernie_toolkit.data.tagged import join_tokens
from ernie_toolkit.errors import ToolkitError
from ernie_toolkit.files.parsing import JsonError, decode_json
from ernie_toolkit.tasks import TASKS
from ernie_toolkit.tasks.base import RequestParameter
from ernie_toolkit.text.features import MIN_CHOICES, MIN_SEQ_LENGTH, TextInput
from ernie_toolkit.text.formats import CHOICE_FORMATS

_Item = TypeVar("_Item")
SHOWN = 60  # characters of a value that an error message repeats


class RequestError(ToolkitError):
    """A request that cannot be answered as it is; a server says 422 and the reason."""


@dataclass(frozen=True)
class Settings:
    """What a request may set of its task.

    Attributes:
        max_seq_length: The longest sequence in tokens; None: the bundle's own.
        limits: Settings of the task by name that replace the bundle's own.
        threshold: The probability that a label has to be above; None: the bundle's own.
    """

    max_seq_length: int | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    threshold: float | None = None


@dataclass(frozen=True)
class WireRequest:
    """A request that was read.

    Attributes:
        inputs: What the model reads.
        settings: What the request sets.
        words: For each text the words that it came split into, or None; empty where none did.
    """

    inputs: tuple[TextInput, ...]
    settings: Settings
    words: tuple[tuple[str, ...] | None, ...] = ()


def parse_request(body: bytes, task: str, text_format: str, max_texts: int) -> WireRequest:
    """Read and check a request's body.

    Args:
        body: JSON in UTF-8.
        task: The task's name, as in `TASKS`.
        text_format: What the model reads, one of `TEXT_FORMATS`.
        max_texts: Texts that a request may have.

    Raises:
        RequestError: With the reason.
    """
    request = _object(_json(body), "the body")
    unknown = sorted(set(request) - {"data", "parameters"})
    if unknown:
        raise RequestError(f"the body has the field {_shown(unknown[0])}: it takes 'data' and 'parameters'")
    if "data" not in request:
        raise RequestError("the body has no field 'data'")
    data = _object(request["data"], "data")
    given = request.get("parameters")
    parameters = _object({} if given is None else given, "parameters")
    settings = _settings(parameters, TASKS[task].request_parameters)
    _count(parameters, "batch_size", 1)
    if text_format in CHOICE_FORMATS:
        return _request_of_choices(data, settings, max_texts)
    first, *others = TASKS[task].text_fields(text_format)
    if not others and data.get("text_pair") is not None:
        raise RequestError("data.text_pair: this model reads single texts, leave it out")
    if TASKS[task].accepts_words:
        return _request_of_words(data, parameters, settings, max_texts)
    if not others:
        return WireRequest(tuple(_texts(data, first, max_texts)), settings)
    second = others[0]
    firsts, seconds = _texts(data, first, max_texts), _texts(data, second, max_texts)
    if len(firsts) != len(seconds):
        raise RequestError(f"data.{first} has {len(firsts)} text(s), data.{second} {len(seconds)}: they must be pairs")
    return WireRequest(tuple(zip(firsts, seconds, strict=True)), settings)


def _settings(parameters: Mapping[str, Any], known: Sequence[RequestParameter]) -> Settings:
    """The settings among a request's parameters; those of other tasks are passed over."""
    limits: dict[str, int] = {}
    threshold = None
    length = _count(parameters, "max_seq_len", MIN_SEQ_LENGTH)
    for parameter in known:
        if parameter.kind is float:
            threshold = _share(parameters, parameter.name)
            continue
        value = _count(parameters, parameter.name, int(parameter.allowed.low))
        if value is not None:
            limits[parameter.setting] = value
    return Settings(length, limits, threshold)


def _request_of_words(
    data: Mapping[str, Any], parameters: Mapping[str, Any], settings: Settings, max_texts: int
) -> WireRequest:
    split = parameters.get("is_split_into_words")
    if split is not None and not isinstance(split, bool):
        raise RequestError(f"parameters.is_split_into_words is {_shown(split)}: it must be true or false")
    texts: list[str] = []
    words: list[tuple[str, ...] | None] = []
    for number, item in enumerate(_items(data, "text", max_texts)):
        where = f"data.text[{number}]"
        if not isinstance(item, list):
            texts.append(_text(item, where))
            words.append(None)
            continue
        if split is False:
            raise RequestError(f"{where} is a list: set parameters.is_split_into_words to true")
        parts = [_text(part, f"{where}[{index}]", blank=True) for index, part in enumerate(item)]
        texts.append(_text(join_tokens(parts), where))
        words.append(tuple(parts))
    return WireRequest(tuple(texts), settings, tuple(words))


def _request_of_choices(data: Mapping[str, Any], settings: Settings, max_texts: int) -> WireRequest:
    """Contexts, questions (or none) and choices; a single context or list of choices is for all questions.

    Raises:
        RequestError: Where their numbers do not fit, and on fewer than two choices.
    """
    contexts = _texts(data, "context", max_texts)
    asked = [] if data.get("question") is None else _items(data, "question", max_texts)
    questions = [item and _text(item, f"data.question[{number}]") for number, item in enumerate(asked)] or [""]
    given = _items(data, "choices", max_texts)
    if all(isinstance(item, str) for item in given):
        sets = [_choices(given, "data.choices")]
    else:
        sets = [_choices(item, f"data.choices[{number}]") for number, item in enumerate(given)]
    count = max(len(contexts), len(questions), len(sets))
    rows = zip(
        _for_each(contexts, count, "context"),
        _for_each(questions, count, "question"),
        _for_each(sets, count, "choices"),
        strict=True,
    )
    return WireRequest(tuple((context, question, *choices) for context, question, choices in rows), settings)


def _for_each(column: list[_Item], count: int, name: str) -> list[_Item]:
    """One entry for each of so many questions."""
    if len(column) not in (1, count):
        raise RequestError(f"data.{name} has {len(column)} entries, and {count} are asked: give one, or one for each")
    return column * count if len(column) == 1 else column


def _choices(items: Any, where: str) -> list[str]:
    if not isinstance(items, list):
        raise RequestError(f"{where} is {_shown(items)}: it must be a list of texts")
    if len(items) < MIN_CHOICES:
        raise RequestError(f"{where} has {len(items)} choice(s): a question needs {MIN_CHOICES} at least")
    return [_text(item, f"{where}[{number}]") for number, item in enumerate(items)]


def _json(body: bytes) -> Any:
    try:
        return decode_json(body)
    except JsonError as error:
        raise RequestError(f"the body is not JSON: {error}") from None


def _shown(value: Any) -> str:
    """A value of a request for an error message: short, and in ASCII where it could not be written."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    text = text if len(text) <= SHOWN else text[:SHOWN] + "..."
    return text.encode("utf-8", "backslashreplace").decode()


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RequestError(f"{where} is {_shown(value)}: it must be a JSON object")
    return value


def _count(parameters: Mapping[str, Any], name: str, least: int) -> int | None:
    value = parameters.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise RequestError(f"parameters.{name} is {_shown(value)}: it must be a whole number of at least {least}")
    return value


def _share(parameters: Mapping[str, Any], name: str) -> float | None:
    value = parameters.get(name)
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= 1:
        raise RequestError(f"parameters.{name} is {_shown(value)}: it must be a number between 0 and 1")
    return float(value)


def _items(data: Mapping[str, Any], name: str, max_texts: int) -> list[Any]:
    """The list of a field; a single string is a list of one."""
    if data.get(name) is None:
        found = ", ".join(_shown(key) for key in list(data)[:5]) or "nothing"
        raise RequestError(f"data has no field '{name}', only {found}")
    items = data[name]
    if isinstance(items, str):
        return [items]
    if not isinstance(items, list):
        raise RequestError(f"data.{name} is {_shown(items)}: it must be a text or a list of them")
    if not items:
        raise RequestError(f"data.{name} is empty: give one text at least")
    if len(items) > max_texts:
        raise RequestError(f"data.{name} has {len(items)} texts: a request may have {max_texts}")
    return items


def _texts(data: Mapping[str, Any], name: str, max_texts: int) -> list[str]:
    items = _items(data, name, max_texts)
    return [_text(item, f"data.{name}[{number}]") for number, item in enumerate(items)]


def _text(value: Any, where: str, blank: bool = False) -> str:
    """A string that is whole Unicode and, unless `blank`, more than white space."""
    if not isinstance(value, str):
        raise RequestError(f"{where} is {_shown(value)}: it must be a string")
    if not (value if blank else value.strip()):
        raise RequestError(f"{where} is an empty text: leave it out or fill it")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RequestError(f"{where} has half of a surrogate pair at character {error.start}") from None
    return value
