"""Quantization-aware training: a model learns to answer well with the rounding that INT8 will bring.

Paddle is imported inside the functions.
"""

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path

from ernie_toolkit.compression.options import QatSettings
from ernie_toolkit.compression.pruning.prune import importance_batches
from ernie_toolkit.compression.quantization.calibration import Range
from ernie_toolkit.compression.rows import SplitRows
from ernie_toolkit.session import Session
from ernie_toolkit.training import TrainingResult, predict_logits
from ernie_toolkit.training.options import TrainingOptions
from ernie_toolkit.training.selection import rank

CALIBRATION_BATCHES = 16


@dataclass(frozen=True)
class QatResult:
    """What quantization-aware training gave.

    Attributes:
        metrics: Dev metrics with INT8's rounding, of the weights kept.
        ranges: Fixed ranges of activations by layer name (see `learned_ranges`); None: they are dynamic.
        result: How the training itself went.
        improved: Whether a checkpoint beat the start; if not, the weights are those of the start.
        start_metrics: Dev metrics with INT8's rounding before training.
    """

    metrics: dict[str, float]
    ranges: dict[str, Range] | None
    result: TrainingResult
    improved: bool
    start_metrics: dict[str, float]


def train_quantized(
    session: Session,
    rows: SplitRows,
    settings: QatSettings,
    options: TrainingOptions,
    directory: Path,
    resume: bool = False,
    overwrite: bool = False,
) -> QatResult:
    """Train the session's fine-tuned or pruned model in place for INT8, to answer as it did in FP32.

    Its teacher is a copy of itself. Afterwards the model is a plain one again, with the weights of the best checkpoint
    by the dev metric, or its own where none beat them; its FP32 graph is what to quantize then. Where an error is
    raised, the model is plain, with weights in between.

    Args:
        session: The model, its data and its task.
        rows: The session's splits.
        settings: What is rounded how.
        options: Settled ones (see `Session.settled`).
        directory: Gets the checkpoints.
        resume: Whether the unfinished run there is resumed.
        overwrite: Whether it is dropped.

    Raises:
        ToolkitError: As `training.train`.
    """
    from ernie_toolkit.compression.distillation.trainer import DistillationTrainer
    from ernie_toolkit.compression.qat.layers import calibrate, learned_ranges, make_quantized, restore
    from ernie_toolkit.models import copy_model

    model, task, dev = session.loaded.model, session.task, session.data.split("dev")
    teacher = copy_model(model)
    make_quantized(model, settings)
    try:
        if settings.fixed:
            batches = importance_batches(
                rows.train, options.per_device_train_batch_size, options.seed, CALIBRATION_BATCHES
            )
            calibrate(model, batches)
        start_ranges = learned_ranges(model)
        start = task.score(rows.dev, predict_logits(model, rows.dev, options.per_device_eval_batch_size), dev)
        trainer = functools.partial(DistillationTrainer, teacher=teacher, soft_loss=task.soft_loss)
        rounding = dataclasses.asdict(settings)
        result = session.run_training(
            rows.train, rows.dev, options, directory, resume, overwrite, trainer, quantization=rounding
        )
        ranges = learned_ranges(model)
    finally:
        restore(model)
    metric = options.metric_for_best_model
    # Where the metric ties, the start stays: its weights are those that FP32 was measured with.
    improved = rank(result.metrics, metric)[0] > rank(start, metric)[0]
    if not improved:
        model.set_state_dict(teacher.state_dict())
        ranges = start_ranges
    return QatResult(result.metrics if improved else start, ranges if settings.fixed else None, result, improved, start)
