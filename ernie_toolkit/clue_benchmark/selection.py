"""What the trials of a cell have reached: the best settings, the best trial, and which models are kept."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from ernie_toolkit.clue_benchmark.trials import BEST, BEST_FILE, MODEL, RESULT_FILE, TRIALS
from ernie_toolkit.errors import DataError
from ernie_toolkit.files import recover_directory, remove_directory
from ernie_toolkit.files.parsing import read_json_object
from ernie_toolkit.training.run import CHECKPOINTS

_REMEDY = "delete the trial's directory, and run the grid search again"


@dataclass(frozen=True)
class Result:
    """A finished trial.

    Attributes:
        directory: The trial's.
        searched: Its values of what is searched, by name.
        seed: Its seed.
        metrics: Dev metrics by name, shares from 0 to 1.
        chosen_by: The metric that compares trials.
        stopped: Whether it was stopped early because others did better.
        record: All that `metrics.json` says.
    """

    directory: Path
    searched: Mapping[str, Any]
    seed: int
    metrics: Mapping[str, float]
    chosen_by: str
    stopped: bool
    record: Mapping[str, Any]

    @property
    def score(self) -> float:
        """The metric that compares trials."""
        return self.metrics[self.chosen_by]


@dataclass(frozen=True)
class Group:
    """The finished trials of one combination of settings, one for each seed.

    Attributes:
        searched: The combination.
        results: Its trials by seed.
    """

    searched: Mapping[str, Any]
    results: tuple[Result, ...]

    @property
    def best(self) -> Result:
        """The trial that reached most; of equal ones that of the smallest seed."""
        return max(self.results, key=lambda item: (item.score, -item.seed))

    def mean(self, metric: str) -> float:
        """The mean of a metric over the seeds."""
        return fmean(item.metrics[metric] for item in self.results)

    def spread(self, metric: str) -> float:
        """The population standard deviation of a metric over the seeds: 0 for one."""
        return pstdev(item.metrics[metric] for item in self.results)


def read_result(path: Path) -> Result:
    """A finished trial.

    Args:
        path: Its `metrics.json`.

    Raises:
        DataError: Where the file is another.
    """
    record = read_json_object(path, DataError, _REMEDY)
    metrics, searched = record.get("metrics"), record.get("searched")
    chosen_by, seed = record.get("chosen_by"), record.get("seed")
    wrong = DataError(f"{path}: no record of a trial: {_REMEDY}")
    if not isinstance(metrics, dict) or not isinstance(searched, dict) or not isinstance(chosen_by, str):
        raise wrong
    numbers = all(type(value) in (int, float) for value in metrics.values())
    if not numbers or not isinstance(seed, int) or chosen_by not in metrics:
        raise wrong
    return Result(path.parent, searched, seed, metrics, chosen_by, record.get("status") == "stopped", record)


def read_results(cell: Path) -> list[Result]:
    """The finished trials of a cell, by name.

    Raises:
        DataError: As `read_result`.
    """
    return [read_result(path) for path in sorted((cell / TRIALS).glob(f"*/{RESULT_FILE}"))]


def groups_of(results: Sequence[Result]) -> list[Group]:
    """Trials by their combination of settings, in an order that does not depend on theirs."""
    found: dict[str, list[Result]] = {}
    for item in results:
        found.setdefault(json.dumps(item.searched, sort_keys=True), []).append(item)
    return [
        Group(items[0].searched, tuple(sorted(items, key=lambda item: item.seed))) for _, items in sorted(found.items())
    ]


def best_group(results: Sequence[Result]) -> Group | None:
    """The combination with the largest mean over its seeds; None where no trial has finished.

    Those count that have the most seeds: a lucky one by itself is no better. Trials that were stopped early count
    where there is no other. Of equal ones the first by name.

    Args:
        results: The finished trials of a cell.
    """
    groups = groups_of([item for item in results if not item.stopped] or results)
    if not groups:
        return None
    most = max(len(group.results) for group in groups)
    whole = [group for group in groups if len(group.results) == most]
    return max(whole, key=lambda group: group.mean(group.results[0].chosen_by))


def read_best(cell: Path) -> dict[str, Any]:
    """What is said of the model that a cell keeps; empty where it keeps none.

    Raises:
        DataError: Where that cannot be read.
    """
    recover_directory(cell / BEST)
    path = cell / BEST / BEST_FILE
    return read_json_object(path, DataError, f"delete {path.parent}, and run again") if path.is_file() else {}


def keep_needed_models(cell: Path, seeds: int) -> None:
    """Delete the models of finished trials that can no longer be the best one, and checkpoints they have left.

    Args:
        cell: The cell's directory.
        seeds: Trials of one combination; with several, each combination keeps its best one until all have finished.
    """
    results = read_results(cell)
    best = best_group(results)
    if best is None:
        return
    needed = {best.best.directory}
    if seeds > 1:
        needed |= {group.best.directory for group in groups_of(results)}
    for item in results:
        remove_directory(item.directory / CHECKPOINTS)
        if item.directory not in needed:
            remove_directory(item.directory / MODEL)


def keep_best_model(cell: Path) -> None:
    """Delete the models of all trials of a cell whose best one lies in `best/`."""
    for item in read_results(cell):
        remove_directory(item.directory / MODEL)
