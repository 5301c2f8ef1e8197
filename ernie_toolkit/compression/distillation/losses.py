"""What a smaller model learns from the one that it was made of: its answers, and what each layer says.

Imports Paddle; import it inside a function.
"""

from dataclasses import dataclass

import paddle
from paddle import nn
from paddle.nn import functional

from ernie_toolkit.tasks import MultiLabelClassification
from ernie_toolkit.text.dataset import Batch

# How much the hidden states' error counts beside that of the answers.
HIDDEN_WEIGHT = 1.0


@dataclass(frozen=True)
class Observed:
    """What a model says about a batch.

    `logits`: one tensor of shape (batch_size, labels) or (batch_size, tokens, labels); or, with `positions`,
    two of shape (batch_size, tokens), of which a token is chosen; with `sets`, each label of the one is for itself
    there or not. `hidden`: the embeddings' and every
    layer's output, each of shape (batch_size, tokens, hidden_size).
    """

    logits: tuple[paddle.Tensor, ...]
    hidden: tuple[paddle.Tensor, ...]
    positions: bool
    sets: bool = False


def observe(model: nn.Layer, batch: Batch) -> Observed:
    """Run a model with a task head on a batch; targets in the batch are not looked at."""
    names = ("input_ids", "token_type_ids")
    inputs = {name: batch[name] if paddle.is_tensor(batch[name]) else paddle.to_tensor(batch[name]) for name in names}
    outputs = model(**inputs, output_hidden_states=True, return_dict=True)
    positions = "start_logits" in outputs
    outcomes = ("start_logits", "end_logits") if positions else ("logits",)
    sets = model.config.problem_type == MultiLabelClassification.problem_type
    return Observed(tuple(outputs[name] for name in outcomes), tuple(outputs.hidden_states), positions, sets)


def distillation_loss(student: Observed, teacher: Observed, mask: paddle.Tensor) -> paddle.Tensor:
    """Cross entropy with the teacher's soft answers, and mean squared error of all hidden states.

    After DynaBERT's width-adaptive stage (Hou et al., 2020, https://arxiv.org/abs/2004.04037). `mask`: bool of
    shape (batch_size, tokens), true at tokens and false at padding, which counts in neither part: neither
    as a position that has a tag, nor as a choice of where an answer starts or ends.
    """
    answers = [
        _soft_set_cross_entropy(ours, theirs)
        if student.sets
        else _soft_cross_entropy(ours, theirs, mask, student.positions)
        for ours, theirs in zip(student.logits, teacher.logits, strict=True)
    ]
    soft = paddle.add_n(answers) / len(answers)
    weights = mask.astype(student.hidden[0].dtype).unsqueeze(-1)
    count = weights.sum() * student.hidden[0].shape[-1]
    errors = [
        ((ours - theirs).square() * weights).sum() / count
        for ours, theirs in zip(student.hidden, teacher.hidden, strict=True)
    ]
    return soft + HIDDEN_WEIGHT * paddle.add_n(errors) / len(errors)


def _soft_set_cross_entropy(student: paddle.Tensor, teacher: paddle.Tensor) -> paddle.Tensor:
    return functional.binary_cross_entropy_with_logits(student, functional.sigmoid(teacher))


def _soft_cross_entropy(
    student: paddle.Tensor, teacher: paddle.Tensor, mask: paddle.Tensor, positions: bool
) -> paddle.Tensor:
    if positions:
        student, teacher = (paddle.where(mask, logits, paddle.full_like(logits, -1e4)) for logits in (student, teacher))
    losses = -(functional.softmax(teacher, axis=-1) * functional.log_softmax(student, axis=-1)).sum(axis=-1)
    if losses.ndim == 1:
        return losses.mean()
    weights = mask.astype(losses.dtype)
    return (losses * weights).sum() / weights.sum()
