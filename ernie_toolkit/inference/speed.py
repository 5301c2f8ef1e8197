"""How fast a predictor answers."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ernie_toolkit.errors import ConfigError
from ernie_toolkit.inference.predictor import BundlePredictor
from ernie_toolkit.text.features import TextInput

MEASURED_SECONDS = 1.0  # all texts are predicted again until that much time is measured


@dataclass(frozen=True)
class BatchSpeed:
    """The speed of batches, tokenizing and decoding included.

    Attributes:
        texts: Texts that were predicted in each round.
        batch_size: Texts of a batch.
        seconds: Time of each batch.
        rounds: How often all texts were predicted.
    """

    texts: int
    batch_size: int
    seconds: tuple[float, ...]
    rounds: int

    def __str__(self) -> str:
        time_of_a_round = sum(self.seconds) / self.rounds
        return (
            f"sample nums: {self.texts}, batch size: {self.batch_size}, time: {time_of_a_round:.3f} s, "
            f"latency of a batch: {1000 * np.median(self.seconds):.2f} ms (95th percentile "
            f"{1000 * np.percentile(self.seconds, 95):.2f} ms), throughput: {self.texts / time_of_a_round:.1f} texts/s"
        )


def measure_speed(
    predictor: BundlePredictor, texts: Sequence[TextInput], batch_size: int, warm_up_steps: int
) -> BatchSpeed:
    """Predict all texts batch by batch, again and again, and take the time of each batch.

    Args:
        predictor: What answers.
        texts: What it is asked.
        batch_size: Texts of a batch.
        warm_up_steps: Batches that are predicted before time is taken.

    Raises:
        ConfigError: Where there is no text.
        DataError: As `predict`.
    """
    batches = [texts[start : start + batch_size] for start in range(0, len(texts), batch_size)]
    if not batches:
        raise ConfigError("there is no text to measure the speed of: give some")
    for batch in itertools.islice(itertools.cycle(batches), warm_up_steps):
        predictor.predict(batch, batch_size)
    seconds: list[float] = []
    rounds = 0
    while sum(seconds) < MEASURED_SECONDS:
        seconds += [_seconds(predictor, batch, batch_size) for batch in batches]
        rounds += 1
    return BatchSpeed(len(texts), batch_size, tuple(seconds), rounds)


def _seconds(predictor: BundlePredictor, batch: Sequence[TextInput], batch_size: int) -> float:
    started = time.perf_counter()
    predictor.predict(batch, batch_size)
    return time.perf_counter() - started
