"""The C library's memory: its settings where it is glibc, and giving back what is free."""

from __future__ import annotations

import ctypes
from typing import Any

# Parameters of `mallopt`, by their names in malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -3, -4, -8


def glibc() -> Any:
    """Return the C library of this process where it is glibc, else None."""
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
    except (OSError, TypeError):  # a Python that is linked to none, or Windows, where none has no name
        return None


def give_back_memory() -> None:
    """Give what is free back to the system; takes milliseconds, for gigabytes some tenths of a second."""
    library = glibc()
    if library is not None:
        library.malloc_trim(0)
