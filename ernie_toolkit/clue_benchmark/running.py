"""What a trial does in a process of its own, from data to metrics; and how the best one of a cell is exported."""

import dataclasses
import math
import os
import shutil
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ernie_toolkit.bundle import EXPORT_DIRECTORY
from ernie_toolkit.clue_benchmark.grid import CLUE_DATASETS, MULTI_LABEL
from ernie_toolkit.clue_benchmark.trials import (
    BEST,
    BEST_FILE,
    LOCK_FILE,
    LOG_FILE,
    MODEL,
    RESULT_FILE,
    Trial,
    cell_data_directory,
    locked,
    read_trial,
    trial_options,
    write_failure,
)
from ernie_toolkit.console import hide_packages_notices, say, warn
from ernie_toolkit.data import DataSet, load_dataset
from ernie_toolkit.data.label_sets import load_label_sets
from ernie_toolkit.data.predictions import write_predictions
from ernie_toolkit.data.registry import Split
from ernie_toolkit.errors import DataError, ToolkitError
from ernie_toolkit.files import replaced_directory, write_json
from ernie_toolkit.files.checksums import user_cache_directory
from ernie_toolkit.formats.weights import WEIGHTS_FILE
from ernie_toolkit.models import is_local, load_model
from ernie_toolkit.multi_label.training import start_at_base_rates
from ernie_toolkit.session import PARITY_ROWS, Session
from ernie_toolkit.tasks import MultiLabelClassification, Task
from ernie_toolkit.training import seed_everything
from ernie_toolkit.training.devices import use_device

OnEvaluation = Callable[[int, int, Mapping[str, float]], None]
"""Is called after each evaluation with its number from 1, the step and the dev metrics."""
TRIAL, FINISH = "trial", "finish"
# How long a trial waits for the process that computed it before and whose driver or node is lost, and for a download.
DYING_SECONDS, DOWNLOAD_SECONDS = 60.0, 3600.0


@dataclass(frozen=True)
class Job:
    """What one process does.

    Attributes:
        kind: "trial" trains the trial of a directory; "finish" exports the best one of a cell.
        directory: The trial's, for both kinds.
        device: As `use_device` takes it.
        threads: Processors that it computes on.
    """

    kind: str
    directory: Path
    device: str
    threads: int

    @property
    def record(self) -> Path:
        """The directory that gets the record of a failure: the trial's, or the cell's."""
        return self.directory if self.kind == TRIAL else cell_of(self.directory)

    @property
    def is_done(self) -> bool:
        """Whether its result is there."""
        if self.kind == TRIAL:
            return (self.directory / RESULT_FILE).is_file()
        return finished_best(cell_of(self.directory)) == self.directory.name

    @property
    def shown(self) -> str:
        """Its name for people."""
        name = Trial(self.directory, {}).shown
        return name if self.kind == TRIAL else f"bundle of {name}"


def cell_of(trial: Path) -> Path:
    """The directory of a trial's cell."""
    return trial.parent.parent


def finished_best(cell: Path) -> str:
    """The name of the trial whose bundle a cell has; empty where it has none."""
    from ernie_toolkit.clue_benchmark.selection import read_best

    return str(read_best(cell).get("trial", ""))


def run_job(job: Job, on_evaluation: OnEvaluation | None = None) -> None:
    """Do a job in this process, which has not imported Paddle yet; what it prints goes to the trial's log.

    A failure that another try would meet again is recorded in one line, and no error is raised.

    Args:
        job: What is to be done.
        on_evaluation: Is called by a trial's training; None: nobody wants to know.
    """
    # Read when Paddle is imported: no trial takes more than its share of the processors.
    os.environ["OMP_NUM_THREADS"] = str(job.threads)
    hide_packages_notices()
    busy = f"{job.directory}: another process computes this trial"
    try:
        with locked(job.directory / LOCK_FILE, busy, DYING_SECONDS), printing_to(job.directory / LOG_FILE):
            if job.is_done:
                return
            say(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {job.kind} on {socket.gethostname()}, process {os.getpid()}")
            try:
                (train_trial if job.kind == TRIAL else finish_cell)(job, on_evaluation)
            except ToolkitError as error:
                warn(str(error))
                write_failure(job.record, str(error))
            except Exception as error:  # an error of a library's, out of memory among them: the other trials go on
                traceback.print_exc()
                reason = " ".join(str(error).split()) or "no message"
                write_failure(job.record, f"{type(error).__name__}: {reason[:300]} (log: {job.directory / LOG_FILE})")
    except ToolkitError as error:  # the directory cannot be used
        write_failure(job.record, str(error))


@contextmanager
def printing_to(path: Path) -> Iterator[None]:
    """Append what this process prints within a block to a file, what libraries print from C too."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(number) for number in (1, 2)]
    with path.open("ab") as log:
        for number in (1, 2):
            os.dup2(log.fileno(), number)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, before in zip((1, 2), kept, strict=True):
            os.dup2(before, number)
            os.close(before)


def load_cell_data(shared: Mapping[str, Any], results: Path, splits: Sequence[Split]) -> DataSet:
    """Some splits of a cell's data set.

    Args:
        shared: What the trials of the cell share.
        results: The output directory of all cells.
        splits: The splits that are read.

    Raises:
        ToolkitError: As `load_dataset`.
    """
    directory = cell_data_directory(shared, results)
    limits = {name: rows for name, rows in shared["max_samples"].items() if name in splits}
    if shared["dataset"] == MULTI_LABEL:
        assert directory is not None  # see `cell_data_directory`
        data = load_label_sets(directory, splits)
        cut: dict[str, Any] = {name: data.split(name)[:rows] for name, rows in limits.items()}
        return dataclasses.replace(data, **cut)
    return load_dataset(
        shared["dataset"],
        data_dir=directory,
        data_source="auto" if directory else shared["data_source"],
        splits=splits,
        limits=limits,
    )


def _opened(trial: Trial, job: Job, data: DataSet, model: str) -> tuple[Session, Task]:
    """A session of a trial's task with a model that is loaded for it."""
    options = trial_options(trial.description)
    if data.spec.task_name == MultiLabelClassification.name:
        task: Task = MultiLabelClassification(data.spec.labels, options.max_seq_length)
    else:
        task = data.spec.task(options.max_seq_length, **trial.description["limits"])
    device = use_device(job.device, options.fast_cpu)
    seed_everything(options.seed)
    with _downloading(model):
        loaded = load_model(model, task, *options.dropouts)
    return Session(loaded, data, task, device, say=say), task


def _downloading(model: str) -> AbstractContextManager[None]:
    """A block in which a published model is loaded: one process of a machine downloads it, the others wait."""
    places = None if is_local(model) else user_cache_directory("downloads")
    return (
        nullcontext()
        if places is None
        else locked(
            places / f"{model.replace('/', '-')}.lock",
            f"{model}: another process has been downloading it for an hour",
            DOWNLOAD_SECONDS,
        )
    )


def train_trial(job: Job, on_evaluation: OnEvaluation | None = None) -> None:
    """Train a trial, or resume it from its last checkpoint, and write its model and then its metrics.

    Args:
        job: Names the trial's directory.
        on_evaluation: See `run_job`.

    Raises:
        ToolkitError: Where data, model or settings do not fit.
    """
    trial = read_trial(job.directory)
    options = trial_options(trial.description)
    data = load_cell_data(trial.description, cell_of(job.directory).parent.parent, ("train", "dev"))
    say(*data.summary)
    warn(*data.notices)
    session, task = _opened(trial, job, data, trial.description["model"])
    warn(*session.loaded.notices)
    if isinstance(task, MultiLabelClassification):
        start_at_base_rates(session.loaded, task.gold(data.split("train")), task.labels)
    callbacks = [] if on_evaluation is None else [_reporting(on_evaluation)]
    # True also where there is nothing to resume from yet: a trial that is begun twice goes on.
    result = session.train(options, job.directory, resume=True, callbacks=callbacks)
    session.save(job.directory / MODEL)
    record = session.record(result.metrics, dataclasses.asdict(options))
    parameters = sum(math.prod(item.shape) for item in session.loaded.model.parameters())
    write_json(
        job.directory / RESULT_FILE,
        {
            "status": "finished",
            "searched": trial.description["searched"],
            "chosen_by": trial.description["metric"],
            "parameters": parameters,
            "host": socket.gethostname(),
            "threads": job.threads,
            "device": session.device,
            **record,
        },
    )
    session.discard_checkpoints(job.directory)


def _reporting(on_evaluation: OnEvaluation) -> Any:
    """A callback of PaddleNLP's Trainer that passes dev metrics on."""
    from paddlenlp.trainer import TrainerCallback

    class Reporting(TrainerCallback):
        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Mapping[str, float], **_: Any) -> None:
            number = sum("eval_loss" in entry for entry in state.log_history)
            on_evaluation(number, state.global_step, {name[5:]: value for name, value in metrics.items()})

    return Reporting()


def finish_cell(job: Job, _: OnEvaluation | None = None) -> None:
    """Put the best trial's model with its bundle and its predictions of the test split into the cell, whole.

    Args:
        job: Names the best trial's directory, which has its model.

    Raises:
        ToolkitError: Where the model or the data cannot be read.
    """
    trial, cell = read_trial(job.directory), cell_of(job.directory)
    results, model = cell.parent.parent, job.directory / MODEL
    data = load_cell_data(trial.description, results, ("dev",))
    session, _task = _opened(trial, job, data, str(model))
    session.require_trained_head()
    with replaced_directory(cell / BEST) as staging:
        shutil.copytree(model, staging, dirs_exist_ok=True)
        bundle = session.export(staging / EXPORT_DIRECTORY, PARITY_ROWS, weights_file=model / WEIGHTS_FILE)
        say(f"exported: logits differ by at most {bundle.info.parity['max_abs_difference']:.1e}")
        submission, reason = _predict(trial, session, results, staging)
        best = {"trial": job.directory.name, "submission": submission, "no_submission": reason}
        write_json(staging / BEST_FILE, best)


def _predict(trial: Trial, session: Session, results: Path, directory: Path) -> tuple[str, str]:
    """Write the answers to the test split; the name of the benchmark's file, or why there is none."""
    name = trial.description["dataset"]
    if name not in CLUE_DATASETS:
        return "", f"{name} is not of CLUE"
    try:
        data = load_cell_data(trial.description, results, ("test",))
    except DataError as error:
        return "", str(error)
    examples = data.split("test")
    answers = session.predict(examples, trial_options(trial.description).per_device_eval_batch_size)
    paths = write_predictions(data, examples, answers, directory)
    return (paths[1].name, "") if len(paths) > 1 else ("", f"{name} has no file for the benchmark")
