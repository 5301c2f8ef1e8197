"""Width- and depth-adaptive training: one run teaches every size of a model, and keeps the best weights of each.

Imports Paddle; import it inside a function.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import paddle
from paddle import nn
from paddlenlp.trainer import TrainerCallback

from ernie_toolkit.compression.distillation.losses import Observed
from ernie_toolkit.compression.distillation.trainer import DistillationTrainer
from ernie_toolkit.compression.pruning.elastic import cut_out, using
from ernie_toolkit.models import Vocabulary, save_model
from ernie_toolkit.models.sizes import ModelSlice
from ernie_toolkit.training.selection import is_best_yet, joined_metrics
from ernie_toolkit.training.trainer import ToolkitTrainer


class EvaluateFirst(TrainerCallback):
    """Measures the model before the first step: what was cut out well may not get better."""

    def __init__(self, trainer: ToolkitTrainer) -> None:
        self.trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Evaluate, unless the run resumes from a checkpoint, which has the metrics of the start in its history."""
        if state.global_step == 0:
            self.trainer.evaluate()


class ElasticTrainer(DistillationTrainer):
    """Trains an elastic model at several sizes in each step, to answer as its teacher does.

    As in DynaBERT's Algorithm 1 (Hou et al., 2020, https://arxiv.org/abs/2004.04037) a step adds up what all sizes have
    to learn, before weights move. Width and depth are trained together from the start: the fine-tuned model is the
    teacher of all sizes, and no model of full depth is trained in between.

    The best weights of each size, those before the first step included, are cut out and saved as a model of its own.
    Logged are "eval_<name>/<metric>" for each size, and their means over sizes under the metrics' own names.

    Args:
        *arguments: Those of `ToolkitTrainer`.
        teacher: See `DistillationTrainer`.
        soft_loss: See `DistillationTrainer`.
        sizes: What is used of the model at each size, by its name.
        vocabulary: Is saved with each model.
        best_dir: Gets the models, each in a directory of its size's name.
        metric: The dev metric that says which weights are best.
    """

    def __init__(
        self,
        *arguments: Any,
        teacher: nn.Layer,
        soft_loss: str,
        sizes: Mapping[str, ModelSlice],
        vocabulary: Vocabulary,
        best_dir: Path,
        metric: str,
    ) -> None:
        super().__init__(*arguments, teacher=teacher, soft_loss=soft_loss)
        self.sizes, self.vocabulary, self.best_dir, self.metric = dict(sizes), vocabulary, best_dir, metric
        self.add_callback(EvaluateFirst(self))

    def student_loss(self, model: nn.Layer, inputs: Any, taught: Observed, mask: paddle.Tensor) -> paddle.Tensor:
        """The mean over sizes of the distillation loss."""
        losses = []
        for size in self.sizes.values():
            with using(self.model, size):
                losses.append(super().student_loss(model, inputs, taught.beside(size.layers), mask))
        return paddle.add_n(losses) / len(losses)

    def dev_metrics(self) -> dict[str, float]:
        """Metrics of the dev set at each size; a size that is better than ever before is saved."""
        found: dict[str, dict[str, float]] = {}
        for name, size in self.sizes.items():
            with using(self.model, size):
                found[name] = super().dev_metrics()
            if self.args.should_save and is_best_yet(found[name], self.state.log_history, self.metric, name):
                save_model(cut_out(self.model, size), self.vocabulary, self.best_dir / name)
        return joined_metrics(found)
