"""Which of several evaluations is the best: the one rule for checkpoints, pruned widths and trained INT8."""

from collections.abc import Mapping, Sequence


def rank(metrics: Mapping[str, float], metric: str, prefix: str = "") -> tuple[float, float]:
    """Return what evaluations are compared by, larger is better: the metric, then the lower loss.

    Of equal ranks the later step counts.

    Args:
        metrics: Holds `prefix + metric` and `prefix + "loss"`.
        metric: The metric's name.
        prefix: What stands before names in `metrics`.
    """
    value, loss = metrics[prefix + metric], metrics[prefix + "loss"]
    return (-value if metric == "loss" else value), -loss


def best_of(evaluations: Sequence[Mapping[str, float]], metric: str, prefix: str = "") -> int:
    """Return the index of the best evaluation.

    Args:
        evaluations: Metrics of each, in the order of their steps.
        metric: The metric's name.
        prefix: What stands before names in `evaluations`.
    """
    return max(range(len(evaluations)), key=lambda place: (rank(evaluations[place], metric, prefix), place))
