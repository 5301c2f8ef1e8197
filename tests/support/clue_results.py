"""Results of a grid search as its trials write them, without the training."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ernie_toolkit.clue_benchmark.grid import task_of
from ernie_toolkit.clue_benchmark.trials import BEST, BEST_FILE, CELL_FILE, RESULT_FILE, TRIAL_FILE, TRIALS, metric_of
from ernie_toolkit.files import write_json, write_text

Trials = list[tuple[dict[str, Any], int, dict[str, float]]]
"""Of each trial what is searched, the seed and the dev metrics; no metrics where it has not finished."""
GRID = """
classification:
  grid: {learning_rate: [1.0e-3, 3.0e-3]}
  settings: {num_train_epochs: 1, per_device_train_batch_size: 16}
  datasets: {afqmc: , tnews: }
"""


def write_cell(results: Path, model: str, dataset: str, trials: Trials, **shared: Any) -> Path:
    """Write a cell with its trials; gives its directory."""
    cell, task = results / model / dataset, task_of(dataset)
    chosen_by = metric_of(task)
    cell_record = {"model": model, "dataset": dataset, "task": task, "metric": chosen_by, "data_source": "official"}
    write_json(cell / CELL_FILE, {**cell_record, "data_dir": "", "settings": {}, **shared})
    for number, (searched, seed, metrics) in enumerate(trials):
        directory = cell / TRIALS / f"trial-{number:03d}"
        write_json(directory / TRIAL_FILE, {**cell_record, "searched": searched, "seed": seed})
        if metrics:
            record = {"status": "finished", "searched": searched, "seed": seed, "chosen_by": chosen_by}
            write_json(directory / RESULT_FILE, {**record, "metrics": metrics, "parameters": 1000})
    return cell


def write_answers(cell: Path, trial: str, name: str) -> None:
    """Write what the best trial of a cell leaves there for a submission."""
    write_text(cell / BEST / name, json.dumps({"id": 0, "label": "1"}) + "\n")
    write_json(cell / BEST / BEST_FILE, {"trial": trial, "submission": name, "no_submission": ""})


def metrics_of(dataset: str, value: float) -> Mapping[str, float]:
    """Dev metrics of a data set, all of one value."""
    from ernie_toolkit.tasks import TASKS

    return dict.fromkeys(TASKS[task_of(dataset)].metrics, value)
