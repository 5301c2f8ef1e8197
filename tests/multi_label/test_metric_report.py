"""`MetricReport`: F1 of batches as scikit-learn computes it, and what it refuses."""

import doctest
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_recall_fscore_support
from tiny import ROOT

import ernie_toolkit.multi_label.metric_report as module
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.multi_label.metric_report import MetricReport

NAMES = ("价格好评", "质量好评", "物流好评", "客服差评")


@pytest.fixture
def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    draw = np.random.default_rng(3)
    return [(draw.random((rows, len(NAMES))), draw.integers(0, 2, (rows, len(NAMES)))) for rows in (5, 1, 30)]


def test_f1_is_that_of_all_batches(batches: list[tuple[np.ndarray, np.ndarray]]) -> None:
    metric = MetricReport()
    for probabilities, labels in batches:
        metric.update(probabilities, labels)
    gold = np.concatenate([labels for _, labels in batches])
    predicted = np.concatenate([probabilities for probabilities, _ in batches]) > 0.5
    expected = [f1_score(gold, predicted, average=average) for average in ("micro", "macro")]
    assert metric.accumulate() == pytest.approx(tuple(expected))
    metric.reset()
    metric.update(*batches[0])
    assert metric.accumulate() != pytest.approx(tuple(expected))


def test_paddles_tensors_are_read(batches: list[tuple[np.ndarray, np.ndarray]]) -> None:
    import paddle

    metric, other = MetricReport(), MetricReport()
    for probabilities, labels in batches:
        metric.update(paddle.to_tensor(probabilities), paddle.to_tensor(labels))
        other.update(probabilities, labels)
    assert metric.accumulate() == other.accumulate()


def test_thresholds_of_labels(batches: list[tuple[np.ndarray, np.ndarray]]) -> None:
    thresholds = (0.1, 0.9, 0.5, 0.3)
    metric = MetricReport("f1", thresholds, NAMES)
    probabilities, labels = batches[2]
    metric.update(probabilities, labels)
    scores = precision_recall_fscore_support(labels, probabilities > np.array(thresholds), zero_division=0)
    lines = metric.report().splitlines()
    assert lines[0].split() == ["precision", "recall", "f1", "rows", "label"] and metric.name() == "f1"
    for line, name, *values in zip(lines[1:], NAMES, *scores, strict=False):
        assert line.split() == [*(f"{value:.4f}" for value in values[:3]), str(values[3]), name]
    micro, macro = metric.accumulate()
    assert [line.split()[2] for line in lines[-2:]] == [f"{micro:.4f}", f"{macro:.4f}"]


def test_what_is_refused() -> None:
    metric = MetricReport(names=NAMES)
    row = np.full((1, 4), 0.5)
    with pytest.raises(DataError, match="no rows: call update"):
        metric.accumulate()
    for probabilities, labels, message in (
        (row, np.zeros((2, 4)), "probs has the shape"),
        (row[0], np.zeros(4), "probs has the shape"),
        (row[:, :3], np.zeros((1, 3)), "a batch of 3 labels, where 4 are expected"),
        (row, np.full((1, 4), 2), "other values than 0 and 1"),
    ):
        with pytest.raises(DataError, match=message):
            metric.update(probabilities, labels)
    with pytest.raises(ConfigError, match="must lie between 0 and 1"):
        MetricReport(thresholds=1.5)


def test_the_example_and_the_guides_file() -> None:
    assert doctest.testmod(module, extraglobs={"np": np}).failed == 0
    code = "import metric; m = metric.MetricReport(); m.update([[0.9, 0.6]], [[1, 0]]); print(*m.accumulate())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "multi_label", capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["0.6666666666666666", "0.5"]
