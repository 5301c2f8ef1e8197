"""Logits to labels, and accuracy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ernie_toolkit.decoding import decode_labels, softmax
from ernie_toolkit.metrics import accuracy

FINITE = st.floats(-1e4, 1e4, width=32)


@given(arrays(np.float32, st.tuples(st.integers(1, 9), st.just(4)), elements=FINITE))
def test_the_largest_logit_wins_with_its_probability(logits: np.ndarray) -> None:
    answers = decode_labels(logits, ["a", "b", "c", "d"], ["A", "B", "C", "D"])
    probabilities = softmax(logits)
    assert np.allclose(probabilities.sum(axis=1), 1)
    for row, answer in enumerate(answers):
        assert answer.index == int(logits[row].argmax())
        assert (answer.label, answer.name) == ("abcd"[answer.index], "ABCD"[answer.index])
        assert answer.confidence == pytest.approx(probabilities[row].max())


def test_worked_example() -> None:
    answer = decode_labels(np.array([[0.0, np.log(3.0)]]), ["no", "yes"])[0]
    assert (answer.label, answer.name) == ("yes", "yes")
    assert answer.confidence == pytest.approx(0.75)
    assert decode_labels(np.empty((0, 2)), ["no", "yes"]) == []


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match=r"want \(rows, 2\)"):
        decode_labels(np.zeros((1, 3)), ["no", "yes"])
    with pytest.raises(ValueError, match="do not fit"):
        accuracy(np.zeros((2, 2)), np.zeros(3, dtype=int))
    with pytest.raises(ValueError, match="no rows"):
        accuracy(np.zeros((0, 2)), np.zeros(0, dtype=int))


def test_accuracy_counts_and_breaks_ties_as_decoding_does() -> None:
    logits = np.array([[2.0, 1.0], [0.0, 1.0], [1.0, 1.0], [3.0, 4.0]])
    assert accuracy(logits, np.array([0, 1, 0, 0])) == 0.75
    assert decode_labels(logits, ["0", "1"])[2].index == 0
