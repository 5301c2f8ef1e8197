"""What a run writes about a test split: every row of the file, in its order, in this toolkit's form and the guide's."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_toolkit.data import DataSet
from ernie_toolkit.data.file_options import SkippedRow
from ernie_toolkit.data.predictions import guide_results, prediction_rows, write_predictions
from ernie_toolkit.data.registry import DatasetSpec
from ernie_toolkit.decoding import Answer, LabelAnswer, SpanAnswer, decode_labels, decode_tags

LABELS = ("B-PER", "I-PER", "O")


def data_set(task: str, labels: tuple[str, ...], skipped: tuple[SkippedRow, ...] = (), name: str = "custom") -> DataSet:
    text_format = {"token_cls": "characters", "qa": "question_context"}.get(task, "sentence")
    spec = DatasetSpec(name, task, labels, text_format)
    return DataSet(spec, None, None, [], "custom", "here", skipped=skipped)


def label(index: int) -> LabelAnswer:
    (answer,) = decode_labels(np.eye(2, dtype=np.float32)[[index]], ("no", "yes"), ("不", "是"))
    return answer


def tags(text: str, names: tuple[str, ...]) -> Answer:
    logits = np.array([[9.0 * (name == other) for other in LABELS] for name in names], dtype=np.float32)
    return decode_tags(logits, np.array([(place, place + 1) for place in range(len(text))]), text, LABELS)


def skip(line: int) -> SkippedRow:
    return SkippedRow(line, f"in.tsv:{line}: a blank line")


@given(st.lists(st.sampled_from(["0", "1", "blank"]), min_size=1, max_size=12))
def test_as_many_answers_as_lines_in_their_order(rows: list[str]) -> None:
    numbered = list(enumerate(rows, 1))
    kept = [(line, int(row)) for line, row in numbered if row != "blank"]
    data = data_set("seq_cls", ("no", "yes"), tuple(skip(line) for line, row in numbered if row == "blank"))
    examples = [{"id": index, "line": line} for index, (line, _) in enumerate(kept)]
    answers = [label(index) for _, index in kept]
    found = prediction_rows(data, examples, answers)
    assert [row["line"] for row in found] == list(range(1, len(rows) + 1))
    expected = [None if row == "blank" else ("no", "yes")[int(row)] for row in rows]
    assert [row["label"] for row in found] == expected
    assert [row.get("reason") for row in found] == [
        f"in.tsv:{line}: a blank line" if row == "blank" else None for line, row in numbered
    ]
    assert guide_results(data, examples, answers)["label"] == [None if row == "blank" else int(row) for row in rows]


def test_files_of_labels(tmp_path: Path) -> None:
    data = data_set("seq_cls", ("no", "yes"), (skip(2),), "tnews")
    paths = write_predictions(data, [{"id": 7, "line": 1}, {"id": 9, "line": 3}], [label(1), label(0)], tmp_path)
    results, submission = (path.read_text(encoding="utf-8") for path in paths)
    rows = json.loads(results)["predictions"]
    assert rows[1] == {
        "id": None,
        "line": 2,
        "label": None,
        "label_name": None,
        "confidence": None,
        "reason": "in.tsv:2: a blank line",
    }
    assert [row["id"] for row in rows] == [7, None, 9]
    assert [json.loads(line) for line in submission.splitlines()] == [
        {"id": 7, "label": "yes", "label_desc": "是"},
        {"id": None, "label": None, "label_desc": None},
        {"id": 9, "label": "no", "label_desc": "不"},
    ]


def test_rows_of_readers_that_know_no_lines_come_last() -> None:
    data = data_set("seq_cls", ("no", "yes"), (skip(1),))
    rows = prediction_rows(data, [{"id": 0}, {"id": 1}], [label(1), label(0)])
    assert [row["id"] for row in rows] == [0, 1, None] and "line" not in rows[0]


def test_the_guides_form_of_tags(tmp_path: Path) -> None:
    text = "找李明和王芳"
    answer = tags(text, ("O", "B-PER", "I-PER", "O", "B-PER", "I-PER"))
    data = data_set("token_cls", LABELS, (skip(1),))
    example = {"id": 0, "line": 2, "text": text, "labels": None}
    (path,) = write_predictions(data, [example], [answer], tmp_path, "guide")
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "value": [
            None,
            [{"pos": [1, 2], "entity": "李明", "label": "PER"}, {"pos": [4, 5], "entity": "王芳", "label": "PER"}],
        ],
        "tokens_label": [None, [2, 0, 1, 2, 0, 1]],
    }
    (path,) = write_predictions(data, [example], [answer], tmp_path)
    rows = json.loads(path.read_text(encoding="utf-8"))["predictions"]
    assert rows[0] == {
        "id": None,
        "line": 1,
        "text": None,
        "entities": None,
        "tags": None,
        "reason": "in.tsv:1: a blank line",
    }
    assert rows[1]["text"] == text and len(rows[1]["tags"]) == len(text)


@pytest.mark.parametrize("output_format", ["toolkit", "guide"])
def test_questions(tmp_path: Path, output_format: str) -> None:
    data = data_set("qa", (), (SkippedRow("q2", "in.json: data[0]: no question"),), "cmrc2018")
    example = {"id": "q1", "question": "谁？", "context": "李明。"}
    answer = SpanAnswer("李明", 0, 2, 0.5, ())
    paths = write_predictions(data, [example], [answer], tmp_path, output_format)
    results, submission = (json.loads(path.read_text(encoding="utf-8")) for path in paths)
    assert submission == {"q1": "李明", "q2": ""}
    if output_format == "guide":
        assert results == {"answer": {"q1": "李明"}, "context": ["李明。", None], "question": ["谁？", None]}
        return
    rows: list[dict[str, Any]] = results["predictions"]
    assert [(row["id"], row["answer"]) for row in rows] == [("q1", "李明"), ("q2", None)]
