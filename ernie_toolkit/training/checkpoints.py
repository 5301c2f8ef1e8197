"""The checkpoints of a run on disk: which are whole, their steps, and the best one that each was written with.

Nothing here imports Paddle: a checkpoint that cannot be gone on from is told before it is loaded.
"""

import json
from pathlib import Path

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


def repair_best_path(checkpoint: Path) -> None:
    """Point a checkpoint's record of the best one into the directory where it lies now."""
    path = checkpoint / STATE_FILE
    state = json.loads(path.read_text(encoding="utf-8"))
    if state.get("best_model_checkpoint"):
        state["best_model_checkpoint"] = str(checkpoint.parent / Path(state["best_model_checkpoint"]).name)
        path.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
