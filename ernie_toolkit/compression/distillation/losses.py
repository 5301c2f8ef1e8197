"""What a smaller model learns from the one that it was made of: its answers, and what each layer says.

Imports Paddle; import it inside a function.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import paddle
from paddle import nn
from paddle.nn import functional

from ernie_toolkit.models.choices import choice_log_probabilities
from ernie_toolkit.text.dataset import Batch

# How much the hidden states' error counts beside that of the answers.
HIDDEN_WEIGHT = 1.0
SoftLoss = Callable[[paddle.Tensor, paddle.Tensor, paddle.Tensor], paddle.Tensor]
"""The loss of a student's logits beside its teacher's; the mask is that of `distillation_loss`."""


class Observed(NamedTuple):
    """What a model says about a batch.

    Attributes:
        logits: The tensors that its head gives.
        hidden: The embeddings' and every layer's output, each float of shape (batch_size, tokens, hidden_size).
    """

    logits: tuple[paddle.Tensor, ...]
    hidden: tuple[paddle.Tensor, ...]

    def beside(self, layers: Sequence[int]) -> "Observed":
        """What this model, a teacher, says beside a student that has some of its layers only.

        As in DynaBERT (Hou et al., 2020, https://arxiv.org/abs/2004.04037, section 2.2), a layer that stays is to do
        what the stretch up to the next one that stays does in the teacher: its output is compared with what the next
        one reads there, that of the last one with the teacher's last. So each layer goes on to read what it is used to.
        Embeddings are compared with embeddings.

        Args:
            layers: The student's, counted from 0, in their order.
        """
        places = (0, *layers[1:], len(self.hidden) - 1)
        return Observed(self.logits, tuple(self.hidden[place] for place in places))


def observe(model: nn.Layer, batch: Batch) -> Observed:
    """Run a model with a task head on a batch; targets in the batch are not looked at.

    Args:
        model: Of PaddleNLP, in the mode that it is in.
        batch: `input_ids` and `token_type_ids`, int64 of shape (batch_size, tokens), as tensors or arrays.
    """
    names = ("input_ids", "token_type_ids")
    inputs = {name: batch[name] if paddle.is_tensor(batch[name]) else paddle.to_tensor(batch[name]) for name in names}
    outputs = model(**inputs, output_hidden_states=True, return_dict=True)
    logits = (value for name, value in outputs.items() if name.endswith("logits"))
    return Observed(tuple(logits), tuple(outputs.hidden_states))


def distillation_loss(student: Observed, teacher: Observed, mask: paddle.Tensor, soft_loss: SoftLoss) -> paddle.Tensor:
    """Cross entropy with the teacher's soft answers, and mean squared error of all hidden states.

    After DynaBERT (Hou et al., 2020, https://arxiv.org/abs/2004.04037).

    Args:
        student: What the model that learns says about a batch.
        teacher: What its teacher says about the same batch, with as many hidden states (see `Observed.beside`).
        mask: Bool of shape (batch_size, tokens), true at tokens and false at padding, which counts in neither part:
            neither as a position that has a tag, nor as a choice of where an answer starts or ends.
        soft_loss: The task's of `SOFT_LOSSES`.
    """
    answers = [soft_loss(ours, theirs, mask) for ours, theirs in zip(student.logits, teacher.logits, strict=True)]
    soft = paddle.add_n(answers) / len(answers)
    return soft + HIDDEN_WEIGHT * hidden_loss(student.hidden, teacher.hidden, mask)


def hidden_loss(
    student: Sequence[paddle.Tensor], teacher: Sequence[paddle.Tensor], mask: paddle.Tensor
) -> paddle.Tensor:
    """The mean squared error of hidden states, over all of them.

    Args:
        student: Each float of shape (batch_size, tokens, hidden_size).
        teacher: As many of the same shape.
        mask: Bool of shape (batch_size, tokens), true at tokens and false at padding, which does not count.
    """
    weights = mask.astype(student[0].dtype).unsqueeze(-1)
    count = weights.sum() * student[0].shape[-1]
    errors = [((ours - theirs).square() * weights).sum() / count for ours, theirs in zip(student, teacher, strict=True)]
    return paddle.add_n(errors) / len(errors)


def _of_classes(student: paddle.Tensor, teacher: paddle.Tensor, mask: paddle.Tensor) -> paddle.Tensor:
    losses = -(functional.softmax(teacher, axis=-1) * functional.log_softmax(student, axis=-1)).sum(axis=-1)
    if losses.ndim == 1:
        return losses.mean()
    weights = mask.astype(losses.dtype)
    return (losses * weights).sum() / weights.sum()


def _of_positions(student: paddle.Tensor, teacher: paddle.Tensor, mask: paddle.Tensor) -> paddle.Tensor:
    student, teacher = (paddle.where(mask, logits, paddle.full_like(logits, -1e4)) for logits in (student, teacher))
    return _of_classes(student, teacher, mask)


def _of_sets(student: paddle.Tensor, teacher: paddle.Tensor, mask: paddle.Tensor) -> paddle.Tensor:
    return functional.binary_cross_entropy_with_logits(student, functional.sigmoid(teacher))


def _of_choices(
    student: paddle.Tensor, teacher: paddle.Tensor, mask: paddle.Tensor, labels: paddle.Tensor | None = None
) -> paddle.Tensor:
    """Labels are those of `MultipleChoice.with_targets`; None: all rows are choices of one question."""
    questions = paddle.zeros([student.shape[0]], "int64") if labels is None else labels[:, 0]
    soft = choice_log_probabilities(teacher, questions).exp()
    # The probabilities of each question's choices sum to 1.
    return -(soft * choice_log_probabilities(student, questions)).sum() / soft.sum()


SOFT_LOSSES: Mapping[str, SoftLoss] = {
    "classes": _of_classes,
    "positions": _of_positions,
    "sets": _of_sets,
    "choices": _of_choices,
}
"""By `Task.soft_loss`.

Of logits of shape (batch_size, labels) or (batch_size, tokens, labels), one label is right ("classes"), or each for
itself ("sets"); of shape (batch_size, tokens), one token ("positions"); of shape (batch_size, 1), one row of those that
belong to a question ("choices").
"""


def soft_loss_on(name: str, batch: Batch) -> SoftLoss:
    """The loss of logits of a batch, whose targets say no more than which rows are choices of one question.

    Args:
        name: One of `SOFT_LOSSES`.
        batch: Model inputs with targets.
    """
    return partial(_of_choices, labels=batch["labels"]) if name == "choices" else SOFT_LOSSES[name]
