"""The checkpoints of a run on disk: which are whole, their steps, and the best one that each was written with.

A checkpoint has a list of its files with their sizes, which is written last. Nothing here imports Paddle: a checkpoint
that cannot be gone on from is told before it is loaded.
"""

import json
from pathlib import Path
from typing import Any

from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import sync_tree, write_json

CHECKPOINT_PREFIX, STATE_FILE, MANIFEST = "checkpoint-", "trainer_state.json", "files.json"


def checkpoint_step(path: Path | str) -> int:
    """The step at which a checkpoint was saved, by its directory's name."""
    return int(Path(path).name.rpartition("-")[2])


def whole_checkpoints(directory: Path) -> list[Path]:
    """The whole checkpoints in a directory, by step."""
    found = [path for path in directory.glob(f"{CHECKPOINT_PREFIX}*") if path.name.rpartition("-")[2].isdecimal()]
    return sorted((path for path in found if not missing_from(path)), key=checkpoint_step)


def last_checkpoint(directory: Path) -> Path | None:
    """The whole checkpoint with the most steps, or None."""
    return next(reversed(whole_checkpoints(directory)), None)


def read_state(checkpoint: Path) -> dict[str, Any]:
    """The Trainer's state of a checkpoint. Raises ConfigError where its file cannot be read."""
    path = checkpoint / STATE_FILE
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON ({error}): choose another checkpoint") from None
    if not isinstance(state, dict):
        raise ConfigError(f"{path}: not a JSON object: choose another checkpoint")
    return state


def missing_from(checkpoint: Path) -> str:
    """What a checkpoint lacks to be whole, for a message; empty where it is whole.

    Those of earlier versions have no list of their files: their state file was written last.
    """
    if not (checkpoint / STATE_FILE).is_file():
        return f"has no {STATE_FILE}"
    if not (checkpoint / MANIFEST).is_file():
        return ""
    try:
        sizes = dict(json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        return f"has a {MANIFEST} that is no list of its files"
    for name, size in sizes.items():
        path = checkpoint / name
        if not path.is_file():
            return f"has no {name}"
        if path.stat().st_size != size:
            return f"has {path.stat().st_size:,} bytes of {name} where {size:,} were written"
    return ""


def seal(checkpoint: Path) -> None:
    """Record which files a checkpoint has, and have all of it on the disk."""
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file())
    write_json(checkpoint / MANIFEST, {path.relative_to(checkpoint).as_posix(): path.stat().st_size for path in files})
    sync_tree(checkpoint)
