"""The checkpoints of a run on disk: which are whole, their steps, and the best one that each was written with.

A checkpoint has a list of its files with their sizes, which is written last. Nothing here imports Paddle: a checkpoint
that cannot be resumed from is reported before it is loaded.
"""

from pathlib import Path
from typing import Any

from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import sync_tree, write_json
from ernie_toolkit.files.parsing import read_json_object
from ernie_toolkit.files.paths import path_problem
from ernie_toolkit.formats.ranges import FIGURE, Range, check_number

CHECKPOINT_PREFIX, STATE_FILE, MANIFEST = "checkpoint-", "trainer_state.json", "files.json"
STEPS = Range(0, 10**12)


def checkpoint_step(path: Path | str) -> int:
    """Return the step at which a checkpoint was saved, from its directory's name."""
    return int(Path(path).name.rpartition("-")[2])


def whole_checkpoints(directory: Path) -> list[Path]:
    """List the complete checkpoints in a directory, by step."""
    return [path for path in _checkpoints(directory) if not missing_from(path)]


def broken_checkpoints(directory: Path) -> list[tuple[Path, str]]:
    """List the incomplete checkpoints in a directory, by step, and what each lacks."""
    return [(path, missing) for path in _checkpoints(directory) if (missing := missing_from(path))]


def _checkpoints(directory: Path) -> list[Path]:
    found = [path for path in directory.glob(f"{CHECKPOINT_PREFIX}*") if path.name.rpartition("-")[2].isdecimal()]
    return sorted(found, key=checkpoint_step)


def last_checkpoint(directory: Path) -> Path | None:
    """Return the complete checkpoint with the most steps, or None."""
    return next(reversed(whole_checkpoints(directory)), None)


def read_state(checkpoint: Path) -> dict[str, Any]:
    """Read the Trainer's state of a checkpoint.

    Raises:
        ConfigError: Where its file cannot be read, or holds another.
    """
    path, remedy = checkpoint / STATE_FILE, "choose another checkpoint"
    state = read_json_object(path, ConfigError, remedy)
    for name in ("global_step", "max_steps", "num_train_epochs", "consumed_samples"):
        if name in state:
            check_number(state[name], int, STEPS, f"{path}: {name}", ConfigError, remedy)
    if state.get("global_step", checkpoint_step(checkpoint)) != checkpoint_step(checkpoint):
        raise ConfigError(f"{path}: global_step is {state['global_step']} in {checkpoint.name}: {remedy}")
    for name in ("epoch", "best_metric", "total_flos"):
        if state.get(name) is not None:
            check_number(state[name], float, FIGURE, f"{path}: {name}", ConfigError, remedy)
    history = state.get("log_history") or []
    if not isinstance(history, list) or not all(isinstance(entry, dict) for entry in history):
        raise ConfigError(f"{path}: log_history is no list of objects: {remedy}")
    best = state.get("best_model_checkpoint")
    name = Path(best).name if isinstance(best, str) else ""
    if best is not None and (not name.startswith(CHECKPOINT_PREFIX) or path_problem(name)):
        raise ConfigError(f"{path}: best_model_checkpoint is no checkpoint: {remedy}")
    return state


def missing_from(checkpoint: Path) -> str:
    """Return what a checkpoint lacks to be complete, for a message; empty where it is complete.

    Those of earlier versions have no list of their files: their state file was written last.
    """
    if not (checkpoint / STATE_FILE).is_file():
        return f"has no {STATE_FILE}"
    if not (checkpoint / MANIFEST).is_file():
        return ""
    try:
        sizes = read_json_object(checkpoint / MANIFEST, ConfigError, "choose another checkpoint")
    except ConfigError:
        return f"has a {MANIFEST} that is no list of its files"
    for name, size in sizes.items():
        path = checkpoint / name
        if not path.is_file():
            return f"has no {name}"
        if path.stat().st_size != size:
            return f"has {path.stat().st_size:,} bytes of {name} where {size:,} were written"
    return ""


def seal(checkpoint: Path) -> None:
    """Record which files a checkpoint has, and sync all of them to the disk."""
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path != checkpoint / MANIFEST)
    write_json(checkpoint / MANIFEST, {path.relative_to(checkpoint).as_posix(): path.stat().st_size for path in files})
    sync_tree(checkpoint)
