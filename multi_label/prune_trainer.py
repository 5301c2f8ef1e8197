"""The names of `ernie_toolkit.multi_label.pruning`, for programs that import them from this folder."""

from ernie_toolkit.multi_label.pruning import guide_name, prune_trained

__all__ = ["guide_name", "prune_trained"]
