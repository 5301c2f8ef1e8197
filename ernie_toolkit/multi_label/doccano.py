"""Doccano's exports to a multi-label data directory, and labelled files to what doccano imports."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ernie_toolkit.arguments.options import option
from ernie_toolkit.console import say, warn
from ernie_toolkit.data.doccano import (
    LEVEL_SEPARATOR,
    TASK_TYPES,
    UNLABELLED,
    DoccanoExport,
    label_names,
    read_doccano,
    split_rows,
    write_doccano,
)
from ernie_toolkit.data.encodings import encoding_notice
from ernie_toolkit.data.file_options import ENCODINGS
from ernie_toolkit.data.label_sets import (
    FILES,
    LABEL_FILE,
    UNLABELLED_FILE,
    label_sets_text,
    split_line,
    write_label_sets,
)
from ernie_toolkit.data.lines import read_lines
from ernie_toolkit.data.readers import Example
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.files.transactions import transaction
from ernie_toolkit.formats.ranges import SEED, SHARE
from ernie_toolkit.multi_label.checks import check_targets

VALID_FILE, DIRTY_FILE = "valid.txt", "train_dirty.txt"


@dataclass(frozen=True)
class DoccanoOptions:
    """What is converted into what."""

    doccano_file: str = option("doccano.jsonl", "doccano's file: read, or with --to_doccano written", parse=path_text)
    save_dir: str = option(
        "./data", "directory for train.txt, dev.txt, test.txt, label.txt and data.txt", parse=path_text
    )
    splits: tuple[float, ...] = option(
        (0.8, 0.1, 0.1),
        "shares of train, dev and test, which add up to 1; two: train and dev; one: train",
        allowed=SHARE,
    )
    task_type: str = option(
        "multi_label",
        "multi_class: one label a row, for run_seq_cls.py; hierarchical: a label brings those above it",
        TASK_TYPES,
    )
    separator: str = option(LEVEL_SEPARATOR, "hierarchical: what stands between the levels of a label")
    unlabelled: str = option("leave_out", "rows without a label: left out, or negative: rows of no label", UNLABELLED)
    is_shuffle: bool = option(True, "draw the rows' order; false: keep the file's")
    seed: int = option(1000, "seed of the rows' order", allowed=SEED)
    valid: bool = option(False, f"write all rows to {VALID_FILE} and nothing else: sparse rows that were labelled")
    dirty: bool = option(
        False,
        f"write all rows to {DIRTY_FILE} and nothing else: rows of dirty.py that were labelled again, without "
        "what stands behind a text's last tab",
    )
    encoding: str = option(
        "utf-8", "bytes of the file; auto: UTF-8, UTF-16 or GB18030, whichever the bytes show, and said", ENCODINGS
    )
    overwrite: bool = option(False, "replace the data files that --save_dir has")
    to_doccano: str = option("", "labelled file (text<TAB>label,label) to convert for doccano instead", parse=path_text)


def check_doccano_options(options: DoccanoOptions, given: Collection[str]) -> None:
    """Check that options do not contradict each other; warn of one that has no effect.

    Args:
        options: What is converted into what.
        given: Names of the options that the user has set.

    Raises:
        ConfigError: On the first contradiction, and as `check_targets`.
    """
    if options.to_doccano:
        unused = [name for name in given if name not in ("to_doccano", "doccano_file", "encoding")]
        if unused:
            raise ConfigError(f"--{unused[0]} is for the way from doccano: leave it out with --to_doccano")
        if "doccano_file" not in given:
            raise ConfigError("--to_doccano writes --doccano_file: give it a name")
        check_targets({"doccano_file": Path(options.doccano_file)}, {"to_doccano": Path(options.to_doccano)})
        return
    if options.valid and options.dirty:
        raise ConfigError("--valid and --dirty write one file each: give one of them")
    if (options.valid or options.dirty) and options.splits != (1.0,) and "splits" in given:
        raise ConfigError("--valid and --dirty write all rows to one file: give --splits 1, or leave it out")
    if "separator" in given and options.task_type != "hierarchical":
        warn(f"--separator is for --task_type hierarchical: it has no part in {options.task_type}")


def from_doccano(options: DoccanoOptions) -> None:
    """Write a data directory from doccano's export, and print what was read and written.

    Args:
        options: What is converted into what.

    Raises:
        ConfigError: Where options contradict each other, where files of the directory are there and `overwrite` is not
            set, and where the export is one of them.
        DataError: As `read_doccano`.
    """
    directory = Path(options.save_dir)
    if options.task_type == "multi_class" and options.unlabelled == "negative":
        raise ConfigError("--unlabelled negative is for rows that may have no label: leave it out with multi_class")
    if not options.separator:
        raise ConfigError("--separator is empty: give what stands between the levels of a label")
    single = VALID_FILE if options.valid else DIRTY_FILE if options.dirty else ""
    there = [path for name in written_files(single) if (path := directory / name).exists()]
    if there and not options.overwrite:
        raise ConfigError(f"{there[0]} is there: give another --save_dir, or --overwrite to replace what is in it")
    if Path(options.doccano_file).resolve() in {path.resolve() for path in there}:
        raise ConfigError(f"--doccano_file {options.doccano_file} would be replaced itself: give another --save_dir")
    source = Path(options.doccano_file)
    export = read_doccano(
        source, options.task_type, options.separator, options.unlabelled, options.dirty, options.encoding
    )
    warn_of_encoding(source, options.encoding)
    report_reading(options, export)
    if single:
        write_label_sets(directory / single, export.rows)
        say(f"{directory / single}: {len(export.rows)} rows")
        return
    write_directory(directory, options, export.rows)
    if options.task_type == "multi_class":
        say(
            f"to train: python run_seq_cls.py --dataset custom --train_file {directory / 'train.txt'} --dev_file "
            f"{directory / 'dev.txt'} --label_file {directory / LABEL_FILE}"
        )


def written_files(single: str) -> list[str]:
    """Names of the files that a conversion writes or takes away.

    Args:
        single: The one file that gets all rows; empty: there is a directory of several.
    """
    return [single] if single else [*FILES.values(), LABEL_FILE, UNLABELLED_FILE]


def warn_of_encoding(path: Path, encoding: str) -> None:
    """Say in which encoding a file was read, where that was found out.

    Args:
        path: The file.
        encoding: The one that was asked for; only "auto" has to be found out.
    """
    notice = encoding_notice(path, encoding)
    if notice is not None:
        warn(notice)


def report_reading(options: DoccanoOptions, export: DoccanoExport) -> None:
    """Say what was read, and what became of the rows without a label.

    Args:
        options: What is converted into what.
        export: What was read.
    """
    for notice in export.notices:
        warn(notice)
    say(f"{options.doccano_file}: {export.form}, {len(export.rows)} rows")
    if export.unlabelled:
        shown = ", ".join(map(str, export.unlabelled[:5])) + (", ..." if len(export.unlabelled) > 5 else "")
        kept = options.unlabelled == "negative"
        fate = "kept as rows of no label" if kept else "left out (--unlabelled negative keeps them as rows of no label)"
        warn(f"{options.doccano_file}: {len(export.unlabelled)} row(s) without a label {fate}: {shown}")


def write_directory(directory: Path, options: DoccanoOptions, rows: Sequence[Example]) -> None:
    """Write the splits, the labels, and the texts of the last split as those to predict, together or not at all.

    Args:
        directory: The data directory.
        options: Say how the rows are split.
        rows: All rows, with their labels.
    """
    labels = label_names(rows)
    parts = split_rows(rows, options.splits, options.seed, options.is_shuffle)
    last = next(part for split in reversed(FILES) if (part := parts[split]))
    with transaction(directory) as files:
        for split, name in FILES.items():
            if parts[split]:
                files.write_text(directory / name, label_sets_text(parts[split]))
            else:
                files.remove(directory / name)  # an empty file would be an error when it is read
        files.write_text(directory / LABEL_FILE, "".join(label + "\n" for label in labels))
        files.write_text(directory / UNLABELLED_FILE, "".join(row["sentence"] + "\n" for row in last))
    counts = ", ".join(f"{name} {len(part)}" for name, part in parts.items())
    say(f"{directory}: {counts}, {len(labels)} labels")


def to_doccano(options: DoccanoOptions) -> None:
    """Write a labelled file as rows for doccano, whatever its labels are.

    Raises:
        DataError: On a line that is no row, and where there is none.
    """
    rows = []
    warn_of_encoding(Path(options.to_doccano), options.encoding)
    for number, line in read_lines(Path(options.to_doccano), options.encoding):
        text, labels = split_line(line, f"{options.to_doccano}:{number}")
        rows.append({"sentence": text, "labels": labels})
    if not rows:
        raise DataError(f"{options.to_doccano}: no row in it")
    write_doccano(Path(options.doccano_file), rows)
    say(f"{options.doccano_file}: {len(rows)} rows")
