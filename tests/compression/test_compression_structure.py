"""Widths, importance, reordering and slicing: what is kept computes what it computed before."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import paddle
import pytest
from tiny import make_tiny_model

from ernie_toolkit.compression.pruning.importance import reorder, taylor_importance, unit_gates
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.models import LoadedModel, Vocabulary, copy_model, load_model, save_model
from ernie_toolkit.models.sizes import LayerSize, layer_size, parse_width
from ernie_toolkit.models.slices import current_size, encoder_layers, parameter_count, select
from ernie_toolkit.text.dataset import Batch

LABELS = ("0", "1", "2")
TASKS = ("seq_cls", "token_cls", "qa", "multiple_choice")


@pytest.fixture
def loaded(vocabulary: Vocabulary) -> LoadedModel:
    return make_tiny_model(vocabulary, LABELS, initializer_range=0.3)


def batches(count: int, task: str = "seq_cls", seed: int = 3) -> list[Batch]:
    """Random rows with targets."""
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        ids = generator.integers(5, 500, (8, 12))
        batch = {"input_ids": ids, "token_type_ids": np.zeros_like(ids)}
        if task == "qa":
            batch |= {name: generator.integers(0, 12, 8) for name in ("start_positions", "end_positions")}
        elif task == "multiple_choice":  # four questions of two choices
            batch["labels"] = np.stack([np.repeat(np.arange(4), 2), np.tile([1, 0], 4)], axis=1)
        else:
            batch["labels"] = generator.integers(0, len(LABELS), 8 if task == "seq_cls" else (8, 12))
        made.append(batch)
    return made


def logits(model: paddle.nn.Layer, batch: Batch) -> np.ndarray:
    model.eval()
    outputs = model(paddle.to_tensor(batch["input_ids"]), paddle.to_tensor(batch["token_type_ids"]))
    return np.stack([item.numpy() for item in outputs]) if isinstance(outputs, tuple) else outputs.numpy()


def loss(model: paddle.nn.Layer, batch: Batch) -> float:
    model.eval()
    return float(model(**{name: paddle.to_tensor(value) for name, value in batch.items()})[0])


@pytest.mark.parametrize(("text", "width"), [("3/4", (3, 4)), ("0.75", (3, 4)), (" 2/3 ", (2, 3)), ("1", (1, 1))])
def test_widths_are_read(text: str, width: tuple[int, int]) -> None:
    assert parse_width(text) == Fraction(*width)


@pytest.mark.parametrize("text", ["0", "-1/2", "4/3", "wide", "1/0", ""])
def test_bad_widths(text: str) -> None:
    with pytest.raises(ConfigError, match="width"):
        parse_width(text)


@pytest.mark.parametrize(
    ("heads", "neurons", "width", "expected"),
    [
        # the published shapes: base, medium (12 heads of 64), mini, micro (12 of 32), nano (12 of 26)
        (12, 3072, "3/4", (9, 2304)),
        (12, 3072, "2/3", (8, 2048)),
        (12, 3072, "1/2", (6, 1536)),
        (12, 1536, "0.6667", (8, 1024)),
        (12, 1536, "0.67", (8, 1024)),
        (12, 3072, "0.3", (3, 921)),
        (12, 1248, "3/4", (9, 936)),
        (12, 1248, "1", (12, 1248)),
        (4, 64, "1/4", (1, 16)),
    ],
)
def test_what_a_width_leaves(heads: int, neurons: int, width: str, expected: tuple[int, int]) -> None:
    assert layer_size(heads, neurons, parse_width(width)) == LayerSize(*expected)


def test_a_width_that_leaves_no_head() -> None:
    with pytest.raises(ConfigError, match=r"leaves 0 of 4 heads and 12 of 64 .* use 1/4 at least"):
        layer_size(4, 64, Fraction(1, 5))


@pytest.mark.parametrize("task", TASKS)
def test_gates_are_derivatives_of_the_loss(vocabulary: Vocabulary, task: str) -> None:
    """Each score is the slope of the loss along one unit, found by turning that unit up and down a little."""
    model = make_tiny_model(vocabulary, LABELS, task, initializer_range=0.3).model
    [batch] = batches(1, task)
    scores = taylor_importance(model, [batch])
    assert scores.heads.shape == (2, 4) and scores.neurons.shape == (2, 64)
    step = 1e-2
    for layer in range(2):
        for unit in range(4):
            turned = []
            for sign in (-1, 1):
                with unit_gates(model) as (heads, _):
                    heads[layer].set_value(np.eye(4, dtype=np.float32)[unit] * sign * step + 1)
                    turned.append(loss(model, batch))
            assert abs(turned[1] - turned[0]) / (2 * step) == pytest.approx(
                scores.heads[layer, unit], abs=2e-4, rel=0.02
            )


def test_importance_finds_what_removal_costs(loaded: LoadedModel) -> None:
    """Against brute force: every neuron and head taken out alone, the loss measured."""
    model, data = loaded.model, batches(4)
    # Weights of second layers are made small, so that the first order is what counts.
    for layer in encoder_layers(model):
        for linear in (layer.linear2, layer.self_attn.out_proj):
            linear.weight.set_value(linear.weight * 0.1)
    scores = taylor_importance(model, data)
    before = np.array([loss(model, batch) for batch in data])
    for layer in range(2):
        for kind, (count, found) in enumerate(((4, scores.heads[layer]), (64, scores.neurons[layer]))):
            costs = []
            for unit in range(count):
                with unit_gates(model) as gates:
                    gates[kind][layer].set_value((np.arange(count) != unit).astype(np.float32))
                    costs.append(np.abs(np.array([loss(model, batch) for batch in data]) - before).mean())
            ranks = [np.argsort(np.argsort(values)) for values in (np.array(costs), found)]
            assert np.corrcoef(*ranks)[0, 1] > (0.7 if kind == 0 else 0.9)


def test_importance_leaves_the_model_as_it_was(loaded: LoadedModel) -> None:
    model = loaded.model
    model.train()
    before = {name: value.numpy() for name, value in model.state_dict().items()}
    first, second = (taylor_importance(model, batches(2)) for _ in range(2))
    assert np.array_equal(first.heads, second.heads) and np.array_equal(first.neurons, second.neurons)
    assert model.training and all(not parameter.stop_gradient for parameter in model.parameters())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(np.array_equal(value.numpy(), before[name]) for name, value in model.state_dict().items())
    with pytest.raises(ValueError, match="no batches"):
        taylor_importance(model, [])


@pytest.mark.parametrize("task", TASKS)
def test_reordering_changes_no_answer(vocabulary: Vocabulary, task: str) -> None:
    model = make_tiny_model(vocabulary, LABELS, task, initializer_range=0.3).model
    [batch] = batches(1, task)
    before, weight = logits(model, batch), encoder_layers(model)[0].linear1.weight.numpy()
    scores = taylor_importance(model, [batch])
    reorder(model, scores)
    assert np.abs(logits(model, batch) - before).max() < 1e-5
    moved = encoder_layers(model)[0].linear1.weight.numpy()
    assert not np.array_equal(moved, weight)
    assert np.array_equal(moved, weight[:, np.argsort(-scores.neurons[0], kind="stable")])
    again = taylor_importance(model, [batch])
    assert (np.diff(again.heads) <= 1e-6).all() and (np.diff(again.neurons) <= 1e-6).all()
    assert current_size(model) == LayerSize(4, 64) and not hasattr(model.config, "pruned_intermediate_size")


@pytest.mark.parametrize("width", ["3/4", "1/2", "1/4"])
@pytest.mark.parametrize("task", TASKS)
def test_slices_compute_what_masks_compute(vocabulary: Vocabulary, task: str, width: str) -> None:
    model = make_tiny_model(vocabulary, LABELS, task, initializer_range=0.3).model
    [batch] = batches(1, task)
    size = layer_size(4, 64, parse_width(width))
    with unit_gates(model) as (heads, neurons):
        for head_gate, neuron_gate in zip(heads, neurons, strict=True):
            head_gate.set_value((np.arange(4) < size.num_attention_heads).astype(np.float32))
            neuron_gate.set_value((np.arange(64) < size.intermediate_size).astype(np.float32))
        masked = logits(model, batch)
    full = parameter_count(model)
    select(model, [np.arange(size.num_attention_heads)] * 2, [np.arange(size.intermediate_size)] * 2)
    assert np.abs(logits(model, batch) - masked).max() < 1e-5
    assert current_size(model) == size
    per_layer = 4 * 32 * 8 * (4 - size.num_attention_heads) + 2 * 32 * (64 - size.intermediate_size)
    biases = 3 * 8 * (4 - size.num_attention_heads) + 64 - size.intermediate_size
    assert full - parameter_count(model) == 2 * (per_layer + biases)


def test_a_pruned_model_is_saved_loaded_and_trained_on(loaded: LoadedModel, tmp_path: Path) -> None:
    model, [batch] = loaded.model, batches(1)
    select(model, [np.array([2, 0, 3]), np.array([1, 2, 3])], [np.arange(0, 48), np.arange(16, 64)])
    expected = logits(model, batch)
    save_model(model, loaded.vocabulary, tmp_path)
    again = load_model(str(tmp_path), LABELS)
    assert again.fresh == () and current_size(again.model) == LayerSize(3, 48)
    assert np.array_equal(logits(again.model, batch), expected)
    optimizer = paddle.optimizer.AdamW(1e-3, parameters=again.model.parameters())
    again.model.train()
    again.model(**{name: paddle.to_tensor(value) for name, value in batch.items()})[0].backward()
    optimizer.step()
    changed = logits(again.model, batch)
    assert not np.array_equal(changed, expected)
    save_model(again.model, again.vocabulary, tmp_path)
    assert np.array_equal(logits(load_model(str(tmp_path), LABELS).model, batch), changed)
    # A pruned model can be pruned further.
    select(again.model, [np.array([0, 1])] * 2, [np.arange(8)] * 2)
    assert current_size(copy_model(again.model)) == LayerSize(2, 8)


def test_copies_are_apart(loaded: LoadedModel) -> None:
    other, [batch] = copy_model(loaded.model), batches(1)
    expected = logits(loaded.model, batch)
    assert np.array_equal(logits(other, batch), expected)
    select(other, [np.arange(2)] * 2, [np.arange(8)] * 2)
    assert np.array_equal(logits(loaded.model, batch), expected) and current_size(loaded.model) == LayerSize(4, 64)
    with pytest.raises(ValueError, match="as many heads and neurons"):
        select(other, [np.arange(2), np.arange(1)], [np.arange(8)] * 2)
