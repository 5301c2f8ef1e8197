"""The two files that hold a model's weights: `model_state.pdparams` for PaddleNLP, `model_state.safetensors` for here.

A `.pdparams` is a pickle, which Python would run; the other file cannot hold code. Both hold the same arrays: what
safetensors was written with is in its metadata, so that a `.pdparams` that somebody has replaced is noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ernie_toolkit.errors import ModelError
from ernie_toolkit.files import sha256_of
from ernie_toolkit.files.checksums import remembered_sha256
from ernie_toolkit.files.parsing import JsonError, decode_json

if TYPE_CHECKING:
    import numpy as np

WEIGHTS_FILE, SAFETENSORS_FILE = "model_state.pdparams", "model_state.safetensors"
SAFETENSORS_SUFFIX, TORCH_SUFFIX = ".safetensors", ".bin"
# Keys in the metadata of a safetensors file.
_WRITTEN_WITH, _TENSORS = "pdparams_sha256", "tensors_sha256"
_MAX_HEADER = 100_000_000  # as in the safetensors library
# Says which entries of a .pdparams are pieces of which array.
_PIECES = "UnpackBigParamInfor@@"


@dataclass(frozen=True)
class ModelWeights:
    """The weights of a model directory.

    Attributes:
        state: Arrays by name.
        path: The file that they were read from.
        notice: A line for the user, or empty.
    """

    state: dict[str, np.ndarray]
    path: Path
    notice: str = ""


def weights_file(directory: Path) -> Path | None:
    """Return the weights file of a model directory: the `.pdparams`, else the safetensors file, else None."""
    paths = (directory / name for name in (WEIGHTS_FILE, SAFETENSORS_FILE))
    return next((path for path in paths if path.is_file()), None)


def weights_sha256(path: Path) -> str:
    """Return the checksum that identifies a model's weights, that of its `.pdparams`; empty where it has none.

    Where only the safetensors file beside `path` is there, the checksum of the `.pdparams` that it was written with,
    and its own where it was written with none.
    """
    if path.is_file():
        return remembered_sha256(path)
    other = path.with_suffix(SAFETENSORS_SUFFIX)
    if not other.is_file():
        return ""
    return _metadata(other).get(_WRITTEN_WITH) or sha256_of(other)


def read_model_weights(directory: Path) -> ModelWeights:
    """Read the weights of a model directory, from safetensors where it matches the `.pdparams` beside it.

    Raises:
        ModelError: Where they cannot be read; it names the file and what is wrong with it.
    """
    paddle, safe = directory / WEIGHTS_FILE, directory / SAFETENSORS_FILE
    if not safe.is_file():
        return ModelWeights(read_weights_file(paddle), paddle)
    if paddle.is_file() and _metadata(safe).get(_WRITTEN_WITH) != remembered_sha256(paddle):
        notice = f"{paddle} is not the file that {SAFETENSORS_FILE} beside it was written with: {WEIGHTS_FILE} is read"
        return ModelWeights(read_weights_file(paddle), paddle, notice)
    return ModelWeights(read_weights_file(safe), safe)


def read_weights_file(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of a `.pdparams`, `.safetensors` or `.bin` file (PyTorch's) by name; nothing in the file is run.

    Raises:
        ModelError: Where it cannot be read; it names the file and what is wrong with it.
    """
    if path.suffix == SAFETENSORS_SUFFIX:
        return _read_safetensors(path)
    if path.suffix == TORCH_SUFFIX:
        from ernie_toolkit.formats.torch_files import read_torch_file

        return read_torch_file(path)
    from ernie_toolkit.formats.safe_pickle import load_pickle

    return _weights_of(load_pickle(path), path)


def as_float32(value: np.ndarray, name: str, path: Path) -> np.ndarray:
    """Return a weight as float32.

    uint16 stands for bfloat16, which NumPy does not have: Paddle writes it so.

    Args:
        value: Floating-point numbers of any shape.
        name: The weight's name, for messages.
        path: The file that it is from, for messages.

    Raises:
        ModelError: Where it holds no floating-point numbers.
    """
    import numpy as np

    from ernie_toolkit.formats.pickled_arrays import from_bfloat16

    if value.dtype == np.uint16:
        return from_bfloat16(value)
    if value.dtype.kind != "f":
        raise ModelError(f"{path}: weight '{name}' is of type {value.dtype}: save it as float32")
    return value.astype(np.float32, copy=False)


def save_safetensors(state: dict[str, np.ndarray], path: Path, metadata: dict[str, str]) -> None:
    """Write arrays to a safetensors file.

    Args:
        state: Arrays by name.
        path: The file.
        metadata: What its header says beside them.

    Raises:
        OSError: Where the system takes no more; the library itself says so in the text of an error of its own.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    try:
        save_file(state, str(path), metadata=metadata)
    except SafetensorError as error:
        found = re.search(r"\(os error (\d+)\)", str(error))
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1])), str(path)) from error


def write_safetensors(source: Path) -> Path:
    """Write the arrays of a `.pdparams` file to a safetensors file beside it, and return its path."""
    state = read_weights_file(source)
    target = source.with_suffix(SAFETENSORS_SUFFIX)
    about = {"format": "np", _WRITTEN_WITH: sha256_of(source), _TENSORS: _checksum(state)}
    save_safetensors(state, target, about)
    return target


def join_pieces(state: dict[Any, Any]) -> dict[Any, Any]:
    """Join the arrays of a state, which protocols 2 and 3 write in pieces where they are over 4 GB."""
    import numpy as np

    pieces = state.pop(_PIECES, None)
    if pieces is None:
        return state
    for name, place in pieces.items():
        state[name] = np.concatenate([state.pop(piece) for piece in place["slices"]]).reshape(place["OriginShape"])
    return state


def _weights_of(value: Any, path: Path) -> dict[str, np.ndarray]:
    """The arrays by name in what a `.pdparams` holds."""
    import numpy as np

    from ernie_toolkit.formats.pickled_arrays import MALFORMED

    if not isinstance(value, dict):
        raise ModelError(f"{path}: no weights by name in it, but a {type(value).__name__}: give a model's weights")
    try:
        whole = join_pieces(dict(value))
    except (*MALFORMED, AttributeError) as error:
        raise ModelError(f"{path}: its pieces of arrays do not fit ({error!r:.100}): copy it again") from None
    # A tensor of Paddle is a tuple of its name and its array.
    named = {name: item[1] if isinstance(item, tuple) and len(item) == 2 else item for name, item in whole.items()}
    state = {name: item for name, item in named.items() if isinstance(item, np.ndarray) and isinstance(name, str)}
    if not state:
        raise ModelError(f"{path}: no array in it: give a model's weights")
    return state


def _checksum(state: dict[str, np.ndarray]) -> str:
    """SHA-256 of arrays and their names, in the order of the names."""
    import numpy as np

    digest = hashlib.sha256()
    for name in sorted(state):
        array = np.ascontiguousarray(state[name])
        digest.update(json.dumps([name, array.dtype.str, list(state[name].shape)]).encode())
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()


def _broken(path: Path, reason: object) -> ModelError:
    text = " ".join(str(reason).split())
    return ModelError(
        f"{path}: not a safetensors file that can be read ({text:.160}): copy it again, or delete it where "
        f"{WEIGHTS_FILE} is there"
    )


def _metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file; needs nothing but the standard library."""
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= min(_MAX_HEADER, path.stat().st_size - 8):
                raise _broken(path, "its header is longer than the file")
            header = decode_json(stream.read(length))
    except OSError as error:
        raise _broken(path, error.strerror or error) from None
    except JsonError as error:
        raise _broken(path, f"its header is no JSON: {error}") from None
    found = header.get("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(found, dict):
        raise _broken(path, "its header is no JSON object")
    return {str(key): str(value) for key, value in found.items()}


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    expected = _metadata(path).get(_TENSORS)
    try:
        state: dict[str, np.ndarray] = load_file(str(path))
        if any(value.dtype.name == "bfloat16" for value in state.values()):
            # ml_dtypes, which other packages import, gives NumPy the type; what computes here does not know it.
            state = _read_with_bfloat16(path, TypeError("bfloat16"))
    except OSError as error:
        raise _broken(path, error.strerror or error) from None
    except SafetensorError as error:
        raise _broken(path, error) from None
    except (TypeError, AttributeError) as error:  # of a type that NumPy does not have
        state = _read_with_bfloat16(path, error)
    if expected is not None and expected != _checksum(state):
        raise _broken(path, "its tensors are not those that were written: sha256 differs")
    if not state:
        raise ModelError(f"{path}: no array in it: give a model's weights")
    return state


def _read_with_bfloat16(path: Path, problem: Exception) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, bfloat16 as float32. `problem`: what NumPy says of its types."""
    import numpy as np
    from safetensors import deserialize

    from ernie_toolkit.formats.pickled_arrays import from_bfloat16

    state = {}
    for name, item in deserialize(path.read_bytes()):
        kind = {"BF16": "<u2", "F16": "<f2", "F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4"}.get(item["dtype"])
        if kind is None:
            raise ModelError(f"{path}: {problem}: save its tensors as float32") from None
        array = np.frombuffer(item["data"], kind).reshape(item["shape"])
        state[name] = from_bfloat16(array) if item["dtype"] == "BF16" else array
    return state
