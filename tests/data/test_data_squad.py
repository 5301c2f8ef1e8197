"""Questions in SQuAD's form: what is read, where answers are located, what is left out, errors with their place."""

import json
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from squad_files import CONTEXT, ROW, changed, squad, write

from ernie_toolkit.data import SPLITS, Example, custom_spec, load_dataset, read_squad
from ernie_toolkit.data.file_options import FileRecord
from ernie_toolkit.data.questions import (
    ANSWER_NOT_FOUND,
    NEAR,
    NO_ANSWER,
    locate,
    parse_question,
)
from ernie_toolkit.data.reading import parse_examples
from ernie_toolkit.data.registry import get_spec
from ernie_toolkit.errors import ConfigError, DataError


def answer(text: Any, start: Any) -> dict[str, Any]:
    return {"answers": [{"text": text, "answer_start": start}]}


def read(path: Path, split: Any = "train") -> list[Example]:
    return list(read_squad(path, split))


def spans(split: Any = "train", **fields: Any) -> Any:
    example = parse_question(changed(**fields), split, "row")
    return example if example is None else example["span"]


def test_form(tmp_path: Path) -> None:
    expected = {
        "id": "q1",
        "title": "甲",
        "question": "甲生于哪里？",
        "context": CONTEXT,
        "answers": ["北京"],
        "span": (4, 6),
    }
    content = squad(ROW)
    for form in (content, content["data"], "\ufeff" + json.dumps(content, indent=1).replace("\n", "\r\n")):
        assert read(write(tmp_path / "train.json", form)) == [expected]
    assert parse_question(ROW, "train", "row") == expected


def test_questions_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    def qas(*names: int) -> list[dict[str, Any]]:
        return [{"id": name, "question": f"{name}？", "answers": ROW["answers"]} for name in names]

    data = [
        {"title": "一", "paragraphs": [{"context": CONTEXT, "qas": qas(3, 1)}, {"context": CONTEXT, "qas": qas(2)}]},
        {"paragraphs": []},
        {"paragraphs": [{"context": CONTEXT, "qas": []}, {"context": CONTEXT, "qas": qas(0)}]},
    ]
    rows = read(write(tmp_path / "train.json", {"data": data}))
    assert [row["id"] for row in rows] == ["3", "1", "2", "0"]
    assert [row["title"] for row in rows] == ["一", "一", "一", ""]


@pytest.mark.parametrize(
    ("context", "text", "start", "expected"),
    [
        ("ab ab ab", "ab", 3, 3),
        ("ab ab ab", "ab", 2, 3),
        ("ab ab ab", "ab", 4, 3),
        ("ab ab ab", "ab", 99, None),
        ("ab ab ab", "ab", 56, 6),
        ("ab ab ab", "ab", 57, None),
        ("ab  ab", "ab", 2, 0),
        ("aaaa", "aa", 1, 1),
        ("x" * 200 + "ab", "ab", 0, 200),
        ("x" * 200 + "abab", "ab", 0, None),
        ("ab" + "x" * 200 + "ab", "ab", 150, None),
        ("ab" + "x" * 200 + "ab", "ab", 152, 202),
        ("xxab", "ab", -1, 2),
        ("xxab", "ab", None, 2),
        ("abab", "ab", -1, None),
        ("abab", "ab", None, None),
        ("xx", "ab", 0, None),
    ],
)
def test_location(context: str, text: str, start: int | None, expected: int | None) -> None:
    assert NEAR == 50
    assert locate(context, text, start) == (None if expected is None else (expected, expected + len(text)))


def test_the_first_answer_that_is_found_gives_the_place() -> None:
    answers = [{"text": "南京", "answer_start": 4}, {"text": "上海", "answer_start": 0}, ROW["answers"][0]]
    example = parse_question(changed(answers=answers), "dev", "row")
    assert example is not None
    assert (example["answers"], example["span"]) == (["南京", "上海", "北京"], (11, 13))


def test_white_space_around_an_answer_does_not_count() -> None:
    context = "京 北京 北京"
    example = parse_question(changed(context=context, **answer(" 北京\n", 4)), "train", "row")
    assert example is not None
    assert (example["answers"], example["span"]) == (["北京"], (5, 7))
    assert spans("dev", answers=[{"text": " ", "answer_start": 0}, {"text": "上海"}]) == (11, 13)


def test_train_questions_without_a_place_are_left_out_and_named(tmp_path: Path) -> None:
    lost = [changed(id=index, **answer("南京", 4)) for index in range(6)]
    path = write(tmp_path / "train.json", squad(*lost[:4], ROW, *lost[4:], changed(id="q2", answers=...)))
    record = FileRecord()
    assert [row["id"] for row in read_squad(path, "train", record=record)] == ["q1"]
    assert record.left_out == {ANSWER_NOT_FOUND: ["0", "1", "2", "3", "4", "5"], NO_ANSWER: ["q2"]}
    data = load_dataset("cmrc2018", data_dir=tmp_path, splits=("train",))
    assert data.left_out == {"train": 7}
    assert data.notices == (
        f"6 question(s) whose answer is not found in the context left out of {path}: 0, 1, 2, 3, 4, ...",
        f"1 question(s) without an answer left out of {path}: q2",
    )


def test_dev_questions_without_a_place_stay_and_are_said(tmp_path: Path) -> None:
    path = write(tmp_path / "dev.json", squad(changed(**answer("南京", -1)), changed(id=2)))
    data = load_dataset("cmrc2018", data_dir=tmp_path, splits=("dev",))
    assert [row["span"] for row in data.split("dev")] == [None, (4, 6)]
    assert data.split("dev")[0]["answers"] == ["南京"]
    share = f"{path}: at most 50.00% of 2 dev questions can be exactly right"
    assert data.notices == (f"{share}: 1 (q1) have no answer that is in their context",)
    assert data.left_out == {"dev": 0}
    # Only what was looked at counts.
    few = load_dataset("cmrc2018", data_dir=tmp_path, splits=("dev",), limits={"dev": 1})
    assert few.notices[0].startswith(f"{path}: at most 0.00% of 1 dev questions")


@pytest.mark.parametrize(
    ("answers", "texts", "span"),
    [
        (..., [], None),
        (None, [], None),
        ([], [], None),
        ([{"text": "x", "answer_start": -1}, {"text": "y", "answer_start": -1}], [], None),
        ([{"text": "上海", "answer_start": 11}, {"text": "y", "answer_start": -1}], ["上海", "y"], (11, 13)),
    ],
)
def test_test_questions_need_no_answer(answers: Any, texts: list[str], span: Any) -> None:
    example = parse_question(changed(answers=answers), "test", "row")
    assert example is not None
    assert (example["answers"], example["span"]) == (texts, span)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (changed(id=...), "no field 'id'"),
        (changed(id=None), "the question's id is None"),
        (changed(id=True), "the question's id is True"),
        (changed(id=1.5), "the question's id is 1.5"),
        (changed(id=" "), "field 'id' is an empty text"),
        (changed(question=...), "no field 'question'"),
        (changed(question=" "), "field 'question' is an empty text"),
        (changed(question="\ud83d"), "half of a surrogate pair"),
        (changed(title=3), "field 'title' is a JSON number"),
        (changed(answers=3), "field 'answers' is a JSON number: it must be a list"),
        (changed(answers=[ROW["answers"][0], "北京"]), ".answers[1]: a JSON text, not an object"),
        (changed(answers={"texts": []}), "field 'answers' has no 'text': its fields are 'texts'"),
        (changed(answers={"text": ["北京"], "answer_start": []}), "1 answer(s) and 0 in 'answer_start'"),
        (changed(answers={"text": ["北京"], "answer_start": 4}), "1 answer(s) and a JSON number in 'answer_start'"),
        (changed(answers=["北京"], answer_starts=[4, 5]), "1 answer(s) and 2 in 'answer_starts'"),
        (changed(answers={"text": ["北京"], "answer_start": ["4"]}), "'answer_start' must be a whole number, not '4'"),
        (changed(is_impossible="maybe"), "field 'is_impossible' is 'maybe': it must be true or false"),
        (changed(is_impossible=2), "field 'is_impossible' is 2: it must be true or false"),
        (changed(is_impossible=[]), "field 'is_impossible' is []: it must be true or false"),
        (changed(**answer(5, 4)), ".answers[0]: field 'text' is a JSON number"),
        (changed(**answer(None, 4)), ".answers[0]: field 'text' is a JSON null"),
        (changed(**answer("北京", "4")), ".answers[0]: field 'answer_start' must be a whole number, not '4'"),
        (changed(**answer("北京", True)), ".answers[0]: field 'answer_start' must be a whole number, not True"),
        (changed(**answer("北京", 4.0)), ".answers[0]: field 'answer_start' must be a whole number, not 4.0"),
        (changed(answers=[]), "no answer to question 'q1': a question of the dev file needs one"),
        (changed(**answer(" ", 4)), "no answer to question 'q1'"),
        (changed(id="first"), "id 'first' stands there twice"),
    ],
)
def test_malformed_question_is_named(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "dev.json", squad(changed(id="first"), row))
    with pytest.raises(DataError) as caught:
        read(path, "dev")
    assert str(caught.value).startswith(f"{path}: data[1].paragraphs[0].qas[0]")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", ":1: not valid JSON (column 2: "),
        ('{"data": [\n {"a": }]}', ":2: not valid JSON (column 8: "),
        ('[{"question": "a", "context": "b"}]\n{}', ":2: not valid JSON (column 1: Extra data)"),
        (
            '{"id": 1, "question": "a", "context": "b"}\n{}',
            ":2: no question in it, its fields are none: the forms read",
        ),
        ('{"id": 1, "question": "a", "context": "b"}\n{"', ":2: not valid JSON"),
        ("[" * 100_000, ": not usable JSON"),
        ("3", ": a JSON number, neither an object nor a list: the forms read are SQuAD's"),
        ({}, ":1: no question in it, its fields are none: the forms read are SQuAD's"),
        ({"rows": [ROW]}, ":1: no question in it, its fields are 'rows': the forms read are SQuAD's"),
        ({"data": {}}, ": field 'data' is a JSON object: it must be a list"),
        ({"data": [3]}, ": data[0]: a JSON number, not an object"),
        ([{"title": "a"}], ": data[0]: no question in it, its fields are 'title': the forms read are SQuAD's"),
        ([{"paragraphs": 3}], ": data[0]: field 'paragraphs' is a JSON number: it must be a list"),
        ([{"paragraphs": [{"context": "a"}]}], ": data[0].paragraphs[0]: field 'qas' is missing"),
        (
            [{"paragraphs": [{"qas": [ROW]}]}],
            ": data[0].paragraphs[0]: no field 'context' or 'context_text': its fields",
        ),
        (
            [{"paragraphs": [{"qas": [ROW], "context": " "}]}],
            ": data[0].paragraphs[0].qas[0]: field 'context' is an empty text",
        ),
        ([{"paragraphs": [{"qas": ["a"], "context": "b"}]}], ": data[0].paragraphs[0].qas[0]: a JSON text, not"),
    ],
)
def test_malformed_file(tmp_path: Path, content: Any, message: str) -> None:
    path = write(tmp_path / "train.json", content)
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}{message}")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    with pytest.raises(DataError, match="no such file"):
        read(path)
    path.write_bytes(b'{"data":\n"' + "中".encode("gb18030") + b'"}')
    with pytest.raises(DataError, match=r"train\.json:2: byte 2 of the line \(0xd6\) is not UTF-8"):
        read(path)
    for content in ("", "\n", {"data": []}):
        write(path, content)
        with pytest.raises(DataError, match=r"train\.json: no rows to use"):
            load_dataset("cmrc2018", data_dir=tmp_path, splits=("train",))


def test_questions_beyond_the_limit_are_not_looked_at(tmp_path: Path) -> None:
    write(tmp_path / "train.json", squad(ROW, changed(id=2), changed(id=None)))
    data = load_dataset("cmrc2018", data_dir=tmp_path, splits=("train",), limits={"train": 2})
    assert len(data.split("train")) == 2
    with pytest.raises(DataError, match=r"data\[2\]"):
        load_dataset("cmrc2018", data_dir=tmp_path, splits=("train",))


def test_custom_files(tmp_path: Path) -> None:
    train = write(tmp_path / "my_train.json", squad(ROW))
    test = write(tmp_path / "my_test.json", squad(changed(answers=...)))
    data = load_dataset("custom", task="qa", train_file=train, test_file=test, splits=("train", "test"))
    spec = data.spec
    assert (spec.task_name, spec.text_format, spec.metric, spec.labels) == ("qa", "question_context", "f1", ())
    assert (data.split("train")[0]["span"], data.split("test")[0]["answers"]) == ((4, 6), [])
    assert custom_spec(test_file=test, task="qa").files == {"test": (str(test),)}
    with pytest.raises(ConfigError, match="`label_file` is for tasks with labels"):
        load_dataset("custom", task="qa", train_file=train, label_file=train)
    with pytest.raises(ConfigError, match="needs `train_file`"):
        load_dataset("custom", task="qa")


def test_rows_in_memory() -> None:
    record = FileRecord()
    rows = [ROW, changed(id="q2", **answer("南京", 0))]
    examples = list(parse_examples(rows, get_spec("cmrc2018"), "train", "sample", record))
    assert ([row["span"] for row in examples], record.left_out) == ([(4, 6)], {ANSWER_NOT_FOUND: ["q2"]})
    with pytest.raises(DataError, match="sample dev row 1: no answer to question 'q1'"):
        list(parse_examples([changed(answers=...)], get_spec("cmrc2018"), "dev", "sample", []))


texts = st.text(st.sampled_from("ab 中。\n"), min_size=1, max_size=60)
starts = st.none() | st.integers(-2, 80)


@settings(deadline=None, max_examples=300)
@given(context=texts, text=texts.filter(str.strip), start=starts)
def test_a_located_span_holds_the_answer(context: str, text: str, start: int | None) -> None:
    place = locate(context, text, start)
    occurrences = [index for index in range(len(context)) if context.startswith(text, index)]
    near = [index for index in occurrences if start is not None and start >= 0 and abs(index - start) <= NEAR]
    if place is not None:
        assert context[place[0] : place[1]] == text
    if near:
        assert place is not None and start is not None
        assert abs(place[0] - start) == min(abs(index - start) for index in near)
    else:
        assert (place is None) == (len(occurrences) != 1)


questions = st.fixed_dictionaries(
    {
        "id": st.uuids().map(str),
        "title": texts,
        "context": texts.filter(str.strip),
        "question": texts.filter(str.strip),
        "answers": st.lists(st.fixed_dictionaries({"text": texts, "answer_start": starts}), max_size=3),
    }
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(rows=st.lists(questions, max_size=4), ascii_only=st.booleans())
def test_questions_written_are_the_questions_read(tmp_path: Path, rows: list[Any], ascii_only: bool) -> None:
    path = write(tmp_path / "train.json", json.dumps(squad(*rows), ensure_ascii=ascii_only))
    record = FileRecord()
    examples = list(read_squad(path, "train", record=record))
    names = [row["id"] for row in examples]
    assert sorted([*names, *chain(*record.left_out.values())]) == sorted(row["id"] for row in rows)
    by_id = {row["id"]: row for row in rows}
    for example in examples:
        row = by_id[example["id"]]
        assert (example["context"], example["question"]) == (row["context"], row["question"])
        assert example["answers"] == [item["text"].strip() for item in row["answers"] if item["text"].strip()]
        assert example["context"][slice(*example["span"])] in example["answers"]


json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(("data", "paragraphs", "qas", "context", "id", "answers")), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(data=st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_questions_or_a_data_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.json"
    path.write_bytes(data)
    for split in SPLITS:
        try:
            read(path, split)
        except DataError as error:
            assert str(error).startswith(f"{path}:")


def test_real_files(dev_data: Path) -> None:
    data = load_dataset("cmrc2018", data_dir=dev_data, splits=SPLITS)
    assert {split: len(data.split(split)) for split in SPLITS} == {"train": 10_142, "dev": 3_219, "test": 2_000}
    assert (data.left_out, data.notices) == (dict.fromkeys(SPLITS, 0), ())
    for row in (*data.split("train"), *data.split("dev")):
        assert row["context"][slice(*row["span"])] in row["answers"]
    assert all(len(row["answers"]) == 3 for row in data.split("dev"))
    assert all(row["answers"] == [] and row["span"] is None for row in data.split("test"))
    # The offsets of 21 answers, of their text as the file spells it, are wrong by one or two characters.
    content = json.loads((dev_data / "cmrc2018" / "train.json").read_text(encoding="utf-8"))["data"]
    published = {qa["id"]: qa["answers"][0] for entry in content for item in entry["paragraphs"] for qa in item["qas"]}
    off = []
    for row in data.split("train"):
        gold = published[row["id"]]
        if not row["context"].startswith(gold["text"], gold["answer_start"]):
            lead = len(gold["text"]) - len(gold["text"].lstrip())
            off.append(abs(row["span"][0] - lead - gold["answer_start"]))
    assert len(off) == 21
    assert max(off) <= 2
