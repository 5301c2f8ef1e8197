"""The teacher's logits of all training rows, kept on disk with a checksum: later epochs and resumed runs read them."""

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import sha256_of
from ernie_toolkit.files.parsing import read_json_object
from ernie_toolkit.files.transactions import finish_transaction, transaction
from ernie_toolkit.text.dataset import EncodedDataset, Outputs
from ernie_toolkit.training.run import fingerprint, predict_logits

if TYPE_CHECKING:
    from paddlenlp.transformers import PretrainedModel

LOGITS_FILE, RECORD_FILE = "teacher_logits.npz", "teacher_logits.json"


def teacher_logits(
    teacher: "PretrainedModel",
    checksum: str,
    rows: EncodedDataset,
    batch_size: int,
    directory: Path,
    say: Callable[[str], None],
) -> Outputs:
    """The teacher's logits of rows (see `Outputs`): read where they are kept, else computed and kept.

    Args:
        teacher: The model.
        checksum: Of its weights (see `weights_checksum`).
        rows: The rows, each by itself.
        batch_size: Rows that are computed at once.
        directory: Gets `LOGITS_FILE` and `RECORD_FILE`, together or not at all.
        say: Gets a line on which of both was done, and why a file there was not taken.
    """
    wanted = {"teacher": checksum, "rows": fingerprint(rows)}
    kept, reason = _read(directory, wanted, len(rows.features))
    if kept is not None:
        say(f"teacher: logits of {len(kept):,} rows are taken from {directory / LOGITS_FILE}")
        return kept
    if reason:
        say(f"teacher: {directory / LOGITS_FILE} {reason}: its logits are computed anew")
    logits = predict_logits(teacher, rows, batch_size)
    _write(directory, wanted, logits)
    say(f"teacher: logits of {len(logits):,} rows are computed once, and kept in {directory / LOGITS_FILE}")
    return logits


def _write(directory: Path, identity: dict[str, str], logits: Outputs) -> None:
    shapes = np.array([row.shape for row in logits], dtype=np.int64)
    values = np.concatenate([np.asarray(row, dtype=np.float32).ravel() for row in logits])
    buffer = io.BytesIO()
    np.savez(buffer, shapes=shapes, values=values)
    with transaction(directory) as files:
        path = files.path(directory / LOGITS_FILE)
        path.write_bytes(buffer.getvalue())
        files.write_json(directory / RECORD_FILE, {**identity, "sha256": sha256_of(path)})


def _read(directory: Path, wanted: dict[str, str], rows: int) -> tuple[Outputs | None, str]:
    """The logits that are kept, or None and why they are not taken; no reason where nothing is kept."""
    finish_transaction(directory)
    path, record = directory / LOGITS_FILE, directory / RECORD_FILE
    if not path.is_file() and not record.is_file():
        return None, ""
    try:
        found: dict[str, Any] = read_json_object(record, ConfigError, "")
    except ConfigError:
        return None, "has no record that can be read"
    if not path.is_file() or sha256_of(path) != found.get("sha256"):
        return None, "is damaged"
    if any(found.get(name) != value for name, value in wanted.items()):
        return None, "is of another teacher or of other rows"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            shapes, values = arrays["shapes"], arrays["values"]
            ends = np.cumsum(shapes.prod(axis=1))
            parts = [part.reshape(shape) for part, shape in zip(np.split(values, ends[:-1]), shapes, strict=True)]
    except (ValueError, KeyError, OSError, zipfile.BadZipFile):
        return None, "is damaged"
    if len(parts) != rows:
        return None, "is damaged"
    return parts, ""


def logits_batch(logits: Outputs, numbers: Sequence[int], tokens: int, outputs: int) -> tuple[np.ndarray, ...]:
    """The tensors that the teacher's head would give for a batch, padded with zeros.

    Args:
        logits: Those of all rows (see `Outputs`).
        numbers: The rows of the batch.
        tokens: Tokens of its longest row, or of what it is padded to.
        outputs: How many tensors the head gives (see `HeadShape`).

    Returns:
        Float32 of shape (batch_size, classes) or (batch_size, tokens, classes), or two of shape (batch_size, tokens).
    """
    rows = [np.asarray(logits[number]) for number in numbers]
    if rows[0].ndim == 1:
        return (np.stack(rows),)
    if outputs == 1:
        padded = np.zeros((len(rows), tokens, rows[0].shape[1]), np.float32)
        for place, row in enumerate(rows):
            padded[place, : row.shape[0]] = row
        return (padded,)
    both = np.zeros((outputs, len(rows), tokens), np.float32)
    for place, row in enumerate(rows):
        both[:, place, : row.shape[1]] = row
    return tuple(both)
