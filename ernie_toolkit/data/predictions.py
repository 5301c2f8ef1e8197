"""What a run writes about a test split: answers with confidence, and the benchmark's own file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.console import with_flags
from ernie_toolkit.data import DataSet
from ernie_toolkit.data.forms import PredictedRow, form_of
from ernie_toolkit.decoding import Answer
from ernie_toolkit.files.transactions import transaction
from ernie_toolkit.tasks import TASKS

PREDICTIONS = "test_results.json"


def write_predictions(
    data: DataSet,
    examples: Sequence[Mapping[str, Any]],
    answers: Sequence[Answer],
    directory: Path,
    output_format: str = "toolkit",
) -> tuple[Path, ...]:
    """Write `test_results.json`, and the file that the benchmark asks for where it asks for one.

    The first is one JSON object with `predictions`: the id and the fields of `Answer.fields`, the text where entities
    point into it, and the `line` where it is known. Rows that could not be read (`data.skipped`) have None for an
    answer, their number from 0 as id (a question its own id), and their `reason`; they stand where their lines are, at
    the end where their place is not known. `<dataset>_predict.json` is CLUE's submission: one JSON object a line with
    id and label, for tnews and iflytek with the label's name, a row that could not be read as a line of null; for
    questions one object, id to answer, with an empty answer where a question could not be read; for c3 and chid it has
    the name of their newest test parts (`ChoicesForm.submission`).

    Args:
        data: The data set.
        examples: The test examples that were predicted.
        answers: Their answers, in the same order.
        directory: Gets the files.
        output_format: "toolkit", or "guide" for the object of `guide_results` in place of the first file's.

    Returns:
        The paths of the files.
    """
    rows = prediction_rows(data, examples, answers)
    form = form_of(data.spec.task_name)
    results, submission = directory / PREDICTIONS, directory / form.submission_name(data.spec)
    source = {"dataset": data.spec.name, "data_source": data.source, "warnings": list(data.warnings)}
    guide = output_format == "guide"
    with transaction(directory) as files:
        files.write_json(results, guide_results(data, examples, answers) if guide else {**source, "predictions": rows})
        text = form.submission(rows, data.spec)
        if text is None:
            return (results,)
        files.write_text(submission, text)
    return results, submission


def _rows(data: DataSet, examples: Sequence[Mapping[str, Any]], answers: Sequence[Answer]) -> list[PredictedRow]:
    """All rows in the file's order; skipped ones of which neither number nor line is known are at the end."""
    rows = [PredictedRow(example.get("line"), example, answer) for example, answer in strict_zip(examples, answers)]
    skipped = [PredictedRow(item.place, reason=item.reason, number=getattr(item, "row", None)) for item in data.skipped]
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
    """An answer for every row of the test file, in its order (see `write_predictions`).

    Args:
        data: The data set, with the rows that could not be read.
        examples: The test examples that were predicted.
        answers: Their answers, in the same order.
    """
    shows_text, rows = form_of(data.spec.task_name).shows_text, []
    nothing = dict.fromkeys(TASKS[data.spec.task_name].answer.FIELDS)
    for row in _rows(data, examples, answers):
        line = {"line": row.place} if isinstance(row.place, int) else {}
        if row.example is None or row.answer is None:
            name = row.place if isinstance(row.place, str) else row.number
            text: dict[str, Any] = {"text": None} if shows_text else {}
            rows.append({"id": name, **line, **text, **nothing, "reason": with_flags(row.reason)})
            continue
        text = {"text": row.example["text"]} if shows_text else {}
        rows.append({"id": row.example["id"], **line, **text, **row.answer.fields()})
    return rows


def guide_results(data: DataSet, examples: Sequence[Mapping[str, Any]], answers: Sequence[Answer]) -> dict[str, Any]:
    """`test_results.json` as PaddleNLP's run_*.py of ERNIE 3.0 write it: columns, an entry for each row.

    Labels: `label` (index) and `confidence`. Tags: `value`, of each text the entities with `pos` (first and last
    character), `entity` and `label`, and `tokens_label`, of each text the index of the tag of every character. There
    these stand for tokens, special ones and padding included. Questions: `answer` (id to text), `context`, `question`.
    A row that could not be read is None in every column, at the place that `prediction_rows` gives it.

    Args:
        data: The data set, with the rows that could not be read.
        examples: The test examples that were predicted.
        answers: Their answers, in the same order.
    """
    return form_of(data.spec.task_name).guide_columns(_rows(data, examples, answers), data.spec)
