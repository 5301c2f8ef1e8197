"""NumPy arrays as pickles describe them: numbers of plain types only, and no more bytes than are there."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

MALFORMED = (ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError, RecursionError, struct.error)
"""What reading a file that is cut off or altered raises; `MalformedError` is one of them."""
# Kind and size in bytes, as in "f4": truth values, integers, floating-point and complex numbers. No objects, no fields.
_TYPES = frozenset(("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"))
_MAX_DIMENSIONS = 32


def from_bfloat16(values: np.ndarray) -> np.ndarray:
    """Return bfloat16 numbers, which NumPy does not have, as float32 of the same shape.

    Args:
        values: Their bits, uint16 of any shape: the upper half of a float32's.
    """
    bits = np.zeros(values.shape, np.uint32)
    np.left_shift(values, 16, out=bits, dtype=np.uint32)
    return bits.view(np.float32)


class MalformedError(ValueError):
    """A file with impossible contents."""


class PendingDtype:
    """A type of numbers whose byte order a file has still to say."""

    def __init__(self, code: Any) -> None:
        code = code.decode("latin-1") if isinstance(code, bytes) else code
        plain = code.lstrip("<>=|") if isinstance(code, str) else code
        if plain not in _TYPES:
            raise MalformedError(f"arrays of type {code!r:.40}, which are no numbers")
        self.dtype: np.dtype[Any] = np.dtype(code)

    def set_state(self, state: Any) -> None:
        """The byte order: the second entry of what numpy.dtype.__reduce__ gives as a state."""
        if type(state) is not tuple or len(state) not in (8, 9) or any(item is not None for item in state[2:5]):
            raise MalformedError("arrays of a type with fields, which are no numbers")
        if state[1] not in ("<", ">", "|", "="):
            raise MalformedError(f"arrays of byte order {state[1]!r:.20}")
        self.dtype = self.dtype.newbyteorder(state[1])


class PendingArray:
    """An array whose content a file has still to say."""

    def __init__(self) -> None:
        self.places: list[int] = []

    def array(self, state: Any) -> np.ndarray:
        """The array of a state: version, shape, type, whether it is in Fortran's order, and its bytes."""
        if type(state) is not tuple or len(state) != 5:
            raise MalformedError("an array without shape, type and bytes")
        _, shape, dtype, fortran, data = state
        return _array(data, dtype, shape, "F" if fortran else "C")


def _array(data: Any, dtype: Any, shape: Any, order: str) -> np.ndarray:
    data = data.encode("latin-1") if isinstance(data, str) else data  # Python 2's texts are bytes
    if not isinstance(dtype, PendingDtype) or not isinstance(data, bytes):
        raise MalformedError("an array of something else than numbers")
    sizes_are_numbers = type(shape) is tuple and all(type(size) is int and size >= 0 for size in shape)
    if not sizes_are_numbers or len(shape) > _MAX_DIMENSIONS:
        raise MalformedError(f"an array of shape {shape!r:.60}")
    needed = math.prod(shape) * dtype.dtype.itemsize
    if needed != len(data):
        raise MalformedError(f"an array of shape {list(shape)!s:.60} needs {needed:,} bytes, {len(data):,} are there")
    flat = np.frombuffer(data, dtype=dtype.dtype) if data else np.empty(0, dtype=dtype.dtype)
    # A copy in the machine's own byte order: what lies in `data` cannot be written to.
    return flat.reshape(shape, order="F" if order == "F" else "C").astype(dtype.dtype.newbyteorder("="))


def call_array(name: str, arguments: tuple[Any, ...]) -> Any:
    """What NumPy's functions of these names make of their arguments, for arrays and single numbers.

    Args:
        name: The function, "module.name".
        arguments: What the file calls it with.

    Raises:
        MalformedError: Where this makes no array of numbers.
    """
    if name.endswith("._reconstruct"):
        if arguments[:2] != ("numpy.ndarray", (0,)) or len(arguments) != 3:
            raise MalformedError("an array that is of no plain class")
        return PendingArray()
    if name == "numpy.dtype":
        if not 1 <= len(arguments) <= 3:
            raise MalformedError("a type of numbers that is called with other arguments")
        return PendingDtype(arguments[0])
    if name.endswith("._frombuffer"):
        data, dtype, shape, order = arguments
        return _array(data, dtype, shape, order)
    dtype, data = arguments
    return _array(data, dtype, (), "C")[()]
