"""What the sample's grammars share: drawing from lists, filling templates, rows that never repeat."""

from __future__ import annotations

import random
import typing
from collections.abc import Callable, Sequence
from typing import Any, Dict, TypeVar

T = TypeVar("T")
Row = Dict[str, Any]
Sizes = typing.Mapping[str, int]


class Draw:
    """Random choices from a seed.

    Only `random()` of Python's generator is used: its sequence of numbers is the one thing about it that Python
    promises to keep, so the sample is the same on every version.
    """

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed).random

    def below(self, count: int) -> int:
        """A whole number from 0 to count - 1."""
        return int(self._random() * count)

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self._random() < probability

    def choice(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.below(len(items))]

    def other(self, items: Sequence[T], but: T) -> T:
        """One of the items that is not `but`."""
        return self.choice([item for item in items if item != but])

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """`count` different items, in random order."""
        pool = list(items)
        return [pool.pop(self.below(len(pool))) for _ in range(count)]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All the items, in random order."""
        return self.sample(items, len(items))


def draw_splits(
    make: Callable[[int], Row], sizes: Sizes, key: Callable[[Row], Any], tries: int = 200
) -> dict[str, list[Row]]:
    """Draw the rows of every split so that no two rows of any split have the same key.

    `make` gets the row's index in its split, by which it balances labels. Raises RuntimeError where the
    grammar is too small for the sizes.
    """
    seen: set[Any] = set()
    splits: dict[str, list[Row]] = {}
    for split, size in sizes.items():
        rows = splits.setdefault(split, [])
        for index in range(size):
            for _ in range(tries):
                row = make(index)
                if key(row) not in seen:
                    break
            else:
                raise RuntimeError(f"the grammar has too few sentences for {size} {split} rows")
            seen.add(key(row))
            rows.append(row)
    return splits
