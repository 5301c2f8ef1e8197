"""Data sets: `load_dataset` finds and reads one.

What they are (`registry`), how their files are read (`readers`, `tagged`, `squad`, `custom`), where they come from
(`official`, `sample`), and the one call that does it all (`loading`).
"""

from __future__ import annotations

from ernie_toolkit.data.custom import read_custom, read_labels
from ernie_toolkit.data.custom_spec import custom_spec
from ernie_toolkit.data.examples import make_dataset
from ernie_toolkit.data.loading import DataSet, load_dataset
from ernie_toolkit.data.readers import Example, read_clue_jsonl
from ernie_toolkit.data.registry import CUSTOM, DATASETS, SPLITS, DatasetSpec, Split, get_spec
from ernie_toolkit.data.squad import read_squad
from ernie_toolkit.data.tagged import read_tagged

__all__ = [
    "CUSTOM",
    "DATASETS",
    "SPLITS",
    "DataSet",
    "DatasetSpec",
    "Example",
    "Split",
    "custom_spec",
    "get_spec",
    "load_dataset",
    "make_dataset",
    "read_clue_jsonl",
    "read_custom",
    "read_labels",
    "read_squad",
    "read_tagged",
]
