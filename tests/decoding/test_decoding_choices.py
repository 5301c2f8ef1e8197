"""Choices: each question's own probabilities, and different choices for the blanks of one passage."""

import sys
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_toolkit.decoding import decode_choices, softmax, split_logits
from ernie_toolkit.decoding.choices import assigned, shared_passages
from ernie_toolkit.errors import ConfigError

LETTERS = ("甲", "乙", "丙", "丁", "戊")
counts = st.lists(st.integers(2, 5), min_size=1, max_size=8)


def logits_of(sizes: list[int], seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.normal(size=size).astype(np.float32) for size in sizes]


@given(counts, st.integers(0, 99))
def test_rows_are_split_by_question(sizes: list[int], seed: int) -> None:
    parts = logits_of(sizes, seed)
    found = split_logits(np.concatenate(parts), sizes)
    assert all(np.array_equal(one, other) for one, other in zip(found, parts, strict=True))
    with pytest.raises(ValueError, match=rf"do not fit {sum(sizes)} choices"):
        split_logits(np.concatenate([*parts, [0.0]]), sizes)
    assert split_logits(np.zeros(0), []) == []


@given(counts, st.integers(0, 99))
def test_the_most_probable_choice(sizes: list[int], seed: int) -> None:
    logits = logits_of(sizes, seed)
    answers = decode_choices(logits, [LETTERS[:size] for size in sizes])
    for answer, values in zip(answers, logits, strict=True):
        assert (answer.index, answer.choice) == (values.argmax(), LETTERS[values.argmax()])
        assert answer.probabilities == tuple(softmax(values).tolist()) and sum(answer.probabilities) == pytest.approx(1)
        assert answer.confidence == answer.probabilities[answer.index] and answer.content == answer.index
        assert answer.lines()[0].startswith(f"choice: {answer.choice} ({answer.index})  confidence: 0.")


@given(st.integers(1, 4), st.integers(0, 4), st.integers(0, 99))
def test_blanks_take_the_choices_with_the_highest_product(blanks: int, more: int, seed: int) -> None:
    choices = max(2, blanks + more)
    probabilities = softmax(np.random.default_rng(seed).normal(size=(blanks, choices)) * 3)
    best = max(
        permutations(range(choices), blanks),
        key=lambda chosen: sum(np.log(probabilities[row, place]) for row, place in enumerate(chosen)),
    )
    assert tuple(assigned(probabilities)) == best


@given(st.integers(0, 99), st.permutations(range(6)))
def test_passages_are_told_apart_whatever_the_order(seed: int, order: list[int]) -> None:
    """Blanks of two passages in any order, and a question of a third."""
    logits = logits_of([4] * 6, seed)
    passages = ["a", "a", "a", "b", "b", "c"]
    choices = [LETTERS[:4]] * 6
    answers = decode_choices(logits, choices, passages)
    mixed = decode_choices([logits[n] for n in order], choices, [passages[n] for n in order])
    assert mixed == [answers[n] for n in order]
    for passage in "ab":
        own = [answer.index for answer, name in zip(answers, passages, strict=True) if name == passage]
        assert len(set(own)) == len(own)
    assert answers[5] == decode_choices(logits[5:], choices[5:])[0]
    assert sorted(map(tuple, shared_passages(passages))) == [(0, 1, 2), (3, 4)]


def test_more_blanks_than_choices_are_each_by_themselves() -> None:
    logits = [np.array([3.0, 0.0], dtype=np.float32)] * 3
    answers = decode_choices(logits, [LETTERS[:2]] * 3, ["a"] * 3)
    assert [answer.index for answer in answers] == [0, 0, 0]


def test_a_certain_model_does_not_divide_by_nothing() -> None:
    logits = [np.array([1e4, 0.0, 0.0], dtype=np.float32)] * 2
    answers = decode_choices(logits, [LETTERS[:3]] * 2, ["a", "a"])
    assert len({answer.index for answer in answers}) == 2


def test_without_scipy_one_blank_at_a_time_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    logits = logits_of([3, 3])
    alone = decode_choices(logits[:1], [LETTERS[:3]], ["a"])
    assert alone[0].index == logits[0].argmax()
    with pytest.raises(
        ConfigError, match=r"pip install 'ernie_toolkit\[choices\]'.* or ask for one blank at a time"
    ) as caught:
        decode_choices(logits, [LETTERS[:3]] * 2, ["a", "a"])
    assert "\n" not in str(caught.value)
