"""Students as models: cut out of the teacher where that can be, else new or loaded; each says which.

Imports Paddle; import it inside a function.
"""

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import paddle
from paddle import nn

from ernie_toolkit.compression.distillation.students import (
    DIRECTORY,
    SLICE,
    Shape,
    StudentRequest,
    config_shape,
    cut_size,
    student_shape,
)
from ernie_toolkit.compression.pruning.elastic import cut_out
from ernie_toolkit.compression.pruning.importance import reorder, taylor_importance
from ernie_toolkit.compression.pruning.prune import IMPORTANCE_BATCHES, depth_choices, importance_batches
from ernie_toolkit.compression.rows import SplitRows
from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.models import LoadedModel, build_model, copy_model, load_model
from ernie_toolkit.models.sizes import LayerSize, ModelSlice, evenly_spaced
from ernie_toolkit.models.slices import current_size, parameter_count
from ernie_toolkit.session import Session
from ernie_toolkit.training.options import TrainingOptions


@dataclass(frozen=True)
class Student:
    """A student that is trained.

    Attributes:
        name: Of its directory.
        model: The model, with the teacher's kind of head.
        layers: The teacher's layer, counted from 0, that each of its layers stands for.
        shape: Its shape.
        origin: What its first weights are, as people read it.
    """

    name: str
    model: nn.Layer
    layers: tuple[int, ...]
    shape: Shape
    origin: str

    @property
    def line(self) -> str:
        """What it is and where it comes from, in one line."""
        millions = parameter_count(self.model) / 1e6
        return f"student {self.name}: {self.shape.text}, {millions:.1f} M parameters: {self.origin}"


def random_seed(seed: int, *parts: object) -> int:
    """A seed that follows from the run's own and from what it is for, and from nothing else that the run does.

    Args:
        seed: The run's.
        *parts: What it is for: a student's name, a step.
    """
    digest = hashlib.sha256(" ".join(map(str, (seed, *parts))).encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF


def build_students(
    session: Session,
    rows: SplitRows | None,
    requests: Sequence[StudentRequest],
    options: TrainingOptions,
    say: Callable[[str], None],
) -> list[Student]:
    """The students of a teacher; each is the same whichever others are made with it.

    Args:
        session: The teacher and its task; it stays as it is.
        rows: The session's splits, which heads, neurons and layers are scored on; None: there are none, and what would
            need them is refused.
        requests: The students that were asked for.
        options: Settled ones (see `Session.settled`): their seed counts, and for models that are loaded their dropout.
        say: Gets a line for each student.

    Raises:
        ConfigError: On a student that would have to be cut by importance without labelled rows.
        ModelError: Where a student's own model does not fit the teacher's vocabulary.
    """
    cutter = _Cutter(session, rows, options, say)
    students = []
    for request in requests:
        student = cutter.student(request)
        say(student.line)
        students.append(student)
    return students


class _Cutter:
    """Makes students of one teacher; heads and neurons are scored once, when the first student asks for it."""

    def __init__(
        self, session: Session, rows: SplitRows | None, options: TrainingOptions, say: Callable[[str], None]
    ) -> None:
        self.session, self.rows, self.options, self.say = session, rows, options, say
        self.teacher = session.loaded.model
        self.shape = config_shape(self.teacher.config)
        self._ordered: nn.Layer | None = None

    def student(self, request: StudentRequest) -> Student:
        """The student that a request asks for."""
        shape = student_shape(request, self.shape)
        if shape is None or request.kind == DIRECTORY:
            return self._loaded(request)
        size = cut_size(shape, self.shape)
        if size is None:
            return self._new(request, shape)
        layers = self._layers(request, shape.layers)
        whole = size == current_size(self.teacher)
        source = self.teacher if whole else self._by_importance(request)
        model = cut_out(source, ModelSlice(size, layers))
        return Student(request.name, model, layers, shape, self._origin(layers, size, whole))

    def _layers(self, request: StudentRequest, count: int) -> tuple[int, ...]:
        if request.kind != SLICE or request.shares.depth == 1:
            return evenly_spaced(self.shape.layers, count)
        if self.rows is None:
            raise _needs_labels(request)
        (choice,) = depth_choices(self.session, self.rows, [request.shares], self.options)
        self.say(f"student {request.name}: {choice.text}")
        return choice.layers

    def _by_importance(self, request: StudentRequest) -> nn.Layer:
        """The teacher with the heads and neurons of each layer in the order of their importance."""
        if self._ordered is None:
            if self.rows is None:
                raise _needs_labels(request)
            options = self.options
            batches = importance_batches(
                self.rows.train, options.per_device_train_batch_size, options.seed, IMPORTANCE_BATCHES
            )
            self._ordered = copy_model(self.teacher)
            reorder(self._ordered, taylor_importance(self._ordered, batches, self.session.criterion))
        return self._ordered

    def _origin(self, layers: Sequence[int], size: LayerSize, whole: bool) -> str:
        kept = f"layers {' '.join(map(str, layers))} of the teacher's {self.shape.layers}"
        if whole:
            return f"{kept}, with all heads and neurons"
        return (
            f"{kept}, the {size.num_attention_heads} most important of {self.shape.heads} heads and "
            f"{size.intermediate_size} of {self.shape.intermediate} neurons"
        )

    def _new(self, request: StudentRequest, shape: Shape) -> Student:
        config = copy.deepcopy(self.teacher.config)
        config.num_hidden_layers, config.hidden_size = shape.layers, shape.hidden
        config.num_attention_heads, config.intermediate_size = shape.heads, shape.intermediate
        config.pruned_num_attention_heads = config.pruned_intermediate_size = None
        if getattr(config, "embedding_size", None):
            config.embedding_size = shape.hidden
        # Not of the weights that other students draw before it.
        paddle.seed(random_seed(self.options.seed, request.name, "weights"))
        model = build_model(type(self.teacher), config)
        reason = f"a hidden size of {self.shape.hidden} cannot be cut to {shape.hidden}"
        if shape.hidden == self.shape.hidden:
            reason = f"the teacher has not all of that ({self.shape.text})"
        layers = evenly_spaced(self.shape.layers, shape.layers)
        return Student(request.name, model, layers, shape, f"from scratch, since {reason}")

    def _loaded(self, request: StudentRequest) -> Student:
        own, task = self.session.loaded, self.session.task
        seed = random_seed(self.options.seed, request.name, "weights")
        loaded = load_model(request.text, task, *self.options.dropouts, seed=seed)
        if loaded.vocabulary.tokens != own.vocabulary.tokens:
            raise ModelError(
                f"`students` {request.text}: its vocabulary ({len(loaded.vocabulary.tokens):,} tokens) is not the "
                f"teacher's ({len(own.vocabulary.tokens):,}): both have to read the same token ids; give another"
            )
        positions = loaded.model.config.max_position_embeddings
        if positions < task.max_seq_length:
            raise ModelError(
                f"`max_seq_length` {task.max_seq_length} is over the {positions} positions of {request.text}"
            )
        for notice in loaded.notices:
            self.say(notice)
        shape = config_shape(loaded.model.config)
        head = "a new head" if loaded.fresh else "its own head"
        layers = evenly_spaced(self.shape.layers, shape.layers)
        return Student(request.name, loaded.model, layers, shape, f"weights of {request.text}, {head}")


def _needs_labels(request: StudentRequest) -> ConfigError:
    return ConfigError(
        f"`students` {request.text} is cut by importance, which labelled rows show: give `stage` task too, or a shape "
        "with all heads and neurons"
    )


def with_weights(student: Student, loaded: LoadedModel, origin: str) -> Student:
    """A student with the weights that an earlier stage has left.

    Args:
        student: As it was built.
        loaded: The model of the earlier stage, of the same shape.
        origin: What its first weights are now.
    """
    return replace(student, model=loaded.model, origin=origin)
