"""Where jobs run: one after another in processes of this machine, or side by side on Ray."""

import contextlib
import ctypes
import logging
import multiprocessing
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ernie_toolkit.clue_benchmark.options import GridOptions
from ernie_toolkit.clue_benchmark.running import TRIAL, Job, run_job
from ernie_toolkit.clue_benchmark.trials import failure_of, write_failure
from ernie_toolkit.console import hide_packages_notices, say
from ernie_toolkit.errors import ModelError, ToolkitError
from ernie_toolkit.inference.processor import available_cores
from ernie_toolkit.models import SAMPLE_MODEL, is_local, load_model
from ernie_toolkit.ray_cluster import LOG_LEVELS, check_ray, check_share, cluster_line, ray_cluster

OnDone = Callable[[Job], None]
Runner = Callable[[Sequence[Job], OnDone], None]
ATTEMPTS = 3
"""How often a job is begun whose process dies; it resumes from its last checkpoint."""
TUNE_DIRECTORY = ".ray_tune"
# No loggers of Tune's own, and an interrupted script ends as any other does.
_TUNE_SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
}
_PR_SET_PDEATHSIG = 1  # Linux' <sys/prctl.h>


def threads_of(options: GridOptions) -> int:
    """Processors of each trial."""
    return options.cpus_per_trial or (available_cores() if options.local else 1)


@contextlib.contextmanager
def runner(options: GridOptions) -> Iterator[Runner]:
    """What runs jobs, as the options say, for the time of a block.

    Args:
        options: What was asked for, checked.

    Raises:
        ConfigError: Where Ray is not installed, or not at the address.
    """
    if options.local:
        threads = threads_of(options)
        say(f"one trial after another on this machine, {threads} thread{'s' * (threads != 1)} each")
        yield run_locally
        return
    check_ray("give `local`")
    with contextlib.ExitStack() as connection:
        ray = connection.enter_context(ray_cluster(options.ray_address, options.log_level))
        check_share(ray, threads_of(options), options.gpus_per_trial)
        say(
            f"{cluster_line(ray)}; each trial has {threads_of(options)} of the processors"
            + (f" and {options.gpus_per_trial:g} of the GPUs" if options.gpus_per_trial else "")
        )

        def reconnect() -> None:
            connection.close()
            connection.enter_context(ray_cluster(options.ray_address, options.log_level))

        yield lambda jobs, on_done: run_on_ray(jobs, on_done, options, reconnect)


def check_published(models: Sequence[str]) -> None:
    """Download published models before any trial begins, so that a name that cannot be had is said once.

    Args:
        models: Names and directories of models; directories and the sample's own model are passed over.

    Raises:
        ModelError: Where one can neither be downloaded nor found in PaddleNLP's cache.
    """
    context = multiprocessing.get_context("spawn")
    for name in models:
        if is_local(name) or name == SAMPLE_MODEL:
            continue
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_download, args=(name, sender), daemon=True)
        process.start()
        sender.close()
        try:
            reason = str(receiver.recv())
        except EOFError:
            reason = f"{name}: the process that was to load it died"
        process.join()
        if reason:
            raise ModelError(reason)


def _download(name: str, sender: Any) -> None:
    """Load a published model in a process of its own, since the driver does without Paddle; send what went wrong."""
    hide_packages_notices()
    try:
        load_model(name, ("0", "1"))
        sender.send("")
    except ToolkitError as error:
        sender.send(str(error))


def run_locally(jobs: Sequence[Job], on_done: OnDone) -> None:
    """Do jobs one after another, each in a process of its own, which ends with this one.

    Args:
        jobs: What is to be done.
        on_done: Is called with each job when it has ended, well or not.
    """
    context = multiprocessing.get_context("spawn")
    for job in jobs:
        for attempt in range(1, ATTEMPTS + 1):
            process = context.Process(target=_run_as_child, args=(job, os.getpid()))
            process.start()
            try:
                process.join()
            except BaseException:
                process.kill()
                process.join()
                raise
            if job.is_done or failure_of(job.record):
                break
            if attempt == ATTEMPTS:
                write_failure(job.record, f"its process died {ATTEMPTS} times, with exit code {process.exitcode}")
        on_done(job)


def _run_as_child(job: Job, parent: int) -> None:
    """`run_job` in a process that is killed where its parent dies: the next call would find it in its way."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            return
    run_job(job)


def run_on_ray(jobs: Sequence[Job], on_done: OnDone, options: GridOptions, reconnect: Callable[[], None]) -> None:
    """Do jobs as trials of Ray Tune, as many at a time as the cluster has processors and GPUs for.

    What is known of a trial is in its directory alone: Tune begins a trial again whose worker or node is lost, and
    that resumes from its last checkpoint. Where Tune itself gives up, as it does when Ray kills workers because a
    node's memory is full, what is left goes to a new run of it.

    Args:
        jobs: What is to be done.
        on_done: Is called with each job when it has ended, well or not.
        options: What each trial gets, and whether trials are stopped early.
        reconnect: Leaves the cluster, so that what a run of Tune has held there is free, and connects again.
    """
    left, reported, attempts = list(jobs), set(), ATTEMPTS

    def report(job: Job) -> None:
        if job.directory not in reported:
            reported.add(job.directory)
            on_done(job)

    while left:
        reason = _run_tune(left, report, options)
        for job in left:
            if job.is_done or failure_of(job.record):
                report(job)
        before, left = len(left), [job for job in left if job.directory not in reported]
        attempts = ATTEMPTS if len(left) < before else attempts - 1
        if not left:
            return
        if attempts:
            say(f"Ray Tune has given up ({reason}): {len(left)} of {len(jobs)} left, which it begins again")
            reconnect()
            continue
        for job in left:
            write_failure(job.record, f"Ray Tune has given up {ATTEMPTS} times: {reason}")
            report(job)
        left = []


def _run_tune(jobs: Sequence[Job], report: OnDone, options: GridOptions) -> str:
    """One run of Tune; why it ended, where some jobs are left."""
    from ray import tune

    from ernie_toolkit.clue_benchmark.tune_trials import AshaInEachCell, job_callback

    results, listed = Path(options.output_dir).resolve(), list(jobs)
    compares = options.early_stopping == "asha" and listed[0].kind == TRIAL

    def work(config: dict[str, int]) -> None:
        run_job(listed[config["job"]], _report_to_tune if compares else None)

    os.environ.update(_TUNE_SETTINGS)
    if options.log_level == LOG_LEVELS[0]:
        # Tune would print tracebacks of workers that were lost: `job_callback` says that in one line.
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    # Tune wants a folder that every node sees; what it writes there is not read again.
    shutil.rmtree(results / TUNE_DIRECTORY, ignore_errors=True)
    tuner = tune.Tuner(
        tune.with_resources(work, {"cpu": threads_of(options), "gpu": options.gpus_per_trial}),
        param_space={"job": tune.grid_search(list(range(len(listed))))},
        tune_config=tune.TuneConfig(scheduler=AshaInEachCell(listed) if compares else None, reuse_actors=False),
        run_config=tune.RunConfig(
            name="run",
            storage_path=str(results / TUNE_DIRECTORY),
            failure_config=tune.FailureConfig(max_failures=ATTEMPTS - 1),
            callbacks=[job_callback(listed, report, ATTEMPTS)],
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    except RuntimeError as error:
        # Tune's only word for an error of Ray's that it does not know.
        if "Caught unexpected exception" not in str(error):
            raise
        return re.sub(r"^Caught unexpected exception: ", "", str(error)).partition(". ")[0].partition("\n")[0][:200]
    finally:
        shutil.rmtree(results / TUNE_DIRECTORY, ignore_errors=True)
    return "it ended without them"


def _report_to_tune(evaluation: int, step: int, metrics: Mapping[str, float]) -> None:
    """Tell Tune the dev metrics of an evaluation; the process ends here where the trial is stopped."""
    from ray import tune

    tune.report({**metrics, "evaluation": evaluation, "step": step})
