"""How files are read, and what was found in one of them.

Every reader takes a `FileOptions` and fills a `FileRecord`: nothing is guessed, left out or converted without a
line that says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Union

from ernie_toolkit.arguments.options import option
from ernie_toolkit.errors import DataError

ENCODINGS = ("utf-8", "auto", "utf-16", "gb18030")
TAG_SCHEMES = ("auto", "bio", "iob1", "bioes", "bmes")
UNANSWERABLE = ("leave_out", "score")
ON_ERROR = ("stop", "skip")

Place = Union[int, str]
"""Where a row stands: its line number from 1, or a question's id."""


@dataclass(frozen=True)
class FileOptions:
    """How files are read; empty text: found out, and said."""

    encoding: str = option(
        "utf-8", "bytes of text files; auto: UTF-8, UTF-16 or GB18030, whichever the bytes show, and said", ENCODINGS
    )
    text_column: str = option("", "custom, classification: name of the text's column or field, or its number from 1")
    text_pair_column: str = option("", "custom, classification: the same of a pair's second text")
    label_column: str = option("", "custom, classification: the same of the label")
    tag_column: str = option("", "custom, token classification: number of the tag's column from 1, -1 for the last")
    tag_scheme: str = option(
        "auto", "scheme of the tags in a file; auto: found out, converted to BIO, and said", TAG_SCHEMES
    )
    unanswerable: str = option(
        "leave_out",
        "question answering: dev questions marked as unanswerable are left out, or score as wrong",
        UNANSWERABLE,
    )
    on_error: str = option(
        "stop",
        "rows to predict that are blank or cannot be read: stop there, or skip them with an answer of null",
        ON_ERROR,
    )


DEFAULT_FILE_OPTIONS = FileOptions()


@dataclass(frozen=True)
class SkippedRow:
    """A row to predict that gets no answer.

    Attributes:
        place: Its line from 1, or a question's id.
        reason: Why it gets none.
        row: The `id` that it has by its number, None where that is not known.
    """

    place: Place
    reason: str
    row: int | None = None


@dataclass
class FileRecord:
    """What was found in one file while it was read; readers fill it, the caller prints it.

    Attributes:
        format: How the file was read, for people ("tab-separated, header: text_a, label").
        blank_lines: How many lines without a row there are.
        left_out: For each reason the places of rows that take no part.
        skipped: Rows to predict that get no answer.
        notices: Lines to warn about.
    """

    format: str = ""
    blank_lines: int = 0
    left_out: dict[str, list[Place]] = field(default_factory=dict)
    skipped: list[SkippedRow] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def leave_out(self, reason: str, place: Place) -> None:
        """Count a row that takes no part.

        Args:
            reason: Why, with the noun it counts ("row(s) without a gold label").
            place: Its line from 1, or a question's id.
        """
        self.left_out.setdefault(reason, []).append(place)

    @property
    def left_out_count(self) -> int:
        """How many rows take no part."""
        return sum(map(len, self.left_out.values()))

    def skip(self, error: DataError, place: Place, options: FileOptions, split: str, row: int | None = None) -> None:
        """Note a row to predict that cannot be read, or raise its error where nothing may be skipped.

        Args:
            error: Why it cannot be read.
            place: Its line from 1, or a question's id.
            options: Whether such rows are skipped.
            split: The split that the file is; only rows of "test" can be skipped.
            row: Its number from 0, None where that is not known.

        Raises:
            DataError: `error` itself, where the row may not be skipped.
        """
        if split != "test" or options.on_error != "skip":
            raise error
        self.skipped.append(SkippedRow(place, str(error), row))
