"""Evaluation figures, evidence, wrong labels and augmentation, against direct computation."""

import pickle
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ernie_toolkit.decoding import sigmoid
from ernie_toolkit.errors import ConfigError, DataError, ModelError
from ernie_toolkit.formats.weights import WEIGHTS_FILE, read_weights_file
from ernie_toolkit.metrics import label_set_scores
from ernie_toolkit.models import Vocabulary
from ernie_toolkit.multi_label.analysis.augmentation import REPLACERS, STRATEGIES, augment, edited
from ernie_toolkit.multi_label.analysis.evaluation import (
    Evaluation,
    bad_case_text,
    bad_cases,
    co_occurrence,
    confusion,
    guide_lines,
    split_result,
    threshold_curve,
)
from ernie_toolkit.multi_label.analysis.lexicons import homonyms, synonyms, words_of
from ernie_toolkit.multi_label.analysis.masked_model import MaskedModel
from ernie_toolkit.multi_label.analysis.similarity import evidence, nearest, sparsest, support
from ernie_toolkit.multi_label.analysis.wrong_labels import (
    METHODS,
    confident_scores,
    fit_last_layer,
    most_suspicious,
    suspicion,
)

NAMES = ("甲", "乙", "丙")
GOLD = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]], dtype=bool)
PROBABILITIES = np.array([[0.9, 0.2, 0.6], [0.1, 0.8, 0.3], [0.1, 0.1, 0.55], [0.3, 0.1, 0.95]])
THRESHOLDS = (0.5, 0.5, 0.5)
TEXTS = ("一", "二", "三", "四")
FEATURES = hnp.arrays(np.float32, st.tuples(st.integers(1, 9), st.just(4)), elements=st.floats(-3, 3, width=16))


def evaluation() -> Evaluation:
    result = split_result(TEXTS, GOLD, PROBABILITIES, THRESHOLDS)
    return Evaluation(NAMES, THRESHOLDS, result, result)


def test_wrong_rows() -> None:
    first, second = bad_cases(evaluation().dev, THRESHOLDS)
    assert (first.row, first.gold, first.predicted, first.missed, first.surplus) == (0, (0, 1), (0, 2), (1,), (2,))
    assert first.worst == pytest.approx(0.3) and second.worst == pytest.approx(0.45)
    assert bad_case_text(evaluation(), [first, second]) == "Prediction\tLabel\tText\n甲,丙\t甲,乙\t一\n丙\t甲\t四\n"


def test_labels_together_and_in_place_of_others() -> None:
    assert co_occurrence(GOLD).tolist() == [[2, 1, 0], [1, 2, 0], [0, 0, 1]]
    assert confusion(GOLD, PROBABILITIES > 0.5).tolist() == [[0, 0, 1], [0, 0, 1], [0, 0, 0]]


def test_lines_in_the_guides_form() -> None:
    lines = guide_lines(evaluation())
    assert lines[:4] == [
        "-----Evaluate model-------",
        "Train dataset size: 4",
        "Dev dataset size: 4",
        "Accuracy in dev dataset: 50.00%",
    ]
    assert "Micro avg in dev dataset: precision: 60.00 | recall: 60.00 | F1 score 60.00" in lines
    place = lines.index("Class name: 丙")
    assert lines[place + 2] == (
        "Evaluation examples in dev dataset: 1(25.0%) | precision: 33.33 | recall: 100.00 | F1 score 50.00"
    )


def test_the_curve_at_each_threshold() -> None:
    curve = threshold_curve(GOLD, PROBABILITIES)
    assert curve["threshold"].shape == (101,) and curve["f1"].shape == (101, 3)
    for place in (0, 37, 50, 99, 100):
        total, labels = label_set_scores(GOLD, curve["threshold"][place] < PROBABILITIES)
        assert curve["macro_recall"][place] == total["macro_recall"] and curve["f1"][place].tolist() == list(
            labels["f1"]
        )


@settings(max_examples=60)
@given(FEATURES, FEATURES, st.integers(1, 12))
def test_nearest_rows_by_brute_force(queries: np.ndarray, others: np.ndarray, count: int) -> None:
    found = nearest(queries, others, count)
    for row, query in enumerate(queries):

        def cosine(other: np.ndarray, query: np.ndarray = query) -> float:
            lengths = float(np.linalg.norm(query)) * float(np.linalg.norm(other))
            return float(query @ other) / lengths if lengths else 0.0

        wanted = sorted((cosine(other) for other in others), reverse=True)[:count]
        assert found.similarities[row] == pytest.approx(wanted, abs=1e-5)
        assert [cosine(others[place]) for place in found.rows[row]] == pytest.approx(wanted, abs=1e-5)


def test_evidence_and_support() -> None:
    train = np.array([[1, 0], [0.9, 0.1], [0, 1]], dtype=np.float32)
    dev = np.array([[1, 0.05], [-1, -1], [0.1, 1]], dtype=np.float32)
    scores = evidence(dev, train, 2)
    assert sparsest(scores, 2).tolist() == [1, 2]
    assert support(dev[[2, 0]], train, 2, 0.5, 5) == [0, 1, 2]
    assert support(dev[[1]], train, 3, 0.0, 5) == [] and len(support(dev, train, 3, -1, 2)) == 2
    with pytest.raises(ValueError, match="not defined"):
        nearest(dev, train[:0], 1)


def planted(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, set[int]]:
    """Features, labels that follow from them but for a tenth of the rows, and which rows these are."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(rows, 12)).astype(np.float32)
    gold = (features @ draw.normal(size=(12, 5)) + 0.2 * draw.normal(size=(rows, 5))) > 1
    wrong = draw.choice(rows, rows // 10, replace=False)
    gold[wrong] = gold[draw.permutation(rows)[: len(wrong)]]
    return features, gold, set(wrong.tolist())


def test_weights_are_a_sum_over_representer_points() -> None:
    features, gold, _ = planted(200, 1)
    layer = fit_last_layer(features, gold)
    inputs = np.hstack([features / features.astype(np.float64).std(), np.ones((200, 1))])
    assert np.abs(inputs.T @ layer.representers - layer.weights).max() < 1e-3 * np.abs(layer.weights).max()
    assert layer.representers == pytest.approx((gold - sigmoid(inputs @ layer.weights)) / (2 * 1e-3 * 200))


@pytest.mark.parametrize("method", METHODS)
def test_planted_wrong_labels_are_found(method: str) -> None:
    features, gold, wrong = planted(400, 2)
    scores = suspicion(method, features, gold, 3)
    first = most_suspicious(scores, len(wrong), float("-inf"))
    assert len(wrong & set(first.tolist())) > 0.5 * len(wrong)  # chance: a tenth
    assert scores[first].tolist() == sorted(scores, reverse=True)[: len(wrong)]
    assert np.array_equal(scores, suspicion(method, features, gold, 3))
    assert len(most_suspicious(scores, 400, float(np.median(scores)))) == 200


def test_confident_learning_needs_rows_and_labels() -> None:
    features, gold, _ = planted(60, 4)
    gold[:, 0], gold[:, 1] = True, False
    assert confident_scores(features, gold, 1).shape == (60,)
    with pytest.raises(DataError, match="needs more of them"):
        confident_scores(features[:5], gold[:5], 1)


def test_lexicons() -> None:
    assert "赶快" in synonyms()["连忙"] or "赶紧" in synonyms()["连忙"]
    assert all(word not in others for word, others in list(synonyms().items())[:2000])
    assert "全" in homonyms()["权"] and "权" not in homonyms()["权"] and "券" not in homonyms()["权"]
    assert "".join(words_of("原告要求分割 夫妻共同财产，\t依法！")) == "原告要求分割 夫妻共同财产，\t依法！"


ROWS = [
    {"sentence": "原告要求依法分割夫妻共同财产，被告不同意离婚。", "labels": ("甲", "乙")},
    {"sentence": "双方婚后感情较好，经常争吵，孩子随母亲生活。", "labels": ()},
    {"sentence": "。。。", "labels": ("丙",)},
]


@pytest.mark.parametrize("kind", sorted(REPLACERS))
@pytest.mark.parametrize("strategy", [*STRATEGIES, "mix"])
def test_new_rows_keep_their_labels(strategy: str, kind: str) -> None:
    made = augment(ROWS, strategy, REPLACERS[kind], 3, 0.2, 5)
    assert made == augment(ROWS, strategy, REPLACERS[kind], 3, 0.2, 5)
    assert len(made) == 6 and [row["labels"] for row in made] == [("甲", "乙")] * 3 + [()] * 3
    texts = [row["sentence"] for row in made]
    assert len({*texts, *(row["sentence"] for row in ROWS)}) == len(texts) + len(ROWS)
    assert augment(ROWS[1:], strategy, REPLACERS[kind], 3, 0.2, 5)[:1] != made[:1]
    banned = augment(ROWS, strategy, REPLACERS[kind], 3, 0.2, 5, existing=texts)
    assert not {row["sentence"] for row in banned} & set(texts)


def test_copies() -> None:
    made = augment(ROWS, "duplicate", REPLACERS["synonym"], 2, 0.1, 1)
    assert [row["sentence"] for row in made] == [row["sentence"] for row in ROWS for _ in range(2)]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.sampled_from(["原告", "要求", "依法", "，", "离婚", "2015", "感情", "。"]), min_size=1, max_size=12),
    st.sampled_from(STRATEGIES),
    st.floats(0.05, 1.0),
    st.integers(0, 9),
)
def test_an_operation_touches_its_share_of_words(words: list[str], strategy: str, percent: float, seed: int) -> None:
    text = edited(words, strategy, REPLACERS["homonym"], percent, random.Random(seed))
    count = max(1, round(percent * len(words)))
    if text is None:
        return
    if strategy == "delete":
        assert len("".join(words)) - len(text) <= 4 * count and text
    elif strategy == "insert":
        assert 0 < len(text) - len("".join(words)) <= 4 * count
    else:
        assert len(text) == len("".join(words))
        if strategy == "swap":
            assert sorted(text) == sorted("".join(words))
        else:
            assert sum(a != b for a, b in zip(text, "".join(words), strict=True)) <= count
    assert all(mark in text for mark in ("，", "。") if mark in words)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("turn", 1, 0.1), "'turn' is not known"), (("swap", 0, 0.1), "`create_n` is 0"), (("swap", 1, 0.0), "percent")],
)
def test_values_out_of_range(arguments: tuple[str, int, float], message: str) -> None:
    strategy, create, percent = arguments
    with pytest.raises(ConfigError, match=message):
        augment(ROWS, strategy, REPLACERS["synonym"], create, percent, 1)


def test_a_masked_language_model_writes_words(tmp_path: Path, vocabulary: Vocabulary) -> None:
    from paddlenlp.transformers import ErnieConfig, ErnieForMaskedLM
    from tiny import TINY_SHAPE, make_tiny_model

    from ernie_toolkit.models import quiet_paddlenlp, save_model, write_vocabulary

    config = ErnieConfig(vocab_size=len(vocabulary.tokens), use_task_id=False, **TINY_SHAPE)
    with quiet_paddlenlp():
        ErnieForMaskedLM(config).save_pretrained(str(tmp_path / "mlm"))
    write_vocabulary(tmp_path / "mlm", vocabulary)
    replace = MaskedModel(tmp_path / "mlm")
    made = augment(ROWS[:2], "substitute", replace, 2, 0.2, 5)
    assert len(made) == 4 and {len(row["sentence"]) for row in made} == {len(row["sentence"]) for row in ROWS[:2]}
    words = words_of("很长" * 60)
    assert replace(words, [len(words) - 1], random.Random(1)) == [None]  # over the model's positions

    # Published files have one name for what the model has under three, and no table of outputs: that of inputs is it.
    state = read_weights_file(tmp_path / "mlm" / WEIGHTS_FILE)
    for name in ("decoder.weight", "decoder.bias"):
        state.pop(f"cls.predictions.{name}")
    (tmp_path / "mlm" / WEIGHTS_FILE).write_bytes(pickle.dumps(state, 4))
    assert augment(ROWS[:2], "substitute", MaskedModel(tmp_path / "mlm"), 2, 0.2, 5) == made
    state.pop("cls.predictions.layer_norm.bias")
    (tmp_path / "mlm" / WEIGHTS_FILE).write_bytes(pickle.dumps(state, 4))
    with pytest.raises(ModelError, match=r"no weight 'cls\.predictions\.layer_norm\.bias'"):
        MaskedModel(tmp_path / "mlm")

    headless = make_tiny_model(vocabulary, ("甲", "乙"), "multi_label")
    save_model(headless.model, vocabulary, tmp_path / "plain")
    with pytest.raises(ModelError, match="no masked-language-model head"):
        MaskedModel(tmp_path / "plain")
