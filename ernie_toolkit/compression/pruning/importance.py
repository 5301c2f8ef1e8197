"""How much each head and each feed-forward neuron matters: first-order Taylor scores.

Imports Paddle; import it inside a function.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import paddle
from paddle import nn

from ernie_toolkit.models.slices import encoder_layers, select
from ernie_toolkit.text.dataset import Batch
from ernie_toolkit.training.loss import Criterion, batch_loss, evaluating


@dataclass(frozen=True)
class Importance:
    """Scores, float64, the larger the more a unit matters.

    Attributes:
        heads: Of shape (layers, heads).
        neurons: Of shape (layers, neurons).
    """

    heads: np.ndarray
    neurons: np.ndarray


@contextmanager
def unit_gates(model: nn.Layer) -> Iterator[tuple[list[paddle.Tensor], list[paddle.Tensor]]]:
    """Put a factor of 1 on the output of every head and of every feed-forward neuron, within a block.

    Gives one tensor a layer for the heads, shape (heads,), and one for the neurons, shape (neurons,); their
    gradients are those of the loss by the factors. Weights get no gradient within the block.
    """
    heads, neurons, hooks = [], [], []
    trainable = [parameter for parameter in model.parameters() if not parameter.stop_gradient]
    for parameter in trainable:
        parameter.stop_gradient = True

    def gate(count: int, repeat: int) -> tuple[paddle.Tensor, Callable[..., paddle.Tensor]]:
        factor = paddle.ones([count])
        factor.stop_gradient = False

        def multiply(layer: nn.Layer, inputs: tuple[paddle.Tensor]) -> paddle.Tensor:
            return inputs[0] * (factor if repeat == 1 else paddle.repeat_interleave(factor, repeat))

        return factor, multiply

    try:
        for layer in encoder_layers(model):
            factor, multiply = gate(layer.self_attn.num_heads, layer.self_attn.head_dim)
            heads.append(factor)
            hooks.append(layer.self_attn.out_proj.register_forward_pre_hook(multiply))
            factor, multiply = gate(layer.linear1.weight.shape[1], 1)
            neurons.append(factor)
            hooks.append(layer.linear2.register_forward_pre_hook(multiply))
        yield heads, neurons
    finally:
        for hook in hooks:
            hook.remove()
        for parameter in trainable:
            parameter.stop_gradient = False


def taylor_importance(model: nn.Layer, batches: Iterable[Batch], criterion: Criterion | None = None) -> Importance:
    """Scores of all heads and neurons over some training batches with targets.

    To first order, a unit's removal changes the loss by the gradient of the loss by a factor on the unit's output
    (Molchanov et al., 2017, https://arxiv.org/abs/1611.06440; for heads Michel et al., 2019,
    https://arxiv.org/abs/1905.10650; DynaBERT, Hou et al., 2020, https://arxiv.org/abs/2004.04037). The score is the
    mean over batches of its absolute value.

    Args:
        model: Computes in evaluation mode, and is left as it was.
        batches: Model inputs with the task's targets.
        criterion: The loss; None: the model's own.

    Raises:
        ValueError: On no batch.
    """
    count = 0
    with evaluating(model), unit_gates(model) as gates:
        sums = [[np.zeros(gate.shape) for gate in kind] for kind in gates]
        for batch in batches:
            batch_loss(model, batch, criterion).backward()
            for kind, total in zip(gates, sums, strict=True):
                for gate, score in zip(kind, total, strict=True):
                    score += np.abs(gate.grad.numpy().astype(np.float64))
                    gate.clear_gradient()
            count += 1
    if not count:
        raise ValueError("importance of no batches is not defined")
    heads, neurons = (np.stack(total) / count for total in sums)
    return Importance(heads, neurons)


def reorder(model: nn.Layer, importance: Importance) -> None:
    """Put the heads and neurons of each layer in the order of their importance, the first the most important.

    Changes the model in place; its answers stay the same. Of equal scores the earlier unit comes first.

    Args:
        model: The model that the scores are of.
        importance: Of `taylor_importance`.
    """
    orders = (np.argsort(-scores, axis=1, kind="stable") for scores in (importance.heads, importance.neurons))
    heads, neurons = (list(order) for order in orders)
    select(model, heads, neurons)
