"""Which of several evaluations is the best: the one rule for checkpoints, pruned widths and trained INT8."""

from collections.abc import Mapping, Sequence


def rank(figures: Mapping[str, float], metric: str, prefix: str = "") -> tuple[float, float]:
    """What evaluations are compared by, the larger the better: the metric, and where it ties, the lower loss.

    `figures` holds `prefix + metric` and `prefix + "loss"`. Of equal ranks the later step counts.
    """
    value, loss = figures[prefix + metric], figures[prefix + "loss"]
    return (-value if metric == "loss" else value), -loss


def best_of(evaluations: Sequence[Mapping[str, float]], metric: str, prefix: str = "") -> int:
    """The place of the best of some evaluations, which are in the order of their steps."""
    return max(range(len(evaluations)), key=lambda place: (rank(evaluations[place], metric, prefix), place))
