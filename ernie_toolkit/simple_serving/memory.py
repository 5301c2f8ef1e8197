"""Memory that a large request took is given back to the system."""

import ctypes
import functools
import gc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

# Set, these keep the sizes that glibc would else raise with each large block that is freed: bodies and answers would
# then lie between small blocks, and what lies below a small one in use is not given back (mallopt(3)).
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
MMAPPED_BYTES = 1 << 20
ARENAS = 2
# A batch with more tokens gives its memory back when it is computed; those below keep theirs, which is faster.
KEPT_TOKENS = 2048
LARGE_BODY = 16 << 10
"""Bytes of a request's body from which on its memory is looked after."""


def tune_allocator() -> bool:
    """Have the C library return large blocks when they are freed; False where it is not glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((MMAP_THRESHOLD, MMAPPED_BYTES), (TRIM_THRESHOLD, MMAPPED_BYTES), (ARENA_MAX, ARENAS))
    return all(mallopt(name, value) for name, value in settings)


def give_back() -> None:
    """Return what is free to the system; takes milliseconds, so not in an event loop."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # glibc's alone
        trim(0)


def steady_run(session: Any, names: Sequence[str]) -> Callable[[Mapping[str, np.ndarray]], Sequence[np.ndarray]]:
    """A `Run` (see inference.predictor) of an ONNX Runtime session whose arena shrinks after large batches.

    Args:
        session: The session.
        names: The outputs that are computed, in order.
    """
    import onnxruntime

    shrinking = onnxruntime.RunOptions()
    shrinking.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    run = functools.partial(session.run, list(names))

    def compute(batch: Mapping[str, np.ndarray]) -> Sequence[np.ndarray]:
        outputs: Sequence[np.ndarray] = run(dict(batch), shrinking if batch["input_ids"].size > KEPT_TOKENS else None)
        return outputs

    return compute
