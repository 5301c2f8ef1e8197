"""What a form of data files provides: reading, a summary of what was read, predictions in it, and its sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.readers import NO_GOLD_LABEL, Example
from ernie_toolkit.data.registry import DatasetSpec, Split
from ernie_toolkit.errors import ConfigError

if TYPE_CHECKING:
    from ernie_toolkit.decoding import Answer

SHOWN = 10
"""Names that a line of a summary lists."""


@dataclass(frozen=True)
class PredictedRow:
    """A row of a test file: its example and answer, or why it was skipped.

    Attributes:
        place: Its line from 1, or a question's id.
        example: The example, None where it was skipped.
        answer: The answer, None where it was skipped.
        reason: Why it was skipped, else empty.
        number: The row's from 0, None where that is not known.
    """

    place: object
    example: Mapping[str, Any] | None = None
    answer: Answer | None = None
    reason: str = ""
    number: int | None = None


class DataForm(ABC):
    """How the files of some tasks look (see `Task.data_form`)."""

    left_out: ClassVar[str] = NO_GOLD_LABEL
    """What rows are called that `parse` gives None for."""
    has_columns: ClassVar[bool] = False
    """Whether a user's file may have its columns named by options."""
    numbers_test_rows: ClassVar[bool] = False
    """Whether rows to predict that are in memory get a `line`."""
    shows_text: ClassVar[bool] = False
    """Whether predictions hold the text, because places in it are part of the answer."""
    label_field: ClassVar[str | None] = None
    """Where an example has its label or its list of labels; None where it has none of a closed set."""
    kind: ClassVar[str] = "JSON lines"
    """What a file is called whose reader does not say more."""
    noun: ClassVar[str] = "row"
    label_noun: ClassVar[str] = "labels"
    no_labels: ClassVar[str] = "no labels"

    @abstractmethod
    def read(
        self, path: Path, spec: DatasetSpec, split: Split, options: FileOptions, record: FileRecord
    ) -> Iterator[Example]:
        """Stream the examples of a file.

        Args:
            path: The file.
            spec: The data set.
            split: The split that the file is.
            options: How files are read.
            record: Gets what was left out and how the file was read.

        Raises:
            DataError: At the first row that does not fit.
        """

    @abstractmethod
    def parse(self, row: dict[str, Any], spec: DatasetSpec, split: Split, index: int, where: str) -> Example | None:
        """The example in a row of the official fields; None for one without gold.

        Args:
            row: The row's fields.
            spec: The data set.
            split: The split that the row is of.
            index: The row's number from 0, for its `id`.
            where: The place, for messages.

        Raises:
            DataError: Where it does not fit.
        """

    def label_list(self, path: Path, options: FileOptions) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
        """The labels of a user's label file in its order, and their names or None.

        Args:
            path: The label file.
            options: How files are read.

        Raises:
            ConfigError: Where the task has no labels.
            DataError: On a file that does not fit.
        """
        raise ConfigError(f"`label_file` is for tasks with labels, and {self.noun}s have none: leave it out")

    def found_labels(self, path: Path, options: FileOptions) -> tuple[str, ...]:
        """The labels of a user's training file, in an order that does not depend on its rows'.

        Args:
            path: The training file.
            options: How files are read.

        Raises:
            DataError: On a row that does not fit.
        """
        return ()

    @abstractmethod
    def text_format(self, path: Path, split: Split, options: FileOptions) -> str:
        """The text format of a user's files, one of `TEXT_FORMATS`.

        Args:
            path: The first of them.
            split: The split that it is.
            options: How files are read.

        Raises:
            DataError: Where it is empty.
        """

    @abstractmethod
    def example_format(self, example: Example) -> str:
        """The text format of examples that a program has itself, of which this is the first."""

    def rows_kind(self, spec: DatasetSpec) -> str:
        """What the rows of a data set are, to stand after their number in its summary."""
        return ""

    @abstractmethod
    def counts(self, examples: Sequence[Example]) -> Counter[str | None]:
        """How many rows have each label, and under None how many have none."""

    def known_labels(self, spec: DatasetSpec) -> Sequence[str]:
        """The labels of a data set as `counts` has them."""
        return spec.labels

    def counted_noun(self, labels: int) -> str:
        """What is counted by label in a summary, for so many labels."""
        return number(labels, "label")

    def contents(self, examples: Sequence[Example], counts: Mapping[str | None, int]) -> str:
        """The labels with their counts, for a summary.

        Args:
            examples: The examples of a split.
            counts: Of `counts(examples)`.
        """
        known = {label: count for label, count in counts.items() if label is not None}
        unlabelled = counts.get(None, 0)
        if unlabelled == len(examples) and not known:
            return self.no_labels
        # The sort is stable: of equally frequent labels the first to occur comes first.
        ordered = sorted(known.items(), key=lambda item: -item[1])
        shown = listed([f"{name} ({count:,})" for name, count in ordered])
        return f"{self.counted_noun(len(known))}: {shown}" + (f"; {unlabelled:,} without" if unlabelled else "")

    @abstractmethod
    def guide_columns(self, rows: Sequence[PredictedRow], spec: DatasetSpec) -> dict[str, Any]:
        """`test_results.json` as PaddleNLP's run_*.py of ERNIE 3.0 write it: columns, an entry for each row.

        A row that could not be read is None in every column.

        Args:
            rows: The rows of the test file, in its order.
            spec: The data set.
        """

    def submission(self, rows: Sequence[dict[str, Any]], spec: DatasetSpec) -> str | None:
        """The text of the file that the benchmark asks for; None where it asks for none.

        Args:
            rows: As `predictions.prediction_rows` gives them.
            spec: The data set.
        """
        return None

    def submission_name(self, spec: DatasetSpec) -> str:
        """The name of that file."""
        return f"{spec.name}_predict.json"

    @abstractmethod
    def hidden(self, row: dict[str, Any], index: int) -> dict[str, Any]:
        """A generated row as an official test file has it, without what is to be predicted.

        Args:
            row: A row in the official fields.
            index: Its number from 0.
        """

    @abstractmethod
    def file_text(self, rows: Sequence[dict[str, Any]]) -> str:
        """Generated rows as the text of an official file."""

    def companions(self, path: Path, rows: Sequence[dict[str, Any]]) -> dict[Path, str]:
        """Paths and texts of the files that stand beside the one of `file_text` in an official set.

        Args:
            path: The path of that file.
            rows: The rows in it.
        """
        return {}


def number(count: int, noun: str) -> str:
    """A count with its noun in the singular or the plural.

    Args:
        count: How many.
        noun: In the singular.
    """
    return f"{count:,} {noun}" + "s" * (count != 1)


def listed(names: Sequence[str]) -> str:
    """The first of some names, and how many others there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "none") + more
