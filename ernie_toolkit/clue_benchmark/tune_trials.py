"""What Ray Tune calls in the driver: when a trial ends, and whether one is stopped early. Imports Ray."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler

from ernie_toolkit.clue_benchmark.running import TRIAL, Job
from ernie_toolkit.clue_benchmark.trials import RESULT_FILE, failure_of, read_trial, write_failure
from ernie_toolkit.console import say
from ernie_toolkit.files import write_json

# Evaluations after which trials are compared: 1, 2, 4, ...; no trial is stopped for having had this many.
_FIRST, _FACTOR, _MOST = 1, 2, 1 << 20


class AshaInEachCell(FIFOScheduler):
    """Asynchronous successive halving (https://arxiv.org/abs/1810.05934) among the trials of one cell and one seed.

    Args:
        jobs: The trials, in the order of Tune's parameter `job`.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        super().__init__()
        self.schedulers: list[Any] = []
        made: dict[tuple[str, int], Any] = {}
        for job in jobs:
            description = read_trial(job.directory).description
            key = (str(job.directory.parent), description["seed"])
            if key not in made:
                made[key] = ASHAScheduler(
                    "evaluation", description["metric"], "max", _MOST, _FIRST, _FACTOR, stop_last_trials=False
                )
            self.schedulers.append(made[key])

    def _of(self, trial: Any) -> Any:
        return self.schedulers[trial.config["job"]]

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Pass it on to the cell's own."""
        self._of(trial).on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """The cell's own decision."""
        decision: str = self._of(trial).on_trial_result(tune_controller, trial, result)
        return decision

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Pass it on to the cell's own."""
        self._of(trial).on_trial_complete(tune_controller, trial, result)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """Pass it on to the cell's own."""
        self._of(trial).on_trial_remove(tune_controller, trial)


def job_callback(jobs: Sequence[Job], on_done: Callable[[Job], None], attempts: int) -> TrialProgressCallback:
    """A callback that records how each job has ended, in place of the one by which Tune prints its own lines.

    Args:
        jobs: The jobs, in the order of Tune's parameter `job`.
        on_done: Is called with each job when it has ended, well or not.
        attempts: How often a job is begun at most.
    """

    class Ending(TrialProgressCallback):
        def log_result(self, trial: Any, result: dict[str, Any], error: bool = False) -> None:
            return

        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
            job = jobs[trial.config["job"]]
            if not job.is_done and not failure_of(job.record):
                _record_stop(job, trial.last_result or {})
            on_done(job)

        def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
            job = jobs[trial.config["job"]]
            say(f"{job.shown}: its worker is lost, it is resumed (attempt {trial.num_failures + 1} of {attempts})")

        def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
            job = jobs[trial.config["job"]]
            if not job.is_done and not failure_of(job.record):
                reason = " ".join(str(trial.get_error() or "").split())
                kind = re.search(r"The actor is dead because ([^.]*)|(\w+Error\b[^.]*)", reason)
                said = next(filter(None, kind.groups()), "") if kind else reason[:200]
                write_failure(
                    job.record, f"its worker was lost {attempts} times (out of memory?): {said or 'no reason given'}"
                )
            on_done(job)

    return Ending()


def _record_stop(job: Job, last: dict[str, Any]) -> None:
    """Record a trial that was stopped early, with the metrics of its last evaluation."""
    if job.kind != TRIAL or "step" not in last:
        write_failure(job.record, "it ended without a result")
        return
    description = read_trial(job.directory).description
    metrics = {name: value for name, value in last.items() if name in _metric_names(description["task"])}
    record = {
        "status": "stopped",
        "searched": description["searched"],
        "chosen_by": description["metric"],
        "seed": description["seed"],
        "stopped_at_step": last["step"],
        "evaluations": last["evaluation"],
        "metrics": metrics,
        **{name: description[name] for name in ("dataset", "task", "model", "data_source")},
    }
    write_json(job.directory / RESULT_FILE, record)


def _metric_names(task: str) -> tuple[str, ...]:
    from ernie_toolkit.tasks import TASKS

    return TASKS[task].metrics
