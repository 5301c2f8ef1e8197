"""Texts without labels: their file, and their place beside labelled rows."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.inputs import read_input_rows
from ernie_toolkit.data.lines import is_json, read_lines
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.tasks import Task
from ernie_toolkit.tasks.base import HEADS
from ernie_toolkit.text.dataset import IGNORED, EncodedDataset
from ernie_toolkit.text.features import TextInput

ROW_NUMBERS = "row_numbers"
"""The target that says which row of a set each row of a batch is."""


def read_unlabeled(path: Path, text_format: str, options: FileOptions, say: Callable[[str], None]) -> list[TextInput]:
    """The texts or pairs of a file, each once; says what was read, and what was left out and why.

    Args:
        path: One text a line, a tab between the texts of a pair (see `read_input_rows`).
        text_format: What the model reads, one of `TEXT_FORMATS`.
        options: How files are read; rows that cannot be read are left out and counted whatever they say.
        say: Gets the lines.

    Raises:
        DataError: On a file that cannot be read, and on one without a text.
    """
    record = FileRecord()
    rows = read_input_rows(path, text_format, replace(options, on_error="skip"), (), record)
    texts = [row.text for row in rows if row.text is not None]
    unique = list(dict.fromkeys(texts))
    unread = [row.reason for row in rows if row.text is None]
    for notice in record.notices:
        say(notice)
    parts = [f"{len(texts) - len(unique):,} duplicates"]
    parts.append(f"{len(unread):,} rows that are empty or cannot be read" + (f" ({unread[0]})" if unread else ""))
    say(f"{path}: {len(unique):,} texts without labels; left out: {', '.join(parts)}")
    if not unique:
        raise DataError(f"{path}: no text to learn from: give a file with one text a line")
    return unique


def unlabeled_format(path: Path, options: FileOptions) -> str:
    """Whether a file holds single texts ("sentence") or pairs ("pair"): its first line with text says so by a tab.

    Args:
        path: The file.
        options: How files are read.

    Raises:
        DataError: As `read_lines`.
    """
    _, first = next(read_lines(path, options.encoding), (0, ""))
    return "pair" if "\t" in first.strip() and not is_json(path) else "sentence"


def takes_unlabeled(task: type[Task]) -> bool:
    """Whether rows of a task are single texts or pairs, so that a file of texts can stand beside labelled rows."""
    shape = HEADS[task.head]
    return not shape.choices and shape.outputs == 1 and not task.has_thresholds


def with_row_numbers(rows: EncodedDataset) -> EncodedDataset:
    """The same rows; a batch of them says in `ROW_NUMBERS` which they are, int64 of shape (batch_size,)."""
    return replace(rows, targets={**rows.targets, ROW_NUMBERS: np.arange(len(rows.features), dtype=np.int64)})


def with_unlabeled(rows: EncodedDataset, extra: EncodedDataset) -> EncodedDataset:
    """Labelled rows with unlabelled ones behind them, whose targets take no part in a loss.

    Args:
        rows: With targets.
        extra: Without.

    Raises:
        ConfigError: On rows whose targets cannot be left open.
    """
    targets: dict[str, Sequence[np.ndarray] | np.ndarray] = {}
    for name, values in rows.targets.items():
        if isinstance(values, np.ndarray):
            if values.ndim > 1 or values.dtype.kind != "i":
                raise ConfigError("`unlabeled_file`: targets of this task cannot be left open: leave it out")
            targets[name] = np.concatenate([values, np.full(len(extra), IGNORED, values.dtype)])
        else:
            unknown = [np.full(len(item), IGNORED, np.int64) for item in extra.features]
            targets[name] = [*values, *unknown]
    cut = None if rows.cut_rows is None else rows.cut_rows + (extra.cut_rows or 0)
    return EncodedDataset([*rows.features, *extra.features], rows.pad_id, targets, cut)


def held_out(rows: EncodedDataset, share: int = 50, most: int = 500) -> tuple[EncodedDataset, EncodedDataset]:
    """Rows to train on, and every `share`-th one, up to `most` of them, to measure the loss on.

    Args:
        rows: All rows.
        share: One in how many is held out.
        most: The largest number that is.

    Raises:
        ConfigError: On a single row, of which none can be held out.
    """
    total = len(rows)
    if total < 2:
        raise ConfigError("`unlabeled_file` has one text: give two at least, one of them to measure on")
    step = max(share, total // most) if total >= 2 * share else 2
    out = list(range(0, total, step))[:most]
    kept = sorted(set(range(total)) - set(out))
    return with_row_numbers(rows.subset(kept)), with_row_numbers(rows.subset(out))
