"""Training on PaddleNLP's Trainer: batches by length, whole checkpoints, exact resume, early stopping.

`train` and `evaluate_model` are imported from here; Paddle is loaded on the first call, not on import.
"""

from ernie_toolkit.training.dataset import EncodedDataset
from ernie_toolkit.training.run import (
    TrainingResult,
    discard_checkpoints,
    evaluate_model,
    predict_logits,
    seed_everything,
    train,
)

__all__ = [
    "EncodedDataset",
    "TrainingResult",
    "discard_checkpoints",
    "evaluate_model",
    "predict_logits",
    "seed_everything",
    "train",
]
