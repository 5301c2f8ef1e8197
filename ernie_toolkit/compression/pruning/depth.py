"""Which layers stay at a depth: those whose loss hurts most, or evenly spaced ones, whichever does better.

Imports Paddle; import it inside a function.
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import paddle
from paddle import nn

from ernie_toolkit.compression.report.model import LayerChoice
from ernie_toolkit.models.sizes import evenly_spaced, layer_count
from ernie_toolkit.models.slices import encoder_layers, with_layers
from ernie_toolkit.text.dataset import Batch
from ernie_toolkit.training.loss import Criterion, batch_loss, evaluating


def loss_with(
    model: nn.Layer, layers: Sequence[int], batches: Sequence[Batch], criterion: Criterion | None = None
) -> float:
    """The mean over batches of the loss of a model with some of its layers, as it is, without training.

    Args:
        model: Computes in evaluation mode, and is left as it was.
        layers: Those that stay, counted from 0.
        batches: Model inputs with the task's targets.
        criterion: The loss; None: the model's own.

    Raises:
        ValueError: On no batch.
    """
    if not batches:
        raise ValueError("the loss of no batches is not defined")
    with with_layers(model, layers), evaluating(model), paddle.no_grad():
        return float(np.mean([float(batch_loss(model, batch, criterion)) for batch in batches]))


def layer_importance(model: nn.Layer, batches: Sequence[Batch], criterion: Criterion | None = None) -> np.ndarray:
    """How much the loss rises, in nats, when each layer alone is left out; float64 of shape (layers,).

    Args:
        model: Is left as it was.
        batches: See `loss_with`.
        criterion: See `loss_with`.

    Raises:
        ValueError: On no batch.
    """
    every = range(len(encoder_layers(model)))
    whole = loss_with(model, every, batches, criterion)
    without = [loss_with(model, [layer for layer in every if layer != left], batches, criterion) for left in every]
    return np.array(without) - whole


def choose_layers(
    model: nn.Layer, depths: Sequence[Fraction], batches: Sequence[Batch], criterion: Criterion | None = None
) -> tuple[LayerChoice, ...]:
    """Which layers stay at each depth: of the most important ones and the evenly spaced ones those with the lower loss.

    Layers that matter little one by one may matter together, and then the evenly spaced ones, which no data chose, do
    better. Of equal importance the earlier layer stays; of equal losses the evenly spaced layers are taken.

    Args:
        model: The model before it is trained to be smaller; it is left as it was.
        depths: Shares of layers that are left, each below 1.
        batches: See `loss_with`.
        criterion: See `loss_with`.

    Raises:
        ConfigError: As `layer_count`.
        ValueError: On no batch.
    """
    importance = layer_importance(model, batches, criterion)
    total, order = len(importance), np.argsort(-importance, kind="stable")
    found = []
    for depth in depths:
        count = layer_count(total, depth)
        even, important = evenly_spaced(total, count), tuple(sorted(map(int, order[:count])))
        even_loss = loss_with(model, even, batches, criterion)
        important_loss = even_loss if important == even else loss_with(model, important, batches, criterion)
        found.append(
            LayerChoice(
                depth=str(depth),
                num_hidden_layers=total,
                layers=important if important_loss < even_loss else even,
                evenly_spaced=even,
                evenly_spaced_loss=even_loss,
                important=important,
                important_loss=important_loss,
                importance=tuple(map(float, importance)),
            )
        )
    return tuple(found)
