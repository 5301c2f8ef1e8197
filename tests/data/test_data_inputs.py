"""Files of texts to predict: as many rows as lines, and nothing that is no text answered as one."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_files import write

from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.inputs import (
    InputRow,
    check_is_of_texts,
    read_input_rows,
    read_inputs,
    read_text_rows,
    rows_in_order,
    skipped_notice,
    texts_to_predict,
    with_answers,
)
from ernie_toolkit.data.label_sets import read_numbered_texts
from ernie_toolkit.errors import DataError

SKIP = FileOptions(on_error="skip")
FORMATS = {"sentence": 1, "characters": 1, "pair": 2, "question_context": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inputs")


TEXT = st.text("甲乙丙ab 。", min_size=1, max_size=5).filter(lambda text: text.strip() and text != "ab")
LINES = st.lists(st.one_of(TEXT, st.sampled_from(["", "  ", "\t", "　", "a\tb\tc\td"])), max_size=8)


@settings(deadline=None)
@given(lines=LINES, text_format=st.sampled_from(list(FORMATS)), ending=st.sampled_from(["\n", "\r\n"]))
def test_a_row_for_every_line(folder: Path, lines: list[str], text_format: str, ending: str) -> None:
    """Up to the last one that is not blank, each with its own text, or with none and a reason."""
    good = {line for line in lines if line.strip() and "\t" not in line}
    content = [f"{line}\t{line}" if line in good and FORMATS[text_format] == 2 else line for line in lines]
    path = write(folder / "in.txt", "".join(line + ending for line in content))
    last = max((number for number, line in enumerate(lines, 1) if line.strip()), default=0)
    if not good:
        with pytest.raises(DataError, match="no text in it" if not last else "none of its"):
            read_input_rows(path, text_format, SKIP)
        return
    rows = read_input_rows(path, text_format, SKIP)
    assert [row.place for row in rows] == list(range(1, last + 1))
    for row, line in zip(rows, lines, strict=False):
        expected = None if line not in good else line if FORMATS[text_format] == 1 else (line, line)
        assert row.text == expected
        assert (row.reason == "") == (line in good) and (line in good or row.reason.startswith(f"{path}:{row.place}: "))
    bad = [row for row in rows if row.text is None]
    if bad:
        with pytest.raises(DataError, match=rf"in\.txt:{bad[0].place}: "):
            read_inputs(path, text_format)
    else:
        assert read_inputs(path, text_format) == texts_to_predict(rows)


def test_json_rows_keep_their_lines(folder: Path) -> None:
    rows = ('{"text": "甲"}', "", '{"text": ""}', "{", "[1]", '{"label": "x"}', '{"sentence": "乙", "label": 3}')
    found = read_input_rows(write(folder / "in.jsonl", "\n".join(rows) + "\n\n\n"), "sentence", SKIP)
    assert [row.text for row in found] == ["甲", None, None, None, None, None, "乙"]
    for row, message in zip(
        found[1:6],
        ("a blank line", "empty text", "not valid JSON", "a JSON list", "no text: expected 'text'"),
        strict=True,
    ):
        assert row.reason.startswith(f"{folder / 'in.jsonl'}:{row.place}: ") and message in row.reason


def test_lines_that_are_not_utf8(folder: Path) -> None:
    path = write(folder / "in.txt", b"\xef\xbb\xbfab\r\n" + "甲\n".encode() + "乙\n".encode("gbk") + b"cd")
    rows = read_input_rows(path, "sentence", SKIP)
    assert [row.text for row in rows] == ["ab", "甲", None, "cd"] and "is not UTF-8" in rows[2].reason
    with pytest.raises(DataError, match=r"in\.txt:3: .*UTF-8"):
        read_inputs(path, "sentence")
    for content in ("全部都是\n这样\n".encode("gbk"), "甲\n乙\n".encode("utf-16")):
        with pytest.raises(DataError, match="`encoding`"):
            read_input_rows(write(path, content), "sentence", SKIP)
        record = FileRecord()
        found = read_input_rows(path, "sentence", FileOptions(encoding="auto"), record=record)
        assert len(found) == 2 and found[0].text in ("全部都是", "甲") and "by its bytes" in record.notices[0]
    with pytest.raises(DataError, match="no such file"):
        read_input_rows(folder / "nowhere.txt", "sentence", SKIP)


@pytest.mark.parametrize("options", [FileOptions(), SKIP])
@pytest.mark.parametrize(
    ("content", "text_format", "message"),
    [
        ("text\n好吃\n", "sentence", r"in\.tsv:1: a header \(text\)"),
        ("Sentence1\tSentence2\n甲\t乙\n", "pair", r"in\.tsv:1: a header"),
        ("文本\t标签\n好吃\t好评\n", "sentence", r"in\.tsv:1: a header \(文本, 标签\)"),
        ("question\tcontext\n甲\t乙\n", "question_context", "a header"),
        ("李\tB-PER\n明\tI-PER\n\n在\tO\n", "characters", "is a tagged file"),
        ("李 B-PER\n明 I-PER\n\n在 O\n", "sentence", "is a tagged file"),
        ("李\tB-PER\n明\tI-PER\n", "pair", "is a tagged file"),
        ("甲\tyes\n乙\tno\n丙\tyes\n", "pair", "second column holds labels"),
        ("甲\tyes\n乙\tno\n", "sentence", r"2 tab-separated column\(s\), the model reads 1 text\(s\) \(cut -f1 drops"),
        ("甲\t乙\t1\n", "pair", "cut -f1,2 drops a label"),
    ],
)
def test_what_is_no_file_of_texts(
    folder: Path, content: str, text_format: str, message: str, options: FileOptions
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_input_rows(write(folder / "in.tsv", content), text_format, options, ("yes", "no"))
    assert "\n" not in str(caught.value)


def test_texts_that_look_a_little_like_something_else(folder: Path) -> None:
    """A text that is a header's word further down, one tagged line, a pair with one label's word."""
    for content, text_format in (
        ("好吃\ntext\n", "sentence"),
        ("甲\tO\n乙\t丙\n", "pair"),
        ("甲\tyes\n乙\t不\n", "pair"),
    ):
        path = write(folder / "in.tsv", content)
        assert len(read_input_rows(path, text_format, FileOptions(), ("yes", "no"))) == 2


def squad(*questions: dict[str, object]) -> str:
    return json.dumps({"data": [{"paragraphs": [{"context": "李明生于1980年。", "qas": list(questions)}]}]}, indent=1)


def test_questions(folder: Path) -> None:
    good = {"id": "q1", "question": "谁？", "answers": []}
    path = write(folder / "in.json", squad(good, {"id": "q2", "question": "几年？", "answers": []}))
    rows = read_input_rows(path, "question_context", SKIP)
    assert [(row.place, row.text) for row in rows] == [
        ("q1", ("谁？", "李明生于1980年。")),
        ("q2", ("几年？", "李明生于1980年。")),
    ]
    lines = '{"question":\n{"question": "谁？", "context": "李明。"}\n{"question": 3, "context": "李明。"}\n'
    found = read_input_rows(write(folder / "in.jsonl", lines), "question_context", SKIP)
    assert [row.text for row in found] == [None, ("谁？", "李明。"), None]


def test_numbered_texts(folder: Path) -> None:
    path = write(folder / "data.txt", "一\n\n二\t甲\n三\n\n")
    texts, skipped = read_numbered_texts(path, "skip")
    assert texts == [(1, "一"), (4, "三")]
    assert skipped[0].place == 2 and skipped[0].reason == f"{path}:2: a blank line: fill it or take it out"
    assert "a tab in a text" in skipped[1].reason
    rows = rows_in_order(texts, skipped)
    assert [row.place for row in rows] == [1, 2, 3, 4] and texts_to_predict(rows) == ["一", "三"]
    assert [answer for _, answer in with_answers(rows, "xy")] == ["x", None, None, "y"]
    assert str(skipped_notice(rows)).startswith(f"2 of 4 row(s) have no answer, the first: {path}:2: a blank line")
    assert skipped_notice([InputRow("a")]) is None
    with pytest.raises(DataError, match=r"data\.txt:2: a blank line: .*, or give `on_error` skip"):
        read_numbered_texts(path)
    with pytest.raises(DataError, match="no text in it"):
        read_numbered_texts(write(path, "\n\n"), "skip")
    check_is_of_texts(write(path, "一\n"))


def test_columns_of_csv_and_lists_of_json(folder: Path) -> None:
    """Files are read as those of training are: quotation marks are CSV's in a .csv file, a JSON list is its rows."""
    path = write(folder / "in.csv", '"好吃，就是""贵"""\n\n"两行\n一格"\n不好吃\n')
    rows = read_input_rows(path, "sentence", SKIP)
    assert [(row.place, row.text) for row in rows] == [
        (1, '好吃，就是"贵"'),
        (2, None),
        (3, "两行\n一格"),
        (5, "不好吃"),
    ]
    path = write(folder / "in.json", json.dumps([{"text": "甲"}, 3, {"text": "乙"}], indent=1))
    assert [(row.place, row.text) for row in read_input_rows(path, "sentence", SKIP)] == [
        (1, "甲"),
        (2, None),
        (3, "乙"),
    ]
    with pytest.raises(DataError, match=r"data\[1\]: a JSON number"):
        read_inputs(path, "sentence")


def test_questions_that_cannot_be_read_keep_their_places(folder: Path) -> None:
    """In a file of SQuAD's form rows have ids, and stand in the file's order with those that have no answer."""
    names = ["q1", "q2", "q3", "q4"]
    asked = [{"id": name, "question": "" if name in ("q1", "q3") else "谁？", "answers": []} for name in names]
    rows = read_input_rows(write(folder / "in.json", squad(*asked)), "question_context", SKIP)
    assert [(row.place, row.text is None) for row in rows] == [("q1", True), ("q2", False), ("q3", True), ("q4", False)]


def test_a_list_of_questions_without_ids(folder: Path) -> None:
    """A question and its context need no id to be asked, in a list as on lines."""
    flat = [{"question": "谁？", "context": "李明。"}, {"question": "", "context": "李明。"}, "x"]
    for content in (json.dumps(flat), json.dumps({"data": flat}, indent=1)):
        rows = read_input_rows(write(folder / "in.json", content), "question_context", SKIP)
        assert [(row.place, row.text) for row in rows] == [(1, ("谁？", "李明。")), (2, None), (3, None)]
    flat[0] = {**flat[0], "id": "q9"}  # type: ignore[dict-item]
    path = write(folder / "in.json", json.dumps(flat))
    assert next(row.place for row in read_input_rows(path, "question_context", SKIP)) == "q9"


def test_json_in_a_file_of_lines(folder: Path) -> None:
    """It is not answered as text; a text in braces is one."""
    for name in ("in.txt", "data.txt"):
        path = write(folder / name, '{"text": "甲"}\n{"text": "乙"}\n')
        with pytest.raises(DataError, match=r"JSON objects, .* name the file \.jsonl"):
            read_input_rows(path, "sentence", SKIP)
        with pytest.raises(DataError, match="JSON objects"):
            read_text_rows(path, SKIP, FileRecord())
    path = write(folder / "in.txt", '{笑}\n{"text": "甲"}\n')
    assert len(read_input_rows(path, "sentence")) == 2


def test_single_texts_as_they_stand(folder: Path) -> None:
    """Commas and quotation marks are the text's own; JSON is read by its fields, and another encoding is told."""
    record = FileRecord()
    rows = read_text_rows(write(folder / "in.csv", '"好吃",贵\n\n不好吃\n'), SKIP, record)
    assert [(row.place, row.text) for row in rows] == [(1, '"好吃",贵'), (2, None), (3, "不好吃")]
    rows = read_text_rows(write(folder / "in.jsonl", '{"text": "甲"}\n\n{"text": 1}\n'), SKIP, record)
    assert [(row.place, row.text) for row in rows] == [(1, "甲"), (2, None), (3, None)] and not record.notices
    rows = read_text_rows(write(folder / "in.txt", "味道还是不错的".encode("utf-16")), FileOptions("auto"), record)
    assert rows[0].text == "味道还是不错的" and "UTF-16" in record.notices[0]


def test_reasons_do_not_name_what_was_already_done(folder: Path) -> None:
    path = write(folder / "in.txt", "甲\n\n乙\n")
    rows = read_input_rows(path, "sentence", SKIP)
    assert rows[1].reason.endswith("a blank line: fill it or take it out")
    with pytest.raises(DataError, match="`on_error` skip"):
        read_inputs(path, "sentence")


def test_commas_of_a_text_in_csv(folder: Path) -> None:
    with pytest.raises(DataError, match=r"between quotation marks, or name the file \.txt"):
        read_inputs(write(folder / "in.csv", "好吃,贵\n"), "sentence")
