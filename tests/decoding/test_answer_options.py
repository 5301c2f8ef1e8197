"""What a request may ask of its answers, and the temperature of their probabilities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_toolkit.decoding import AnswerOptions, WindowLogits, decode_choices, decode_labels, decode_spans, softmax
from ernie_toolkit.decoding.calibration import (
    calibrate,
    expected_calibration_error,
    fit_temperature,
    halves,
    negative_log_likelihood,
)
from ernie_toolkit.decoding.label_sets import decode_label_sets, moved_thresholds
from ernie_toolkit.decoding.tags import decode_tags
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.tasks import TASKS, MultiLabelClassification, make_task

LABELS = ("a", "b", "c", "d", "e")
SEEDS, TEMPERATURES = st.integers(0, 2**32 - 1), st.sampled_from((0.3, 1.0, 2.5))


def drawn(seed: int, rows: int = 6, scale: float = 3.0) -> np.ndarray:
    # Few different values, so that equal logits come up too.
    return (scale * np.random.default_rng(seed).normal(size=(rows, len(LABELS)))).round(1).astype(np.float32)


@given(SEEDS, st.integers(1, 7), TEMPERATURES)
def test_scores_are_sorted_and_are_the_probabilities(seed: int, count: int, temperature: float) -> None:
    logits = drawn(seed)
    some = decode_labels(logits, LABELS, None, AnswerOptions(top_k=count), temperature)
    every = decode_labels(logits, LABELS, None, AnswerOptions(all_scores=True), temperature)
    plain = decode_labels(logits, LABELS)
    probabilities = softmax(logits.astype(np.float64) / temperature)
    for one, whole, answer, row in zip(some, every, plain, probabilities, strict=True):
        assert one.scores is not None and whole.scores is not None
        assert one.scores == whole.scores[:count] and len(whole.scores) == len(LABELS)
        values = [item.confidence for item in whole.scores]
        assert values == sorted(values, reverse=True) and np.isclose(sum(values), 1)
        assert np.allclose(values, [row[item.index] for item in whole.scores])
        assert one.label == answer.label == whole.scores[0].label and one.confidence == values[0]
    choices = decode_choices(list(logits), [LABELS] * len(logits), None, AnswerOptions(top_k=count), temperature)
    for one, choice in zip(some, choices, strict=True):
        assert [item.index for item in one.scores or ()] == [item.index for item in choice.scores or ()]


@given(SEEDS, st.integers(0, 5), st.integers(1, 5), st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_sets_keep_to_their_bounds(seed: int, least: int, most: int, thresholds: list[float]) -> None:
    if least > most:
        with pytest.raises(ConfigError, match="more than `max_labels`"):
            AnswerOptions(min_labels=least, max_labels=most)
        return
    logits = drawn(seed)
    free = decode_label_sets(logits, LABELS, thresholds)
    bound = decode_label_sets(logits, LABELS, thresholds, None, AnswerOptions(min_labels=least, max_labels=most))
    for one, other in zip(free, bound, strict=True):
        assert least <= len(other.indices) <= most and list(other.indices) == sorted(other.indices)
        small, large = sorted((set(one.indices), set(other.indices)), key=len)
        assert small <= large and (not least <= len(one.indices) <= most or one == other)
        cut = [one.probabilities[place] for place in large - small]
        kept = [one.probabilities[place] for place in other.indices]
        if len(other.indices) < len(one.indices):
            assert max(cut) <= min(kept)


@given(SEEDS, TEMPERATURES, st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_a_temperature_changes_no_answer(seed: int, temperature: float, thresholds: list[float]) -> None:
    logits = drawn(seed)
    for one, other in zip(
        decode_label_sets(logits, LABELS, thresholds),
        decode_label_sets(logits, LABELS, thresholds, None, AnswerOptions(), temperature),
        strict=True,
    ):
        assert one.labels == other.labels
    back = moved_thresholds(moved_thresholds(thresholds, temperature), 1 / temperature)
    assert np.allclose(back, thresholds, atol=1e-6)


@given(SEEDS, st.booleans(), st.floats(0.2, 6))
def test_a_fitted_temperature_never_makes_labels_less_likely(seed: int, sets: bool, scale: float) -> None:
    logits, random = drawn(seed, 80, scale), np.random.default_rng(seed)
    gold = random.random(logits.shape) < 0.3 if sets else random.integers(0, len(LABELS), len(logits))
    found = fit_temperature(logits, gold)
    assert negative_log_likelihood(logits, gold, found) <= negative_log_likelihood(logits, gold, 1.0)
    result = calibrate(logits, gold)
    assert result == calibrate(logits, gold) and result.fitting_rows + result.measuring_rows == 80 == result.rows
    assert 0.05 <= result.temperature <= 20 and 0 <= result.ece_after <= 1 and 0 <= result.ece_before <= 1
    fitting, measuring = halves(80, result.seed)
    assert result.nll_after == negative_log_likelihood(logits[measuring], gold[measuring], result.half_temperature)
    assert result.half_temperature == fit_temperature(logits[fitting], gold[fitting])


def test_the_error_is_that_of_the_bins() -> None:
    # Ten rows of confidence 0.9, of which six are right: 0.3 off; ten of 0.6, of which six are right: none.
    logits = np.log(np.array([[0.9, 0.1]] * 10 + [[0.6, 0.4]] * 10))
    gold = np.array(([0] * 6 + [1] * 4) * 2)
    assert np.isclose(expected_calibration_error(logits, gold, 1.0), 0.15)


@given(SEEDS, st.integers(1, 30), st.integers(3, 12))
def test_candidates_lie_in_the_context_and_are_sorted(seed: int, count: int, length: int) -> None:
    random, context = np.random.default_rng(seed), "".join(map(chr, range(0x4E00, 0x4E00 + length)))
    offsets = np.stack([np.arange(length), np.arange(length) + 1], axis=1)
    window = WindowLogits(*random.normal(size=(2, length)).astype(np.float32), offsets)
    plain = decode_spans([window], context, 20, 5)
    answer = decode_spans([window], context, 20, 5, AnswerOptions(n_best=count))
    assert answer.text == plain.text and len(answer.candidates) <= count
    if count <= 20:  # as many as are kept anyway: the same candidates with the same confidences
        assert answer.candidates == plain.candidates[:count]
    values = [item.confidence for item in answer.candidates]
    assert values == sorted(values, reverse=True)
    assert all(context[item.start : item.end] == item.text for item in answer.candidates)


@given(SEEDS, st.floats(0, 1))
def test_entities_below_a_confidence_are_left_out_with_their_tags(seed: int, least: float) -> None:
    labels, text = ("B-X", "I-X", "B-Y", "I-Y", "O"), "甲乙丙丁戊己庚辛"
    logits = 2 * np.random.default_rng(seed).normal(size=(len(text), len(labels))).astype(np.float32)
    offsets = np.stack([np.arange(len(text)), np.arange(len(text)) + 1], axis=1)
    plain = decode_tags(logits, offsets, text, labels)
    answer = decode_tags(logits, offsets, text, labels, AnswerOptions(min_confidence=least))
    assert answer.entities == tuple(item for item in plain.entities if item.confidence >= least)
    inside = {place for item in answer.entities for place in range(item.start, item.end)}
    assert [tag != "O" for tag in answer.tags] == [place in inside for place in range(len(text))]


def test_an_answer_below_the_confidence_is_not_given() -> None:
    logits = np.log(np.array([[0.7, 0.3], [0.55, 0.45]]))
    sure, unsure = decode_labels(logits, ("a", "b"), None, AnswerOptions(abstain_below=0.6))
    assert sure.fields() == {"label": "a", "label_name": "a", "confidence": 0.7, "abstained": False}
    assert unsure.fields() == {"label": None, "label_name": None, "confidence": 0.55, "abstained": True}
    assert unsure.lines() == ["label: (abstained)  confidence: 0.5500"]
    [answer] = decode_label_sets(logits[:1], ("a", "b"), (0.5, 0.5), None, AnswerOptions(abstain_below=0.99))
    assert answer.labels is None and answer.fields()["abstained"] and answer.lines()[0].startswith("label: (abstained)")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"top_k": 0}, "`top_k` is 0"),
        ({"top_k": True}, "`top_k` is True"),
        ({"top_k": 2, "all_scores": True}, "exclude each other"),
        ({"threshold": {"a": 1.5}}, "`threshold` of 'a' is 1.5"),
        ({"threshold": {}}, "names no label"),
        ({"abstain_below": "0.5"}, "`abstain_below` is '0.5'"),
        ({"min_confidence": float("nan")}, "`min_confidence` is nan"),
    ],
)
def test_values_that_are_none(values: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        AnswerOptions(**values)  # type: ignore[arg-type]


def test_each_task_takes_its_own_options() -> None:
    every = {"top_k": 2, "all_scores": True, "min_labels": 1, "max_labels": 2, "threshold": 0.3}
    every.update(min_confidence=0.5, n_best=3, abstain_below=0.5)
    for name, kind in TASKS.items():
        if not kind.ANSWER_OPTIONS:
            continue
        task = make_task(name, LABELS if kind.has_labels else (), 32, kind.default_text_format)
        for option, value in every.items():
            options = AnswerOptions(**{option: value})  # type: ignore[arg-type]
            if option in kind.ANSWER_OPTIONS:
                assert task.answering(options).answer_options == options
                continue
            with pytest.raises(ConfigError, match=f"the task '{name}' takes no `{option}`, only `"):
                task.answering(options)


def test_thresholds_by_label_are_of_shown_probabilities() -> None:
    task = MultiLabelClassification(LABELS, 32, (0.5, 0.2, 0.9, 0.5, 0.5), temperature=2.0)
    asked = task.answering(AnswerOptions(threshold={"b": 0.7}))
    assert asked.shown_thresholds[1] == 0.7 and asked.thresholds[0] == 0.5 and asked.thresholds[2] == 0.9
    assert task.shown_thresholds == (0.5, 0.333333, 0.75, 0.5, 0.5)
    with pytest.raises(ConfigError, match="names 'z', which is none of the model's 5 labels"):
        task.answering(AnswerOptions(threshold={"z": 0.7}))
    with pytest.raises(ConfigError, match="`min_labels` is 6"):
        task.answering(AnswerOptions(min_labels=6))
