"""Training on PaddleNLP's Trainer: batches by length, whole checkpoints, exact resume, early stopping.

`train` and `predict_logits` are imported from here; Paddle is loaded on the first call, not on import.
"""

from ernie_toolkit.training.loss import Criterion
from ernie_toolkit.training.run import (
    TrainingResult,
    discard_checkpoints,
    predict_logits,
    seed_everything,
    train,
)

__all__ = [
    "Criterion",
    "TrainingResult",
    "discard_checkpoints",
    "predict_logits",
    "seed_everything",
    "train",
]
