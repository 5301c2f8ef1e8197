"""Doccano's files: what is read, what is refused, what is written."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from text_files import write

from ernie_toolkit.data.doccano import label_names, read_doccano, split_rows, write_doccano
from ernie_toolkit.data.label_sets import load_label_sets, write_label_sets
from ernie_toolkit.errors import ConfigError, DataError


def test_doccano_rows(tmp_path: Path) -> None:
    lines = [{"id": 7, "text": "一\t二\r\n三", "label": ["乙", "甲"]}, {"data": "四", "labels": []}]
    path = write(tmp_path / "all.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    rows = read_doccano(path, unlabelled="negative").rows
    assert [(row["sentence"], row["labels"]) for row in rows] == [("一 二 三", ("乙", "甲")), ("四", ())]
    assert label_names(rows) == ("乙", "甲")
    write_doccano(tmp_path / "back.jsonl", rows)
    back = read_doccano(tmp_path / "back.jsonl", unlabelled="negative")
    assert [row["labels"] for row in back.rows] == [("乙", "甲"), ()] and back.unlabelled == (2,)


LABELLED = [{"text": "一条", "label": ["甲"]}, {"text": "又一条", "label": ["乙", "甲"]}]


@pytest.mark.parametrize("names", [("text", "label"), ("data", "label"), ("text", "labels"), ("text", "cats")])
@pytest.mark.parametrize("form", ["lines", "list", "indented list", "list under data"])
def test_every_form_of_an_export(tmp_path: Path, names: tuple[str, str], form: str) -> None:
    rows = [{"id": 3, "entities": [], names[0]: row["text"], names[1]: row["label"]} for row in LABELLED]
    lines = "\n".join(map(json.dumps, rows))
    content = {
        "lines": lines,
        "list": json.dumps(rows),
        "indented list": "\n" + json.dumps(rows, indent=2),
        "list under data": json.dumps({"data": rows}, indent=2),
    }[form]
    export = read_doccano(write(tmp_path / "all.json", content))
    assert [(row["sentence"], row["labels"], row["id"]) for row in export.rows] == [
        ("一条", ("甲",), 0),
        ("又一条", ("乙", "甲"), 1),
    ]
    kind = "JSON lines" if form == "lines" else "JSON list"
    assert export.form == f"{kind}, text in '{names[0]}', labels in '{names[1]}'" and not export.notices


def test_a_label_as_a_text_is_a_list_of_one(tmp_path: Path) -> None:
    path = write(
        tmp_path / "all.jsonl", '{"text": "一", "label": " 甲"}\n{"text": "二", "cats": ["乙"], "label": []}\n'
    )
    export = read_doccano(path)
    assert [row["labels"] for row in export.rows] == [("甲",), ("乙",)] and not export.unlabelled
    assert export.form == "JSON lines, text in 'text', labels in 'label' and 'cats'"


@pytest.mark.parametrize("empty", ["[]", '""', "null"])
@pytest.mark.parametrize("listed", [False, True])
def test_rows_without_a_label_are_counted_and_left_out(tmp_path: Path, empty: str, listed: bool) -> None:
    values = ['["甲"]', empty, '"乙"', empty]
    lines = [f'{{"text": "{number}", "label": {value}}}' for number, value in enumerate(values)]
    path = write(tmp_path / "all.jsonl", f"[{','.join(lines)}]" if listed else "\n\n".join(lines))
    export = read_doccano(path)
    assert [row["id"] for row in export.rows] == [0, 2]
    assert export.unlabelled == ((2, 4) if listed else (3, 7))
    kept = read_doccano(path, unlabelled="negative")
    assert [row["labels"] for row in kept.rows] == [("甲",), (), ("乙",), ()] and kept.unlabelled == export.unlabelled
    with pytest.raises(DataError, match="none of its 1 rows has a label: label some, or give `unlabelled` negative"):
        read_doccano(write(tmp_path / "none.jsonl", lines[1]))


def test_spans_beside_labels_of_whole_texts_are_said(tmp_path: Path) -> None:
    row = {"text": "一二", "cats": ["甲"], "entities": [{"start_offset": 0, "end_offset": 1, "label": "乙"}]}
    export = read_doccano(write(tmp_path / "all.jsonl", json.dumps(row)))
    assert export.rows[0]["labels"] == ("甲",) and "'entities' of 1 row(s) are not read" in export.notices[0]


def test_levels_of_labels(tmp_path: Path) -> None:
    rows = [{"text": "一", "label": ["猫##短毛##虎斑", "猫##长毛"]}, {"text": "二", "label": "狗"}]
    path = write(tmp_path / "all.jsonl", "\n".join(map(json.dumps, rows)))
    assert [row["labels"] for row in read_doccano(path, "hierarchical").rows] == [
        ("猫", "猫##短毛", "猫##短毛##虎斑", "猫##长毛"),
        ("狗",),
    ]
    other = read_doccano(path, "hierarchical", "/")
    assert other.rows[0]["labels"] == ("猫##短毛##虎斑", "猫##长毛") and "no label has levels" in other.notices[0]
    with pytest.raises(DataError, match=r"all.jsonl:1: 2 labels .* use `task_type` multi_label"):
        read_doccano(path, "multi_class")
    with pytest.raises(DataError, match=r"all.jsonl:1: label '猫##' has an empty level"):
        read_doccano(write(tmp_path / "all.jsonl", '{"text": "一", "label": "猫##"}'), "hierarchical")


def test_labels_that_look_the_same_become_one(tmp_path: Path) -> None:
    rows = [
        {"text": "一", "label": ["１级", "乙"]},
        {"text": "二", "label": ["1级", "乙\u200b", "乙"]},
        {"text": "三", "label": "1级"},
    ]
    export = read_doccano(write(tmp_path / "all.jsonl", "\n".join(map(json.dumps, rows))))
    assert [row["labels"] for row in export.rows] == [("1级", "乙"), ("1级", "乙"), ("1级",)]
    assert len(export.notices) == 2 and "'１级' (1 row(s)) and '1级' (2 row(s)) are read as one" in export.notices[0]
    assert "乙\\u200b" in export.notices[1]
    write(tmp_path / "label.txt", "".join(label + "\n" for label in label_names(export.rows)))
    write_label_sets(tmp_path / "train.txt", export.rows)
    assert load_label_sets(tmp_path, ("train",)).spec.labels == ("1级", "乙")


def test_what_stands_behind_a_text_of_a_dirty_line_is_dropped(tmp_path: Path) -> None:
    rows = [{"text": "一\t二\t甲,乙", "label": "甲"}, {"text": "三", "label": "乙"}]
    path = write(tmp_path / "all.jsonl", "\n".join(map(json.dumps, rows)))
    assert [row["sentence"] for row in read_doccano(path, dirty=True).rows] == ["一 二", "三"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("[1]", "a JSON list"),
        ('{"label": []}', "no text, its fields are 'label': a row needs its text in 'text'"),
        ('{"text": "一"}', "no labels, its fields are 'text': a row needs its text in 'text'"),
        ('{"text": "一", "annotations": [{"label": 2}]}', "no labels, its fields are 'text', 'annotations'"),
        ('{"text": "一", "entities": [[0, 1, "甲"]]}', "spans are read by run_token_cls.py"),
        ('{"text": "一", "cats": [], "entities": [[0, 1, "甲"]]}', "spans in 'entities' and no label for the text"),
        ('{"text": "一", "label": ["甲"], "cats": ["乙"]}', "labels in 'label' and others in 'cats'"),
        ('{"text": "一", "label": [{"start_offset": 0}]}', "a label is a JSON object, as of a span"),
        ('{"text": "一", "label": [2]}', "a label is a JSON number, not a name"),
        ('{"text": "一", "label": "甲,乙"}', "holds a comma"),
        ('{"text": "", "label": []}', "empty text"),
        ('{"text": "一", "label": 3}', "the labels are a JSON number: write a list of names, or one name"),
        ('{"text": "一", "label": [[0, 1, "甲"]]}', "a label is a JSON list, as of a span, and not a name: spans"),
        ('{"text": "一", "label": ["甲", "甲 "]}', "stands there twice"),
        ('{"text": "一", "label": ["甲,乙"]}', "holds a comma"),
    ],
)
def test_bad_doccano_rows_are_named(tmp_path: Path, row: str, message: str) -> None:
    path = write(tmp_path / "all.jsonl", '{"text": "一", "label": ["甲"]}\n' + row + "\n")
    with pytest.raises(DataError) as caught:
        read_doccano(path)
    assert str(caught.value).startswith(f"{path}:2:") and message in str(caught.value)


@given(
    st.integers(10, 80),
    st.integers(0, 5),
    st.sampled_from([(0.8, 0.1, 0.1), (0.5, 0.5, 0.0), (0.7, 0.2, 0.1), (0.8, 0.2), (1.0,)]),
)
def test_every_row_is_in_one_part(count: int, seed: int, shares: tuple[float, ...]) -> None:
    rows = [{"sentence": str(number), "labels": ()} for number in range(count)]
    parts = split_rows(rows, shares, seed)
    found = [row["sentence"] for part in parts.values() for row in part]
    assert sorted(found) == sorted(row["sentence"] for row in rows) and parts == split_rows(rows, shares, seed)
    for name, share in zip(parts, (*shares, 0.0, 0.0), strict=False):
        assert abs(len(parts[name]) - share * count) <= 1
    kept = split_rows(rows, shares, seed, shuffle=False)
    assert [row for part in kept.values() for row in part] == rows


@given(st.integers(3, 12), st.sampled_from([(0.8, 0.1, 0.1), (0.98, 0.01, 0.01), (0.1, 0.8, 0.1), (0.9, 0.1)]))
def test_few_rows_leave_no_part_empty(count: int, shares: tuple[float, ...]) -> None:
    parts = split_rows([{"sentence": str(number), "labels": ()} for number in range(count)], shares, 1)
    assert all(parts[name] for name in ("train", "dev", "test")[: len(shares)])
    assert sum(map(len, parts.values())) == count


@pytest.mark.parametrize(
    "shares",
    [(), (0.8,), (0.8, 0.1), (0.8, 0.1, 0.2), (1.1, -0.1, 0.0), (1.0, 0.0, 0.0), (1.0, 0.0), (0.5, 0.2, 0.2, 0.1)],
)
def test_bad_shares(shares: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="`shares`"):
        split_rows([{"sentence": "一", "labels": ()}] * 20, shares, 1)
