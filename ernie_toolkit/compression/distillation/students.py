"""What students are asked for: a shape by name or numbers, a slice of the teacher, a model. Without Paddle."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ernie_toolkit.compression.pruning.prune import size_name
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.models.config import CONFIG_FILE, model_family, read_model_config
from ernie_toolkit.models.loading import check_model_directory, is_local
from ernie_toolkit.models.sizes import LayerSize, Shares, layer_count, layer_size, parse_depth, parse_width

SHAPE, SLICE, DIRECTORY, PUBLISHED = "shape", "slice", "directory", "published"
NUMBERS, SHARES = ("layers", "hidden", "heads", "intermediate"), ("width", "depth")
LIMITS = {"layers": 1000, "hidden": 10**5, "heads": 1000, "intermediate": 10**6}
HEADS = 12
WHOLE = Shares()
# Of the run's own directories beside those of its students.
RESERVED = ("teacher", "unfinished")
WORDS = (
    "give base, medium, mini, micro, nano, layers=4,hidden=312,heads=12,intermediate=1248, width=3/4,depth=2/3, a "
    "model directory or a published name"
)


@dataclass(frozen=True)
class Shape:
    """The shape of an encoder.

    Attributes:
        layers: Encoder layers.
        hidden: Width of the hidden states.
        heads: Attention heads of a layer.
        intermediate: Feed-forward neurons of a layer.
        head_size: Width of a head; 0: hidden over heads.
    """

    layers: int
    hidden: int
    heads: int
    intermediate: int
    head_size: int = 0

    @property
    def attention(self) -> int:
        """Width of a layer's queries, keys and values."""
        return self.heads * (self.head_size or self.hidden // self.heads)

    @property
    def weights(self) -> int:
        """Weights of all layers, without biases and embeddings."""
        return self.layers * self.hidden * (4 * self.attention + 2 * self.intermediate)

    @property
    def text(self) -> str:
        """As people read it."""
        layers = f"{self.layers} layer{'s' if self.layers > 1 else ''}"
        return f"{layers} x {self.hidden}, {self.heads} heads, {self.intermediate} neurons"


# The guide's ERNIE 3.0 models.
NAMED_SHAPES: Mapping[str, Shape] = {
    "base": Shape(12, 768, 12, 3072),
    "medium": Shape(6, 768, 12, 3072),
    "mini": Shape(6, 384, 12, 1536),
    "micro": Shape(4, 384, 12, 1536),
    "nano": Shape(4, 312, 12, 1248),
}


@dataclass(frozen=True)
class StudentRequest:
    """A student that was asked for.

    Attributes:
        text: As it was asked for.
        name: Of its directory.
        kind: `SHAPE`, `SLICE`, `DIRECTORY` or `PUBLISHED`.
        shape: Of a `SHAPE`; None for the others.
        shares: What a `SLICE` leaves of the teacher; the whole for the others.
    """

    text: str
    name: str
    kind: str
    shape: Shape | None = None
    shares: Shares = WHOLE


def parse_student(text: str) -> StudentRequest:
    """What a text asks for.

    Args:
        text: See `DistillationOptions.students`.

    Raises:
        ConfigError: On a text that asks for nothing that there is.
    """
    if text in NAMED_SHAPES:
        return StudentRequest(text, text, SHAPE, NAMED_SHAPES[text])
    if re.match(rf"\s*({'|'.join((*NUMBERS, *SHARES))})\s*=", text):
        return _by_numbers(text)
    if is_local(text):
        return StudentRequest(text, Path(text).resolve().name, DIRECTORY)
    return StudentRequest(text, text, PUBLISHED)


def _by_numbers(text: str) -> StudentRequest:
    values: dict[str, str] = {}
    for part in text.split(","):
        key, _, value = (piece.strip() for piece in part.partition("="))
        if key not in (*NUMBERS, *SHARES) or not value or key in values:
            raise ConfigError(f"`students` '{text:.80}': '{part:.40}' is not understood: {WORDS}")
        values[key] = value
    if set(values) <= set(SHARES):
        shares = Shares(parse_width(values.get("width", "1")), parse_depth(values.get("depth", "1")))
        if shares == WHOLE:
            raise ConfigError(f"`students` '{text:.80}' is the teacher itself: give a share below 1")
        return StudentRequest(text, size_name(shares), SLICE, shares=shares)
    if set(values) & set(SHARES):
        raise ConfigError(f"`students` '{text:.80}': give shares (width, depth) or numbers (layers, ...), not both")
    if not {"layers", "hidden"} <= set(values):
        raise ConfigError(f"`students` '{text:.80}': give layers and hidden at least")
    numbers = {key: _number(text, key, value) for key, value in values.items()}
    hidden = numbers["hidden"]
    shape = Shape(numbers["layers"], hidden, numbers.get("heads", HEADS), numbers.get("intermediate", 4 * hidden))
    name = f"layers{shape.layers}_hidden{shape.hidden}"
    name += f"_heads{shape.heads}" if shape.heads != HEADS else ""
    name += f"_intermediate{shape.intermediate}" if shape.intermediate != 4 * hidden else ""
    return StudentRequest(text, name, SHAPE, shape)


def _number(text: str, key: str, value: str) -> int:
    if not re.fullmatch("[0-9]{1,7}", value) or not 1 <= int(value) <= LIMITS[key]:
        raise ConfigError(f"`students` '{text:.80}': {key} must be a whole number from 1 to {LIMITS[key]}")
    return int(value)


def config_shape(config: Any) -> Shape:
    """The shape that a configuration has: of a pruned model, what is left.

    Args:
        config: The values of a `config.json`, or an object that has them as attributes.
    """

    def value(name: str) -> int:
        return (config.get(name) if isinstance(config, Mapping) else getattr(config, name, None)) or 0

    heads, hidden = value("num_attention_heads"), value("hidden_size")
    return Shape(
        value("num_hidden_layers"),
        hidden,
        value("pruned_num_attention_heads") or heads,
        value("pruned_intermediate_size") or value("intermediate_size"),
        hidden // heads,
    )


def directory_shape(directory: Path) -> Shape:
    """The shape of the model in a directory.

    Raises:
        ModelError: Where there is no whole model.
    """
    check_model_directory(directory)
    config = read_model_config(directory / CONFIG_FILE)
    family = model_family(directory / CONFIG_FILE, config)
    return config_shape({**family.default_sizes, **config})


def student_shape(request: StudentRequest, teacher: Shape) -> Shape | None:
    """The shape that a student will have; None where only its download shows it.

    Args:
        request: The student.
        teacher: The teacher's.

    Raises:
        ConfigError: On a slice that leaves no head, neuron or layer, and on heads that do not divide a new width.
        ModelError: On a directory without a whole model.
    """
    if request.kind == DIRECTORY:
        return directory_shape(Path(request.text))
    if request.kind == SLICE:
        size = layer_size(teacher.heads, teacher.intermediate, request.shares.width)
        layers = layer_count(teacher.layers, request.shares.depth)
        return replace(teacher, layers=layers, heads=size.num_attention_heads, intermediate=size.intermediate_size)
    if request.shape is None:
        return None
    if cut_size(request.shape, teacher) is None and request.shape.hidden % request.shape.heads:
        raise ConfigError(
            f"`students` {request.text}: hidden {request.shape.hidden} is not a multiple of {request.shape.heads} heads"
        )
    head_size = teacher.head_size if cut_size(request.shape, teacher) else 0
    return replace(request.shape, head_size=head_size)


def cut_size(shape: Shape, teacher: Shape) -> LayerSize | None:
    """What each layer of a student of that shape keeps where it is cut out of the teacher; None where it cannot be.

    A narrower hidden size cannot: every weight reads and writes all of it, so that no part of it works by itself.

    Args:
        shape: The student's.
        teacher: The teacher's.
    """
    fits = shape.hidden == teacher.hidden and shape.layers <= teacher.layers
    if not fits or shape.heads > teacher.heads or shape.intermediate > teacher.intermediate:
        return None
    return LayerSize(shape.heads, shape.intermediate)


def parse_students(students: Sequence[str], assistant: str = "") -> tuple[list[StudentRequest], StudentRequest | None]:
    """All students of a run, and its assistant.

    Args:
        students: The students' texts.
        assistant: The assistant's; empty: none.

    Raises:
        ConfigError: As `parse_student`, and where two would have the same directory.
    """
    found = [parse_student(text) for text in students]
    helper = parse_student(assistant) if assistant else None
    names = [request.name for request in (*found, *([helper] if helper else []))]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"`students`: two of them would go to the directory {name}: drop one")
        if name in RESERVED or not name:
            raise ConfigError(f"`students`: '{name}' is a directory of the run's own: rename the student's")
    return found, helper


def check_shapes(
    students: Sequence[StudentRequest], assistant: StudentRequest | None, shapes: Mapping[str, Shape | None]
) -> None:
    """Check that an assistant is larger than each of its students.

    Args:
        students: The students.
        assistant: The assistant; None: there is none.
        shapes: By name; None where a shape is not known yet, which is not checked.

    Raises:
        ConfigError: Where it is not.
    """
    own = None if assistant is None else shapes[assistant.name]
    if assistant is None or own is None:
        return
    for request in students:
        shape = shapes[request.name]
        if shape is not None and shape.weights >= own.weights:
            raise ConfigError(
                f"`assistant` {assistant.name} ({own.text}) is not larger than its student {request.name} "
                f"({shape.text}): give a larger one, or leave it out"
            )


def relation_heads(student: int, teacher: int, wanted: int, most: int) -> int:
    """In how many heads two layers' relations are computed.

    Args:
        student: The width of the student's queries.
        teacher: That of the teacher's.
        wanted: The number that was asked for; 0: the largest up to `most` that divides both widths.
        most: The teacher's own heads.

    Raises:
        ConfigError: Where the number asked for does not divide both widths.
    """
    common = math.gcd(student, teacher)
    if not wanted:
        return max(count for count in range(1, most + 1) if common % count == 0)
    if common % wanted:
        fitting = ", ".join(str(count) for count in range(1, common + 1) if common % count == 0)
        raise ConfigError(
            f"`relation_heads` {wanted} does not divide the widths {student} and {teacher}: give one of {fitting}"
        )
    return wanted
