"""Multi-label data directories and doccano's files: what is read, what is refused, what is written."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_toolkit.data.doccano import label_names, read_doccano, split_rows, write_doccano
from ernie_toolkit.data.label_sets import (
    FILES,
    format_line,
    is_sample,
    load_label_sets,
    may_stand_in,
    read_label_list,
    read_label_sets,
    read_numbered_texts,
    read_texts,
    split_line,
    write_label_sets,
    write_sample_directory,
)
from ernie_toolkit.data.sample import reviews
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.models.heads import difference

LABELS = ("甲", "乙", "丙")
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=20).filter(
    lambda text: text.strip() == text and text
)
ROWS = st.lists(st.tuples(TEXTS, st.sets(st.sampled_from(LABELS))), min_size=1, max_size=6)


def write(directory: Path, content: str | bytes, name: str = "train.txt") -> Path:
    path = directory / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_rows_with_several_labels_one_and_none(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeff文一\t乙,甲\r\n文二\t丙\n\n文三\t\n")
    assert list(read_label_sets(path, LABELS)) == [
        {"sentence": "文一", "labels": ("甲", "乙"), "id": 0},
        {"sentence": "文二", "labels": ("丙",), "id": 1},
        {"sentence": "文三", "labels": (), "id": 2},
    ]


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("文\t甲\n没有制表符\n", 2, "no tab: expected text<TAB>label,label"),
        ("文\t本\t甲\n", 1, "2 tabs: a text must not hold one"),
        (" \t甲\n", 1, "the text before the tab is an empty text"),
        ("文\t甲,丁\n", 1, "label '丁' is not in label.txt: 甲, 乙, 丙"),
        ("文\t甲,乙,甲\n", 1, "label '甲' stands there twice"),
        ("文\t甲,,乙\n", 1, "label 2 is empty"),
        ("文\t甲，乙\n", 1, "label '甲，乙' is not in label.txt"),
        ("文\t甲\n文二\t乙\n".encode("gb18030"), 1, "is not UTF-8"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, content: str | bytes, line: int, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError) as caught:
        list(read_label_sets(path, LABELS))
    assert str(caught.value).startswith(f"{path}:{line}:") and message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("甲\n乙\n甲\n", "label '甲' stands there twice"),
        ("甲\n乙,丙\n", "holds a comma"),
        ("甲\t一\n乙\t二\n", "one label a line"),
        ("甲\n", "at least two"),
    ],
)
def test_a_bad_label_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_label_list(write(tmp_path, content, "label.txt"))


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("text\tlabels", "; if the line is a header, take it out"),
        ("甲\t文本好", "; the text '甲' is one: write the text first, then a tab and its labels"),
        *((f"文\t甲{separator}乙", "; write ',' between labels") for separator in ("，", "、", "; ", "|", " ", "##")),
        ("文\t甲，戊", ""),
        ("文\t戊", ""),
    ],
)
def test_an_unknown_label_with_what_may_be_meant(tmp_path: Path, line: str, hint: str) -> None:
    with pytest.raises(DataError) as caught:
        list(read_label_sets(write(tmp_path, f"{line}\n"), LABELS))
    assert str(caught.value).endswith(f"is not in label.txt: 甲, 乙, 丙{hint}")


def test_invisible_characters_of_a_label_file(tmp_path: Path) -> None:
    assert read_label_list(write(tmp_path, "\u200b甲\n \ufeff乙\u200d \n", "label.txt")) == ("甲", "乙")
    for twins in ("1级\n１级\n", "甲 乙\n甲  乙\n", "甲乙\n甲\u200b乙\n"):
        with pytest.raises(DataError, match=r"label\.txt: labels .* differ in width, blanks or invisible characters"):
            read_label_list(write(tmp_path, twins, "label.txt"))
    with pytest.raises(DataError, match=r"label\.txt:2: label '甲' stands there twice"):
        read_label_list(write(tmp_path, "甲\n甲\u200b\n", "label.txt"))
    assert difference(["甲乙"], ["甲\u200b乙"]) == "1 labels, without 甲\\u200b乙, with 甲乙"


def test_other_spellings_of_a_label_are_read_and_said(tmp_path: Path) -> None:
    write(tmp_path, "1级\n2级\n", "label.txt")
    train = write(tmp_path, "文\t１级\n文二\t 1 级,2级\n文三\t１级,2级\u200b\n".replace("1 级", "1级\ufeff"))
    write(tmp_path, "文\t1级\n", "dev.txt")
    data = load_label_sets(tmp_path)
    assert [row["labels"] for row in data.split("train")] == [("1级",), ("1级", "2级"), ("1级", "2级")]
    assert data.notices == (
        f"{train}: label '１级' is read as '1级' of label.txt in 2 row(s)",
        f"{train}: label '1级\\ufeff' is read as '1级' of label.txt in 1 row(s)",
        f"{train}: label '2级\\u200b' is read as '2级' of label.txt in 1 row(s)",
    )
    with pytest.raises(DataError, match=r"train.txt:1: two spellings of label '1级': take one out"):
        list(read_label_sets(write(tmp_path, "文\t1级,１级\n"), ("1级", "2级")))


def test_what_a_directory_holds_is_said(tmp_path: Path) -> None:
    write(tmp_path, "甲\n乙\n丙\n丁\n", "label.txt")
    write(tmp_path, "一\t甲,乙\n\n二\t甲\n三\t\n四\t丁\n")
    write(tmp_path, "五\t甲\n \n\n六\t\n七\t\n", "dev.txt")
    train, dev, *missing = load_label_sets(tmp_path).summary
    assert "train.txt" in train and "4 rows" in train and "甲 (2), 乙 (1), 丁 (1); 1 without; 1 blank line(s)" in train
    assert "dev.txt" in dev and "3 rows" in dev and "甲 (1); 2 without; 2 blank line(s)" in dev
    assert [line.partition("labels ")[2] for line in missing] == [
        "without a train row: 丙",
        "without a dev row: 乙, 丙, 丁",
    ]


def test_other_encodings(tmp_path: Path) -> None:
    text = "这一条是写给老人的评价\t服务,价格\n价格公道，送货也很快\t价格\n"
    for encoding in ("gb18030", "utf-16"):
        write(tmp_path, "服务\n价格\n外观和做工\n".encode(encoding), "label.txt")
        write(tmp_path, text.encode(encoding))
        write(tmp_path, json.dumps(LABELLED, ensure_ascii=False).encode(encoding), "all.json")
        write(tmp_path, "价格公道，送货也很快\n".encode(encoding), "data.txt")
        for option in (encoding, "auto"):
            data = load_label_sets(tmp_path, ("train",), encoding=option)
            assert [row["labels"] for row in data.split("train")] == [("服务", "价格"), ("价格",)]
            assert len(data.notices) == (2 if option == "auto" else 0)
            assert read_doccano(tmp_path / "all.json", encoding=option).rows[0]["labels"] == ("甲",)
            assert read_numbered_texts(tmp_path / "data.txt", encoding=option)[0] == [(1, "价格公道，送货也很快")]


def test_a_line_that_cannot_be_decoded_gets_no_answer(tmp_path: Path) -> None:
    path = write(tmp_path, "一条\n".encode() + b"\xff\xfe\xfa\n" + "又一条\n".encode(), "data.txt")
    texts, skipped = read_numbered_texts(path, "skip")
    assert texts == [(1, "一条"), (3, "又一条")] and [row.place for row in skipped] == [2]
    with pytest.raises(DataError, match=r"data\.txt:2: "):
        read_numbered_texts(path)


NUMBERED = st.lists(st.sampled_from(["文", "文二", "", " ", "文\t甲"]), min_size=1, max_size=6)


@given(NUMBERED)
def test_every_line_to_predict_keeps_its_number(lines: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        path = write(Path(name), "\n".join(lines) + "\n", "data.txt")
        good = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and "\t" not in line]
        if not good:
            with pytest.raises(DataError):
                read_numbered_texts(path, "skip")
            return
        texts, skipped = read_numbered_texts(path, "skip")
        last = max(number for number, line in enumerate(lines, 1) if line.strip())
        assert texts == good
        assert [row.place for row in skipped] == [n for n, line in enumerate(lines[:last], 1) if (n, line) not in good]
        assert all(row.reason.startswith(f"{path}:{row.place}: ") for row in skipped)
        if skipped:
            with pytest.raises(DataError) as caught:
                read_numbered_texts(path)
            assert str(caught.value).startswith(skipped[0].reason)
        else:
            assert read_numbered_texts(path) == (texts, [])


def test_unlabelled_texts(tmp_path: Path) -> None:
    assert read_texts(write(tmp_path, "一\n\n二\n", "data.txt")) == ["一", "二"]
    with pytest.raises(DataError, match=r"data.txt:1: a tab in a text"):
        read_texts(write(tmp_path, "一\t甲\n", "data.txt"))
    with pytest.raises(DataError, match="no text in it"):
        read_texts(write(tmp_path, "\n", "data.txt"))


@given(ROWS)
def test_what_is_written_is_read_again(rows: list[tuple[str, set[str]]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "rows.txt"
        examples = [
            {"sentence": text, "labels": tuple(label for label in LABELS if label in labels)} for text, labels in rows
        ]
        write_label_sets(path, examples)
        found = [{"sentence": row["sentence"], "labels": row["labels"]} for row in read_label_sets(path, LABELS)]
        assert found == examples


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip))
def test_any_text_makes_one_line(text: str) -> None:
    line = format_line(text, ("甲",))
    assert line.count("\n") == 1 and line.endswith("\n")
    if line.rpartition("\t")[0].strip():
        assert split_line(line.rstrip("\n"), "x")[1] == ("甲",)


def test_directories(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such data directory"):
        load_label_sets(tmp_path / "none")
    write(tmp_path, "甲\n乙\n", "label.txt")
    with pytest.raises(DataError, match=r"train.txt: no such file"):
        load_label_sets(tmp_path)
    write(tmp_path, "")
    with pytest.raises(DataError, match=r"train.txt: no rows"):
        load_label_sets(tmp_path)
    write(tmp_path, "文\t乙\n")
    write(tmp_path, "文\t甲\n", "own.txt")
    data = load_label_sets(tmp_path, files={"dev": "own.txt"})
    assert (data.spec.task_name, data.spec.labels, data.source) == ("multi_label", ("甲", "乙"), "data_dir")
    assert data.split("dev")[0]["labels"] == ("甲",)


def test_the_sample_is_told_from_other_data(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    assert may_stand_in(directory) and not may_stand_in(tmp_path / "date") and not may_stand_in(tmp_path)
    write_sample_directory(directory)
    assert not may_stand_in(directory)
    data = load_label_sets(directory, ("train", "dev", "test"))
    assert data.source == "sample" and "generated sample" in data.warnings[0]
    assert data.spec.labels == reviews.LABELS and len(read_texts(directory / "data.txt")) == 300
    for name in FILES.values():
        write(directory, "文\t物流好评\n", name)
    assert load_label_sets(directory, ("train", "dev")).source == "data_dir"
    assert not is_sample(directory, [directory / "train.txt"])


def test_the_sample_has_every_label_and_no_row_twice() -> None:
    splits = reviews.generate(1)
    assert splits == reviews.generate(1) and splits != reviews.generate(2)
    sentences = [row["sentence"] for rows in splits.values() for row in rows]
    assert len(set(sentences)) == len(sentences)
    for rows in splits.values():
        counts = [sum(label in row["labels"] for row in rows) for label in reviews.LABELS]
        assert min(counts) > len(rows) / 30
        assert any(not row["labels"] for row in rows) and any(len(row["labels"]) > 2 for row in rows)


def test_doccano_rows(tmp_path: Path) -> None:
    lines = [{"id": 7, "text": "一\t二\r\n三", "label": ["乙", "甲"]}, {"data": "四", "labels": []}]
    path = write(tmp_path, "".join(json.dumps(line) + "\n" for line in lines), "all.jsonl")
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
    export = read_doccano(write(tmp_path, content, "all.json"))
    assert [(row["sentence"], row["labels"], row["id"]) for row in export.rows] == [
        ("一条", ("甲",), 0),
        ("又一条", ("乙", "甲"), 1),
    ]
    kind = "JSON lines" if form == "lines" else "JSON list"
    assert export.form == f"{kind}, text in '{names[0]}', labels in '{names[1]}'" and not export.notices


def test_a_label_as_a_text_is_a_list_of_one(tmp_path: Path) -> None:
    path = write(tmp_path, '{"text": "一", "label": " 甲"}\n{"text": "二", "cats": ["乙"], "label": []}\n', "all.jsonl")
    export = read_doccano(path)
    assert [row["labels"] for row in export.rows] == [("甲",), ("乙",)] and not export.unlabelled
    assert export.form == "JSON lines, text in 'text', labels in 'label' and 'cats'"


@pytest.mark.parametrize("empty", ["[]", '""', "null"])
@pytest.mark.parametrize("listed", [False, True])
def test_rows_without_a_label_are_counted_and_left_out(tmp_path: Path, empty: str, listed: bool) -> None:
    values = ['["甲"]', empty, '"乙"', empty]
    lines = [f'{{"text": "{number}", "label": {value}}}' for number, value in enumerate(values)]
    path = write(tmp_path, f"[{','.join(lines)}]" if listed else "\n\n".join(lines), "all.jsonl")
    export = read_doccano(path)
    assert [row["id"] for row in export.rows] == [0, 2]
    assert export.unlabelled == ((2, 4) if listed else (3, 7))
    kept = read_doccano(path, unlabelled="negative")
    assert [row["labels"] for row in kept.rows] == [("甲",), (), ("乙",), ()] and kept.unlabelled == export.unlabelled
    with pytest.raises(DataError, match="none of its 1 rows has a label: label some, or give `unlabelled` negative"):
        read_doccano(write(tmp_path, lines[1], "none.jsonl"))


def test_spans_beside_labels_of_whole_texts_are_said(tmp_path: Path) -> None:
    row = {"text": "一二", "cats": ["甲"], "entities": [{"start_offset": 0, "end_offset": 1, "label": "乙"}]}
    export = read_doccano(write(tmp_path, json.dumps(row), "all.jsonl"))
    assert export.rows[0]["labels"] == ("甲",) and "'entities' of 1 row(s) are not read" in export.notices[0]


def test_levels_of_labels(tmp_path: Path) -> None:
    rows = [{"text": "一", "label": ["猫##短毛##虎斑", "猫##长毛"]}, {"text": "二", "label": "狗"}]
    path = write(tmp_path, "\n".join(map(json.dumps, rows)), "all.jsonl")
    assert [row["labels"] for row in read_doccano(path, "hierarchical").rows] == [
        ("猫", "猫##短毛", "猫##短毛##虎斑", "猫##长毛"),
        ("狗",),
    ]
    other = read_doccano(path, "hierarchical", "/")
    assert other.rows[0]["labels"] == ("猫##短毛##虎斑", "猫##长毛") and "no label has levels" in other.notices[0]
    with pytest.raises(DataError, match=r"all.jsonl:1: 2 labels .* use `task_type` multi_label"):
        read_doccano(path, "multi_class")
    with pytest.raises(DataError, match=r"all.jsonl:1: label '猫##' has an empty level"):
        read_doccano(write(tmp_path, '{"text": "一", "label": "猫##"}', "all.jsonl"), "hierarchical")


def test_labels_that_look_the_same_become_one(tmp_path: Path) -> None:
    rows = [
        {"text": "一", "label": ["１级", "乙"]},
        {"text": "二", "label": ["1级", "乙\u200b", "乙"]},
        {"text": "三", "label": "1级"},
    ]
    export = read_doccano(write(tmp_path, "\n".join(map(json.dumps, rows)), "all.jsonl"))
    assert [row["labels"] for row in export.rows] == [("1级", "乙"), ("1级", "乙"), ("1级",)]
    assert len(export.notices) == 2 and "'１级' (1 row(s)) and '1级' (2 row(s)) are read as one" in export.notices[0]
    assert "乙\\u200b" in export.notices[1]
    write(tmp_path, "".join(label + "\n" for label in label_names(export.rows)), "label.txt")
    write_label_sets(tmp_path / "train.txt", export.rows)
    assert load_label_sets(tmp_path, ("train",)).spec.labels == ("1级", "乙")


def test_what_stands_behind_a_text_of_a_dirty_line_is_dropped(tmp_path: Path) -> None:
    rows = [{"text": "一\t二\t甲,乙", "label": "甲"}, {"text": "三", "label": "乙"}]
    path = write(tmp_path, "\n".join(map(json.dumps, rows)), "all.jsonl")
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
    path = write(tmp_path, '{"text": "一", "label": ["甲"]}\n' + row + "\n", "all.jsonl")
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
