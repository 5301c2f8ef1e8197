"""What the readers of tagged files share: a file, and a sentence as it stands there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Collection, Optional, Tuple, Union

from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.lines import blank_row, lines_or_faults, read_all_lines
from ernie_toolkit.data.registry import Split
from ernie_toolkit.data.tag_schemes import Place
from ernie_toolkit.errors import DataError

# Ideographs, kana, bopomofo and hangul, with their marks: words of these are written without spaces between.
UNSPACED = re.compile(
    "[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff]"
)

Line = Union[str, DataError]
"""A line, or why it cannot be read."""


@dataclass(frozen=True)
class TaggedFile:
    """A file to read, how it is read, and where to note what was found.

    Attributes:
        path: The file.
        split: The split that it is.
        options: How files are read.
        record: Gets what was found.
        known: The tags of the data set.
    """

    path: Path
    split: Split
    options: FileOptions
    record: FileRecord
    known: Collection[str] = ()

    def lines(self) -> Iterator[tuple[int, str]]:
        """Every line with its number from 1; raises DataError at one that cannot be read."""
        return read_all_lines(self.path, self.options.encoding)

    def lines_or_faults(self) -> Iterator[tuple[int, Line]]:
        """As `lines`, with the error of a single line in its place."""
        return lines_or_faults(self.path, self.options.encoding)

    def rows(self) -> Iterator[tuple[int, Line]]:
        """The lines of a file with a sentence a line; a blank line between rows to predict comes as "".

        Elsewhere blank lines are no rows, and nowhere are those at the end of the file.
        """
        blank: list[int] = []
        for number, line in self.lines_or_faults():
            if isinstance(line, str) and not line.strip():
                blank.append(number)
                continue
            if self.split == "test":
                yield from ((earlier, "") for earlier in blank)
            blank = []
            yield number, line


@dataclass(frozen=True)
class Sentence:
    """Tokens and tags as a file has them.

    Attributes:
        tokens: The tokens.
        tags: A tag for each, None where the file has none.
        place: Gives the "file:line" of a token by its index.
        own_id: The id that the row has in the file, if any.
        spans: Whether the tags are BIO already, made from spans of a text.
        form: What the sentence came as, for people.
        notes: What is to be counted and said of it.
        fields: What a row has in place of tags, for messages.
    """

    tokens: list[str]
    tags: list[str] | None
    place: Place
    own_id: Any = None
    spans: bool = False
    form: str = ""
    notes: tuple[str, ...] = ()
    fields: str = ""


Row = Tuple[int, Callable[[], Optional[Sentence]]]
"""The line where a sentence begins, and what reads it: None for one that takes no part, which the record knows."""


def everywhere(where: str) -> Place:
    """The place of every token of a row that is one line."""
    return lambda _: where


def check_tokens(tokens: Sequence[str], place: Place) -> None:
    """Check that no token is empty.

    Args:
        tokens: The tokens of a sentence.
        place: The file and the line of a token by its index, for messages.

    Raises:
        DataError: Where one is.
    """
    if "" in tokens:
        index = tokens.index("")
        raise DataError(f"{place(index)}: token {index + 1} is empty: take it and its tag out")


def filled_line(line: Line, where: str, options: FileOptions) -> str:
    """Check that a line holds something, and return it.

    Args:
        line: The line, or the error of one that cannot be read.
        where: The file and the line, for messages.
        options: Whether rows to predict may be skipped.

    Raises:
        DataError: Where it cannot be read, or is blank where a row to predict belongs.
    """
    if isinstance(line, DataError):
        raise line
    if not line:
        raise blank_row(where, options)
    return line
