"""Reading pickled arrays without running anything: what paddle.save writes, and no other object.

The few names that paddle.save writes stand for functions of this toolkit (see `pickle_machine`). Sizes that a file
declares are compared with its bytes before memory is taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

from ernie_toolkit.errors import ModelError
from ernie_toolkit.formats.pickle_machine import (
    CONTAINERS,
    BoundedStream,
    Dialect,
    ForeignNameError,
    PickleMachine,
    Rebuild,
    call_container,
    check_value,
)
from ernie_toolkit.formats.pickled_arrays import MALFORMED, MalformedError, call_array

_HEAD_BYTES = 16
_FORMATS = {
    b"PK": "a zip archive (PyTorch's format, or .npz)",
    b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46": "a file of PyTorch's old format",
    b"\x93NUMPY": "an array of numpy.save",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip file",
    b"version https:": "a pointer of Git LFS, whose file was not fetched",
}


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
        raise ForeignNameError("builtins.eval")
    return scope["data"]


_FUNCTIONS: dict[str, Callable[[str, tuple[Any, ...]], Any]] = {
    "_codecs.encode": _encoded,
    "builtins.eval": _named_data,
    "builtins.bytes": _no_bytes,
    **dict.fromkeys(CONTAINERS, call_container),
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
    dialect = Dialect(_FUNCTIONS, _WORDS, rebuild or {})
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            _check_format(stream.read(_HEAD_BYTES))
            stream.seek(0)
            value = PickleMachine(dialect).run(BoundedStream(stream, size))
            if stream.read(1):
                raise MalformedError("more bytes follow its end")
        check_value(value, kept, [max(size, 1)])
    except ForeignNameError as error:
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
