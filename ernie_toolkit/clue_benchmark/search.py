"""A grid search from its plan to the bundles of the best trials, and the lines that it prints."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.clue_benchmark.grid import MULTI_LABEL
from ernie_toolkit.clue_benchmark.options import GridOptions
from ernie_toolkit.clue_benchmark.runners import Runner, threads_of
from ernie_toolkit.clue_benchmark.running import FINISH, TRIAL, Job
from ernie_toolkit.clue_benchmark.selection import (
    best_group,
    keep_best_model,
    keep_needed_models,
    read_best,
    read_result,
    read_results,
)
from ernie_toolkit.clue_benchmark.trials import (
    MODEL,
    RESULT_FILE,
    Cell,
    cell_data_directory,
    failure_of,
    write_plan,
)
from ernie_toolkit.console import say, warn
from ernie_toolkit.data.label_sets import write_sample_directory
from ernie_toolkit.data.loading import data_dir_files
from ernie_toolkit.data.official import official_files
from ernie_toolkit.data.registry import DATASETS
from ernie_toolkit.errors import DataError


def check_data(cells: Sequence[Cell], results: Path) -> None:
    """Find the files of all cells before any trial begins: the official ones are downloaded here, once.

    Args:
        cells: The cells.
        results: The output directory.

    Raises:
        DataError: Where a data set is not there.
    """
    checked = set()
    for cell in cells:
        name, source = cell.shared["dataset"], cell.shared["data_source"]
        if name in checked:
            continue
        checked.add(name)
        directory = cell_data_directory(cell.shared, results)
        if name == MULTI_LABEL:
            assert directory is not None  # see `cell_data_directory`
            if source == "sample" and not directory.exists():
                write_sample_directory(directory)
            if not cell.shared["data_dir"] and source != "sample":
                raise DataError(f"{name} has no official files: give `data_dir`, with {name}/train.txt in it")
            if not (directory / "train.txt").is_file():
                raise DataError(f"{directory}: neither {name}/train.txt nor train.txt in it: check `data_dir`")
        elif directory is not None:
            data_dir_files(DATASETS[name], directory, ("train", "dev"))
        elif source == "official":
            official_files(DATASETS[name], ("train", "dev"))


def report_plan(cells: Sequence[Cell]) -> None:
    """Print what will be trained, what is there already, and what an earlier grid has left in the same cells."""
    trials = [trial for cell in cells for trial in cell.trials]
    states = Counter(trial.state for trial in trials)
    models = dict.fromkeys(cell.directory.parent.name for cell in cells)
    datasets = dict.fromkeys(cell.directory.name for cell in cells)
    say(f"models: {', '.join(models)}", f"data sets: {', '.join(datasets)}")
    parts = {
        "finished": "finished before and reused",
        "begun": "resumed from the last checkpoint",
        "failed": "failed before and tried again",
        "new": "new",
    }
    counted = ", ".join(f"{states[state]} {text}" for state, text in parts.items() if states[state])
    say(f"trials: {len(trials)} ({counted})")
    for cell in cells:
        if cell.others:
            say(
                f"{cell.directory}: {len(cell.others)} finished trials of another grid count too, its other "
                f"settings being the same; the first: {cell.others[0].name}"
            )
    if cells and cells[0].shared["data_source"] == "sample":
        warn("the data is the toolkit's generated sample: figures say nothing about the real sets")


def search(cells: Sequence[Cell], options: GridOptions, run: Runner) -> list[str]:
    """Train what is not finished, then export the best trial of each cell.

    Args:
        cells: The cells, planned.
        options: What was asked for.
        run: Of `runners.runner`.

    Returns:
        The names of what has failed.
    """
    write_plan(list(cells))
    how = (options.computes_on, threads_of(options))
    jobs = [
        Job(TRIAL, trial.directory.resolve(), *how)
        for cell in cells
        for trial in cell.trials
        if trial.state != "finished"
    ]
    if options.early_stopping != "none" and len(jobs) < sum(len(cell.trials) for cell in cells):
        say(f"early stopping compares the {len(jobs)} trials of this call, not those that have finished before")
    failed: list[str] = []
    ended = 0

    def on_trial(job: Job) -> None:
        nonlocal ended
        ended += 1
        failed.extend(_report(job, f"[{ended}/{len(jobs)}]"))
        keep_needed_models(job.directory.parent.parent, len(options.seeds))

    run(jobs, on_trial)
    finishing = [Job(FINISH, trial, *how) for cell in cells if (trial := _to_export(cell, failed)) is not None]
    run(finishing, lambda job: failed.extend(_report(job, "exported")))
    for cell in cells:
        if best_group(read_results(cell.directory)) is not None and _is_exported(cell):
            keep_best_model(cell.directory)
    return failed


def _is_exported(cell: Cell) -> bool:
    group = best_group(read_results(cell.directory))
    return group is not None and read_best(cell.directory).get("trial") == group.best.directory.name


def _to_export(cell: Cell, failed: list[str]) -> Path | None:
    """The best trial of a cell where its bundle is not there yet."""
    group = best_group(read_results(cell.directory))
    if group is None or _is_exported(cell) or group.best.stopped:
        return None
    best = group.best.directory.resolve()
    if not (best / MODEL).is_dir():
        kept = read_best(cell.directory).get("trial", "none")
        failed.append(f"bundle of {cell.directory}")
        warn(
            f"{cell.directory}: {best.name} is the best trial now, and an earlier call has deleted its model: delete "
            f"its directory and run again to train it once more; the bundle in {cell.directory} is still of {kept}"
        )
        return None
    return best


def _report(job: Job, place: str) -> list[str]:
    """Print how a job has ended; its name where it has failed."""
    if reason := failure_of(job.record):
        warn(f"{place} {job.shown} failed: {reason}")
        return [job.shown]
    if job.kind == FINISH:
        best = read_best(job.directory.parent.parent)
        without = f"; no submission: {best['no_submission']}" if best.get("no_submission") else ""
        say(f"{place}: {job.shown}{without}")
        return []
    result = read_result(job.directory / RESULT_FILE)
    if result.stopped:
        say(
            f"{place} {job.shown} stopped early: {result.chosen_by} {result.score:.4f} at step "
            f"{result.record['stopped_at_step']}"
        )
        return []
    training = result.record["training"]
    resumed = f", resumed from step {training['resumed_from_step']}" if training["resumed_from_step"] else ""
    say(
        f"{place} {job.shown}: {result.chosen_by} {result.score:.4f} ({training['steps']} steps{resumed}, "
        f"{training['seconds']:.0f} s)"
    )
    return []


def report_best(cells: Sequence[Cell], failed: Sequence[str]) -> None:
    """Print the best settings of each cell, and what has failed.

    Args:
        cells: The cells.
        failed: Of `search`.
    """
    say("best on dev:")
    for cell in cells:
        group = best_group(read_results(cell.directory))
        name = "/".join(cell.directory.parts[-2:])
        if group is None:
            say(f"  {name}: no trial has finished")
            continue
        metric, count = cell.shared["metric"], len(group.results)
        spread = f" +- {group.spread(metric):.4f} over {count} seeds" if count > 1 else ""
        settings = ", ".join(f"{key} {value}" for key, value in group.searched.items())
        say(f"  {name}: {metric} {group.mean(metric):.4f}{spread} ({settings})  {cell.directory / 'best'}")
    if failed:
        warn(f"{len(failed)} failed: {', '.join(failed)[:600]}: run the same command again to try them once more")
