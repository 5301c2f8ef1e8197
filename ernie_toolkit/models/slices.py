"""Layers of a model, their heads and feed-forward neurons: left out, put in another order, cut out for real.

Imports Paddle; import it inside a function.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from paddle import nn

from ernie_toolkit.models.families import family_of_model
from ernie_toolkit.models.sizes import LayerSize


def encoder_layers(model: nn.Layer) -> list[Any]:
    """The encoder layers of a model with a task head, from the embeddings up (see `EncoderFamily.layers`)."""
    return family_of_model(model).layers(model)


@contextmanager
def with_layers(model: nn.Layer, layers: Sequence[int]) -> Iterator[None]:
    """Let a model have some of its encoder layers only within a block; afterwards all are back.

    A layer that is left out hands on what it would read, as if nothing but its residual were there.

    Args:
        model: A model with a task head.
        layers: Those that stay, counted from 0, in their order.
    """
    family = family_of_model(model)
    every = family.layers(model)
    family.set_layers(model, [every[place] for place in layers])
    try:
        yield
    finally:
        family.set_layers(model, every)


def current_size(model: nn.Layer) -> LayerSize:
    """The size that the layers of a model have."""
    layer = encoder_layers(model)[0]
    return LayerSize(layer.self_attn.num_heads, layer.linear1.weight.shape[1])


def _chosen(layer: nn.Linear, rows: np.ndarray | None = None, columns: np.ndarray | None = None) -> nn.Linear:
    """A linear layer with some of another one's inputs (rows of its weight) or outputs (columns, and bias)."""
    weight, bias = layer.weight.numpy(), None if layer.bias is None else layer.bias.numpy()
    if rows is not None:
        weight = weight[rows]
    if columns is not None:
        weight, bias = weight[:, columns], None if bias is None else bias[columns]
    chosen = nn.Linear(*weight.shape, bias_attr=None if bias is not None else False)
    chosen.weight.set_value(weight)
    if bias is not None:
        chosen.bias.set_value(bias)
    return chosen


def select(model: nn.Layer, heads: Sequence[np.ndarray], neurons: Sequence[np.ndarray]) -> None:
    """Keep the given heads and feed-forward neurons of each layer, in the order given; change `model` in place.

    All of them in another order is a reordering, which leaves the model's answers as they are. The configuration
    records the size.

    Args:
        model: A model with a task head.
        heads: For each layer int64 indices into what it has now.
        neurons: The same of its neurons.

    Raises:
        ValueError: Where a layer does not keep as many as the first.
    """
    layers = encoder_layers(model)
    size = LayerSize(len(heads[0]), len(neurons[0]))
    for layer, kept_heads, kept_neurons in zip(layers, heads, neurons, strict=True):
        if (len(kept_heads), len(kept_neurons)) != (size.num_attention_heads, size.intermediate_size):
            raise ValueError("every layer has to keep as many heads and neurons as the first")
        attention = layer.self_attn
        # The columns of a projection go head by head.
        columns = (np.asarray(kept_heads)[:, None] * attention.head_dim + np.arange(attention.head_dim)).ravel()
        for name in ("q_proj", "k_proj", "v_proj"):
            setattr(attention, name, _chosen(getattr(attention, name), columns=columns))
        attention.out_proj = _chosen(attention.out_proj, rows=columns)
        attention.num_heads = size.num_attention_heads
        layer.linear1 = _chosen(layer.linear1, columns=np.asarray(kept_neurons))
        layer.linear2 = _chosen(layer.linear2, rows=np.asarray(kept_neurons))
    if size != LayerSize(model.config.num_attention_heads, model.config.intermediate_size):
        model.config.pruned_num_attention_heads = size.num_attention_heads
        model.config.pruned_intermediate_size = size.intermediate_size


def resize(model: nn.Layer, size: LayerSize) -> None:
    """Give every layer of a new model the size of a pruned one's, so that its weights fit; changes it in place.

    Args:
        model: A model with a task head.
        size: What each layer is to have.
    """
    if size == current_size(model):
        return
    count = len(encoder_layers(model))
    select(model, [np.arange(size.num_attention_heads)] * count, [np.arange(size.intermediate_size)] * count)


def parameter_count(model: nn.Layer) -> int:
    """The number of a model's weights."""
    return int(sum(np.prod(parameter.shape) for parameter in model.parameters()))


def weights_checksum(model: nn.Layer) -> str:
    """The first half of the SHA-256 of all weights, in hexadecimal: distinguishes two models of one name and shape."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(value.numpy()).tobytes())
    return digest.hexdigest()[:32]
