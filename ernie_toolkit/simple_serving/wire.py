"""PaddleNLP SimpleServing's wire format: requests to texts, answers to JSON. Pure functions.

A request is `{"data": {...}, "parameters": {...}}`, an answer `{"result": {...}}`; deploy/simple_serving/README.md
lists the fields. Parameters that are not known are ignored, as there; further fields beside `data` and
`parameters` are refused, as there.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ernie_toolkit.bundle import BundleInfo
from ernie_toolkit.data.tagged import join_tokens
from ernie_toolkit.decoding import (
    Answer,
    LabelAnswer,
    LabelSetAnswer,
    SpanAnswer,
    TaggedText,
    answer_fields,
    softmax,
)
from ernie_toolkit.decoding.label_sets import THRESHOLD
from ernie_toolkit.errors import ToolkitError
from ernie_toolkit.files.parsing import JsonError, decode_json
from ernie_toolkit.text.features import MIN_SEQ_LENGTH, TextInput

PAIR_FORMATS = ("pair", "keywords")
TOP_LABELS = 5
SHOWN = 60  # characters of a value that an error message repeats


class RequestError(ToolkitError):
    """A request that cannot be answered as it is; a server says 422 and the reason."""


@dataclass(frozen=True)
class Settings:
    """What a request may set of its task; the bundle's own where None."""

    max_seq_length: int | None = None
    doc_stride: int | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class WireRequest:
    """A request read: what the model reads, its settings, and each text's words where it came split into them."""

    inputs: tuple[TextInput, ...]
    settings: Settings
    words: tuple[tuple[str, ...] | None, ...] = ()


def parse_request(body: bytes, task: str, text_format: str, max_texts: int) -> WireRequest:
    """Read and check a request's body. Raises RequestError with the reason."""
    request = _object(_json(body), "the body")
    unknown = sorted(set(request) - {"data", "parameters"})
    if unknown:
        raise RequestError(f"the body has the field {_shown(unknown[0])}: it takes 'data' and 'parameters'")
    if "data" not in request:
        raise RequestError("the body has no field 'data'")
    data = _object(request["data"], "data")
    given = request.get("parameters")
    parameters = _object({} if given is None else given, "parameters")
    settings = Settings(
        _count(parameters, "max_seq_len", MIN_SEQ_LENGTH),
        _count(parameters, "doc_stride", 0) if task == "qa" else None,
        _share(parameters, "prob_limit") if task == "multi_label" else None,
    )
    _count(parameters, "batch_size", 1)
    if task == "token_cls":
        return _tagging_request(data, parameters, settings, max_texts)
    if task == "qa":
        first, second = "question", "context"
    elif text_format in PAIR_FORMATS:
        first, second = "text", "text_pair"
    else:
        if data.get("text_pair") is not None:
            raise RequestError("data.text_pair: this model reads single texts, leave it out")
        return WireRequest(tuple(_texts(data, "text", max_texts)), settings)
    firsts, seconds = _texts(data, first, max_texts), _texts(data, second, max_texts)
    if len(firsts) != len(seconds):
        raise RequestError(f"data.{first} has {len(firsts)} text(s), data.{second} {len(seconds)}: they must be pairs")
    return WireRequest(tuple(zip(firsts, seconds, strict=True)), settings)


def _tagging_request(
    data: Mapping[str, Any], parameters: Mapping[str, Any], settings: Settings, max_texts: int
) -> WireRequest:
    split = parameters.get("is_split_into_words")
    if split is not None and not isinstance(split, bool):
        raise RequestError(f"parameters.is_split_into_words is {_shown(split)}: it must be true or false")
    if data.get("text_pair") is not None:
        raise RequestError("data.text_pair: this model reads single texts, leave it out")
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


def result_of(
    request: WireRequest, answers: Sequence[Answer], logits: Sequence[np.ndarray], info: BundleInfo
) -> dict[str, Any]:
    """The JSON of some answers, one entry of each list for each input.

    `logits`: of labels, float of shape (len(answers), classes), for the runners-up; else not looked at.
    `info`: the bundle, with the thresholds that were used.
    """
    if isinstance(answers[0], LabelSetAnswer):
        return _label_set_result(cast(Sequence[LabelSetAnswer], answers), info)
    if isinstance(answers[0], LabelAnswer):
        return _label_result(cast(Sequence[LabelAnswer], answers), np.asarray(logits), info)
    if isinstance(answers[0], TaggedText):
        indices = {label: index for index, label in enumerate(info.labels)}
        words = request.words or (None,) * len(answers)
        tagged = cast(Sequence[TaggedText], answers)
        parts = [_tagged_text(answer, split, indices) for answer, split in zip(tagged, words, strict=True)]
        return {"value": [entities for entities, _ in parts], "tokens_label": [tags for _, tags in parts]}
    spans = [answer_fields(answer) for answer in cast(Sequence[SpanAnswer], answers)]
    result: dict[str, Any] = {
        "context": [item[1] for item in request.inputs],
        "question": [item[0] for item in request.inputs],
    }
    for name in ("answer", "confidence", "start", "end", "n_best"):
        result[name] = [span[name] for span in spans]
    return result


def _label_result(answers: Sequence[LabelAnswer], logits: np.ndarray, info: BundleInfo) -> dict[str, Any]:
    names = info.labels if info.label_names is None else info.label_names
    probabilities = softmax(logits)
    best = np.argsort(-logits, axis=1, kind="stable")[:, :TOP_LABELS]

    def entry(index: int, probability: float) -> dict[str, Any]:
        return {
            "label": index,
            "label_id": info.labels[index],
            "label_name": names[index],
            "confidence": round(probability, 6),
        }

    return {
        "label": [answer.index for answer in answers],
        "confidence": [round(answer.confidence, 6) for answer in answers],
        "label_id": [answer.label for answer in answers],
        "label_name": [answer.name for answer in answers],
        "top": [
            [entry(index, float(row[index])) for index in chosen.tolist()]
            for chosen, row in zip(best, probabilities, strict=True)
        ],
    }


def _label_set_result(answers: Sequence[LabelSetAnswer], info: BundleInfo) -> dict[str, Any]:
    """Lists of lists, in the labels' order; `top` has all labels of a text and the most probable others."""
    names = info.labels if info.label_names is None else info.label_names
    thresholds = info.thresholds or (THRESHOLD,) * len(info.labels)

    def top(answer: LabelSetAnswer) -> list[dict[str, Any]]:
        order = sorted(range(len(names)), key=lambda index: -answer.probabilities[index])
        return [
            {
                "label": index,
                "label_id": info.labels[index],
                "label_name": names[index],
                "confidence": round(answer.probabilities[index], 6),
                "threshold": thresholds[index],
                "chosen": index in answer.indices,
            }
            for place, index in enumerate(order)
            if place < TOP_LABELS or index in answer.indices
        ]

    return {
        "label": [list(answer.indices) for answer in answers],
        "confidence": [[round(value, 6) for value in answer.confidences] for answer in answers],
        "label_id": [list(answer.labels) for answer in answers],
        "label_name": [list(answer.names) for answer in answers],
        "top": [top(answer) for answer in answers],
    }


def _tagged_text(
    answer: TaggedText, words: Sequence[str] | None, indices: Mapping[str, int]
) -> tuple[list[dict[str, Any]], list[int]]:
    """Entities of a text and a tag for each character, or for each word where it came split into them."""
    starts = list(range(len(answer.text))) if words is None else word_starts(answer.text, words)
    place = np.searchsorted(starts, np.arange(len(answer.text)), side="right") - 1
    entities = [
        {
            "pos": [int(place[item.start]), int(place[item.end - 1])],
            "entity": item.text,
            "label": item.type,
            "confidence": round(item.confidence, 6),
        }
        for item in answer.entities
    ]
    return entities, [indices[answer.tags[start]] for start in starts]


def word_starts(text: str, words: Sequence[str]) -> list[int]:
    """Where in `text`, which is `join_tokens(words)`, each word begins: a space may stand before one."""
    starts, position = [], 0
    for word in words:
        position += not text.startswith(word, position)
        starts.append(position)
        position += len(word)
    return starts
