"""Questions about contexts, in SQuAD's form and its relatives."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.forms.base import DataForm, PredictedRow
from ernie_toolkit.data.questions import ANSWER_NOT_FOUND, parse_question
from ernie_toolkit.data.readers import Example
from ernie_toolkit.data.registry import DatasetSpec, Split
from ernie_toolkit.data.squad import read_squad
from ernie_toolkit.files import json_text


class QuestionsForm(DataForm):
    """Articles of paragraphs of questions, and the other forms that `squad` reads."""

    left_out: ClassVar[str] = ANSWER_NOT_FOUND
    kind: ClassVar[str] = "SQuAD's form"
    noun: ClassVar[str] = "question"

    def read(
        self, path: Path, spec: DatasetSpec, split: Split, options: FileOptions, record: FileRecord
    ) -> Iterator[Example]:
        """Stream the questions of a file."""
        return read_squad(path, split, options, record)

    def parse(self, row: dict[str, Any], spec: DatasetSpec, split: Split, index: int, where: str) -> Example | None:
        """The example in a question with its context."""
        return parse_question(row, split, where)

    def text_format(self, path: Path, split: Split, options: FileOptions) -> str:
        """A question and its context."""
        return "question_context"

    def example_format(self, example: Example) -> str:
        """Always the same."""
        return "question_context"

    def counts(self, examples: Sequence[Example]) -> Counter[str | None]:
        """Nothing: there are no labels."""
        return Counter()

    def contents(self, examples: Sequence[Example], counts: Mapping[str | None, int]) -> str:
        """How many questions have an answer."""
        answered = sum(bool(example["answers"]) for example in examples)
        return f"{answered:,} with an answer, {len(examples) - answered:,} without" if answered else "no answers"

    def guide_columns(self, rows: Sequence[PredictedRow], spec: DatasetSpec) -> dict[str, Any]:
        """`answer` (id to text), `context` and `question`."""
        answers: dict[str, Any] = {}
        for row in rows:
            answer: Any = row.answer
            if row.example and answer is not None:
                answers[str(row.example["id"])] = answer.text
        columns = {
            name: [row.example[name] if row.example else None for row in rows] for name in ("context", "question")
        }
        return {"answer": answers, **columns}

    def submission(self, rows: Sequence[dict[str, Any]], spec: DatasetSpec) -> str | None:
        """One object, id to answer, with an empty answer where a question could not be read."""
        return json_text({str(row["id"]): row["answer"] or "" for row in rows if row["id"] is not None})

    def hidden(self, row: dict[str, Any], index: int) -> dict[str, Any]:
        """The question without its answers."""
        return {**row, "answers": []}

    def file_text(self, rows: Sequence[dict[str, Any]]) -> str:
        """SQuAD's JSON, a paragraph for each context."""
        entries = []
        for _, group in groupby(rows, key=lambda row: str(row["context"])):
            questions = list(group)
            first = questions[0]
            name = first["id"].rpartition("_QUERY_")[0]
            qas = [{field: row[field] for field in ("id", "question", "answers")} for row in questions]
            paragraph = {"id": name, "context": first["context"], "qas": qas}
            entries.append({"title": first["title"], "id": name, "paragraphs": [paragraph]})
        return json.dumps({"version": "v1.0", "data": entries}, ensure_ascii=False, indent=1) + "\n"
