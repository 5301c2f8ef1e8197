"""What a run writes about a test split: answers with confidence, and the benchmark's own file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ernie_toolkit.data import DataSet
from ernie_toolkit.decoding import Answer, SpanAnswer, TaggedText, answer_fields
from ernie_toolkit.files import write_json, write_text

PREDICTIONS = "test_results.json"
_LABEL_NAME_FIELDS = {"tnews": "label_desc", "iflytek": "label_des"}


def write_predictions(
    data: DataSet, examples: Sequence[Mapping[str, Any]], answers: Sequence[Answer], directory: Path
) -> tuple[Path, ...]:
    """Write `test_results.json`, and the file that the benchmark asks for where it asks for one.

    The first is one JSON object with `predictions`: the id and the fields of `answer_fields`, and the text
    where entities point into it. `<dataset>_predict.json` is CLUE's submission: one JSON object a line with
    id and label, for tnews and iflytek with the label's name; for questions one object, id to answer.
    """
    rows = []
    for example, answer in zip(examples, answers, strict=True):
        text = {"text": answer.text} if isinstance(answer, TaggedText) else {}
        rows.append({"id": example["id"], **text, **answer_fields(answer)})
    results, submission = directory / PREDICTIONS, directory / f"{data.spec.name}_predict.json"
    source = {"dataset": data.spec.name, "data_source": data.source, "warnings": list(data.warnings)}
    write_json(results, {**source, "predictions": rows})
    if all(isinstance(answer, TaggedText) for answer in answers):
        return (results,)
    if all(isinstance(answer, SpanAnswer) for answer in answers):
        write_json(submission, {str(row["id"]): row["answer"] for row in rows})
        return results, submission
    name_field = _LABEL_NAME_FIELDS.get(data.spec.name)
    lines = []
    for row in rows:
        line = {"id": row["id"], "label": row["label"]}
        if name_field:
            line[name_field] = row["label_name"]
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    write_text(submission, "".join(lines))
    return results, submission
