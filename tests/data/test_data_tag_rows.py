"""Rows of exports that have no spans, no annotation, or their text under a name of their own; lists under `data`."""

import json
from pathlib import Path

import pytest
from tag_files import FORMS, TEXT, TRIPLES, label_studio, read, region, write

from ernie_toolkit.data.inputs import read_inputs
from ernie_toolkit.data.tagged import read_tags
from ernie_toolkit.decoding import entity_spans
from ernie_toolkit.errors import DataError


def test_the_text_of_a_task_is_its_only_text(tmp_path: Path) -> None:
    task = label_studio(region(0, 2, "PER"), region(7, 9, "LOC"))
    task["data"] = {"review": TEXT, "stars": 5}
    examples, record = read(write(tmp_path / "a.json", task, listed=True))
    assert entity_spans(examples[0]["labels"]) == [("PER", 0, 2), ("LOC", 7, 9)]
    assert record.format.startswith("a JSON list (Label Studio's export (end exclusive), text in 'review')")
    assert read_inputs(tmp_path / "a.json", "characters") == [TEXT]


def test_a_row_of_json_min_without_spans_has_no_entity(tmp_path: Path) -> None:
    about = {"id": 1, "annotator": 1, "annotation_id": 2, "lead_time": 0.5}
    regions = [{"start": 0, "end": 2, "text": "周宁", "labels": ["PER"]}]
    examples, _ = read(write(tmp_path / "a.json", {"text": TEXT, "label": regions, **about}, {"text": "好的", **about}))
    assert [entity_spans(example["labels"]) for example in examples] == [[("PER", 0, 2)], []]
    # Regions under another name are not taken for none.
    with pytest.raises(DataError, match=r"no tags: .*'ner', .*spans under label, labels, entities"):
        read(write(tmp_path / "b.json", {"text": TEXT, "ner": regions, **about}))


def test_rows_that_nobody_has_annotated_are_counted(tmp_path: Path) -> None:
    rows = {"text": TEXT, "label": None}, {"text": TEXT, "label": TRIPLES}, {"text": "好的", "label": []}
    path = write(tmp_path / "a.jsonl", *rows)
    examples, record = read(path)
    assert [example["line"] for example in examples] == [2, 3]
    assert record.left_out == {"row(s) without an annotation": [1]}
    assert [example["labels"] is None for example in read(path, "test")[0]] == [True, False, False]
    with pytest.raises(DataError, match=r"every tag is O: .*; left out: 1 row\(s\) without an annotation"):
        read_tags(write(tmp_path / "b.jsonl", rows[0], rows[2]))


def test_rows_without_spans_show_no_form(tmp_path: Path) -> None:
    entities = FORMS["doccano relations"]
    _, record = read(write(tmp_path / "a.jsonl", {"text": "好的", "entities": []}, entities))
    assert record.format == "JSON lines ('entities': objects with start, end and type (end exclusive))"


@pytest.mark.parametrize("indent", [None, 1])
def test_a_list_under_data(tmp_path: Path, indent: int | None) -> None:
    rows = [
        FORMS["triples"],
        {"tokens": ["好"], "tags": ["O"], "score": float("nan")},
        {"text": TEXT, "label": [[0, 99, "PER"]]},
    ]
    path = tmp_path / "a.json"
    path.write_text(
        json.dumps({"about": {"data": [1], "score": float("nan")}, "data": rows[:2], "count": 2}, indent=indent),
        encoding="utf-8",
    )
    examples, record = read(path)
    assert [example["text"] for example in examples] == [TEXT, "好"]
    assert record.format.startswith("a JSON list under 'data' ('label': [start, end, type]")
    text = json.dumps({"data": rows}, indent=indent)
    path.write_text(text, encoding="utf-8")
    line = 1 + text[: text.rindex('{"' if indent is None else "{\n")].count("\n")
    with pytest.raises(DataError, match=rf"a\.json:{line}: field 'label', span 1: \[0, 99\) is not within"):
        read(path)
    path.write_text(json.dumps({"text": TEXT, "label": []}, indent=1), encoding="utf-8")
    with pytest.raises(DataError, match=r"one JSON object on several lines \(its fields: 'text', 'label'\)"):
        read(path)


def test_the_same_spans_under_two_fields_are_one(tmp_path: Path) -> None:
    examples, _ = read(write(tmp_path / "a.jsonl", {"text": TEXT, "label": TRIPLES, "entities": TRIPLES}))
    assert len(entity_spans(examples[0]["labels"])) == len(TRIPLES)
