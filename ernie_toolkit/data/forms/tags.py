"""Texts with a tag for each character."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.data.custom import read_labels
from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.forms.base import DataForm, PredictedRow
from ernie_toolkit.data.readers import Example
from ernie_toolkit.data.registry import DatasetSpec, Split
from ernie_toolkit.data.tagged import bio_labels, parse_tagged_row, read_tagged, read_tags


class TagsForm(DataForm):
    """A character and its tag a line, and the other forms that `tagged` reads."""

    label_field: ClassVar[str | None] = "labels"
    shows_text: ClassVar[bool] = True
    kind: ClassVar[str] = "texts with tags"
    noun: ClassVar[str] = "text"
    label_noun: ClassVar[str] = "entity types"
    no_labels: ClassVar[str] = "no tags"

    def read(
        self, path: Path, spec: DatasetSpec, split: Split, options: FileOptions, record: FileRecord
    ) -> Iterator[Example]:
        """Stream a file of tagged texts."""
        return read_tagged(path, spec, split, options, record)

    def parse(self, row: dict[str, Any], spec: DatasetSpec, split: Split, index: int, where: str) -> Example | None:
        """The example in a row of `tokens` and `labels`."""
        return parse_tagged_row(row, spec, split, index, where)

    def label_list(self, path: Path, options: FileOptions) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
        """BIO tags of the file's types of entities, or those that it lists."""
        labels, names = read_labels(path, options.encoding, 1)
        return bio_labels(labels, names, f"{path}")

    def found_labels(self, path: Path, options: FileOptions) -> tuple[str, ...]:
        """BIO tags by type, O last."""
        return read_tags(path, options)

    def text_format(self, path: Path, split: Split, options: FileOptions) -> str:
        """Every character of a text has a tag."""
        return "characters"

    def example_format(self, example: Example) -> str:
        """Always the same."""
        return "characters"

    def counts(self, examples: Sequence[Example]) -> Counter[str | None]:
        """Entities by type."""
        counts: Counter[str | None] = Counter()
        for example in examples:
            tags = example["labels"]
            counts.update([None] if tags is None else [tag[2:] for tag in tags if tag.startswith("B-")])
        return counts

    def known_labels(self, spec: DatasetSpec) -> Sequence[str]:
        """The types of entities."""
        return [tag[2:] for tag in spec.labels if tag.startswith("B-")]

    def counted_noun(self, labels: int) -> str:
        """Entities, whatever the number of types."""
        return "entities"

    def guide_columns(self, rows: Sequence[PredictedRow], spec: DatasetSpec) -> dict[str, Any]:
        """`value`: the entities of each text. `tokens_label`: the index of the tag of every character.

        In the guide's file these stand for tokens, special ones and padding included.
        """
        places = {label: index for index, label in enumerate(spec.labels)}
        answers: list[Any] = [row.answer for row in rows]
        return {
            "value": [answer and [_guide_entity(item) for item in answer.entities] for answer in answers],
            "tokens_label": [answer and [places[tag] for tag in answer.tags] for answer in answers],
        }

    def hidden(self, row: dict[str, Any], index: int) -> dict[str, Any]:
        """The tokens alone."""
        return {"tokens": row["tokens"]}

    def file_text(self, rows: Sequence[dict[str, Any]]) -> str:
        """A character and its tag a line (in a test file the character alone), a blank line after each text."""
        sentences = []
        for row in rows:
            tags = row.get("labels")
            lines = row["tokens"] if tags is None else map(" ".join, strict_zip(row["tokens"], tags))
            sentences.append("".join(f"{line}\n" for line in lines))
        return "".join(f"{sentence}\n" for sentence in sentences)


def _guide_entity(entity: Any) -> dict[str, Any]:
    return {"pos": [entity.start, entity.end - 1], "entity": entity.text, "label": entity.type}
