"""Metrics of the tasks, on plain values; all are shares between 0 and 1."""

from __future__ import annotations

from ernie_toolkit.metrics.classification import accuracy
from ernie_toolkit.metrics.entities import Scores, entity_scores
from ernie_toolkit.metrics.label_sets import label_set_scores
from ernie_toolkit.metrics.reading import exact_match, overlap_f1, reading_scores

__all__ = ["Scores", "accuracy", "entity_scores", "exact_match", "label_set_scores", "overlap_f1", "reading_scores"]
