"""The Trainer of quantization-aware training.

Imports Paddle; import it inside a function.
"""

from typing import Any

import paddle
from paddle import nn

from ernie_toolkit.compression.distillation.losses import distillation_loss, observe
from ernie_toolkit.training.trainer import ToolkitTrainer


class QatTrainer(ToolkitTrainer):
    """Trains a model with fake quantization to answer as its teacher does in FP32."""

    def __init__(self, *arguments: Any, teacher: nn.Layer) -> None:
        super().__init__(*arguments)
        self.teacher = teacher

    def compute_loss(self, model: nn.Layer, inputs: Any, return_outputs: bool = False) -> Any:
        """The distillation loss; targets in the batch are not looked at."""
        mask = inputs["input_ids"] != self.model.config.pad_token_id
        with paddle.no_grad():
            taught = observe(self.teacher, inputs)
        loss = distillation_loss(observe(model, inputs), taught, mask)
        return (loss, (loss,)) if return_outputs else loss
