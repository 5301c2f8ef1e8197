"""Rows of a text and any number of labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from ernie_toolkit.data.forms.columns import ColumnsForm
from ernie_toolkit.data.readers import Example


class LabelSetsForm(ColumnsForm):
    """Data directories of multi-label classification, which `label_sets.load_label_sets` reads."""

    label_field: ClassVar[str | None] = "labels"

    def counts(self, examples: Sequence[Example]) -> Counter[str | None]:
        """Rows by each of their labels."""
        counts: Counter[str | None] = Counter()
        for example in examples:
            counts.update(example["labels"] or [None])
        return counts
