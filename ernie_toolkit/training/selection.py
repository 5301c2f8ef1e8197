"""Which of several evaluations is the best: the one rule for checkpoints, pruned widths and trained INT8."""

from collections.abc import Mapping, Sequence


def rank(metrics: Mapping[str, float], metric: str, prefix: str = "") -> tuple[float, float]:
    """Return what evaluations are compared by, larger is better: the metric, then the lower loss.

    `metrics` holds `prefix + metric` and `prefix + "loss"`. Of equal ranks the later step counts.
    """
    value, loss = metrics[prefix + metric], metrics[prefix + "loss"]
    return (-value if metric == "loss" else value), -loss


def best_of(evaluations: Sequence[Mapping[str, float]], metric: str, prefix: str = "") -> int:
    """Return the index of the best evaluation; `evaluations` are in the order of their steps."""
    return max(range(len(evaluations)), key=lambda place: (rank(evaluations[place], metric, prefix), place))
