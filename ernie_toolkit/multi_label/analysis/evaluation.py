"""How a model answers on train and dev: metrics of each label, wrong rows, thresholds, labels taken for others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ernie_toolkit.data import DataSet
from ernie_toolkit.decoding import label_sets
from ernie_toolkit.metrics import label_set_scores

if TYPE_CHECKING:
    from ernie_toolkit.multi_label.trained import TrainedModel

CURVE_POINTS = 101


@dataclass(frozen=True)
class SplitResult:
    """What a model says of a split.

    Attributes:
        texts: In the file's order.
        gold: Bool of shape (rows, classes).
        probabilities: Float64 of the same shape.
        predicted: Bool of the same shape.
        total: Metrics of all rows (see `label_set_scores`).
        labels: Metrics of each label (see `label_set_scores`).
    """

    texts: tuple[str, ...]
    gold: np.ndarray
    probabilities: np.ndarray
    predicted: np.ndarray
    total: dict[str, float]
    labels: dict[str, np.ndarray]


@dataclass(frozen=True)
class Evaluation:
    """A model's answers on train and dev.

    Attributes:
        names: The labels, in the order of the classes.
        thresholds: What the probability of each has to be above.
        train: The answers on the train rows.
        dev: The answers on the dev rows.
    """

    names: tuple[str, ...]
    thresholds: tuple[float, ...]
    train: SplitResult
    dev: SplitResult


@dataclass(frozen=True)
class BadCase:
    """A row whose answer is wrong; labels are given as places among the classes.

    Attributes:
        row: Its place in the split, from 0.
        text: Its text.
        gold: The labels that it has.
        predicted: The labels that the model gives it.
        missed: Those of `gold` that the model does not give.
        surplus: Those of `predicted` that it does not have.
        worst: How sure the model was of its worst mistake, from 0 to 1: the largest distance of a wrong decision's
            probability from its label's threshold.
    """

    row: int
    text: str
    gold: tuple[int, ...]
    predicted: tuple[int, ...]
    missed: tuple[int, ...]
    surplus: tuple[int, ...]
    worst: float


def split_result(
    texts: Sequence[str], gold: np.ndarray, probabilities: np.ndarray, thresholds: Sequence[float]
) -> SplitResult:
    """Metrics of a split at some thresholds.

    Args:
        texts: In the file's order.
        gold: Bool of shape (rows, classes).
        probabilities: Float of the same shape.
        thresholds: One for each class.
    """
    predicted = label_sets(probabilities, thresholds)
    total, labels = label_set_scores(gold, predicted)
    return SplitResult(tuple(texts), gold, probabilities, predicted, total, labels)


def evaluate(trained: "TrainedModel", data: DataSet, batch_size: int) -> Evaluation:
    """A model's answers on the train and dev rows of a data set, at the model's thresholds.

    Args:
        trained: The model.
        data: Train and dev rows.
        batch_size: Rows that are computed at once.
    """
    thresholds = trained.task.used_thresholds
    results = []
    for rows in (data.split("train"), data.split("dev")):
        texts = [row["sentence"] for row in rows]
        probabilities = trained.probabilities(texts, batch_size)
        results.append(split_result(texts, trained.task.gold(rows), probabilities, thresholds))
    return Evaluation(trained.task.labels, tuple(thresholds), *results)


def bad_cases(result: SplitResult, thresholds: Sequence[float]) -> list[BadCase]:
    """The rows whose set of labels is not the gold one, in their order.

    Args:
        result: The answers on a split.
        thresholds: One for each class, those of the answers.
    """
    found = []
    distance = np.abs(result.probabilities - np.asarray(thresholds))
    for row in np.flatnonzero((result.gold != result.predicted).any(axis=1)).tolist():
        gold, predicted = result.gold[row], result.predicted[row]
        worst = float(distance[row][gold != predicted].max())
        found.append(
            BadCase(
                row,
                result.texts[row],
                _places(gold),
                _places(predicted),
                _places(gold & ~predicted),
                _places(predicted & ~gold),
                worst,
            )
        )
    return found


def _places(mask: np.ndarray) -> tuple[int, ...]:
    return tuple(np.flatnonzero(mask).tolist())


def co_occurrence(gold: np.ndarray) -> np.ndarray:
    """Rows that have both labels: int64 of shape (classes, classes), a label's own count on the diagonal."""
    table = gold.astype(np.int64)
    return table.T @ table


def confusion(gold: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Labels given in place of others: int64 of shape (classes, classes).

    Row i, column j counts the rows where label i is gold and was missed, and label j was given and is not gold. The
    diagonal is 0.

    Args:
        gold: Bool of shape (rows, classes).
        predicted: Bool of the same shape.
    """
    missed, surplus = (gold & ~predicted).astype(np.int64), (predicted & ~gold).astype(np.int64)
    return missed.T @ surplus


def threshold_curve(gold: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics at thresholds from 0 to 1, the same for all labels.

    Args:
        gold: Bool of shape (rows, classes).
        probabilities: Float of the same shape.

    Returns:
        `threshold` of shape (points,); `precision`, `recall` and `f1` of each label, of shape (points, classes);
        `micro_*` and `macro_*` of all, of shape (points,).
    """
    thresholds = np.linspace(0, 1, CURVE_POINTS)
    columns: dict[str, list[object]] = {}
    for value in thresholds:
        total, labels = label_set_scores(gold, probabilities > value)
        for name in ("precision", "recall", "f1"):
            columns.setdefault(name, []).append(labels[name])
            for average in ("micro", "macro"):
                columns.setdefault(f"{average}_{name}", []).append(total[f"{average}_{name}"])
    return {"threshold": thresholds, **{name: np.array(values) for name, values in columns.items()}}


def _percentages(precision: float, recall: float, f1: float) -> str:
    return f"precision: {100 * precision:.2f} | recall: {100 * recall:.2f} | F1 score {100 * f1:.2f}"


def guide_lines(evaluation: Evaluation) -> list[str]:
    """The metrics as lines for people, in the form of the published guide."""
    train, dev = evaluation.train, evaluation.dev
    lines = [
        "-----Evaluate model-------",
        f"Train dataset size: {len(train.texts)}",
        f"Dev dataset size: {len(dev.texts)}",
        f"Accuracy in dev dataset: {100 * dev.total['accuracy']:.2f}%",
    ]
    for average in ("macro", "micro"):
        figures = (dev.total[f"{average}_{name}"] for name in ("precision", "recall", "f1"))
        lines.append(f"{average.title()} avg in dev dataset: {_percentages(*figures)}")
    for index, name in enumerate(evaluation.names):
        lines.append(f"Class name: {name}")
        for split, result in (("train", train), ("dev", dev)):
            count = int(result.labels["support"][index])
            figures = (float(result.labels[key][index]) for key in ("precision", "recall", "f1"))
            share = 100 * count / len(result.texts)
            lines.append(f"Evaluation examples in {split} dataset: {count}({share:.1f}%) | {_percentages(*figures)}")
        lines.append("----------------------------")
    return lines


def bad_case_text(evaluation: Evaluation, cases: Sequence[BadCase]) -> str:
    """Wrong rows as tab-separated lines under a head: prediction, label, text.

    Args:
        evaluation: Has the labels' names.
        cases: The wrong rows.
    """

    def named(places: Sequence[int]) -> str:
        return ",".join(evaluation.names[place] for place in places)

    lines = [f"{named(case.predicted)}\t{named(case.gold)}\t{case.text}\n" for case in cases]
    return "Prediction\tLabel\tText\n" + "".join(lines)
