"""Encoded rows: batches of them, and what a model answers for them, whichever runtime computes it."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Dict

import numpy as np

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.text.batching import batches_by_length
from ernie_toolkit.text.features import Features, pad_batch

# Positions with this target take no part in the loss (Paddle's and PyTorch's default).
IGNORED = -100
Batch = Dict[str, np.ndarray]
Outputs = typing.Sequence[np.ndarray]
"""Logits of each row, float32: (classes,) for a label, (tokens, classes) for tags, (2, tokens) for start and end.

Padding is cut away. Labels of all rows come as one array of shape (rows, classes).
"""


@dataclass(frozen=True)
class EncodedDataset:
    """Model inputs of some rows, with training targets where there are any.

    Attributes:
        features: The sequence of each row.
        pad_id: The id that fills up a batch.
        targets: Argument of the model's forward (`labels`, `start_positions`, ...) to one array of shape (rows,) or
            (rows, classes), or to an int64 array of shape (tokens,) for each row; empty for rows to predict.
        cut_rows: How many rows lost tokens at the maximum length, None where texts are read in windows.
    """

    features: Sequence[Features]
    pad_id: int
    targets: Mapping[str, Sequence[np.ndarray] | np.ndarray] = field(default_factory=dict)
    cut_rows: int | None = None

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, row: int) -> int:
        """The row's own number: `collate` builds a batch from numbers, without copying rows one by one."""
        return row

    def lengths(self) -> list[int]:
        """Tokens of each row."""
        return [len(item) for item in self.features]

    def ungrouped(self) -> EncodedDataset:
        """The rows one by one, whatever is drawn together (see `GroupedDataset`)."""
        return self

    def subset(self, rows: Sequence[int]) -> EncodedDataset:
        """Some of the rows, with their targets."""
        targets = {
            name: values[np.asarray(rows, dtype=np.int64)]
            if isinstance(values, np.ndarray)
            else [values[row] for row in rows]
            for name, values in self.targets.items()
        }
        return EncodedDataset([self.features[row] for row in rows], self.pad_id, targets)

    def collate(self, rows: Sequence[int]) -> Batch:
        """The batch of these rows: `input_ids`, `token_type_ids`, and the targets, padded with `IGNORED`."""
        batch = pad_batch([self.features[row] for row in rows], self.pad_id)
        for name, values in self.targets.items():
            if isinstance(values, np.ndarray):
                batch[name] = values[np.asarray(rows)]
                continue
            batch[name] = np.full(batch["input_ids"].shape, IGNORED, dtype=np.int64)
            for place, row in enumerate(rows):
                batch[name][place, : len(values[row])] = values[row]
        return batch


@dataclass(frozen=True)
class GroupedDataset(EncodedDataset):
    """Rows to train on that belong together: what is counted, shuffled and drawn is a group, never a part of one.

    Attributes:
        groups: The numbers of each group's rows.
    """

    groups: Sequence[Sequence[int]] = ()

    def __len__(self) -> int:
        return len(self.groups)

    def lengths(self) -> list[int]:
        """Tokens of the longest row of each group."""
        lengths = super().lengths()
        return [max(lengths[row] for row in group) for group in self.groups]

    def subset(self, rows: Sequence[int]) -> EncodedDataset:
        """Some of the groups, with their targets."""
        groups, place = [], 0
        for group in rows:
            groups.append(range(place, place + len(self.groups[group])))
            place += len(self.groups[group])
        part = super().subset(self._rows(rows))
        return GroupedDataset(part.features, part.pad_id, part.targets, groups=groups)

    def collate(self, rows: Sequence[int]) -> Batch:
        """The batch of all rows of these groups."""
        return super().collate(self._rows(rows))

    def ungrouped(self) -> EncodedDataset:
        """The same rows, each by itself."""
        return EncodedDataset(self.features, self.pad_id, self.targets, self.cut_rows)

    def _rows(self, groups: Sequence[int]) -> list[int]:
        return [row for group in groups for row in self.groups[group]]


def row_logits(outputs: Sequence[np.ndarray], lengths: Sequence[int]) -> list[np.ndarray]:
    """Split a batch's outputs into the logits of each row, without padding (see `Outputs`).

    Args:
        outputs: One array of shape (batch_size, classes) or (batch_size, tokens, classes), or two of shape (batch_size,
            tokens).
        lengths: Tokens of each row.
    """
    arrays = [np.asarray(output, dtype=np.float32) for output in outputs]
    if len(arrays) == 2:
        both = np.stack(arrays, axis=1)
        return [both[row, :, :length].copy() for row, length in enumerate(lengths)]
    (logits,) = arrays
    if logits.ndim == 2:
        return list(logits)
    return [logits[row, :length].copy() for row, length in enumerate(lengths)]


def in_order(parts: Mapping[int, np.ndarray], rows: int) -> Outputs:
    """The logits of all rows in the rows' own order; those of labels as one array.

    Args:
        parts: Logits by row number.
        rows: The number of rows.
    """
    ordered = [parts[row] for row in range(rows)]
    return np.stack(ordered) if ordered and ordered[0].ndim == 1 else ordered


def run_share(
    dataset: EncodedDataset,
    batch_size: int,
    stream: Callable[[Iterable[Batch]], Iterable[Sequence[np.ndarray]]],
    rank: int = 0,
    world_size: int = 1,
    length_step: int = 1,
    longest: int | None = None,
) -> dict[int, np.ndarray]:
    """The logits of the rows that one of several processes computes, by row number, in batches by length.

    Args:
        dataset: The rows of all processes.
        batch_size: Rows that are computed at once.
        stream: Gets batches, `input_ids` and `token_type_ids`, int64 of shape (batch_size, tokens), and returns the
            model's outputs for each in their order, as `row_logits` takes them.
        rank: The process's number, from 0.
        world_size: The number of processes.
        length_step: Batches are padded to a multiple of this many tokens.
        longest: But to no more tokens than these.
    """
    lengths = dataset.lengths()
    groups = batches_by_length(lengths, batch_size)[rank::world_size]

    def padded(rows: Sequence[int]) -> Batch:
        needed = max(lengths[row] for row in rows)
        length = -(-needed // length_step) * length_step
        length = max(needed, length if longest is None else min(length, longest))
        return pad_batch([dataset.features[row] for row in rows], dataset.pad_id, length)

    parts: dict[int, np.ndarray] = {}
    for rows, outputs in strict_zip(groups, stream(map(padded, groups))):
        parts.update(strict_zip(rows, row_logits(outputs, [lengths[row] for row in rows])))
    return parts


def run_rows(dataset: EncodedDataset, batch_size: int, compute: Callable[[Batch], Sequence[np.ndarray]]) -> Outputs:
    """The logits of all rows in their own order.

    Args:
        dataset: The rows.
        batch_size: Rows that are computed at once.
        compute: Computes one batch (see `run_share`).
    """
    return in_order(run_share(dataset, batch_size, partial(map, compute)), len(dataset))
