"""The texts that every deployment of a multi-label model is asked, and how label sets are compared."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from answers import HARD

from ernie_toolkit.data.sample import reviews
from ernie_toolkit.decoding import LabelSetAnswer
from ernie_toolkit.inference import Predictor

TEXTS: list[str] = HARD + [row["sentence"] for row in reviews.generate(3)["unlabelled"][:54]]
# Ranges of dynamic INT8 are those of a batch: what is compared is asked in requests of one batch each.
BATCH = 30
REQUESTS = [TEXTS[start : start + BATCH] for start in range(0, len(TEXTS), BATCH)]
Found = Mapping[int, float]
"""The labels of a text by index, with their probabilities."""


def uneven_thresholds(probabilities: np.ndarray) -> tuple[float, ...]:
    """A threshold for each column, from the first quarter of its values to the last, each in the widest gap near by."""
    thresholds = []
    for place, column in enumerate(np.sort(probabilities, axis=0).T):
        first = int(len(column) * (0.2 + 0.5 * place / probabilities.shape[1]))
        near = column[first : first + len(column) // 5]
        gap = int(np.argmax(np.diff(near)))
        thresholds.append(round(float(near[gap] + near[gap + 1]) / 2, 6))
    return tuple(thresholds)


def expected_sets(bundle: Path, precision: str = "fp32", threshold: float | None = None) -> list[LabelSetAnswer]:
    """What `Predictor` answers to `TEXTS`, asked in `REQUESTS`."""
    predictor = Predictor(bundle, num_threads=1, precision=precision, threshold=threshold)
    answers = [answer for texts in REQUESTS for answer in predictor.predict(texts)]
    assert all(isinstance(answer, LabelSetAnswer) for answer in answers)
    return answers  # type: ignore[return-value]


def assert_same_sets(
    got: Sequence[Found], expected: Sequence[LabelSetAnswer], thresholds: Sequence[float], tolerance: float = 2e-5
) -> None:
    """Same labels, but for those that are nearer to their threshold than `tolerance`, and the same probabilities."""
    assert len(got) == len(expected)
    for number, (found, answer) in enumerate(zip(got, expected, strict=True)):
        for index, (probability, threshold) in enumerate(zip(answer.probabilities, thresholds, strict=True)):
            where = f"text {number}, label {index}: {found} instead of {answer}"
            if abs(probability - threshold) > tolerance:
                assert (index in found) == (index in answer.indices), where
            if index in found:
                assert abs(found[index] - probability) <= tolerance, where
