"""The Trainer of a model that learns from the one that it was made of.

Imports Paddle; import it inside a function.
"""

from typing import Any

import paddle
from paddle import nn

from ernie_toolkit.compression.distillation.losses import Observed, distillation_loss, observe, soft_loss_on
from ernie_toolkit.training.trainer import ToolkitTrainer


class DistillationTrainer(ToolkitTrainer):
    """Trains a model to answer as its teacher does; targets say no more than which rows are choices of one question.

    Args:
        *arguments: Those of `ToolkitTrainer`.
        teacher: The model whose answers are learned; it stays as it is.
        soft_loss: The task's loss by its name in `SOFT_LOSSES`.
    """

    def __init__(self, *arguments: Any, teacher: nn.Layer, soft_loss: str) -> None:
        super().__init__(*arguments)
        self.teacher, self.soft_loss = teacher, soft_loss

    def compute_loss(self, model: nn.Layer, inputs: Any, return_outputs: bool = False) -> Any:
        """The student's loss, as the Trainer asks for it."""
        mask = inputs["input_ids"] != self.model.config.pad_token_id
        with paddle.no_grad():
            taught = observe(self.teacher, inputs)
        loss = self.student_loss(model, inputs, taught, mask)
        return (loss, (loss,)) if return_outputs else loss

    def student_loss(self, model: nn.Layer, inputs: Any, taught: Observed, mask: paddle.Tensor) -> paddle.Tensor:
        """The distillation loss of a model on a batch that its teacher has seen.

        Args:
            model: The student.
            inputs: The batch, as `observe` takes it.
            taught: What the teacher says about it.
            mask: Bool of shape (batch_size, tokens), false at padding.
        """
        return distillation_loss(observe(model, inputs), taught, mask, soft_loss_on(self.soft_loss, inputs))
