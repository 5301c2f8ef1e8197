"""Faster ways through Paddle's own layers while a model trains on a CPU; they compute the same.

Paddle's CPU kernels add up gradients of biases and normalisation weights slowly, and draw dropout's masks slowly. The
model keeps its layers and their parameters: within `fast_layers` some have another `forward`, and no longer.
Imports Paddle; import it inside a function.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import paddle
from paddle.autograd import PyLayer
from paddle.nn import functional

# Random bits decide on each value by 16 of them: a probability of 0.1 becomes 6554/65536.
_LEVELS = 1 << 16


def _repeated(vector: paddle.Tensor, count: int) -> paddle.Tensor:
    """A vector as each of `count` rows; as a product, whose gradient adds up the rows faster than a broadcast's."""
    return paddle.matmul(paddle.ones([count, 1], vector.dtype), vector.unsqueeze(0))


class _Normalize(PyLayer):
    """The rows of a matrix with mean 0 and variance 1; means of the backward pass are products."""

    @staticmethod
    def forward(ctx: Any, rows: paddle.Tensor, epsilon: float) -> paddle.Tensor:
        ctx.save_for_backward(rows)
        ctx.epsilon = epsilon
        return functional.layer_norm(rows, rows.shape[-1:], epsilon=epsilon)

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> paddle.Tensor:
        (rows,) = ctx.saved_tensor()
        mean = partial(paddle.matmul, y=paddle.full([rows.shape[1], 1], 1 / rows.shape[1], rows.dtype))
        centred = rows - mean(rows)
        scale = paddle.rsqrt(mean(centred * centred) + ctx.epsilon)
        normal = centred * scale
        return (gradient - mean(gradient) - normal * mean(gradient * normal)) * scale


class _Dropout(PyLayer):
    """Values are kept with a probability and divided by it, so that their expectation stays."""

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, probability: float) -> paddle.Tensor:
        dropped = round(probability * _LEVELS)
        ctx.kept, ctx.scale = _draw_kept(x.shape, dropped), _LEVELS / (_LEVELS - dropped)
        return _Dropout.backward(ctx, x)

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> paddle.Tensor:
        return gradient * (ctx.kept.astype(gradient.dtype) * ctx.scale)


def _draw_kept(shape: list[int], dropped: int) -> paddle.Tensor:
    """Which values are kept: all but `dropped` of 65,536 on average.

    numpy draws far faster than Paddle. Its seed is of Paddle's generator, whose state checkpoints hold: a resumed run
    draws what the uninterrupted one would have drawn, and so does a forward pass that is computed again.
    """
    seed = paddle.randint(0, 2**31 - 1, [4], "int64").numpy()
    drawn = np.random.Generator(np.random.SFC64(seed)).bytes(2 * math.prod(shape))
    return paddle.to_tensor(np.frombuffer(drawn, np.uint16).reshape(shape) >= dropped)


def _drops(probability: Any, training: bool, x: paddle.Tensor) -> bool:
    """Whether `_Dropout` can stand for Paddle's: not for the sums of zeros that nearly 1 would make."""
    return bool(training and isinstance(probability, float) and 0 < probability < 0.999 and _is_plain(x))


def _is_plain(*tensors: Any) -> bool:
    """Whether all are float32 tensors on the CPU, outside of a static graph."""
    return paddle.in_dynamic_mode() and all(
        tensor is not None and tensor.dtype == paddle.float32 and tensor.place.is_cpu_place() for tensor in tensors
    )


def _trains(x: paddle.Tensor, bias: "paddle.Tensor | None") -> bool:
    """Whether a layer's bias gets a gradient for each row of x, of shape (..., inputs)."""
    return bias is not None and not bias.stop_gradient and paddle.is_grad_enabled() and x.ndim > 1


def fast_linear(x: paddle.Tensor, weight: paddle.Tensor, bias: "paddle.Tensor | None") -> paddle.Tensor:
    """Compute x times a weight plus a bias; where that trains on a CPU, the bias gets its gradient faster.

    Args:
        x: Float of shape (..., inputs).
        weight: Float of shape (inputs, outputs).
        bias: Float of shape (outputs,).

    Returns:
        Float of shape (..., outputs).
    """
    if not (_trains(x, bias) and _is_plain(x, weight, bias)):
        return functional.linear(x, weight, bias)
    rows = x.flatten(0, -2)
    outputs = paddle.matmul(rows, weight).add_(_repeated(bias, rows.shape[0]))
    return outputs.reshape([*x.shape[:-1], outputs.shape[1]])


def _linear(layer: paddle.nn.Linear, x: paddle.Tensor) -> paddle.Tensor:
    return fast_linear(x, layer.weight, layer.bias)


def _layer_norm(layer: paddle.nn.LayerNorm, x: paddle.Tensor) -> paddle.Tensor:
    last_axis = list(layer._normalized_shape) == x.shape[-1:]
    if not (last_axis and _trains(x, layer.bias) and _is_plain(x, layer.weight, layer.bias)):
        return type(layer).forward(layer, x)
    rows = x.flatten(0, -2)
    count = rows.shape[0]
    outputs = _Normalize.apply(rows, layer._epsilon) * _repeated(layer.weight, count)
    return outputs.add_(_repeated(layer.bias, count)).reshape(x.shape)


def _dropout(layer: paddle.nn.Dropout, x: paddle.Tensor) -> paddle.Tensor:
    if layer.axis is None and layer.mode == "upscale_in_train" and _drops(layer.p, layer.training, x):
        return _Dropout.apply(x, layer.p)
    return type(layer).forward(layer, x)


def _attention(
    layer: paddle.nn.MultiHeadAttention,
    query: paddle.Tensor,
    key: "paddle.Tensor | None" = None,
    value: "paddle.Tensor | None" = None,
    attn_mask: "paddle.Tensor | None" = None,
    cache: Any = None,
) -> Any:
    """Attention as Paddle's layer computes it, with the faster dropout of its weights."""
    float_mask = attn_mask is None or attn_mask.dtype == query.dtype
    if cache is not None or layer.need_weights or not float_mask or not _drops(layer.dropout, layer.training, query):
        return type(layer).forward(layer, query, key, value, attn_mask, cache)
    key = query if key is None else key
    heads = layer._prepare_qkv(query, key, key if value is None else value, None)
    product = paddle.matmul(heads[0] * layer.head_dim**-0.5, heads[1], transpose_y=True)
    weights = functional.softmax(product if attn_mask is None else product + attn_mask)
    mixed = paddle.matmul(_Dropout.apply(weights, layer.dropout), heads[2])
    return layer.out_proj(mixed.transpose([0, 2, 1, 3]).flatten(2))


_WAYS: dict[type, Callable[..., Any]] = {
    paddle.nn.Linear: _linear,
    paddle.nn.LayerNorm: _layer_norm,
    paddle.nn.Dropout: _dropout,
    paddle.nn.MultiHeadAttention: _attention,
}


@contextmanager
def fast_layers(model: paddle.nn.Layer) -> Iterator[None]:
    """Within it the model's ordinary layers compute faster on a CPU; what it computes stays the same up to rounding.

    Dropout draws other masks than Paddle's own from the same seed. Layers of other classes compute by their
    `fast_forward` where they have one. Those with a `forward` of their own, and what is not float32 on the CPU, are
    left as they are.

    Args:
        model: The model.
    """
    ways = {
        layer: partial(_WAYS[type(layer)], layer) if type(layer) in _WAYS else getattr(layer, "fast_forward", None)
        for layer in model.sublayers(include_self=True)
        if "forward" not in vars(layer)
    }
    changed = [layer for layer, way in ways.items() if way is not None]
    for layer in changed:
        layer.forward = ways[layer]
    try:
        yield
    finally:
        for layer in changed:
            del layer.forward
