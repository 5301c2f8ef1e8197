"""Differences between operating systems and Pythons, behind one interface."""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar, overload

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
_END = object()
# Linux' <fcntl.h> and <linux/fs.h>.
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
# A system or a file system that cannot: kernels before 3.15, some network file systems.
_CANNOT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def lock(handle: int, wait: bool = False) -> bool:
    """Lock an open file or directory until it is closed or the process ends.

    Where there are no locks (Windows, some network file systems) nobody ever has one: what is locked elsewhere is never
    taken for a leftover.

    Args:
        handle: File descriptor of the open file or directory.
        wait: Whether to wait until another process gives the lock up.

    Returns:
        Whether this process holds the lock.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names of one file system in one step.

    Args:
        one: A path that is there.
        other: Another one.

    Returns:
        Whether the system can do that; where it cannot, nothing was changed.

    Raises:
        OSError: Where it is possible here and failed all the same.
    """
    rename = _renameat2()
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _CANNOT:
        return False
    raise OSError(code, os.strerror(code), str(other))


def _renameat2() -> Any:
    """The system's call, glibc 2.28 and later; None where there is none."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
    except (OSError, TypeError):
        return None
    return getattr(library, "renameat2", None)


@overload
def strict_zip(first: Iterable[A], second: Iterable[B], /) -> Iterator[tuple[A, B]]: ...
@overload
def strict_zip(first: Iterable[A], second: Iterable[B], third: Iterable[C], /) -> Iterator[tuple[A, B, C]]: ...
@overload
def strict_zip(*columns: Iterable[Any]) -> Iterator[tuple[Any, ...]]: ...
def strict_zip(*columns: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    """Iterate over columns of one length in parallel.

    Raises:
        ValueError: Where one ends before the others.
    """
    if sys.version_info >= (3, 10):
        return zip(*columns, strict=True)
    return _checked(columns)


def _checked(columns: tuple[Iterable[Any], ...]) -> Iterator[tuple[Any, ...]]:
    for row in itertools.zip_longest(*columns, fillvalue=_END):
        if any(item is _END for item in row):
            raise ValueError("zip() arguments have different lengths")
        yield row
