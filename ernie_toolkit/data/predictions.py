"""What a run writes about a test split: answers with confidence, and the benchmark's own file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ernie_toolkit.data import DataSet
from ernie_toolkit.decoding import Answer, Entity, LabelAnswer, SpanAnswer, TaggedText, answer_fields, empty_fields
from ernie_toolkit.files import json_text
from ernie_toolkit.files.transactions import transaction

PREDICTIONS = "test_results.json"
_QUESTION_FIELDS = ("context", "question")
_LABEL_NAME_FIELDS = {"tnews": "label_desc", "iflytek": "label_des"}


def write_predictions(
    data: DataSet,
    examples: Sequence[Mapping[str, Any]],
    answers: Sequence[Answer],
    directory: Path,
    output_format: str = "toolkit",
) -> tuple[Path, ...]:
    """Write `test_results.json`, and the file that the benchmark asks for where it asks for one.

    The first is one JSON object with `predictions`: the id and the fields of `answer_fields`, the text where entities
    point into it, and the `line` where it is known. Rows that could not be read (`data.skipped`) have None for an
    answer, their number from 0 as id (a question its own id), and their `reason`; they stand where their lines are, at
    the end where nothing tells their place. With `output_format` "guide" it is the object of `guide_results` instead.

    `<dataset>_predict.json` is CLUE's submission: one JSON object a line with id and label, for tnews and iflytek
    with the label's name, a row that could not be read as a line of null; for questions one object, id to answer,
    with an empty answer where a question could not be read.
    """
    rows = prediction_rows(data, examples, answers)
    results, submission = directory / PREDICTIONS, directory / f"{data.spec.name}_predict.json"
    source = {"dataset": data.spec.name, "data_source": data.source, "warnings": list(data.warnings)}
    guide = output_format == "guide"
    with transaction(directory) as files:
        files.write_json(results, guide_results(data, examples, answers) if guide else {**source, "predictions": rows})
        if data.spec.task_name == "token_cls":
            return (results,)
        files.write_text(submission, _submission(data, rows))
    return results, submission


def _submission(data: DataSet, rows: Sequence[dict[str, Any]]) -> str:
    """The text of the file that the benchmark asks for (see `write_predictions`)."""
    if data.spec.task_name == "qa":
        return json_text({str(row["id"]): row["answer"] or "" for row in rows if row["id"] is not None})
    name_field = _LABEL_NAME_FIELDS.get(data.spec.name)
    lines = []
    for row in rows:
        line = {"id": row["id"], "label": row["label"]}
        if name_field:
            line[name_field] = row["label_name"]
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    return "".join(lines)


@dataclass(frozen=True)
class _Row:
    """A row of the test file: its example and answer, or what was skipped, with its number from 0 where it is known."""

    place: object
    example: Mapping[str, Any] | None = None
    answer: Answer | None = None
    reason: str = ""
    number: int | None = None


def _rows(data: DataSet, examples: Sequence[Mapping[str, Any]], answers: Sequence[Answer]) -> list[_Row]:
    """All rows in the file's order; those that were skipped at the end where the reader told neither rows nor lines."""
    rows = [_Row(example.get("line"), example, answer) for example, answer in zip(examples, answers, strict=True)]
    skipped = [_Row(item.place, reason=item.reason, number=getattr(item, "row", None)) for item in data.skipped]
    if all(isinstance(row.place, int) for row in (*rows, *skipped)):
        return sorted([*rows, *skipped], key=lambda row: cast(int, row.place))
    if all(row.number is not None for row in skipped):
        for row in sorted(skipped, key=lambda row: cast(int, row.number)):
            rows.insert(cast(int, row.number), row)
        return rows
    return [*rows, *skipped]


def prediction_rows(
    data: DataSet, examples: Sequence[Mapping[str, Any]], answers: Sequence[Answer]
) -> list[dict[str, Any]]:
    """An answer for every row of the test file, in its order (see `write_predictions`)."""
    tagged, rows = data.spec.task_name == "token_cls", []
    for row in _rows(data, examples, answers):
        line = {"line": row.place} if isinstance(row.place, int) else {}
        if row.example is None or row.answer is None:
            name = row.place if isinstance(row.place, str) else row.number
            text: dict[str, Any] = {"text": None} if tagged else {}
            rows.append({"id": name, **line, **text, **empty_fields(data.spec.task_name), "reason": row.reason})
            continue
        text = {"text": row.answer.text} if isinstance(row.answer, TaggedText) else {}
        rows.append({"id": row.example["id"], **line, **text, **answer_fields(row.answer)})
    return rows


def guide_results(data: DataSet, examples: Sequence[Mapping[str, Any]], answers: Sequence[Answer]) -> dict[str, Any]:
    """`test_results.json` as PaddleNLP's run_*.py of ERNIE 3.0 write it: columns, an entry for each row.

    Labels: `label` (index) and `confidence`. Tags: `value`, of each text the entities with `pos` (first and last
    character), `entity` and `label`, and `tokens_label`, of each text the index of the tag of every character. There
    these stand for tokens, special ones and padding included. Questions: `answer` (id to text), `context`, `question`.
    A row that could not be read is None in every column, at the place that `prediction_rows` gives it.
    """
    rows = _rows(data, examples, answers)
    found = [row.answer for row in rows]
    if data.spec.task_name == "qa":
        columns = {name: [row.example[name] if row.example else None for row in rows] for name in _QUESTION_FIELDS}
        texts = {
            str(row.example["id"]): row.answer.text
            for row in rows
            if row.example and isinstance(row.answer, SpanAnswer)
        }
        return {"answer": texts, **columns}
    if data.spec.task_name == "token_cls":
        places = {label: index for index, label in enumerate(data.spec.labels)}
        tagged = [answer if isinstance(answer, TaggedText) else None for answer in found]
        return {
            "value": [answer and [_guide_entity(item) for item in answer.entities] for answer in tagged],
            "tokens_label": [answer and [places[tag] for tag in answer.tags] for answer in tagged],
        }
    labelled = [answer if isinstance(answer, LabelAnswer) else None for answer in found]
    return {
        "label": [answer and answer.index for answer in labelled],
        "confidence": [answer and answer.confidence for answer in labelled],
    }


def _guide_entity(entity: Entity) -> dict[str, Any]:
    return {"pos": [entity.start, entity.end - 1], "entity": entity.text, "label": entity.type}
