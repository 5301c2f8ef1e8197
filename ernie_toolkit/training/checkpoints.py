"""The checkpoints of a run on disk: which are whole, their steps, and the best one that each was written with.

Nothing here imports Paddle: a checkpoint that cannot be gone on from is told before it is loaded.
"""

import json
from pathlib import Path

from ernie_toolkit.errors import ConfigError
from ernie_toolkit.parsing import read_json_object
from ernie_toolkit.paths import path_problem

CHECKPOINT_PREFIX, STATE_FILE = "checkpoint-", "trainer_state.json"


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


def best_name(checkpoint: Path, remedy: str) -> str:
    """The directory's name of the best checkpoint that another one was written with; empty where there was none yet.

    Raises ConfigError, which ends with `remedy`, where its record cannot be read.
    """
    path = checkpoint / STATE_FILE
    recorded = read_json_object(path, ConfigError, remedy).get("best_model_checkpoint")
    if not recorded:
        return ""
    name = Path(recorded).name if isinstance(recorded, str) else ""
    if not name.startswith(CHECKPOINT_PREFIX) or path_problem(name):
        raise ConfigError(f"{path}: best_model_checkpoint is no checkpoint: {remedy}")
    return name


def repair_best_path(checkpoint: Path) -> None:
    """Point a checkpoint's record of the best one into the directory where it lies now."""
    path = checkpoint / STATE_FILE
    name = best_name(checkpoint, "start anew with --overwrite_output_dir")
    if name:
        state = read_json_object(path, ConfigError, "start anew with --overwrite_output_dir")
        state["best_model_checkpoint"] = str(checkpoint.parent / name)
        path.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
