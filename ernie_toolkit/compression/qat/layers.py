"""Linear layers that compute in FP32 what ONNX Runtime's INT8 products will compute, and learn through it.

Imports Paddle; import it inside a function.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn
from paddle.autograd import PyLayer
from paddle.nn import functional

from ernie_toolkit.compression.options import QatSettings
from ernie_toolkit.compression.quantization.calibration import STEPS, Range
from ernie_toolkit.compression.quantization.numeric import INT8_MAX, LEAST_STEP
from ernie_toolkit.compression.quantization.onnx import weight_products
from ernie_toolkit.errors import ModelError
from ernie_toolkit.text.dataset import Batch
from ernie_toolkit.training.loss import evaluating

# AdamW moves a value by about the learning rate in a step: right for weights, which are hundreds of times
# smaller than the thresholds of activations.
THRESHOLD_RATE = 100.0
# A learned threshold may not reach 0, where a layer answers, and learns, nothing.
MIN_BOUND = float(np.float32(1e-6))
# Layers that read the same activation as their attention's `q_proj`.
FOLLOWERS = (".self_attn.k_proj", ".self_attn.v_proj")


class _RoundedWeight(PyLayer):
    """`round_to_int8` of a weight (inputs, outputs), where it lies; the gradient passes through unchanged."""

    @staticmethod
    def forward(ctx: Any, weight: paddle.Tensor, per_column: bool) -> paddle.Tensor:
        largest = paddle.linalg.vector_norm(weight, p=float("inf"), axis=0 if per_column else None)
        scale = paddle.divide(largest, paddle.to_tensor(float(INT8_MAX), dtype=weight.dtype))
        scale = paddle.where(scale < LEAST_STEP, paddle.ones_like(scale), scale)
        return paddle.divide(weight, scale).round_().multiply_(scale)

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> paddle.Tensor:
        return gradient


def _on_steps(x: paddle.Tensor, scale: paddle.Tensor, zero: paddle.Tensor) -> paddle.Tensor:
    """Activations on their uint8 steps; in place where it can be, which costs a tenth of a new tensor here."""
    # NaN comes out as NaN, for the Trainer to find in the loss, while NaN for a bound would be refused here.
    zero = paddle.nan_to_num(zero)
    return paddle.divide(x, scale).round_().clip_(-zero, STEPS - 1 - zero).multiply_(scale)


class _DynamicSteps(PyLayer):
    """Activations on the uint8 steps of ONNX's DynamicQuantizeLinear, whose range none of them is out of."""

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor) -> paddle.Tensor:
        none = paddle.zeros([], dtype=x.dtype)
        low, spread = paddle.minimum(x.min(), none), paddle.maximum(x.max(), none)
        spread = spread - low
        # Division by a Python number would be a product with its reciprocal, which rounds differently.
        scale = paddle.divide(spread, paddle.full_like(spread, STEPS - 1))
        scale = paddle.where(scale < LEAST_STEP, paddle.ones_like(scale), scale)
        return _on_steps(x, scale, paddle.divide(-low, scale).round().clip(0, STEPS - 1))

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> paddle.Tensor:
        return gradient


class _StaticSteps(PyLayer):
    """Activations on the uint8 steps of a fixed range +-bound, as ONNX Runtime derives them from it.

    Clipped activations get no gradient; theirs goes to the bound, which each of them equals but for its sign
    (Choi et al., 2018, PACT, https://arxiv.org/abs/1805.06085).
    """

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, bound: paddle.Tensor) -> paddle.Tensor:
        ctx.learned = not bound.stop_gradient
        bound = bound.clip(min=MIN_BOUND)
        ctx.save_for_backward(x, bound)
        # The zero point is 127.5 before it is rounded, so that the last bit of a double decides between two.
        exact = bound.astype("float64")
        scale = paddle.divide(exact + exact, paddle.full_like(exact, STEPS - 1))
        zero = paddle.divide(exact, scale).round()
        return _on_steps(x, scale.astype(x.dtype), zero.astype(x.dtype))

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor | None]:
        x, bound = ctx.saved_tensor()
        inside = gradient * (x.abs() <= bound.astype(x.dtype)).astype(gradient.dtype)
        if not ctx.learned:
            return inside, None
        return inside, ((gradient - inside) * x.sign()).sum().astype(bound.dtype).reshape(bound.shape)


class FakeQuantLinear(nn.Linear):
    """A linear layer of which weights and activations take INT8's values only, with straight-through gradients.

    It shares the weights of the layer that it stands for, under the same names. Weights: symmetric int8, one scale for
    each output column or one in all. Activations: uint8, one range for all values of a batch, its own or a fixed one.

    Args:
        layer: The layer that it stands for.
        settings: What is rounded how.
        leader: A layer that reads the same activation, whose bound this one uses, because the quantized graph has one
            range for both; None: this one has its own.

    Attributes:
        activation_bound: The largest magnitude of a fixed range, float32 of shape (1,), 0 before it is calibrated: a
            moving average of the batches' largest magnitudes, or the largest of them, or with PACT a parameter that
            starts there. It is part of the state that checkpoints hold. Layers with a leader or dynamic ranges have
            none.
    """

    def __init__(self, layer: nn.Linear, settings: QatSettings, leader: "FakeQuantLinear | None" = None) -> None:
        super().__init__(1, 1)
        self.weight, self.bias = layer.weight, layer.bias
        self.training = layer.training
        self.per_column = settings.weight_quantize_type == "channel_wise_abs_max"
        self.static = settings.fixed
        self.largest = settings.activation_quantize_type == "range_abs_max"
        self.learned = self.static and settings.use_pact
        self.moving_rate, self.calibrating = settings.moving_rate, False
        # A tuple, so that the leader does not become a sublayer of this one, and its bound a second state.
        self._leaders = () if leader is None else (leader,)
        if not self.static or leader is not None:
            return
        if self.learned:
            attribute = paddle.ParamAttr(initializer=nn.initializer.Constant(0.0), learning_rate=THRESHOLD_RATE)
            self.activation_bound = self.create_parameter([1], attr=attribute, dtype="float32")
        else:
            self.register_buffer("activation_bound", paddle.zeros([1], dtype="float32"))

    @property
    def range(self) -> Range:
        """What the activation's steps cover, where it is fixed.

        Raises:
            ValueError: Where no activation was seen yet.
        """
        if self._leaders:
            return self._leaders[0].range
        bound = float(self.activation_bound)
        if bound == 0.0:
            raise ValueError("the layer has seen no activation yet: calibrate it before it is evaluated")
        return -max(bound, MIN_BOUND), max(bound, MIN_BOUND)

    def _observe(self, x: paddle.Tensor) -> None:
        """Move the bound towards the largest magnitude of a batch."""
        largest = paddle.linalg.vector_norm(x.detach(), p=float("inf")).astype("float32").reshape([1])
        if paddle.distributed.is_initialized():
            paddle.distributed.all_reduce(largest, op=paddle.distributed.ReduceOp.MAX)
        with paddle.no_grad():
            before = self.activation_bound
            if self.largest:
                moved = paddle.maximum(before, largest)
            else:
                moved = self.moving_rate * before + (1.0 - self.moving_rate) * largest
            before.set_value(paddle.where(before > 0, moved, largest))

    def _bound(self, x: paddle.Tensor) -> paddle.Tensor:
        if self._leaders:
            return self._leaders[0].activation_bound
        moves = self.training and (not self.learned or float(self.activation_bound) == 0.0)
        if moves or self.calibrating:
            self._observe(x)
        elif not self.training:
            _ = self.range  # raises where there is none
        return self.activation_bound

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Compute what the INT8 product will.

        Args:
            x: Float of shape (..., inputs).

        Returns:
            Float of shape (..., outputs).
        """
        steps = _StaticSteps.apply(x, self._bound(x)) if self.static else _DynamicSteps.apply(x)
        return functional.linear(steps, _RoundedWeight.apply(self.weight, self.per_column), self.bias)


def _linear_layers(model: nn.Layer) -> dict[str, nn.Linear]:
    """All linear layers of a model by name; in an ERNIE model each is a product with a constant weight."""
    return {name: layer for name, layer in model.named_sublayers() if isinstance(layer, nn.Linear)}


def _replace(model: nn.Layer, name: str, layer: nn.Linear) -> None:
    parent, _, own = name.rpartition(".")
    owner = model
    for part in parent.split(".") if parent else ():
        owner = getattr(owner, part)
    setattr(owner, own, layer)


def make_quantized(model: nn.Layer, settings: QatSettings) -> None:
    """Let every linear layer of a plain model compute as it will in INT8.

    Bounds of fixed ranges are empty until `calibrate` or training fills them.

    Args:
        model: The model, which is changed in place.
        settings: What is rounded how.
    """
    layers = _linear_layers(model)
    made: dict[str, FakeQuantLinear] = {}
    for name in sorted(layers, key=lambda name: name.endswith(FOLLOWERS)):
        leader = made[name.rpartition(".")[0] + ".q_proj"] if name.endswith(FOLLOWERS) else None
        made[name] = FakeQuantLinear(layers[name], settings, leader)
    for name, layer in made.items():
        _replace(model, name, layer)


def restore(model: nn.Layer) -> None:
    """Put plain linear layers with the trained weights in the place of all others; changes the model in place."""
    for name, layer in _linear_layers(model).items():
        if isinstance(layer, FakeQuantLinear):
            plain = nn.Linear(1, 1)
            plain.weight, plain.bias, plain.training = layer.weight, layer.bias, layer.training
            _replace(model, name, plain)


def calibrate(model: nn.Layer, batches: Iterable[Batch]) -> None:
    """Give fixed ranges their first values: the moving average over some training batches, without dropout.

    Args:
        model: Of `make_quantized`; it is left in the mode that it was in.
        batches: Model inputs; targets are not looked at.
    """
    layers = [layer for layer in _linear_layers(model).values() if isinstance(layer, FakeQuantLinear)]
    for layer in layers:
        layer.calibrating = layer.static
    with evaluating(model), paddle.no_grad():
        for batch in batches:
            model(*(paddle.to_tensor(batch[name]) for name in ("input_ids", "token_type_ids")))
    for layer in layers:
        layer.calibrating = False


def learned_ranges(model: nn.Layer) -> dict[str, Range]:
    """The fixed range of every layer's activation by the layer's name ("ernie.encoder.layers.0.linear1").

    Args:
        model: Of `make_quantized`.

    Returns:
        The least and the greatest value of each range; empty for dynamic ranges.

    Raises:
        ValueError: For fixed ones that have seen no activation yet.
    """
    layers = _linear_layers(model)
    return {name: layer.range for name, layer in layers.items() if isinstance(layer, FakeQuantLinear) and layer.static}


def onnx_ranges(path: Path, model: nn.Layer, ranges: Mapping[str, Range]) -> dict[str, Range]:
    """Layers' ranges by the names that the activations have in the FP32 graph exported from the model.

    A product belongs to the layer that has its weight. Products that read one activation (query, key and value) have
    the union of their layers' ranges.

    Args:
        path: The graph's ONNX file.
        model: The plain model that it was exported from.
        ranges: Of `learned_ranges`, by the layers' names.

    Raises:
        ModelError: Where a product has no layer, or its layer no range.
    """
    import onnx

    graph = onnx.load(str(path))
    weights = {item.name: onnx.numpy_helper.to_array(item) for item in graph.graph.initializer if len(item.dims) == 2}
    layers: dict[tuple[tuple[int, ...], bytes], list[str]] = {}
    for name, layer in _linear_layers(model).items():
        layers.setdefault(_content(layer.weight.numpy()), []).append(name)
    found: dict[str, Range] = {}
    for product in weight_products(graph):
        names = layers.get(_content(weights[product.weight]))
        if not names:
            raise ModelError(f"{path}: no layer of the model has the weight of {product.node}: export this model again")
        # Layers of equal weights, which only an untrained model has, come in the graph's order.
        name = names.pop(0)
        if name not in ranges:
            raise ModelError(f"{path}: no range was learned for {name}, which {product.node} computes: train it again")
        low, high = ranges[name]
        before = found.get(product.input, (low, high))
        found[product.input] = min(low, before[0]), max(high, before[1])
    return found


def _content(weight: np.ndarray) -> tuple[tuple[int, ...], bytes]:
    return weight.shape, np.ascontiguousarray(weight, dtype=np.float32).tobytes()
