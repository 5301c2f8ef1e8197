"""Resume from a checkpoint that the user names, in place of the last one of the run.

It is brought where the run looks for its last one, so that resuming needs no second way.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from ernie_toolkit.console import is_main_process, notice
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import remove_directory, replaced_directory
from ernie_toolkit.training.checkpoints import (
    CHECKPOINT_PREFIX,
    checkpoint_step,
    last_checkpoint,
    missing_from,
    read_state,
    whole_checkpoints,
)
from ernie_toolkit.training.run import CHECKPOINTS, RUN_FILE

SET_ASIDE = "set_aside"
# How long another process of a distributed run waits until the first one has brought the checkpoint, in seconds.
WAIT_SECONDS = 120.0


def names_checkpoint(resume_from: str) -> bool:
    """Return whether a value names a checkpoint; "true", "false" and "" only say whether to resume."""
    return resume_from.lower() not in ("", "true", "false")


def resumes_in_place(resume: bool, resume_from: str, run_dir: Path) -> bool:
    """Return whether a run resumes from its own checkpoints, not from a copy of another run's.

    Args:
        resume: Whether the run resumes from its last checkpoint.
        resume_from: A checkpoint, or a directory with some; "true" or "false" as `resume`; "" for neither.
        run_dir: The run's directory.

    Raises:
        ConfigError: As `find_checkpoint`.
    """
    if names_checkpoint(resume_from):
        return find_checkpoint(resume_from).parent.resolve() == (run_dir / CHECKPOINTS).resolve()
    return resume or resume_from.lower() == "true"


def resumes(resume: bool, resume_from: str, run_dir: Path, overwrite: bool) -> bool:
    """Return whether a run resumes; the checkpoint that `resume_from` names is brought to `run_dir`.

    Args:
        resume: Whether the run resumes from its last checkpoint.
        resume_from: A checkpoint, or a directory with some; "true" or "false" as `resume`; "" for neither.
        run_dir: The run's directory.
        overwrite: Whether to delete an unfinished run in `run_dir`.

    Raises:
        ConfigError: As `bring_checkpoint`.
    """
    if names_checkpoint(resume_from):
        bring_checkpoint(run_dir, resume_from, overwrite)
        return True
    return resume or resume_from.lower() == "true"


def find_checkpoint(resume_from: str) -> Path:
    """Find the checkpoint at a path, or the last one of the run there.

    Args:
        resume_from: A checkpoint, a directory of checkpoints, or a run's directory.

    Raises:
        ConfigError: Where there is no complete one.
    """
    path = Path(resume_from)
    if path.name.startswith(CHECKPOINT_PREFIX):
        if path in whole_checkpoints(path.parent):
            return path
        missing = missing_from(path) if path.is_dir() else "is not there"
    else:
        inside = [*whole_checkpoints(path), *whole_checkpoints(path / CHECKPOINTS)]
        if inside:
            return inside[-1]
        missing = f"holds no {CHECKPOINT_PREFIX}N" if path.is_dir() else "is not there"
    raise ConfigError(
        f"`resume_from` {resume_from}: {missing}: give a checkpoint's directory, DIR/{CHECKPOINT_PREFIX}N, "
        "that a run which was cut off or `keep_checkpoints` has left"
    )


def _best_of(checkpoint: Path) -> Path | None:
    """The best checkpoint that another one was written with, beside it. Raises ConfigError where it is gone."""
    state = read_state(checkpoint)
    if not state.get("best_model_checkpoint"):
        return None
    best = checkpoint.parent / Path(state["best_model_checkpoint"]).name
    if missing_from(best):
        raise ConfigError(f"{checkpoint}: {best.name}, the best one until then, is no longer beside it: choose another")
    return best


def bring_checkpoint(run_dir: Path, resume_from: str, overwrite: bool = False) -> Path:
    """Make a checkpoint the last one of the run in `run_dir`, and return its path there.

    Later ones of the same run are set aside in a directory beside it. One of another run is copied, with the best one
    that it names and the record of its run.

    Args:
        run_dir: The run's directory.
        resume_from: As for `find_checkpoint`.
        overwrite: Whether to delete an unfinished run in `run_dir`.

    Raises:
        ConfigError: Where the checkpoint is not complete, or where there is an unfinished run and `overwrite` is false.
    """
    found = find_checkpoint(resume_from)
    target = run_dir / CHECKPOINTS
    if not is_main_process():
        missing = f"{target / found.name}: the first process did not bring it there: see its own message"
        wait_until(lambda: last_checkpoint(target) == target / found.name, WAIT_SECONDS, missing)
        return target / found.name
    best = _best_of(found)
    if found.parent.resolve() != target.resolve():
        if whole_checkpoints(target) and not overwrite:
            raise ConfigError(f"{target} holds another unfinished run: drop it with `overwrite`, or give another place")
        with replaced_directory(target) as staging:
            for path in dict.fromkeys((found, best)):
                if path is not None:
                    shutil.copytree(path, staging / path.name)
            if (found.parent / RUN_FILE).is_file():
                shutil.copyfile(found.parent / RUN_FILE, staging / RUN_FILE)
        return target / found.name
    later = [path for path in whole_checkpoints(target) if checkpoint_step(path) > checkpoint_step(found)]
    for path in later:
        aside = target / SET_ASIDE / path.name
        aside.parent.mkdir(exist_ok=True)
        remove_directory(aside)
        path.rename(aside)
    if later:
        names = ", ".join(path.name for path in later)
        notice(f"{names} of the run in {target}: set aside in {SET_ASIDE}/, since {found.name} is resumed from")
    return found


def wait_until(done: Callable[[], bool], seconds: float, failure: str) -> None:
    """Wait for what the first process of a distributed run does.

    Args:
        done: Whether it is done.
        seconds: How long to wait.
        failure: The error's message.

    Raises:
        ConfigError: Where it is not done in time.
    """
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise ConfigError(failure)
        time.sleep(0.1)
