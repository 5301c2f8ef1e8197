"""What was read, in a line for each file: its form, its rows, its labels, and what took no part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from ernie_toolkit.data.file_options import FileRecord
from ernie_toolkit.data.registry import DatasetSpec

_SHOWN = 10
# Of classification alone; `features.PAIR_FORMATS` brings numpy, which reading data does not need.
_PAIRS = ("pair", "keywords")
_OTHER_FORMATS = {"token_cls": "texts with tags", "qa": "SQuAD's form"}


def summarize(
    spec: DatasetSpec,
    splits: Mapping[Any, Sequence[Mapping[str, Any]]],
    records: Mapping[Any, FileRecord],
    paths: Mapping[Any, Path],
    limits: Mapping[str, int] | None = None,
) -> tuple[str, ...]:
    """A line for each split, and one for the labels that have no row in a split to train or evaluate on.

    `splits`: the examples that are used; `records`: what was found in their files, `paths` where they lie, none for
    generated rows; `limits`: how many rows were asked for at most.
    """
    lines = []
    counts = {split: _counts(spec, examples) for split, examples in splits.items()}
    for split, examples in splits.items():
        parts = [_rows(spec, examples, (limits or {}).get(split)), _contents(spec, examples, counts[split])]
        parts += _left_out(records[split])
        where = f"{paths[split].name}, " if split in paths else ""
        kind = records[split].format or _OTHER_FORMATS.get(spec.task_name, "JSON lines")
        lines.append(f"  {split}: {where}{kind}: " + "; ".join(part for part in parts if part))
    for split in ("train", "dev"):
        if split in splits:
            missing = _missing(spec, counts[split])
            if missing:
                what = "entity types" if spec.task_name == "token_cls" else "labels"
                lines.append(f"  {what} without a {split} row: {_listed(missing)}")
    return tuple(lines)


def _rows(spec: DatasetSpec, examples: Sequence[Any], limit: int | None) -> str:
    noun = {"token_cls": "text", "qa": "question"}.get(spec.task_name, "row")
    kind = "" if noun != "row" else " of pairs" if spec.text_format in _PAIRS else " of single texts"
    return (
        _number(len(examples), noun) + kind + (f" (no more than {limit:,} asked for)" if limit == len(examples) else "")
    )


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + "s" * (count != 1)


def _contents(spec: DatasetSpec, examples: Sequence[Mapping[str, Any]], counts: Mapping[str | None, int]) -> str:
    """The labels with their counts; for tags the entities by type, for questions how many have an answer."""
    if spec.task_name == "qa":
        answered = sum(bool(example["answers"]) for example in examples)
        return f"{answered:,} with an answer, {len(examples) - answered:,} without" if answered else "no answers"
    known = {label: count for label, count in counts.items() if label is not None}
    unlabelled = counts.get(None, 0)
    if unlabelled == len(examples) and not known:
        return "no tags" if spec.task_name == "token_cls" else "no labels"
    what = "entities" if spec.task_name == "token_cls" else _number(len(known), "label")
    return _counted(what, known) + (f"; {unlabelled:,} without" if unlabelled else "")


def _counts(spec: DatasetSpec, examples: Iterable[Mapping[str, Any]]) -> Counter[str | None]:
    """How many rows have each label (entities each type), and under None how many have none."""
    if spec.task_name == "qa":
        return Counter()
    if spec.task_name == "seq_cls":
        return Counter(map(itemgetter("label"), examples))
    counts: Counter[str | None] = Counter()
    for example in examples:
        labels = example["labels"]
        if spec.task_name == "token_cls":
            counts.update([None] if labels is None else [tag[2:] for tag in labels if tag.startswith("B-")])
        else:
            counts.update(labels or [None])
    return counts


def _counted(what: str, counts: Mapping[str, int]) -> str:
    # The sort is stable: of equally frequent labels the first to occur comes first.
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return f"{what}: {_listed([f'{name} ({count:,})' for name, count in ordered])}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) or "none") + more


def _missing(spec: DatasetSpec, counts: Mapping[str | None, int]) -> list[str]:
    """Labels of the data set that no example has."""
    known = [tag[2:] for tag in spec.labels if tag.startswith("B-")] if spec.task_name == "token_cls" else spec.labels
    return [label for label in known if label not in counts]


def _left_out(record: FileRecord) -> list[str]:
    parts = [f"left out: {len(places):,} {reason}" for reason, places in record.left_out.items()]
    if record.skipped:
        parts.append(f"{len(record.skipped):,} row(s) skipped that cannot be read")
    if record.blank_lines:
        parts.append(f"{record.blank_lines:,} blank line(s)")
    return parts
