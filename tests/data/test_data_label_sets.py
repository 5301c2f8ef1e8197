"""Multi-label data directories: what is read, what is refused, what is written."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from text_files import write

from ernie_toolkit.data.doccano import read_doccano
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


def test_rows_with_several_labels_one_and_none(tmp_path: Path) -> None:
    path = write(tmp_path / "train.txt", "\ufeff文一\t乙,甲\r\n文二\t丙\n\n文三\t\n")
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
    path = write(tmp_path / "train.txt", content)
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
        read_label_list(write(tmp_path / "label.txt", content))


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
        list(read_label_sets(write(tmp_path / "train.txt", f"{line}\n"), LABELS))
    assert str(caught.value).endswith(f"is not in label.txt: 甲, 乙, 丙{hint}")


def test_invisible_characters_of_a_label_file(tmp_path: Path) -> None:
    assert read_label_list(write(tmp_path / "label.txt", "\u200b甲\n \ufeff乙\u200d \n")) == ("甲", "乙")
    for twins in ("1级\n１级\n", "甲 乙\n甲  乙\n", "甲乙\n甲\u200b乙\n"):
        with pytest.raises(DataError, match=r"label\.txt: labels .* differ in width, blanks or invisible characters"):
            read_label_list(write(tmp_path / "label.txt", twins))
    with pytest.raises(DataError, match=r"label\.txt:2: label '甲' stands there twice"):
        read_label_list(write(tmp_path / "label.txt", "甲\n甲\u200b\n"))
    assert difference(["甲乙"], ["甲\u200b乙"]) == "1 labels, without 甲\\u200b乙, with 甲乙"


def test_other_spellings_of_a_label_are_read_and_said(tmp_path: Path) -> None:
    write(tmp_path / "label.txt", "1级\n2级\n")
    train = write(
        tmp_path / "train.txt", "文\t１级\n文二\t 1 级,2级\n文三\t１级,2级\u200b\n".replace("1 级", "1级\ufeff")
    )
    write(tmp_path / "dev.txt", "文\t1级\n")
    data = load_label_sets(tmp_path)
    assert [row["labels"] for row in data.split("train")] == [("1级",), ("1级", "2级"), ("1级", "2级")]
    assert data.notices == (
        f"{train}: label '１级' is read as '1级' of label.txt in 2 row(s)",
        f"{train}: label '1级\\ufeff' is read as '1级' of label.txt in 1 row(s)",
        f"{train}: label '2级\\u200b' is read as '2级' of label.txt in 1 row(s)",
    )
    with pytest.raises(DataError, match=r"train.txt:1: two spellings of label '1级': take one out"):
        list(read_label_sets(write(tmp_path / "train.txt", "文\t1级,１级\n"), ("1级", "2级")))


def test_what_a_directory_holds_is_said(tmp_path: Path) -> None:
    write(tmp_path / "label.txt", "甲\n乙\n丙\n丁\n")
    write(tmp_path / "train.txt", "一\t甲,乙\n\n二\t甲\n三\t\n四\t丁\n")
    write(tmp_path / "dev.txt", "五\t甲\n \n\n六\t\n七\t\n")
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
        write(tmp_path / "label.txt", "服务\n价格\n外观和做工\n".encode(encoding))
        write(tmp_path / "train.txt", text.encode(encoding))
        write(
            tmp_path / "all.json", json.dumps([{"text": "一条", "label": ["甲"]}], ensure_ascii=False).encode(encoding)
        )
        write(tmp_path / "data.txt", "价格公道，送货也很快\n".encode(encoding))
        for option in (encoding, "auto"):
            data = load_label_sets(tmp_path, ("train",), encoding=option)
            assert [row["labels"] for row in data.split("train")] == [("服务", "价格"), ("价格",)]
            assert len(data.notices) == (2 if option == "auto" else 0)
            assert read_doccano(tmp_path / "all.json", encoding=option).rows[0]["labels"] == ("甲",)
            assert read_numbered_texts(tmp_path / "data.txt", encoding=option)[0] == [(1, "价格公道，送货也很快")]


def test_a_line_that_cannot_be_decoded_gets_no_answer(tmp_path: Path) -> None:
    path = write(tmp_path / "data.txt", "一条\n".encode() + b"\xff\xfe\xfa\n" + "又一条\n".encode())
    texts, skipped = read_numbered_texts(path, "skip")
    assert texts == [(1, "一条"), (3, "又一条")] and [row.place for row in skipped] == [2]
    with pytest.raises(DataError, match=r"data\.txt:2: "):
        read_numbered_texts(path)


NUMBERED = st.lists(st.sampled_from(["文", "文二", "", " ", "文\t甲"]), min_size=1, max_size=6)


@given(NUMBERED)
def test_every_line_to_predict_keeps_its_number(lines: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        path = write(Path(name) / "data.txt", "\n".join(lines) + "\n")
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
    assert read_texts(write(tmp_path / "data.txt", "一\n\n二\n")) == ["一", "二"]
    with pytest.raises(DataError, match=r"data.txt:1: a tab in a text"):
        read_texts(write(tmp_path / "data.txt", "一\t甲\n"))
    with pytest.raises(DataError, match="no text in it"):
        read_texts(write(tmp_path / "data.txt", "\n"))


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
    write(tmp_path / "label.txt", "甲\n乙\n")
    with pytest.raises(DataError, match=r"train.txt: no such file"):
        load_label_sets(tmp_path)
    write(tmp_path / "train.txt", "")
    with pytest.raises(DataError, match=r"train.txt: no rows"):
        load_label_sets(tmp_path)
    write(tmp_path / "train.txt", "文\t乙\n")
    write(tmp_path / "own.txt", "文\t甲\n")
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
        write(directory / name, "文\t物流好评\n")
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
