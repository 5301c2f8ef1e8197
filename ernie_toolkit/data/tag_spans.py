"""Entities given as spans of a text, checked and brought into BIO.

Four forms. CLUENER's: {type: {surface: [[start, end], ...]}}, the end inclusive. doccano's: [[start, end, type], ...],
the end exclusive. Objects with `start` and `end` (or `start_offset`, `end_offset`) and `label`, `type` or `labels`, and
maybe their `text`, as doccano's relations and Label Studio's JSON-MIN have them. Label Studio's own export: {"data":
{"text"}, "annotations": [{"result": [{"value": {...}}]}]}. Offsets count characters (code points) from 0.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ernie_toolkit.data.lines import field_names, json_type
from ernie_toolkit.errors import DataError

SPAN_FORMS = (
    "[[start, end, type], ...], objects with start, end and label, or CLUENER's {type: {surface: [[start, end], ...]}}"
)
CLUENER, TRIPLES, OBJECTS, LABEL_STUDIO = (
    "CLUENER's spans (end inclusive)",
    "[start, end, type] (end exclusive)",
    "objects with start, end and type (end exclusive)",
    "Label Studio's export (end exclusive)",
)
WIDE = (
    "row(s) have characters beyond U+FFFF before a span that does not quote its text: offsets are read as counting "
    "characters, not UTF-16 units"
)
OTHER_RESULTS = "result(s) of Label Studio are no labels of spans, and are not read"
_STARTS, _ENDS, _TYPES = ("start", "start_offset"), ("end", "end_offset"), ("label", "type", "labels")
_JOINER = "\u200d"


class Span(NamedTuple):
    """An entity as a span of a text.

    Attributes:
        start: Its first character.
        end: The character after its last one.
        type: Its type.
        quoted: Whether the file quotes its text.
        where: The file and the place, for messages.
    """

    start: int
    end: int
    type: str
    quoted: bool
    where: str


@dataclass(frozen=True)
class SpanSet:
    """The spans of a row.

    Attributes:
        spans: The spans, in the file's order.
        form: The form that they had, for people.
        notes: What is to be said of it.
    """

    spans: tuple[Span, ...]
    form: str
    notes: tuple[str, ...] = ()

    def tags(self, text: str) -> list[str]:
        """A BIO tag for each character.

        Raises:
            DataError: On spans that overlap.
        """
        tags = ["O"] * len(text)
        last: Span | None = None
        for span in sorted(set(self.spans)):
            if last is not None and span.start < last.end:
                if span[:3] == last[:3]:
                    continue
                raise DataError(
                    f"{span.where}: {_shown(span, text)} overlaps {_shown(last, text)}: keep one of them, a character "
                    "has one tag"
                )
            tags[span.start : span.end] = [f"B-{span.type}"] + [f"I-{span.type}"] * (span.end - span.start - 1)
            last = span
        return tags


def read_spans(value: Any, text: str, field: str, where: str) -> SpanSet:
    """The spans under a field of a row, in any of the forms above but the last.

    Args:
        value: What stands under the field.
        text: The row's text.
        field: The field's name.
        where: The file and the line, for messages.

    Raises:
        DataError: With its place, on a span that does not fit.
    """
    where = f"{where}: field '{field}'"
    if isinstance(value, dict):
        return SpanSet(tuple(_cluener(value, text, where)), f"'{field}': {CLUENER}" if value else "")
    if not isinstance(value, list):
        raise DataError(f"{where} is a JSON {json_type(value)}: entities are read as {SPAN_FORMS}")
    spans = tuple(_span(item, text, f"{where}, span {number}") for number, item in enumerate(value, 1))
    form = f"'{field}': {OBJECTS if isinstance(value[0], dict) else TRIPLES}" if value else ""
    return SpanSet(spans, form, _notes(spans, text))


def read_label_studio(row: dict[str, Any], text: str, where: str) -> SpanSet | None:
    """The spans of a task that Label Studio exported; None for one without an annotation.

    Annotations that were cancelled do not count; several have to agree.

    Args:
        row: The task's fields.
        text: The task's text.
        where: The file and the line, for messages.

    Raises:
        DataError: On annotations that do not fit.
    """
    annotations = row.get("annotations", row.get("completions")) or []
    if not isinstance(annotations, list) or not all(isinstance(item, dict) for item in annotations):
        raise DataError(f"{where}: field 'annotations' must be a list of objects, as Label Studio exports them")
    sets: list[SpanSet] = []
    for number, annotation in enumerate(annotations, 1):
        if not annotation.get("was_cancelled"):
            sets.append(_annotation(annotation.get("result"), text, f"{where}: annotation {number}"))
    if not sets:
        return None
    found = [{span[:3] for span in item.spans} for item in sets]
    if any(spans != found[0] for spans in found):
        raise DataError(f"{where}: {len(found)} annotations that differ: keep one of them")
    return sets[0]


def _annotation(results: Any, text: str, where: str) -> SpanSet:
    if not isinstance(results, list):
        raise DataError(f"{where}: 'result' is a JSON {json_type(results)}: it must be a list")
    spans: list[Span] = []
    others: list[str] = []
    for number, result in enumerate(results, 1):
        place = f"{where}, result {number}"
        value = result.get("value") if isinstance(result, dict) else None
        kind = result.get("type", "labels") if isinstance(result, dict) else None
        if isinstance(kind, str) and kind != "labels":
            others.append(OTHER_RESULTS)
            continue
        if not isinstance(value, dict):
            raise DataError(f"{place}: no object 'value' with start, end and labels in it")
        spans.append(_object_span(value, text, place))
    return SpanSet(tuple(spans), LABEL_STUDIO, (*_notes(spans, text), *others))


def _cluener(value: dict[str, Any], text: str, where: str) -> Iterator[Span]:
    for kind, surfaces in value.items():
        name = _type(kind, where)
        if not isinstance(surfaces, dict):
            raise DataError(
                f"{where}: {kind!r:.40} is a JSON {json_type(surfaces)}: it must be {{surface: [[start, end]]}}"
            )
        for surface, places in surfaces.items():
            place = f"{where}: {kind!r:.40}: {surface!r:.40}"
            if not isinstance(places, list) or not all(isinstance(item, list) and len(item) == 2 for item in places):
                raise DataError(f"{place}: expected its places [[start, end], ...], the end inclusive")
            if not places:
                raise DataError(f"{place}: no place of it: give [[start, end]], the end inclusive, or take it out")
            for start, end in places:
                _check_offsets(start, end, place)
                _check_surface(surface, text, start, end + 1, place, inclusive=True)
                yield _checked(start, end + 1, name, True, text, place)


def _span(item: Any, text: str, where: str) -> Span:
    if isinstance(item, dict):
        return _object_span(item, text, where)
    if not isinstance(item, list) or len(item) != 3:
        shown = f"{len(item)} values" if isinstance(item, list) else f"a JSON {json_type(item)}"
        raise DataError(f"{where}: {shown}: entities are read as {SPAN_FORMS}")
    start, end, kind = item
    _check_offsets(start, end, where)
    return _checked(start, end, _type(kind, where), False, text, where)


def _object_span(item: dict[str, Any], text: str, where: str) -> Span:
    names = [next((name for name in known if name in item), None) for known in (_STARTS, _ENDS, _TYPES)]
    if None in names:
        found = field_names(item)
        raise DataError(
            f"{where}: expected start and end (or start_offset and end_offset), and label, type or labels; the fields "
            f"are {found}"
        )
    start, end, kind = (item[str(name)] for name in names)
    if isinstance(kind, list):
        if len(kind) != 1:
            raise DataError(f"{where}: {len(kind)} labels: a span has one, keep it")
        kind = kind[0]
    _check_offsets(start, end, where)
    surface = item.get("text")
    if isinstance(surface, str):
        _check_surface(surface, text, start, end, where)
    return _checked(start, end, _type(kind, where), isinstance(surface, str), text, where)


def _type(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: the type {value!r:.40} is no text with something in it: name the type of entity")
    return value.strip()


def _check_offsets(start: Any, end: Any, where: str) -> None:
    for value in (start, end):
        if isinstance(value, bool) or not isinstance(value, int):
            raise DataError(f"{where}: offset {value!r:.40} is no whole number: offsets count characters from 0")


def _checked(start: int, end: int, kind: str, quoted: bool, text: str, where: str) -> Span:
    """A span that lies in its text and cuts no character in half. Raises DataError."""
    if start < 0 or end > len(text):
        hint = "; UTF-16 units would fit: count characters" if start >= 0 and end <= _utf16_length(text) else ""
        raise DataError(
            f"{where}: [{start}, {end}) is not within the text, which has {len(text)} characters (offsets count from 0)"
            f"{hint}"
        )
    if start >= end:
        raise DataError(f"{where}: [{start}, {end}) is empty: the end is exclusive there, correct it or take it out")
    for edge in (start, end):
        if 0 < edge < len(text) and _joined(text[edge - 1], text[edge]):
            raise DataError(
                f"{where}: {edge} cuts {text[edge - 1 : edge + 1]!r} in half, a character with what belongs to it: "
                "correct the offset"
            )
    return Span(start, end, kind, quoted, where)


def _shown(span: Span, text: str) -> str:
    return f"{text[span.start : span.end]!r:.40} [{span.start}, {span.end}) of type {span.type!r:.40}"


def _joined(before: str, after: str) -> bool:
    """Whether two characters are one to the reader: a mark on a letter, a variant or a part of an emoji."""
    if before.isascii() and after.isascii():
        return False
    skin_tone = "\U0001f3fb" <= after <= "\U0001f3ff"
    return before == _JOINER or after == _JOINER or skin_tone or unicodedata.category(after) in ("Mn", "Me", "Mc")


def _check_surface(surface: str, text: str, start: int, end: int, where: str, inclusive: bool = False) -> None:
    """Raise DataError where a file quotes another text than the characters [start, end), with what would fit."""
    if start >= 0 and text[start:end] == surface:
        return
    shown = f"[{start}, {end - 1}], the end inclusive" if inclusive else f"[{start}, {end}), the end exclusive"
    other = text[start : end - 1] if inclusive else text[start : end + 1]
    first = text.find(surface)
    if start >= 0 and other == surface:
        hint = f"it would fit with the end {'exclusive' if inclusive else 'inclusive'}"
    elif start >= 0 and _utf16_slice(text, start, end) == surface:
        hint = "it would fit in UTF-16 units: count characters"
    else:
        hint = f"the text has it first at {first}" if first >= 0 else "the text does not have it at all"
    raise DataError(
        f"{where}: {surface!r:.40} is not at {shown}, but {text[max(start, 0) : max(end, 0)]!r:.40}: {hint}"
    )


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _utf16_slice(text: str, start: int, end: int) -> str:
    return text.encode("utf-16-le")[2 * start : 2 * end].decode("utf-16-le", "replace")


def _notes(spans: Sequence[Span], text: str) -> tuple[str, ...]:
    if text.isascii() or not any(character >= "\U00010000" for character in text):
        return ()
    before = max((span.end for span in spans if not span.quoted), default=0)
    return (WIDE,) if any(character >= "\U00010000" for character in text[:before]) else ()
