"""What is minimised: the model's own loss, or a criterion of the user's; and the mode in which nothing is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ernie_toolkit.text.dataset import Batch

if TYPE_CHECKING:
    import paddle

Criterion = Callable[[Any, Any], Any]
"""Logits and labels of a batch, as tensors or pairs of them, to the loss, a scalar tensor."""


def batch_loss(model: "paddle.nn.Layer", batch: Batch, criterion: Criterion | None = None) -> "paddle.Tensor":
    """The loss of one batch with targets, as training computes it.

    Args:
        model: The model.
        batch: Inputs and targets, of `EncodedDataset.collate`.
        criterion: Computes the loss (see `Session`); None: the model's own.
    """
    import paddle

    inputs = {name: paddle.to_tensor(value) for name, value in batch.items()}
    if criterion is None:
        return model(**inputs)[0]
    targets = ("labels",) if "labels" in inputs else ("start_positions", "end_positions")
    labels = tuple(inputs.pop(name) for name in targets)
    return criterion(model(**inputs), labels if len(labels) > 1 else labels[0])


@contextmanager
def evaluating(model: "paddle.nn.Layer") -> Iterator[None]:
    """In evaluation mode, so that dropout draws nothing; each layer gets its own mode back."""
    modes = [(layer, layer.training) for layer in model.sublayers(include_self=True)]
    model.eval()
    try:
        yield
    finally:
        for layer, training in modes:
            layer.training = training
