"""Reading what torch.save writes, without PyTorch and without running anything: tensors by name, and no other object.

Both forms: a zip archive (PyTorch 1.6 and later) with the pickle `data.pkl` and a file for each storage, and the older
one, a row of five pickles with the storages after them. A tensor is a view of a storage: its size, strides and place
are compared with the bytes that are there before memory is taken.

Format: https://github.com/pytorch/pytorch/blob/main/torch/serialization.py
"""

from __future__ import annotations

import io
import math
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Callable, Literal

import numpy as np

from ernie_toolkit.errors import ModelError
from ernie_toolkit.formats.pickle_machine import (
    BoundedStream,
    Dialect,
    ForeignNameError,
    PickleMachine,
    call_container,
    check_value,
)
from ernie_toolkit.formats.pickled_arrays import MALFORMED, MalformedError, from_bfloat16

_ZIP = b"PK\x03\x04"
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
# What begins a pickle of the older form: protocol 2, and `_MAGIC` as an integer of ten bytes.
_OLD = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46"
# The type of NumPy's that a storage's numbers have; bfloat16, which NumPy lacks, is the upper half of a float32.
_STORAGES = {
    "torch.FloatStorage": "f4",
    "torch.DoubleStorage": "f8",
    "torch.HalfStorage": "f2",
    "torch.BFloat16Storage": "u2",
    "torch.LongStorage": "i8",
    "torch.IntStorage": "i4",
    "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
}
_HALF, _BFLOAT16 = "torch.HalfStorage", "torch.BFloat16Storage"
_MAX_DIMENSIONS = 32
_Order = Literal["<", ">"]
_COUNT_BYTES = 8


@dataclass(frozen=True)
class _Storage:
    """Numbers in a row: what they are, where they are in the file, and how many."""

    kind: str
    key: str
    count: int


@dataclass(frozen=True)
class _View:
    """A tensor: the numbers of a storage from a place on, with a step for each dimension."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many numbers it has."""
        return math.prod(self.size)


def _storage(identifier: Any) -> _Storage:
    """The storage of a persistent identifier: ("storage", type, key, device, count), in the older form with a None."""
    if len(identifier) == 6 and identifier[5] is None:
        identifier = identifier[:5]
    if len(identifier) != 5 or identifier[0] != "storage":
        raise ForeignNameError(f"a {identifier[0] if identifier else 'value'} that is no storage")
    _, kind, key, _, count = identifier
    if kind not in _STORAGES or not isinstance(key, str) or type(count) is not int or count < 0:
        raise MalformedError("a storage without type, key and length")
    return _Storage(kind, key, count)


def _tensor(_: str, arguments: tuple[Any, ...]) -> _View:
    """The tensor of torch._utils._rebuild_tensor_v2."""
    if len(arguments) not in (6, 7) or not isinstance(arguments[0], _Storage):
        raise MalformedError("a tensor without a storage")
    storage, offset, size, strides = arguments[:4]
    numbers = (size, strides)
    if not all(type(item) is tuple and all(type(value) is int and value >= 0 for value in item) for item in numbers):
        raise MalformedError(f"a tensor of shape {size!r:.60}")
    if type(offset) is not int or offset < 0 or len(size) != len(strides) or len(size) > _MAX_DIMENSIONS:
        raise MalformedError(f"a tensor of shape {size!r:.60} that begins at {offset!r:.20}")
    view = _View(storage, offset, size, strides)
    last = offset + sum((length - 1) * step for length, step in zip(size, strides))
    if view.count and last >= storage.count:
        raise MalformedError(
            f"a tensor of shape {list(size)!s:.60} is larger than its storage, {storage.count:,} numbers"
        )
    return view


def _parameter(_: str, arguments: tuple[Any, ...]) -> _View:
    """The tensor of torch._utils._rebuild_parameter."""
    if len(arguments) != 3 or not isinstance(arguments[0], _View):
        raise MalformedError("a parameter without a tensor")
    return arguments[0]


def _without_attributes(target: Any, _: Any) -> Any:
    """A state dict as it is: what its attribute `_metadata` holds are versions of layers' classes."""
    return target


_DIALECT = Dialect(
    functions={
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_parameter": _parameter,
        "collections.OrderedDict": call_container,
    },
    words=tuple(_STORAGES),
    states={OrderedDict: _without_attributes},
    persistent=_storage,
)


def read_torch_file(path: Path) -> dict[str, np.ndarray]:
    """Read the tensors that torch.save wrote to a file by name; nothing that the file names is run.

    Args:
        path: A `pytorch_model.bin`, say.

    Returns:
        Arrays by name; float16 and bfloat16 as float32, all others of their own type.

    Raises:
        ModelError: Where it is no such file; it names the file and what is wrong with it, or what it wanted to run.
    """
    remedy = "copy it again"
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            head = stream.read(len(_OLD))
            stream.seek(0)
            if head.startswith(_ZIP):
                state = _read_zip(stream, size)
            elif head.startswith(_OLD):
                state = _read_old(stream, size)
            else:
                raise MalformedError("it is of another format" if head else "it is empty")
    except ForeignNameError as error:
        raise ModelError(
            f"{path}: it holds {str(error)!r:.120}, which is no tensor and was not run: take the file from a source "
            "that you trust, or save its weights alone (torch.save(model.state_dict(), FILE))"
        ) from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror or error}): {remedy}") from None
    except (*MALFORMED, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(f"{path}: not a PyTorch file that can be read ({reason:.160}): {remedy}") from None
    if not state:
        raise ModelError(
            f"{path}: no tensor by name in it: give a model's weights (torch.save(model.state_dict(), FILE))"
        )
    return state


def _views(value: Any, size: int) -> dict[str, _View]:
    """The tensors of a state dict. `size`: bytes of the file, which bound how many numbers they can have in all."""
    check_value(value, (_View,), [max(size, 1)])
    if not isinstance(value, dict):
        raise MalformedError(f"no weights by name in it, but a {type(value).__name__}")
    views = {name: item for name, item in value.items() if isinstance(item, _View) and isinstance(name, str)}
    # A file can give the same numbers to any number of tensors.
    if sum(view.count for view in views.values()) > size:
        raise MalformedError("its tensors have more numbers than the file has bytes")
    return views


def _read_zip(stream: BinaryIO, size: int) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(stream) as archive:
        entries = {item.filename: item for item in archive.infolist()}
        # torch.save compresses nothing; what is stored as it is cannot be larger than the file.
        packed = [name for name, item in entries.items() if item.compress_type or item.file_size > size]
        if packed:
            raise MalformedError(f"its entry {packed[0]!r:.60} is compressed, which torch.save does not do")
        pickles = [name for name in entries if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise MalformedError("a zip archive without PyTorch's data.pkl")
        folder = pickles[0][: -len("data.pkl")]
        order = archive.read(f"{folder}byteorder") if f"{folder}byteorder" in entries else b"little"
        if order not in (b"little", b"big"):
            raise MalformedError(f"numbers of byte order {order!r:.20}")
        pickled = archive.read(pickles[0])
        views = _views(PickleMachine(_DIALECT).run(BoundedStream(io.BytesIO(pickled), len(pickled))), size)
        kept: dict[str, bytes] = {}

        def read(storage: _Storage) -> bytes:
            if storage.key not in kept:
                kept.clear()  # tensors that share one follow each other; all at once would take the memory twice
                kept[storage.key] = archive.read(f"{folder}data/{storage.key}")
            return kept[storage.key]

        return _arrays(views, read, "<" if order == b"little" else ">")


def _read_old(stream: BinaryIO, size: int) -> dict[str, np.ndarray]:
    magic, protocol, system, value, keys = (PickleMachine(_DIALECT).run(BoundedStream(stream, size)) for _ in range(5))
    if magic != _MAGIC or protocol != _PROTOCOL or not isinstance(system, dict):
        raise MalformedError("not the old format that PyTorch 1.5 and earlier wrote")
    little = system.get("little_endian", True) is not False
    views = _views(value, size)
    storages = {view.storage.key: view.storage for view in views.values()}
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise MalformedError("no list of storages after its tensors")
    found: dict[str, bytes] = {}
    for key in keys:
        count = int.from_bytes(stream.read(_COUNT_BYTES), "little" if little else "big")
        if key not in storages or count != storages[key].count:
            raise MalformedError(f"its storage {key!r:.40} has not as many numbers as its tensors say")
        found[key] = stream.read(min(size, count * np.dtype(_STORAGES[storages[key].kind]).itemsize))
    return _arrays(views, lambda storage: found[storage.key], "<" if little else ">")


def _arrays(views: dict[str, _View], read: Callable[[_Storage], bytes], order: _Order) -> dict[str, np.ndarray]:
    """The tensors as arrays of their own memory, in the machine's byte order.

    Args:
        views: The tensors by name.
        read: Gives the bytes of a storage.
        order: The byte order of the file's numbers, "<" or ">".
    """
    state = {}
    for name, view in views.items():
        dtype = np.dtype(_STORAGES[view.storage.kind]).newbyteorder(order)
        data = read(view.storage)
        if len(data) != view.storage.count * dtype.itemsize:
            raise MalformedError(
                f"its storage {view.storage.key!r:.40} has {len(data):,} bytes, which are not its numbers"
            )
        state[name] = _array(np.frombuffer(data, dtype), view)
    return state


def _array(numbers: np.ndarray, view: _View) -> np.ndarray:
    if view.count:
        steps = tuple(step * numbers.itemsize for step in view.strides)
        values = np.lib.stride_tricks.as_strided(numbers[view.offset :], view.size, steps, writeable=False)
    else:
        values = np.empty(view.size, numbers.dtype)
    if view.storage.kind == _BFLOAT16:
        return from_bfloat16(values)
    return np.array(values, np.float32 if view.storage.kind == _HALF else values.dtype.newbyteorder("="), order="C")
