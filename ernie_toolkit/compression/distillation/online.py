"""One teacher and several students in one run: each step asks the teacher once, and its signal goes to all of them.

ERNIE 3.0's lightweight models were made so (online distillation with an assistant: Wang et al., 2021,
https://arxiv.org/abs/2112.12731; the two stages: Su et al., 2021, https://arxiv.org/abs/2106.02241). Imports Paddle;
import it inside a function.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from ernie_toolkit.compression.distillation.building import Student, random_seed
from ernie_toolkit.compression.distillation.losses import Observed
from ernie_toolkit.compression.distillation.objective import Lesson, Objective, Signal, make_lesson
from ernie_toolkit.compression.distillation.options import DistillationOptions
from ernie_toolkit.compression.distillation.teacher_logits import logits_batch
from ernie_toolkit.compression.distillation.texts import ROW_NUMBERS
from ernie_toolkit.compression.pruning.training import EvaluateFirst
from ernie_toolkit.models import Vocabulary, save_model
from ernie_toolkit.models.sizes import evenly_spaced
from ernie_toolkit.text.dataset import EncodedDataset, Outputs
from ernie_toolkit.training.loss import evaluating
from ernie_toolkit.training.selection import is_best_yet, joined_metrics
from ernie_toolkit.training.trainer import ToolkitTrainer, model_logits


class StudentSet(nn.Layer):
    """All students of a run, with what each has beside its model while it learns; one state for checkpoints.

    Args:
        students: The students, an assistant before those that it teaches.
        lessons: How each stands beside its teacher, by name.
        config: The teacher's.
    """

    def __init__(self, students: Sequence[Student], lessons: Mapping[str, Lesson], config: Any) -> None:
        super().__init__()
        self.models = nn.LayerList([student.model for student in students])
        self.projections = nn.LayerList([lessons[student.name].projection for student in students])
        self.config = config

    def owners(self) -> dict[str, int]:
        """The student's place that each parameter belongs to, by the parameter's name."""
        pairs = zip(self.models, self.projections, strict=True)
        return {
            parameter.name: place
            for place, parts in enumerate(pairs)
            for part in parts
            for parameter in part.parameters()
        }


class ClipEachStudent(nn.ClipGradByGlobalNorm):
    """Clips the gradients of each student by their own norm: none trains otherwise because others are there.

    Args:
        clip_norm: The largest norm.
        owners: Of `StudentSet.owners`.
    """

    def __init__(self, clip_norm: float, owners: Mapping[str, int]) -> None:
        super().__init__(clip_norm)
        self.owners = dict(owners)

    def _dygraph_clip(self, params_grads: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
        groups: dict[int, list[tuple[Any, Any]]] = {}
        for pair in params_grads:
            groups.setdefault(self.owners[pair[0].name], []).append(pair)
        clip = super()._dygraph_clip
        return [pair for group in groups.values() for pair in clip(group)]


def make_lessons(
    teacher: nn.Layer, students: Sequence[Student], assistant: str, options: DistillationOptions, seed: int
) -> dict[str, Lesson]:
    """How each student stands beside the model that teaches it.

    Args:
        teacher: The teacher.
        students: The students.
        assistant: The name of the one that teaches the others; empty: there is none.
        options: How to distil.
        seed: The run's.

    Raises:
        ConfigError: As `make_lesson`.
    """
    helper = next((student for student in students if student.name == assistant), None)
    lessons = {}
    for student in students:
        own = random_seed(seed, student.name, "projection")
        if helper is None or student is helper:
            lessons[student.name] = make_lesson(student.model, teacher, student.layers, options, "", own)
            continue
        layers = evenly_spaced(helper.shape.layers, student.shape.layers)
        lessons[student.name] = make_lesson(student.model, helper.model, layers, options, assistant, own)
    return lessons


class OnlineTrainer(ToolkitTrainer):
    """Trains all students of a set in each step; the best weights of each on dev are saved as a model of its own.

    What a student draws at random follows from the seed, its name and the step, and its gradients are clipped by their
    own norm: it gets the same weights whichever others learn beside it.

    Logged are "eval_<name>/<metric>" for each student, and their means under the metrics' own names.

    Args:
        *arguments: Those of `ToolkitTrainer`, of which the model is a `StudentSet`.
        teacher: The model that teaches; it stays as it is.
        students: Those of the set, in its order.
        lessons: Of `make_lessons`.
        objective: What they learn.
        vocabulary: Is saved with each model.
        best_dir: Gets the models, each in a directory of its name.
        metric: The dev metric that says which weights are best.
        logits: The teacher's logits of all training rows, where they are known already (see `teacher_logits`).
    """

    model: StudentSet

    def __init__(
        self,
        *arguments: Any,
        teacher: nn.Layer,
        students: Sequence[Student],
        lessons: Mapping[str, Lesson],
        objective: Objective,
        vocabulary: Vocabulary,
        best_dir: Path,
        metric: str,
        logits: Outputs | None = None,
    ) -> None:
        super().__init__(*arguments)
        self.teacher, self.students, self.lessons = teacher, list(students), dict(lessons)
        self.objective, self.vocabulary, self.best_dir, self.metric = objective, vocabulary, best_dir, metric
        self.logits = logits
        self._drawn = (-1, 0)  # the step, and how many batches of it were drawn
        self.add_callback(EvaluateFirst(self))

    def create_optimizer(self, lr_scheduler: Any = None) -> Any:
        """The Trainer's own, which clips each student's gradients by themselves."""
        optimizer = super().create_optimizer(lr_scheduler)
        if self.args.max_grad_norm > 0:
            optimizer._grad_clip = ClipEachStudent(self.args.max_grad_norm, self.model.owners())
        return optimizer

    def compute_loss(self, model: nn.Layer, inputs: Any, return_outputs: bool = False) -> Any:
        """The sum of the students' losses, as the Trainer asks for it: each gets the gradients of its own."""
        step = self.state.global_step
        self._drawn = (step, self._drawn[1] + 1 if self._drawn[0] == step else 0)
        options = self.objective.options
        losses = self._losses(inputs, options.needs_teacher and step % options.every == 0, self._drawn)
        loss = paddle.add_n(list(losses.values()))
        return (loss, (loss,)) if return_outputs else loss

    def _losses(self, inputs: Any, with_teacher: bool, drawn: tuple[int, int] | None) -> dict[str, paddle.Tensor]:
        """The loss of each student on a batch, by its name; `drawn`: what random numbers follow from, if any are."""
        objective, options = self.objective, self.objective.options
        numbers = inputs[ROW_NUMBERS]
        batch = {name: value for name, value in inputs.items() if name != ROW_NUMBERS}
        mask = batch["input_ids"] != self.model.config.pad_token_id
        labels = objective.soft_loss is not None and (not with_teacher or options.label_weight > 0)
        signals = {"": self._teacher_signal(batch, numbers) if with_teacher else None}
        losses = {}
        for student in self.students:
            lesson = self.lessons[student.name]
            if drawn is not None:
                paddle.seed(random_seed(self.args.seed, student.name, *drawn))
            signal = objective.look(student.model, batch, -1, labels)
            losses[student.name] = objective.loss(signal, signals[lesson.teacher], lesson, batch, mask)
            signals[student.name] = signal.detached() if with_teacher else None
        return losses

    def _teacher_signal(self, batch: Mapping[str, Any], numbers: paddle.Tensor) -> Signal:
        if self.logits is not None:
            tokens, outputs = batch["input_ids"].shape[1], 2 if "start_positions" in batch else 1
            arrays = logits_batch(self.logits, numbers.numpy().tolist(), tokens, outputs)
            return Signal(Observed(tuple(map(paddle.to_tensor, arrays)), ()))
        with paddle.no_grad():
            return self.objective.look(self.teacher, batch, self.objective.options.relation_layer - 1, False)

    def dev_metrics(self) -> dict[str, float]:
        """Metrics of the dev set for each student; one that is better than ever before is saved."""
        found: dict[str, dict[str, float]] = {}
        measured = self._held_out_losses() if self.objective.soft_loss is None else {}
        for student in self.students:
            name = student.name
            found[name] = measured.get(name) or self._scores(student)
            if self.args.should_save and is_best_yet(found[name], self.state.log_history, self.metric, name):
                save_model(student.model, self.vocabulary, self.best_dir / name)
        return joined_metrics(found)

    def _scores(self, student: Student) -> dict[str, float]:
        return self.score(model_logits(student.model, self.dev_set, self.args.per_device_eval_batch_size))

    def _held_out_losses(self) -> dict[str, dict[str, float]]:
        """What is left to learn of rows that nothing was learned from, by the students' names."""
        size, rows = self.args.per_device_eval_batch_size, self.dev_set
        sums = dict.fromkeys([student.name for student in self.students], 0.0)
        with evaluating(self.model), paddle.no_grad():
            for start in range(0, len(rows), size):
                numbers = range(start, min(start + size, len(rows)))
                batch = {name: paddle.to_tensor(value) for name, value in rows.collate(numbers).items()}
                for name, loss in self._losses(batch, True, None).items():
                    sums[name] += float(loss) * len(numbers)
        return {name: {"loss": total / len(rows)} for name, total in sums.items()}


def trainer_factory(**settings: Any) -> Callable[..., OnlineTrainer]:
    """What makes the Trainer of a run out of the arguments of `ToolkitTrainer`.

    Args:
        **settings: The other arguments of `OnlineTrainer`.
    """

    def make(*arguments: Any) -> OnlineTrainer:
        return OnlineTrainer(*arguments, **settings)

    return make


def all_rows(rows: EncodedDataset) -> EncodedDataset:
    """The rows one by one, without targets: what the teacher answers of them depends on none."""
    single = rows.ungrouped()
    return EncodedDataset(single.features, single.pad_id, {ROW_NUMBERS: np.arange(len(single.features))})
