"""Cells (a model on a data set) and their trials on disk: what each is made of, and how far it is.

    clue_results/ernie-3.0-medium-zh/tnews/cell.json            what all trials of the cell share
                                          /trials/lr2e-05-batch32-seed42-1a2b3c4d/trial.json     what it was asked for
                                                                                 /metrics.json   written last
                                                                                 /log.txt  checkpoints/  model/
                                          /best/                the model of the best trial, its bundle and predictions

A trial's directory is named by its settings: a hash of them, and those that are searched. All that is known of a trial
is here, and nothing in the processes that compute it: who is killed has lost what came after the last checkpoint.
"""

import dataclasses
import hashlib
import json
import os
import re
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ernie_toolkit.arguments.settings import read_config
from ernie_toolkit.clue_benchmark.grid import MULTI_LABEL, DatasetGrid, task_of, training_settings, with_dropouts
from ernie_toolkit.clue_benchmark.options import GridOptions
from ernie_toolkit.commands.config import CONFIG_OPTIONS, default_config, task_limits
from ernie_toolkit.compat import lock
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import write_json
from ernie_toolkit.files.parsing import decode_json, read_json_object
from ernie_toolkit.formats.weights import weights_sha256
from ernie_toolkit.models import check_model_directory, is_local
from ernie_toolkit.models.directory import directory_weights
from ernie_toolkit.tasks import TASKS
from ernie_toolkit.training.checkpoints import last_checkpoint
from ernie_toolkit.training.options import TrainingOptions, check_training_options
from ernie_toolkit.training.run import CHECKPOINTS

CELL_FILE, TRIAL_FILE, RESULT_FILE, FAILURE_FILE, LOG_FILE = (
    "cell.json",
    "trial.json",
    "metrics.json",
    "failed.json",
    "log.txt",
)
TRIALS, MODEL, BEST, BEST_FILE, LOCK_FILE = "trials", "model", "best", "best.json", ".lock"
_SHORT = {"learning_rate": "lr", "per_device_train_batch_size": "batch", "num_train_epochs": "epochs"}
_REMEDY = "delete the directory that it is in, and start again"


@dataclass(frozen=True)
class Trial:
    """One fine-tuning.

    Attributes:
        directory: Its own.
        description: All that it depends on, as `trial.json` has it.
    """

    directory: Path
    description: Mapping[str, Any]

    @property
    def state(self) -> str:
        """How far it is: "finished", "failed", "begun" (it has a checkpoint to resume from) or "new"."""
        for name, state in ((RESULT_FILE, "finished"), (FAILURE_FILE, "failed")):
            if (self.directory / name).is_file():
                return state
        return "begun" if last_checkpoint(self.directory / CHECKPOINTS) is not None else "new"

    @property
    def shown(self) -> str:
        """Its name for people: model, data set, what was searched."""
        return "/".join((*self.directory.parts[-4:-2], self.directory.name))


@dataclass(frozen=True)
class Cell:
    """The trials of a model on a data set.

    Attributes:
        directory: Its own.
        shared: What all of its trials share, as `cell.json` has it.
        trials: Those of the grid, in its order.
    """

    directory: Path
    shared: Mapping[str, Any]
    trials: tuple[Trial, ...]

    @property
    def others(self) -> list[Path]:
        """Directories of finished trials that are in the cell and not in the grid: an earlier grid had them."""
        own = {trial.directory.name for trial in self.trials}
        found = sorted((self.directory / TRIALS).glob(f"*/{RESULT_FILE}"))
        return [path.parent for path in found if path.parent.name not in own]


def metric_of(task: str) -> str:
    """The metric that a task's published tables give, which chooses checkpoints and settings."""
    return next(iter(TASKS[task].published_metrics), TASKS[task].metrics[0])


def model_name(model: str) -> str:
    """A model's name in tables and directories: of a directory the last part."""
    name = Path(model).resolve().name if is_local(model) else model
    return re.sub(r"[^\w.+-]", "_", name) or "model"


def trial_name(combination: Mapping[str, Any], description: Mapping[str, Any]) -> str:
    """The name of a trial's directory, the same whatever the order of what it depends on.

    Args:
        combination: What is searched, by name, with the seed.
        description: All that the trial depends on.
    """
    parts = [f"{_SHORT.get(name, name)}{value}" for name, value in sorted(combination.items())]
    readable = re.sub(r"[^\w.+-]", "_", "-".join(parts))[:120]
    content = json.dumps(description, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return f"{readable}-{hashlib.sha256(content.encode('utf-8')).hexdigest()[:8]}"


def plan_cells(options: GridOptions, grids: Mapping[str, DatasetGrid]) -> list[Cell]:
    """The cells of all models and data sets, checked against those that are in the output directory.

    Args:
        options: What is asked for, checked.
        grids: The data sets' grids by name.

    Raises:
        ConfigError: Where two models have one name, and where a cell was begun with other settings.
        ModelError: Where a model's directory is not whole.
    """
    names: dict[str, str] = {}
    for model in options.models:
        name = model_name(model)
        if name in names:
            raise ConfigError(f"`models`: {names[name]} and {model} have one name, {name}: rename one directory")
        names[name] = model
    return [_cell(options, name, model, grid) for name, model in names.items() for grid in grids.values()]


def _cell(options: GridOptions, name: str, model: str, grid: DatasetGrid) -> Cell:
    directory = Path(options.output_dir) / name / grid.dataset
    shared = _shared(options, model, grid)
    if (directory / CELL_FILE).is_file():
        _check_same(directory, read_json_object(directory / CELL_FILE, ConfigError, _REMEDY), shared)
    trials = []
    for combination in grid.combinations:
        for seed in options.seeds:
            description = {**shared, "searched": combination, "seed": seed}
            check_training_options(trial_options(description), TASKS[shared["task"]].metrics)
            place = directory / TRIALS / trial_name({**combination, "seed": seed}, description)
            trials.append(Trial(place, description))
    return Cell(directory, shared, tuple(trials))


def _shared(options: GridOptions, model: str, grid: DatasetGrid) -> dict[str, Any]:
    """What all trials of a cell share, as JSON has it."""
    task = task_of(grid.dataset)
    config: Mapping[str, Any] = {}
    if TASKS[task].config_section is not None:
        config = read_config(default_config(), task, grid.dataset, CONFIG_OPTIONS)
    source: dict[str, Any] = {"model": model}
    if is_local(model):
        check_model_directory(Path(model))
        weights = directory_weights(Path(model))
        assert weights is not None  # just checked
        source = {"model": str(Path(model).resolve()), "model_sha256": weights_sha256(weights)}
    limits = {"train": options.max_train_samples, "dev": options.max_dev_samples}
    shared = {
        **source,
        "dataset": grid.dataset,
        "task": task,
        "metric": metric_of(task),
        "data_dir": str(Path(options.data_dir).resolve()) if options.data_dir else "",
        "data_source": options.data_source,
        "max_samples": {split: rows for split, rows in limits.items() if rows},
        "settings": training_settings(grid, options.max_steps),
        "limits": task_limits(task, config, Namespace()),
        "early_stopping": options.early_stopping,
    }
    found: dict[str, Any] = decode_json(json.dumps(shared))
    return found


def _check_same(directory: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """ConfigError where a cell was begun with other settings: figures of both would stand in one table."""
    flat = [{**cell, **cell.get("settings", {}), **cell.get("limits", {})} for cell in (before, now)]
    changed = [
        f"{name} was {flat[0].get(name, 'not set')!s:.150} and is {flat[1].get(name, 'not set')!s:.150}"
        for name in dict.fromkeys((*flat[0], *flat[1]))
        if name not in ("settings", "limits") and flat[0].get(name) != flat[1].get(name)
    ]
    if changed:
        raise ConfigError(
            f"{directory} was begun with other settings ({'; '.join(changed)[:600]}): give another `output_dir`, or "
            "what it was begun with"
        )


def trial_options(description: Mapping[str, Any]) -> TrainingOptions:
    """How a trial trains.

    Args:
        description: As `Trial` has it.
    """
    given = {**description["settings"], **with_dropouts(description["searched"])}
    options = TrainingOptions(
        **given,
        seed=description["seed"],
        metric_for_best_model=description["metric"],
        report_to="none",
        disable_tqdm=True,
    )
    return dataclasses.replace(options, save_total_limit=1)


def write_plan(cells: list[Cell]) -> None:
    """Write what each cell and each trial is made of, where it is not there yet; failures of before are forgotten."""
    for cell in cells:
        if not (cell.directory / CELL_FILE).is_file():
            write_json(cell.directory / CELL_FILE, cell.shared)
        for trial in cell.trials:
            (trial.directory / FAILURE_FILE).unlink(missing_ok=True)
            if not (trial.directory / TRIAL_FILE).is_file():
                write_json(trial.directory / TRIAL_FILE, trial.description)
        (cell.directory / FAILURE_FILE).unlink(missing_ok=True)


def read_trial(directory: Path) -> Trial:
    """A trial from its directory.

    Raises:
        ConfigError: Where its description cannot be read.
    """
    return Trial(directory, read_json_object(directory / TRIAL_FILE, ConfigError, _REMEDY))


def failure_of(directory: Path) -> str:
    """Why a trial or a cell has failed, in one line; empty where it has not."""
    path = directory / FAILURE_FILE
    return str(read_json_object(path, ConfigError, _REMEDY).get("reason", "")) if path.is_file() else ""


def write_failure(directory: Path, reason: str) -> None:
    """Record why a trial or a cell has failed.

    Args:
        directory: Its directory.
        reason: One line for people.
    """
    write_json(directory / FAILURE_FILE, {"reason": " ".join(reason.split())[:500]})


@contextmanager
def locked(path: Path, busy: str, seconds: float = 0.0) -> Iterator[None]:
    """Hold a lock file for the time of a block; the system frees it when the process ends, however it ends.

    Args:
        path: The lock file, which is made where it is missing.
        busy: The message where another process holds it.
        seconds: How long to wait for that process.

    Raises:
        ConfigError: Where another process still holds it then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        given_up = time.monotonic() + seconds
        while not lock(handle) and _has_locks(path.parent):
            if time.monotonic() >= given_up:
                raise ConfigError(busy)
            time.sleep(min(seconds, 0.2))
        yield
    finally:
        os.close(handle)


def _has_locks(directory: Path) -> bool:
    """Whether files in a directory can be locked at all: some network file systems cannot."""
    with tempfile.TemporaryFile(dir=directory) as own:
        return lock(own.fileno())


def cell_data_directory(shared: Mapping[str, Any], results: Path) -> Path | None:
    """The directory that a cell's files are in, None where PaddleNLP or the sample's generator has them.

    Args:
        shared: What the trials of the cell share.
        results: The output directory of all cells, which gets the sample of texts with any number of labels.
    """
    if shared["dataset"] != MULTI_LABEL:
        return Path(shared["data_dir"]) if shared["data_dir"] else None
    if shared["data_source"] == "sample":
        return results / "multi_label_sample"
    inside = Path(shared["data_dir"]) / MULTI_LABEL
    return inside if inside.is_dir() else Path(shared["data_dir"])
