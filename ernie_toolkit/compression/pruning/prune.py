"""Width pruning after DynaBERT: importance, reordering, width-adaptive distillation, real slices.

Hou et al., 2020 (https://arxiv.org/abs/2004.04037). Paddle is imported inside the functions.
"""

import functools
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ernie_toolkit.compression.rows import SplitRows
from ernie_toolkit.models.sizes import LayerSize, layer_size
from ernie_toolkit.session import Session
from ernie_toolkit.text.batching import shuffled_batches_by_length
from ernie_toolkit.text.dataset import Batch, EncodedDataset
from ernie_toolkit.training import TrainingResult
from ernie_toolkit.training.options import TrainingOptions

if TYPE_CHECKING:
    from paddle import nn

WIDTHS = "widths"
IMPORTANCE_BATCHES = 64


def width_name(width: Fraction) -> str:
    """The name of a width's directory: "width_mult_0.75"."""
    return f"width_mult_{float(width):g}"


def pruned_directory(directory: Path, width: Fraction) -> Path:
    """Where a run of `prune` leaves the model of a width.

    Args:
        directory: The directory that `prune` was given.
        width: One of the widths that it was given.
    """
    return directory / WIDTHS / width_name(width)


def width_sizes(model: "nn.Layer", widths: Sequence[Fraction]) -> dict[Fraction, LayerSize]:
    """What each width leaves of a model's layers.

    Args:
        model: The model at its full size.
        widths: Shares of heads and neurons that are left.

    Raises:
        ConfigError: Where that is no head or no neuron.
    """
    from ernie_toolkit.models.slices import current_size

    full = current_size(model)
    return {width: layer_size(full.num_attention_heads, full.intermediate_size, width) for width in widths}


def importance_batches(dataset: EncodedDataset, batch_size: int, seed: int, count: int) -> list[Batch]:
    """Batches with targets, drawn as an epoch of training draws them.

    Args:
        dataset: The training rows.
        batch_size: Rows in a batch.
        seed: Of the rows' order.
        count: The most batches to draw; fewer where the rows run out.
    """
    batches = shuffled_batches_by_length(dataset.lengths(), batch_size, seed, 0)[:count]
    return [dataset.collate(rows) for rows in batches]


def prune(
    session: Session,
    rows: SplitRows,
    sizes: Mapping[Fraction, LayerSize],
    options: TrainingOptions,
    directory: Path,
    resume: bool = False,
    overwrite: bool = False,
) -> TrainingResult:
    """Make a smaller model of each width from the session's fine-tuned one, which is used up.

    Importance is measured on training batches only. All widths are trained in one run to answer as the fine-tuned model
    does; the best weights of each by the dev metric are saved, as a model of its own, in its `pruned_directory`.

    Args:
        session: The fine-tuned model, its data and its task.
        rows: The session's splits.
        sizes: See `width_sizes`.
        options: Settled ones (see `Session.settled`).
        directory: Gets the checkpoints and the pruned models.
        resume: Whether the unfinished run there is resumed.
        overwrite: Whether it is dropped.

    Raises:
        ToolkitError: As `training.train`.
    """
    from ernie_toolkit.compression.pruning.elastic import make_elastic
    from ernie_toolkit.compression.pruning.importance import reorder, taylor_importance
    from ernie_toolkit.compression.pruning.training import WidthTrainer
    from ernie_toolkit.models import copy_model

    model = session.loaded.model
    teacher = copy_model(model)
    batches = importance_batches(rows.train, options.per_device_train_batch_size, options.seed, IMPORTANCE_BATCHES)
    reorder(model, taylor_importance(model, batches, session.criterion))
    make_elastic(model)
    trainer = functools.partial(
        WidthTrainer,
        teacher=teacher,
        soft_loss=session.task.soft_loss,
        sizes={width_name(width): size for width, size in sizes.items()},
        vocabulary=session.loaded.vocabulary,
        best_dir=directory / WIDTHS,
        metric=options.metric_for_best_model,
    )
    widths = [str(width) for width in sizes]
    return session.run_training(rows.train, rows.dev, options, directory, resume, overwrite, trainer, widths=widths)
