"""Classification files as users' programs write them: Excel's separators, marks inside of files, keys, near labels."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ernie_toolkit.data import DataSet, load_dataset
from ernie_toolkit.data.tables import read_table
from ernie_toolkit.errors import DataError

NOUNS = ("窗帘", "书架", "台灯", "水壶", "地毯", "衣柜", "镜子", "花盆", "座椅", "门铃")
ROWS = [(f"{noun}今天收到了没有", ("满意", "不满")[place % 2]) for place, noun in enumerate(NOUNS)]
PLAIN = "".join(f"{text}\t{label}\n" for text, label in ROWS)
MARK = "\ufeff"
ABOVE = ("", "text;label\r\n", MARK + "文本;标签\r\n", "sep=;\r\n", '"sep=;"\r\ntext;label\r\n')
CELLS = st.text('甲乙; ",，', min_size=1, max_size=6)


def load(tmp_path: Path, content: str, name: str = "train.tsv", **files: str) -> DataSet:
    (tmp_path / name).write_bytes(content.encode())
    paths = {"train_file": tmp_path / name}
    for key, text in files.items():
        paths[key] = tmp_path / f"{key}.tsv"
        paths[key].write_bytes(text.encode())
    splits = [key[: -len("_file")] for key in paths if key != "label_file"]
    return load_dataset("custom", splits=splits, **paths)  # type: ignore[arg-type]


def read(data: DataSet) -> list[tuple[Any, Any]]:
    return [(row["sentence"], row["label"]) for row in data.split("train")]


def refused(tmp_path: Path, content: str, name: str = "train.tsv", **files: str) -> str:
    with pytest.raises(DataError) as caught:
        load(tmp_path, content, name, **files)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("above", ABOVE)
@pytest.mark.parametrize("inside", ["", "，有点贵", ", 有点贵"])
def test_semicolons_of_excel_part_columns(tmp_path: Path, above: str, inside: str) -> None:
    quote = '"' if inside else ""
    rows = "".join(f"{quote}{text}{inside}{quote};{label}\r\n" for text, label in ROWS)
    data = load(tmp_path, above + rows, "train.csv")
    assert read(data) == [(text + inside, label) for text, label in ROWS]
    assert "semicolon-separated" in data.summary[0]


def test_semicolons_of_single_texts_to_predict_are_their_own(tmp_path: Path) -> None:
    def predicted(train: str, test: str) -> list[tuple[Any, Any]]:
        (tmp_path / "train.csv").write_bytes(train.encode())
        (tmp_path / "test.csv").write_bytes(test.encode())
        paths = {f"{split}_file": tmp_path / f"{split}.csv" for split in ("train", "test")}
        data = load_dataset("custom", splits=["train", "test"], **paths)  # type: ignore[arg-type]
        return [(row["sentence"], row["label"]) for row in data.split("test")]

    texts = "".join(f"{text};真的吗\n" for text, _ in ROWS)
    both = "".join(f"{text};{label}\n" for text, label in ROWS)
    assert predicted(PLAIN.replace("\t", ","), texts) == [(f"{text};真的吗", None) for text, _ in ROWS]
    assert predicted(both, both) == ROWS
    assert predicted(PLAIN.replace("\t", ","), "label;text\n满意;很好\n") == [("很好", "满意")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(st.tuples(CELLS, st.sampled_from("xy")), min_size=1, max_size=6))
def test_commas_stay_the_separator_of_csv_that_has_them(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    path = tmp_path / "rows.csv"
    path.write_bytes(stream.getvalue().encode())
    table = read_table(path, "utf-8")
    assert table.separator == "," and [cells for _, cells in table.rows] == [list(row) for row in rows]


def test_a_declared_separator_is_no_row(tmp_path: Path) -> None:
    rows = "".join(f"{text},{label}\n" for text, label in ROWS)
    assert read(load(tmp_path, "sep=,\n" + rows, "train.csv")) == ROWS
    assert read(load(tmp_path, "SEP=\t\n" + PLAIN, "train.csv")) == ROWS


@pytest.mark.parametrize("ends", [("\t", ""), ("", "\t\t"), ("\t", "\t\t")])
def test_empty_columns_at_the_end_of_some_rows(tmp_path: Path, ends: tuple[str, str]) -> None:
    content = "".join(f"{text}\t{label}{ends[n % 2]}\n" for n, (text, label) in enumerate(ROWS))
    assert read(load(tmp_path, content)) == ROWS


def test_marks_between_joined_files_are_taken_away(tmp_path: Path) -> None:
    assert read(load(tmp_path, MARK * 2 + PLAIN + MARK + PLAIN)) == ROWS * 2
    lines = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in ROWS)
    assert read(load(tmp_path, MARK + lines + MARK + lines, "train.jsonl")) == ROWS * 2
    (tmp_path / "wide.tsv").write_bytes((MARK + PLAIN + MARK + PLAIN).encode("utf-16-le"))
    wide = read_table(tmp_path / "wide.tsv", "utf-16").rows
    assert wide[0][1] == wide[len(ROWS)][1] == list(ROWS[0])
    message = refused(tmp_path, "text\tlabel\n" + PLAIN + MARK + "text\tlabel\n" + PLAIN)
    assert "train.tsv:12: the header stands there again" in message


def test_headers_in_quotation_marks(tmp_path: Path) -> None:
    assert read(load(tmp_path, '"text"\t"label"\n' + PLAIN)) == ROWS


def test_a_header_of_known_names_and_one_in_chinese(tmp_path: Path) -> None:
    rows = "".join(f"{n},{text},{label}\n" for n, (text, label) in enumerate(ROWS))
    data = load(tmp_path, "id,内容,是否解决\n" + rows, "train.csv")
    assert read(data) == ROWS and "header: id, 内容, 是否解决" in data.summary[0]


def test_a_long_text_of_csv_is_read(tmp_path: Path) -> None:
    long = NOUNS[0] * 70_000
    before = csv.field_size_limit()
    assert read(load(tmp_path, f"{long},满意\n短,不满\n", "train.csv"))[0][0] == long
    assert csv.field_size_limit() == before


@pytest.mark.parametrize("key", ["a{0:x}f{1}", "2024-03-{0:02d}", "doc/{0}.{1}", "{1:05d}", "K{0}-{1}"])
def test_a_column_of_keys_is_no_text(tmp_path: Path, key: str) -> None:
    keys = [key.format(n + 1, (n * 37) % 101) for n in range(10)]
    content = "".join(f"{key}\t{text}\t{label}\n" for key, (text, label) in zip(keys, ROWS, strict=True))
    assert "column 1 numbers the rows" in refused(tmp_path, content)
    content = "".join(f"{text}\t{label}\t{key}\n" for key, (text, label) in zip(keys, ROWS, strict=True))
    assert "column 3 numbers the rows" in refused(tmp_path, content)
    words = [f"{NOUNS[n]}第{n}款\t{text}\t{label}\n" for n, (text, label) in enumerate(ROWS)]
    assert load(tmp_path, "".join(words)).spec.text_format == "pair"


def test_few_rows_with_the_label_first(tmp_path: Path) -> None:
    short = "".join(f"{('家具', '电器')[n % 2]}\t{noun}\n" for n, noun in enumerate(NOUNS[:4]))
    assert "are these the labels?" in refused(tmp_path, short)


@pytest.mark.parametrize("row", ["\t{}\t{}\n", "{}\t\t{}\n"])
def test_a_column_that_is_empty_in_every_row(tmp_path: Path, row: str) -> None:
    message = refused(tmp_path, "".join(row.format(*pair) for pair in ROWS))
    assert "is empty in every row: name the columns" in message


@pytest.mark.parametrize(("one", "other"), [("Good", "good"), ("1", "1.0"), ("TRUE", "True"), ("-2", "-2.00")])
def test_labels_that_may_be_one_are_told_and_stay_two(tmp_path: Path, one: str, other: str) -> None:
    data = load(tmp_path, "".join(f"{noun}\t{(one, other, 'x')[n % 3]}\n" for n, noun in enumerate(NOUNS)))
    assert len(data.spec.labels) == 3
    assert [line for line in data.notices if "are two: if they are meant as one" in line and one in line]
    assert load(tmp_path, PLAIN).notices == ()


def test_labels_of_a_label_file(tmp_path: Path) -> None:
    data = load(tmp_path, PLAIN, label_file=f"{MARK} 不满\u200b \r\n满意{MARK}\r\n")
    assert data.spec.labels == ("不满", "满意") and data.notices == ()
    message = refused(tmp_path, PLAIN, label_file="0\t满意\n1\t不满\n")
    assert "train.tsv:1: label '满意'" in message and "it is the name of '0' in the label file" in message
    assert "1 label(s) found ('满意,不满' alone)" in refused(tmp_path, PLAIN, label_file="满意,不满\n")
    assert "the file has no rows" in refused(tmp_path, "text\tlabel\n")


def test_a_label_in_rows_to_predict(tmp_path: Path) -> None:
    message = refused(tmp_path, PLAIN, test_file="请问什么时候发货\t-1\n")
    assert "test_file.tsv:1: label '-1'" in message and "rows to predict need no label: take the column out" in message


def test_a_label_that_is_an_object_names_what_is_read(tmp_path: Path) -> None:
    line = json.dumps({"text": "甲", "label": {"id": 1}})
    assert "write the label there (a text, a whole number" in refused(tmp_path, line, "train.json")
    assert "name a file of JSON .jsonl" in refused(tmp_path, "[\n" + line + "\n]\n", "train.txt")
