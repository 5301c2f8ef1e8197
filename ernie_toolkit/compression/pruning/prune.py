"""Width pruning after DynaBERT: importance, reordering, width-adaptive distillation, real slices.

Hou et al., 2020 (https://arxiv.org/abs/2004.04037). Paddle is imported inside the functions.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ernie_toolkit.arguments.options import TrainingOptions
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.models.sizes import LayerSize, layer_size
from ernie_toolkit.session import Session
from ernie_toolkit.text.batching import shuffled_batches_by_length
from ernie_toolkit.text.dataset import Batch, EncodedDataset
from ernie_toolkit.training import TrainingResult, train
from ernie_toolkit.training.selection import best_of

if TYPE_CHECKING:
    from ernie_toolkit.models import LoadedModel

WIDTHS = "widths"
IMPORTANCE_BATCHES = 64


@dataclass(frozen=True)
class PrunedModel:
    """A model of one width: its own weights, the size of its layers, and its dev figures."""

    width: Fraction
    size: LayerSize
    loaded: "LoadedModel"
    metrics: dict[str, float]


def width_name(width: Fraction) -> str:
    """The name of a width's directory: "width_mult_0.75"."""
    return f"width_mult_{float(width):g}"


def importance_batches(dataset: EncodedDataset, batch_size: int, seed: int, count: int) -> list[Batch]:
    """Batches with targets, drawn as an epoch of training draws them."""
    batches = shuffled_batches_by_length(dataset.lengths(), batch_size, seed, 0)[:count]
    return [dataset.collate(rows) for rows in batches]


def prune(
    session: Session,
    widths: Sequence[Fraction],
    options: TrainingOptions,
    directory: Path,
    device: str = "cpu",
    resume: bool = False,
    overwrite: bool = False,
) -> tuple[list[PrunedModel], TrainingResult]:
    """Make a smaller model of each width from the session's fine-tuned one, which is used up.

    Importance is measured on training batches only. All widths are trained in one run to answer as the
    fine-tuned model does; of each the best weights by the dev figure are kept, in
    `directory/widths/<name>` until they are returned. Checkpoints and resuming are those of
    `training.train`. Raises ConfigError on no width, on one given twice, and on one that leaves no head.
    """
    from ernie_toolkit.compression.pruning.elastic import make_elastic
    from ernie_toolkit.compression.pruning.importance import reorder, taylor_importance
    from ernie_toolkit.compression.pruning.training import WidthTrainer
    from ernie_toolkit.models import copy_model, load_model
    from ernie_toolkit.models.slices import current_size

    model, task = session.loaded.model, session.task
    full = current_size(model)
    if not widths or len(set(widths)) != len(widths):
        raise ConfigError("give one width at least, and each of them once")
    sizes = {width_name(width): layer_size(full.num_attention_heads, full.intermediate_size, width) for width in widths}
    options = session.settled(options)
    rows, dev = session.training_rows(options), session.data.split("dev")
    dev_rows = session.encoded(dev)
    teacher = copy_model(model)
    batches = importance_batches(rows, options.per_device_train_batch_size, options.seed, IMPORTANCE_BATCHES)
    reorder(model, taylor_importance(model, batches, session.criterion))
    make_elastic(model)
    trainer = functools.partial(
        WidthTrainer,
        teacher=teacher,
        sizes=sizes,
        vocabulary=session.loaded.vocabulary,
        best_dir=directory / WIDTHS,
        metric=options.metric_for_best_model,
    )
    identity = {**session.identity, "widths": [str(width) for width in widths]}
    result = train(
        model,
        rows,
        dev_rows,
        lambda logits: task.score(dev_rows, logits, dev),
        options,
        directory,
        device,
        resume,
        overwrite,
        identity,
        trainer,
    )
    pruned = []
    for width, (name, size) in zip(widths, sizes.items(), strict=True):
        key = f"eval_{name}/{options.metric_for_best_model}"
        entries = [entry for entry in result.history if key in entry]
        best = entries[best_of(entries, options.metric_for_best_model, f"eval_{name}/")]
        metrics = {
            figure.rpartition("/")[2]: value for figure, value in best.items() if figure.startswith(f"eval_{name}/")
        }
        loaded = load_model(str(directory / WIDTHS / name), task.labels, task=task.name)
        pruned.append(PrunedModel(width, size, loaded, metrics))
    return pruned, result
