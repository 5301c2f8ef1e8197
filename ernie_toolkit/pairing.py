"""`zip(..., strict=True)` for the Pythons before 3.10 that some deployments run on."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, overload

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
_END = object()


@overload
def strict_zip(first: Iterable[A], second: Iterable[B], /) -> Iterator[tuple[A, B]]: ...
@overload
def strict_zip(first: Iterable[A], second: Iterable[B], third: Iterable[C], /) -> Iterator[tuple[A, B, C]]: ...
@overload
def strict_zip(*columns: Iterable[Any]) -> Iterator[tuple[Any, ...]]: ...
def strict_zip(*columns: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    """Rows of columns of one length; ValueError where a column ends before the others."""
    if sys.version_info >= (3, 10):
        return zip(*columns, strict=True)
    return _checked(columns)


def _checked(columns: tuple[Iterable[Any], ...]) -> Iterator[tuple[Any, ...]]:
    for row in itertools.zip_longest(*columns, fillvalue=_END):
        if any(item is _END for item in row):
            raise ValueError("zip() arguments have different lengths")
        yield row
