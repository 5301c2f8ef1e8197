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
    read_texts,
    split_line,
    write_label_sets,
    write_sample_directory,
)
from ernie_toolkit.data.sample import reviews
from ernie_toolkit.errors import ConfigError, DataError

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
        examples = [{"sentence": text, "labels": tuple(label for label in LABELS if label in labels)}
                    for text, labels in rows]  # fmt: skip
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
    assert (data.spec.task, data.spec.labels, data.source) == ("multi_label", ("甲", "乙"), "data_dir")
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
    rows = read_doccano(path)
    assert [(row["sentence"], row["labels"]) for row in rows] == [("一 二 三", ("乙", "甲")), ("四", ())]
    assert label_names(rows) == ("乙", "甲")
    write_doccano(tmp_path / "back.jsonl", rows)
    assert [row["labels"] for row in read_doccano(tmp_path / "back.jsonl")] == [("乙", "甲"), ()]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("[1]", "a JSON list"),
        ('{"label": []}', "no field 'text'"),
        ('{"text": "一"}', "no field 'label'"),
        ('{"text": "", "label": []}', "empty text"),
        ('{"text": "一", "label": "甲"}', "it must be a list of names"),
        ('{"text": "一", "label": [[0, 1, "甲"]]}', "a label is a span"),
        ('{"text": "一", "label": ["甲", "甲 "]}', "stands there twice"),
        ('{"text": "一", "label": ["甲,乙"]}', "holds a comma"),
    ],
)
def test_bad_doccano_rows_are_named(tmp_path: Path, row: str, message: str) -> None:
    path = write(tmp_path, '{"text": "一", "label": ["甲"]}\n' + row + "\n", "all.jsonl")
    with pytest.raises(DataError) as caught:
        read_doccano(path)
    assert str(caught.value).startswith(f"{path}:2:") and message in str(caught.value)


@given(st.integers(10, 80), st.integers(0, 5), st.sampled_from([(0.8, 0.1, 0.1), (0.5, 0.5, 0.0), (0.7, 0.2, 0.1)]))
def test_every_row_is_in_one_part(count: int, seed: int, shares: tuple[float, ...]) -> None:
    rows = [{"sentence": str(number), "labels": ()} for number in range(count)]
    parts = split_rows(rows, shares, seed)
    found = [row["sentence"] for part in parts.values() for row in part]
    assert sorted(found) == sorted(row["sentence"] for row in rows) and parts == split_rows(rows, shares, seed)
    for name, share in zip(parts, shares, strict=True):
        assert abs(len(parts[name]) - share * count) <= 1


@pytest.mark.parametrize("shares", [(0.8, 0.2), (0.8, 0.1, 0.2), (1.1, -0.1, 0.0), (1.0, 0.0, 0.0)])
def test_bad_shares(shares: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="--splits"):
        split_rows([{"sentence": "一", "labels": ()}] * 20, shares, 1)
