"""How much a model computes for one sequence. Imports Paddle; import it inside a function.

Counted here and not by others: on PaddlePaddle 3.3.1 paddleslim's `flops` cannot trace a model, and its rule
leaves out the inner size of products with batches; `paddle.flops` leaves out attention's own products and
leaves buffers behind in the model.
"""

from typing import Any

import numpy as np
import paddle
from paddle import nn

from ernie_toolkit.models.slices import encoder_layers
from ernie_toolkit.training.loss import evaluating

OPERATIONS = 2
"""A multiply-add is two operations; paddleslim and `paddle.flops` count it as one."""


def model_flops(model: nn.Layer, length: int) -> int:
    """Floating-point operations of all matrix products for one sequence, none of its tokens padding.

    Products with a weight are counted as they happen in a forward pass, attention's two products in each layer from its
    heads; biases, normalisation, softmax and activations (under a hundredth) are not.

    Args:
        model: Keeps its weights, hooks, and the mode of each of its parts.
        length: Tokens of the sequence.

    Raises:
        ValueError: Where the length is less than 1 or more than the model's positions.
    """
    positions = model.config.max_position_embeddings
    if not 1 <= length <= positions:
        raise ValueError(f"length is {length}: the model reads 1 to {positions} tokens")
    products: list[int] = []

    def count(layer: nn.Layer, inputs: Any, output: paddle.Tensor) -> None:
        products.append(int(np.prod(output.shape)) * int(layer.weight.shape[0]))

    linear = [layer for layer in model.sublayers() if isinstance(layer, nn.Linear)]
    hooks = [layer.register_forward_post_hook(count) for layer in linear]
    token = (model.config.pad_token_id + 1) % model.config.vocab_size
    try:
        with evaluating(model), paddle.no_grad():
            model(
                input_ids=paddle.full([1, length], token, dtype="int64"),
                token_type_ids=paddle.zeros([1, length], dtype="int64"),
            )
    finally:
        for hook in hooks:
            hook.remove()
    for layer in encoder_layers(model):
        # Queries by keys, then weights by values.
        products.append(2 * length * length * layer.self_attn.num_heads * layer.self_attn.head_dim)
    return OPERATIONS * sum(products)
