"""Columns of a user's classification files: headers, quoting, spellings of labels, rows to predict."""

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from text_files import write

from ernie_toolkit.data import DataSet, Example, custom_spec, load_dataset, read_custom
from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.label_spelling import label_key
from ernie_toolkit.errors import ConfigError, DataError

NOUNS = ("水泵", "路灯", "钢琴", "围巾", "茶壶", "雨伞", "台阶", "木桥", "渔网", "风筝")
LABELS = ("良好", "损坏")
REUSED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


def text(number: int) -> str:
    return f"今天第{number}次检查{NOUNS[number % len(NOUNS)]}的情况"


def table(rows: int, columns: tuple[str, ...] = ("text", "label"), header: tuple[str, ...] = ()) -> str:
    """Rows of some columns, tab-separated."""
    values = {
        "id": str,
        "text": text,
        "pair": lambda n: f"请看{NOUNS[(n * 3) % 10]}第{n}号",
        "label": lambda n: LABELS[n % 2],
        "note": lambda n: "备注",
        "random": lambda n: str((n * 7919) % 1009),
        "key": lambda n: f"2024-{n:x}f{(n * 7919) % 1009:03x}",
    }
    lines = ["\t".join(header)] * bool(header)
    lines += ["\t".join(values[column](number) for column in columns) for number in range(rows)]
    return "".join(line + "\n" for line in lines)


def load(options: FileOptions | None = None, **files: Path) -> DataSet:
    splits = [name[: -len("_file")] for name in files if name != "label_file"]
    return load_dataset("custom", splits=splits, options=options or FileOptions(), **files)


def texts(rows: list[Example]) -> list[Any]:
    return [tuple(row[name] for name in ("sentence", "sentence1", "sentence2") if name in row) for row in rows]


def refused(words: str, options: FileOptions | None = None, **files: Path) -> str:
    with pytest.raises(DataError) as caught:
        load(options, **files)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("columns", "header"),
    [
        (("text", "label"), ("text_a", "label")),
        (("text", "label"), ("Text", "LABEL")),
        (("text", "label"), ("文本", "标签")),
        (("text", "label"), ("内容", "类别")),
        (("text", "label"), ("标题", "分类")),
        (("text", "label"), ("句子", "ｌａｂｅｌ")),
        (("text", "label"), ("query", "intent")),
        (("text", "label"), ("anything_else", "category")),
        (("label", "text"), ("label", "content")),
        (("id", "text", "label"), ("id", "text", "label")),
        (("id", "text", "label"), ("序号", "文本", "标签")),
        (("id", "text", "label"), ("", "review", "label")),
        (("label", "id", "text"), ("class", "idx", "sentence")),
        (("text", "note", "label"), ("text", "source", "label")),
        (("text", "label", "note"), ("sentence", "label", "label_desc")),
        (("text", "pair", "label"), ("text_a", "text_b", "label")),
        (("text", "pair", "label"), ("sentence1", "sentence2", "label")),
        (("label", "text", "pair"), ("标签", "句子1", "句子2")),
        (("id", "text", "pair", "label"), ("id", "question1", "question2", "is_duplicate")),
        (("text", "pair", "label"), ("Sentence 1", "Sentence-2", "gold_label")),
        (("text", "pair", "label"), ("query", "title", "label")),
        (("text", "pair", "label"), ("标题", "内容", "标签")),
    ],
)
def test_headers_tell_the_columns(tmp_path: Path, columns: tuple[str, ...], header: tuple[str, ...]) -> None:
    train = write(tmp_path / "train.tsv", table(10, columns, header))
    data = load(train_file=train)
    assert data.spec.labels == LABELS[::-1] or data.spec.labels == tuple(sorted(LABELS))
    assert [row["label"] for row in data.split("train")] == [LABELS[number % 2] for number in range(10)]
    assert [row["id"] for row in data.split("train")] == list(range(10))
    assert [row[0] for row in texts(data.split("train"))] == [text(number) for number in range(10)]
    assert data.spec.text_format == ("pair" if "pair" in columns else "sentence")
    assert f"header: {', '.join(header)}" in data.summary[0]


def test_a_header_is_each_files_own(tmp_path: Path) -> None:
    bare = write(tmp_path / "bare.tsv", table(6))
    named = write(tmp_path / "named.tsv", table(6, ("label", "text"), ("label", "text")))
    for train, dev in ((bare, named), (named, write(tmp_path / "swapped.tsv", table(6, ("label", "text"))))):
        data = load(train_file=train, dev_file=dev)
        assert texts(data.split("train")) == texts(data.split("dev")) == [(text(number),) for number in range(6)]
    test = write(tmp_path / "test.tsv", table(3, ("id", "text"), ("id", "text")))
    assert texts(load(train_file=bare, test_file=test).split("test")) == [(text(number),) for number in range(3)]
    alone = write(tmp_path / "alone.tsv", table(3, ("text",), ("文本",)))
    assert texts(load(train_file=bare, test_file=alone).split("test")) == [(text(number),) for number in range(3)]
    # A label's column is left out of a test file without a header: the others stand as in the training file.
    numbered = write(tmp_path / "numbered.tsv", table(8, ("id", "label", "text"), ("id", "label", "text")))
    unlabelled = write(tmp_path / "unlabelled.tsv", table(3, ("id", "text")))
    rows = load(train_file=numbered, test_file=unlabelled).split("test")
    assert texts(rows) == [(text(number),) for number in range(3)]


def test_words_that_are_names_are_no_header(tmp_path: Path) -> None:
    content = "标题\t情绪\n正文\t主题\n今天很好\t情绪\n风很大\t主题\n"
    data = load(train_file=write(tmp_path / "train.tsv", content))
    assert len(data.split("train")) == 4
    data = load(train_file=write(tmp_path / "train.tsv", "text\tno\n内容\tyes\n"))
    assert len(data.split("train")) == 2


@pytest.mark.parametrize(("word", "label"), [("星级", "service"), ("类型", "room-2"), ("y", "b"), ("情感", "good")])
def test_a_label_that_comes_again_makes_the_first_line_a_row(tmp_path: Path, word: str, label: str) -> None:
    content = f"{word}\t{label}\n早餐不错\tfood\n前台很好\t{label}\n"
    data = load(train_file=write(tmp_path / "train.tsv", content))
    assert [row["label"] for row in data.split("train")] == [label, "food", label]
    # Where it does not, the line names the columns.
    data = load(train_file=write(tmp_path / "other.tsv", f"{word}\treviews\n1\t早餐不错\n5\t前台很好\n"))
    assert [row["label"] for row in data.split("train")] == ["1", "5"]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (("label", "text"), "nearly every row has its own"),
        (("id", "text", "label"), "column 1 numbers the rows (0, 1, 2 ...)"),
        (("random", "text", "label"), "column 1 numbers the rows"),
        (("id", "text"), "column 1 numbers the rows"),
        (("text", "id"), "nearly every row has its own"),
        (("text", "label", "id"), "column 3 numbers the rows (0, 1, 2 ...)"),
        (("key", "text", "label"), "column 1 numbers the rows"),
        (("text", "label", "key"), "column 3 numbers the rows"),
        (("label", "text", "pair"), "nearly every row has its own"),
        (("id", "text", "pair", "label"), "4 tab-separated column(s) where"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, columns: tuple[str, ...], words: str) -> None:
    train = write(tmp_path / "train.tsv", table(32, columns))
    message = refused(words, train_file=train)
    assert str(train) in message and "`text_column`" in message and "`label_column`" in message
    named = FileOptions(
        text_column=str(columns.index("text") + 1),
        text_pair_column=str(columns.index("pair") + 1) if "pair" in columns else "",
        label_column=str(columns.index("label" if "label" in columns else "id") + 1),
    )
    data = load(named, train_file=train)
    assert [row[0] for row in texts(data.split("train"))] == [text(number) for number in range(32)]


def test_label_first_with_few_texts_is_refused(tmp_path: Path) -> None:
    rows = "".join(f"{LABELS[n % 2]}\t{NOUNS[n % 5]}上面有很多灰尘\n" for n in range(12))
    refused("are these the labels?", train_file=write(tmp_path / "train.tsv", rows))
    train = write(tmp_path / "train.tsv", table(12))
    message = refused("dev.tsv:1: label", train_file=train, dev_file=write(tmp_path / "dev.tsv", rows))
    assert "is one: name the columns with `text_column` and `label_column`" in message


@REUSED
@given(number=st.integers(2, 19), seed=st.integers(0, 99))
def test_small_files_with_a_label_a_row_are_read(tmp_path: Path, number: int, seed: int) -> None:
    names = [f"类别{n}" for n in range(number)]
    random.Random(seed).shuffle(names)
    train = write(tmp_path / "train.tsv", "".join(f"{text(n)}\t{name}\n" for n, name in enumerate(names)))
    assert [row["label"] for row in read_custom(train, custom_spec(train))] == names


def test_many_rows_with_a_label_each_are_read_when_told(tmp_path: Path) -> None:
    train = write(tmp_path / "train.tsv", "".join(f"{text(n)}\t类别{n}\n" for n in range(40)))
    refused("40 labels in 40 rows", train_file=train)
    assert len(load(FileOptions(label_column="2"), train_file=train).spec.labels) == 40
    labels = write(tmp_path / "labels.txt", "".join(f"类别{n}\n" for n in range(40)))
    assert len(load(train_file=train, label_file=labels).split("train")) == 40
    rows = [json.dumps({"text": text(n), "label": f"类别{n}"}) for n in range(40)]
    message = refused("40 labels in 40 rows", train_file=write(tmp_path / "train.jsonl", "\n".join(rows)))
    assert "`label_column`" in message and "`text_column`" not in message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"text_column": "3"}, "`text_column` 3, and the file has 2 column(s)"),
        ({"text_column": "0"}, "`text_column` 0"),
        ({"text_column": "title"}, "no column 'title' (`text_column`) in the first line"),
        ({"text_column": "2", "label_column": "2"}, "column 2 is asked for twice"),
        ({"text_pair_column": "2", "text_column": "1"}, "none left for the label: give `label_column`"),
    ],
)
def test_columns_that_are_not_there(tmp_path: Path, options: dict[str, str], words: str) -> None:
    refused(words, FileOptions(**options), train_file=write(tmp_path / "train.tsv", table(10)))


def test_named_columns(tmp_path: Path) -> None:
    header = ("key", "stuff", "more", "verdict")
    columns = ("note", "pair", "text", "label")
    train = write(tmp_path / "train.tsv", table(10, columns, header))
    refused("looks like a header (key, stuff, more, verdict)", train_file=train)
    data = load(FileOptions(text_column="more", label_column="verdict"), train_file=train)
    assert texts(data.split("train")) == [(text(number),) for number in range(10)]
    assert "(not read: key, stuff)" in data.summary[0]
    both = FileOptions(text_column="more", text_pair_column="stuff", label_column="verdict")
    assert load(both, train_file=train).spec.text_format == "pair"
    # A file without the header has its columns where the training file has them.
    dev = write(tmp_path / "dev.tsv", table(4, columns))
    assert texts(load(both, train_file=train, dev_file=dev).split("dev"))[1][0] == text(1)
    refused(
        "4 tab-separated column(s) where",
        train_file=write(tmp_path / "t.tsv", table(4, columns, ("id", "text", *"ab"))),
    )


def test_named_fields(tmp_path: Path) -> None:
    rows = [{"review": text(n), "extra": "备注", "verdict": LABELS[n % 2]} for n in range(4)]
    train = write(tmp_path / "train.jsonl", "\n".join(map(json.dumps, rows)))
    message = refused("the fields are 'review', 'extra', 'verdict'", train_file=train)
    assert "`label_column`" in message
    data = load(FileOptions(text_column="extra", label_column="verdict"), train_file=train)
    assert texts(data.split("train")) == [("备注",)] * 4
    assert "JSON lines: extra, verdict" in data.summary[0]
    refused("no field 'none'", FileOptions(text_column="none", label_column="verdict"), train_file=train)


def test_columns_are_for_custom_classification_alone(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`label_column` is for the classification files of `name` custom"):
        load_dataset("afqmc", data_source="sample", options=FileOptions(label_column="2"))


def test_other_json_shapes(tmp_path: Path) -> None:
    rows = [{"content": text(n), "标签": [LABELS[n % 2]], "id": n + 5} for n in range(4)]
    expected = [{"sentence": text(n), "label": LABELS[n % 2], "id": n + 5} for n in range(4)]
    for content, form in (
        ("\n".join(map(json.dumps, rows)), "JSON lines"),
        (json.dumps(rows), "JSON list"),
        (json.dumps(rows, indent=2), "JSON list"),
        (json.dumps({"data": rows}), "JSON list"),
        (json.dumps({"data": rows}, indent=1), "JSON list"),
    ):
        data = load(train_file=write(tmp_path / "train.json", content))
        assert data.split("train") == expected
        assert f"train.json, {form}: content, 标签: 4 rows" in data.summary[0]
    rows[2]["标签"] = list(LABELS)
    refused(
        "train.json: data[2]: field '标签' has 2 labels", train_file=write(tmp_path / "train.json", json.dumps(rows))
    )
    refused("train.json: data[1]: a JSON number", train_file=write(tmp_path / "train.json", json.dumps([rows[0], 5])))
    single = json.dumps({"version": 1, "rows": rows}, indent=1)
    refused("(its fields: 'version', 'rows')", train_file=write(tmp_path / "train.json", single))


@pytest.mark.parametrize("label", ["１", "1\u200b", "\ufeff1", " 1", "1\u3000", "1\u2060 "])
def test_spellings_of_a_label_are_one(tmp_path: Path, label: str) -> None:
    rows = [(text(n), "1" if n % 2 else "0") for n in range(8)] + [(text(9), label)]
    tabs = write(tmp_path / "train.tsv", "".join("\t".join(row) + "\n" for row in rows))
    lines = [json.dumps({"text": first, "label": second}) for first, second in rows]
    for train in (tabs, write(tmp_path / "train.jsonl", "\n".join(lines))):
        data = load(train_file=train, dev_file=train)
        assert data.spec.labels == ("0", "1") and data.split("dev")[-1]["label"] == "1"
        for warning in data.notices:
            assert "'1' (4 row(s))" in warning and "are read as one, '1'" in warning
            assert all(character.isprintable() for character in warning)
        assert len(data.notices) == 2
    labels = write(tmp_path / "labels.txt", f"0\n{label}\n".replace(" ", "") if label.strip() != "1" else "0\n１\n")
    data = load(train_file=tabs, label_file=labels)
    assert {row["label"] for row in data.split("train")} == set(data.spec.labels)
    refused("alone: take one out", train_file=tabs, label_file=write(tmp_path / "labels.txt", "1\n１\n"))


@given(label=st.text(st.characters(exclude_categories=("Cs",)), max_size=8), place=st.integers(0, 8))
def test_label_keys(label: str, place: int) -> None:
    key = label_key(label)
    assert label_key(key) == key == key.strip()
    assert label_key(label[:place] + "\u200b" + label[place:]) in (key, label_key(key))
    assert label_key(f" {label}\u3000") == key


@pytest.mark.parametrize("suffix", [".tsv", ".csv"])
def test_csv_quoting(tmp_path: Path, suffix: str) -> None:
    rows = [(f'他说"{text(n)}"', LABELS[n % 2]) for n in range(5)] + [
        (f"第一行\n第二行{n}", LABELS[n % 2]) for n in (1, 2)
    ]
    stream = io.StringIO()
    csv.writer(stream, delimiter="\t" if suffix == ".tsv" else ",", lineterminator="\r\n").writerows(rows)
    train = write(tmp_path / f"train{suffix}", stream.getvalue())
    data = load(train_file=train)
    assert texts(data.split("train")) == [(first,) for first, _ in rows]
    broken = stream.getvalue().replace('第二行2"', '第二行2"x')
    refused(f"train{suffix}:{6 if suffix == '.tsv' else 8}: ", train_file=write(train, broken))


def test_plain_quotation_marks_stay(tmp_path: Path) -> None:
    lines = [f'"{text(0)}"', f'"{text(1)}', f'{text(2)}"', '他"说"', '""', f'"{text(5)}" 好']
    train = write(tmp_path / "train.tsv", "".join(f"{line}\t{LABELS[n % 2]}\n" for n, line in enumerate(lines)))
    assert texts(load(train_file=train).split("train")) == [(line,) for line in lines]
    # One that looks like CSV's among others that are not: all stay, and that is said.
    mixed = write(tmp_path / "train.tsv", train.read_text("utf-8") + f'"a""b"\t{LABELS[0]}\n')
    data = load(train_file=mixed)
    assert texts(data.split("train"))[-1] == ('"a""b"',) and "kept as they stand" in data.notices[0]
    quoted = write(tmp_path / "all.tsv", "".join(f'"{text(n)}"\t"{LABELS[n % 2]}"\n' for n in range(4)))
    assert texts(load(train_file=quoted).split("train"))[3] == (text(3),)
    assert "quotation marks of CSV taken off" in load(train_file=quoted).summary[0]


def test_stray_quotation_marks_swallow_no_rows(tmp_path: Path) -> None:
    lines = [f"{text(n)}\t{LABELS[n % 2]}" for n in range(8)]
    lines[2], lines[5] = '"' + lines[2], lines[5].replace("\t", '"\t')
    assert len(load(train_file=write(tmp_path / "train.tsv", "\n".join(lines))).split("train")) == 8
    lines[4] = text(4)
    refused("train.tsv:5: 1 tab-separated column(s)", train_file=write(tmp_path / "train.tsv", "\n".join(lines)))
    never = "\n".join(['"' + text(0) + f",{LABELS[0]}", f"{text(1)},{LABELS[1]}"])
    refused("train.csv:1: a quotation mark is opened and never closed", train_file=write(tmp_path / "train.csv", never))


cells = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters='\n,"'), min_size=1, max_size=12)


@REUSED
@given(
    rows=st.lists(cells.filter(str.strip), min_size=2, max_size=6),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_csv_written_is_csv_read(tmp_path: Path, rows: list[str], quoting: Any) -> None:
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=quoting)
    writer.writerow(("text", "label"))
    writer.writerows((row, LABELS[number % 2]) for number, row in enumerate(rows))
    path = write(tmp_path / "train.csv", stream.getvalue().replace("\r\n", "\n"))
    assert texts(list(read_custom(path, custom_spec(path)))) == [(row,) for row in rows]


@REUSED
@given(columns=st.permutations(["id", "text", "pair", "label", "note"]), number=st.integers(2, 9), pairs=st.booleans())
def test_columns_in_any_order(tmp_path: Path, columns: list[str], number: int, pairs: bool) -> None:
    names = {"id": "序号", "text": "sentence1", "pair": "Sentence2", "label": "标签", "note": "source"}
    used = tuple(column for column in columns if pairs or column != "pair")
    path = write(tmp_path / "train.tsv", table(number, used, tuple(names[column] for column in used)))
    rows = list(read_custom(path, custom_spec(path)))
    assert [row[0] for row in texts(rows)] == [text(n) for n in range(number)]
    assert [row["label"] for row in rows] == [LABELS[n % 2] for n in range(number)]


@REUSED
@given(filled=st.lists(st.booleans(), min_size=1, max_size=9), form=st.sampled_from(["tsv", "header", "csv", "jsonl"]))
def test_rows_to_predict_keep_their_numbers(tmp_path: Path, filled: list[bool], form: str) -> None:
    train = write(tmp_path / "train.tsv", table(4))
    one = (lambda n: json.dumps({"text": text(n)})) if form == "jsonl" else text
    lines = [one(n) if there else " " * (n % 2) for n, there in enumerate(filled)]
    path = tmp_path / ("test.csv" if form == "csv" else "test.jsonl" if form == "jsonl" else "test.tsv")
    first = 2 if form in ("header", "csv") else 1
    write(path, "".join(f"{line}\n" for line in ["text"] * (first - 1) + lines))
    spec = custom_spec(train, test_file=path)
    record = FileRecord()
    rows = list(read_custom(path, spec, "test", FileOptions(on_error="skip"), record))
    last = max((n for n, there in enumerate(filled) if there), default=-1)
    assert [(row["id"], row["line"]) for row in rows] == [(n, n + first) for n, there in enumerate(filled) if there]
    blank = [(n, n + first) for n in range(last + 1) if not filled[n]]
    assert [(row.row, row.place) for row in record.skipped] == blank
    if blank:
        with pytest.raises(DataError, match=rf":{blank[0][1]}: a blank line"):
            list(read_custom(path, spec, "test"))


def test_unreadable_rows_to_predict(tmp_path: Path) -> None:
    train = write(tmp_path / "train.tsv", table(4))
    test = tmp_path / "test.tsv"
    test.write_bytes(f"{text(0)}\n".encode() + b"\xff\xfe\xff\n" + f"{text(2)}\tx\ty\n{text(3)}\n\n".encode())
    refused("test.tsv:2: byte 1 of the line (0xff) is not UTF-8", train_file=train, test_file=test)
    data = load(FileOptions(on_error="skip"), train_file=train, test_file=test)
    assert [row["id"] for row in data.split("test")] == [0, 3]
    assert [(row.place, row.row) for row in data.skipped] == [(2, 1), (3, 2)]
    assert "2 row(s) skipped that cannot be read; 1 blank line(s)" in data.summary[1]
    rows = [{"text": text(0)}, {"title": 5}, "x", {"text": " "}, {"text": text(4)}]
    test = write(tmp_path / "test.json", json.dumps(rows))
    data = load(FileOptions(on_error="skip"), train_file=train, test_file=test)
    assert [(row["id"], row["line"]) for row in data.split("test")] == [(0, 1), (4, 5)]
    assert [row.place for row in data.skipped] == [2, 3, 4]
