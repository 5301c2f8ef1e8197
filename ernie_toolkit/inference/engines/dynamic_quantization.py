"""Dynamic INT8 quantization of an FP32 ONNX model with numpy alone.

A deployment machine has onnxruntime and not the `onnx` package that onnxruntime's quantizer imports, so the
model is read and rewritten here in the protobuf wire format. Each matrix product with a constant weight,
`Y = MatMul(X, W)`, becomes

    Xq, x_scale, x_zero_point = DynamicQuantizeLinear(X)       per tensor, uint8, once for all readers of X
    Y = Cast(MatMulInteger(Xq, Wq, x_zero_point, w_zero_point), float) * (x_scale * w_scale)

with W quantized symmetrically to int8 per output column. Names, numbers and nodes are those of onnxruntime's
`quantize_dynamic(op_types_to_quantize=["MatMul"], weight_type=QInt8, per_channel=True)`, so that both fuse
alike. Only `GraphProto.node` and `.initializer` are edited; every other field stays byte for byte.

Sources: the protobuf encoding specification (https://protobuf.dev/programming-guides/encoding/), the ONNX IR (onnx/onnx
docs/IR.md; field numbers in onnx/onnx.proto) and the ONNX operators DynamicQuantizeLinear-11 and MatMulInteger-10.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ernie_toolkit.errors import BundleError
from ernie_toolkit.formats.onnx_wire import (
    ATTRIBUTE_INT,
    ATTRIBUTE_NAME,
    ATTRIBUTE_SUBGRAPHS,
    ATTRIBUTE_TENSOR,
    ATTRIBUTE_TYPE,
    DEFAULT_DOMAINS,
    EXTERNAL,
    FLOAT,
    GRAPH_INITIALIZER,
    GRAPH_INPUT,
    GRAPH_NODE,
    GRAPH_OUTPUT,
    INT8,
    INT_ATTRIBUTE,
    LENGTH_DELIMITED,
    MODEL_GRAPH,
    MODEL_OPSET_IMPORT,
    NODE_ATTRIBUTE,
    NODE_DOMAIN,
    NODE_INPUT,
    NODE_NAME,
    NODE_OP_TYPE,
    NODE_OUTPUT,
    OPSET_DOMAIN,
    OPSET_VERSION,
    TENSOR_DATA_LOCATION,
    TENSOR_DATA_TYPE,
    TENSOR_DIMS,
    TENSOR_EXTERNAL_DATA,
    TENSOR_FLOAT_DATA,
    TENSOR_NAME,
    TENSOR_RAW_DATA,
    VALUE_INFO_NAME,
    VARINT,
    Chunk,
    Field,
    field_integers,
    field_payloads,
    field_text,
    field_texts,
    parse_message,
)

Int8Array = npt.NDArray[np.int8]
Float32Array = npt.NDArray[np.float32]

MIN_OPSET = 11  # DynamicQuantizeLinear's first
# DequantizeLinear is not one of them: INT8 embeddings have it, and leave the products in FP32.
QUANTIZING = {"DynamicQuantizeLinear", "DynamicQuantizeMatMul", "MatMulInteger", "MatMulIntegerToFloat"}
QUANTIZING |= {"QuantizeLinear", "QLinearMatMul", "QAttention"}
INT8_MAX = 127


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _encode_integer(number: int, value: int) -> bytes:
    return _encode_varint(number << 3 | VARINT) + _encode_varint(value)


def _encode_bytes(number: int, *chunks: Chunk) -> list[Chunk]:
    """A length-delimited field around chunks that are joined only once, when the whole model is."""
    length = sum(len(chunk) for chunk in chunks)
    return [_encode_varint(number << 3 | LENGTH_DELIMITED) + _encode_varint(length), *chunks]


def _encode_text(number: int, text: str) -> bytes:
    return b"".join(_encode_bytes(number, text.encode()))


def _encode_node(op: str, inputs: Sequence[str], outputs: Sequence[str], name: str, **integers: int) -> bytes:
    """A node of the default operator set with integer attributes, as a field of GraphProto."""
    parts: list[Chunk] = [_encode_text(NODE_INPUT, text) for text in inputs]
    parts += [_encode_text(NODE_OUTPUT, text) for text in outputs]
    parts += [_encode_text(NODE_NAME, name), _encode_text(NODE_OP_TYPE, op)]
    for key, value in integers.items():
        attribute = [_encode_text(ATTRIBUTE_NAME, key), _encode_integer(ATTRIBUTE_INT, value)]
        parts += _encode_bytes(NODE_ATTRIBUTE, *attribute, _encode_integer(ATTRIBUTE_TYPE, INT_ATTRIBUTE))
    return b"".join(_encode_bytes(GRAPH_NODE, *parts))


def _encode_tensor(name: str, data_type: int, array: npt.NDArray[np.generic]) -> list[Chunk]:
    """An initializer as a field of GraphProto; its data stays a view of `array`."""
    data = array.astype(array.dtype.newbyteorder("<"), copy=False).reshape(-1).view(np.uint8).data
    parts: list[Chunk] = [_encode_integer(TENSOR_DIMS, size) for size in array.shape]
    parts += [_encode_integer(TENSOR_DATA_TYPE, data_type), _encode_text(TENSOR_NAME, name)]
    return _encode_bytes(GRAPH_INITIALIZER, *parts, *_encode_bytes(TENSOR_RAW_DATA, data))


class _Node(NamedTuple):
    name: str
    op_type: str
    domain: str
    inputs: list[str]
    outputs: list[str]
    attributes: list[list[Field]]

    def is_operator(self, op_type: str) -> bool:
        """Whether this is a whole node of the default operator set and this type."""
        return self.op_type == op_type and self.domain in DEFAULT_DOMAINS and len(self.outputs) == 1


def _read_node(payload: memoryview) -> _Node:
    """A NodeProto; BundleError where it is quantized, or holds a graph, which may read any tensor outside."""
    fields = parse_message(payload)
    op_type = field_text(fields, NODE_OP_TYPE)
    if op_type in QUANTIZING:
        raise BundleError(f"the ONNX model is quantized already (it has a {op_type} node): open it as it is")
    attributes = [parse_message(attribute) for attribute in field_payloads(fields, NODE_ATTRIBUTE)]
    if any(field.number in ATTRIBUTE_SUBGRAPHS for attribute in attributes for field in attribute):
        raise BundleError(f"the ONNX model has control flow ({op_type}): only plain graphs can be quantized")
    name, domain = field_text(fields, NODE_NAME), field_text(fields, NODE_DOMAIN)
    return _Node(name, op_type, domain, field_texts(fields, NODE_INPUT), field_texts(fields, NODE_OUTPUT), attributes)


def _value_names(graph: Sequence[Field], number: int) -> list[str]:
    """Names of a graph's inputs or outputs."""
    return [field_text(parse_message(payload), VALUE_INFO_NAME) for payload in field_payloads(graph, number)]


def _read_constants(graph: Sequence[Field], nodes: Iterable[_Node]) -> dict[str, list[Field]]:
    """The constant tensors of a graph by name: initializers and the values of Constant nodes.

    paddle2onnx writes every weight as a Constant node, and its constant folding, where it can run, turns them
    into initializers. An initializer that is a graph input too is only a default value (IR.md) and left out.
    """
    tensors = [parse_message(payload) for payload in field_payloads(graph, GRAPH_INITIALIZER)]
    named = [(field_text(tensor, TENSOR_NAME), tensor) for tensor in tensors]
    for node in nodes:
        for attribute in node.attributes if node.is_operator("Constant") else ():
            values = field_payloads(attribute, ATTRIBUTE_TENSOR)
            named += [(node.outputs[0], parse_message(value)) for value in values]
    for name, tensor in named:
        external = EXTERNAL in field_integers(tensor, TENSOR_DATA_LOCATION)
        if external or field_payloads(tensor, TENSOR_EXTERNAL_DATA):
            raise BundleError(f"the data of '{name}' is in another file: export the model into one file")
    constants = dict(named)
    if len(constants) < len(named):
        raise BundleError("the ONNX model defines a constant twice: export the model again")
    defaults = set(_value_names(graph, GRAPH_INPUT))
    return {name: tensor for name, tensor in constants.items() if name not in defaults}


def _is_matrix(tensor: Sequence[Field]) -> bool:
    """Whether a tensor is a float32 matrix that is not empty."""
    dims = field_integers(tensor, TENSOR_DIMS)
    return field_integers(tensor, TENSOR_DATA_TYPE)[-1:] == [FLOAT] and len(dims) == 2 and 0 not in dims


def _read_matrix(name: str, tensor: Sequence[Field]) -> Float32Array:
    """A float32 matrix as a copy, from raw_data (little-endian) or float_data (packed or not)."""
    dims = field_integers(tensor, TENSOR_DIMS)
    # An unpacked float is a field of its own, whose payload is the same four bytes.
    floats = [field.payload for field in tensor if field.number == TENSOR_FLOAT_DATA]
    candidates: list[Chunk] = [b"".join(floats), *field_payloads(tensor, TENSOR_RAW_DATA)]
    data = candidates[-1]
    if len(data) != 4 * math.prod(dims):
        raise BundleError(f"weight '{name}' of shape {dims} has {len(data)} bytes: export the model again")
    return np.frombuffer(data, dtype="<f4").reshape(dims).astype(np.float32)


def _quantize_columns(name: str, weight: Float32Array) -> tuple[Int8Array, Float32Array]:
    """Symmetric int8 values of shape (rows, columns) and their float32 scales of shape (columns,).

    A column's largest magnitude becomes 127. `weight` is overwritten.
    """
    largest = np.maximum(weight.max(axis=0), -weight.min(axis=0))
    if not np.isfinite(largest).all():
        raise BundleError(f"weight '{name}' holds NaN or infinity: train or export the model again")
    # In double precision, and 1 for columns of zeros: to the bit what onnxruntime's quantizer finds.
    scales = 2 * largest.astype(np.float64) / (2 * INT8_MAX)
    scales = np.where(scales < np.finfo(np.float32).tiny, 1.0, scales).astype(np.float32)
    weight /= scales
    np.rint(weight, out=weight)
    return weight.astype(np.int8), scales


class _GraphQuantizer:
    """Writes the quantized nodes and initializers of one graph; knows which names are taken."""

    def __init__(self, constants: dict[str, list[Field]], taken: set[str]) -> None:
        self._constants = constants
        self._taken = taken
        self._quantized: dict[tuple[str, str], list[str]] = {}
        self.initializers: list[Chunk] = []

    def _new_name(self, wanted: str) -> str:
        while wanted in self._taken:
            wanted += "_"
        self._taken.add(wanted)
        return wanted

    def _names(self, role: str, tensor: str) -> tuple[list[str], bool]:
        """Names for the values, scale and zero point of a tensor in a role, and whether they are new."""
        is_new = (role, tensor) not in self._quantized
        if is_new:
            ends = ("_quantized", "_scale", "_zero_point")
            self._quantized[role, tensor] = [self._new_name(tensor + end) for end in ends]
        return self._quantized[role, tensor], is_new

    def replace_matmul(self, node: _Node) -> list[bytes]:
        """The nodes that take a MatMul's place, as fields of GraphProto; adds the initializers they read."""
        (source, weight), label = node.inputs, node.name or node.outputs[0]
        nodes = []
        (values, scale, zero_point), is_new = self._names("input", source)
        if is_new:
            outputs = [values, scale, zero_point]
            nodes.append(_encode_node("DynamicQuantizeLinear", [source], outputs, source + "_QuantizeLinear"))
        (w_values, w_scale, w_zero_point), is_new = self._names("weight", weight)
        if is_new:
            quantized, scales = _quantize_columns(weight, _read_matrix(weight, self._constants[weight]))
            self.initializers += _encode_tensor(w_scale, FLOAT, scales)
            self.initializers += _encode_tensor(w_zero_point, INT8, np.zeros(len(scales), dtype=np.int8))
            self.initializers += _encode_tensor(w_values, INT8, quantized)
        product = self._new_name(node.outputs[0] + "_output_quantized")
        as_float = self._new_name(product + "_cast_output")
        scale_product = self._new_name(label + "_quant_scales_mul:0")
        inputs = [values, w_values, zero_point, w_zero_point]
        nodes.append(_encode_node("MatMulInteger", inputs, [product], label + "_quant"))
        nodes.append(_encode_node("Cast", [product], [as_float], product + "_cast", to=FLOAT))
        nodes.append(_encode_node("Mul", [scale, w_scale], [scale_product], label + "_quant_scales_mul"))
        inputs = [as_float, scale_product]
        nodes.append(_encode_node("Mul", inputs, node.outputs, label + "_quant_output_scale_mul"))
        return nodes


def _quantize_graph(graph: Sequence[Field]) -> list[Chunk]:
    """A GraphProto's fields with its constant products quantized, as chunks to join."""
    positions = [index for index, field in enumerate(graph) if field.number == GRAPH_NODE]
    nodes = dict(zip(positions, map(_read_node, field_payloads(graph, GRAPH_NODE))))
    constants = _read_constants(graph, nodes.values())
    matrices = {name for name, tensor in constants.items() if _is_matrix(tensor)}
    matmuls = {i: node for i, node in nodes.items() if node.is_operator("MatMul") and len(node.inputs) == 2}
    products = {i: node for i, node in matmuls.items() if node.inputs[1] in matrices}
    if not products:
        raise BundleError("nothing to quantize: the ONNX model has no MatMul with a constant float32 matrix")
    reads = Counter(_value_names(graph, GRAPH_OUTPUT))
    reads.update(name for node in nodes.values() for name in node.inputs)
    quantized_reads = Counter(node.inputs[1] for node in products.values())
    # A weight that something else reads too (tied embeddings, say) stays beside its INT8 copy.
    replaced = {name for name, count in quantized_reads.items() if count == reads[name]}
    outputs = {name for node in nodes.values() for name in node.outputs}
    quantizer = _GraphQuantizer(constants, {*reads, *constants, *outputs, *_value_names(graph, GRAPH_INPUT)})
    chunks: list[Chunk] = []
    for index, field in enumerate(graph):
        defined = None
        if index in nodes and nodes[index].is_operator("Constant"):
            defined = nodes[index].outputs[0]
        elif field.number == GRAPH_INITIALIZER:
            defined = field_text(parse_message(field.payload), TENSOR_NAME)
        if index in products:
            chunks += quantizer.replace_matmul(products[index])
        elif defined not in replaced:
            chunks.append(field.raw)
    return chunks + quantizer.initializers


def quantize_dynamic_bytes(model: bytes) -> bytes:
    """Quantize an FP32 ONNX model dynamically to INT8.

    `model`: a serialized ModelProto of opset 11 or later with its weights inside, as paddle2onnx writes it.
    Returns a serialized ModelProto with the same inputs and outputs in which every MatMul by a constant
    float32 matrix (rows, columns) has uint8 activations (one scale and zero point a tensor, found in the run)
    and int8 weights (one scale a column, zero points 0). All other weights (embeddings, biases) stay FP32.

    Raises BundleError where the bytes are no ONNX model, its weights are in another file or not finite, it is
    quantized already, has control flow, or has nothing to quantize.
    """
    fields = parse_message(model)
    graphs = field_payloads(fields, MODEL_GRAPH)
    if len(graphs) != 1:
        raise BundleError(f"not an ONNX model: it has {len(graphs)} graphs")
    opsets = [parse_message(payload) for payload in field_payloads(fields, MODEL_OPSET_IMPORT)]
    default = [opset for opset in opsets if field_text(opset, OPSET_DOMAIN) in DEFAULT_DOMAINS]
    versions = [version for opset in default for version in field_integers(opset, OPSET_VERSION)]
    if max(versions, default=0) < MIN_OPSET:
        raise BundleError(f"the ONNX model is not of opset {MIN_OPSET} or later: export the model again")
    chunks: list[Chunk] = []
    for field in fields:
        if field.number == MODEL_GRAPH:
            chunks += _encode_bytes(MODEL_GRAPH, *_quantize_graph(parse_message(field.payload)))
        else:
            chunks.append(field.raw)
    return b"".join(chunks)


def quantize_dynamic_file(src: Path) -> bytes:
    """`quantize_dynamic_bytes` of a file. Raises BundleError naming the file, also where it is unreadable."""
    try:
        return quantize_dynamic_bytes(Path(src).read_bytes())
    except OSError as error:
        raise BundleError(f"{src}: cannot be read ({error.strerror}): export the model again") from error
    except BundleError as error:
        raise BundleError(f"{src}: {error}") from error
