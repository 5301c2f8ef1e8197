"""Loading what paddle.save wrote without running it, for PaddleNLP too, which calls paddle.load on its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ernie_toolkit.errors import ModelError
from ernie_toolkit.formats.pickled_arrays import MALFORMED, MalformedError
from ernie_toolkit.formats.safe_pickle import load_pickle
from ernie_toolkit.formats.weights import join_pieces

# A state of Paddle's random generators; its content is the text of a Mersenne twister, character by character.
GENERATOR_STATE = "paddle.base.libpaddle.GeneratorState"
_STATE_CHARACTERS = frozenset(b"0123456789 ")
# The entry of a state in which Paddle 2.0 and later keep the names that an optimizer knows parameters by.
_NAME_TABLE = "StructuredToParameterName@@"


def _generator_state(state: Any) -> Any:
    from paddle.base.core import GeneratorState

    if type(state) is not tuple or len(state) != 4 or type(state[3]) is not list:
        raise MalformedError("the state of a random generator is not of device, seed, offset and engine")
    numbers, engine = state[:3], state[3]
    if any(type(number) is not int for number in numbers) or not _STATE_CHARACTERS.issuperset(engine):
        raise MalformedError("the state of a random generator holds something else than numbers")
    made = GeneratorState.__new__(GeneratorState)
    made.__setstate__(state)
    return made


def _is_named(value: Any) -> bool:
    """Whether a value is a tensor as Paddle 2.1 and later write it: its name and its array."""
    pair = isinstance(value, tuple) and len(value) == 2
    return pair and isinstance(value[0], str) and isinstance(value[1], np.ndarray)


def _any_named(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_any_named, value.values()))
    return _is_named(value) or (isinstance(value, (list, tuple)) and any(map(_any_named, value)))


def _tensor(array: np.ndarray, name: str = "") -> Any:
    import paddle

    tensor = paddle.to_tensor(array)
    if name:
        tensor.name = name
    return tensor


def _converted(value: Any, named: bool, return_numpy: bool) -> Any:
    """A value with its tensors made: those with a name where any of them has one, else of every array."""
    if _is_named(value):
        return value[1] if return_numpy else _tensor(value[1], value[0])
    if isinstance(value, np.ndarray):
        return value if named or return_numpy else _tensor(value)
    if isinstance(value, dict):
        return type(value)((key, _converted(item, named, return_numpy)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return type(value)(_converted(item, named, return_numpy) for item in value)
    return value


def load_paddle_file(path: Any, return_numpy: bool = False) -> Any:
    """As paddle.load of a file, but of arrays, numbers, texts, their containers and random generators' states alone.

    Args:
        path: The file.
        return_numpy: Whether tensors come as numpy arrays.

    Raises:
        ModelError: Where it holds anything else (see `load_pickle`).
    """
    from paddle.base.core import GeneratorState

    value = load_pickle(Path(path), {GENERATOR_STATE: _generator_state}, (GeneratorState,))
    if not isinstance(value, dict):
        return _converted(value, _any_named(value), return_numpy)
    try:
        state = join_pieces(value)
        names = state.pop(_NAME_TABLE, None)
        if names is None:
            return _converted(state, _any_named(state), return_numpy)
        if not return_numpy:
            state.update(
                {key: _tensor(state[key], name) for key, name in names.items() if isinstance(state[key], np.ndarray)}
            )
    except (*MALFORMED, AttributeError) as error:
        raise ModelError(f"{path}: its entries do not fit each other ({error!r:.100}): copy it again") from None
    return state


@contextmanager
def safe_paddle_load() -> Iterator[None]:
    """Let PaddleNLP load files by `load_paddle_file` within a block, wherever it calls paddle.load."""
    import paddle

    before = paddle.load
    paddle.load = load_paddle_file
    try:
        yield
    finally:
        paddle.load = before
