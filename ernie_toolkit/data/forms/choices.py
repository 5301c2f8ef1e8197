"""Questions with choices: C3, ChID, and users' rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

from ernie_toolkit.data.choice_files import (
    CHID,
    answers_path,
    form_of_choices,
    other_part,
    parse_c3_row,
    parse_chid_row,
    read_choices,
)
from ernie_toolkit.data.choices import parse_choice_row
from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.forms.base import DataForm, PredictedRow
from ernie_toolkit.data.readers import Example
from ernie_toolkit.data.registry import DatasetSpec, Split
from ernie_toolkit.files import json_text
from ernie_toolkit.text.blanks import BLANK

# CLUE's names of its newest test parts (https://github.com/CLUEbenchmark/CLUE).
_SUBMISSIONS = {"c3": "c311_predict.json", "chid": "chid11_predict.json"}


class ChoicesForm(DataForm):
    """A question has a context and its own choices."""

    noun: ClassVar[str] = "question"

    def read(
        self, path: Path, spec: DatasetSpec, split: Split, options: FileOptions, record: FileRecord
    ) -> Iterator[Example]:
        """Stream the questions of a file; each blank of a cloze is one."""
        return read_choices(path, spec.text_format, split, options, record)

    def parse(self, row: dict[str, Any], spec: DatasetSpec, split: Split, index: int, where: str) -> Example | None:
        """The example in a question of C3's, of ChID's or of a user's fields."""
        if "choice" in row:
            return parse_c3_row(row, split, index, where)
        if "candidates" in row:
            return parse_chid_row(row, index, where)
        return parse_choice_row(row, spec.text_format, split, index, where)

    def text_format(self, path: Path, split: Split, options: FileOptions) -> str:
        """A cloze where the file has ChID's form, else choices."""
        return "cloze" if form_of_choices(path, options.encoding) == CHID else "choices"

    def example_format(self, example: Example) -> str:
        """A cloze where the question is a blank."""
        return "cloze" if BLANK.fullmatch(str(example.get("question", ""))) else "choices"

    def counts(self, examples: Sequence[Example]) -> Counter[str | None]:
        """Nothing: there are no labels."""
        return Counter()

    def contents(self, examples: Sequence[Example], counts: Mapping[str | None, int]) -> str:
        """How many questions have how many choices, and how many have no answer."""
        sizes = Counter(len(example["choices"]) for example in examples)
        shown = ", ".join(f"{size} ({count:,})" for size, count in sorted(sizes.items(), reverse=True))
        missing = sum(example["answer"] is None for example in examples)
        said = "" if not missing else "; no answers" if missing == len(examples) else f"; {missing:,} without an answer"
        return f"choices: {shown}{said}"

    def guide_columns(self, rows: Sequence[PredictedRow], spec: DatasetSpec) -> dict[str, Any]:
        """`label` (index) and `confidence`."""
        answers: list[Any] = [row.answer for row in rows]
        return {
            "label": [answer and answer.index for answer in answers],
            "confidence": [answer and answer.confidence for answer in answers],
        }

    def submission_name(self, spec: DatasetSpec) -> str:
        """CLUE's."""
        return _SUBMISSIONS.get(spec.name, super().submission_name(spec))

    def submission(self, rows: Sequence[dict[str, Any]], spec: DatasetSpec) -> str | None:
        """CLUE's: for C3 one JSON object a line with id and label, for ChID one object, blank to index."""
        if spec.name == "c3":
            lines = ({"id": number, "label": row["index"]} for number, row in enumerate(rows))
            return "".join(json.dumps(line) + "\n" for line in lines)
        if spec.name == "chid":
            return json_text({str(row["id"]): row["index"] for row in rows if row["index"] is not None})
        return None

    def hidden(self, row: dict[str, Any], index: int) -> dict[str, Any]:
        """The question without its answer."""
        return {name: value for name, value in row.items() if name != "answer"}

    def file_text(self, rows: Sequence[dict[str, Any]]) -> str:
        """C3's dialogues, or ChID's passages."""
        if "candidates" in rows[0]:
            passages = [next(group) for _, group in groupby(rows, key=lambda row: str(row["content"]))]
            names = ("content", "candidates")
            return "".join(
                json.dumps({name: row[name] for name in names}, ensure_ascii=False) + "\n" for row in passages
            )
        return _c3_text([row for row in rows if row["part"] == "d"])

    def companions(self, path: Path, rows: Sequence[dict[str, Any]]) -> dict[Path, str]:
        """C3's mixed texts, or the answers to ChID's blanks."""
        if "candidates" in rows[0]:
            answers = {row["blank"]: row["answer"] for row in rows if "answer" in row}
            return {answers_path(path): json_text(answers)} if answers else {}
        other = other_part(path)
        return {} if other is None else {other: _c3_text([row for row in rows if row["part"] == "m"])}


def _c3_text(rows: Sequence[dict[str, Any]]) -> str:
    """Questions as C3 has them, those of a text together."""
    entries = []
    for (name, _), group in groupby(rows, key=lambda row: (row["document"], row["context"])):
        questions = list(group)
        fields = [
            {field: row[field] for field in ("question", "choice", "answer") if field in row} for row in questions
        ]
        entries.append([questions[0]["context"], fields, name])
    return json.dumps(entries, ensure_ascii=False, indent=1) + "\n"
