"""Confidence, temperature, and the choice of thresholds."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_toolkit.bundle.cascade import CONFIDENCES, EVERY_ROW_DEFERRED
from ernie_toolkit.decoding import label_sets, sigmoid, softmax
from ernie_toolkit.decoding.calibration import (
    HIGHEST,
    LOWEST,
    fit_temperature,
    golden_section,
    minimum,
    negative_log_likelihood,
)
from ernie_toolkit.inference.cascade.confidence import confidences
from ernie_toolkit.inference.cascade.thresholds import (
    Counts,
    answered_counts,
    answering_parts,
    candidates,
    choose_thresholds,
    counts_of,
    influences,
    micro_f1,
)
from ernie_toolkit.tasks import MultiLabelClassification, SequenceClassification
from ernie_toolkit.tasks.base import cross_entropy
from ernie_toolkit.tasks.multi_label_classification import binary_cross_entropy

LABELS = ("a", "b", "c")
ONE, SETS = SequenceClassification(LABELS, 32), MultiLabelClassification(LABELS, 32, (0.5, 0.2, 0.9))
SEEDS = st.integers(0, 2**32 - 1)


def models(seed: int, parts: int, rows: int, sets: bool = False) -> tuple[list[Counts], list[np.ndarray]]:
    """Counts and confidences of models that are right more often the later they come, some confidences the same."""
    draw = np.random.default_rng(seed)
    task = SETS if sets else ONE
    gold = draw.random((rows, 3)) < 0.4 if sets else draw.integers(0, 3, rows)
    truth = gold.astype(float) if sets else np.eye(3)[gold]
    tables = [(draw.normal(0, 2, (rows, 3)) + (1 + number) * truth).round(1) for number in range(parts)]
    counts = [counts_of(table, gold, task) for table in tables]
    return counts, [confidences(table, task, CONFIDENCES[seed % 2], 1.0) for table in tables[:-1]]


@given(SEEDS, st.integers(2, 4), st.integers(1, 60), st.floats(0, 30), st.booleans())
def test_the_choice_never_loses_more_than_allowed(
    seed: int, parts: int, rows: int, max_drop: float, sets: bool
) -> None:
    counts, found = models(seed, parts, rows, sets)
    thresholds = choose_thresholds(counts, found, [1.0] * parts, max_drop)
    answered = answered_counts(counts, answering_parts(found, thresholds))
    assert 100 * (micro_f1(counts[-1]) - micro_f1(answered)) <= max_drop + 1e-8


@given(SEEDS, st.integers(1, 60), st.floats(0, 20), st.floats(0, 20))
def test_more_loss_allowed_defers_no_more_rows(seed: int, rows: int, one: float, other: float) -> None:
    counts, found = models(seed, 2, rows)
    strict, loose = (choose_thresholds(counts, found, [1.0, 3.0], drop)[0] for drop in sorted((one, other)))
    assert loose <= strict


@given(SEEDS, st.integers(1, 60), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_threshold_defers_the_same_rows_and_more(seed: int, rows: int, one: float, other: float) -> None:
    _, found = models(seed, 2, rows)
    low, high = (answering_parts(found, [value]) for value in sorted((one, other)))
    assert (low <= high).all()
    assert not answering_parts(found, [0.0]).any() and answering_parts(found, [EVERY_ROW_DEFERRED]).all()


@given(SEEDS, st.integers(1, 200), st.integers(2, 30))
def test_candidates_are_few_and_have_both_ends(seed: int, rows: int, most: int) -> None:
    values = np.random.default_rng(seed).random(rows).round(2)
    found = candidates(values, most)
    assert 2 <= len(found) <= most and (np.diff(found) > 0).all()
    assert found[0] == 0 and found[-1] == EVERY_ROW_DEFERRED


def test_the_cheapest_of_three_parts_is_found() -> None:
    """A middle part that is never right costs time only: no row stays with it."""
    right, wrong = np.array([1, 1, 0, 0]), np.array([0, 0, 0, 0])
    one = np.ones(4, dtype=np.int64)
    counts = [Counts(right, one, one), Counts(wrong, one, one), Counts(one, one, one)]
    found = [np.array([0.9, 0.8, 0.3, 0.2]), np.array([0.9, 0.9, 0.9, 0.9])]
    first, second = choose_thresholds(counts, found, [1.0, 1.0, 5.0], 0.0)
    assert 0.3 < first <= 0.8 and second == EVERY_ROW_DEFERRED
    assert choose_thresholds(counts, found, [1.0, 1.0, 5.0], 100.0) == (0.0, 0.0)


@given(SEEDS, st.sampled_from(CONFIDENCES), st.floats(0.05, 20))
def test_confidence_is_that_of_the_answer(seed: int, kind: str, temperature: float) -> None:
    logits = np.random.default_rng(seed).normal(0, 5, (20, 3)).astype(np.float32)
    one = np.sort(softmax(logits / temperature), axis=1)
    expected = one[:, -1] if kind == "max_probability" else one[:, -1] - one[:, -2]
    np.testing.assert_allclose(confidences(logits, ONE, kind, temperature), expected, atol=1e-12)
    for task in (SETS, MultiLabelClassification(LABELS, 32, (0.0, 1.0, 0.5))):
        found = confidences(logits, task, kind, temperature)
        assert ((found >= 0) & (found <= 1)).all()
    if temperature == 1 and kind == "margin":
        np.testing.assert_allclose(found, np.abs(sigmoid(logits) - (0, 1, 0.5)).min(axis=1))


def test_a_temperature_moves_thresholds_too() -> None:
    """What a label's probability is above of stays the same, so a label right at its threshold is never sure."""
    at = np.log(np.array([[1.0, 0.25, 9.0]])).astype(np.float32)
    for temperature in (0.2, 1.0, 7.0):
        assert confidences(at, SETS, "margin", temperature)[0] < 1e-6


@given(SEEDS)
def test_the_loss_is_that_of_training(seed: int) -> None:
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, 4, (30, 3)).astype(np.float32)
    gold, sets = draw.integers(0, 3, 30), draw.random((30, 3)) < 0.5
    assert math.isclose(negative_log_likelihood(logits, gold, 1.0), cross_entropy(logits, gold), rel_tol=1e-6)
    assert math.isclose(
        negative_log_likelihood(logits, sets, 1.0) / 3, binary_cross_entropy(logits, sets), rel_tol=1e-6
    )
    assert (label_sets(sigmoid(logits), SETS.used_thresholds).sum(axis=1) == counts_of(logits, sets, SETS).given).all()


@pytest.mark.parametrize("scale", [0.2, 1.0, 4.0])
def test_the_temperature_of_scaled_logits_is_their_scale(scale: float) -> None:
    draw = np.random.default_rng(5)
    logits = draw.normal(0, 2, (4000, 4))
    gold = (softmax(logits).cumsum(axis=1) > draw.random((4000, 1))).argmax(axis=1)
    assert math.isclose(fit_temperature((scale * logits).astype(np.float32), gold), scale, rel_tol=0.1)


def test_both_searches_find_the_same_place() -> None:
    for place in (-2.0, 0.3, 2.9):
        found = [
            search(lambda x, place=place: (x - place) ** 2, LOWEST, HIGHEST, 1e-4)
            for search in (minimum, golden_section)
        ]
        assert all(abs(value - place) < 1e-3 for value in found)


@given(SEEDS, st.booleans())
def test_influences_are_what_rows_move_the_metric_by(seed: int, sets: bool) -> None:
    """Left out, a row of many moves micro F1 by its influence; those of two models are McNemar's variance."""
    counts, _ = models(seed, 2, 400, sets)
    assert abs(influences(counts[0]).sum()) < 1e-9
    without = Counts(*(getattr(counts[0], name)[1:] for name in ("hits", "given", "wanted")))
    moved = micro_f1(counts[0]) - micro_f1(without)
    assert math.isclose(moved, influences(counts[0])[0], rel_tol=0.02, abs_tol=1e-9)
    if not sets:
        one, other = (item.hits for item in counts)
        drop = (one - other).mean()
        expected = (np.abs(one - other).sum() / 400 - drop**2) / 400
        assert math.isclose(np.square(influences(counts[0]) - influences(counts[1])).sum(), expected, abs_tol=1e-12)


def test_a_loss_that_is_small_by_chance_is_not_trusted() -> None:
    """Without a difference on the average, rows on which two models differ defer until few of them are left."""
    draw = np.random.default_rng(0)
    one, confidence = np.ones(2000, dtype=np.int64), draw.random(2000)
    differs = draw.random(2000) < 0.2
    first, last = ((draw.random(2000) < 0.5) & differs for _ in range(2))
    counts = [Counts(values.astype(np.int64), one, one) for values in (first, last)]
    answered = answering_parts([confidence], choose_thresholds(counts, [confidence], [1.0, 3.0], 0.5)) == 0
    assert 0.05 < answered.mean() < 0.95
    assert choose_thresholds(counts, [confidence], [1.0, 3.0], 10.0) == (0.0,)
