"""Batches by length: every row once, little padding, the same order for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_toolkit.text.batching import batches_by_length, shuffled_batches_by_length

LENGTHS = st.lists(st.integers(2, 512), max_size=300)


@given(LENGTHS, st.integers(1, 40))
def test_inference_batches_hold_every_row_once(lengths: list[int], batch_size: int) -> None:
    batches = batches_by_length(lengths, batch_size)
    rows = [row for batch in batches for row in batch]
    assert sorted(rows) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= batch_size for batch in batches)
    assert [lengths[row] for row in rows] == sorted(lengths, reverse=True)


@given(LENGTHS, st.integers(1, 16), st.integers(0, 5), st.integers(0, 9), st.integers(1, 3))
def test_training_batches_hold_every_row(lengths: list[int], size: int, seed: int, epoch: int, world: int) -> None:
    batches = shuffled_batches_by_length(lengths, size, seed, epoch, world)
    assert batches == shuffled_batches_by_length(lengths, size, seed, epoch, world)
    assert {row for batch in batches for row in batch} == set(range(len(lengths)))
    assert len(batches) == -(-len(lengths) // (size * world))
    if world == 1:
        assert sum(map(len, batches)) == len(lengths)
    else:
        assert all(len(batch) == size * world for batch in batches)


def test_epochs_differ_and_padding_is_small() -> None:
    lengths = np.random.default_rng(0).integers(5, 128, size=4000)
    first, second = (shuffled_batches_by_length(lengths, 32, 42, epoch) for epoch in (0, 1))
    assert first != second
    padded = sum(len(batch) * max(lengths[row] for row in batch) for batch in first)
    assert padded / lengths.sum() < 1.05


def test_a_batch_needs_a_row() -> None:
    with pytest.raises(ValueError, match="batch_size is 0"):
        batches_by_length([3], 0)
    with pytest.raises(ValueError, match="batch_size is 0"):
        shuffled_batches_by_length([3], 0, 0, 0)
