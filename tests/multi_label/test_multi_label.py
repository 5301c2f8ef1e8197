"""Label sets: decoding, figures, thresholds, the task, the model's head and its distillation."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from tiny import make_tiny_model

from ernie_toolkit.bundle import read_bundle, write_bundle_info
from ernie_toolkit.decoding import decode_label_sets, label_sets, sigmoid
from ernie_toolkit.errors import BundleError, ConfigError
from ernie_toolkit.metrics import label_set_scores
from ernie_toolkit.models import Vocabulary, load_model, save_model
from ernie_toolkit.models.config import model_task
from ernie_toolkit.multi_label.thresholds import best_threshold, tune_thresholds
from ernie_toolkit.multi_label.training import start_at_base_rates
from ernie_toolkit.tasks import MultiLabelClassification, make_task
from ernie_toolkit.text.dataset import EncodedDataset

SHAPE = st.tuples(st.integers(1, 12), st.integers(2, 6))


@given(hnp.arrays(np.float32, SHAPE, elements=st.floats(-1e4, 1e4, width=32)))
def test_sigmoid_is_exact_and_never_overflows(logits: np.ndarray) -> None:
    with np.errstate(all="raise", under="ignore"):
        found = sigmoid(logits)
    clipped = np.clip(logits.astype(np.float64), -700, 700)
    assert found.dtype == np.float64 and np.allclose(found, 1 / (1 + np.exp(-clipped)), atol=1e-15)


def test_answers_are_the_labels_above_their_own_thresholds() -> None:
    logits = np.array([[2.0, -1.0, 0.1], [-3.0, -3.0, -3.0], [0.0, 0.0, 0.0]], dtype=np.float32)
    first, second, third = decode_label_sets(logits, ("a", "b", "c"), (0.5, 0.2, 0.6), ("A", "B", "C"))
    assert (first.indices, first.labels, first.names) == ((0, 1), ("a", "b"), ("A", "B"))
    assert first.confidences == pytest.approx([0.880797, 0.268941], abs=1e-6)
    assert second.labels == () and len(second.probabilities) == 3
    assert third.labels == ("b",)  # a probability of exactly the threshold is not above it
    assert first.fields() == {
        "labels": ["a", "b"],
        "label_names": ["A", "B"],
        "confidences": [0.880797, 0.268941],
    }


def test_shapes_that_do_not_fit_are_told() -> None:
    with pytest.raises(ValueError, match=r"\(1, 3\) do not fit 2 labels"):
        decode_label_sets(np.zeros((1, 3)), ("a", "b"), (0.5, 0.5))
    with pytest.raises(ValueError, match="1 thresholds"):
        decode_label_sets(np.zeros((1, 2)), ("a", "b"), (0.5,))
    with pytest.raises(ValueError, match="do not fit"):
        label_set_scores(np.zeros((1, 3), dtype=bool), np.zeros((1, 2), dtype=bool))
    with pytest.raises(ValueError, match="no rows"):
        label_set_scores(np.zeros((0, 3), dtype=bool), np.zeros((0, 3), dtype=bool))


@settings(max_examples=60)
@given(SHAPE.flatmap(lambda shape: st.tuples(*(hnp.arrays(bool, shape) for _ in range(2)))))
def test_figures_are_scikit_learns(tables: tuple[np.ndarray, np.ndarray]) -> None:
    gold, predicted = tables
    total, labels = label_set_scores(gold, predicted)
    assert total["accuracy"] == pytest.approx(accuracy_score(gold, predicted))
    occurs = np.flatnonzero((gold | predicted).any(axis=0))
    for average, columns in (("micro", None), ("macro", occurs)):
        if columns is not None and not len(columns):
            assert {total[f"macro_{name}"] for name in ("precision", "recall", "f1")} == {0.0}
            continue
        wanted = precision_recall_fscore_support(gold, predicted, average=average, zero_division=0, labels=columns)
        assert [total[f"{average}_{name}"] for name in ("precision", "recall", "f1")] == pytest.approx(wanted[:3])
    wanted = precision_recall_fscore_support(gold, predicted, average=None, zero_division=0)
    for name, values in zip(("precision", "recall", "f1", "support"), wanted, strict=True):
        assert labels[name] == pytest.approx(values)
    assert labels["predicted"].tolist() == predicted.sum(axis=0).tolist()


@settings(max_examples=60)
@given(SHAPE.flatmap(lambda shape: st.tuples(*(hnp.arrays(bool, shape) for _ in range(2)))), st.integers(1, 3))
def test_labels_that_nobody_has_change_no_figure_of_all(tables: tuple[np.ndarray, np.ndarray], more: int) -> None:
    gold, predicted = (np.pad(table, ((0, 0), (0, more))) for table in tables)
    before = label_set_scores(*tables)[0]
    assert label_set_scores(gold, predicted)[0] == pytest.approx(before)
    predicted[0, -1] = True  # given for no reason, it counts
    total, labels = label_set_scores(gold, predicted)
    assert labels["f1"][-1] == 0 and total["macro_f1"] <= before["macro_f1"]


def test_a_dev_set_without_some_labels_can_be_answered_perfectly() -> None:
    gold = np.array([[True, False, False]] * 3)
    total, _ = label_set_scores(gold, gold)
    assert total["macro_f1"] == total["macro_precision"] == total["macro_recall"] == 1.0
    total, _ = label_set_scores(gold, np.array([[True, True, False]] * 3))
    assert total["macro_f1"] == 0.5
    task = MultiLabelClassification(("a", "b", "c"), 16)
    examples = [{"sentence": "x", "labels": ("a",)}] * 3
    for logits, figure in ((np.where(gold, 3.0, -3.0), 1.0), (np.full(gold.shape, 3.0), 1 / 3)):
        assert task.score(EncodedDataset((), 0), list(logits), examples)["macro_f1"] == pytest.approx(figure)


# Steps of a thousandth: a threshold must not lie in a gap that rounding may close.
PROBABILITY = st.integers(0, 1000).map(lambda value: value / 1000)


@settings(max_examples=200)
@given(st.lists(st.tuples(PROBABILITY, st.booleans()), min_size=1, max_size=12))
def test_a_tuned_threshold_is_the_best_there_is(rows: list[tuple[float, bool]]) -> None:
    probabilities = np.array([row[0] for row in rows])
    gold = np.array([row[1] for row in rows])

    def f1(threshold: float) -> float:
        predicted = probabilities > threshold
        whole = predicted.sum() + gold.sum()
        return 2 * (predicted & gold).sum() / whole if whole else 0.0

    found = best_threshold(probabilities, gold)
    values = sorted({0.0, *probabilities.tolist(), 1.0})
    ways = [0.5, *values, *((a + b) / 2 for a, b in pairwise(values))]
    assert 0 <= found <= 1
    if not gold.any():
        assert found == 0.5
    else:
        assert f1(found) == pytest.approx(max(map(f1, ways)))
    if f1(0.5) == max(map(f1, ways)):
        assert found == 0.5


def test_no_threshold_lies_where_rounding_would_decide() -> None:
    gold = np.array([True, False, False])
    assert best_threshold(np.array([4.1e-7, 2e-7, 1e-7]), gold) == 0.5
    assert best_threshold(np.array([0.30001, 0.3, 0.1]), gold) == pytest.approx(0.2)
    assert best_threshold(np.array([0.31, 0.3, 0.1]), gold) == pytest.approx(0.305)


def test_thresholds_of_several_labels() -> None:
    probabilities = np.array([[0.9, 0.3], [0.8, 0.2], [0.1, 0.05]])
    gold = np.array([[True, True], [True, True], [False, False]])
    assert tune_thresholds(probabilities, gold) == (0.5, 0.125)
    with pytest.raises(ValueError, match="do not fit"):
        tune_thresholds(probabilities, gold[:2])


def test_the_tasks_figures_at_its_thresholds() -> None:
    examples = [{"sentence": "x", "labels": ("a",)}, {"sentence": "y", "labels": ("a", "b")}]
    logits = np.array([[3.0, -0.5], [3.0, -0.4]], dtype=np.float32)
    plain = MultiLabelClassification(("a", "b"), 16)
    low = MultiLabelClassification(("a", "b"), 16, (0.5, 0.4))
    rows = None  # figures need logits and examples alone
    assert plain.score(rows, logits, examples)["accuracy"] == 0.5  # type: ignore[arg-type]
    scores = low.score(rows, logits, examples)  # type: ignore[arg-type]
    # Row 0 has b at 0.378, below its threshold of 0.4; row 1 at 0.401, above it.
    assert [scores[name] for name in ("accuracy", "b/precision", "b/recall", "b/support")] == [1.0, 1.0, 1.0, 1.0]
    gold = low.gold(examples)
    wanted = -(gold * np.log(sigmoid(logits)) + (1 - gold) * np.log(1 - sigmoid(logits))).mean()
    assert scores["loss"] == pytest.approx(wanted)
    assert label_sets(sigmoid(logits), (0.5, 0.4)).tolist() == [[True, False], [True, True]]


@pytest.mark.parametrize(
    ("thresholds", "message"), [((0.5,), "1 thresholds for 2 labels"), ((0.5, 1.5), "between 0 and 1")]
)
def test_bad_thresholds(thresholds: tuple[float, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_task("multi_label", ("a", "b"), 16, "sentence", thresholds=thresholds)


def test_training_learns_by_binary_cross_entropy(vocabulary: Vocabulary) -> None:
    import paddle

    loaded = make_tiny_model(vocabulary, ("a", "b", "c"), "multi_label")
    task = MultiLabelClassification(("a", "b", "c"), 16)
    from ernie_toolkit.text.tokenization import build_tokenizer

    rows = task.with_targets(
        task.encode(build_tokenizer(loaded.vocabulary.tokens), ["一", "二"]),
        [{"labels": ("a", "c")}, {"labels": ()}],
    )
    batch = {name: paddle.to_tensor(value) for name, value in rows.collate([0, 1]).items()}
    assert batch["labels"].dtype == paddle.float32 and batch["labels"].tolist() == [[1, 0, 1], [0, 0, 0]]
    loaded.model.eval()
    loss, logits = loaded.model(**batch)
    wanted = task.score(rows, logits.numpy(), [{"labels": ("a", "c")}, {"labels": ()}])["loss"]
    assert float(loss) == pytest.approx(wanted, rel=1e-5)


def test_a_new_head_begins_at_the_labels_shares(tmp_path: Path, vocabulary: Vocabulary) -> None:
    gold = np.array([[True, False], [True, False], [False, False], [True, False]])
    single = make_tiny_model(vocabulary, ("a", "b"))
    save_model(single.model, single.vocabulary, tmp_path / "single")
    loaded = load_model(str(tmp_path / "single"), ("a", "b"), task="multi_label")
    start_at_base_rates(loaded, gold, ("a", "b"))
    assert sigmoid(loaded.model.classifier.bias.numpy()) == pytest.approx([0.7, 0.1])
    save_model(loaded.model, loaded.vocabulary, tmp_path / "trained")
    again = load_model(str(tmp_path / "trained"), task="multi_label")
    start_at_base_rates(again, ~gold, ("a", "b"))
    assert sigmoid(again.model.classifier.bias.numpy()) == pytest.approx([0.7, 0.1])
    grown = load_model(str(tmp_path / "trained"), ("b", "c", "a"), task="multi_label")
    start_at_base_rates(grown, np.ones((4, 3), dtype=bool), ("b", "c", "a"))
    assert sigmoid(grown.model.classifier.bias.numpy()) == pytest.approx([0.1, 0.9, 0.7])


def test_a_head_for_sets_is_not_one_for_single_labels(tmp_path: Path, vocabulary: Vocabulary) -> None:
    loaded = make_tiny_model(vocabulary, ("a", "b"), "multi_label")
    save_model(loaded.model, loaded.vocabulary, tmp_path / "sets")
    single = make_tiny_model(vocabulary, ("a", "b"))
    save_model(single.model, single.vocabulary, tmp_path / "single")
    assert model_task(tmp_path / "sets") == "multi_label" and model_task(tmp_path / "single") == "seq_cls"
    assert not load_model(str(tmp_path / "sets"), task="multi_label").fresh
    assert load_model(str(tmp_path / "sets")).fresh == ("classifier.weight", "classifier.bias")
    assert load_model(str(tmp_path / "single"), task="multi_label").fresh == ("classifier.weight", "classifier.bias")
    again = load_model(str(tmp_path / "sets"), ("a", "b"))
    save_model(again.model, again.vocabulary, tmp_path / "back")
    assert model_task(tmp_path / "back") == "seq_cls"


def test_distillation_compares_every_label_for_itself() -> None:
    import paddle

    from ernie_toolkit.compression.distillation.losses import SOFT_LOSSES, Observed, distillation_loss

    student, teacher = (paddle.to_tensor(values) for values in ([[1.0, -2.0]], [[3.0, 3.0]]))
    hidden = (paddle.ones([1, 2, 4]),)
    soft_loss = SOFT_LOSSES[MultiLabelClassification.soft_loss]
    mask = paddle.ones([1, 2], "bool")
    loss = distillation_loss(Observed((student,), hidden), Observed((teacher,), hidden), mask, soft_loss)
    soft, logits = sigmoid(teacher.numpy()), student.numpy()
    wanted = -(soft * np.log(sigmoid(logits)) + (1 - soft) * np.log(1 - sigmoid(logits))).mean()
    assert float(loss) == pytest.approx(wanted, rel=1e-5)


def test_thresholds_of_a_bundle_belong_to_its_labels(tmp_path: Path, vocabulary: Vocabulary) -> None:
    from dataclasses import replace

    from ernie_toolkit.inference import Predictor
    from ernie_toolkit.multi_label.exporting import export_model
    from ernie_toolkit.multi_label.trained import load_trained

    loaded = make_tiny_model(vocabulary, ("a", "b"), "multi_label", initializer_range=0.2)
    loaded.model.config.thresholds = [0.25, 0.75]
    save_model(loaded.model, loaded.vocabulary, tmp_path / "model")
    trained = load_trained(str(tmp_path / "model"), 32)
    bundle = export_model(trained, tmp_path / "export")
    assert bundle.info.thresholds == (0.25, 0.75)
    texts = ["物流很慢", "做工粗糙", "很好"]
    predictor = Predictor(tmp_path / "export")
    assert [answer.labels for answer in predictor.predict(texts)] == [a.labels for a in trained.predict(texts, 2)]
    for answer in predictor.predict(texts):
        assert answer.labels == tuple(
            label for label, share, least in zip("ab", answer.probabilities, (0.25, 0.75), strict=True) if share > least
        )
    write_bundle_info(bundle.directory, replace(bundle.info, thresholds=(0.5,)))
    with pytest.raises(BundleError, match="1 thresholds for 2 labels"):
        Predictor(read_bundle(bundle.directory).directory)
