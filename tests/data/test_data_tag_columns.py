"""Columns of tokens and tags: what is read, what is refused with a remedy, and what is left out and counted."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from text_files import write

from ernie_toolkit.data import DatasetSpec, Example, load_dataset, read_tagged
from ernie_toolkit.data.file_options import FileOptions, FileRecord, SkippedRow
from ernie_toolkit.data.inputs import read_input_rows
from ernie_toolkit.data.tagged import looks_tagged, read_tags, tagged_file_error
from ernie_toolkit.errors import ConfigError, DataError

SPEC = DatasetSpec("custom", "token_cls", ("B-X", "I-X", "B-Y", "I-Y", "O"), "characters")


def read(path: Path, split: Any = "train", **options: str) -> tuple[list[Example], FileRecord]:
    record = FileRecord()
    return list(read_tagged(path, SPEC, split, FileOptions(**options), record)), record


def texts(examples: list[Example]) -> list[tuple[str, str]]:
    return [(example["text"], " ".join(example["labels"])) for example in examples]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("周 B-X\n宁 I-X\n来 O\n", [("周宁来", "B-X I-X O")]),
        ("周\tB-X\r\n宁\tI-X\r\n\r\n来\tO\r\n", [("周宁", "B-X I-X"), ("来", "O")]),
        ("周 B-X \n宁\tI-X\t \n", [("周宁", "B-X I-X")]),
        ("好 O\n\u3000 O\n  O\n \tO\n\t O\n\t\tO\n", [("好\u3000  \t\t", "O O O O O O")]),
        ("好\tO\n周 宁\tB-X\n", [("好周 宁", "O B-X I-X I-X")]),
        ("# O\n1 O\n", [("#1", "O O")]),
        ("- O\n-DOCSTART O\n", [("-" + "-DOCSTART", " ".join("O" * 10))]),
    ],
)
def test_token_separator_tag(tmp_path: Path, content: str, expected: list[tuple[str, str]]) -> None:
    examples, record = read(write(tmp_path / "train.txt", content))
    assert texts(examples) == expected
    assert record.format.startswith("a token and its tag a line; ") or "B-" not in content
    assert (record.left_out, record.notices) == ({}, [])


@pytest.mark.parametrize(
    ("lines", "number", "message"),
    [
        (
            "周宁 NN B-X\n来 VV O\n",
            1,
            "3 columns where a token and its tag are expected: say which column is the tag's",
        ),
        ("Li NN B-NP B-X\n", 1, "4 columns where a token and its tag are expected"),
        ("Li NN\tB-X\n", 1, "3 columns where"),
        ("Li\tNN\tB-X\n", 1, "3 columns where"),
        ("来 O\nLi NN B-X\n", 2, "3 columns where a token and its tag are expected: say which column is the tag's"),
        ("来\tO\nLi\tNN\tB-X\n", 2, "3 columns where"),
        ("周  B-X\n宁  I-X\n", 1, "2 blanks between the token and its tag, where one space or tab is expected"),
        ("来 O\n周 \tB-X\n", 2, "2 blanks between the token and its tag"),
        ("来 O\n周\t\t B-X\n", 2, "3 blanks between the token and its tag"),
        ("来 O\n 周 B-X\n", 2, "a blank before the token: take it out"),
        ("来 O\n B-X\n", 2, "token 2 is empty"),
        ("来 O\n周\n", 2, "no tag after a space or tab"),
        ("来 O\n \n周 B-X\n", 2, "no tag after a space or tab: write a token and its tag, or empty the line where"),
        ("来 O\n周\u3000B-X\n", 2, "no tag after a space or tab"),
        ("来 O\n# id 7\n", 2, "3 columns where"),
        ("# O\n\n# b-x\n", 3, "tag 'b-x' is of no scheme"),
    ],
)
@pytest.mark.parametrize("split", ["train", "dev"])
def test_lines_that_are_something_else(tmp_path: Path, lines: str, number: int, message: str, split: str) -> None:
    path = write(tmp_path / "train.txt", lines)
    with pytest.raises(DataError) as caught:
        read(path, split)
    assert str(caught.value).startswith(f"{path}:{number}: {message}")
    if "columns" in message or "blanks" in message:
        assert "`tag_column` -1" in str(caught.value)


FOUR = "Mia{0}NNP{0}B-NP{0}B-X\nLee{0}NNP{0}I-NP{0}I-X\nsings{0}VBZ{0}B-VP{0}O\n"


@pytest.mark.parametrize("separator", [" ", "\t", "  ", " \t", "\t "])
@pytest.mark.parametrize("column", ["-1", "4"])
def test_the_column_of_the_tag(tmp_path: Path, separator: str, column: str) -> None:
    examples, record = read(write(tmp_path / "train.txt", FOUR.format(separator)), tag_column=column)
    assert texts(examples) == [("Mia Lee sings", "B-X I-X I-X I-X I-X I-X I-X O O O O O O")]
    what = "a tab" if "\t" in separator else "spaces"
    assert record.format.startswith(f"4 columns separated by {what}, the token in the first, the tag in column 4; tags")


def test_other_columns_and_white_space(tmp_path: Path) -> None:
    path = write(tmp_path / "train.txt", "周 B-X nr\n  O x\n\u3000 O x\n宁 B-X nr\n")
    assert texts(read(path, tag_column="2")[0]) == [("周 \u3000宁", "B-X O O B-X")]
    assert texts(read(path, tag_column="-2")[0]) == [("周 \u3000宁", "B-X O O B-X")]
    two = write(tmp_path / "two.txt", "周  B-X\n   O\n来  O\n")
    assert texts(read(two, tag_column="-1")[0]) == [("周 来", "B-X O O")]
    words = write(tmp_path / "words.txt", "New York\tB-X\n来\tO\n")
    assert texts(read(words, tag_column="-1")[0]) == [("New York来", "B-X I-X I-X I-X I-X I-X I-X I-X O")]


@pytest.mark.parametrize(
    ("column", "content", "message"),
    [
        ("5", "a b c B-X\n", ":1: 4 column(s), and the tag's is 5: it is not among them, check `tag_column`"),
        ("-4", "a b c B-X\n", ":1: 4 column(s), and the tag's is -4: no tag can be there"),
        ("-1", "O\n", ":1: 1 column(s), and the tag's is -1: no tag can be there"),
        ("-1", "a b O\n\na O\n", ":3: 2 column(s), the first line has 3: 'a O'"),
        ("3", "a\tb\tO\na\tb\t\n", ":2: column 3 is empty where the tag belongs"),
        ("2", "a NN O\n", ":1: tag 'NN' is of no scheme that is read"),
        ("-1", "a b O\n# id = 7\n", ":2: 4 column(s), the first line has 3"),
    ],
)
def test_columns_that_are_not_there(tmp_path: Path, column: str, content: str, message: str) -> None:
    path = write(tmp_path / "train.txt", content)
    with pytest.raises(DataError) as caught:
        read(path, tag_column=column)
    assert str(caught.value).startswith(f"{path}{message}")


@pytest.mark.parametrize("column", ["0", "1", "x", "2.0", "last"])
def test_numbers_that_name_no_column(tmp_path: Path, column: str) -> None:
    with pytest.raises(ConfigError, match=f"`tag_column` {column}: the number of the tag's column from 2"):
        read(write(tmp_path / "train.txt", "a O\n"), tag_column=column)


def test_a_column_is_for_columns(tmp_path: Path) -> None:
    joined = write(tmp_path / "train.txt", "周\x02宁\tB-X\x02I-X\n")
    rows = write(tmp_path / "train.json", '{"tokens": ["周"], "labels": ["B-X"]}\n')
    for path in (joined, rows):
        record = read(path, tag_column="-1")[1]
        assert record.notices == [f"`tag_column` is for files with a token a line: not used for {path}"]
        assert read(path)[1].notices == []


def test_document_and_comment_lines_are_left_out(tmp_path: Path) -> None:
    content = "-DOCSTART-\tO\n\n# id = 7\n周 B-X\n宁 I-X\n-DOCSTART- -X- -X- O\n# text = 来 ，\n来 O\n\n-DOCSTART-\n"
    examples, record = read(write(tmp_path / "train.txt", content))
    assert texts(examples) == [("周宁", "B-X I-X"), ("来", "O")]
    assert [(example["id"], example["line"]) for example in examples] == [(0, 4), (1, 8)]
    assert record.left_out == {"-DOCSTART- line(s)": [1, 6, 10], "comment line(s)": [3, 7]}
    untagged, record = read(write(tmp_path / "test.txt", "-DOCSTART-\n\n周\n宁\n"), "test")
    assert [(row["text"], row["labels"]) for row in untagged] == [("周宁", None)]
    assert record.format == "a token a line, without tags"
    four = "-DOCSTART- -X- O O\n\n" + FOUR.format(" ")
    assert len(read(write(tmp_path / "four.txt", four), tag_column="-1")[0]) == 1


def test_test_files_of_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "test.txt", "Mia NNP\nLee NNP\n")
    examples, record = read(path, "test", tag_column="4")
    assert [(row["text"], row["labels"]) for row in examples] == [("Mia Lee", None)]
    assert record.format == "2 columns, the token first, without tags"
    with pytest.raises(DataError, match=r"test\.txt:1: tag 'NNP' is of no scheme"):
        read(path, "test")
    with pytest.raises(DataError, match=r"test\.txt:3: a tag in a file that begins without"):
        read(write(path, "周\n\n宁 S-ZZZ\n"), "test")


def test_sentences_to_predict_are_skipped_or_stop(tmp_path: Path) -> None:
    good, bad = "周 B-X\n宁 I-X\n", "来 O\n周  B-X\n"
    path = write(tmp_path / "test.txt", f"{good}\n{bad}\n\n好 O\n\n吗 b-x\n\n{good}")
    with pytest.raises(DataError, match=r"test\.txt:5: 2 blanks"):
        read(path, "test")
    with pytest.raises(DataError, match=r"test\.txt:5: 2 blanks"):
        read(path, "dev", on_error="skip")
    examples, record = read(path, "test", on_error="skip")
    assert [(row["id"], row["line"], row["text"]) for row in examples] == [
        (0, 1, "周宁"),
        (2, 8, "好"),
        (4, 12, "周宁"),
    ]
    assert [row.place for row in record.skipped] == [4, 10]
    assert record.skipped[0].reason.startswith(f"{path}:5: 2 blanks")
    data = load_dataset(
        "custom",
        task="token_cls",
        train_file=write(tmp_path / "train.txt", good + "\n周 B-Y\n"),
        test_file=path,
        splits=("test",),
        options=FileOptions(on_error="skip"),
    )
    assert [row.place for row in data.skipped] == [4, 10]


@pytest.mark.parametrize("options", [{}, {"tag_column": "-1"}])
@pytest.mark.parametrize("header", ["token tag", "Word\tNER_tags", "字 词性 标签", "tokens POS ner"])
def test_a_header_is_no_token(tmp_path: Path, header: str, options: dict[str, str]) -> None:
    path = write(tmp_path / "train.txt", f"{header}\n周 B-X\n宁 I-X\n")
    with pytest.raises(DataError, match=rf"train\.txt:1: a header \({', '.join(header.split())}\): take the line out"):
        read(path, **options)
    assert texts(read(write(path, "tag O\n周 B-X\n"))[0]) == [("tag周", "O O O B-X")]


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("separator", ["\t", " "])
def test_a_column_that_counts_is_no_text(tmp_path: Path, start: int, separator: str) -> None:
    rows = [[str(number), token, tag] for number, (token, tag) in enumerate([("周", "B-X"), ("来", "O")], start)]
    path = write(tmp_path / "in.txt", "".join(separator.join(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=rf"in\.txt:1: the first column counts \({start}, {start + 1}, \.\.\.\)"):
        read(path, tag_column="-1")
    write(path, "".join(separator.join(row[:2]) + "\n" for row in rows))
    with pytest.raises(DataError, match="the first column counts"):
        read(path, "test", tag_column="3")
    write(path, "2 O\n3 O\n\n1 O\n")  # numbers may be text
    assert [example["text"] for example in read(path, tag_column="2")[0]] == ["23", "1"]


def test_an_empty_file_is_called_so(tmp_path: Path) -> None:
    for content in ("", "\n", "-DOCSTART- O\n"):
        with pytest.raises(DataError, match=r"in\.txt: the file is empty: it needs at least one sentence"):
            read_tags(write(tmp_path / "in.txt", content))


def test_a_type_of_the_dev_file_alone_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train\.txt:1: label 'B-Z' is not one of .*; types are those of `label_file`"):
        read(write(tmp_path / "train.txt", "周 B-Z\n"))


@pytest.mark.parametrize(
    ("name", "row"),
    [("test.txt", "{0}\x02{0}"), ("test.json", '{{"text": "{0}"}}')],
)
def test_blank_lines_between_rows_to_predict(tmp_path: Path, name: str, row: str) -> None:
    path = write(tmp_path / name, "\n" + row.format("周") + "\n \n" + row.format("宁") + "\n\n\n")
    with pytest.raises(DataError, match=rf"{name}:1: a blank line: .*`on_error` skip"):
        read(path, "test")
    examples, record = read(path, "test", on_error="skip")
    assert [(example["id"], example["line"]) for example in examples] == [(1, 2), (3, 4)]
    assert record.skipped == [
        SkippedRow(line, f"{path}:{line}: a blank line: fill it or take it out", line - 1) for line in (1, 3)
    ]


@pytest.mark.parametrize(
    ("name", "content", "places"),
    [
        ("in.txt", b"a\nb\n\n\xff\nc\n\nd\n", {1: "ab", 4: None, 7: "d"}),
        ("in.txt", b"a\n\xff\n\nb\n\xff", {1: None, 4: None}),
        ("in.txt", b"a\tO\n\nb\tO\n\xff\tO\n\nc\tO\n", {1: "a", 3: None, 6: "c"}),
        ("in.txt", b"a\x02b\n\xffa\x02b\nc\x02d\n", {1: "ab", 2: None, 3: "cd"}),
        ("in.jsonl", b'{"text": "a"}\n{"text": "\xff"}\n\n{"text": "b"}\n', {1: "a", 2: None, 3: None, 4: "b"}),
    ],
)
def test_lines_to_predict_that_are_not_utf8(
    tmp_path: Path, name: str, content: bytes, places: dict[int, str | None]
) -> None:
    """The sentence with such a line gets no answer; the others do, under the numbers that they have with it."""
    path = tmp_path / name
    path.write_bytes(content)
    examples, record = read(path, "test", on_error="skip")
    answered = {example["line"]: example["text"] for example in examples}
    assert answered == {line: text for line, text in places.items() if text is not None}
    assert [row.place for row in record.skipped] == [line for line, text in places.items() if text is None]
    numbers = {example["line"]: example["id"] for example in examples} | {row.place: row.row for row in record.skipped}
    assert numbers == {line: number for number, line in enumerate(places)}
    with pytest.raises(DataError, match="not UTF-8"):
        read(path, "test")
    with pytest.raises(DataError):
        read(path, "dev", on_error="skip")


def test_a_file_without_a_row_that_can_be_read(tmp_path: Path) -> None:
    """All skipped: the reason is not lost."""
    train = write(tmp_path / "train.txt", "周 B-X\n宁 I-X\n")
    path = tmp_path / "test.txt"
    path.write_bytes(b"a\n\xff\n")
    with pytest.raises(DataError, match=r"1 row\(s\) cannot be read, the first: .*test\.txt:2: .* not UTF-8"):
        load_dataset(
            "custom",
            task="token_cls",
            train_file=train,
            test_file=path,
            splits=("test",),
            options=FileOptions(on_error="skip"),
        )


def test_texts_where_tokens_are_expected(tmp_path: Path) -> None:
    """Lines of Chinese sentences in a test file are not joined to one; words of Chinese and of English are tokens."""
    path = write(tmp_path / "in.txt", "周宁去了广州\n明天又去上海\n")
    with pytest.raises(DataError, match=r"in\.txt:1: 2 lines that read as texts"):
        read(path, "test")
    for content, found in (
        ("周宁去了广州\n\n明天又去上海\n", ["周宁去了广州", "明天又去上海"]),
        ("周宁\n去\n广州国际会展中心\n", ["周宁去广州国际会展中心"]),
        ("international\ncongress\n", ["international congress"]),
    ):
        assert [example["text"] for example in read(write(path, content), "test")[0]] == found


def test_tagged_files_among_plain_texts(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    for content in (
        "周 B-X\n宁 I-X\n\n来 O\n",
        "来\tO\n好\tS-X\n",
        "-DOCSTART- -X- -X- O\n\nMia NNP B-NP B-X\n",
        "周 b-x\n来 o\n",
        "周 X-B\n来 O\n",
        "周,B-X\n来,O\n",
        "周\u3000B_X\n来\u3000O\n",
    ):
        message = tagged_file_error(write(path, content))
        assert message is not None and message.startswith("is a tagged file (a token and its tag a line): write one")
    message = tagged_file_error(write(path, "周\x02宁\tB-X\x02I-X\n"))
    assert message is not None and message.startswith("is a tagged file (a sentence a line with its tags)")
    for content in (
        "",
        "\n",
        "周宁来了\n",
        "维生素 O\n他来了\n",
        "血型 O\n",
        "一 二\n三 四\n",
        "a B-\nb o\n",
        "一,二\n三:四\n",
    ):
        assert tagged_file_error(write(path, content)) is None
    assert tagged_file_error(write(tmp_path / "in.jsonl", "周 B-X\n宁 I-X\n")) is None
    with pytest.raises(DataError, match="no such file"):
        tagged_file_error(tmp_path / "none.txt")
    path.write_bytes("周 B-X\n宁 I-X\n".encode("gb18030"))
    assert tagged_file_error(path, "gb18030") is not None
    with pytest.raises(DataError, match=r"in\.txt: is a tagged file"):
        read_input_rows(path, "characters", FileOptions(encoding="gb18030"))
    assert looks_tagged(["周 B-X"] * 9 + ["话"]) and not looks_tagged(["周 B-X"] * 8 + ["话"] * 2)


fields = st.text(st.characters(exclude_categories=("Cs", "Z", "C")), min_size=1, max_size=3).filter(
    lambda text: text[0] not in "#-" and not text.isspace()
)
rows = st.lists(st.tuples(fields, fields, fields, st.sampled_from(SPEC.labels)), min_size=1, max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(sentences=st.lists(rows, min_size=1, max_size=3), separator=st.sampled_from([" ", "\t", "   "]))
def test_columns_carry_what_two_columns_carry(tmp_path: Path, sentences: list[Any], separator: str) -> None:
    def content(columns: list[int], between: str) -> str:
        lines = ["\n".join(between.join(row[column] for column in columns) for row in rows) for rows in sentences]
        return "\n\n".join(lines)

    path = write(tmp_path / "train.txt", content([0, 3], "\t"))
    expected = read(path)[0]
    for columns, tag in (([0, 1, 3], "-1"), ([0, 3, 1, 2], "2"), ([0, 1, 3, 2], "-2")):
        write(path, content(columns, separator))
        assert read(path, tag_column=tag)[0] == expected
        with pytest.raises(DataError, match="`tag_column` -1"):
            read(path)
