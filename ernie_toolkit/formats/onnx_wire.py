"""ONNX models as protobuf messages: read without the onnx package, which deployments do without.

Sources: the protobuf encoding specification (https://protobuf.dev/programming-guides/encoding/) and the ONNX IR
(onnx/onnx docs/IR.md; field numbers in onnx/onnx.proto).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Union

from ernie_toolkit.errors import BundleError

Chunk = Union[bytes, memoryview]

# Wire types. Groups (3 and 4) are deprecated and no ONNX message has them.
VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
MAX_FIELD_NUMBER = 2**29 - 1

# Field numbers of onnx.proto.
MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT = 1, 5, 11, 12
VALUE_INFO_NAME, VALUE_INFO_TYPE = 1, 2
TYPE_TENSOR, TENSOR_TYPE_ELEMENT, TENSOR_TYPE_SHAPE, SHAPE_DIM, DIM_VALUE = 1, 1, 2, 1, 1
NODE_INPUT, NODE_OUTPUT, NODE_OP_TYPE, NODE_ATTRIBUTE = 1, 2, 4, 5
ATTRIBUTE_TENSOR = 5
TENSOR_DIMS, TENSOR_NAME = 1, 8
INT64 = 7  # TensorProto.DataType


class Field(NamedTuple):
    """One field of a protobuf message.

    Attributes:
        number: The field's number.
        wire_type: One of `VARINT`, `FIXED64`, `LENGTH_DELIMITED`, `FIXED32`.
        integer: The value of a varint as an unsigned 64-bit number, else 0.
        payload: The bytes of a field of another wire type, else empty.
    """

    number: int
    wire_type: int
    integer: int
    payload: memoryview


def read_varint(data: memoryview, start: int) -> tuple[int, int]:
    """Return a base-128 varint's value modulo 2**64, and the offset after it.

    Args:
        data: The message.
        start: The varint's offset in bytes.

    Raises:
        BundleError: Where it does not end.
    """
    if start < len(data) and data[start] < 0x80:  # most have one byte
        return data[start], start + 1
    value = 0
    for count, byte in enumerate(data[start : start + 10]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value & (2**64 - 1), start + count + 1
    raise BundleError(f"not an ONNX model: a varint at byte {start} of a message does not end")


def parse_message(data: Chunk) -> list[Field]:
    """Return the fields of a protobuf message, in order, as views of `data`.

    Args:
        data: The message, without its length.

    Raises:
        BundleError: Where the bytes are not a message in the wire format, or hold a (deprecated) group.
    """
    view = memoryview(data)
    fields = []
    position = 0
    while position < len(view):
        start = position
        tag, position = read_varint(view, position)
        number, wire_type = tag >> 3, tag & 7
        if not 1 <= number <= MAX_FIELD_NUMBER:
            raise BundleError(f"not an ONNX model: field number {number} at byte {start} of a message")
        value = size = 0
        if wire_type == VARINT:
            value, position = read_varint(view, position)
        elif wire_type == LENGTH_DELIMITED:
            size, position = read_varint(view, position)
        elif wire_type in (FIXED64, FIXED32):
            size = 8 if wire_type == FIXED64 else 4
        else:
            raise BundleError(f"not an ONNX model: wire type {wire_type} at byte {start} of a message")
        end = position + size
        if end > len(view):
            raise BundleError(f"not an ONNX model, or cut off: field {number} at byte {start} is not whole")
        fields.append(Field(number, wire_type, value, view[position:end]))
        position = end
    return fields


def field_payloads(fields: Iterable[Field], number: int) -> list[memoryview]:
    """Return the payloads of a repeated or optional bytes, string or message field.

    Args:
        fields: Of `parse_message`.
        number: The field's number.

    Raises:
        BundleError: Where it has another wire type.
    """
    found = [field for field in fields if field.number == number]
    if any(field.wire_type != LENGTH_DELIMITED for field in found):
        raise BundleError(f"not an ONNX model: field {number} of a message has the wrong wire type")
    return [field.payload for field in found]


def field_texts(fields: Iterable[Field], number: int) -> list[str]:
    """Return the values of a repeated string.

    Args:
        fields: Of `parse_message`.
        number: The field's number.

    Raises:
        BundleError: Where one is not UTF-8.
    """
    try:
        return [str(payload, "utf-8") for payload in field_payloads(fields, number)]
    except UnicodeDecodeError as error:
        raise BundleError("not an ONNX model: a name in it is not UTF-8") from error


def field_text(fields: Iterable[Field], number: int) -> str:
    """Return the value of an optional string; the last one counts, as the format says.

    Args:
        fields: Of `parse_message`.
        number: The field's number.

    Returns:
        The value, empty where the field is not there.
    """
    return ["", *field_texts(fields, number)][-1]


def field_integers(fields: Iterable[Field], number: int) -> list[int]:
    """Return the values of a repeated or optional integer field, packed or not.

    Args:
        fields: Of `parse_message`.
        number: The field's number.
    """
    values = []
    for field in fields:
        if field.number == number and field.wire_type == VARINT:
            values.append(field.integer)
        elif field.number == number:
            position = 0
            while position < len(field.payload):
                value, position = read_varint(field.payload, position)
                values.append(value)
    return values
