"""Which of several evaluations is the best: the one rule for checkpoints, pruned widths and trained INT8."""

from collections.abc import Mapping, Sequence

import numpy as np


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


def is_best_yet(metrics: Mapping[str, float], history: Sequence[Mapping[str, float]], metric: str, name: str) -> bool:
    """Return whether one of several models that are trained together was never better before.

    Args:
        metrics: What it has now.
        history: Log entries, with its earlier metrics as "eval_<name>/<metric>".
        metric: The metric's name.
        name: Its name.
    """
    prefix, own = f"eval_{name}/", rank(metrics, metric)
    return all(own >= rank(entry, metric, prefix) for entry in history if prefix + "loss" in entry)


def joined_metrics(of_each: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return metrics of several models as "<name>/<metric>", and their means under the metrics' own names.

    Args:
        of_each: Metrics of each model by its name; those of single labels, which have a "/" themselves, are left out.
    """
    kept = {name: {key: value for key, value in own.items() if "/" not in key} for name, own in of_each.items()}
    found = {f"{name}/{key}": value for name, own in kept.items() for key, value in own.items()}
    for key in dict.fromkeys(key for own in kept.values() for key in own):
        found[key] = float(np.mean([own[key] for own in kept.values()]))
    return found
