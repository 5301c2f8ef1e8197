"""Early stopping compares trials of one cell and one seed, and a trial that is stopped keeps its metrics."""

from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("ray", reason="requirements-test.txt has it; grids run without it too")

from ray.tune.schedulers import TrialScheduler

from ernie_toolkit.clue_benchmark.running import TRIAL, Job
from ernie_toolkit.clue_benchmark.selection import best_group, read_result, read_results
from ernie_toolkit.clue_benchmark.trials import RESULT_FILE, TRIAL_FILE, failure_of
from ernie_toolkit.clue_benchmark.tune_trials import AshaInEachCell, job_callback
from ernie_toolkit.files import write_json


def job_of(results: Path, dataset: str, name: str, seed: int = 1) -> Job:
    """A trial that is planned."""
    directory = results / "model" / dataset / "trials" / name
    shared = {"dataset": dataset, "task": "seq_cls", "metric": "accuracy", "model": "model", "data_source": "sample"}
    write_json(directory / TRIAL_FILE, {**shared, "searched": {"name": name}, "seed": seed})
    return Job(TRIAL, directory, "cpu", 1)


def trial_of(number: int, last_result: dict[str, float] | None = None) -> SimpleNamespace:
    """What Tune passes: the trial with its parameters."""
    return SimpleNamespace(trial_id=str(number), config={"job": number}, last_result=last_result, num_failures=3)


def test_the_worse_half_of_a_cell_is_stopped(tmp_path: Path) -> None:
    places = (("tnews", "a", 1), ("tnews", "b", 1), ("tnews", "c", 2), ("afqmc", "a", 1))
    scheduler = AshaInEachCell([job_of(tmp_path, *place) for place in places])
    trials = [trial_of(number) for number in range(4)]
    for trial in trials:
        scheduler.on_trial_add(None, trial)
    decisions = [
        scheduler.on_trial_result(None, trial, {"evaluation": 1, "accuracy": value})
        for trial, value in zip(trials, (0.9, 0.1, 0.1, 0.1), strict=True)
    ]
    go_on, stop = TrialScheduler.CONTINUE, TrialScheduler.STOP
    assert decisions == [go_on, stop, go_on, go_on]
    assert scheduler.on_trial_result(None, trials[0], {"evaluation": 8, "accuracy": 0.9}) == go_on


def test_a_stopped_trial_is_recorded_and_never_the_best(tmp_path: Path) -> None:
    job, other = job_of(tmp_path, "tnews", "a"), job_of(tmp_path, "tnews", "b")
    done: list[Job] = []
    callback = job_callback([job, other], done.append, 3)
    last = {"accuracy": 0.75, "loss": 0.5, "evaluation": 2, "step": 40, "time_total_s": 3.0}
    callback.on_trial_complete(0, [], trial_of(0, last))
    result = read_result(job.directory / RESULT_FILE)
    assert result.stopped and result.metrics == {"accuracy": 0.75, "loss": 0.5} and done == [job]
    record = {"status": "finished", "searched": {"name": "b"}, "seed": 1, "chosen_by": "accuracy"}
    write_json(other.directory / RESULT_FILE, {**record, "metrics": {"accuracy": 0.5}})
    best = best_group(read_results(job.directory.parent.parent))
    assert best is not None and best.searched == {"name": "b"}


def test_a_job_that_ends_without_a_result_has_failed(tmp_path: Path) -> None:
    job = job_of(tmp_path, "tnews", "a")
    done: list[Job] = []
    job_callback([job], done.append, 3).on_trial_complete(0, [], trial_of(0))
    assert failure_of(job.directory) == "it ended without a result" and done == [job]
