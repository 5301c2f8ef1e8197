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
        """One of the items that is not `but`.

        Args:
            items: The items.
            but: One that may not come.
        """
        return self.choice([item for item in items if item != but])

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """Different items, in random order.

        Args:
            items: The items.
            count: How many are taken.
        """
        pool = list(items)
        return [pool.pop(self.below(len(pool))) for _ in range(count)]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All the items, in random order."""
        return self.sample(items, len(items))


def draw_splits(
    make: Callable[[int], Row], sizes: Sizes, key: Callable[[Row], Any], tries: int = 200
) -> dict[str, list[Row]]:
    """Draw the rows of every split so that no two rows of any split have the same key.

    Args:
        make: Makes a row; it gets the row's index in its split, by which it balances labels.
        sizes: The number of rows of each split.
        key: What must differ between rows.
        tries: How often a row is drawn again.

    Raises:
        RuntimeError: Where the grammar is too small for the sizes.
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
