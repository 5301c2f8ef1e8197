"""Data directories of multi-label classification: train.txt, dev.txt, test.txt, label.txt, data.txt.

A labelled line is `text<TAB>label,label`; nothing after the tab says that the text has none of the labels. label.txt
has a label a line, in the order of the model's outputs; data.txt a text a line. The format is that of PaddleNLP's
multi-label application.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.data.column_names import is_known
from ernie_toolkit.data.custom import read_labels
from ernie_toolkit.data.encodings import encoding_notice
from ernie_toolkit.data.file_options import FileOptions, FileRecord, SkippedRow
from ernie_toolkit.data.label_spelling import check_spellings, label_key, visible
from ernie_toolkit.data.lines import check_text, read_all_lines, read_lines, read_rows
from ernie_toolkit.data.loading import DataSet
from ernie_toolkit.data.readers import Example
from ernie_toolkit.data.registry import DatasetSpec, Split
from ernie_toolkit.data.summary import summarize
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.files import replaced_directory, sha256_of, write_json, write_text
from ernie_toolkit.files.parsing import read_json_object
from ernie_toolkit.files.transactions import finish_transaction

TASK = "multi_label"
SEPARATOR = ","
LABEL_FILE, UNLABELLED_FILE = "label.txt", "data.txt"
FILES: dict[Split, str] = {"train": "train.txt", "dev": "dev.txt", "test": "test.txt"}
# Beside a generated sample: which files it wrote, so that metrics from them are not taken for real ones.
SAMPLE_RECORD = "sample.json"
# The one directory name that the sample may stand in for: the guide's own.
SAMPLE_DIRECTORY = "data"
SAMPLE_WARNING = (
    "the data in {directory} is the toolkit's generated sample of product reviews: figures from it say nothing about "
    "other data"
)
_SHOWN_LABELS = 20
_FORMAT = "text, tab, labels with commas between"
# What people write in place of the separator.
_OTHER_SEPARATORS = re.compile(r"[，、;；|#\s]+")
# What `read_lines` and `split_line` part lines and columns at; U+2028 and the like stay.
_BREAKS = re.compile("\r\n|[\t\r\n]")


def read_label_list(path: Path, encoding: str = "utf-8") -> tuple[str, ...]:
    """The labels of a label.txt, in its order.

    Args:
        path: The label file.
        encoding: One of `file_options.ENCODINGS`.

    Raises:
        DataError: On repeats, on two that look the same, on a comma in a label, and on fewer than two.
    """
    labels, names = read_labels(path, encoding)
    if names is not None:
        raise DataError(f"{path}: a tab in the first line: write one label a line and nothing else")
    for number, line in read_lines(path, encoding):
        if SEPARATOR in line:
            raise DataError(f"{path}:{number}: label '{line.strip()}' holds a comma, which separates labels: rename it")
    check_spellings(path, labels)
    return labels


def read_label_sets(
    path: Path, labels: Sequence[str], encoding: str = "utf-8", record: FileRecord | None = None
) -> Iterator[Example]:
    """Stream the rows of a labelled file: `sentence`, `labels` (identifiers, in the model's order), `id`.

    A label that is not in `labels` is read as the one there that differs from it in nothing that can be seen (see
    `label_key`).

    Args:
        path: The file.
        labels: Label identifiers in the order of the model's outputs.
        encoding: One of `file_options.ENCODINGS`.
        record: Gets the number of blank lines and, at the file's end, lines on other spellings of labels; None
            where they are not wanted.

    Raises:
        DataError: With file and line at the first line without a tab or with two, with an empty text, with a label that
            is not in `labels`, or twice there, and on bytes of another encoding.
    """
    record = record or FileRecord()
    places = {label: index for index, label in enumerate(labels)}
    spelt = {label_key(label): label for label in labels}
    spellings: Counter[tuple[str, str]] = Counter()
    index = 0
    for number, line in read_all_lines(path, encoding):
        if not line.strip():
            record.blank_lines += 1
            continue
        where = f"{path}:{number}"
        text, names = split_line(line, where)
        found = [_known(name, text, places, spelt, where) for name in names]
        if len(set(found)) < len(found):
            raise DataError(f"{where}: two spellings of label '{_repeated(found)}': take one out")
        spellings.update(pair for pair in strict_zip(names, found) if pair[0] != pair[1])
        yield {"sentence": text, "labels": tuple(sorted(found, key=places.__getitem__)), "id": index}
        index += 1
    for (name, label), count in spellings.items():
        record.notices.append(
            f"{path}: label {visible(repr(name))} is read as '{label}' of {LABEL_FILE} in {count} row(s)"
        )


def split_line(line: str, where: str) -> tuple[str, tuple[str, ...]]:
    """The text and the labels of a line, whatever labels there are.

    Args:
        line: `text<TAB>label,label`.
        where: The file and the line, for messages.

    Raises:
        DataError: Where it is no such line.
    """
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


def _known(name: str, text: str, places: Mapping[str, int], spelt: Mapping[str, str], where: str) -> str:
    """The label that a name in a row is; `text` is the row's."""
    if name in places:
        return name
    label = spelt.get(label_key(name))
    if label is None:
        known = ", ".join(f"{place:.60}" for place in list(places)[:_SHOWN_LABELS]) + (
            " ..." if len(places) > _SHOWN_LABELS else ""
        )
        raise DataError(f"{where}: label {name!r:.60} is not in {LABEL_FILE}: {known}{_hint(name, text, places)}")
    return label


def _hint(name: str, text: str, places: Mapping[str, int]) -> str:
    """What may have been meant by a name that is no label."""
    if is_known(name) and is_known(text):
        return "; if the line is a header, take it out"
    if text.strip() in places:
        return f"; the text {text!r:.40} is one: write the text first, then a tab and its labels"
    parts = [part.strip() for part in _OTHER_SEPARATORS.split(name)]
    return f"; write '{SEPARATOR}' between labels" if len(parts) > 1 and places.keys() >= set(parts) else ""


def _repeated(labels: Sequence[str]) -> str:
    return next(label for place, label in enumerate(labels) if label in labels[:place])


def read_numbered_texts(
    path: Path, on_error: str = "stop", encoding: str = "utf-8"
) -> tuple[list[tuple[int, str]], list[SkippedRow]]:
    """The texts of an unlabelled file with their line numbers from 1, and the rows that get no answer.

    Every line up to the last that is not blank is a row.

    Args:
        path: The file.
        on_error: What a line that is blank, holds a tab or cannot be decoded is: an error with its place ("stop"), or a
            row without an answer ("skip").
        encoding: One of `file_options.ENCODINGS`.

    Raises:
        DataError: On such a line, and where there is no text.
    """
    record = FileRecord()
    options = FileOptions(encoding=encoding, on_error=on_error)
    texts = []
    for number, line in read_rows(path, "test", options, record):
        try:
            texts.append((number, _text(line, f"{path}:{number}")))
        except DataError as error:
            record.skip(error, number, options, "test", number - 1)
    if not texts:
        first = f"; the first row: {record.skipped[0].reason}" if record.skipped else ""
        raise DataError(f"{path}: no text in it: write one a line{first}")
    return texts, record.skipped


def read_texts(path: Path, encoding: str = "utf-8") -> list[str]:
    """The texts of an unlabelled file, a line each.

    Args:
        path: The file.
        encoding: One of `file_options.ENCODINGS`.

    Raises:
        DataError: On a tab in a text, and where there is none.
    """
    texts = [_text(line, f"{path}:{number}") for number, line in read_lines(path, encoding)]
    if not texts:
        raise DataError(f"{path}: no text in it: write one a line")
    return texts


def _text(line: str, where: str) -> str:
    if "\t" in line:
        raise DataError(f"{where}: a tab in a text: write texts alone (cut -f1 drops the labels)")
    return check_text(line, "the line", where)


def format_line(text: str, labels: Sequence[str]) -> str:
    """A labelled line with its end; a tab or a line break in the text becomes a space.

    Args:
        text: The text.
        labels: Its labels, without commas.
    """
    return _BREAKS.sub(" ", text) + "\t" + SEPARATOR.join(labels) + "\n"


def label_sets_text(examples: Iterable[Example]) -> str:
    """Examples as the text of a labelled file."""
    return "".join(format_line(example["sentence"], example["labels"]) for example in examples)


def write_label_sets(path: Path, examples: Iterable[Example]) -> None:
    """Write examples as a labelled file, whole or not at all.

    Args:
        path: The file.
        examples: Examples with `sentence` and `labels`.
    """
    write_text(path, label_sets_text(examples))


def load_label_sets(
    directory: Path | str,
    splits: Sequence[Split] = ("train", "dev"),
    files: Mapping[Split, str] | None = None,
    label_file: str = LABEL_FILE,
    encoding: str = "utf-8",
) -> DataSet:
    """Read some splits of a data directory.

    Args:
        directory: The data directory.
        splits: The splits that are read.
        files: Names of the splits' files where they are others than usual.
        label_file: The name of the file of labels.
        encoding: One of `file_options.ENCODINGS`.

    Raises:
        ConfigError: Where there is no such directory.
        DataError: On files that are missing, empty or malformed.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise ConfigError(f"{directory}: no such data directory: check `dataset_dir`")
    finish_transaction(directory)
    names = {**FILES, **(files or {})}
    paths = {split: directory / names[split] for split in splits}
    labels = read_label_list(directory / label_file, encoding)
    examples: dict[Split, list[Example]] = {}
    records: dict[Split, FileRecord] = {}
    for split, path in paths.items():
        records[split] = FileRecord(_FORMAT)
        examples[split] = list(read_label_sets(path, labels, encoding, records[split]))
        if not examples[split]:
            raise DataError(f"{path}: no rows: write text<TAB>label,label, one row a line")
    spec = DatasetSpec(
        directory.resolve().name,
        TASK,
        labels,
        "sentence",
        metric="macro_f1",
        files={split: (path.name,) for split, path in paths.items()},
    )
    sampled = is_sample(directory, paths.values())
    warnings = (SAMPLE_WARNING.format(directory=directory),) if sampled else ()
    encodings = [encoding_notice(path, encoding) for path in (directory / label_file, *paths.values())]
    notices = (*filter(None, encodings), *(notice for record in records.values() for notice in record.notices))
    summary = summarize(spec, examples, records, paths)
    train, dev, test = (examples.get(split) for split in FILES)
    return DataSet(
        spec,
        train,
        dev,
        test,
        "sample" if sampled else "data_dir",
        str(directory),
        {},
        warnings,
        notices=notices,
        summary=summary,
    )


def is_sample(directory: Path, paths: Iterable[Path]) -> bool:
    """Whether one of some files is as the toolkit's generator wrote it into a directory.

    Args:
        directory: The data directory.
        paths: The files.

    Raises:
        DataError: On a record of the sample that is malformed.
    """
    record = directory / SAMPLE_RECORD
    if not record.is_file():
        return False
    remedy = "delete it if the data is your own"
    written = read_json_object(record, DataError, remedy).get("files")
    if not isinstance(written, dict):
        raise DataError(f"{record}: no record of the sample: {remedy}")
    return any(sha256_of(path) == written.get(path.name) for path in paths)


def may_stand_in(directory: Path) -> bool:
    """Whether the sample is written where a data directory is missing: it is the guide's own, and nothing is there."""
    return directory.name == SAMPLE_DIRECTORY and not directory.exists()


def write_sample_directory(directory: Path) -> None:
    """Generate the sample into a directory that is not there yet, whole or not at all.

    Every file of the format, and a record of what was written.

    Raises:
        ConfigError: Where that is not possible.
    """
    from ernie_toolkit.data.sample import SAMPLE_SEED, reviews

    splits = reviews.generate(SAMPLE_SEED)
    with replaced_directory(directory) as staging:
        for split, name in FILES.items():
            write_label_sets(staging / name, splits[split])
        write_text(staging / LABEL_FILE, "".join(label + "\n" for label in reviews.LABELS))
        write_text(staging / UNLABELLED_FILE, "".join(row["sentence"] + "\n" for row in splits["unlabelled"]))
        names = (*FILES.values(), LABEL_FILE, UNLABELLED_FILE)
        record = {
            "generator": reviews.__name__,
            "seed": SAMPLE_SEED,
            "files": {name: sha256_of(staging / name) for name in names},
        }
        write_json(staging / SAMPLE_RECORD, record)
