"""Encoded rows with their labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ernie_toolkit.features import Features, pad_batch


@dataclass(frozen=True)
class EncodedDataset:
    """Model inputs of a data set's rows, with labels where there are any.

    `labels`: int64 of shape (rows,), or None. `pad_id`: the id that fills up a batch.
    """

    features: Sequence[Features]
    labels: np.ndarray | None
    pad_id: int

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, row: int) -> int:
        """The row's own number: `collate` builds a batch from numbers, without copying rows one by one."""
        return row

    def lengths(self) -> list[int]:
        """Tokens of each row."""
        return [len(item) for item in self.features]

    def collate(self, rows: Sequence[int]) -> dict[str, np.ndarray]:
        """The batch of these rows: `input_ids`, `token_type_ids`, and `labels` where the set has them."""
        batch = pad_batch([self.features[row] for row in rows], self.pad_id)
        if self.labels is not None:
            batch["labels"] = self.labels[np.asarray(rows)]
        return batch
