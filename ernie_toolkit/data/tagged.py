"""Streaming reader of texts with tags: every sentence becomes a text with a BIO tag for each character.

Three formats. Columns: a token and its tag a line, a blank line between sentences. Joined: a sentence a
line, its tokens joined by the control character U+0002, a tab, its tags joined likewise (PaddleNLP's copy
of msra_ner). JSON lines (.json, .jsonl): the fields `tokens` and `labels`, lists of texts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from ernie_toolkit.data.file_options import DEFAULT_FILE_OPTIONS, FileOptions, FileRecord
from ernie_toolkit.data.lines import check_text, is_json, json_type, parse_object, read_all_lines, read_lines
from ernie_toolkit.data.readers import Example, check_label
from ernie_toolkit.data.registry import DatasetSpec, Split
from ernie_toolkit.errors import DataError
from ernie_toolkit.pairing import strict_zip

_JOINT = "\x02"
_HEAD_BYTES = 65_536
_TAG_FIELDS = ("labels", "tags", "ner_tags")
_BIO = re.compile(r"O|[BI]-(.+)", re.DOTALL)
# Ideographs, kana, bopomofo and hangul, with their marks: words of these are written without spaces between.
_UNSPACED = re.compile(
    "[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff]"
)


@dataclass(frozen=True)
class _Sentence:
    """Tokens and tags as a file has them; `place` gives the "file:line" of a token by its index."""

    tokens: list[str]
    tags: list[str] | None
    place: Callable[[int], str]
    own_id: Any = None


def read_tagged(
    path: Path,
    spec: DatasetSpec,
    split: Split = "train",
    options: FileOptions = DEFAULT_FILE_OPTIONS,
    record: FileRecord | None = None,
) -> Iterator[Example]:
    """Stream the sentences of a file as `id` (int), `text` and `labels`, one BIO tag for every character.

    The format is told by the name (.json, .jsonl) and by the content. `labels` is None for the sentences of
    a test file that has no tags; columns have them throughout or not at all. Raises DataError with file and
    line at the first token or sentence that does not fit.
    """
    for index, sentence in enumerate(_sentences(path, split, spec.labels)):
        yield _example(sentence, spec, split, index)


def parse_tagged_row(row: dict[str, Any], spec: DatasetSpec, split: Split, index: int, where: str) -> Example:
    """Check one row with `tokens` and `labels` and bring it into the form of an example.

    `id` is the row's own whole number, else `index`. Raises DataError that begins with `where`.
    """
    return _example(_sentence_of_row(row, where), spec, split, index)


def read_tags(path: Path) -> tuple[str, ...]:
    """The BIO tags of a training file: B- and I- of every type that occurs, types sorted by name, then O.

    A type of which no entity begins is given without B-: `decoding.bio.check_bio_labels` says what to do about
    it. Raises DataError on a tag of another scheme, and on a file without any entity.
    """
    types: set[str] = set()
    begun: set[str] = set()
    for sentence in _sentences(path, "train", ()):
        for index, tag in enumerate(_tags(sentence, "train") or ()):
            found = _BIO.fullmatch(tag)
            if found is None:
                raise DataError(f"{sentence.place(index)}: tag {tag!r:.60} is none of BIO: use O, B-type and I-type")
            if found[1] is not None:
                types.add(found[1])
                if tag[0] == "B":
                    begun.add(found[1])
    if not types:
        raise DataError(f"{path}: no entity in it, every tag is O: is it the right file?")
    tags = (f"{prefix}-{name}" for name in sorted(types) for prefix in ("BI" if name in begun else "I"))
    return (*tags, "O")


def text_of_row(row: dict[str, Any], where: str) -> str:
    """The text of a JSON row: that of its `tokens`, joined, else its `text` or `sentence`. Raises DataError."""
    return check_text(join_tokens(_tokens_of_row(row, where)), "the sentence", where)


def join_tokens(tokens: Sequence[str]) -> str:
    """The text of a list of tokens, with a space only where words of an alphabet would run together.

    That is between two tokens that meet with letters or digits other than ideographs, kana and hangul, one
    of them at least of several characters: "New", "York" are two words, "N", "B", "A" the letters of one.
    """
    if all(len(token) == 1 for token in tokens):
        return "".join(tokens)
    parts = list(tokens[:1])
    for before, token in zip(tokens, tokens[1:]):
        parts += (" ", token) if _spaced(before, token) else (token,)
    return "".join(parts)


def _spaced(before: str, token: str) -> bool:
    return (len(before) > 1 or len(token) > 1) and _in_word(before[-1]) and _in_word(token[0])


def _in_word(character: str) -> bool:
    category = unicodedata.category(character)
    return (category[0] == "L" or category == "Nd") and not _UNSPACED.match(character)


def _character_tags(tokens: Sequence[str], tags: Sequence[str]) -> list[str]:
    """A tag for each character of the joined tokens; a space put in belongs to the entity around it, if any."""
    if all(len(token) == 1 for token in tokens):
        return list(tags)
    labels: list[str] = []
    for index, (token, tag) in enumerate(strict_zip(tokens, tags)):
        if index and _spaced(tokens[index - 1], token):
            goes_on = tag.startswith("I-") and tags[index - 1] in (tag, f"B-{tag[2:]}")
            labels.append(tag if goes_on else "O")
        inside = f"I-{tag[2:]}" if tag.startswith("B-") else tag
        labels += [tag] + [inside] * (len(token) - 1)
    return labels


def _example(sentence: _Sentence, spec: DatasetSpec, split: Split, index: int) -> Example:
    where = sentence.place(0)
    text = check_text(join_tokens(sentence.tokens), "the sentence", where)
    tags = _tags(sentence, split)
    labels = None
    if tags is not None:
        _check_tags(sentence, tags, spec)
        labels = _character_tags(sentence.tokens, tags)
        for tag in sorted(set(labels).difference(spec.labels)):
            raise DataError(f"{where}: a token of several characters needs the tag '{tag}': add it to the labels")
    own = sentence.own_id
    return {
        "id": own if isinstance(own, int) and not isinstance(own, bool) else index,
        "text": text,
        "labels": labels,
    }


def _tags(sentence: _Sentence, split: Split) -> list[str] | None:
    """The tags of a sentence, as many as tokens; None where a test sentence has none."""
    tags = sentence.tags
    where = sentence.place(0)
    if not tags:
        if split == "test":
            return None
        raise DataError(f"{where}: no tags: a sentence of the {split} file needs one for each token")
    if len(tags) != len(sentence.tokens):
        raise DataError(f"{where}: {len(sentence.tokens)} token(s) and {len(tags)} tag(s): give one tag to each token")
    return tags


def _check_tags(sentence: _Sentence, tags: list[str], spec: DatasetSpec) -> None:
    known = set(spec.labels)
    if not known.issuperset(tags):
        index = next(index for index, tag in enumerate(tags) if tag not in known)
        check_label(tags[index], spec, sentence.place(index))


def _sentences(path: Path, split: Split, known: Collection[str]) -> Iterator[_Sentence]:
    if is_json(path):
        for number, line in read_lines(path):
            where = f"{path}:{number}"
            yield _sentence_of_row(parse_object(line, where), where)
    elif _is_joined(path):
        yield from _read_joined(path)
    else:
        yield from _read_columns(path, split, known)


def _sentence_of_row(row: dict[str, Any], where: str) -> _Sentence:
    name = next((name for name in _TAG_FIELDS if row.get(name) is not None), None)
    tags = None if name is None else _list_of_texts(row[name], f"field '{name}'", where)
    return _Sentence(_tokens_of_row(row, where), tags, _everywhere(where), row.get("id"))


def _tokens_of_row(row: dict[str, Any], where: str) -> list[str]:
    if row.get("tokens") is not None:
        tokens = _list_of_texts(row["tokens"], "field 'tokens'", where)
        if not tokens:
            raise DataError(f"{where}: field 'tokens' is an empty list: fill it or take the row out")
        _check_tokens(tokens, _everywhere(where))
        return tokens
    for name in ("text", "sentence"):
        if name in row:
            return list(check_text(row[name], f"field '{name}'", where))
    found = ", ".join(map(repr, row)) or "none"
    raise DataError(f"{where}: no text: expected 'tokens', 'text' or 'sentence'; the fields are {found}")


def _list_of_texts(value: Any, what: str, where: str) -> list[str]:
    if not isinstance(value, list):
        raise DataError(f"{where}: {what} is a JSON {json_type(value)}: it must be a list of texts")
    for number, item in enumerate(value, 1):
        if not isinstance(item, str):
            raise DataError(f"{where}: {what} has a JSON {json_type(item)} at place {number}: write texts only")
    return value


def _check_tokens(tokens: list[str], place: Callable[[int], str]) -> None:
    if "" in tokens:
        index = tokens.index("")
        raise DataError(f"{place(index)}: token {index + 1} is empty: take it and its tag out")


def _is_joined(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return _JOINT.encode() in stream.read(_HEAD_BYTES)
    except OSError:
        return False  # the reader that comes next names the fault


def _read_joined(path: Path) -> Iterator[_Sentence]:
    for number, line in read_lines(path):
        where = f"{path}:{number}"
        text, tab, tags = line.rpartition("\t")
        tokens = (text if tab else line).split(_JOINT)
        place = _everywhere(where)
        _check_tokens(tokens, place)
        yield _Sentence(tokens, tags.split(_JOINT) if tab else None, place)


def _read_columns(path: Path, split: Split, known: Collection[str]) -> Iterator[_Sentence]:
    """Sentences of a file with a token and its tag a line; in a test file the first line says if there are tags.

    White space may be a token ("\\u3000 O"): only an empty line ends a sentence, and the tag is what stands
    after the last space or tab.
    """
    tagged = None if split == "test" else True
    tokens: list[str] = []
    tags: list[str] = []
    first = 0
    for number, line in chain(read_all_lines(path), [(0, "")]):
        if not line:
            if tokens:
                place = partial(_line_of_token, path, first)
                _check_tokens(tokens, place)
                yield _Sentence(tokens, tags if tagged else None, place)
            tokens, tags = [], []
            continue
        cut = max(line.rfind(" "), line.rfind("\t"))
        tag = line[cut + 1 :] if cut >= 0 else ""
        if tagged is None:
            tagged = bool(tag)
        if tagged and not tag:
            raise DataError(f"{path}:{number}: no tag after a space or tab: write a token and its tag: {line!r:.60}")
        if not tagged and tag in known:
            raise DataError(f"{path}:{number}: a tag in a file that begins without: give tags to all lines or to none")
        if not tokens:
            first = number
        tokens.append(line[:cut] if tagged else line)
        tags.append(tag)


def _everywhere(where: str) -> Callable[[int], str]:
    """The place of every token of a row that is one line."""
    return lambda _: where


def _line_of_token(path: Path, first: int, index: int) -> str:
    return f"{path}:{first + index}"
