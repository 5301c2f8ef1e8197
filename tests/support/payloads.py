"""Pickles that create a file when something runs them, in the ways that are known to get around allow-lists."""

import io
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


class Runs:
    """Pickled, a call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def _text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _named(module: str, name: str) -> bytes:
    """STACK_GLOBAL of protocol 4: a name may have dots there, which are followed as attributes."""
    return _text(module) + _text(name) + b"\x93"


def _calls(function: bytes, *arguments: bytes) -> bytes:
    return function + b"(" + b"".join(arguments) + b"tR"


def _file(body: bytes) -> bytes:
    """A state dict with a value that `body` leaves on the stack."""
    return b"\x80\x04}" + _text("weight") + body + b"s."


def payloads(target: Path) -> dict[str, bytes]:
    """Files by the way that each takes to create `target`."""
    code = f"open({str(target)!r}, 'w').close()"
    shell = f"touch {target}"
    state = {"weight": np.ones((2, 2), dtype=np.float32)}
    objects = np.array([Runs(exec, code)], dtype=object)
    found = {
        f"exec, protocol {protocol}": pickle.dumps({**state, "more": Runs(exec, code)}, protocol)
        for protocol in range(6)
    }
    import os
    import subprocess

    found |= {
        "os.system": pickle.dumps({"weight": Runs(os.system, shell)}, 4),
        "subprocess": pickle.dumps({"weight": Runs(subprocess.getoutput, shell)}, 4),
        "eval": pickle.dumps({"weight": Runs(eval, code)}, 4),
        "eval of something else than data": pickle.dumps({"weight": Runs(eval, code, {"data": 1})}, 4),
        "an array of objects": pickle.dumps({"weight": objects}, 4),
        "an array of objects, protocol 2": pickle.dumps({"weight": objects}, 2),
        "a dotted name": _file(_calls(_named("os", "path.os.system"), _text(shell))),
        "a dotted name below an admitted module": _file(
            _calls(_named("numpy", "core.multiarray.os.system"), _text(shell))
        ),
        "getattr": _file(_calls(_calls(_named("builtins", "getattr"), _named("os", "path"), _text("x")), _text("y"))),
        "numpy.f2py": _file(_calls(_named("numpy.f2py.crackfortran", "myeval"), _text(code))),
        "numpy.load": _file(_calls(_named("numpy", "load"), _text(str(target)), b"N", b"\x88")),
        "runstring": _file(_calls(_named("numpy.testing._private.utils", "runstring"), _text(code), b"}")),
        "object scalar": _file(
            _calls(
                _named("numpy.core.multiarray", "scalar"),
                _calls(_named("numpy", "dtype"), _text("O8"), b"\x89", b"\x88"),
                b"C\x01x",
            )
        ),
        "copyreg": _file(_calls(_named("copyreg", "_reconstructor"), _named("subprocess", "Popen"), b"N", b"N")),
        "INST": b"\x80\x02(" + b"S" + repr(shell).encode() + b"\nios\nsystem\n.",
        "OBJ": b"\x80\x02(cos\nsystem\n" + _text(shell) + b"o.",
        "NEWOBJ_EX": _file(_named("subprocess", "Popen") + b"(" + _text(shell) + b"t}" + b"\x92"),
        "an extension code": b"\x80\x02\x82\x01.",
        "a persistent id": b"\x80\x02" + _text("module") + b"Q.",
        "a state given to a function": _file(
            _named("numpy.core.multiarray", "_reconstruct") + b"}" + _text("__code__") + b"Nsb"
        ),
        "the constructor of a subclass": _file(
            _calls(_named("numpy.core.multiarray", "_reconstruct"), _named("numpy", "matrix"), b"K\x00\x85", b"C\x01b")
        ),
        "find_class of its own": _file(_calls(_named("pickle", "loads"), b"C" + bytes([1]) + b".")),
    }
    return found


def big_claims() -> dict[str, bytes]:
    """Files of a few bytes that say that they hold more than any memory does."""
    array = pickle.dumps({"weight": np.ones(4, dtype=np.float32)}, 4)
    shape = array.index(b"K\x04\x85")
    large = b"\x8a\x06" + (10**12).to_bytes(6, "little")
    nested = io.BytesIO()
    nested.write(b"\x80\x04]\x94")
    for _ in range(60):  # each list holds the one before it ten times
        nested.write(b"](" + b"h\x00" * 10 + b"eq\x00")
    nested.write(b".")
    return {
        "a shape of 10^12": array[:shape] + large + b"\x85" + array[shape + 3 :],
        "a negative size": array[:shape] + b"J\xff\xff\xff\xff\x85" + array[shape + 3 :],
        "10^12 bytes": b"\x80\x04" + _calls(_named("builtins", "bytes"), large) + b".",
        "a memo of 2^32 entries": b"\x80\x04]r\xff\xff\xff\xff.",
        "a text of 2^62 characters": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",
        "lists in lists, 10^60 values": nested.getvalue(),
        "lists 100,000 deep": b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".",
        "a list in itself": b"\x80\x04]\x94h\x00a.",
        "a frame longer than the file": b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"}.",
    }
