"""Memory that a large request took is given back to the system."""

import ctypes
import functools
import time
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
TRIM_SECONDS = 1.0


def tune_allocator() -> bool:
    """Have the C library return large blocks when they are freed; False where it is not glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((MMAP_THRESHOLD, MMAPPED_BYTES), (TRIM_THRESHOLD, MMAPPED_BYTES), (ARENA_MAX, ARENAS))
    return all(mallopt(name, value) for name, value in settings)


class Trimmer:
    """Gives freed memory back, at most once in `TRIM_SECONDS`; nothing where the C library is not glibc."""

    def __init__(self) -> None:
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        self._last = time.monotonic()

    def __call__(self) -> None:
        """Give back what is free now; takes milliseconds, so not in an event loop."""
        now = time.monotonic()
        if self._trim is not None and now - self._last >= TRIM_SECONDS:
            self._last = now
            self._trim(0)


def steady_run(session: Any, names: Sequence[str]) -> Callable[[Mapping[str, np.ndarray]], Sequence[np.ndarray]]:
    """A `Run` (see inference.predictor) of an ONNX Runtime session whose arena shrinks after large batches."""
    import onnxruntime

    shrinking = onnxruntime.RunOptions()
    shrinking.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    run = functools.partial(session.run, list(names))

    def compute(batch: Mapping[str, np.ndarray]) -> Sequence[np.ndarray]:
        outputs: Sequence[np.ndarray] = run(dict(batch), shrinking if batch["input_ids"].size > KEPT_TOKENS else None)
        return outputs

    return compute
