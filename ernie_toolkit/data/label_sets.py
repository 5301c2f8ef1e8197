"""Data directories of multi-label classification: train.txt, dev.txt, test.txt, label.txt, data.txt.

A labelled line is `text<TAB>label,label`; nothing after the tab says that the text has none of the labels. label.txt
has a label a line, in the order of the model's outputs; data.txt a text a line. The format is that of PaddleNLP's
multi-label application.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ernie_toolkit.data.custom import read_labels
from ernie_toolkit.data.file_options import SkippedRow
from ernie_toolkit.data.lines import check_text, read_all_lines, read_lines
from ernie_toolkit.data.loading import DataSet
from ernie_toolkit.data.readers import Example
from ernie_toolkit.data.registry import DatasetSpec, Split
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.files import replaced_directory, sha256_of, write_json, write_text

TASK = "multi_label"
SEPARATOR = ","
LABEL_FILE, UNLABELLED_FILE = "label.txt", "data.txt"
FILES: dict[Split, str] = {"train": "train.txt", "dev": "dev.txt", "test": "test.txt"}
# Beside a generated sample: which files it wrote, so that figures from them are told apart from real ones.
SAMPLE_RECORD = "sample.json"
# The one directory name that the sample may stand in for: the guide's own.
SAMPLE_DIRECTORY = "data"
SAMPLE_WARNING = (
    "the data in {directory} is the toolkit's generated sample of product reviews: figures from it say nothing about "
    "other data"
)
_SHOWN_LABELS = 20
BLANK_LINE = "a blank line"
# What `read_lines` and `split_line` part lines and columns at; U+2028 and the like stay.
_BREAKS = re.compile("\r\n|[\t\r\n]")


def read_label_list(path: Path) -> tuple[str, ...]:
    """The labels of a label.txt, in its order. Raises DataError on repeats, a comma in a label, fewer than two."""
    labels, names = read_labels(path)
    if names is not None:
        raise DataError(f"{path}: a tab in the first line: write one label a line and nothing else")
    for number, line in read_lines(path):
        if SEPARATOR in line:
            raise DataError(f"{path}:{number}: label '{line.strip()}' holds a comma, which separates labels: rename it")
    return labels


def comparable(label: str) -> str:
    """What two spellings of a label have in common: width, zero-width characters and blanks make no difference."""
    text = unicodedata.normalize("NFKC", label)
    return " ".join("".join(character for character in text if unicodedata.category(character) != "Cf").split())


def visible(label: str) -> str:
    """A label in quotes with its invisible characters as escapes."""
    return "".join(f"\\u{ord(sign):04x}" if unicodedata.category(sign) == "Cf" else sign for sign in repr(label))


@dataclass
class LabelSetRecord:
    """What was found in one labelled file: blank lines, and labels that were read as another spelling of them.

    `spellings`: (label as it stands there, label of label.txt) to the number of rows.
    """

    blank_lines: int = 0
    spellings: Counter[tuple[str, str]] = field(default_factory=Counter)


def read_label_sets(path: Path, labels: Sequence[str], record: LabelSetRecord | None = None) -> Iterator[Example]:
    """Stream the rows of a labelled file: `sentence`, `labels` (identifiers, in the model's order), `id`.

    A label that is not in `labels` is read as the one there that differs in nothing that can be seen (see
    `comparable`), where there is just one, and `record` is told. Raises DataError with file and line at the first
    line without a tab or with two, with an empty text, with a label that is not in `labels`, or twice there, and on
    bytes that are not UTF-8.
    """
    record = record or LabelSetRecord()
    places = {label: index for index, label in enumerate(labels)}
    spelt: dict[str, list[str]] = {}
    for label in labels:
        spelt.setdefault(comparable(label), []).append(label)
    index = 0
    for number, line in read_all_lines(path):
        if not line.strip():
            record.blank_lines += 1
            continue
        where = f"{path}:{number}"
        text, names = split_line(line, where)
        yield {"sentence": text, "labels": _label_set(names, places, spelt, record, where), "id": index}
        index += 1


def split_line(line: str, where: str) -> tuple[str, tuple[str, ...]]:
    """The text and the labels of a line, whatever labels there are. Raises DataError that begins with `where`."""
    columns = line.split("\t")
    if len(columns) == 1:
        raise DataError(f"{where}: no tab: expected text<TAB>label,label (end a text without labels with a tab)")
    if len(columns) > 2:
        raise DataError(f"{where}: {len(columns) - 1} tabs: a text must not hold one; expected text<TAB>label,label")
    text = check_text(columns[0], "the text before the tab", where)
    names = tuple(name.strip() for name in columns[1].split(SEPARATOR)) if columns[1].strip() else ()
    for place, name in enumerate(names):
        if not name:
            raise DataError(f"{where}: label {place + 1} is empty: take the surplus comma out")
        if name in names[:place]:
            raise DataError(f"{where}: label '{name}' stands there twice: take one out")
    return text, names


def _label_set(
    names: Iterable[str], places: Mapping[str, int], spelt: Mapping[str, list[str]], record: LabelSetRecord, where: str
) -> tuple[str, ...]:
    known = []
    for name in names:
        label = name
        if name not in places:
            same = spelt.get(comparable(name), [])
            if len(same) != 1:
                shown = ", ".join(list(places)[:_SHOWN_LABELS]) + (" ..." if len(places) > _SHOWN_LABELS else "")
                raise DataError(f"{where}: label {name!r:.60} is not in {LABEL_FILE}: {shown}")
            label = same[0]
            record.spellings[name, label] += 1
        if label in known:
            raise DataError(f"{where}: label {name!r:.60} is another spelling of '{label}': take one out")
        known.append(label)
    return tuple(sorted(known, key=places.__getitem__))


def read_numbered_texts(
    path: Path, on_error: str = "stop", encoding: str = "utf-8"
) -> tuple[list[tuple[int, str]], list[SkippedRow]]:
    """The texts of an unlabelled file with their line numbers from 1, and the rows that get no answer.

    Every line up to the last that is not blank is a row. One that is blank or holds a tab is an error with its place,
    or with `on_error` "skip" a row without an answer. Raises DataError where there is no text at all.
    """
    texts: list[tuple[int, str]] = []
    skipped: list[SkippedRow] = []
    blank: list[int] = []
    for number, line in read_all_lines(path, encoding):
        if not line.strip():
            blank.append(number)
            continue
        # Blank lines at the end are no rows.
        faults = [(missing, BLANK_LINE) for missing in blank]
        blank.clear()
        if "\t" in line:
            faults.append((number, "a tab in a text: write texts alone (cut -f1 drops the labels)"))
        for place, reason in faults:
            if on_error != "skip":
                hint = ": take it out, or give --on_error skip for an answer of null" if reason is BLANK_LINE else ""
                raise DataError(f"{path}:{place}: {reason}{hint}")
            skipped.append(SkippedRow(place, f"{path}:{place}: {reason}"))
        if "\t" not in line:
            texts.append((number, check_text(line, "the line", f"{path}:{number}")))
    if not texts:
        raise DataError(f"{path}: no text in it: write one a line")
    return texts, skipped


def read_texts(path: Path) -> list[str]:
    """The texts of an unlabelled file, a line each. Raises DataError on a tab in a text, and where there is none."""
    texts = []
    for number, line in read_lines(path):
        if "\t" in line:
            raise DataError(f"{path}:{number}: a tab in a text: write texts alone (cut -f1 drops the labels)")
        texts.append(check_text(line, "the line", f"{path}:{number}"))
    if not texts:
        raise DataError(f"{path}: no text in it: write one a line")
    return texts


def format_line(text: str, labels: Sequence[str]) -> str:
    """A labelled line with its end; a tab or a line break in the text becomes a space."""
    return _BREAKS.sub(" ", text) + "\t" + SEPARATOR.join(labels) + "\n"


def write_label_sets(path: Path, examples: Iterable[Example]) -> None:
    """Write examples as a labelled file, whole or not at all."""
    write_text(path, "".join(format_line(example["sentence"], example["labels"]) for example in examples))


@dataclass(frozen=True)
class DirectoryReading:
    """A data directory that was read: `data`, a line that says what is in it, and lines to warn about."""

    data: DataSet
    summary: str
    notices: tuple[str, ...]


def load_label_sets(
    directory: Path | str,
    splits: Sequence[Split] = ("train", "dev"),
    files: Mapping[Split, str] | None = None,
    label_file: str = LABEL_FILE,
) -> DataSet:
    """The data of a directory (see `read_directory`)."""
    return read_directory(directory, splits, files, label_file).data


def read_directory(
    directory: Path | str,
    splits: Sequence[Split] = ("train", "dev"),
    files: Mapping[Split, str] | None = None,
    label_file: str = LABEL_FILE,
) -> DirectoryReading:
    """Read some splits of a data directory; `files`: names of the splits' files where they are others than usual.

    Raises ConfigError where there is no such directory, DataError on files that are missing, empty or malformed.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise ConfigError(f"{directory}: no such data directory: check --dataset_dir")
    names = {**FILES, **(files or {})}
    paths = {split: directory / names[split] for split in splits}
    labels = read_label_list(directory / label_file)
    notices = _alike(labels, directory / label_file)
    examples: dict[Split, list[Example]] = {}
    blank: dict[Split, int] = {}
    for split, path in paths.items():
        record = LabelSetRecord()
        examples[split] = list(read_label_sets(path, labels, record))
        blank[split] = record.blank_lines
        if not examples[split]:
            raise DataError(f"{path}: no rows: write text<TAB>label,label, one row a line")
        for (name, label), count in record.spellings.items():
            notices.append(f"{path}: label {visible(name)} is read as '{label}' of {label_file} in {count} row(s)")
    spec = DatasetSpec(
        directory.resolve().name, TASK, labels, "sentence", metric="macro_f1",
        files={split: (path.name,) for split, path in paths.items()},
    )  # fmt: skip
    sampled = is_sample(directory, paths.values())
    warnings = (SAMPLE_WARNING.format(directory=directory),) if sampled else ()
    train, dev, test = (examples.get(split) for split in FILES)
    data = DataSet(spec, train, dev, test, "sample" if sampled else "data_dir", str(directory), {}, warnings)
    return DirectoryReading(data, _summary(directory, labels, examples, blank), tuple(notices))


def _alike(labels: Sequence[str], path: Path) -> list[str]:
    """Lines on labels of a label file that look the same."""
    spelt: dict[str, list[str]] = {}
    for label in labels:
        spelt.setdefault(comparable(label), []).append(label)
    return [
        f"{path}: labels {' and '.join(map(visible, group))} look the same and are {len(group)} labels: is that meant?"
        for group in spelt.values() if len(group) > 1
    ]  # fmt: skip


def _summary(
    directory: Path, labels: Sequence[str], examples: Mapping[Split, Sequence[Example]], blank: Mapping[Split, int]
) -> str:
    """What a directory holds, in one line."""
    counts = {split: Counter(label for row in rows for label in row["labels"]) for split, rows in examples.items()}
    parts = []
    for split, rows in examples.items():
        bare = sum(not row["labels"] for row in rows)
        details = [f"{bare} without a label"] * bool(bare) + [f"{blank[split]} blank line(s)"] * bool(blank[split])
        parts.append(f"{split} {len(rows)} rows" + (f" ({', '.join(details)})" if details else ""))
    shown = [f"{label} {'/'.join(str(counts[split][label]) for split in counts)}" for label in labels]
    parts.append(f"{len(labels)} labels, rows in {'/'.join(counts)}: {_first(shown)}")
    for split, name in (("train", "a training row"), ("dev", "a dev row")):
        absent = [label for label in labels if split in counts and not counts[split][label]]
        if absent:
            parts.append(f"labels without {name}: {_first(absent)}")
    return f"data: {directory}, text<TAB>label,label: " + "; ".join(parts)


def _first(items: Sequence[str]) -> str:
    more = f" and {len(items) - _SHOWN_LABELS} more" if len(items) > _SHOWN_LABELS else ""
    return ", ".join(items[:_SHOWN_LABELS]) + more


def is_sample(directory: Path, paths: Iterable[Path]) -> bool:
    """Whether one of some files is as the toolkit's generator wrote it into a directory."""
    record = directory / SAMPLE_RECORD
    if not record.is_file():
        return False
    try:
        written = dict(json.loads(record.read_text(encoding="utf-8"))["files"])
    except (ValueError, TypeError, KeyError):
        raise DataError(f"{record}: no record of the sample: delete it if the data is your own") from None
    return any(sha256_of(path) == written.get(path.name) for path in paths)


def may_stand_in(directory: Path) -> bool:
    """Whether the sample is written where a data directory is missing: it is the guide's own, and nothing is there."""
    return directory.name == SAMPLE_DIRECTORY and not directory.exists()


def write_sample_directory(directory: Path) -> None:
    """Generate the sample into a directory that is not there yet, whole or not at all.

    Every file of the format, and a record of what was written. Raises ConfigError where that is not possible.
    """
    from ernie_toolkit.data.sample import SAMPLE_SEED, reviews

    splits = reviews.generate(SAMPLE_SEED)
    with replaced_directory(directory) as staging:
        for split, name in FILES.items():
            write_label_sets(staging / name, splits[split])
        write_text(staging / LABEL_FILE, "".join(label + "\n" for label in reviews.LABELS))
        write_text(staging / UNLABELLED_FILE, "".join(row["sentence"] + "\n" for row in splits["unlabelled"]))
        names = (*FILES.values(), LABEL_FILE, UNLABELLED_FILE)
        record = {"generator": reviews.__name__, "seed": SAMPLE_SEED,
                  "files": {name: sha256_of(staging / name) for name in names}}  # fmt: skip
        write_json(staging / SAMPLE_RECORD, record)
