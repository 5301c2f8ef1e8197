"""One model at several widths and depths at once: some layers, the first heads and neurons of each, without cutting.

Imports Paddle; import it inside a function.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import paddle
from paddle import nn
from paddle.nn import functional

from ernie_toolkit.models.families import family_of_model
from ernie_toolkit.models.sizes import LayerSize, ModelSlice
from ernie_toolkit.models.slices import current_size, encoder_layers, with_layers
from ernie_toolkit.training.fast_layers import fast_linear


class ElasticLinear(nn.Linear):
    """A linear layer of which the first inputs and the first outputs can be used alone.

    It shares the weights of the layer that it stands for, under the same names.

    Args:
        layer: The layer that it stands for.

    Attributes:
        inputs: How many inputs are used now; all of them at first.
        outputs: How many outputs are used now; all of them at first.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__(1, 1)
        self.weight, self.bias = layer.weight, layer.bias
        self.inputs, self.outputs = layer.weight.shape

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Compute the outputs that are used now.

        Args:
            x: Float of shape (..., inputs).

        Returns:
            Float of shape (..., outputs).
        """
        return functional.linear(x, *self._used())

    def fast_forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Compute the same while it trains on a CPU (see `fast_layers`)."""
        return fast_linear(x, *self._used())

    def _used(self) -> tuple[paddle.Tensor, paddle.Tensor | None]:
        """Weight and bias, None where it has none, of the inputs and outputs that are used now."""
        weight, bias = self.weight, self.bias
        if self.inputs < weight.shape[0]:
            weight = weight[: self.inputs]
        if self.outputs < weight.shape[1]:
            weight = weight[:, : self.outputs]
            bias = None if bias is None else bias[: self.outputs]
        return weight, bias


def make_elastic(model: nn.Layer) -> LayerSize:
    """Let the layers of a model be used at smaller sizes; changes it in place, gives its full size."""
    for layer in encoder_layers(model):
        attention = layer.self_attn
        for owner, names in ((attention, ("q_proj", "k_proj", "v_proj", "out_proj")), (layer, ("linear1", "linear2"))):
            for name in names:
                setattr(owner, name, ElasticLinear(getattr(owner, name)))
    return current_size(model)


@contextmanager
def using(model: nn.Layer, part: ModelSlice) -> Iterator[None]:
    """Compute with some layers, and with the first heads and neurons of each, within a block.

    Afterwards the model is what it was, so that no size finds anything of another.

    Args:
        model: An elastic model.
        part: What is used of it.
    """
    layers = encoder_layers(model)
    before = LayerSize(layers[0].self_attn.num_heads, layers[0].linear1.outputs)
    with with_layers(model, part.layers):
        _use_size(layers, part.size)
        try:
            yield
        finally:
            _use_size(layers, before)


def _use_size(layers: list[nn.Layer], size: LayerSize) -> None:
    for layer in layers:
        attention = layer.self_attn
        columns = size.num_attention_heads * attention.head_dim
        for name in ("q_proj", "k_proj", "v_proj"):
            getattr(attention, name).outputs = columns
        attention.out_proj.inputs = columns
        attention.num_heads = size.num_attention_heads
        layer.linear1.outputs = layer.linear2.inputs = size.intermediate_size


def cut_out(model: nn.Layer, part: ModelSlice) -> nn.Layer:
    """A plain model with some layers of an elastic one, in evaluation mode; they are numbered from 0 on.

    Args:
        model: The elastic model; it stays as it is.
        part: Which layers stay, and how many heads and neurons of each.
    """
    from ernie_toolkit.models import build_model

    config, size = copy.deepcopy(model.config), part.size
    config.num_hidden_layers = len(part.layers)
    # PaddleNLP itself can load a model that has fewer layers and nothing else.
    if size != LayerSize(config.num_attention_heads, config.intermediate_size):
        config.pruned_num_attention_heads = size.num_attention_heads
        config.pruned_intermediate_size = size.intermediate_size
    small = build_model(type(model), config)
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    family = family_of_model(model)
    for name, target in small.state_dict().items():
        target.set_value(weights[family.renumbered(name, part.layers)][tuple(slice(length) for length in target.shape)])
    small.eval()
    return small
