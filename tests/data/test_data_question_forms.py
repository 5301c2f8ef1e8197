"""Forms of question files beside SQuAD's, unanswerable questions, dev answers out of reach, rows that are skipped."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from squad_files import write

from ernie_toolkit.data import Example, load_dataset, read_squad
from ernie_toolkit.data.file_options import DEFAULT_FILE_OPTIONS, FileOptions, FileRecord
from ernie_toolkit.data.questions import ANSWER_AMBIGUOUS, NO_ANSWER, UNANSWERABLE
from ernie_toolkit.errors import DataError
from ernie_toolkit.metrics.reading import can_be_exact, exact_match

CONTEXT = "桥长三百米，桥面宽十米，由两省共建。"
LENGTH, WIDTH = ("桥有多长？", "三百米", 2), ("桥面多宽？", "十米", 9)
SCORE, SKIP = FileOptions(unanswerable="score"), FileOptions(on_error="skip")


def read(
    path: Path, split: Any = "train", options: FileOptions = DEFAULT_FILE_OPTIONS
) -> tuple[list[Example], FileRecord]:
    record = FileRecord()
    return list(read_squad(path, split, options, record)), record


def nested(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """SQuAD's form of flat rows, a paragraph each."""
    paragraphs = [
        {"context": row["context"], "qas": [{key: row[key] for key in row if key not in ("context", "title")}]}
        for row in rows
    ]
    return {"data": [{"title": rows[0].get("title"), "paragraphs": paragraphs}]}


def question(name: Any = "q1", asked: tuple[str, str, int] = LENGTH, **fields: Any) -> dict[str, Any]:
    text, gold, start = asked
    row = {
        "id": name,
        "context": CONTEXT,
        "question": text,
        "answers": [{"text": gold, "answer_start": start}],
        **fields,
    }
    return {key: value for key, value in row.items() if value is not ...}


def columns(name: str, asked: tuple[str, str, int]) -> dict[str, Any]:
    return question(name, asked, title="桥", answers={"text": [asked[1]], "answer_start": [asked[2]]})


FLAT = [columns("q1", LENGTH), columns("q2", WIDTH)]
PADDLE = [
    question(name, asked, title="桥", answers=[asked[1]], answer_starts=[asked[2]])
    for name, asked in (("q1", LENGTH), ("q2", WIDTH))
]
CMRC2018 = [
    {
        "context_id": "C",
        "context_text": CONTEXT,
        "title": "桥",
        "qas": [
            {"query_id": name, "query_text": text, "answers": [gold]}
            for name, (text, gold, _) in (("q1", LENGTH), ("q2", WIDTH))
        ],
    }
]
EXPECTED = [
    {
        "id": name,
        "title": "桥",
        "question": text,
        "context": CONTEXT,
        "answers": [gold],
        "span": (start, start + len(gold)),
    }
    for name, (text, gold, start) in (("q1", LENGTH), ("q2", WIDTH))
]


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize("rows", [FLAT, PADDLE, CMRC2018, nested(FLAT)["data"], nested(PADDLE)["data"]])
def test_every_form_gives_the_same_questions(tmp_path: Path, rows: list[Any]) -> None:
    contents = [rows, {"version": "1", "data": rows}, lines(rows), "\ufeff" + lines(rows).replace("\n", "\r\n\r\n")]
    contents += [json.dumps(rows, indent=1), json.dumps({"data": rows}, indent=2)]
    for content in contents:
        for split in ("train", "dev", "test"):
            found, record = read(write(tmp_path / "questions.json", content), split)
            assert found == EXPECTED and not record.notices and not record.left_out


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
@pytest.mark.parametrize("rows", [FLAT, CMRC2018], ids=["flat", "cmrc2018"])
def test_other_encodings(tmp_path: Path, encoding: str, rows: list[Any]) -> None:
    path = tmp_path / "questions.json"
    path.write_bytes(json.dumps(rows, ensure_ascii=False, indent=1).encode(encoding))
    for option in (encoding, "auto"):
        assert read(path, "dev", FileOptions(encoding=option))[0] == EXPECTED
    with pytest.raises(DataError, match=r"UTF-8|UTF-16"):
        read(path, "dev")


def test_the_form_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "questions.json"
    for content, form in ((FLAT, "flat rows"), (CMRC2018, "CMRC2018's own form"), (nested(FLAT), "SQuAD's form")):
        assert read(write(path, content))[1].format == form
    mixed = [*CMRC2018, columns("q3", LENGTH)]
    assert read(write(path, mixed))[1].format == "CMRC2018's own form and flat rows"
    # A reader that stops early has told the form of what it gave.
    record = FileRecord()
    next(read_squad(path, "train", record=record))
    assert record.format == "CMRC2018's own form"


@pytest.mark.parametrize("answers", ["三百米", ["三百米"], {"text": "三百米", "answer_start": 2}, {"text": ["三百米"]}])
def test_an_answer_by_itself_is_read(tmp_path: Path, answers: Any) -> None:
    found, _ = read(write(tmp_path / "one.jsonl", lines([question(answers=answers)])))
    assert (found[0]["answers"], found[0]["span"]) == (["三百米"], (2, 5))


def test_of_answers_without_a_place_the_first_is_taken_and_said(tmp_path: Path) -> None:
    rows = [question(index, ("几米？", "米", 0), answers=["米"]) for index in range(7)]
    path = write(tmp_path / "train.json", [*rows, question("one", answers=["两省"])])
    found, record = read(path)
    assert [row["span"] for row in found] == [(4, 5)] * 7 + [(13, 15)] and not record.left_out
    assert record.notices == [
        f"{path}: the answers of 7 (0, 1, 2, 3, 4, ...) question(s) occur more than once in their contexts and have no "
        "answer_start: the first place is taken"
    ]
    # An offset that says nothing is another thing: nobody knows which place was meant.
    found, record = read(write(path, [question("none", answers=[{"text": "米", "answer_start": -1}])]))
    assert not found and record.left_out == {ANSWER_AMBIGUOUS: ["none"]}


MARKS = (True, 1, 1.0, "true", "True", " TRUE ", "1", "yes")
PLAUSIBLE: tuple[Any, ...] = (
    ...,
    [],
    None,
    [{"text": "十米", "answer_start": 9}],
    ["十米"],
    {"text": [], "answer_start": []},
)


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("answers", PLAUSIBLE)
def test_marked_questions_are_never_answered(tmp_path: Path, mark: Any, answers: Any) -> None:
    rows = [question(), question("none", WIDTH, is_impossible=mark, answers=answers)]
    for content in (rows, nested(rows)):
        path = write(tmp_path / "questions.json", content)
        for split in ("train", "dev"):
            found, record = read(path, split)
            assert [row["id"] for row in found] == ["q1"] and record.left_out == {UNANSWERABLE: ["none"]}
        found, record = read(path, "test")
        assert [(row["answers"], row["span"]) for row in found] == [(["三百米"], (2, 5)), ([], None)]
        assert not record.left_out
        found, record = read(path, "dev", SCORE)
        assert (found[1]["answers"], found[1]["span"], found[1]["is_impossible"]) == ([], None, True)
        assert record.notices == [
            f"{path}: at most 50.00% of 2 dev questions can be exactly right: 1 (none) marked as unanswerable score 0 "
            "unless the answer is empty"
        ]
        # Nothing is learnt from them whatever dev does with them.
        assert [row["id"] for row in read(path, "train", SCORE)[0]] == ["q1"]


@pytest.mark.parametrize("mark", [False, 0, 0.0, "false", "False", "0", "no", "", None, ...])
def test_other_questions_are(tmp_path: Path, mark: Any) -> None:
    path = write(tmp_path / "questions.json", [question(is_impossible=mark)])
    for split in ("train", "dev", "test"):
        found, record = read(path, split)
        assert found[0]["span"] == (2, 5) and "is_impossible" not in found[0] and not record.left_out
    path = write(tmp_path / "questions.json", [question(is_impossible=mark, answers=[])])
    assert read(path)[1].left_out == {NO_ANSWER: ["q1"]}
    with pytest.raises(
        DataError, match="needs one in 'answers', or is_impossible: true; its fields are 'id', 'context', 'question'"
    ):
        read(path, "dev")


def test_empty_columns_mark_a_question_where_no_field_does(tmp_path: Path) -> None:
    """squad_v2 in the form of `datasets` has no `is_impossible`."""
    path = write(
        tmp_path / "dev.json", [FLAT[0], columns("none", WIDTH) | {"answers": {"text": [], "answer_start": []}}]
    )
    for split in ("train", "dev"):
        assert read(path, split)[1].left_out == {UNANSWERABLE: ["none"]}
    assert read(path, "dev", SCORE)[0][1]["is_impossible"]
    data = load_dataset("custom", task="qa", train_file=path, dev_file=path, options=SCORE)
    said = "\n".join(data.notices)
    assert data.left_out == {"train": 1, "dev": 0} and "at most 50.00% of 2 dev questions" in said
    assert data.notices[0] == f"1 question(s) marked as unanswerable left out of {path}: none"


def test_dev_answers_out_of_reach_are_counted(tmp_path: Path) -> None:
    rows = [
        question(),
        question("far", answers=["四百米", "五百米"]),
        question("near", answers=["《三百米》"]),
        question("none", is_impossible=True),
        question("one", answers=["九百米", "十米"]),
    ]
    path = write(tmp_path / "dev.json", rows)
    found, record = read(path, "dev", SCORE)
    assert len(found) == 5 and record.notices == [
        f"{path}: at most 60.00% of 5 dev questions can be exactly right: 1 (none) marked as unanswerable score 0 "
        "unless the answer is empty, 2 (far, near) have no answer that is in their context, 1 of them but for case or "
        "punctuation"
    ]
    assert "at most 75.00% of 4 dev" in read(path, "dev")[1].notices[0]


TEXTS = st.text(st.sampled_from("aB ，《》-中文1"), min_size=1, max_size=12)


@given(context=TEXTS, golds=st.lists(TEXTS, min_size=1, max_size=2))
def test_what_is_said_to_be_out_of_reach_is(context: str, golds: list[str]) -> None:
    spans = (context[start:end] for start in range(len(context)) for end in range(start + 1, len(context) + 1))
    if not can_be_exact(context, golds):
        assert not any(exact_match(span, golds) for span in spans)
    if any(gold in context for gold in golds):
        assert can_be_exact(context, golds)


def test_bad_questions_to_predict_are_skipped_by_id(tmp_path: Path) -> None:
    good = question(answers=...)
    rows = [
        good,
        question("empty", question=" "),
        question("q1"),
        question(None),
        question("mark", is_impossible="?"),
        3,
        {"title": "x"},
        question("last", WIDTH),
    ]
    path = write(tmp_path / "test.json", rows)
    found, record = read(path, "test", SKIP)
    assert [row["id"] for row in found] == ["q1", "last"]
    assert [skipped.place for skipped in record.skipped] == [
        "empty",
        "data[2]",
        "data[3]",
        "mark",
        "data[5]",
        "data[6]",
    ]
    assert (
        record.skipped[0].reason == f"{path}: data[1]: field 'question' is an empty text: fill it or take the row out"
    )
    assert [row.place for row in read(write(path, lines(rows)), "test", SKIP)[1].skipped] == [
        "empty",
        3,
        4,
        "mark",
        6,
        7,
    ]
    for split in ("train", "dev"):  # what is learnt from has to be mended
        with pytest.raises(DataError):
            read(path, split, SKIP)
    with pytest.raises(DataError, match=r":2: field 'question' is an empty text"):
        read(path, "test")


def test_skipping_inside_of_paragraphs(tmp_path: Path) -> None:
    row = {"id": "q", "question": "几米？"}
    last = {"context": CONTEXT, "qas": [{**row, "id": "t"}, [], {"question": "？"}]}
    paragraphs: list[Any] = [
        {"qas": [row, {**row, "id": "r"}]},
        {"context": " ", "qas": [{**row, "id": "s"}]},
        {"qas": 3},
        4,
        last,
    ]
    path = write(tmp_path / "test.json", {"data": [{"paragraphs": paragraphs}]})
    found, record = read(path, "test", SKIP)
    inside = "data[0].paragraphs"
    assert [row["id"] for row in found] == ["t"]
    assert [skipped.place for skipped in record.skipped] == [
        "q",
        "r",
        "s",
        f"{inside}[2]",
        f"{inside}[3]",
        f"{inside}[4].qas[1]",
        f"{inside}[4].qas[2]",
    ]
    with pytest.raises(DataError, match=r"paragraphs\[0\]: no field 'context' or 'context_text': its fields are 'qas'"):
        read(path, "test")


def test_a_line_that_is_no_json_is_skipped_by_its_number(tmp_path: Path) -> None:
    good = json.dumps(question("a"))
    for broken in (f'{good}\n\n{{"id": \n', f'{{"id": \n\n{good}\n'):
        path = write(tmp_path / "test.jsonl", broken)
        found, record = read(path, "test", SKIP)
        assert [row["id"] for row in found] == ["a"]
        assert [row.place for row in record.skipped] == [3 if broken.startswith(good) else 1]


FORMS = {"flat": lambda rows: rows, "nested": nested, "lines": lines}
GOLD = st.text(st.sampled_from("ab 中。"), min_size=1, max_size=8).filter(str.strip)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "id": st.uuids().map(str),
                "title": st.just("题"),
                "context": GOLD,
                "question": GOLD,
                "answers": st.lists(GOLD, max_size=3),
                "is_impossible": st.sampled_from([True, False, "true", None, 0]),
            }
        ),
        min_size=2,
        max_size=4,
    ),
    form=st.sampled_from(sorted(FORMS)),
    scored=st.booleans(),
)
def test_forms_agree_on_any_questions(tmp_path: Path, rows: list[dict[str, Any]], form: str, scored: bool) -> None:
    """A form changes nothing about what is left out, answered, or said."""
    options = SCORE if scored else FileOptions()
    for row in rows:
        if not row["answers"] and row["is_impossible"] not in (True, "true"):
            row["is_impossible"] = True
    wanted, record = read(write(tmp_path / "q.json", {"data": rows}), "dev", options)
    found, other = read(write(tmp_path / "q.json", FORMS[form](rows)), "dev", options)
    assert found == wanted and other.left_out == record.left_out and other.notices == record.notices
    marked = [row["id"] for row in rows if row["is_impossible"] in (True, "true")]
    assert [row["id"] for row in found if row.get("is_impossible")] == (marked if scored else [])
    assert record.left_out_count == (0 if scored else len(marked))


def test_a_file_of_which_no_question_is_left_says_why(tmp_path: Path) -> None:
    good = write(tmp_path / "train.json", [question()])
    for split, rows, message in (
        ("train", [question(is_impossible=True)], r"left out: 1 question\(s\) marked as unanswerable"),
        ("test", [question(question="")], r"1 row\(s\) cannot be read, the first: .*'question' is an empty text"),
        ("test", [], "is it the right file"),
    ):
        files = {"train_file": good, f"{split}_file": write(tmp_path / "none.json", rows)}
        with pytest.raises(DataError, match=rf"none\.json: no rows to use in the {split} file: {message}"):
            load_dataset("custom", task="qa", splits=(split,), options=FileOptions(on_error="skip"), **files)
