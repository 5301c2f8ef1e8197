"""Questions to predict: rows and files in SQuAD's form, errors with their place."""

import json
from pathlib import Path

import pytest
from squad_files import CONTEXT, ROW, changed, squad, write

from ernie_toolkit.data.inputs import read_inputs
from ernie_toolkit.errors import DataError


def test_questions_to_predict(tmp_path: Path) -> None:
    pair = ("甲生于哪里？", CONTEXT)
    plain = write(tmp_path / "in.txt", f"{pair[0]}\t{pair[1]}\n\n")
    lines = json.dumps({"question": pair[0], "context": pair[1], "id": 3})
    for path in (
        plain,
        write(tmp_path / "in.jsonl", f"{lines}\n{lines}\n\n"),
        write(tmp_path / "squad.json", squad(changed(answers=...))),
        write(tmp_path / "list.json", squad(ROW)["data"]),
        write(tmp_path / "indented.json", json.dumps(squad(ROW), indent=2)),
    ):
        inputs = read_inputs(path, "question_context")
        assert inputs == [pair] * (2 if path.name == "in.jsonl" else 1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("in.txt", "甲？\n", ":1: 1 tab-separated column(s), the model reads 2 text(s)"),
        ("in.txt", "甲？\t \n", ":1: column 2 is an empty text"),
        ("in.jsonl", '{"question": "a", "context": "b"}\n{"question": "a"}\n', ":2: no field 'context'"),
        ("in.json", '{"data": [{}]}', ": data[0]: no question in it, its fields are none"),
        ("in.json", '{"data": []}', ": no question in it"),
        ("in.json", "", ": no text in it"),
        ("in.json", '{"question": \n', ":1: not valid JSON"),
    ],
)
def test_malformed_questions_to_predict(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(DataError) as caught:
        read_inputs(path, "question_context")
    assert str(caught.value).startswith(f"{path}{message}")
