"""Which rows go into which batch: by length, so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Rows are sorted by length within pools of this many batches: enough for batches of nearly one length,
# few enough that which rows meet in a batch still changes from epoch to epoch.
POOL_BATCHES = 64


def batches_by_length(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Row indices in batches of similar lengths, longest rows first; for inference, where order is free.

    The longest come first so that a batch too large for the memory fails at once and not at the end.

    Args:
        lengths: Tokens of each row.
        batch_size: Rows of a batch at most.

    Raises:
        ValueError: On a `batch_size` below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: it must be at least 1")
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable").tolist()
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def shuffled_batches_by_length(
    lengths: Sequence[int], batch_size: int, seed: int, epoch: int, world_size: int = 1
) -> list[list[int]]:
    """Shuffled batches of rows of similar length for one training epoch.

    Rows are shuffled, cut into pools, sorted by length within a pool, cut into batches, and the batches shuffled. A
    batch of the result holds the rows of all `world_size` processes for one step (process r takes every world_size-th
    row from the r-th on); with several processes the last one is filled up from the first rows drawn, so that each has
    the same number. The same arguments give the same batches.

    Args:
        lengths: Tokens of each row.
        batch_size: Rows of a batch of one process.
        seed: The seed of the whole run.
        epoch: The epoch's number; each has an order of its own.
        world_size: The number of processes.

    Returns:
        Row indices, in batches of `batch_size * world_size` at most.

    Raises:
        ValueError: On a `batch_size` below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: it must be at least 1")
    sizes = np.asarray(lengths, dtype=np.int64)
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(sizes))
    step_rows = batch_size * world_size
    if world_size > 1 and len(order) % step_rows:
        order = np.concatenate([order, np.resize(order, step_rows - len(order) % step_rows)])
    pool_rows = step_rows * POOL_BATCHES
    batches: list[list[int]] = []
    for start in range(0, len(order), pool_rows):
        pool = order[start : start + pool_rows]
        pool = pool[np.argsort(sizes[pool], kind="stable")]
        batches += [pool[at : at + step_rows].tolist() for at in range(0, len(pool), step_rows)]
    return [batches[i] for i in generator.permutation(len(batches))]
