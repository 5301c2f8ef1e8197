"""Questions with choices: C3's and ChID's files, a user's rows, and what is refused with file, line and remedy."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ernie_toolkit.data import SPLITS, DataSet, load_dataset
from ernie_toolkit.data.choice_files import read_choices
from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.inputs import read_input_rows
from ernie_toolkit.data.predictions import guide_results, write_predictions
from ernie_toolkit.data.reading import read_examples
from ernie_toolkit.data.registry import get_spec
from ernie_toolkit.decoding import ChoiceAnswer
from ernie_toolkit.errors import DataError

SKIP = FileOptions(on_error="skip")
ROW = {"context": "男：我是医生。", "question": "男的做什么？", "choices": ["司机", "医生", "教师"], "answer": 1}
TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8).filter(lambda text: text.strip())
CHOICES = st.lists(TEXT, min_size=2, max_size=5, unique=True)


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def custom(path: Path, **options: Any) -> DataSet:
    return load_dataset("custom", task="multiple_choice", train_file=path, dev_file=path, **options)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(st.tuples(TEXT, st.none() | TEXT, CHOICES, st.integers(0, 1), st.booleans()), min_size=1, max_size=5))
def test_rows_written_are_the_rows_read(
    tmp_path: Path, rows: list[tuple[str, str | None, list[str], int, bool]]
) -> None:
    """An answer by its index or as a text, a question or none."""
    written = [
        {
            "context": context,
            **({} if question is None else {"question": question}),
            "choices": choices,
            # A number that is a choice's text, too, is ambiguous: see below.
            "answer": choices[place] if as_text or str(place) in choices else place,
        }
        for context, question, choices, place, as_text in rows
    ]
    data = custom(write(tmp_path / "train.jsonl", *written))
    assert data.split("train") == [
        {"id": number, "context": row[0], "question": row[1] or "", "choices": row[2], "answer": row[3]}
        for number, row in enumerate(rows)
    ]
    assert (data.spec.text_format, data.spec.labels, data.spec.metric) == ("choices", (), "accuracy")


def test_one_line_says_what_was_read(tmp_path: Path) -> None:
    path = write(tmp_path / "train.jsonl", ROW, {**ROW, "choices": ["医生", "司机"], "answer": "医生"})
    data = custom(path)
    assert data.summary[0] == (
        "  train: train.jsonl, JSON lines: context, question, choices, answer: 2 questions; choices: 3 (1), 2 (1)"
    )
    test = write(tmp_path / "test.jsonl", {**ROW, "answer": None}, ROW)
    asked = load_dataset("custom", task="multiple_choice", splits=("test",), test_file=test)
    assert asked.summary == (
        "  test: test.jsonl, JSON lines: context, question, choices, answer: "
        "2 questions; choices: 3 (2); 1 without an answer",
    )
    assert [row["line"] for row in asked.split("test")] == [1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"choices": ["医生"]}, r"1 choice\(s\) in 'choices': a question needs 2 at least"),
        ({"choices": []}, r"0 choice\(s\)"),
        ({"choices": "医生"}, "field 'choices' is a JSON text: write the choices as a list of texts"),
        ({"choices": None}, "field 'choices' is a JSON null"),
        ({"choices": ["司机", "医生", "司机"]}, "choices 0 and 2 are both '司机': take one out"),
        ({"choices": ["司机", "医生", " "]}, r"choice 2 \(counted from 0\) is an empty text"),
        ({"choices": ["司机", 3, "医生"]}, r"choice 1 \(counted from 0\) is a JSON number: it must be a text"),
        ({"answer": "律师"}, "field 'answer' is '律师', none of its 3 choices: write one of them as it stands there"),
        ({"answer": "1"}, "none of its 3 choices: an index is a number without quotation marks, counted from 0"),
        ({"answer": 3}, "field 'answer' is 3: the indices of its 3 choices go from 0 to 2"),
        ({"answer": -1}, "field 'answer' is -1: the indices"),
        ({"answer": 1.0}, "field 'answer' is a number with a fraction: write the right choice, or its index"),
        ({"answer": True}, "field 'answer' is a truth value"),
        ({"answer": ["医生"]}, "field 'answer' is a list"),
        ({"answer": None}, "no answer: a row of the train file needs the choice or its index in 'answer'"),
        ({"choices": ["1", "2", "3"], "answer": 1}, "is the index of '2' and also the text of a choice"),
        ({"context": 5}, "field 'context' is a JSON number: it must be a text"),
        ({"context": []}, "field 'context' is a JSON list"),
        ({"context": ["甲", ""]}, "text 1 of 'context' is an empty text"),
        ({"question": 5}, "field 'question' is a JSON number"),
        ({"id": 1.5}, "the row's id is 1.5: it must be a text or a whole number"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "train.jsonl", ROW, {**ROW, **change})
    with pytest.raises(DataError, match=rf"train\.jsonl:2: .*{message}") as caught:
        custom(path)
    assert "\n" not in str(caught.value)


def test_a_text_is_a_choice_and_a_number_an_index(tmp_path: Path) -> None:
    numbers = {**ROW, "choices": ["3", "1", "2"]}
    path = write(tmp_path / "a.jsonl", {**numbers, "answer": "1"}, {**numbers, "answer": "3"}, {**ROW, "answer": 0})
    assert [row["answer"] for row in custom(path).split("train")] == [1, 0, 0]
    for name in ("context", "choices"):
        row = {key: value for key, value in ROW.items() if key != name}
        with pytest.raises(DataError, match=f"no field '{name}': the row has"):
            custom(write(tmp_path / "b.jsonl", row))


def test_rows_to_predict_that_cannot_be_read_are_skipped(tmp_path: Path) -> None:
    path = write(tmp_path / "test.jsonl", ROW, {**ROW, "choices": ["一"]}, {**ROW, "answer": 1})
    data = load_dataset("custom", task="multiple_choice", splits=("test",), test_file=path, options=SKIP)
    answer = ChoiceAnswer(1, "医生", 0.5, (0.25, 0.5, 0.25))
    (written,) = write_predictions(data, data.split("test"), [answer, answer], tmp_path / "out")
    rows = json.loads(written.read_text(encoding="utf-8"))["predictions"]
    assert [row["line"] for row in rows] == [1, 2, 3] and [row["index"] for row in rows] == [1, None, 1]
    assert "a question needs 2 at least" in rows[1]["reason"] and rows[0]["probabilities"] == [0.25, 0.5, 0.25]
    assert guide_results(data, data.split("test"), [answer, answer])["label"] == [1, None, 1]
    found = read_input_rows(path, "choices", SKIP)
    assert [row.place for row in found] == [1, 2, 3] and found[1].text is None
    assert found[0].text == ("男：我是医生。", "男的做什么？", "司机", "医生", "教师")
    with pytest.raises(DataError, match=r"name the file \.jsonl"):
        read_input_rows(Path(path.rename(tmp_path / "test.txt")), "choices")


def c3(number: int, **change: Any) -> list[Any]:
    question = {"question": f"第{number}问？", "choice": ["甲", "乙", "丙"], "answer": "乙", **change}
    return [["男：一。", "女：二。"], [question], f"1-{number}"]


def test_both_parts_of_c3_are_read_together(tmp_path: Path) -> None:
    for part, number in (("d", 0), ("m", 5)):
        path = tmp_path / f"c3-{part}-dev.json"
        path.write_text(json.dumps([c3(number), c3(number + 1)]), encoding="utf-8")
    data = load_dataset("c3", data_dir=tmp_path, splits=("dev",))
    assert [row["question"] for row in data.split("dev")] == ["第0问？", "第1问？", "第5问？", "第6问？"]
    assert data.split("dev")[3] == {
        "id": 3,
        "context": "男：一。\n女：二。",
        "question": "第6问？",
        "choices": ["甲", "乙", "丙"],
        "answer": 1,
    }
    assert data.notices == () and "C3's form (c3-d-dev.json, c3-m-dev.json): 4 questions" in data.summary[0]
    for part, other in (("m", "d"), ("d", "m")):
        (tmp_path / f"c3-{other}-dev.json").rename(tmp_path / "away")
        data = load_dataset("c3", data_dir=tmp_path, splits=("dev",))
        assert len(data.split("dev")) == 2
        assert data.notices == (
            f"{tmp_path}/c3-{part}-dev.json: one of the two parts of C3: c3-{other}-dev.json is not beside it, and is "
            "not read",
        )
        (tmp_path / "away").rename(tmp_path / f"c3-{other}-dev.json")


def test_c3_of_a_test_part_and_clues_file(tmp_path: Path) -> None:
    entries = [c3(0), [["文。"], [], "x"], c3(1, choice=["甲"]), c3(2, choice=["甲", "甲"], answer="")]
    (tmp_path / "test1.1.json").write_text(json.dumps(entries), encoding="utf-8")
    with pytest.raises(DataError, match=r"test1\.1\.json: data\[1\]: not \[texts, questions, id\]"):
        load_dataset("c3", data_dir=tmp_path, splits=("test",))
    data = load_dataset("c3", data_dir=tmp_path, splits=("test",), options=SKIP)
    assert [row["id"] for row in data.split("test")] == [0, 3]
    assert "1 question(s) have a choice twice: the first of the two counts" in data.notices[0]
    (tmp_path / "c3-d-dev.json").write_text(json.dumps([c3(0, choice=["乙", "乙"]), c3(1)]), encoding="utf-8")
    part = load_dataset("c3", data_dir=tmp_path, splits=("dev",), limits={"dev": 1})
    assert "c3-m-dev.json is not beside it" in part.notices[0] and "1 question(s) have a choice" in part.notices[1]
    answers = [ChoiceAnswer(1, "乙", 0.5, (0.2, 0.5, 0.3)), ChoiceAnswer(0, "甲", 0.5, (0.5, 0.5))]
    _, submission = write_predictions(data, data.split("test"), answers, tmp_path)
    assert submission.name == "c311_predict.json"
    lines = [json.loads(line) for line in submission.read_text(encoding="utf-8").splitlines()]
    assert lines == [{"id": number, "label": label} for number, label in enumerate((1, None, None, 0))]
    found = read_input_rows(tmp_path / "test1.1.json", "choices", SKIP)
    assert [row.text is None for row in found] == [False, True, True, False]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (c3(0, answer="丁"), r"data\[0\]\[1\]\[0\]: field 'answer' is '丁', none of its 3 choices"),
        (c3(0, answer=None), r"no answer: a question of the train file needs the right choice in 'answer'"),
        (c3(0, choice=None), "field 'choice' is a JSON null"),
        ([["文。"], ["问"], "x"], r"data\[0\]\[1\]\[0\]: a JSON text, not an object"),
        ([[], [{"question": "问", "choice": ["甲", "乙"], "answer": "甲"}], "x"], "field 'texts' is a JSON list"),
        ([["文。"], [{"choice": ["甲", "乙"], "answer": "甲"}], "x"], "no field 'question': the question has"),
    ],
)
def test_what_is_no_question_of_c3(tmp_path: Path, entry: list[Any], message: str) -> None:
    path = tmp_path / "c3-d-train.json"
    path.write_text(json.dumps([entry]), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load_dataset("c3", data_dir=tmp_path, splits=("train",))


def chid(*numbers: int, **change: Any) -> dict[str, Any]:
    content = [f"他#idiom{number:06d}#地走了。" for number in numbers]
    return {"content": content, "candidates": ["一丝不苟", "喜出望外", "半途而废"], **change}


def test_every_blank_of_chid_is_a_question(tmp_path: Path) -> None:
    write(tmp_path / "train.json", chid(1, 2), chid(3, content="只有#idiom000003#。"))
    answers = {"#idiom000001#": 2, "#idiom000002#": 0, "#idiom000003#": 1}
    (tmp_path / "train_answer.json").write_text(json.dumps(answers), encoding="utf-8")
    data = load_dataset("chid", data_dir=tmp_path, splits=("train",))
    rows = data.split("train")
    assert [(row["id"], row["question"], row["answer"]) for row in rows] == [
        (blank, blank, index) for blank, index in answers.items()
    ]
    assert rows[0]["context"] == rows[1]["context"] == "他#idiom000001#地走了。\n他#idiom000002#地走了。"
    assert "ChID's form (train.json, train_answer.json): 3 questions; choices: 3 (3)" in data.summary[0]
    part = load_dataset("chid", data_dir=tmp_path, splits=("train",), limits={"train": 1})
    assert "ChID's form (train.json, train_answer.json): 1 question (no more than 1 asked for)" in part.summary[0]
    assert data.spec.task(64).inputs(rows)[0] == (rows[0]["context"], "#idiom000001#", *rows[0]["choices"])


def test_chid_of_the_few_shot_release(tmp_path: Path) -> None:
    row = {"id": 7, "content": "他#idiom#地走了。", "candidates": ["一丝不苟", "喜出望外"], "answer": 1}
    data = load_dataset("custom", task="multiple_choice", splits=("dev",), dev_file=write(tmp_path / "dev.json", row))
    assert data.spec.text_format == "cloze"
    assert [(row["id"], row["question"], row["answer"]) for row in data.split("dev")] == [(7, "#idiom#", 1)]


def test_chid_to_predict_and_clues_file(tmp_path: Path) -> None:
    path = write(tmp_path / "test.json", chid(1, 2), chid(content="没有。"), chid(3))
    data = load_dataset("chid", data_dir=tmp_path, splits=("test",), options=SKIP)
    assert [(row["id"], row["line"]) for row in data.split("test")] == [
        ("#idiom000001#", 1),
        ("#idiom000002#", 1),
        ("#idiom000003#", 3),
    ]
    answers = [ChoiceAnswer(index, "x", 0.5, (0.2, 0.5, 0.3)) for index in (2, 0, 1)]
    _, submission = write_predictions(data, data.split("test"), answers, tmp_path)
    assert submission.name == "chid11_predict.json"
    assert json.loads(submission.read_text(encoding="utf-8")) == {
        "#idiom000001#": 2,
        "#idiom000002#": 0,
        "#idiom000003#": 1,
    }
    found = read_input_rows(path, "cloze", SKIP)
    assert [row.place for row in found] == [1, 1, 2, 3] and "no blank in 'content'" in found[2].reason


@pytest.mark.parametrize(
    ("rows", "answers", "message"),
    [
        ([chid(1)], None, "no answer: neither is there train_answer.json, nor has the row a field 'answer'"),
        ([chid(1, 2, answer=1)], None, "one 'answer' to 2 blanks: write their answers to train_answer.json"),
        ([chid(1, 2)], {"#idiom000001#": 0}, "no answer to the blank #idiom000002# in train_answer.json"),
        ([chid(1)], {"#idiom000001#": 3}, "field 'answer' is 3: the indices of its 3 choices go from 0 to 2"),
        ([chid(1), chid(1)], {"#idiom000001#": 0}, ":2: the blank #idiom000001# stands in an earlier row too"),
        ([chid(1, 1)], {"#idiom000001#": 0}, "stands in its context more than once: give each its own number"),
        ([chid(1, content="没有。")], {}, "no blank in 'content': write it as #idiom1#"),
        ([chid(1, candidates=["甲", "甲"])], {"#idiom000001#": 0}, "choices 0 and 1 are both '甲'"),
        ([{"content": "#idiom1#"}], {}, "no field 'candidates'"),
    ],
)
def test_what_is_no_row_of_chid(tmp_path: Path, rows: list[Any], answers: Any, message: str) -> None:
    write(tmp_path / "train.json", *rows)
    if answers is not None:
        (tmp_path / "train_answer.json").write_text(json.dumps(answers), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load_dataset("chid", data_dir=tmp_path, splits=("train",))


def test_files_of_two_kinds_do_not_go_together(tmp_path: Path) -> None:
    train, dev = write(tmp_path / "a.jsonl", ROW), write(tmp_path / "b.jsonl", chid(1, answer=0))
    with pytest.raises(DataError, match=r"b\.jsonl: ChID's form, and the others are choices: give files of one kind"):
        load_dataset("custom", task="multiple_choice", train_file=train, dev_file=dev)
    with pytest.raises(DataError, match=r"a\.jsonl:1: '男的做什么？' is no blank of its context, which has none"):
        load_dataset("custom", task="multiple_choice", train_file=dev, dev_file=train)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("context", "question", "choices", "answer", "id", "content", "candidates", "choice")
strange = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=8) | st.lists(json_values, max_size=3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.lists(strange, max_size=3), st.booleans(), st.sampled_from(["choices", "cloze"]), st.sampled_from(SPLITS))
def test_strange_files_are_refused_or_read(
    tmp_path: Path, rows: list[Any], whole: bool, text_format: str, split: Any
) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows) if whole else "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    try:
        examples = list(read_choices(path, text_format, split, FileOptions(), FileRecord()))
    except DataError as error:
        assert str(path) in str(error) and "\n" not in str(error)
        return
    for example in examples:
        assert example["context"].strip() and len(example["choices"]) >= 2
        assert example["answer"] is None or 0 <= example["answer"] < len(example["choices"])


@pytest.mark.parametrize(
    ("name", "sizes"), [("c3", (11869, 3816, 3892)), ("chid", (1925, 481, 481))], ids=lambda value: str(value)[:4]
)
def test_real_files(dev_data: Path, name: str, sizes: tuple[int, ...]) -> None:
    spec, record = get_spec(name), FileRecord()
    for split, size in zip(SPLITS, sizes, strict=True):
        path = dev_data / name / spec.files[split][0]
        examples = list(read_examples(path, spec, split, FileOptions(), record))
        assert len(examples) == size
        assert all((row["answer"] is None) == (name == "chid" and split == "test") for row in examples)
