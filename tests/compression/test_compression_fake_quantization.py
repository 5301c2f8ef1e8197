"""Layers that simulate INT8: the steps that ONNX Runtime has, and gradients as if there were none."""

import dataclasses
from collections.abc import Callable

import numpy as np
import paddle
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, helper
from onnxruntime.quantization.quant_utils import compute_scale_zp
from paddle import nn

from ernie_toolkit.compression.options import QatSettings
from ernie_toolkit.compression.qat.layers import FakeQuantLinear
from ernie_toolkit.compression.quantization.numeric import round_to_int8
from ernie_toolkit.inference.engines.onnxruntime import model_session

DYNAMIC, STATIC, PACT = (
    QatSettings(),
    QatSettings(activation_quantize_type="moving_average_abs_max"),
    QatSettings(activation_quantize_type="moving_average_abs_max", use_pact=True),
)
COARSE = QatSettings("abs_max")
FLOATS = st.floats(-1e4, 1e4, width=32)


def layer_of(weight: np.ndarray, settings: QatSettings, bias: float = 0.0) -> FakeQuantLinear:
    plain = nn.Linear(*weight.shape)
    plain.weight.set_value(weight)
    plain.bias.set_value(np.full(weight.shape[1], bias, dtype=np.float32))
    return FakeQuantLinear(plain, settings)


def identity(settings: QatSettings, size: int = 5) -> FakeQuantLinear:
    """A layer whose weight int8 can hold as it is: what comes out are the activations' steps."""
    return layer_of(np.eye(size, dtype=np.float32), settings)


def set_bound(layer: FakeQuantLinear, bound: float) -> float:
    layer.activation_bound.set_value(np.array([bound], dtype=np.float32))
    return layer.range[1]


@pytest.fixture(scope="module")
def dynamic_steps() -> Callable[[np.ndarray], np.ndarray]:
    """What ONNX Runtime's DynamicQuantizeLinear makes of a matrix, as float32 again."""
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None]) for name in ("x", "y"))
    graph = helper.make_graph(nodes, "steps", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    session = model_session(model.SerializeToString(), num_threads=1)
    return lambda x: np.asarray(session.run(None, {"x": x})[0])


def test_dynamic_activations_are_those_of_onnx_runtime(dynamic_steps: Callable[[np.ndarray], np.ndarray]) -> None:
    layer = identity(DYNAMIC)

    @hypothesis_settings(max_examples=80, deadline=None)
    @given(arrays(np.float32, (3, 5), elements=FLOATS | st.floats(2**-20, 2, width=32)))
    def check(x: np.ndarray) -> None:
        spread = max(float(x.max()), 0.0) - min(float(x.min()), 0.0)
        got = layer(paddle.to_tensor(x)).numpy()
        # Steps smaller than the least normal number are no steps: such values are zero for all a model computes.
        assert np.abs(got - dynamic_steps(x)).max() <= 1e-6 * spread + 1e-30

    check()
    assert not layer(paddle.zeros([2, 5])).numpy().any()


@hypothesis_settings(max_examples=80, deadline=None)
@given(arrays(np.float32, (3, 5), elements=FLOATS), st.floats(2**-10, 5000, width=32))
def test_static_activations_are_those_of_onnx_runtimes_parameters(x: np.ndarray, bound: float) -> None:
    layer = identity(STATIC)
    layer.eval()
    assert set_bound(layer, bound) == bound
    ends = np.array(-bound, dtype=np.float32), np.array(bound, dtype=np.float32)
    zero, scale = compute_scale_zp(*ends, np.array(0, dtype=np.uint8), np.array(255, dtype=np.uint8))
    expected = (np.clip(np.rint(x / scale) + int(zero), 0, 255) - int(zero)).astype(np.float32) * scale
    assert np.abs(layer(paddle.to_tensor(x)).numpy() - expected).max() <= 1e-6 * bound


@hypothesis_settings(max_examples=50, deadline=None)
@given(arrays(np.float32, (4, 3), elements=FLOATS), st.booleans())
def test_weights_are_rounded_as_in_numpy(weight: np.ndarray, per_column: bool) -> None:
    layer = layer_of(weight, DYNAMIC if per_column else COARSE, bias=1.0)
    expected = round_to_int8(weight, 0 if per_column else None)
    got = layer(paddle.eye(4)).numpy() - 1.0
    assert np.abs(got - expected).max() <= 1e-6 * max(np.abs(weight).max(), 1.0)


def test_gradients_pass_straight_through() -> None:
    weight = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    x = np.array([[0.5, -1.0, 3.0], [-4.0, 0.2, 1.9]], dtype=np.float32)
    inside = np.abs(x) <= 2.0
    for settings in (DYNAMIC, STATIC, PACT):
        layer = layer_of(weight, settings)
        layer.eval()
        if settings is not DYNAMIC:
            set_bound(layer, 2.0)
        given_x = paddle.to_tensor(x, stop_gradient=False)
        rounded = layer_of(weight, DYNAMIC)(paddle.eye(3)).numpy()
        layer(given_x).sum().backward()
        towards_x = np.broadcast_to(rounded.sum(axis=1), x.shape)
        expected = towards_x if settings is DYNAMIC else towards_x * inside
        assert np.allclose(given_x.grad.numpy(), expected, atol=1e-5)
        steps = np.broadcast_to(np.clip(x, -2.0, 2.0).sum(axis=0)[:, None], weight.shape)
        if settings is not DYNAMIC:
            assert np.allclose(layer.weight.grad.numpy(), steps, atol=0.05)
        if settings is PACT:
            wanted = (towards_x * np.sign(x) * ~inside).sum()
            assert float(layer.activation_bound.grad) == pytest.approx(wanted, abs=1e-5)


def test_the_bound_is_a_moving_average_of_training_batches() -> None:
    layer = identity(dataclasses.replace(STATIC, moving_rate=0.75), 2)
    with pytest.raises(ValueError, match="calibrate it"):
        layer.eval()
        layer(paddle.ones([1, 2]))
    layer.train()
    for largest, expected in ((4.0, 4.0), (-8.0, 5.0), (1.0, 4.0)):
        layer(paddle.to_tensor([[largest, 0.5]]))
        assert layer.range == (-expected, expected)
    layer.eval()
    layer(paddle.full([1, 2], 100.0))
    assert layer.range == (-4.0, 4.0)
    learned = identity(dataclasses.replace(PACT, moving_rate=0.75), 2)
    for largest in (4.0, -8.0):
        learned(paddle.to_tensor([[largest, 0.5]]))
        assert learned.range == (-4.0, 4.0)  # from the first batch on, it is training's to move


@pytest.mark.parametrize("settings", [DYNAMIC, STATIC, PACT], ids=["dynamic", "static", "pact"])
def test_what_is_no_number_comes_out_so(settings: QatSettings) -> None:
    """The Trainer finds it in the loss, and tells the user what to do."""
    layer = identity(settings, 2)
    layer(paddle.ones([1, 2]))
    layer(paddle.to_tensor([[float("inf"), 1.0]]))
    assert np.isnan(layer(paddle.to_tensor([[float("nan"), 1.0]])).numpy()).any()


def test_the_bound_is_the_largest_of_training_batches() -> None:
    """PaddleNLP's range_abs_max; its abs_max is the range of each batch."""
    layer = identity(QatSettings(activation_quantize_type="range_abs_max"))
    layer.train()
    for largest, bound in ((3.0, 3.0), (1.0, 3.0), (5.0, 5.0), (4.0, 5.0)):
        layer(paddle.to_tensor([[0.5, -largest, 0.1, 0.0, 0.2]]))
        assert layer.range == (-bound, bound)
    layer.eval()
    layer(paddle.full([1, 5], 9.0))
    assert layer.range == (-5.0, 5.0)
    each, dynamic = identity(QatSettings(activation_quantize_type="abs_max")), identity(DYNAMIC)
    x = paddle.to_tensor(np.random.default_rng(3).normal(size=(4, 5)).astype(np.float32))
    assert np.array_equal(each(x).numpy(), dynamic(x).numpy()) and not each.static
