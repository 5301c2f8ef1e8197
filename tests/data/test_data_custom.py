"""A user's own files: tab-separated and JSON lines, label files, and their errors."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from text_files import write

from ernie_toolkit.data import Example, custom_spec, load_dataset, read_custom, read_labels
from ernie_toolkit.data.column_names import is_known
from ernie_toolkit.data.file_options import FileOptions
from ernie_toolkit.errors import ConfigError, DataError


def read(path: Path, split: Any = "train", **files: Path) -> list[Example]:
    return list(read_custom(path, custom_spec(**(files or {"train_file": path})), split))


def test_sentences(tmp_path: Path) -> None:
    path = write(tmp_path / "train.tsv", '\ufeff好 吃\tgood\r\n"难吃\tbad \n\n好\tgood\n\n')
    spec = custom_spec(train_file=path)
    assert (spec.name, spec.task_name, spec.text_format, spec.labels) == (
        "custom",
        "seq_cls",
        "sentence",
        ("bad", "good"),
    )
    assert list(read_custom(path, spec)) == [
        {"sentence": "好 吃", "label": "good", "id": 0},
        {"sentence": '"难吃', "label": "bad", "id": 1},
        {"sentence": "好", "label": "good", "id": 2},
    ]


def test_pairs(tmp_path: Path) -> None:
    path = write(tmp_path / "train.txt", "甲\t乙\t1\n丙\t丁\t0\n")
    assert custom_spec(train_file=path).text_format == "pair"
    assert read(path)[1] == {"sentence1": "丙", "sentence2": "丁", "label": "0", "id": 1}


@pytest.mark.parametrize("fields", [("sentence1", "sentence2"), ("text_a", "text_b"), ("text", "text_pair")])
def test_json_pairs(tmp_path: Path, fields: tuple[str, str]) -> None:
    rows = [{fields[0]: "甲", fields[1]: "乙", "label": 1, "id": 30}, {fields[0]: "丙", fields[1]: "丁", "label": 0}]
    path = write(tmp_path / "train.jsonl", "\n".join(map(json.dumps, rows)))
    assert read(path) == [
        {"sentence1": "甲", "sentence2": "乙", "label": "1", "id": 30},
        {"sentence1": "丙", "sentence2": "丁", "label": "0", "id": 1},
    ]


def test_json_sentences(tmp_path: Path) -> None:
    path = write(tmp_path / "train.json", '{"text": "甲", "label": true}\n{"sentence": "乙", "label": "false"}\n')
    assert [(row["sentence"], row["label"]) for row in read(path)] == [("甲", "true"), ("乙", "false")]


def test_labels_are_sorted_numbers_by_value(tmp_path: Path) -> None:
    path = write(tmp_path / "train.tsv", "".join(f"文\t{label}\n" for label in ("10", "b", "9", "a", "-1")))
    assert custom_spec(train_file=path).labels == ("-1", "9", "10", "a", "b")


def test_label_file_gives_order_and_names(tmp_path: Path) -> None:
    train = write(tmp_path / "train.tsv", "文\tb\n")
    spec = custom_spec(train, label_file=write(tmp_path / "labels.txt", "b\t坏\na\t好\n"))
    assert (spec.labels, spec.label_names) == (("b", "a"), ("坏", "好"))
    assert read_labels(write(tmp_path / "labels.txt", "b\n\na\r\n")) == (("b", "a"), None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "labels.txt: 0 label"),
        ("\n \n", "labels.txt: 0 label"),
        ("a\n", "labels.txt: 1 label"),
        ("a\nb\n\na\n", "labels.txt:4: label 'a' stands there twice"),
        ("a\tx\tb\n", "labels.txt:1: expected label or label<TAB>name"),
        ("a\t\nb\n", "labels.txt:1: expected label or label<TAB>name"),
        ("a\t好\nb\n", "labels.txt: label 'b' has no name"),
    ],
)
def test_bad_label_file(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_labels(write(tmp_path / "labels.txt", content))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("甲\ta\n乙\n", "2: 1 tab-separated column(s) where 2"),
        ("甲\ta\n乙\tb\n丙\t丁\tb\n", "3: 3 tab-separated column(s) where 2 are expected"),
        ("甲\t乙\ta\n丙\tb\n", "2: 2 tab-separated column(s) where 3 are expected"),
        ("甲\t乙\t丙\ta\n", "1: 4 tab-separated column(s) where 2 (text, label) or 3 (text, text, label)"),
        ("甲\ta\n \tb\n", "2: column 1 is an empty text"),
        ("甲\ta\n乙\t \n", "2: the label column is empty"),
        ("甲\ta\n乙\ta\n", "1 label(s) found"),
        ("", "0 label(s) found"),
    ],
)
def test_bad_columns(tmp_path: Path, content: str, message: str) -> None:
    path = write(tmp_path / "train.tsv", content)
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not valid JSON"),
        ('{"label": "a"}', "no text: expected 'text' or 'sentence'"),
        ('{"text": "甲", "text_pair": "乙", "label": "a"}', "2 text(s) in a data set of sentences"),
        ('{"text": "", "label": "a"}', "field 'text' is an empty text"),
        ('{"text": "甲"}', "no label"),
        ('{"text": "甲", "label": {}}', "neither a text nor a whole number"),
    ],
)
def test_bad_json(tmp_path: Path, line: str, message: str) -> None:
    good = '{"text": "甲", "label": "a"}\n'
    path = write(tmp_path / "train.json", good + line + "\n" + good.replace('"a"', '"b"'))
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert message in str(caught.value)


def test_unknown_label_in_dev_names_the_known(tmp_path: Path) -> None:
    train = write(tmp_path / "train.tsv", "甲\ta\n乙\tb\n")
    dev = write(tmp_path / "dev.tsv", "甲\ta\n乙\tc\n")
    with pytest.raises(DataError, match=r"dev\.tsv:2: label 'c' is not one of custom's labels: a, b"):
        read(dev, "dev", train_file=train, dev_file=dev)


@pytest.mark.parametrize(
    ("train", "test", "labels"),
    [
        ("甲\ta\n乙\tb\n", "甲\n乙\n", [None, None]),
        ("甲\ta\n乙\tb\n", "甲\tb\n乙\ta\n", ["b", "a"]),
        ("甲\t乙\ta\n丙\t丁\tb\n", "甲\t乙\n", [None]),
        ("甲\t乙\ta\n丙\t丁\tb\n", "甲\t乙\tb\n", ["b"]),
    ],
)
def test_test_file_with_and_without_labels(tmp_path: Path, train: str, test: str, labels: list[Any]) -> None:
    files = {"train_file": write(tmp_path / "train.tsv", train), "test_file": write(tmp_path / "test.tsv", test)}
    assert [row["label"] for row in read(files["test_file"], "test", **files)] == labels


def test_test_file_keeps_its_number_of_columns(tmp_path: Path) -> None:
    files = {"train_file": write(tmp_path / "train.tsv", "甲\ta\n乙\tb\n")}
    files["test_file"] = write(tmp_path / "test.tsv", "甲\n乙\ta\n")
    with pytest.raises(DataError, match=r"test\.tsv:2: 2 tab-separated column\(s\) where 1 are expected"):
        read(files["test_file"], "test", **files)


def test_test_file_alone_needs_a_label_file(tmp_path: Path) -> None:
    test = write(tmp_path / "test.tsv", "甲\t乙\n")
    with pytest.raises(ConfigError, match="give `label_file` or `train_file`"):
        custom_spec(test_file=test)
    spec = custom_spec(test_file=test, label_file=write(tmp_path / "labels.txt", "a\nb\n"))
    assert spec.text_format == "pair"


def test_loading(tmp_path: Path) -> None:
    train = write(tmp_path / "train.tsv", "甲\ta\n乙\tb\n丙\ta\n")
    dev = write(tmp_path / "dev.json", '{"text": "丁", "label": "b"}\n')
    data = load_dataset("custom", train_file=train, dev_file=str(dev), limits={"train": 2})
    assert (data.source, data.location, data.test) == ("custom", str(tmp_path), None)
    assert len(data.split("train")) == 2
    assert data.split("dev") == [{"sentence": "丁", "label": "b", "id": 0}]
    with pytest.raises(ConfigError, match="give `test_file`"):
        load_dataset("custom", train_file=train, splits=("train", "test"))
    with pytest.raises(ConfigError, match="needs `train_file`"):
        load_dataset("custom")
    with pytest.raises(ConfigError, match="leave `data_dir` and `data_source` out"):
        load_dataset("custom", train_file=train, data_dir=tmp_path)
    with pytest.raises(ConfigError, match="`train_file` is for `name` custom"):
        load_dataset("afqmc", train_file=train)
    with pytest.raises(DataError, match="no such file"):
        load_dataset("custom", train_file=tmp_path / "none.tsv")
    empty = write(tmp_path / "empty.tsv", "\n")
    with pytest.raises(DataError, match=r"empty\.tsv: no rows"):
        load_dataset("custom", train_file=train, dev_file=empty)


words = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\t\n\r\ufeff"), min_size=1, max_size=20)
# What looks like CSV's quotation marks throughout is taken for them: see test_data_layout.py.
# A column's name in the first line may be its header: see test_data_layout.py too.
plain = words.filter(
    lambda text: text.strip() and not (text[0] == text[-1] == '"' and len(text) > 1) and not is_known(text)
)
rows = st.lists(st.tuples(plain, st.sampled_from("ab")), min_size=2, max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(rows=rows.filter(lambda rows: len({label for _, label in rows}) == 2))
def test_rows_written_are_the_rows_read(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    path = write(tmp_path / "train.tsv", "".join(f"{text}\t{label}\n" for text, label in rows))
    assert [(row["sentence"], row["label"]) for row in read(path)] == rows


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(
    data=st.binary(max_size=60) | st.text('甲乙\t\n",01', max_size=40).map(str.encode),
    suffix=st.sampled_from([".tsv", ".csv", ".json"]),
    split=st.sampled_from(["train", "test"]),
    options=st.builds(
        FileOptions,
        encoding=st.sampled_from(["utf-8", "auto", "utf-16", "gb18030"]),
        text_column=st.sampled_from(["", "1", "2", "甲"]),
        label_column=st.sampled_from(["", "2", "3"]),
        on_error=st.sampled_from(["stop", "skip"]),
    ),
)
def test_any_bytes_give_rows_or_a_data_error(
    tmp_path: Path, data: bytes, suffix: str, split: Any, options: FileOptions
) -> None:
    path = tmp_path / f"any{suffix}"
    path.write_bytes(data)
    plain = write(tmp_path / "train.tsv", "甲\ta\n乙\tb\n")
    try:
        spec = custom_spec(path if split == "train" else plain, test_file=path, options=FileOptions(encoding="utf-8"))
        list(read_custom(path, spec, split, options))
    except DataError as error:
        assert str(error).startswith(str(tmp_path))
