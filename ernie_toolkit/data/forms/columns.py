"""Rows of texts and a label: CLUE's JSON lines, and users' tables."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ernie_toolkit.data.custom import collect_labels, custom_text_format, read_custom, read_labels
from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.forms.base import DataForm, PredictedRow
from ernie_toolkit.data.label_spelling import check_spellings
from ernie_toolkit.data.readers import Example, parse_row, read_clue_jsonl
from ernie_toolkit.data.registry import CUSTOM, DatasetSpec, Split
from ernie_toolkit.text.formats import PAIR_FORMATS

_LABEL_NAME_FIELDS = {"tnews": "label_desc", "iflytek": "label_des"}


class ColumnsForm(DataForm):
    """A row has the texts and, in `label`, the label."""

    has_columns: ClassVar[bool] = True
    label_field: ClassVar[str | None] = "label"
    numbers_test_rows: ClassVar[bool] = True

    def read(
        self, path: Path, spec: DatasetSpec, split: Split, options: FileOptions, record: FileRecord
    ) -> Iterator[Example]:
        """Stream a user's table or JSON, or a file in CLUE's fields."""
        read = read_custom if spec.name == CUSTOM else read_clue_jsonl
        return read(path, spec, split, options, record)

    def parse(self, row: dict[str, Any], spec: DatasetSpec, split: Split, index: int, where: str) -> Example | None:
        """The example in a row of CLUE's fields."""
        return parse_row(row, spec, split, index, where)

    def label_list(self, path: Path, options: FileOptions) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
        """Labels that differ to the eye, and their names."""
        labels, names = read_labels(path, options.encoding)
        check_spellings(path, labels)
        return labels, names

    def found_labels(self, path: Path, options: FileOptions) -> tuple[str, ...]:
        """One label for all spellings that look the same, sorted; whole numbers by value."""
        return collect_labels(path, options)

    def text_format(self, path: Path, split: Split, options: FileOptions) -> str:
        """That of the file's first row: a sentence or a pair."""
        return custom_text_format(path, split, options)

    def example_format(self, example: Example) -> str:
        """A pair where there are two sentences."""
        return "pair" if "sentence1" in example else "sentence"

    def rows_kind(self, spec: DatasetSpec) -> str:
        """Whether a row is a text or a pair."""
        return " of pairs" if spec.text_format in PAIR_FORMATS else " of single texts"

    def counts(self, examples: Sequence[Example]) -> Counter[str | None]:
        """Rows by their label."""
        return Counter(example["label"] for example in examples)

    def guide_columns(self, rows: Sequence[PredictedRow], spec: DatasetSpec) -> dict[str, Any]:
        """`label` (index) and `confidence`."""
        answers: list[Any] = [row.answer for row in rows]
        return {
            "label": [answer and answer.index for answer in answers],
            "confidence": [answer and answer.confidence for answer in answers],
        }

    def submission(self, rows: Sequence[dict[str, Any]], spec: DatasetSpec) -> str | None:
        """CLUE's: one JSON object a line with id and label, for tnews and iflytek with the label's name."""
        name_field = _LABEL_NAME_FIELDS.get(spec.name)
        lines = []
        for row in rows:
            line = {"id": row["id"], "label": row["label"]}
            if name_field:
                line[name_field] = row["label_name"]
            lines.append(json.dumps(line, ensure_ascii=False) + "\n")
        return "".join(lines)

    def hidden(self, row: dict[str, Any], index: int) -> dict[str, Any]:
        """The row without its label."""
        hidden = ("label", "label_desc", "label_des")
        shown = {field: value for field, value in row.items() if field not in hidden}
        return shown if "idx" in row else {"id": index, **shown}

    def file_text(self, rows: Sequence[dict[str, Any]]) -> str:
        """A JSON object a line."""
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
