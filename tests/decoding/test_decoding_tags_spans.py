"""Tags to entities, and start and end logits to answers: places in the text, rules, and the search itself."""

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ernie_toolkit.decoding import (
    LabelAnswer,
    WindowLogits,
    character_tags,
    decode_spans,
    decode_tags,
    entity_spans,
)
from ernie_toolkit.decoding.tags import best_tags, mean_confidences

LABELS = ("B-PER", "I-PER", "B-LOC", "I-LOC", "O")


def offsets(*pairs: tuple[int, int]) -> np.ndarray:
    """Offsets of tokens."""
    return np.array(pairs, dtype=np.int32).reshape(-1, 2)


def one_hot(*tags: str) -> np.ndarray:
    """Logits that are sure of these tags."""
    return np.array([[9.0 if label == tag else 0.0 for label in LABELS] for tag in tags], dtype=np.float32)


@pytest.mark.parametrize(
    ("tags", "places", "length", "expected"),
    [
        # a word of several characters goes on with its own tag
        (["B-LOC", "O"], [(0, 3), (3, 4)], 4, ["B-LOC", "I-LOC", "I-LOC", "O"]),
        # white space and zero-width characters are inside an entity that goes on after them, and only there
        (["B-LOC", "I-LOC"], [(0, 3), (4, 8)], 8, ["B-LOC"] + ["I-LOC"] * 7),
        (["B-LOC", "B-LOC"], [(0, 1), (2, 3)], 3, ["B-LOC", "O", "B-LOC"]),
        (["B-LOC", "I-PER"], [(0, 1), (2, 3)], 3, ["B-LOC", "O", "I-PER"]),
        (["O", "I-PER"], [(1, 2), (3, 4)], 5, ["O", "O", "O", "I-PER", "O"]),
        # of several tokens made of one character the first one counts
        (["B-PER", "O", "I-PER"], [(0, 1), (0, 1), (1, 2)], 2, ["B-PER", "I-PER"]),
        ([], [], 2, ["O", "O"]),
    ],
)
def test_characters_get_the_tags_of_their_tokens(
    tags: list[str], places: list[tuple[int, int]], length: int, expected: list[str]
) -> None:
    assert character_tags(tags, offsets(*places), length) == expected


def test_broken_runs_give_way_to_the_best_whole_ones() -> None:
    text = "甲乙丙"
    places = offsets((0, 1), (1, 2), (2, 3))
    # I-PER cannot begin a text: B-PER costs 2 less of 9, O 9; and I-LOC after it would cost as much as B-LOC.
    logits = one_hot("I-PER", "I-PER", "B-LOC")
    logits[0, LABELS.index("B-PER")] = 7.0
    answer = decode_tags(logits, places, text, LABELS)
    assert answer.tags == ("B-PER", "I-PER", "B-LOC")
    assert [(item.type, item.text) for item in answer.entities] == [("PER", "甲乙"), ("LOC", "丙")]
    # A single token that is sure to be inside of another type breaks the run where that costs least.
    logits = one_hot("B-PER", "I-LOC", "O")
    logits[1, LABELS.index("O")] = 8.5
    assert decode_tags(logits, places, text, LABELS).tags == ("B-PER", "O", "O")


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_tags_are_the_best_whole_sequence(tokens: int, seed: int) -> None:
    """Against every sequence that is whole BIO."""
    logits = np.random.default_rng(seed).normal(size=(tokens, len(LABELS))).astype(np.float32)

    def whole(tags: tuple[str, ...]) -> bool:
        inside = sum(end - start for _, start, end in entity_spans(tags))
        return inside == sum(tag != "O" for tag in tags)

    sequences = (path for path in product(range(len(LABELS)), repeat=tokens) if whole(tuple(LABELS[i] for i in path)))
    best = max(sequences, key=lambda path: sum(float(logits[row, column]) for row, column in enumerate(path)))
    assert best_tags(logits, LABELS).tolist() == list(best)


def test_confidence_is_the_mean_over_an_entitys_tokens() -> None:
    logits = one_hot("B-PER", "I-PER", "O")
    logits[1] = 0.0
    logits[1, 1] = np.log(4.0)  # probability 4 / (4 + 4 others)
    answer = decode_tags(logits, offsets((0, 1), (1, 2), (2, 3)), "甲乙丙", LABELS)
    assert answer.tags == ("B-PER", "I-PER", "O")
    sure = np.exp(9.0) / (np.exp(9.0) + 4)
    assert answer.entities[0].confidence == pytest.approx((sure + 0.5) / 2)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 4)), min_size=1, max_size=20), st.integers(0, 2**32 - 1))
def test_confidences_are_those_of_the_direct_definition(places: list[tuple[int, int]], seed: int) -> None:
    """For tokens in any order, which no tokenizer gives, too."""
    generator = np.random.default_rng(seed)
    tokens = offsets(*((start, start + length) for start, length in places))
    tags = ["B-LOC" if one else "O" for one in generator.integers(0, 2, 16)]
    confidence = generator.random(len(tokens))
    spans = [
        (start, end) for _, start, end in entity_spans(tags) if ((tokens[:, 0] < end) & (tokens[:, 1] > start)).any()
    ]
    expected = [float(confidence[(tokens[:, 0] < end) & (tokens[:, 1] > start)].mean()) for start, end in spans]
    assert mean_confidences(confidence, tokens, spans) == expected


class Counted(np.ndarray):
    """An array that counts the elements that element-wise operations on it give."""

    elements = 0

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
        plain = [np.asarray(item) if isinstance(item, Counted) else item for item in inputs]
        result = getattr(ufunc, method)(*plain, **settings)
        Counted.elements += np.size(result)
        return result


def test_the_work_grows_with_the_text_and_not_with_its_square() -> None:
    tokens = 4000
    text = "字" * tokens
    places = offsets(*((place, place + 1) for place in range(tokens)))
    Counted.elements = 0
    answer = decode_tags(one_hot(*["B-LOC", "O"] * (tokens // 2)), places.view(Counted), text, LABELS)
    assert len(answer.entities) == tokens // 2
    assert 0 < Counted.elements < 10 * tokens


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="do not fit 5 labels"):
        decode_tags(np.zeros((2, 4)), offsets((0, 1), (1, 2)), "甲乙", LABELS)
    with pytest.raises(ValueError, match="do not fit"):
        decode_tags(np.zeros((2, 5)), offsets((0, 1)), "甲乙", LABELS)


@st.composite
def tokens_of_a_text(draw: st.DrawFn) -> tuple[str, np.ndarray]:
    """A text and the places of some tokens in it: in order, with gaps, some sharing one character."""
    text = draw(st.text(min_size=1, max_size=30))
    edges = sorted(
        draw(st.sets(st.integers(0, len(text)), min_size=2, max_size=12).map(list) | st.just([0, len(text)]))
    )
    places = []
    for start, end in pairwise(edges):
        if draw(st.booleans()):
            places += [(start, end)] * (draw(st.integers(1, 2)) if end - start == 1 else 1)
    return text, offsets(*places)


@settings(deadline=None)
@given(tokens_of_a_text(), st.integers(0, 2**32 - 1))
def test_entities_stand_where_they_say(tokens: tuple[str, np.ndarray], seed: int) -> None:
    text, places = tokens
    logits = np.random.default_rng(seed).normal(size=(len(places), len(LABELS))).astype(np.float32)
    answer = decode_tags(logits, places, text, LABELS)
    assert len(answer.tags) == len(text)
    assert [(item.type, item.start, item.end) for item in answer.entities] == entity_spans(answer.tags)
    last = 0
    for item in answer.entities:
        assert text[item.start : item.end] == item.text and item.text
        assert item.start >= last and 0 < item.confidence <= 1
        last = item.end


@settings(deadline=None)
@given(tokens_of_a_text(), st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 8), st.integers(1, 3))
def test_answers_are_the_best_of_all_spans(
    tokens: tuple[str, np.ndarray], seed: int, n_best: int, longest: int, windows: int
) -> None:
    text, places = tokens
    generator = np.random.default_rng(seed)
    parts, everything = [], {}
    for _ in range(windows):
        begin, end = sorted(generator.integers(0, len(places) + 1, 2).tolist())
        start_logits, end_logits = generator.normal(size=(2, end - begin)).astype(np.float32)
        parts.append(WindowLogits(start_logits, end_logits, places[begin:end]))
        for first in range(begin, end):
            for last in range(first, min(first + longest, end)):
                span = int(places[first, 0]), int(places[last, 1])
                score = float(start_logits[first - begin]) + float(end_logits[last - begin])
                everything[span] = max(score, everything.get(span, -np.inf))
    answer = decode_spans(parts, text, n_best, longest)
    best = sorted(everything.values(), reverse=True)[:n_best]
    if not everything:
        assert (answer.text, answer.candidates, answer.confidence) == ("", (), 0.0)
        return
    assert answer.text == text[answer.start : answer.end] == answer.candidates[0].text
    assert sum(item.confidence for item in answer.candidates) == pytest.approx(1)
    assert [item.score for item in answer.candidates] == sorted((c.score for c in answer.candidates), reverse=True)
    assert [item.score for item in answer.candidates] == pytest.approx(best)
    for item in answer.candidates:
        assert text[item.start : item.end] == item.text and item.text
        assert item.score == pytest.approx(everything[item.start, item.end])


def test_a_later_window_can_hold_the_answer() -> None:
    text = "一二三四五六"
    places = offsets(*((i, i + 1) for i in range(6)))
    early = WindowLogits(np.array([1.0, 0, 0, 0]), np.array([0, 1.0, 0, 0]), places[:4])
    late = WindowLogits(np.array([0, 0, 5.0, 0]), np.array([0, 0, 0, 5.0]), places[2:])
    answer = decode_spans([early, late], text, 20, 50)
    assert (answer.text, answer.start, answer.end) == ("五六", 4, 6)
    assert [item.text for item in answer.candidates].count("三四") == 1  # both windows offer it


def test_answers_as_json() -> None:
    assert LabelAnswer(1, "b", "B", 0.12345678).fields() == {
        "label": "b",
        "label_name": "B",
        "confidence": 0.123457,
    }
    tagged = decode_tags(one_hot("B-PER", "O"), offsets((0, 1), (1, 2)), "甲乙", LABELS)
    fields = tagged.fields()
    assert fields["tags"] == ["B-PER", "O"]
    assert {key: fields["entities"][0][key] for key in ("text", "type", "start", "end")} == {
        "text": "甲",
        "type": "PER",
        "start": 0,
        "end": 1,
    }
    span = decode_spans([WindowLogits(np.zeros(1), np.zeros(1), offsets((0, 2)))], "甲乙", 20, 50)
    assert span.fields() == {
        "answer": "甲乙",
        "start": 0,
        "end": 2,
        "confidence": 1.0,
        "n_best": [{"text": "甲乙", "start": 0, "end": 2, "score": 0.0, "confidence": 1.0}],
    }
