"""How tokens are related within a layer, and how far a student's relations are from its teacher's.

MiniLMv2 (Wang et al., 2021, https://arxiv.org/abs/2012.15828). Imports Paddle; import it inside a function.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import paddle
from paddle import nn
from paddle.nn import functional

from ernie_toolkit.models.slices import encoder_layers

# What stands before softmax where a token is padding.
PADDING = -1e4
_PROJECTIONS = {"query": "q_proj", "key": "k_proj", "value": "v_proj"}


@contextmanager
def recorded_states(model: nn.Layer, layer: int, kinds: Sequence[str]) -> Iterator[list[paddle.Tensor]]:
    """Keep queries, keys or values of one layer of the forward pass that happens within a block.

    Gives a list that the pass fills, in the order of `kinds`; each is float of shape (batch_size, tokens, width).

    Args:
        model: A model with a task head.
        layer: The layer, counted from 0; -1 for the last.
        kinds: Of "query", "key" and "value"; empty: nothing is kept.
    """
    attention = encoder_layers(model)[layer].self_attn
    states: list[Any] = [None] * len(kinds)
    hooks = []

    def keep(place: int) -> Any:
        def hook(owner: nn.Layer, inputs: Any, output: paddle.Tensor) -> None:
            states[place] = output

        return hook

    try:
        for place, kind in enumerate(kinds):
            hooks.append(getattr(attention, _PROJECTIONS[kind]).register_forward_post_hook(keep(place)))
        yield states
    finally:
        for hook in hooks:
            hook.remove()


def _log_relations(states: paddle.Tensor, heads: int, mask: paddle.Tensor) -> paddle.Tensor:
    """Logarithms of how each token is related to the others, of shape (batch_size, heads, tokens, tokens)."""
    rows, tokens, width = states.shape
    split = states.reshape([rows, tokens, heads, width // heads]).transpose([0, 2, 1, 3])
    products = paddle.matmul(split, split, transpose_y=True) * (width // heads) ** -0.5
    padding = (1 - mask.astype(products.dtype)) * PADDING
    return functional.log_softmax(products + padding.unsqueeze(1).unsqueeze(1), axis=-1)


def relation_loss(
    student: Sequence[paddle.Tensor], teacher: Sequence[paddle.Tensor], heads: int, mask: paddle.Tensor
) -> paddle.Tensor:
    """How far a student's relations are from its teacher's, in nats: the mean over kinds, heads and tokens.

    Args:
        student: Queries, keys or values, each float of shape (batch_size, tokens, width).
        teacher: The same of the teacher, of its own width.
        heads: Divides both widths (see `relation_heads`).
        mask: Bool of shape (batch_size, tokens), true at tokens and false at padding, which has no relations.
    """
    count = mask.astype(student[0].dtype).sum() * heads
    losses = []
    for ours, theirs in zip(student, teacher, strict=True):
        own, wanted = _log_relations(ours, heads, mask), _log_relations(theirs, heads, mask)
        divergence = (wanted.exp() * (wanted - own)).sum(axis=-1)
        losses.append((divergence * mask.astype(divergence.dtype).unsqueeze(1)).sum() / count)
    return paddle.add_n(losses) / len(losses)
