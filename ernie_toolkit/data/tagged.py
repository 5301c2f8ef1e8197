"""Streaming reader of texts with tags: every sentence becomes a text with a BIO tag for each character.

Three formats. Columns: a token and its tag a line, a blank line between sentences. Joined: a sentence a
line, its tokens joined by the control character U+0002, a tab, its tags joined likewise (PaddleNLP's copy
of msra_ner). JSON (.json, .jsonl; objects a line or one list): `tokens` and `labels`, lists of texts, or a `text`
with spans. `tag_columns` reads the first two, `tag_rows` and `tag_spans` the third, `tag_schemes` brings tags into BIO.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.data.file_options import DEFAULT_FILE_OPTIONS, FileOptions, FileRecord
from ernie_toolkit.data.lines import check_text, is_json
from ernie_toolkit.data.readers import Example, check_label
from ernie_toolkit.data.registry import CUSTOM, DatasetSpec, Split
from ernie_toolkit.data.tag_columns import is_joined, looks_tagged, read_columns, read_joined, tagged_file_error
from ernie_toolkit.data.tag_rows import read_rows, sentence_of_row, tokens_of_row
from ernie_toolkit.data.tag_schemes import TagReader, bio_labels
from ernie_toolkit.data.tag_sentences import UNSPACED, Row, Sentence, TaggedFile
from ernie_toolkit.errors import DataError

__all__ = [
    "bio_labels",
    "join_tokens",
    "looks_tagged",
    "parse_tagged_row",
    "read_tagged",
    "read_tags",
    "tagged_file_error",
    "text_of_row",
]


def read_tagged(
    path: Path,
    spec: DatasetSpec,
    split: Split = "train",
    options: FileOptions = DEFAULT_FILE_OPTIONS,
    record: FileRecord | None = None,
) -> Iterator[Example]:
    """Stream the sentences of a file as `id` (int), `text`, `labels`, one BIO tag for every character, and `line`.

    The format is found by the name (.json, .jsonl) and by the content, the scheme of the tags by `options.tag_scheme`
    or by themselves. `labels` is None for the sentences of a test file that has no tags; columns have them throughout
    or not at all. `line` is where the sentence begins, from 1.

    Args:
        path: The file.
        spec: The data set.
        split: The split that the file is.
        options: How files are read.
        record: Gets what was found, up to the sentence that was yielded last; None where it is not wanted.

    Raises:
        DataError: With file and line at the first token or sentence that does not fit.
    """
    file = TaggedFile(path, split, options, record or FileRecord(), spec.labels)
    journal = _Journal(file, TagReader(options.tag_scheme, as_published=spec.name != CUSTOM))
    for index, (line, parse) in enumerate(_rows(file)):
        try:
            sentence = parse()
            if sentence is None:
                continue
            example = _example(sentence, journal.tags, spec, split, index)
        except DataError as error:
            file.record.skip(error, line, options, split, index)
            continue
        journal.note(sentence, line)
        example["line"] = line
        yield example
    journal.tags.check()


def parse_tagged_row(row: dict[str, Any], spec: DatasetSpec, split: Split, index: int, where: str) -> Example:
    """Check one row in any of the forms of a JSON line and bring it into the form of an example.

    Args:
        row: The row's fields.
        spec: The data set.
        split: The split that the row is of.
        index: The `id` of a row that has no whole number of its own.
        where: The file and the line, for messages.

    Raises:
        DataError: Where it does not fit.
    """
    return _example(sentence_of_row(row, where), TagReader(), spec, split, index)


def read_tags(path: Path, options: FileOptions = DEFAULT_FILE_OPTIONS) -> tuple[str, ...]:
    """The BIO tags of a training file: B- and I- of every type that occurs, types sorted by name, then O.

    Args:
        path: The training file.
        options: How files are read.

    Raises:
        DataError: On a sentence that cannot be read, and on a file without any entity.
    """
    reader, record = TagReader(options.tag_scheme), FileRecord()
    empty = True
    for _, parse in _rows(TaggedFile(path, "train", options, record)):
        empty, sentence = False, parse()
        if sentence is not None:
            _bio_tags(sentence, reader, "train")
    reader.check()
    if empty:
        raise DataError(f"{path}: the file is empty: it needs at least one sentence")
    if not reader.types:
        left_out = "".join(f"; left out: {len(places)} {reason}" for reason, places in record.left_out.items())
        raise DataError(f"{path}: no entity in it, every tag is O: is it the right file?{left_out}")
    return (*(f"{prefix}-{name}" for name in sorted(reader.types) for prefix in "BI"), "O")


def _rows(file: TaggedFile) -> Iterator[Row]:
    if is_json(file.path):
        return read_rows(file)
    return read_joined(file) if is_joined(file) else read_columns(file)


class _Journal:
    """Keeps a file's record true to the sentences read so far: who reads a part of a file learns about that part."""

    def __init__(self, file: TaggedFile, tags: TagReader) -> None:
        self.record, self.tags = file.record, tags
        self._layout = ""
        self._told = -1, 0, 0  # what the record was written from last
        self._forms: dict[str, None] = {}
        self._notes: dict[str, list[int]] = {}
        self._earlier = list(self.record.notices)
        self._unused = dict.fromkeys(_unused_options(file))
        self._scheme_unused = file.options.tag_scheme != "auto"
        self._path = file.path

    def note(self, sentence: Sentence, line: int) -> None:
        """Bring the record up to date after a sentence."""
        if sentence.form:
            self._forms[sentence.form] = None
        if sentence.spans and self._scheme_unused:
            self._unused[f"`tag_scheme` is for tags, and spans have none: not used for {self._path}"] = None
        for note in sentence.notes:
            self._notes.setdefault(note, []).append(line)
        record, tags = self.record, self.tags
        if not self._layout:
            self._layout = record.format
        state = tags.begun, len(self._forms), len(self._unused)
        if state == self._told and not sentence.notes:
            return
        self._told = state
        forms = f" ({', '.join(self._forms)})" if self._forms else ""
        description = tags.description
        scheme = f"; {description}" if description else ""
        record.format = f"{self._layout}{forms}{scheme}"
        notes = [f"{len(lines)} {note} (first at line {lines[0]})" for note, lines in self._notes.items()]
        record.notices[:] = [*self._earlier, *self._unused, *tags.notices(), *notes]


def text_of_row(row: dict[str, Any], where: str) -> str:
    """The text of a JSON row: that of its `tokens`, joined, else its `text` or `sentence`.

    Args:
        row: The row's fields.
        where: The file and the line, for messages.

    Raises:
        DataError: Where there is none.
    """
    return check_text(join_tokens(tokens_of_row(row, where)), "the sentence", where)


def join_tokens(tokens: Sequence[str]) -> str:
    """The text of a list of tokens, with a space only where words of an alphabet would run together.

    That is between two tokens that meet with letters or digits other than ideographs, kana and hangul, one
    of them at least of several characters: "New", "York" are two words, "N", "B", "A" the letters of one.
    """
    joined = "".join(tokens)
    if len(joined) == len(tokens) and "" not in tokens:
        return joined
    parts = list(tokens[:1])
    for before, token in zip(tokens, tokens[1:]):
        parts += (" ", token) if _spaced(before, token) else (token,)
    return "".join(parts)


def _spaced(before: str, token: str) -> bool:
    return (len(before) > 1 or len(token) > 1) and _in_word(before[-1]) and _in_word(token[0])


def _in_word(character: str) -> bool:
    category = unicodedata.category(character)
    return (category[0] == "L" or category == "Nd") and not UNSPACED.match(character)


def _character_tags(tokens: Sequence[str], tags: Sequence[str]) -> list[str]:
    """A BIO tag for each character of the joined tokens; a space put in belongs to the entity around it, if any."""
    labels: list[str] = []
    for index, (token, tag) in enumerate(strict_zip(tokens, tags)):
        if index and _spaced(tokens[index - 1], token):
            goes_on = tag.startswith("I-") and tags[index - 1] in (tag, f"B-{tag[2:]}")
            labels.append(tag if goes_on else "O")
        inside = f"I-{tag[2:]}" if tag.startswith("B-") else tag
        labels += [tag] + [inside] * (len(token) - 1)
    return labels


def _example(sentence: Sentence, reader: TagReader, spec: DatasetSpec, split: Split, index: int) -> Example:
    where = sentence.place(0)
    text = _checked(join_tokens(sentence.tokens), where)
    labels = _bio_tags(sentence, reader, split)
    if labels is not None:
        if not set(spec.labels).issuperset(labels):
            _refuse_tag(sentence, labels, spec)
        if len(text) != len(labels):
            labels = _character_tags(sentence.tokens, labels)
            for tag in sorted(set(labels).difference(spec.labels)):
                raise DataError(f"{where}: a token of several characters needs the tag '{tag}': add it to the labels")
    own = sentence.own_id
    return {
        "id": own if isinstance(own, int) and not isinstance(own, bool) else index,
        "text": text,
        "labels": labels,
    }


def _checked(text: str, where: str) -> str:
    """`text` if `check_text` would take it, found out with less work for the many that are in order."""
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return check_text(text, "the sentence", where)
    return text if text.strip() else check_text(text, "the sentence", where)


def _bio_tags(sentence: Sentence, reader: TagReader, split: Split) -> list[str] | None:
    """The tags of a sentence in BIO, as many as tokens; None where a test sentence has none."""
    tags = sentence.tags
    where = sentence.place(0)
    if not tags:
        if split == "test":
            return None
        fields = f"; {sentence.fields}" if sentence.fields else ""
        raise DataError(f"{where}: no tags: a sentence of the {split} file needs one for each token{fields}")
    if len(tags) != len(sentence.tokens):
        raise DataError(f"{where}: {len(sentence.tokens)} token(s) and {len(tags)} tag(s): give one tag to each token")
    if not sentence.spans:
        return reader.convert(tags, sentence.place)
    reader.add_spans([tag[2:] for tag in tags if tag.startswith("B-")])
    return tags


def _refuse_tag(sentence: Sentence, tags: list[str], spec: DatasetSpec) -> None:
    """Raise DataError on the first tag that the data set does not have."""
    known = set(spec.labels)
    index = next(index for index, tag in enumerate(tags) if tag not in known)
    own = (sentence.tags or tags)[index]
    where = sentence.place(index)
    try:
        check_label(tags[index], spec, where if own == tags[index] else f"{where}: tag {own!r:.60}")
    except DataError as error:
        hint = "; types are those of `label_file`, else of the model, else of the training file"
        raise DataError(f"{error}{hint * (spec.name == CUSTOM)}") from None


def _unused_options(file: TaggedFile) -> list[str]:
    """A line for each option that says nothing about this file."""
    if file.options.tag_column and (is_json(file.path) or is_joined(file)):
        return [f"`tag_column` is for files with a token a line: not used for {file.path}"]
    return []
