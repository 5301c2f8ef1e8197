"""Strict BIO and the scores of entities: worked by hand, and against seqeval."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.v1 import precision_recall_fscore_support
from seqeval.scheme import IOB2, Entities

from ernie_toolkit.decoding.bio import entity_spans
from ernie_toolkit.metrics import Scores, entity_scores

TAGS = ("O", "B-X", "I-X", "B-Y", "I-Y", "B-a-b", "I-a-b")
TEXT = st.lists(st.sampled_from(TAGS), min_size=1, max_size=9)


@st.composite
def gold_and_predicted(draw: st.DrawFn) -> tuple[list[list[str]], list[list[str]]]:
    """Tags of some texts, broken ones too, and others that are mostly the same."""
    gold = draw(st.lists(TEXT, min_size=1, max_size=6))
    slips = st.sampled_from([None, None, *TAGS])
    return gold, [[draw(slips) or tag for tag in text] for text in gold]


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("", []),
        ("O O", []),
        ("B-X", [("X", 0, 1)]),
        ("O B-X I-X O", [("X", 1, 3)]),
        ("B-X I-X", [("X", 0, 2)]),
        ("B-X B-X I-X", [("X", 0, 1), ("X", 1, 3)]),
        ("I-X I-X O", []),
        ("B-X I-Y I-X", [("X", 0, 1)]),
        ("B-X O I-X", [("X", 0, 1)]),
        ("I-X B-X", [("X", 1, 2)]),
        ("B-a-b I-a-b I-a", [("a-b", 0, 2)]),
        ("B-- I-- O", [("-", 0, 2)]),
    ],
)
def test_entities_of_tags(tags: str, spans: list[tuple[str, int, int]]) -> None:
    assert entity_spans(tags.split()) == spans


@given(TEXT)
def test_entities_are_those_of_seqeval(tags: list[str]) -> None:
    theirs = Entities([tags], IOB2).entities[0]
    assert entity_spans(tags) == [(entity.tag, entity.start, entity.end) for entity in theirs]


@pytest.mark.parametrize("tag", ["", "B", "I", "B-", "I-", "S-X", "E-X", "BX", "b-X", "o", "X"])
def test_other_tags_are_refused(tag: str) -> None:
    with pytest.raises(ValueError, match="at 1 is none of O, B-X and I-X"):
        entity_spans(["B-X", tag])


def test_worked_example() -> None:
    gold = [[("PER", 0, 2), ("LOC", 4, 6)], [("LOC", 0, 2)], []]
    # right: the person and one place; wrong: a boundary, a type, and an entity where there is none
    predicted = [[("PER", 0, 2), ("LOC", 4, 7)], [("LOC", 0, 2), ("ORG", 3, 4)], [("PER", 0, 2)]]
    overall, by_type = entity_scores(gold, predicted)
    # 2 right of 5 predicted and of 3 gold: P 2/5, R 2/3, F1 2 * 2/5 * 2/3 / (2/5 + 2/3) = (8/15) / (16/15)
    assert overall == Scores(2 / 5, 2 / 3, 1 / 2, 3, 5)
    assert list(by_type) == ["LOC", "ORG", "PER"]
    assert by_type["LOC"] == Scores(1 / 2, 1 / 2, 1 / 2, 2, 2)
    assert by_type["ORG"] == Scores(0.0, 0.0, 0.0, 0, 1)
    assert by_type["PER"] == Scores(1 / 2, 1.0, 2 / 3, 1, 2)


def test_type_and_both_boundaries_must_fit() -> None:
    gold = [[("X", 1, 3)]]
    for wrong in (("Y", 1, 3), ("X", 0, 3), ("X", 1, 4)):
        assert entity_scores(gold, [[wrong]])[0] == Scores(0.0, 0.0, 0.0, 1, 1)
    # the right entity in the wrong text, and a gold type that was never predicted
    overall, by_type = entity_scores([*gold, []], [[], *gold])
    assert overall == Scores(0.0, 0.0, 0.0, 1, 1) == by_type["X"]
    assert entity_scores(gold, [[]])[1] == {"X": Scores(0.0, 0.0, 0.0, 1, 0)}


def test_nothing_scores_nothing() -> None:
    nothing = Scores(0.0, 0.0, 0.0, 0, 0)
    assert entity_scores([], []) == (nothing, {})
    assert entity_scores([[], []], [[], []]) == (nothing, {})
    # an entity given twice counts once
    assert entity_scores([[("X", 0, 1)]], [[("X", 0, 1), ("X", 0, 1)]])[0] == Scores(1.0, 1.0, 1.0, 1, 1)
    with pytest.raises(ValueError, match="of 1 texts and predicted ones of 2"):
        entity_scores([[]], [[], []])


@settings(max_examples=300)
@given(gold_and_predicted())
def test_scores_are_those_of_seqeval(tags: tuple[list[list[str]], list[list[str]]]) -> None:
    gold, predicted = ([entity_spans(text) for text in side] for side in tags)
    overall, by_type = entity_scores(gold, predicted)
    names = sorted({kind for side in (gold, predicted) for text in side for kind, _, _ in text})
    assert list(by_type) == names
    assert overall.predicted == sum(map(len, predicted)) == sum(scores.predicted for scores in by_type.values())
    if not names:  # seqeval is not defined on no entities
        assert overall == Scores(0.0, 0.0, 0.0, 0, 0)
        return
    theirs = precision_recall_fscore_support(*tags, average="micro", scheme=IOB2, zero_division=0)
    assert (overall.precision, overall.recall, overall.f1, overall.support) == pytest.approx(theirs)
    columns = precision_recall_fscore_support(*tags, average=None, scheme=IOB2, zero_division=0)
    for scores, row in zip(by_type.values(), zip(*columns, strict=True), strict=True):
        assert (scores.precision, scores.recall, scores.f1, scores.support) == pytest.approx(row)
