"""Protobuf's wire format, which graphs of bundles are read by."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ernie_toolkit.errors import BundleError
from ernie_toolkit.formats.onnx_wire import parse_message


def encoded(value: int, padding: int = 0) -> bytes:
    """A varint, made longer than it has to be by up to `padding` bytes."""
    groups = []
    while value or not groups:
        groups.append(value & 0x7F)
        value >>= 7
    groups += [0] * min(padding, 10 - len(groups))
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


@given(st.binary(max_size=200))
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_read_or_refused_in_one_line(data: bytes) -> None:
    try:
        fields = parse_message(data)
    except BundleError as error:
        assert "\n" not in str(error)
        return
    assert sum(len(field.payload) for field in fields) <= len(data)


varints = st.integers(0, 2**64 - 1)

wire_fields = st.one_of(
    st.tuples(st.just(0), varints, st.integers(0, 3)),
    st.tuples(st.just(1), st.binary(min_size=8, max_size=8), st.integers(0, 3)),
    st.tuples(st.just(2), st.binary(max_size=300), st.integers(0, 3)),
    st.tuples(st.just(5), st.binary(min_size=4, max_size=4), st.integers(0, 3)),
)


@given(st.lists(st.tuples(st.integers(1, 2**29 - 1), wire_fields), max_size=20))
@settings(deadline=None)
def test_every_wire_type_is_read(message: list[tuple[int, tuple[int, int | bytes, int]]]) -> None:
    data = b""
    for number, (wire_type, value, padding) in message:
        data += encoded(number << 3 | wire_type, padding)
        if isinstance(value, int):
            data += encoded(value, padding)
        else:
            data += (encoded(len(value), padding) if wire_type == 2 else b"") + value
    for (number, (wire_type, value, _)), field in zip(message, parse_message(data), strict=True):
        assert (field.number, field.wire_type) == (number, wire_type)
        assert (field.integer if isinstance(value, int) else bytes(field.payload)) == value


@pytest.mark.parametrize(
    "data",
    [
        b"\x08",  # a tag and no value
        b"\x08" + b"\x80" * 10 + b"\x01",  # a varint of eleven bytes
        b"\x00\x01",  # field number 0
        b"\x0b\x0c",  # a group
        b"\x0e",  # wire type 6
        b"\x3a\x05abc",  # two bytes missing
        b"\x0d\x00\x00",  # half a 32-bit field
    ],
)
def test_malformed_messages_are_refused(data: bytes) -> None:
    with pytest.raises(BundleError):
        parse_message(data)
