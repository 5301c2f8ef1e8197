"""The checkpoints of a run on disk: which are whole, their steps, and the best one that each was written with.

Nothing here imports Paddle: a checkpoint that cannot be gone on from is told before it is loaded.
"""

import json
from pathlib import Path
from typing import Any

from ernie_toolkit.errors import ConfigError
from ernie_toolkit.parsing import read_json_object
from ernie_toolkit.paths import path_problem
from ernie_toolkit.ranges import FIGURE, Range, check_number

CHECKPOINT_PREFIX, STATE_FILE = "checkpoint-", "trainer_state.json"
STEPS = Range(0, 10**12)


def checkpoint_step(path: Path | str) -> int:
    """The step at which a checkpoint was saved, by its directory's name."""
    return int(Path(path).name.rpartition("-")[2])


def whole_checkpoints(directory: Path) -> list[Path]:
    """The whole checkpoints in a directory, by step."""
    found = [path for path in directory.glob(f"{CHECKPOINT_PREFIX}*") if (path / STATE_FILE).is_file()]
    return sorted((path for path in found if path.name.rpartition("-")[2].isdecimal()), key=checkpoint_step)


def last_checkpoint(directory: Path) -> Path | None:
    """The whole checkpoint with the most steps, or None."""
    return next(reversed(whole_checkpoints(directory)), None)


def read_state(checkpoint: Path) -> dict[str, Any]:
    """The Trainer's state of a checkpoint. Raises ConfigError where its file cannot be read, or is not of its kind."""
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


def repair_best_path(checkpoint: Path) -> None:
    """Point a checkpoint's record of the best one into the directory where it lies now."""
    path, state = checkpoint / STATE_FILE, read_state(checkpoint)
    if state.get("best_model_checkpoint"):
        state["best_model_checkpoint"] = str(checkpoint.parent / Path(state["best_model_checkpoint"]).name)
        path.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
