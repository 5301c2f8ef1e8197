"""The machine that reads pickles without running anything.

pickletools takes a file apart into its opcodes; these are carried out here on plain values. No class and no function
that a file names is ever looked up: each of the few names that a library writes (see `Dialect`) stands for a function
of this toolkit, and any other one is an error.

Format: https://github.com/python/cpython/blob/main/Lib/pickletools.py
"""

from __future__ import annotations

import pickletools
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Callable, Mapping, Tuple

import numpy as np

from ernie_toolkit.formats.pickled_arrays import MalformedError, PendingArray, PendingDtype

MAX_DEPTH = 32
"""How deep containers may lie in one another; the deepest that are read here have five levels."""
MAX_OPCODES = 5_000_000
"""How many steps a file may take; the state of a large optimizer takes some 50,000."""
Function = Callable[[str, Tuple[Any, ...]], Any]
"""What stands for a function that a file names: it gets the name, "module.name", and what the file calls it with."""
Rebuild = Mapping[str, Callable[[Any], Any]]
"""The names of further classes, "module.name", each with what makes an object of its state."""


@dataclass(frozen=True)
class Dialect:
    """What the pickles of one library may name.

    Attributes:
        functions: What stands for each function that may be called, by "module.name".
        words: Names that are passed on and never called.
        objects: Classes whose objects are made of their state.
        states: What gives a value a state, by the value's type: gets both, returns the value.
        persistent: What stands for a persistent identifier, whose classes are their names; None: there is none.
    """

    functions: Mapping[str, Function]
    words: tuple[str, ...] = ()
    objects: Rebuild = field(default_factory=dict)
    states: Mapping[type, Callable[[Any, Any], Any]] = field(default_factory=dict)
    persistent: Callable[[Any], Any] | None = None


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


class ForeignNameError(Exception):
    """A name that no dialect has."""


class BoundedStream:
    """A file that is never read beyond its end, whatever lengths are written in it.

    Args:
        stream: The file.
        size: Its bytes.
    """

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


class PickleMachine:
    """The stack and the memo of one pickle.

    Args:
        dialect: What the pickle may name.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, source: BoundedStream) -> Any:
        """The value that a file describes. Raises one of `MALFORMED`, or ForeignNameError."""
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
        elif name == "BINPERSID" and self.dialect.persistent is not None:
            (identifier,) = self._popped(1)
            self.stack.append(self.dialect.persistent(_worded(identifier)))
        elif name in ("INST", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"):
            raise ForeignNameError(str(argument if argument is not None else name).replace(" ", ".", 1))
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
        if not any(found in names for names in (self.dialect.functions, self.dialect.words, self.dialect.objects)):
            raise ForeignNameError(found)
        self.stack.append(_Name(found))

    def _reduce(self, _: Any) -> None:
        function, arguments = self._popped(2)
        functions = self.dialect.functions
        if not isinstance(function, _Name) or function.name not in functions or type(arguments) is not tuple:
            raise MalformedError(f"{_kind(function)} is called")
        self.stack.append(functions[function.name](function.name, _worded(arguments)))

    def _new(self, _: Any) -> None:
        name, arguments = self._popped(2)
        if not isinstance(name, _Name) or name.name not in self.dialect.objects or arguments != ():
            raise MalformedError(f"{_kind(name)} is made an object of")
        self.stack.append(_Pending(self.dialect.objects[name.name]))

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
        elif type(target) in self.dialect.states:
            self.stack.append(self.dialect.states[type(target)](target, state))
        else:
            raise MalformedError(f"{_kind(target)} is given a state")


def _worded(values: Any) -> Any:
    """The values of a tuple, with the names themselves for classes and functions."""
    if type(values) is not tuple:
        raise MalformedError(f"{_kind(values)} stands where several values belong")
    return tuple(item.name if isinstance(item, _Name) else item for item in values)


def _kind(value: Any) -> str:
    return value.name if isinstance(value, _Name) else f"a value of type {type(value).__name__}"


CONTAINERS: dict[str, type] = {
    "builtins.tuple": tuple,
    "builtins.list": list,
    "builtins.dict": dict,
    "builtins.set": set,
    "collections.OrderedDict": OrderedDict,
}


def call_container(name: str, arguments: tuple[Any, ...]) -> Any:
    """An empty container, or one of what a list or a tuple holds.

    Args:
        name: One of `CONTAINERS`.
        arguments: What the file calls it with.

    Raises:
        MalformedError: Where it is called with anything else.
    """
    if arguments and (len(arguments) != 1 or type(arguments[0]) not in (list, tuple)):
        raise MalformedError(f"{name} is called with something else than a list")
    return CONTAINERS[name](*arguments)


_ACTIONS: dict[str, Callable[[PickleMachine, Any], None]] = {
    "TUPLE": PickleMachine._tuple,
    "APPEND": lambda machine, _: machine._append(machine._popped(1)),
    "APPENDS": lambda machine, _: machine._append(machine._marked()),
    "ADDITEMS": PickleMachine._add,
    "SETITEM": lambda machine, _: machine._set(machine._popped(2)),
    "SETITEMS": lambda machine, _: machine._set(machine._marked()),
    "GLOBAL": PickleMachine._global,
    "STACK_GLOBAL": PickleMachine._stack_global,
    "REDUCE": PickleMachine._reduce,
    "NEWOBJ": PickleMachine._new,
    "BUILD": PickleMachine._build,
    "POP": lambda machine, _: machine._popped(1).clear(),
    # In-band data of protocol 5.
    "BYTEARRAY8": lambda machine, data: machine.stack.append(bytes(data)),
}


def check_value(value: Any, further: tuple[type, ...], budget: list[int], depth: int = 0) -> None:
    """Check that a value is made of plain values, and of no more than the file's bytes can say.

    A file can put one list into another many times over, and so describe more than any memory holds.

    Args:
        value: What a file describes.
        further: Types that count as plain beside numbers, texts and arrays.
        budget: One number, how many values there may be; gets smaller.
        depth: How deep `value` lies in others.

    Raises:
        MalformedError: Where it is not.
    """
    budget[0] -= 1
    if budget[0] < 0 or depth > MAX_DEPTH:
        raise MalformedError("its values lie in one another without end")
    if isinstance(value, (*_PLAIN, *further)):
        return
    if isinstance(value, dict):
        for key, item in value.items():
            check_value(key, further, budget, depth + 1)
            check_value(item, further, budget, depth + 1)
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            check_value(item, further, budget, depth + 1)
    else:
        raise MalformedError(f"{_kind(value)} stands where a value belongs")
