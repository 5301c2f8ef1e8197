"""Pruning in width and depth after DynaBERT: importance, reordering, distillation of all sizes, real slices.

Hou et al., 2020 (https://arxiv.org/abs/2004.04037). Paddle is imported inside the functions.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ernie_toolkit.compression.report.model import LayerChoice
from ernie_toolkit.compression.rows import SplitRows
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.models.sizes import LayerSize, ModelSlice, Shares, layer_count, layer_size, parse_depth
from ernie_toolkit.session import Session
from ernie_toolkit.text.batching import shuffled_batches_by_length
from ernie_toolkit.text.dataset import Batch, EncodedDataset
from ernie_toolkit.training import TrainingResult
from ernie_toolkit.training.options import TrainingOptions

if TYPE_CHECKING:
    from paddle import nn

# Called so from the time when there were widths only: runs that began then are resumed.
SIZES = "widths"
IMPORTANCE_BATCHES = 64


def size_name(shares: Shares) -> str:
    """The name of a size's directory: "width_mult_0.75", "width_mult_0.75_depth_mult_0.666667"."""
    depth = f"_depth_mult_{float(shares.depth):g}" if shares.depth != 1 else ""
    return f"width_mult_{float(shares.width):g}{depth}"


def pruned_directory(directory: Path, shares: Shares) -> Path:
    """Where a run of `prune` leaves the model of a size.

    Args:
        directory: The directory that `prune` was given.
        shares: One of the sizes that it was given.
    """
    return directory / SIZES / size_name(shares)


def check_sizes(model: "nn.Layer", sizes: Iterable[Shares]) -> None:
    """Check that a model can be pruned to each size, and that no two are the same model.

    Args:
        model: The model as it is.
        sizes: What is to be left of it.

    Raises:
        ConfigError: Where no head, no neuron or no layer is left, and where two depths leave as many layers.
    """
    from ernie_toolkit.models.slices import encoder_layers

    total = len(encoder_layers(model))
    depths: dict[int, Fraction] = {}
    for shares in sizes:
        _size(model, shares.width)
        count = layer_count(total, shares.depth)
        other = depths.setdefault(count, shares.depth)
        if other != shares.depth:
            raise ConfigError(
                f"`depth_mult_list`: {other} and {shares.depth} both leave {count} of {total} layers: give one of them"
            )


def _size(model: "nn.Layer", width: Fraction) -> LayerSize:
    from ernie_toolkit.models.slices import current_size

    full = current_size(model)
    return layer_size(full.num_attention_heads, full.intermediate_size, width)


def fits(choice: LayerChoice, model: "nn.Layer") -> bool:
    """Whether a choice that was read from a file is one of a model's layers, as many as its depth leaves.

    Args:
        choice: As the file has it.
        model: The model as it is.
    """
    from ernie_toolkit.models.slices import encoder_layers

    total, layers = len(encoder_layers(model)), choice.layers
    if choice.num_hidden_layers != total or list(layers) != sorted({*layers} & {*range(total)}):
        return False
    return len(layers) == layer_count(total, parse_depth(choice.depth))


def model_slices(
    model: "nn.Layer", sizes: Iterable[Shares], choices: Sequence[LayerChoice] = ()
) -> dict[Shares, ModelSlice]:
    """What is cut out of a model at each size.

    Args:
        model: The model as it is.
        sizes: Checked ones (see `check_sizes`).
        choices: Which layers stay at each depth below 1.
    """
    from ernie_toolkit.models.slices import encoder_layers

    every = tuple(range(len(encoder_layers(model))))
    kept = {choice.depth: choice.layers for choice in choices}
    return {
        shares: ModelSlice(_size(model, shares.width), kept[str(shares.depth)] if shares.depth != 1 else every)
        for shares in sizes
    }


def depth_choices(
    session: Session, rows: SplitRows, sizes: Iterable[Shares], options: TrainingOptions
) -> tuple[LayerChoice, ...]:
    """Which layers stay at each depth below 1, by the batches that heads and neurons are scored on.

    Args:
        session: The fine-tuned model and its task; it stays as it is.
        rows: The session's splits.
        sizes: Checked ones (see `check_sizes`).
        options: Settled ones (see `Session.settled`).
    """
    from ernie_toolkit.compression.pruning.depth import choose_layers

    depths = list(dict.fromkeys(shares.depth for shares in sizes if shares.depth != 1))
    if not depths:
        return ()
    batches = importance_batches(rows.train, options.per_device_train_batch_size, options.seed, IMPORTANCE_BATCHES)
    return choose_layers(session.loaded.model, depths, batches, session.criterion)


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
    slices: Mapping[Shares, ModelSlice],
    options: TrainingOptions,
    directory: Path,
    resume: bool = False,
    overwrite: bool = False,
) -> TrainingResult:
    """Make a smaller model of each size from the session's fine-tuned one, which is used up.

    Importance is measured on training batches only. All sizes are trained in one run to answer as the fine-tuned model
    does; the best weights of each by the dev metric are saved, as a model of its own, in its `pruned_directory`.

    Args:
        session: The fine-tuned model, its data and its task.
        rows: The session's splits.
        slices: Of `model_slices`.
        options: Settled ones (see `Session.settled`).
        directory: Gets the checkpoints and the pruned models.
        resume: Whether the unfinished run there is resumed.
        overwrite: Whether it is dropped.

    Raises:
        ToolkitError: As `training.train`.
    """
    from ernie_toolkit.compression.pruning.elastic import make_elastic
    from ernie_toolkit.compression.pruning.importance import reorder, taylor_importance
    from ernie_toolkit.compression.pruning.training import ElasticTrainer
    from ernie_toolkit.models import copy_model

    model = session.loaded.model
    teacher = copy_model(model)
    batches = importance_batches(rows.train, options.per_device_train_batch_size, options.seed, IMPORTANCE_BATCHES)
    reorder(model, taylor_importance(model, batches, session.criterion))
    make_elastic(model)
    trainer = functools.partial(
        ElasticTrainer,
        teacher=teacher,
        soft_loss=session.task.soft_loss,
        sizes={size_name(shares): part for shares, part in slices.items()},
        vocabulary=session.loaded.vocabulary,
        best_dir=directory / SIZES,
        metric=options.metric_for_best_model,
    )
    # Runs that began before there were depths have the same identity.
    identity: dict[str, list[str]] = {"widths": [shares.text for shares in slices]}
    if any(shares.depth != 1 for shares in slices):
        identity["layers"] = [" ".join(map(str, part.layers)) for part in slices.values()]
    return session.run_training(rows.train, rows.dev, options, directory, resume, overwrite, trainer, **identity)
