"""The names of `ernie_toolkit.inference.label_sets`, for programs that import them from this folder."""

from __future__ import annotations

from ernie_toolkit.inference.label_sets import check_label_file, check_labels, evaluate, find_bundle, show

__all__ = ["check_label_file", "check_labels", "evaluate", "find_bundle", "show"]
