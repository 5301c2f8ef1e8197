"""Reading pickled arrays without running anything: what paddle.save writes, and no other object.

pickletools takes a file apart into its opcodes; these are carried out here on plain values. No class and no function
that a file names is ever looked up: each of the few names that paddle.save writes stands for a function of this module,
and any other one is an error. Sizes that a file declares are compared with its bytes before memory is taken.

Format: https://github.com/python/cpython/blob/main/Lib/pickletools.py
"""

from __future__ import annotations

import pickletools
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, Callable, Mapping

import numpy as np

from ernie_toolkit.errors import ModelError
from ernie_toolkit.formats.pickled_arrays import MALFORMED, MalformedError, PendingArray, PendingDtype, call_array

MAX_DEPTH = 32
"""How deep containers may lie in one another; the deepest that paddle.save is given here have five levels."""
MAX_OPCODES = 5_000_000
"""How many steps a file may take; the state of a large optimizer takes some 50,000."""
Rebuild = Mapping[str, Callable[[Any], Any]]
"""The names of further classes, "module.name", each with what makes an object of its state."""

_PLAIN = (np.ndarray, str, int, float, bytes, bool, type(None), np.generic)
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = frozenset(
    (
        "BININT",
        "BININT1",
        "BININT2",
        "LONG1",
        "LONG4",
        "BINFLOAT",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
    )
)
_HEAD_BYTES = 16
_FORMATS = {
    b"PK": "a zip archive (PyTorch's format, or .npz)",
    b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46": "a file of PyTorch's old format",
    b"\x93NUMPY": "an array of numpy.save",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip file",
    b"version https:": "a pointer of Git LFS, whose file was not fetched",
}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple, "EMPTY_SET": set}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Name:
    """A class or a function that a file names; nothing but a word."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Pending:
    """An object of a further class before its state is there."""

    def __init__(self, rebuild: Callable[[Any], Any]) -> None:
        self.rebuild = rebuild
        self.places: list[int] = []


class _ForeignNameError(Exception):
    """A name that paddle.save does not write."""


class _Bounded:
    """A file that is never read beyond its end, whatever lengths are written in it."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.stream, self.size = stream, size

    def read(self, count: int) -> bytes:
        """At most `count` bytes."""
        return self.stream.read(min(count, self.size))

    def readline(self) -> bytes:
        """A line."""
        return self.stream.readline()

    def tell(self) -> int:
        """Where the next byte is read."""
        return self.stream.tell()


class _Machine:
    """The stack and the memo of one file."""

    def __init__(self, rebuild: Rebuild) -> None:
        self.further = rebuild
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, source: _Bounded) -> Any:
        """The value that a file describes. Raises one of `MALFORMED`, or _ForeignNameError."""
        for number, (opcode, argument, _) in enumerate(pickletools.genops(source)):  # type: ignore[arg-type]
            if number >= MAX_OPCODES:
                raise MalformedError(f"it takes more than {MAX_OPCODES:,} steps to read")
            self._do(opcode.name, argument)
        if len(self.stack) != 1 or self.marks:
            raise MalformedError("values are left over at its end")
        return self.stack[0]

    def _do(self, name: str, argument: Any) -> None:
        if name in _VALUES:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            self.stack.append(tuple(self._popped(_TUPLES[name])))
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._remember(len(self.memo) if argument is None else argument)
        elif name == "MARK":
            self.marks.append(len(self.stack))
        elif name in ("PROTO", "FRAME", "STOP"):
            pass
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name in ("INST", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"):
            raise _ForeignNameError(str(argument if argument is not None else name).replace(" ", ".", 1))
        else:
            raise MalformedError(f"the opcode {name} is none that such files have")

    def _popped(self, count: int) -> list[Any]:
        """The topmost values, which are taken off the stack."""
        if len(self.stack) - (self.marks[-1] if self.marks else 0) < count:
            raise MalformedError("a value is missing")
        values = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return values

    def _marked(self) -> list[Any]:
        """The values above the last mark, which are taken off the stack with it."""
        return self._popped(len(self.stack) - self.marks.pop())

    def _remember(self, place: int) -> None:
        value = self.stack[-1]
        self.memo[place] = value
        if isinstance(value, (PendingArray, _Pending)):
            value.places.append(place)

    def _tuple(self, _: Any) -> None:
        values = self._marked()
        self.stack.append(tuple(values))

    def _append(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise MalformedError(f"values are appended to {_kind(target)}")
        target.extend(values)

    def _add(self, _: Any) -> None:
        values = self._marked()
        if type(self.stack[-1]) is not set:
            raise MalformedError(f"values are added to {_kind(self.stack[-1])}")
        self.stack[-1].update(values)

    def _set(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) not in (dict, OrderedDict) or len(values) % 2:
            raise MalformedError(f"items are set in {_kind(target)}")
        target.update(zip(values[::2], values[1::2]))

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._push_name(module, name)

    def _stack_global(self, _: Any) -> None:
        module, name = self._popped(2)
        if not (isinstance(module, str) and isinstance(name, str)):
            raise MalformedError("a name that is no text")
        self._push_name(module, name)

    def _push_name(self, module: str, name: str) -> None:
        # Python 2 and NumPy 2 have other names for the same modules.
        module = {"__builtin__": "builtins"}.get(module, module).replace("numpy._core.", "numpy.core.")
        found = f"{module}.{name}"
        if found not in _FUNCTIONS and found not in _WORDS and found not in self.further:
            raise _ForeignNameError(found)
        self.stack.append(_Name(found))

    def _reduce(self, _: Any) -> None:
        function, arguments = self._popped(2)
        if not isinstance(function, _Name) or function.name not in _FUNCTIONS or type(arguments) is not tuple:
            raise MalformedError(f"{_kind(function)} is called")
        plain = tuple(item.name if isinstance(item, _Name) else item for item in arguments)
        self.stack.append(_FUNCTIONS[function.name](function.name, plain))

    def _new(self, _: Any) -> None:
        name, arguments = self._popped(2)
        if not isinstance(name, _Name) or name.name not in self.further or arguments != ():
            raise MalformedError(f"{_kind(name)} is made an object of")
        self.stack.append(_Pending(self.further[name.name]))

    def _build(self, _: Any) -> None:
        target, state = self._popped(2)
        if isinstance(target, PendingDtype):
            target.set_state(state)
            self.stack.append(target)
        elif isinstance(target, (PendingArray, _Pending)):
            value = target.array(state) if isinstance(target, PendingArray) else target.rebuild(state)
            for place in target.places:
                if self.memo[place] is target:
                    self.memo[place] = value
            self.stack.append(value)
        else:
            raise MalformedError(f"{_kind(target)} is given a state")


def _kind(value: Any) -> str:
    return value.name if isinstance(value, _Name) else f"a value of type {type(value).__name__}"


_CONTAINERS: dict[str, type] = {
    "builtins.tuple": tuple,
    "builtins.list": list,
    "builtins.dict": dict,
    "builtins.set": set,
    "collections.OrderedDict": OrderedDict,
}


def _container(name: str, arguments: tuple[Any, ...]) -> Any:
    """An empty container, or one of what a list or a tuple holds."""
    if arguments and (len(arguments) != 1 or type(arguments[0]) not in (list, tuple)):
        raise MalformedError(f"{name} is called with something else than a list")
    return _CONTAINERS[name](*arguments)


def _no_bytes(name: str, arguments: tuple[Any, ...]) -> bytes:
    """Empty bytes, for which protocol 2 has no other way."""
    if arguments:
        raise MalformedError(f"{name} is called with a value")
    return b""


def _encoded(_: str, arguments: tuple[Any, ...]) -> bytes:
    """Bytes, which protocol 2 writes as text in Latin-1."""
    if len(arguments) != 2 or not isinstance(arguments[0], str) or arguments[1] != "latin1":
        raise MalformedError("_codecs.encode is called with something else than text and 'latin1'")
    return arguments[0].encode("latin-1")


def _named_data(_: str, arguments: tuple[Any, ...]) -> Any:
    """The array of a DenseTensor, for which paddle.save writes eval("data", {"data": array}); nothing is evaluated."""
    scope = arguments[1] if len(arguments) == 2 and arguments[0] == "data" else None
    if type(scope) is not dict or list(scope) != ["data"]:
        raise _ForeignNameError("builtins.eval")
    return scope["data"]


_FUNCTIONS: dict[str, Callable[[str, tuple[Any, ...]], Any]] = {
    "_codecs.encode": _encoded,
    "builtins.eval": _named_data,
    "builtins.bytes": _no_bytes,
    **dict.fromkeys(_CONTAINERS, _container),
    **dict.fromkeys(
        (
            "numpy.core.multiarray._reconstruct",
            "numpy.core.multiarray.scalar",
            "numpy.core.numeric._frombuffer",
            "numpy.dtype",
        ),
        call_array,
    ),
}
# Names that are passed on and never called.
_WORDS = ("numpy.ndarray",)
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "TUPLE": _Machine._tuple,
    "APPEND": lambda machine, _: machine._append(machine._popped(1)),
    "APPENDS": lambda machine, _: machine._append(machine._marked()),
    "ADDITEMS": _Machine._add,
    "SETITEM": lambda machine, _: machine._set(machine._popped(2)),
    "SETITEMS": lambda machine, _: machine._set(machine._marked()),
    "GLOBAL": _Machine._global,
    "STACK_GLOBAL": _Machine._stack_global,
    "REDUCE": _Machine._reduce,
    "NEWOBJ": _Machine._new,
    "BUILD": _Machine._build,
    "POP": lambda machine, _: machine._popped(1).clear(),
    # In-band data of protocol 5.
    "BYTEARRAY8": lambda machine, data: machine.stack.append(bytes(data)),
}


def _check_value(value: Any, further: tuple[type, ...], budget: list[int], depth: int = 0) -> None:
    """Raise MalformedError on what is no plain value, and on containers that hold more than the file's bytes can say.

    A file can put one list into another many times over, and so describe more than any memory holds.
    """
    budget[0] -= 1
    if budget[0] < 0 or depth > MAX_DEPTH:
        raise MalformedError("its values lie in one another without end")
    if isinstance(value, (*_PLAIN, *further)):
        return
    if isinstance(value, dict):
        for key, item in value.items():
            _check_value(key, further, budget, depth + 1)
            _check_value(item, further, budget, depth + 1)
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            _check_value(item, further, budget, depth + 1)
    else:
        raise MalformedError(f"{_kind(value)} stands where a value belongs")


def load_pickle(path: Path, rebuild: Rebuild | None = None, kept: tuple[type, ...] = ()) -> Any:
    """Read what paddle.save wrote to a file: arrays, numbers and texts in lists, tuples and dictionaries.

    Nothing that the file names is run. A tensor of Paddle is a tuple of its name and its array, as in the file.

    Args:
        path: The file.
        rebuild: See `Rebuild`; None: no further classes.
        kept: The types that `rebuild` makes.

    Raises:
        ModelError: Where it is no such file; it names the file and the class or the place in it.
    """
    remedy = "copy it again"
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            _check_format(stream.read(_HEAD_BYTES))
            stream.seek(0)
            value = _Machine(rebuild or {}).run(_Bounded(stream, size))
            if stream.read(1):
                raise MalformedError("more bytes follow its end")
        _check_value(value, kept, [max(size, 1)])
    except _ForeignNameError as error:
        raise ModelError(
            f"{path}: it holds {str(error)!r:.120}, which is no array and was not run: take the file from a source "
            "that you trust, or save its arrays alone (paddle.save(model.state_dict(), FILE))"
        ) from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror or error}): {remedy}") from None
    except MALFORMED as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(f"{path}: not a Paddle file that can be read ({reason:.160}): {remedy}") from None
    return value


def _check_format(head: bytes) -> None:
    """Raise MalformedError where a file's first bytes are of another format, which is named."""
    found = next((name for start, name in _FORMATS.items() if head.startswith(start)), None)
    if not head:
        found = "an empty file"
    elif found is None and head[8:9] == b"{":
        found = "a safetensors file under another name"
    elif found is None and (head[0] != 0x80 or not 2 <= head[1] <= 5):
        found = "a file of another format"
    if found is not None:
        raise MalformedError(f"it is {found}, not what paddle.save writes")
