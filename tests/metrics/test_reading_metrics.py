"""CMRC2018's exact match and F1: worked by hand, properties, and the real gold answers."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_toolkit.metrics import exact_match, overlap_f1, reading_scores

ANSWER = st.text(st.sampled_from("甲乙丙丁aB1.,' \t，。《》-—…é（"), max_size=12) | st.text(max_size=8)


@pytest.mark.parametrize(
    ("prediction", "golds", "exact", "f1"),
    [
        ("北京市", ["北京市"], 1, 1),
        # run 北京 of 2 of 3 and 2 segments: 2 * 2 / (3 + 2)
        ("北京市", ["北京"], 0, 4 / 5),
        # the longest run counts, not all segments in common: 甲乙 of 4 and 5
        ("甲乙丁戊", ["甲乙丙丁戊"], 0, 2 * 2 / (4 + 5)),
        ("乙甲", ["甲乙"], 0, 2 * 1 / (2 + 2)),
        # of several golds the best, for each measure on its own
        ("甲乙丙", ["丁", "甲乙", "甲乙丙丁"], 0, 2 * 3 / (3 + 4)),
        ("甲乙丙", ["丁", "甲乙丙"], 1, 1),
        ("甲", ["乙"], 0, 0),
        # without a segment there is no F1; the texts can still be equal
        ("", ["甲"], 0, 0),
        ("甲", [""], 0, 0),
        ("", [""], 1, 0),
        ("，。", ["（）"], 1, 0),
        ("，。", ["甲", ""], 1, 0),
        # full-width punctuation of the list is removed, and so are its ASCII signs
        ("《红楼梦》。", ["红楼梦"], 1, 1),
        ("“甲”、「乙」；丙！", ["甲：乙～丙？"], 1, 1),
        ("甲-乙:丙_丁*^/\\~`+=", ["甲乙丙丁"], 1, 1),
        ("’·－『』", ["？！；："], 1, 0),
        # other signs stay: 2 of 4 and 2 segments, 2 * 2 / (4 + 2)
        ("(甲乙)", ["甲乙"], 0, 2 / 3),
        ("【甲乙】", ["甲乙"], 0, 2 / 3),
        ("甲…", ["甲"], 0, 2 / 3),
        # words: case is no difference, one word is one segment: 2 of 2 and 3
        ("New York", ["new york"], 1, 1),
        ("New York", ["new york city"], 0, 4 / 5),
        ("York", ["Yorkshire"], 0, 0),
        # white space between words counts for the exact match, not for F1
        ("new  york", ["new york"], 0, 1),
        ("《甲》 ", ["甲"], 1, 1),
        ("《甲 》", ["甲"], 0, 1),
        # mixed: segments 使 用 windows 10 系 统 and windows 10, 2 * 2 / (6 + 2)
        ("使用Windows 10系统", ["windows 10"], 0, 1 / 2),
        # numbers: 1.5 米, 3,000 米 and 1.5 万 米
        ("1.5米", ["3,000米"], 0, 2 * 1 / (2 + 2)),
        ("1.5米", ["1.5万米"], 0, 2 * 1 / (2 + 3)),
        # a point that is no number's: segments end . and 1.5 . against end
        ("end.", ["end"], 0, 2 * 1 / (2 + 1)),
        ("1.5.", ["1.5"], 0, 2 * 1 / (2 + 1)),
        ("a.5", ["a"], 0, 2 * 1 / (3 + 1)),
        # punctuation goes before words are made: 20102011年 in 2 segments, 2010年 2011年 in 4, only 年 in common
        ("2010-2011年", ["20102011年"], 1, 1),
        ("2010-2011年", ["2010年2011年"], 0, 2 * 1 / (2 + 4)),
        # the first and the last of the Chinese characters stand alone, the next one makes a word
        ("一龥", ["一"], 0, 2 * 1 / (2 + 1)),
        ("龦龦", ["龦"], 0, 0),
    ],
)
def test_worked_examples(prediction: str, golds: list[str], exact: int, f1: float) -> None:
    assert exact_match(prediction, golds) == exact
    assert overlap_f1(prediction, golds) == pytest.approx(f1)


def test_scores_are_means_over_questions() -> None:
    # exact 1, 0, 0; F1 1, 2 * 1 / (1 + 2) = 2/3, 0
    scores = reading_scores(["甲", "乙", ""], [["甲", "丁"], ["乙丙"], ["丙"]])
    assert scores == pytest.approx({"exact_match": 1 / 3, "f1": 5 / 9})


def test_questions_that_cannot_be_answered_want_the_empty_answer() -> None:
    scores = reading_scores(["", " ", "甲", "甲"], [None, None, None, ["甲"]])
    assert scores == pytest.approx({"exact_match": 3 / 4, "f1": 3 / 4})


def test_questions_and_answers_must_fit() -> None:
    with pytest.raises(ValueError, match="1 predictions and gold answers of 2 questions"):
        reading_scores(["甲"], [["甲"], ["乙"]])
    with pytest.raises(ValueError, match="no questions"):
        reading_scores([], [])
    with pytest.raises(ValueError, match="without a gold answer"):
        reading_scores(["甲"], [[]])
    with pytest.raises(ValueError, match="not one text"):
        overlap_f1("甲", "甲乙")


@given(st.text("甲乙丙", min_size=1, max_size=12), st.text("甲乙丙", min_size=1, max_size=12))
def test_the_run_is_the_longest(prediction: str, gold: str) -> None:
    pieces = {prediction[i:j] for i in range(len(prediction)) for j in range(i + 1, len(prediction) + 1)}
    longest = max((len(piece) for piece in pieces if piece in gold), default=0)
    assert overlap_f1(prediction, [gold]) == pytest.approx(2 * longest / (len(prediction) + len(gold)))


@given(ANSWER, st.lists(ANSWER, min_size=1, max_size=4), ANSWER)
def test_bounds_identity_and_more_golds(prediction: str, golds: list[str], other: str) -> None:
    exact, f1 = exact_match(prediction, golds), overlap_f1(prediction, golds)
    assert exact in (0.0, 1.0) and 0.0 <= f1 <= 1.0
    assert exact_match(prediction, [*golds, other]) >= exact
    assert overlap_f1(prediction, [*golds, other]) >= f1
    assert exact_match(prediction, [prediction]) == 1.0
    # a text is its own best answer unless nothing of it is left, which no answer shares a segment with
    has_segments = overlap_f1(prediction, [prediction]) == 1.0
    assert has_segments or overlap_f1(prediction, [prediction]) == f1 == 0.0
    if exact and has_segments:
        assert f1 == 1.0
    assert overlap_f1(golds[0], [prediction]) == overlap_f1(prediction, golds[:1])


@given(st.text("甲乙aB1 ，。《》-（", min_size=1, max_size=12), st.sampled_from("甲a1"))
def test_what_has_a_letter_or_a_digit_has_segments(text: str, visible: str) -> None:
    assert overlap_f1(text + visible, [text + visible]) == 1.0


def test_gold_answers_of_cmrc2018_score_one(dev_data: Path) -> None:
    file = dev_data / "cmrc2018" / "dev.json"
    if not file.is_file():
        pytest.skip(f"no {file}")
    paragraphs = [
        part for title in json.loads(file.read_text(encoding="utf-8"))["data"] for part in title["paragraphs"]
    ]
    golds = [[answer["text"] for answer in qa["answers"]] for part in paragraphs for qa in part["qas"]]
    assert len(golds) == 3219
    assert reading_scores([answers[0] for answers in golds], golds) == {"exact_match": 1.0, "f1": 1.0}
    # what follows the answer makes it longer, and no better
    longer = reading_scores([answers[0] + "甲乙" for answers in golds], golds)
    assert longer["exact_match"] == 0.0 and 0.5 < longer["f1"] < 1.0
