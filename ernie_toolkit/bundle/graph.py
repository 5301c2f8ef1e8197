"""What an ONNX graph says of itself, and whether a bundle's description fits it; read without any runtime."""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Tuple

from ernie_toolkit.bundle.info import INPUTS, BundleInfo
from ernie_toolkit.errors import BundleError
from ernie_toolkit.formats.onnx_wire import (
    ATTRIBUTE_TENSOR,
    DIM_VALUE,
    GRAPH_INITIALIZER,
    GRAPH_INPUT,
    GRAPH_NODE,
    GRAPH_OUTPUT,
    INT64,
    MODEL_GRAPH,
    NODE_ATTRIBUTE,
    NODE_INPUT,
    NODE_OP_TYPE,
    NODE_OUTPUT,
    SHAPE_DIM,
    TENSOR_DIMS,
    TENSOR_NAME,
    TENSOR_TYPE_ELEMENT,
    TENSOR_TYPE_SHAPE,
    TYPE_TENSOR,
    VALUE_INFO_NAME,
    VALUE_INFO_TYPE,
    Field,
    field_integers,
    field_payloads,
    field_text,
    field_texts,
    parse_message,
)
from ernie_toolkit.tasks import HEADS, TASKS
from ernie_toolkit.text.formats import CHOICE_FORMATS, PAIR_FORMATS

# Operators that change neither the order nor the number of a table's rows, or of its indices.
_PASSING = ("Cast", "Identity", "DequantizeLinear")
# What counts positions.
_COUNTING = ("CumSum", "Range")

Dims = Tuple[int, ...]


@dataclass(frozen=True)
class Value:
    """An input or output of a graph.

    Attributes:
        name: Its name in the graph.
        data_type: Its element type, a number of ONNX's `TensorProto.DataType`; 0 where the graph does not say.
        dims: Its shape, with 0 where a size is open; None where the graph does not say.
    """

    name: str
    data_type: int
    dims: Dims | None


@dataclass(frozen=True)
class Graph:
    """A graph's inputs, outputs and embedding tables, as far as they can be found.

    Attributes:
        inputs: What the model reads, without its weights.
        outputs: What the model gives, in order.
        rows: The number of rows of each embedding table, by the input that is looked up in it; "positions" for the
            table of positions, which no input names.
    """

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    rows: Mapping[str, int]


def read_graph(path: Path) -> Graph:
    """Read a graph's description from an ONNX file, without its weights.

    Raises:
        BundleError: Where it cannot be read; it names the file.
    """
    try:
        with path.open("rb") as stream:
            # Mapped: the weights stay on the disk. The views of it end with this function's values.
            content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        return _graph(memoryview(content))
    except (OSError, ValueError) as error:  # ValueError: an empty file
        raise BundleError(f"{path}: cannot be read ({error}): export the model again") from None
    except BundleError as error:
        raise BundleError(f"{path}: {error}: export the model again") from None


def _graph(model: memoryview) -> Graph:
    graphs = field_payloads(parse_message(model), MODEL_GRAPH)
    if len(graphs) != 1:
        raise BundleError(f"not an ONNX model: it has {len(graphs)} graphs")
    graph = parse_message(graphs[0])
    nodes = [_Node(parse_message(payload)) for payload in field_payloads(graph, GRAPH_NODE)]
    tensors = [parse_message(payload) for payload in field_payloads(graph, GRAPH_INITIALIZER)]
    sizes = {field_text(tensor, TENSOR_NAME): tuple(field_integers(tensor, TENSOR_DIMS)) for tensor in tensors}
    for node in (node for node in nodes if node.operator == "Constant" and node.outputs):
        for attribute in field_payloads(node.fields, NODE_ATTRIBUTE):
            for tensor in field_payloads(parse_message(attribute), ATTRIBUTE_TENSOR):
                sizes[node.outputs[0]] = tuple(field_integers(parse_message(tensor), TENSOR_DIMS))
    inputs = [_value(payload) for payload in field_payloads(graph, GRAPH_INPUT)]
    outputs = [_value(payload) for payload in field_payloads(graph, GRAPH_OUTPUT)]
    # In old files each weight is an input too, with its values as a default.
    read = tuple(value for value in inputs if value.name not in sizes)
    return Graph(read, tuple(outputs), _table_rows(nodes, sizes, [value.name for value in read]))


class _Node:
    """A NodeProto as far as tables are looked for."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.fields = fields
        self.operator = field_text(fields, NODE_OP_TYPE)
        self.inputs, self.outputs = field_texts(fields, NODE_INPUT), field_texts(fields, NODE_OUTPUT)


def _value(payload: memoryview) -> Value:
    """A ValueInfoProto."""
    fields = parse_message(payload)
    name, data_type = field_text(fields, VALUE_INFO_NAME), 0
    dims: Dims | None = None
    for kind in field_payloads(fields, VALUE_INFO_TYPE):
        for tensor in field_payloads(parse_message(kind), TYPE_TENSOR):
            described = parse_message(tensor)
            data_type = [0, *field_integers(described, TENSOR_TYPE_ELEMENT)][-1]
            for shape in field_payloads(described, TENSOR_TYPE_SHAPE):
                sizes = [parse_message(dim) for dim in field_payloads(parse_message(shape), SHAPE_DIM)]
                dims = tuple(_size([0, *field_integers(size, DIM_VALUE)][-1]) for size in sizes)
    return Value(name, data_type, dims)


def _size(value: int) -> int:
    """A dimension's size; 0 for one that is open, which some exporters write as -1."""
    return value if value < 1 << 63 else 0


def _table_rows(nodes: Sequence[_Node], sizes: Mapping[str, Dims], inputs: Sequence[str]) -> dict[str, int]:
    producers = {name: node for node in nodes for name in node.outputs}

    def behind(name: str) -> str:
        """The value that a name stands for, before casts and the like."""
        seen = set()
        while name in producers and producers[name].operator in _PASSING and producers[name].inputs:
            if name in seen:
                break
            seen.add(name)
            name = producers[name].inputs[0]
        return name

    found: dict[str, int] = {}
    for node in (node for node in nodes if node.operator == "Gather" and len(node.inputs) == 2):
        table, index = (behind(name) for name in node.inputs)
        dims = sizes.get(table, ())
        if len(dims) != 2:
            continue
        if index in inputs:
            key = index
        elif _counts(index, producers):
            key = "positions"
        else:
            continue
        found[key] = min(dims[0], found.get(key, dims[0]))
    return found


def _counts(name: str, producers: Mapping[str, _Node]) -> bool:
    """Whether a value is made by counting, as positions are."""
    seen, waiting = set(), [name]
    while waiting:
        node = producers.get(waiting.pop())
        if node is None or id(node) in seen:
            continue
        if node.operator in _COUNTING:
            return True
        seen.add(id(node))
        waiting += node.inputs
    return False


def check_graph(path: Path, info: BundleInfo, largest_id: int) -> None:
    """Compare an ONNX file with what its bundle says of it: names, sizes, the rows of its embedding tables.

    What the graph itself leaves open is checked at its first answer (see `check_logits`).

    Args:
        path: The ONNX file.
        info: What the bundle says.
        largest_id: The largest id of the bundle's tokenizer.

    Raises:
        BundleError: Where they do not fit.
    """
    graph = read_graph(path)
    problems = [*_input_problems(graph), *_output_problems(graph, info), *_table_problems(graph, info, largest_id)]
    if problems:
        raise BundleError(f"{path}: {problems[0]}: export the model again")


def _output_shape(info: BundleInfo) -> tuple[int, int, int | None]:
    """Outputs of a graph for the bundle's task, their dimensions, and the size of the last one, None where it is open.

    The dimensions are rows, then tokens where the head has logits for each of them, then classes where it has any.
    """
    task = TASKS[info.task]
    head, classes = HEADS[task.head], task.num_classes(info.labels)
    return head.outputs, 1 + head.tokens + (classes is not None), classes


def check_logits(arrays: Sequence[Any], info: BundleInfo) -> None:
    """Check that a model's outputs have the shapes that its bundle says.

    Args:
        arrays: The outputs for one batch, in order.
        info: What the bundle says.

    Raises:
        BundleError: On another number of outputs or of classes.
    """
    count, rank, classes = _output_shape(info)
    found = [tuple(array.shape) for array in arrays]
    fits = [len(shape) == rank and classes in (None, shape[-1]) for shape in found]
    if len(found) != count or not all(fits):
        shown = ", ".join(str(list(shape)) for shape in found)
        wanted = f"{len(info.labels)} labels" if info.labels else f"{count} outputs"
        raise BundleError(f"the model answers with shape(s) {shown}, its bundle has {wanted}: export the model again")


def _input_problems(graph: Graph) -> list[str]:
    names = [value.name for value in graph.inputs]
    if sorted(names) != sorted(INPUTS):
        return [f"the model reads {', '.join(names) or 'nothing':.200}, not {', '.join(INPUTS)}"]
    return [
        f"its input '{value.name}' is not int64 of shape (any, any)"
        for value in graph.inputs
        if value.data_type != INT64 or (value.dims is not None and value.dims != (0, 0))
    ]


def _output_problems(graph: Graph, info: BundleInfo) -> list[str]:
    names = [value.name for value in graph.outputs]
    if names != list(info.outputs):
        said = f"the model answers with {', '.join(names) or 'nothing'}"
        return [f"{said:.200}, bundle.json says {', '.join(info.outputs):.200}"]
    count, rank, wanted = _output_shape(info)
    if len(names) != count:
        return [f"the model has {len(names)} output(s), and a model for the task '{info.task}' {count}"]
    shapes = [value.dims for value in graph.outputs if value.dims is not None]
    if any(len(dims) != rank for dims in shapes):
        return [f"its output has {len(shapes[0])} dimensions, and a model for the task '{info.task}' {rank}"]
    classes = [dims[-1] for dims in shapes if wanted is not None and dims[-1]]
    return [f"the model has {found} classes, bundle.json {wanted} labels" for found in classes if found != wanted]


def _table_problems(graph: Graph, info: BundleInfo, largest_id: int) -> list[str]:
    """Where an index that the bundle allows lies outside of its table."""
    types = 2 if info.text_format in (*PAIR_FORMATS, *CHOICE_FORMATS) else 1
    needed = {
        "positions": (info.max_seq_length, "positions", f"max_seq_length is {info.max_seq_length}"),
        "input_ids": (largest_id + 1, "rows of tokens", f"the tokenizer's largest id is {largest_id}"),
        "token_type_ids": (types, "token type(s)", f"it reads {types}"),
    }
    return [
        f"the model has {graph.rows[key]} {what}, and {why}"
        for key, (least, what, why) in needed.items()
        if graph.rows.get(key, least) < least
    ]
