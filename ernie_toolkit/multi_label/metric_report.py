"""Metrics of a multi-label model over batches, with the calls of PaddleNLP's `MetricReport`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.decoding import label_sets
from ernie_toolkit.decoding.label_sets import THRESHOLD
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.metrics import label_set_scores


class MetricReport:
    """Micro and macro F1, and a report of each label, of the probabilities and labels of some batches.

    The macro average is over the labels that occur in the labels or in the predictions (see `label_set_scores`).

    Example:
        >>> metric = MetricReport()
        >>> metric.update(np.array([[0.9, 0.2], [0.3, 0.8]]), np.array([[1, 0], [0, 1]]))
        >>> metric.accumulate()
        (1.0, 1.0)

    Args:
        name: What the method `name` returns.
        thresholds: What the probability of a label has to be above, from 0 to 1; one for all labels, or one for each.
        names: The labels' names for `report`, in the order of the columns; empty: their numbers.

    Raises:
        ConfigError: On a threshold that is not from 0 to 1.
    """

    def __init__(
        self, name: str = "MetricReport", thresholds: Sequence[float] | float = THRESHOLD, names: Sequence[str] = ()
    ) -> None:
        """A report of no batches."""
        values = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
        if not ((values >= 0) & (values <= 1)).all():
            raise ConfigError(f"thresholds is {thresholds}: each must lie between 0 and 1")
        self._name, self._thresholds, self._names = name, values, tuple(names)
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self._probabilities: list[np.ndarray] = []
        self._labels: list[np.ndarray] = []

    def update(self, probs: Any, labels: Any) -> None:
        """Add a batch.

        Args:
            probs: Probabilities, float of shape (rows, labels); a Paddle tensor or what NumPy reads.
            labels: 0 or 1 of the same shape.

        Raises:
            DataError: Where the shapes differ from each other, or from those of earlier batches, of `thresholds` or of
                `names`, and where a label is neither 0 nor 1.
        """
        probabilities, gold = np.asarray(probs, dtype=np.float64), np.asarray(labels)
        if probabilities.ndim != 2 or probabilities.shape != gold.shape:
            raise DataError(
                f"probs has the shape {probabilities.shape} and labels {gold.shape}: give both as (rows, labels)"
            )
        known = {len(self._thresholds)} - {1} | ({len(self._names)} if self._names else set())
        known |= {array.shape[1] for array in self._labels[:1]}
        if known - {gold.shape[1]}:
            raise DataError(f"a batch of {gold.shape[1]} labels, where {sorted(known)[0]} are expected")
        if not np.isin(gold, (0, 1)).all():
            raise DataError("labels holds other values than 0 and 1: give one column for each label")
        self._probabilities.append(probabilities)
        self._labels.append(gold.astype(bool))

    def accumulate(self) -> tuple[float, float]:
        """Micro and macro F1 of all batches, each from 0 to 1.

        Raises:
            DataError: Where there is no row.
        """
        total, _ = self._scores()
        return total["micro_f1"], total["macro_f1"]

    def report(self) -> str:
        """A line for each label with its precision, recall, F1 and number of rows, then the two averages.

        Raises:
            DataError: Where there is no row.
        """
        total, labels = self._scores()
        names = self._names or tuple(map(str, range(len(labels["f1"]))))
        keys = ("precision", "recall", "f1")
        rows = [
            (name, *values, int(support))
            for name, *values, support in strict_zip(names, *(labels[key] for key in keys), labels["support"])
        ]
        count = int(labels["support"].sum())
        rows += [(f"{kind} avg", *(total[f"{kind}_{key}"] for key in keys), count) for kind in ("micro", "macro")]
        lines = [f"{'precision':>10} {'recall':>10} {'f1':>10} {'rows':>8}  label"]
        lines += [f"{row[1]:>10.4f} {row[2]:>10.4f} {row[3]:>10.4f} {row[4]:>8}  {row[0]}" for row in rows]
        return "\n".join(lines) + "\n"

    def name(self) -> str:
        """The name of the metric."""
        return self._name

    def _scores(self) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        if not sum(map(len, self._labels)):
            raise DataError("no rows: call update before accumulate and report")
        probabilities = np.concatenate(self._probabilities)
        thresholds = np.broadcast_to(self._thresholds, probabilities.shape[1:])
        return label_set_scores(np.concatenate(self._labels), label_sets(probabilities, thresholds.tolist()))
