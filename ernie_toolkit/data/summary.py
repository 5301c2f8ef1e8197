"""What was read, in a line for each file: its form, its rows, its labels, and what took no part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ernie_toolkit.data.file_options import FileRecord
from ernie_toolkit.data.forms import DataForm, form_of
from ernie_toolkit.data.forms.base import listed, number
from ernie_toolkit.data.readers import Example
from ernie_toolkit.data.registry import DatasetSpec


def summarize(
    spec: DatasetSpec,
    splits: Mapping[Any, Sequence[Example]],
    records: Mapping[Any, FileRecord],
    paths: Mapping[Any, Path],
    limits: Mapping[str, int] | None = None,
) -> tuple[str, ...]:
    """A line for each split, and one for the labels that have no row in a split to train or evaluate on.

    Args:
        spec: The data set.
        splits: For each split the examples that are used.
        records: For each split what was found in its file.
        paths: For each split its file, none for generated rows.
        limits: For a split, how many rows were asked for at most; None: all.
    """
    lines = []
    form = form_of(spec.task_name)
    counts = {split: form.counts(examples) for split, examples in splits.items()}
    for split, examples in splits.items():
        parts = [_rows(form, spec, examples, (limits or {}).get(split)), form.contents(examples, counts[split])]
        parts += _left_out(records[split])
        where = f"{paths[split].name}, " if split in paths else ""
        lines.append(f"  {split}: {where}{records[split].format or form.kind}: " + "; ".join(filter(None, parts)))
    for split in ("train", "dev"):
        if split in splits:
            missing = [label for label in form.known_labels(spec) if label not in counts[split]]
            if missing:
                lines.append(f"  {form.label_noun} without a {split} row: {listed(missing)}")
    return tuple(lines)


def _rows(form: DataForm, spec: DatasetSpec, examples: Sequence[Any], limit: int | None) -> str:
    most = f" (no more than {limit:,} asked for)" if limit == len(examples) else ""
    return number(len(examples), form.noun) + form.rows_kind(spec) + most


def _left_out(record: FileRecord) -> list[str]:
    parts = [f"left out: {len(places):,} {reason}" for reason, places in record.left_out.items()]
    if record.skipped:
        parts.append(f"{len(record.skipped):,} row(s) skipped that cannot be read")
    if record.blank_lines:
        parts.append(f"{record.blank_lines:,} blank line(s)")
    return parts
