"""A trained head under other labels: outputs go by name, for every task, and what was done is said."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import make_tiny_model

from ernie_toolkit.data import DataSet
from ernie_toolkit.data.label_order import in_model_order, same_labels
from ernie_toolkit.data.registry import DatasetSpec
from ernie_toolkit.errors import ModelError
from ernie_toolkit.models import Vocabulary, load_model, save_model, set_weights_file
from ernie_toolkit.models.checks import require_trained_head
from ernie_toolkit.models.families import FAMILIES
from ernie_toolkit.models.heads import (
    BIAS,
    WEIGHT,
    arrange_head,
    difference,
    label_mismatch,
    map_head,
)
from ernie_toolkit.session import Session
from ernie_toolkit.tasks import SequenceClassification, TokenClassification, make_task

NAMES = st.lists(st.text("甲乙丙丁ab", min_size=1, max_size=4), min_size=1, max_size=8, unique=True)
TAGS = ("B-LOC", "I-LOC", "B-PER", "I-PER", "O")


@given(NAMES, NAMES, st.randoms())
def test_outputs_go_to_the_labels_of_their_names(trained: list[str], others: list[str], random: object) -> None:
    labels = list(dict.fromkeys(trained[: len(trained) // 2] + others))
    random.shuffle(labels)  # type: ignore[attr-defined]
    plan = map_head(trained, labels)
    weight = np.arange(3.0 * len(trained)).reshape(3, -1)
    initial = -np.ones((3, len(labels)))
    arranged = plan.arranged(weight, initial)
    for place, label in enumerate(labels):
        expected = weight[:, trained.index(label)] if label in trained else initial[:, place]
        assert np.array_equal(arranged[:, place], expected)
    assert set(plan.kept) == set(trained) & set(labels) and set(plan.new) == set(labels) - set(trained)
    assert set(plan.dropped) == set(trained) - set(labels)
    assert bool(plan.message("m")) == (trained != labels)


def test_labels_that_differ_in_width_only_are_found() -> None:
    assert map_head(("1", "正 面", "b"), ("正\u3000面", "１", "c")).outputs == (1, 0, None)
    # Where both spellings are wanted, or two are alike, nothing is guessed.
    assert map_head(("1",), ("1", "１")).outputs == (0, None)
    assert map_head(("１", "1\u200b"), ("1", "x")).outputs == (None, None)


@given(NAMES, st.randoms())
def test_a_permutation_and_back_changes_nothing(labels: list[str], random: object) -> None:
    other = list(labels)
    random.shuffle(other)  # type: ignore[attr-defined]
    weight = np.random.default_rng(1).normal(size=(2, len(labels)))
    there = map_head(labels, other).arranged(weight, np.zeros_like(weight))
    assert np.array_equal(map_head(other, labels).arranged(there, np.zeros_like(weight)), weight)
    assert same_labels(labels, other)


def test_messages_name_what_stays_starts_and_goes() -> None:
    assert map_head(("a", "b"), ("b", "a")).message("m") == (
        "m: its labels stand in another order here: the head's outputs are put in this one"
    )
    assert map_head(("a", "b", "c"), ("b", "x")).message("m") == (
        "m: 1 of 2 labels keep what its head learned (b); 1 start anew (x); 2 of its own are dropped (a, c)"
    )
    assert "none of these (x, y): the head starts anew" in map_head(("a", "b"), ("x", "y")).message("m")
    assert difference(("a", "b"), ("b", "a")) == "the same labels in another order"
    assert label_mismatch(("a", "b"), ("b", "a")) == label_mismatch(("a", "b"), ["a", "b"], in_order=True) == ""
    assert label_mismatch(("a", "b"), ("b", "a"), in_order=True) == "the same labels in another order"
    assert label_mismatch(("a", "b"), ("b", "x")) == difference(("a", "b"), ("b", "x"))
    assert difference(("a", "b"), ("b", "x", "y")) == "2 labels, without x, y, with a"
    many = tuple(map(str, range(9)))
    assert "0, 1, 2, 3, 4, ... 9 in all" in map_head(("a", "b"), many).message("m")


def test_heads_whose_outputs_nobody_has_named() -> None:
    state = {WEIGHT: np.ones((3, 2)), BIAS: np.ones(2)}
    initial = {WEIGHT: np.zeros((3, 2)), BIAS: np.zeros(2)}
    for trained in (None, ("LABEL_0", "LABEL_1"), ("a", "b", "c")):
        found, plan, line = arrange_head(state, initial, trained, ("x", "y"), "m")
        assert plan is None and np.array_equal(found[BIAS], np.ones(2)) and "in the order of the labels here" in line
    found, plan, line = arrange_head(state, initial, None, ("x", "y", "z"), "m")
    assert found == {} and plan is None and line.endswith("here are 3 labels: the head starts anew")
    assert arrange_head({"ernie.x": np.ones(1)}, initial, ("a", "b"), ("x", "y"), "m")[1:] == (None, "")


def saved(
    directory: Path, vocabulary: Vocabulary, labels: tuple[str, ...], task: str = "seq_cls", **settings: object
) -> tuple[np.ndarray, np.ndarray]:
    """Save a tiny model with a head that can be told apart; give its weight and bias."""
    loaded = make_tiny_model(vocabulary, labels, task, **settings)
    loaded.model.classifier.bias.set_value(np.arange(1, len(labels) + 1, dtype=np.float32))
    save_model(loaded.model, loaded.vocabulary, directory)
    return loaded.model.classifier.weight.numpy(), loaded.model.classifier.bias.numpy()


@pytest.mark.parametrize(
    ("task", "labels", "other"),
    [
        ("seq_cls", ("正面", "负面", "中性"), ("中性", "正面", "负面")),
        ("token_cls", TAGS, ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")),
        ("multi_label", ("物流", "价格"), ("价格", "物流")),
    ],
)
def test_another_order_moves_weight_bias_and_thresholds(
    tmp_path: Path, vocabulary: Vocabulary, task: str, labels: tuple[str, ...], other: tuple[str, ...]
) -> None:
    weight, bias = saved(tmp_path, vocabulary, labels, task)
    config = tmp_path / "config.json"
    if task == "multi_label":
        config.write_text(json.dumps({**json.loads(config.read_text()), "thresholds": [0.2, 0.7]}))
    loaded = load_model(str(tmp_path), other, task=task)
    places = [labels.index(label) for label in other]
    assert np.array_equal(loaded.model.classifier.weight.numpy(), weight[:, places])
    assert np.array_equal(loaded.model.classifier.bias.numpy(), bias[places])
    assert (loaded.fresh, loaded.new_labels) == ((), ()) and "another order" in loaded.notices[0]
    if task == "multi_label":
        assert loaded.model.config.thresholds == [0.7, 0.2]
    require_trained_head(loaded, make_task(task, other, 16, "sentence"))
    again = tmp_path / "again"
    save_model(loaded.model, loaded.vocabulary, again)
    assert load_model(str(again), other, task=task).notices == ()
    assert load_model(str(tmp_path), labels, task=task).notices == ()
    assert np.array_equal(load_model(str(again), labels, task=task).model.classifier.weight.numpy(), weight)


def test_labels_in_part_in_common(tmp_path: Path, vocabulary: Vocabulary) -> None:
    weight, bias = saved(tmp_path, vocabulary, ("a", "b", "c"))
    loaded = load_model(str(tmp_path), ("x", "c", "a", "y"))
    assert np.array_equal(loaded.model.classifier.weight.numpy()[:, 1:3], weight[:, [2, 0]])
    assert np.array_equal(loaded.model.classifier.bias.numpy(), [0.0, bias[2], bias[0], 0.0])
    assert (loaded.fresh, loaded.new_labels) == ((), ("x", "y"))
    assert "2 of 4 labels keep" in loaded.notices[0] and "2 start anew (x, y)" in loaded.notices[0]
    with pytest.raises(ModelError, match=r"trained for other labels \(3 labels, without x, y, with b\)"):
        require_trained_head(loaded, SequenceClassification(("x", "c", "a", "y"), 16))


def test_a_model_in_another_order_than_its_task_is_refused(
    tmp_path: Path, vocabulary: Vocabulary, afqmc_sample: DataSet
) -> None:
    saved(tmp_path, vocabulary, ("0", "1"))
    task = SequenceClassification(("1", "0"), 16, None, "pair")
    with pytest.raises(ModelError, match=r"the same labels in another order: load it by load_model"):
        Session(load_model(str(tmp_path)), afqmc_sample, task)
    with pytest.raises(ModelError, match=r"2 labels, without x, with 0: load it by load_model"):
        Session(load_model(str(tmp_path)), afqmc_sample, SequenceClassification(("1", "x"), 16, None, "pair"))
    assert Session(load_model(str(tmp_path), task.labels), afqmc_sample, task).loaded.notices


def test_a_model_that_cannot_answer_says_what_its_head_is(tmp_path: Path, vocabulary: Vocabulary) -> None:
    saved(tmp_path, vocabulary, ("a", "b"))
    tagger = load_model(str(tmp_path), ("a", "b"), task="token_cls")
    with pytest.raises(ModelError, match=r"2 labels \(.*trained for the task 'seq_cls'\): fine-tune it first"):
        require_trained_head(tagger, TokenClassification(("a", "b"), 16))
    with pytest.raises(ModelError, match=r"2 labels \(its head was trained for other labels \(a, b\), none of these"):
        require_trained_head(load_model(str(tmp_path), ("x", "y")), SequenceClassification(("x", "y"), 16))


def test_no_label_in_common_and_another_task(tmp_path: Path, vocabulary: Vocabulary) -> None:
    saved(tmp_path, vocabulary, ("a", "b"))
    loaded = load_model(str(tmp_path), ("x", "y"))
    assert loaded.fresh == (WEIGHT, BIAS) and "none of these (x, y)" in loaded.notices[0]
    tagger = load_model(str(tmp_path), ("a", "b"), task="token_cls")
    assert tagger.fresh == (WEIGHT, BIAS) and "trained for the task 'seq_cls'" in tagger.notices[0]


def test_a_pruned_model_keeps_its_widths_under_another_order(tmp_path: Path, vocabulary: Vocabulary) -> None:
    from ernie_toolkit.models.sizes import LayerSize
    from ernie_toolkit.models.slices import current_size, resize

    loaded = make_tiny_model(vocabulary, ("a", "b", "c"))
    resize(loaded.model, LayerSize(2, 32))
    weight = loaded.model.classifier.weight.numpy()
    save_model(loaded.model, loaded.vocabulary, tmp_path)
    other = load_model(str(tmp_path), ("c", "a", "b"))
    assert current_size(other.model) == LayerSize(2, 32)
    assert np.array_equal(other.model.classifier.weight.numpy(), weight[:, [2, 0, 1]])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_head_of_a_weights_file_starts_anew_in_every_family(
    family: str, tmp_path: Path, vocabulary: Vocabulary
) -> None:
    sizes = {"embedding_size": 32} if family == "ernie_gram" else {}
    source = make_tiny_model(vocabulary, ("a", "b", "c"), family=family, **sizes)
    save_model(source.model, vocabulary, tmp_path)
    loaded = make_tiny_model(vocabulary, ("x", "y"), family=family, **sizes)
    before = loaded.model.classifier.weight.numpy()
    filled = set_weights_file(loaded, tmp_path / "model_state.pdparams", ("x", "y"), "seq_cls")
    after = filled.model.classifier.weight.numpy()
    assert WEIGHT in filled.fresh and not np.isin(after, before).any() and 0 < after.std() < 1


def test_a_weights_file_is_read_by_the_names_beside_it(tmp_path: Path, vocabulary: Vocabulary) -> None:
    labels, other = ("物流", "价格", "包装"), ("包装", "物流", "价格")
    weight, _ = saved(tmp_path / "first", vocabulary, labels, "multi_label")
    loaded = make_tiny_model(vocabulary, other, "multi_label")
    path = tmp_path / "first" / "model_state.pdparams"
    named = set_weights_file(loaded, path, other, "multi_label")
    assert np.array_equal(named.model.classifier.weight.numpy(), weight[:, [2, 0, 1]]) and named.notices
    alone = tmp_path / "alone.pdparams"
    alone.write_bytes(path.read_bytes())
    unnamed = set_weights_file(loaded, alone, other, "multi_label")
    assert np.array_equal(unnamed.model.classifier.weight.numpy(), weight)
    assert "nothing names its head's 3 outputs" in unnamed.notices[0]
    new = set_weights_file(loaded, path, ("甲", "乙", "丙"), "multi_label")
    assert new.fresh == (WEIGHT, BIAS)
    assert not np.isin(new.model.classifier.weight.numpy(), weight).any()


def test_data_takes_over_the_order_of_a_model() -> None:
    spec = DatasetSpec("s", "seq_cls", ("0", "1", "2"), "sentence", ("nil", "one", "two"))
    data = DataSet(spec, None, [], None, "custom", "here")
    ordered = in_model_order(data.spec, ("2", "0", "1"))
    assert (ordered.labels, ordered.label_names) == (("2", "0", "1"), ("two", "nil", "one"))
    assert in_model_order(data.spec, ("2", "0")) is data.spec and in_model_order(data.spec, None) is data.spec
