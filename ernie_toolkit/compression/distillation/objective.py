"""What a student learns from a batch: its teacher's answers, hidden states and relations, and the rows' labels.

Imports Paddle; import it inside a function.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import paddle
from paddle import nn

from ernie_toolkit.compression.distillation.losses import Observed, hidden_loss, soft_loss_on
from ernie_toolkit.compression.distillation.options import DistillationOptions
from ernie_toolkit.compression.distillation.relations import recorded_states, relation_loss
from ernie_toolkit.compression.distillation.students import config_shape, relation_heads
from ernie_toolkit.training.loss import Criterion

INPUTS = ("input_ids", "token_type_ids")


@dataclass(frozen=True)
class Signal:
    """What a model says about a batch.

    Attributes:
        observed: Its logits, and its hidden states; none where nobody learns them.
        states: Queries, keys or values of one layer (see `recorded_states`); none where nobody learns relations.
        loss: Of its own labels; None where they were not given.
    """

    observed: Observed
    states: tuple[paddle.Tensor, ...] = ()
    loss: paddle.Tensor | None = None

    def detached(self) -> "Signal":
        """The same as a teacher's: nothing of it passes gradients on."""
        logits, hidden = (tuple(value.detach() for value in part) for part in self.observed)
        return Signal(Observed(logits, hidden), tuple(value.detach() for value in self.states))


@dataclass(frozen=True)
class Objective:
    """What students learn in a stage.

    Attributes:
        options: The weights of the parts.
        soft_loss: The task's loss of soft answers by its name in `SOFT_LOSSES`; None: answers are not learned, since
            the stage has no task.
        criterion: The loss of the rows' own labels (see `Session`); None: the model's own.
    """

    options: DistillationOptions
    soft_loss: str | None
    criterion: Criterion | None = None

    def kinds(self) -> tuple[str, ...]:
        """What is recorded of a layer for relations."""
        return self.options.relations if self.options.needs_relations else ()

    def look(self, model: nn.Layer, batch: Mapping[str, Any], layer: int, labels: bool) -> Signal:
        """Run a model on a batch, in the mode that it is in.

        Args:
            model: A model with a task head.
            batch: Inputs and targets as tensors.
            layer: The layer whose states are kept, counted from 0; -1 for the last.
            labels: Whether its loss on the rows' own labels is wanted.
        """
        own_loss = labels and self.criterion is None
        given = {name: value for name, value in batch.items() if own_loss or name in INPUTS}
        hidden = self.options.needs_hidden
        with recorded_states(model, layer, self.kinds()) as states:
            outputs: Any = model(**given, output_hidden_states=hidden, return_dict=True)
        logits = tuple(value for name, value in outputs.items() if name.endswith("logits"))
        kept = tuple(outputs.hidden_states) if hidden else ()
        loss = outputs.loss if own_loss else self._by_criterion(logits, batch) if labels else None
        return Signal(Observed(logits, kept), tuple(states), loss)

    def _by_criterion(self, logits: tuple[paddle.Tensor, ...], batch: Mapping[str, Any]) -> paddle.Tensor:
        """The user's loss of a batch, which gets what `batch_loss` gives it."""
        assert self.criterion is not None
        targets = ("labels",) if "labels" in batch else ("start_positions", "end_positions")
        labels = tuple(batch[name] for name in targets)
        return self.criterion(*(part if len(part) > 1 else part[0] for part in (logits, labels)))

    def loss(
        self,
        student: Signal,
        teacher: Signal | None,
        lesson: "Lesson",
        batch: Mapping[str, Any],
        mask: paddle.Tensor,
    ) -> paddle.Tensor:
        """What a student has to learn from a batch.

        Args:
            student: What it says.
            teacher: What its teacher says; None: the labels alone count.
            lesson: How the two belong together.
            batch: Inputs and targets.
            mask: Bool of shape (batch_size, tokens), false at padding.
        """
        options = self.options
        if teacher is None:
            return student.loss
        parts = []
        if self.soft_loss is not None:
            if options.soft_weight:
                parts.append(options.soft_weight * self._soft(student, teacher, batch, mask))
            if student.loss is not None:
                parts.append(options.label_weight * student.loss)
        if options.needs_hidden:
            ours = [lesson.projection(value) for value in student.observed.hidden]
            theirs = teacher.observed.beside(lesson.layers).hidden
            parts.append(options.hidden_weight * hidden_loss(ours, theirs, mask))
        if options.needs_relations:
            loss = relation_loss(student.states, teacher.states, lesson.heads, mask)
            parts.append(options.relation_weight * loss)
        return paddle.add_n(parts)

    def _soft(self, student: Signal, teacher: Signal, batch: Mapping[str, Any], mask: paddle.Tensor) -> paddle.Tensor:
        """Cross entropy of softened answers; as large, whatever the temperature (Hinton et al., 2015)."""
        assert self.soft_loss is not None
        temperature = self.options.temperature
        loss = soft_loss_on(self.soft_loss, dict(batch))
        pairs = zip(student.observed.logits, teacher.observed.logits, strict=True)
        answers = [loss(ours / temperature, theirs / temperature, mask) for ours, theirs in pairs]
        return paddle.add_n(answers) / len(answers) * temperature**2


@dataclass(frozen=True)
class Lesson:
    """How a student stands beside its teacher.

    Attributes:
        teacher: The name of the assistant that teaches it; empty: the teacher.
        layers: The teacher's layers, counted from 0, that the student's stand for.
        projection: From the student's hidden states to the teacher's width; an identity where they are equal.
        heads: In how many heads relations are computed; 0: they are not learned.
    """

    teacher: str
    layers: tuple[int, ...]
    projection: nn.Layer
    heads: int


def make_lesson(
    student: nn.Layer, teacher: nn.Layer, layers: Sequence[int], options: DistillationOptions, name: str, seed: int
) -> Lesson:
    """Put a student beside its teacher.

    Args:
        student: The student's model.
        teacher: The model that teaches it.
        layers: See `Lesson`.
        options: How to distil.
        name: See `Lesson.teacher`.
        seed: Of the projection's first weights.

    Raises:
        ConfigError: On heads of relations that do not divide both widths.
    """
    narrow, wide = student.config.hidden_size, teacher.config.hidden_size
    projection: nn.Layer = nn.Identity()
    if narrow != wide and options.needs_hidden:
        paddle.seed(seed)
        projection = nn.Linear(narrow, wide)
    heads = 0
    if options.needs_relations:
        ours, theirs = config_shape(student.config), config_shape(teacher.config)
        heads = relation_heads(ours.attention, theirs.attention, options.relation_heads, theirs.heads)
    return Lesson(name, tuple(layers), projection, heads)
