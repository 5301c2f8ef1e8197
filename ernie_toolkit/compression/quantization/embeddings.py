"""INT8 embedding tables in an ONNX graph: a quarter of the size, one scale for each row."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ernie_toolkit.compression.quantization.numeric import quantize_int8
from ernie_toolkit.errors import ModelError
from ernie_toolkit.files import replaced_file

if TYPE_CHECKING:
    import onnx

# Smaller tables (token types) save nothing.
MIN_ROWS = 64


def quantize_embeddings(source: Path, target: Path, min_rows: int = MIN_ROWS, positions: int | None = None) -> None:
    """Write an ONNX model with its embedding tables in INT8, whole or not at all.

    A table is a constant float32 matrix that `Gather` nodes, and nothing else, read rows of. Each of these nodes
    becomes Gather, Cast and Mul with the rows' scales. Everything else stays as it is, so that matrix products can be
    quantized before or after.

    Args:
        source: The ONNX model.
        target: Where the other one is written.
        min_rows: Smaller tables stay FP32.
        positions: The longest sequence that the model will read; rows of the position table beyond it are dropped;
            None: all stay.

    Raises:
        ModelError: Where the graph has no such table.
    """
    import onnx

    model = onnx.load(str(source))
    if positions is not None:
        _cut_positions(model.graph, positions)
    tables = [item for item in model.graph.initializer if _is_table(model.graph, item, min_rows)]
    if not tables:
        raise ModelError(
            f"{source}: no FP32 embedding table of {min_rows:,} rows or more in it: was it quantized before?"
        )
    for table in tables:
        _quantize_table(model.graph, table)
    with replaced_file(target) as temporary:
        onnx.save(model, str(temporary))


def _cut_positions(graph: "onnx.GraphProto", positions: int) -> None:
    """Shorten the one table whose rows are not chosen by an input of the graph, but by their place."""
    from onnx import numpy_helper

    inputs = {item.name for item in graph.input}
    for initializer in graph.initializer:
        readers = [node for node in graph.node if initializer.name in node.input]
        if _is_table(graph, initializer, positions + 1) and not any(node.input[1] in inputs for node in readers):
            table = numpy_helper.to_array(initializer)[:positions]
            initializer.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(table), initializer.name))


def _is_table(graph: "onnx.GraphProto", initializer: "onnx.TensorProto", min_rows: int) -> bool:
    import onnx

    if initializer.data_type != onnx.TensorProto.FLOAT or len(initializer.dims) != 2:
        return False
    if initializer.dims[0] < min_rows or initializer.dims[1] == 1:  # one column: the scales of a quantized table
        return False
    readers = [node for node in graph.node if initializer.name in node.input]
    if not readers or initializer.name in {output.name for output in graph.output}:
        return False
    axes = [attribute.i for node in readers for attribute in node.attribute if attribute.name == "axis"]
    return all(node.op_type == "Gather" and node.input[0] == initializer.name for node in readers) and not any(axes)


def _quantize_table(graph: "onnx.GraphProto", initializer: "onnx.TensorProto") -> None:
    from onnx import TensorProto, helper, numpy_helper

    name = initializer.name
    values, scales = quantize_int8(numpy_helper.to_array(initializer), axis=1)
    graph.initializer.remove(initializer)
    graph.initializer.append(numpy_helper.from_array(values, f"{name}_int8"))
    graph.initializer.append(numpy_helper.from_array(scales, f"{name}_scales"))
    for node in [node for node in graph.node if name in node.input]:
        place, ids, output = list(graph.node).index(node), node.input[1], node.output[0]
        graph.node.remove(node)
        replacement = [
            helper.make_node("Gather", [f"{name}_int8", ids], [f"{output}_int8"], name=f"{output}_rows", axis=0),
            helper.make_node(
                "Cast", [f"{output}_int8"], [f"{output}_cast"], name=f"{output}_to_float", to=TensorProto.FLOAT
            ),
            helper.make_node("Gather", [f"{name}_scales", ids], [f"{output}_scale"], name=f"{output}_scales", axis=0),
            helper.make_node("Mul", [f"{output}_cast", f"{output}_scale"], [output], name=f"{output}_scaled"),
        ]
        for offset, made in enumerate(replacement):
            graph.node.insert(place + offset, made)
