"""The faster layers of training on a CPU: what they compute, what they draw, and that they leave nothing behind."""

import copy
import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddle.distributed.fleet.utils import recompute
from paddle.utils import unique_name
from tiny import PAIRS, make_tiny_model
from training_runs import OPTIONS, run

from ernie_toolkit.data import DataSet
from ernie_toolkit.models import Vocabulary, load_model
from ernie_toolkit.session import Session
from ernie_toolkit.training import seed_everything
from ernie_toolkit.training.fast_layers import fast_layers

IDS = np.random.default_rng(0).integers(5, 500, (6, 20))
IDS[:, 14:] *= np.arange(6)[:, None] % 2  # half of the rows are padded


@pytest.fixture
def model(model_dir: Path) -> paddle.nn.Layer:
    """A classifier without dropout, in training mode."""
    seed_everything(1)
    return load_model(str(model_dir), hidden_dropout=0.0, attention_dropout=0.0).model


def loss_and_gradients(model: paddle.nn.Layer) -> tuple[float, dict[str, np.ndarray]]:
    """The loss of `IDS` and the gradients of all parameters that have one."""
    loss = paddle.nn.functional.cross_entropy(model(paddle.to_tensor(IDS)), paddle.to_tensor(IDS[:, 0] % 2))
    loss.backward()
    found = {name: item.grad.numpy() for name, item in model.named_parameters() if item.grad is not None}
    model.clear_gradients()
    return loss.item(), found


def assert_same(stock: tuple[float, dict[str, np.ndarray]], fast: tuple[float, dict[str, np.ndarray]]) -> None:
    """Loss and gradients are equal up to rounding; gradients that are 0 but for it are compared with the largest."""
    assert np.isclose(stock[0], fast[0], rtol=1e-6)
    assert stock[1].keys() == fast[1].keys()
    largest = max(np.linalg.norm(value) for value in stock[1].values())
    for name, value in stock[1].items():
        assert np.linalg.norm(value - fast[1][name]) <= 1e-5 * np.linalg.norm(value) + 1e-8 * largest, name


def test_gradients_are_those_of_the_stock_layers(model: paddle.nn.Layer) -> None:
    stock = loss_and_gradients(model)
    with fast_layers(model):
        fast = loss_and_gradients(model)
    assert len(stock[1]) > 30
    assert_same(stock, fast)


def test_frozen_parameters_get_no_gradient(model: paddle.nn.Layer) -> None:
    for name, parameter in model.named_parameters():
        parameter.stop_gradient = "embeddings" in name or "layers.0" in name or name.endswith("linear1.bias")
    stock = loss_and_gradients(model)
    with fast_layers(model):
        fast = loss_and_gradients(model)
    assert not any("layers.0" in name for name in fast[1])
    assert_same(stock, fast)


def test_logits_of_evaluation_are_those_of_the_stock_layers(model_dir: Path) -> None:
    model = load_model(str(model_dir), hidden_dropout=0.1, attention_dropout=0.1).model
    model.eval()
    with paddle.no_grad():
        stock = model(paddle.to_tensor(IDS)).numpy()
        with fast_layers(model):
            fast = model(paddle.to_tensor(IDS)).numpy()
    assert np.abs(stock - fast).max() < 1e-5
    with fast_layers(model):
        assert np.abs(stock - model(paddle.to_tensor(IDS)).numpy()).max() < 1e-5


def test_dropout_keeps_the_expectation_and_the_gradient_follows_the_mask() -> None:
    seed_everything(5)
    layer = paddle.nn.Dropout(0.1)
    ones = paddle.ones([400, 500])
    ones.stop_gradient = False
    with fast_layers(layer):
        first, second = layer(ones), layer(ones)
    (gradient,) = paddle.grad(first, ones, ones)
    assert np.array_equal(gradient.numpy(), first.numpy())
    values = np.unique(first.numpy())
    assert values[0] == 0 and values[1:] == pytest.approx([1 / 0.9], rel=1e-4)
    # Four standard deviations of 200,000 draws, in all and by row and column.
    assert abs((first.numpy() == 0).mean() - 0.1) < 4 * np.sqrt(0.09 / 200_000)
    for axis, draws in ((0, 400), (1, 500)):
        assert abs((first.numpy() == 0).mean(axis=axis).std() / np.sqrt(0.09 / draws) - 1) < 0.2
    both = ((first.numpy() == 0) & (second.numpy() == 0)).mean()
    assert abs(both - 0.01) < 4 * np.sqrt(0.01 * 0.99 / 200_000)


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0, 0.9999999])
def test_extreme_probabilities(probability: float) -> None:
    layer = paddle.nn.Dropout(probability)
    with fast_layers(layer):
        share = (layer(paddle.ones([100, 100])).numpy() == 0).mean()
    assert abs(share - probability) < 0.03


def with_dropout(model_dir: Path) -> paddle.nn.Layer:
    """A classifier with dropout of states and attention weights, the same at each call."""
    seed_everything(1)
    return load_model(str(model_dir), hidden_dropout=0.2, attention_dropout=0.2).model


def test_masks_are_a_function_of_the_seed(model_dir: Path) -> None:
    model = with_dropout(model_dir)
    with fast_layers(model):
        losses = []
        for seed in (3, 3, 4):
            seed_everything(seed)
            np.random.seed(seed + len(losses))  # the masks are of Paddle's generator alone
            losses.append(loss_and_gradients(model)[0])
    assert losses[0] == losses[1] != losses[2]


def test_a_layer_that_is_computed_again_draws_the_same_masks(model_dir: Path) -> None:
    layer = with_dropout(model_dir).ernie.encoder.layers[0]
    states = paddle.randn([4, 10, layer.linear1.weight.shape[0]])
    states.stop_gradient = False
    gradients = []
    with fast_layers(layer):
        for again in (False, True):
            seed_everything(7)
            output = recompute(layer, states) if again else layer(states)
            gradients.append(paddle.grad(output.square().sum(), states)[0].numpy())
    assert np.allclose(*gradients, rtol=1e-5, atol=1e-6)


def test_nothing_is_left_behind(model: paddle.nn.Layer) -> None:
    names, before = list(model.state_dict()), [dict(vars(layer)) for layer in model.sublayers()]
    with pytest.raises(KeyboardInterrupt), fast_layers(model):
        assert list(model.state_dict()) == names
        raise KeyboardInterrupt
    assert [vars(layer).keys() for layer in model.sublayers()] == [old.keys() for old in before]
    copy.deepcopy(model)


class Doubled(paddle.nn.Linear):
    """A linear layer with a way of its own."""

    def forward(self, x: Any) -> Any:
        """Twice what the layer computes."""
        return 2 * super().forward(x)


def test_layers_of_other_kinds_stay_as_they_are() -> None:
    own, doubled, sixteen = paddle.nn.Linear(4, 4), Doubled(4, 4), paddle.nn.Linear(4, 4)
    own.forward = lambda x: x
    sixteen.to(dtype="float64")
    x = paddle.randn([3, 4])
    expected = doubled(x).numpy()
    with fast_layers(paddle.nn.LayerList([own, doubled, sixteen])):
        assert own(x) is x
        assert np.array_equal(doubled(x).numpy(), expected)
        assert sixteen(x.astype("float64")).dtype == paddle.float64
    assert own(x) is x


def test_a_resumed_run_draws_what_the_uninterrupted_one_draws(
    vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path
) -> None:
    options = dataclasses.replace(OPTIONS, save_total_limit=5, load_best_model_at_end=False)

    def weights(seed: int, resume: bool) -> dict[str, np.ndarray]:
        with unique_name.guard():  # parameters are counted anew, as in a new process
            dropouts = {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.2}
            session = Session(make_tiny_model(vocabulary, ("0", "1"), **dropouts), afqmc_sample, PAIRS)
            seed_everything(seed)
            session.loaded.model.train()
            run(session, tmp_path / "run", options, resume=resume)
            return {name: value.numpy() for name, value in session.loaded.model.state_dict().items()}

    whole = weights(1, resume=False)
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "checkpoint-12")
    resumed = weights(2, resume=True)
    assert all(np.array_equal(value, resumed[name]) for name, value in whole.items())


@pytest.mark.parametrize("fast_cpu", [True, False])
def test_a_run_uses_them_unless_told_not_to(
    vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path, fast_cpu: bool
) -> None:
    seen = []

    def criterion(logits: Any, labels: Any) -> Any:
        seen.append("forward" in vars(session.loaded.model.classifier))
        return paddle.nn.functional.cross_entropy(logits, labels)

    session = Session(make_tiny_model(vocabulary, ("0", "1")), afqmc_sample, PAIRS, criterion=criterion)
    run(session, tmp_path, dataclasses.replace(OPTIONS, max_steps=2, fast_cpu=fast_cpu))
    assert set(seen) == {fast_cpu}
    assert "forward" not in vars(session.loaded.model.classifier)
