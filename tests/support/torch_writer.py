"""What torch.save writes, written without PyTorch: state dicts in both of its forms.

`tests/deployments/test_huggingface.py` reads what PyTorch itself has written.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

KINDS = {
    "<f4": "FloatStorage",
    "<f8": "DoubleStorage",
    "<f2": "HalfStorage",
    "<u2": "BFloat16Storage",
    "<i8": "LongStorage",
    "<i4": "IntStorage",
    "<i2": "ShortStorage",
    "|i1": "CharStorage",
    "|u1": "ByteStorage",
    "|b1": "BoolStorage",
}


@dataclass(frozen=True)
class Name:
    """A class or a function, by the name that a pickle gives it."""

    module: str
    name: str

    def __call__(self) -> None:
        """Nothing: pickle wants to be able to call it."""


@dataclass(frozen=True, eq=False)
class Storage:
    """Numbers in a row; of type uint16: the bits of bfloat16."""

    numbers: np.ndarray
    count: int = -1


@dataclass(frozen=True, eq=False)
class Tensor:
    """A view of a storage; strides in numbers."""

    storage: Any
    offset: Any
    size: Any
    strides: Any
    more: tuple[Any, ...] = (False, OrderedDict())
    function: Name = Name("torch._utils", "_rebuild_tensor_v2")


@dataclass(frozen=True, eq=False)
class Called:
    """What a function returns, by name and arguments."""

    function: Name
    arguments: tuple[Any, ...]


def tensor_of(array: np.ndarray) -> Tensor:
    """An array as a tensor with a storage of its own; strides as the array has them (none may be negative)."""
    base = np.lib.stride_tricks.as_strided(array, (_extent(array),), (array.itemsize,)).copy()
    return Tensor(Storage(base), 0, array.shape, tuple(step // array.itemsize for step in array.strides))


def _extent(array: np.ndarray) -> int:
    if not array.size:
        return 0
    steps = (step // array.itemsize for step in array.strides)
    return 1 + sum((length - 1) * step for length, step in zip(array.shape, steps, strict=True))


class StateDict(OrderedDict[str, Any]):
    """What a module's state_dict() returns: an OrderedDict with an attribute."""

    def __reduce__(self) -> Any:
        return Name("collections", "OrderedDict"), (), {"_metadata": OrderedDict()}, None, iter(self.items())


@dataclass
class _Writer:
    """Storages by the keys that a pickle has for them."""

    old: bool
    storages: dict[str, Storage] = field(default_factory=dict)

    def pickled(self, value: Any) -> bytes:
        """The pickle of a value."""
        target, writer = io.BytesIO(), self

        class Pickler(pickle._Pickler):  # type: ignore[name-defined, misc]
            def persistent_id(self, item: Any) -> Any:
                return writer.identifier(item) if isinstance(item, Storage) else None

        def save_name(self: Any, item: Name) -> None:
            self.write(pickle.GLOBAL + f"{item.module}\n{item.name}\n".encode())

        def save_tensor(self: Any, item: Tensor) -> None:
            self.save_reduce(item.function, (item.storage, item.offset, item.size, item.strides, *item.more), obj=item)

        def save_called(self: Any, item: Called) -> None:
            self.save_reduce(item.function, item.arguments, obj=item)

        Pickler.dispatch = {**Pickler.dispatch, Name: save_name, Tensor: save_tensor, Called: save_called}
        Pickler(target, 2).dump(value)
        return target.getvalue()

    def identifier(self, storage: Storage) -> tuple[Any, ...]:
        """The persistent identifier of a storage."""
        known = [key for key, item in self.storages.items() if item is storage]
        key = known[0] if known else str(len(self.storages))
        self.storages[key] = storage
        kind = Name("torch", KINDS[storage.numbers.dtype.str])
        count = storage.numbers.size if storage.count < 0 else storage.count
        return ("storage", kind, key, "cpu", count, *([None] if self.old else []))


def torch_bytes(value: Any, old: bool = False, compression: int = zipfile.ZIP_STORED) -> bytes:
    """The file that torch.save writes of a value.

    Args:
        value: `Tensor`s in dictionaries and the like.
        old: Whether in the form before the zip archive.
        compression: Of the zip archive; PyTorch uses none.
    """
    writer, target = _Writer(old), io.BytesIO()
    if old:
        sizes = {"short": 2, "int": 4, "long": 4}
        system = {"protocol_version": 1001, "little_endian": True, "type_sizes": sizes}
        content = writer.pickled(value)
        parts = (0x1950A86A20F9469CFC6C, 1001, system)
        target.write(b"".join(pickle.dumps(part, 2) for part in parts) + content)
        target.write(pickle.dumps(sorted(writer.storages), 2))
        for key in sorted(writer.storages):
            numbers = writer.storages[key].numbers
            target.write(numbers.size.to_bytes(8, "little") + numbers.tobytes())
        return target.getvalue()
    with zipfile.ZipFile(target, "w", compression) as archive:
        archive.writestr("archive/data.pkl", writer.pickled(value))
        archive.writestr("archive/byteorder", "little")
        for key, storage in writer.storages.items():
            archive.writestr(f"archive/data/{key}", storage.numbers.tobytes())
        archive.writestr("archive/version", "3\n")
    return target.getvalue()


def write_torch_file(state: Mapping[str, np.ndarray], path: Path, old: bool = False) -> None:
    """Write arrays by name as a state dict; uint16 stands for bfloat16."""
    value = StateDict({name: tensor_of(array) for name, array in state.items()})
    path.write_bytes(torch_bytes(value, old))
