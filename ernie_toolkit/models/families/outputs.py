"""Losses and outputs of heads that the toolkit adds to PaddleNLP's. Imports Paddle; import it inside a function."""

from collections.abc import Mapping
from typing import Any

import paddle
from paddle.nn import functional
from paddlenlp.transformers.model_outputs import ModelOutput


def sequence_loss(logits: paddle.Tensor, labels: paddle.Tensor, problem_type: str | None) -> paddle.Tensor:
    """The loss of a head for whole texts, as PaddleNLP's heads compute it.

    Args:
        logits: Float of shape (rows, labels).
        labels: Int64 of shape (rows,), or float of shape (rows, labels), or of shape (rows,) for a regression.
        problem_type: As the configuration has it; None: by the labels.
    """
    whole = labels.dtype in (paddle.int64, paddle.int32)
    if problem_type is None:
        one = "single_label_classification" if whole else "multi_label_classification"
        problem_type = "regression" if logits.shape[-1] == 1 else one
    if problem_type == "regression":
        return functional.mse_loss(logits.reshape(labels.shape), labels.astype(logits.dtype))
    if problem_type == "multi_label_classification":
        return functional.binary_cross_entropy_with_logits(logits, labels)
    return functional.cross_entropy(logits, labels.reshape([-1]))


def token_loss(logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
    """Cross entropy of a head for tokens.

    Args:
        logits: Float of shape (rows, tokens, labels).
        labels: Int64 of shape (rows, tokens), -100 where none counts.
    """
    return functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


def span_loss(
    start_logits: paddle.Tensor, end_logits: paddle.Tensor, starts: paddle.Tensor, ends: paddle.Tensor
) -> paddle.Tensor:
    """The mean of the cross entropies of where an answer starts and where it ends.

    Args:
        start_logits: Float of shape (rows, tokens).
        end_logits: Float of shape (rows, tokens).
        starts: Int64 of shape (rows,).
        ends: Int64 of shape (rows,).
    """
    parts = ((start_logits, starts), (end_logits, ends))
    return paddle.add_n([functional.cross_entropy(logits, places.reshape([-1])) for logits, places in parts]) / 2


def head_outputs(
    loss: paddle.Tensor | None, logits: Mapping[str, paddle.Tensor], hidden_states: Any, return_dict: Any
) -> Any:
    """What a head's forward pass gives, as PaddleNLP's heads do.

    Args:
        loss: None where there are no targets.
        logits: By the names that PaddleNLP's objects have.
        hidden_states: Of all layers, None where they were not asked for.
        return_dict: Whether an object is wanted.

    Returns:
        The object; else the logits, after the loss where there is one, as a tuple or as one tensor.
    """
    if return_dict:
        return ModelOutput(loss=loss, **logits, hidden_states=hidden_states)
    values = (*([] if loss is None else [loss]), *logits.values())
    return values if len(values) > 1 else values[0]
