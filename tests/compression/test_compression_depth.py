"""Pruning in depth: which layers stay, what a model with fewer layers computes, and what all sizes learn in one run."""

import dataclasses
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import paddle
import pytest
from compression_runs import TEACHER
from hypothesis import given
from hypothesis import strategies as st
from reports import make_report
from test_compression_pruning import OPTIONS, answered, pruned
from test_compression_structure import batches, logits
from tiny import PAIRS, make_tiny_model

from ernie_toolkit.compression.distillation.losses import Observed, observe
from ernie_toolkit.compression.pruning.depth import choose_layers, layer_importance, loss_with
from ernie_toolkit.compression.pruning.elastic import cut_out, make_elastic, using
from ernie_toolkit.compression.pruning.importance import reorder, taylor_importance
from ernie_toolkit.compression.pruning.prune import fits, size_name
from ernie_toolkit.compression.report.files import write_report
from ernie_toolkit.compression.report.model import LayerChoice, read_report
from ernie_toolkit.data import DataSet
from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.models import Vocabulary, copy_model, load_model, save_model
from ernie_toolkit.models.sizes import LayerSize, ModelSlice, Shares, evenly_spaced, layer_count, parse_depth
from ernie_toolkit.models.slices import current_size, encoder_layers, parameter_count, with_layers
from ernie_toolkit.session import Session
from ernie_toolkit.text.dataset import Batch
from ernie_toolkit.training import predict_logits
from ernie_toolkit.training.fast_layers import fast_layers

LABELS = ("0", "1", "2")
HALF, FULL_SIZE = LayerSize(2, 32), LayerSize(4, 64)
# Width alone, depth alone, both; and layers that are not the first ones.
PARTS = (
    ModelSlice(HALF, (0, 1, 2, 3)),
    ModelSlice(FULL_SIZE, (0, 2)),
    ModelSlice(FULL_SIZE, (1, 3)),
    ModelSlice(HALF, (0, 2)),
    ModelSlice(LayerSize(3, 48), (1, 2, 3)),
)


@pytest.fixture
def model(vocabulary: Vocabulary) -> paddle.nn.Layer:
    """One of four layers."""
    return make_tiny_model(vocabulary, LABELS, initializer_range=0.3, num_hidden_layers=4).model


def skip(model: paddle.nn.Layer, layers: tuple[int, ...]) -> list[object]:
    """Let a model's other layers give what they read, by hooks of Paddle's; gives them."""
    return [
        layer.register_forward_post_hook(lambda layer, inputs, outputs: inputs[0])
        for place, layer in enumerate(encoder_layers(model))
        if place not in layers
    ]


@pytest.mark.parametrize(
    ("layers", "depth", "left"),
    [(12, "2/3", 8), (6, "2/3", 4), (6, "0.67", 4), (4, "3/4", 3), (6, "3/4", 4), (6, "0.9", 5), (6, "1", 6)],
)
def test_what_a_depth_leaves(layers: int, depth: str, left: int) -> None:
    assert layer_count(layers, parse_depth(depth)) == left


def test_bad_depths() -> None:
    with pytest.raises(ConfigError, match=r"^depth 1/7 leaves none of 6 layers: use 1/6 at least$"):
        layer_count(6, Fraction(1, 7))
    for text, message in (("deep", "depth 'deep' is neither"), ("0", "depth '0' must be over 0"), ("4/3", "at most 1")):
        with pytest.raises(ConfigError, match=message):
            parse_depth(text)


@given(st.integers(1, 60).flatmap(lambda total: st.tuples(st.just(total), st.integers(1, total))))
def test_evenly_spaced_layers(numbers: tuple[int, int]) -> None:
    total, kept = numbers
    layers = evenly_spaced(total, kept)
    assert list(layers) == sorted(set(layers)) and len(layers) == kept
    assert layers[0] == 0 and layers[-1] < total
    gaps = np.diff([*layers, total])
    assert gaps.max() - gaps.min() <= 1


def test_evenly_spaced_layers_of_the_paper() -> None:
    assert evenly_spaced(6, 4) == (0, 1, 3, 4) and evenly_spaced(12, 9) == (0, 1, 2, 4, 5, 6, 8, 9, 10)
    assert evenly_spaced(12, 6) == (0, 2, 4, 6, 8, 10) and evenly_spaced(4, 4) == (0, 1, 2, 3)


def test_names_of_sizes() -> None:
    third = Fraction(2, 3)
    for shares, text, directory in (
        (Shares(), "", "width_mult_1"),
        (Shares(Fraction(3, 4)), "3/4", "width_mult_0.75"),
        (Shares(depth=third), "depth 2/3", "width_mult_1_depth_mult_0.666667"),
        (Shares(Fraction(3, 4), third), "3/4 depth 2/3", "width_mult_0.75_depth_mult_0.666667"),
    ):
        assert (shares.text, size_name(shares)) == (text, directory)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("task", ["seq_cls", "token_cls", "qa"])
def test_slices_compute_what_skipped_layers_compute(vocabulary: Vocabulary, task: str, part: ModelSlice) -> None:
    model = make_tiny_model(vocabulary, LABELS, task, initializer_range=0.3, num_hidden_layers=4).model
    [batch] = batches(1, task)
    reorder(model, taylor_importance(model, [batch]))
    whole, size = logits(model, batch), parameter_count(model)
    make_elastic(model)
    with using(model, part):
        used = logits(model, batch)
    narrow = cut_out(model, ModelSlice(part.size, (0, 1, 2, 3)))
    hooks = skip(narrow, part.layers)
    expected = logits(narrow, batch)
    assert len(hooks) == 4 - len(part.layers)
    small = cut_out(model, part)
    assert np.abs(logits(small, batch) - expected).max() < 1e-5 and np.abs(used - expected).max() < 1e-5
    assert np.abs(expected - whole).max() > 1e-3 and parameter_count(small) < size
    assert (len(encoder_layers(small)), current_size(small)) == (len(part.layers), part.size)


def test_sizes_do_not_disturb_each_other(model: paddle.nn.Layer) -> None:
    make_elastic(model)
    [batch] = batches(1)
    names, whole = list(model.state_dict()), logits(model, batch)

    def answers(part: ModelSlice) -> np.ndarray:
        with using(model, part):
            return logits(model, batch)

    first = [answers(part) for part in PARTS]
    again = [answers(part) for part in reversed(PARTS)]
    assert all(np.array_equal(one, other) for one, other in zip(first, reversed(again), strict=True))
    assert np.array_equal(logits(model, batch), whole) and list(model.state_dict()) == names
    # What fails inside leaves no trace either.
    with pytest.raises(RuntimeError), using(model, PARTS[3]):
        raise RuntimeError
    assert np.array_equal(logits(model, batch), whole) and len(encoder_layers(model)) == 4


def test_gradients_reach_what_is_used_alone(model: paddle.nn.Layer) -> None:
    make_elastic(model)
    [batch] = batches(1)
    with using(model, ModelSlice(HALF, (0, 2))):
        model(**{name: paddle.to_tensor(value) for name, value in batch.items()})[0].backward()
    for place, layer in enumerate(encoder_layers(model)):
        gradients = {name: parameter.grad for name, parameter in layer.named_parameters()}
        if place in (1, 3):
            assert all(gradient is None for gradient in gradients.values())
            continue
        assert all(gradient is not None for gradient in gradients.values())
        used = np.abs(gradients["linear1.weight"].numpy()).sum(axis=0) > 0
        heads = np.abs(gradients["self_attn.v_proj.weight"].numpy()).sum(axis=0) > 0
        assert used[:32].any() and not used[32:].any() and heads[:16].any() and not heads[16:].any()


@pytest.mark.parametrize("part", PARTS)
def test_gradients_are_the_same_while_it_trains_faster(model: paddle.nn.Layer, part: ModelSlice) -> None:
    make_elastic(model)
    model.eval()  # without dropout
    [batch] = batches(1)

    def gradients() -> dict[str, np.ndarray]:
        with using(model, part):
            model(**{name: paddle.to_tensor(value) for name, value in batch.items()})[0].backward()
        found = {name: item.grad.numpy() for name, item in model.named_parameters() if item.grad is not None}
        model.clear_gradients()
        return found

    stock = gradients()
    with fast_layers(model):
        assert encoder_layers(model)[0].linear1.forward == encoder_layers(model)[0].linear1.fast_forward
        fast = gradients()
    assert "forward" not in vars(encoder_layers(model)[0].linear1) and stock.keys() == fast.keys()
    largest = max(np.abs(value).max() for value in stock.values())
    for name, value in stock.items():
        assert np.abs(value - fast[name]).max() <= 1e-5 * largest, name


def test_a_student_is_compared_with_the_stretch_that_it_stands_for(model: paddle.nn.Layer) -> None:
    """With the teacher's own weights each layer that stays reads in the student's place what it reads in the teacher's,
    as long as nothing before it is missing."""
    model.eval()
    taught = observe(model, batches(1)[0])
    assert [taught.beside(layers).hidden for layers in ((0, 1, 2, 3),)] == [taught.hidden]
    numbered = Observed(taught.logits, tuple(range(5)))  # type: ignore[arg-type]
    # The paper's twelve layers at 3/4 end their stretches at 1 2 4 5 6 8 9 10 12 of the teacher's.
    assert numbered.beside((0, 1, 3)).hidden == (0, 1, 3, 4)
    assert numbered.beside((2, 3)).hidden == (0, 3, 4) and numbered.beside((1,)).hidden == (0, 4)
    with with_layers(model, (0, 1, 3)):
        student = observe(model, batches(1)[0])
    wanted = taught.beside((0, 1, 3))
    same = [
        np.array_equal(one.numpy(), other.numpy()) for one, other in zip(student.hidden, wanted.hidden, strict=True)
    ]
    assert same == [True, True, False, False]


def useless(model: paddle.nn.Layer, place: int) -> None:
    """Let a layer give what it reads, but for its normalization, which changes nothing where the one before has."""
    layer = encoder_layers(model)[place]
    for linear in (layer.linear2, layer.self_attn.out_proj):
        for value in (linear.weight, linear.bias):
            value.set_value(np.zeros(value.shape, dtype=np.float32))


def right(model: paddle.nn.Layer, count: int) -> list[Batch]:
    """Random rows with the model's own answers for labels."""
    return [{**batch, "labels": logits(model, batch).argmax(axis=-1)} for batch in batches(count)]


def test_a_useless_layer_goes(model: paddle.nn.Layer) -> None:
    """Evenly spaced, the last of four would go; what was cut out is the one that did nothing."""
    useless(model, 1)
    data = right(model, 3)
    importance = layer_importance(model, data)
    assert importance.argmin() == 1 and abs(importance[1]) < 1e-5 < np.delete(importance, 1).min()
    [choice] = choose_layers(model, [Fraction(3, 4)], data)
    assert (choice.important, choice.evenly_spaced, choice.layers) == ((0, 2, 3), (0, 1, 2), (0, 2, 3))
    assert choice.important_loss == pytest.approx(loss_with(model, range(4), data), abs=1e-3)
    assert choice.evenly_spaced_loss > choice.important_loss and choice.importance == tuple(importance)
    assert choice.text.startswith("depth 3/4: layers 0 2 3 of 0 to 3 stay: by importance, loss ")
    assert " (evenly spaced 0 1 2: loss " in choice.text


def test_layers_that_do_better_together_stay(model: paddle.nn.Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One by one the first and the last cost most; together the evenly spaced ones have the lower loss."""
    losses = {(0, 1, 2, 3): 1.0, (1, 2, 3): 3.0, (0, 2, 3): 2.0, (0, 1, 3): 2.1, (0, 1, 2): 2.9}
    losses |= {(0, 3): 1.9, (0, 2): 1.4}
    monkeypatch.setattr(
        "ernie_toolkit.compression.pruning.depth.loss_with", lambda model, layers, *rest: losses[tuple(layers)]
    )
    [choice] = choose_layers(model, [Fraction(1, 2)], [])
    assert (choice.important, choice.layers, choice.evenly_spaced) == ((0, 3), (0, 2), (0, 2))
    assert choice.text.endswith("stay: evenly spaced, loss 1.4000 (by importance 0 3: loss 1.9000)")


def test_the_choice_leaves_the_model_as_it_was(model: paddle.nn.Layer) -> None:
    model.train()
    before = {name: value.numpy() for name, value in model.state_dict().items()}
    data = batches(2)
    first, second = (choose_layers(model, [Fraction(3, 4), Fraction(1, 2)], data) for _ in range(2))
    assert first == second and [len(choice.layers) for choice in first] == [3, 2]
    assert model.training and all(layer.training for layer in model.sublayers())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(np.array_equal(value.numpy(), before[name]) for name, value in model.state_dict().items())
    with pytest.raises(ValueError, match="no batches"):
        choose_layers(model, [Fraction(1, 2)], [])


def test_choices_that_a_file_has(model: paddle.nn.Layer) -> None:
    choice = LayerChoice("1/2", 4, (0, 2), (0, 2), 0.5, (0, 1), 0.6, (1.0, 0.5, 0.4, 0.3))
    assert fits(choice, model)
    for layers in ((0,), (0, 4), (2, 0), (0, 0), (-1, 0)):
        assert not fits(dataclasses.replace(choice, layers=layers), model), layers
    assert not fits(dataclasses.replace(choice, num_hidden_layers=6), model)


def test_choices_in_a_report(tmp_path: Path) -> None:
    choice = LayerChoice("1/2", 4, (0, 2), (0, 2), 0.5, (0, 2), 0.5, (1.0, 0.5, 0.4, 0.3))
    report = dataclasses.replace(make_report(), depths=(choice, dataclasses.replace(choice, depth="<b>|x")))
    write_report(report, tmp_path)
    path = tmp_path / "compress_report.json"
    assert read_report(path) == report
    page = (tmp_path / "compress_report.md").read_text(encoding="utf-8")
    assert "\n- Depth 1/2: layers 0 2 of 0 to 3 stay: evenly spaced and by importance, loss 0.5000.\n" in page
    assert "<b>" not in page
    raw = json.loads(path.read_text(encoding="utf-8"))
    for name, value in (("layers", "0 2"), ("important", [0, 2.5]), ("num_hidden_layers", None)):
        spoilt = raw | {"depths": [raw["depths"][0] | {name: value}]}
        path.write_text(json.dumps(spoilt), encoding="utf-8")
        with pytest.raises(ModelError, match=rf"report\.depths\[0\]\.{name}.* compress the model again"):
            read_report(path)


def test_paddlenlp_loads_a_model_of_fewer_layers(
    model: paddle.nn.Layer, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    """Where nothing but layers was pruned, its own classes have all it takes; with a width this toolkit reads it."""
    make_elastic(model)
    [batch] = batches(1)
    small = cut_out(model, ModelSlice(FULL_SIZE, (1, 3)))
    save_model(small, vocabulary, tmp_path / "depth")
    again = type(model).from_pretrained(str(tmp_path / "depth"))
    assert again.config.num_hidden_layers == 2 and np.array_equal(logits(again, batch), logits(small, batch))
    both = cut_out(model, ModelSlice(HALF, (1, 3)))
    save_model(both, vocabulary, tmp_path / "both")
    loaded = load_model(str(tmp_path / "both"), LABELS)
    assert loaded.fresh == () and np.array_equal(logits(loaded.model, batch), logits(both, batch))
    assert current_size(copy_model(loaded.model)) == HALF


def test_widths_and_depths_are_trained_in_one_run(
    vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path
) -> None:
    """What was measured of each size in training is what its model answers."""
    loaded = make_tiny_model(vocabulary, ("0", "1"), **TEACHER, num_hidden_layers=3)
    session = Session(loaded, afqmc_sample, PAIRS)
    session = dataclasses.replace(session, data=dataclasses.replace(afqmc_sample, dev=answered(session, "dev")))
    rows = session.encoded(session.data.split("dev"))
    sizes = tuple(
        Shares(width, depth) for depth in (Fraction(1), Fraction(2, 3)) for width in (Fraction(1), Fraction(1, 2))
    )
    options = dataclasses.replace(OPTIONS, max_steps=10)
    models, result = pruned(session, sizes[1:], options, tmp_path)
    shapes = [(len(encoder_layers(item.model)), current_size(item.model)) for item in models]
    assert shapes == [(3, HALF), (2, FULL_SIZE), (2, HALF)]
    assert [item.model.config.to_dict().get("pruned_intermediate_size") for item in models] == [32, None, 32]
    seen = [entry for entry in result.history if "eval_loss" in entry]
    assert len(seen) == 3
    for item, shares in zip(models, sizes[1:], strict=True):
        prefix = f"eval_{size_name(shares)}/"
        metrics = session.task.score(rows, predict_logits(item.model, rows, 32), session.data.split("dev"))
        assert metrics["accuracy"] == pytest.approx(max(entry[prefix + "accuracy"] for entry in seen))
        assert any(metrics["loss"] == pytest.approx(entry[prefix + "loss"], abs=1e-5) for entry in seen)
