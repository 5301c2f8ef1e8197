"""Memory that a large request took is given back to the system."""

import gc

from ernie_toolkit.inference.memory import (
    M_ARENA_MAX,
    M_MMAP_THRESHOLD,
    M_TRIM_THRESHOLD,
    give_back_memory,
    glibc,
)

# Set, these keep the sizes that glibc would else raise with each large block that is freed: bodies and answers would
# then lie between small blocks, and what lies below a small one in use is not given back (mallopt(3)).
MMAPPED_BYTES = 1 << 20
ARENAS = 2
LARGE_BODY = 16 << 10
"""Bytes of a request's body from which on its memory is looked after."""


def tune_allocator() -> bool:
    """Have the C library return large blocks when they are freed; False where it is not glibc."""
    library = glibc()
    if library is None:
        return False
    settings = ((M_MMAP_THRESHOLD, MMAPPED_BYTES), (M_TRIM_THRESHOLD, MMAPPED_BYTES), (M_ARENA_MAX, ARENAS))
    return all(library.mallopt(name, value) for name, value in settings)


def give_back() -> None:
    """Return what is free to the system; takes milliseconds, so not in an event loop."""
    gc.collect()
    give_back_memory()
