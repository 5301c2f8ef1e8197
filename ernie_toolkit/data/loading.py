"""One call that finds a data set, reads it and says where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

from ernie_toolkit.data.custom_spec import custom_spec
from ernie_toolkit.data.encodings import encoding_notice
from ernie_toolkit.data.file_options import DEFAULT_FILE_OPTIONS, FileOptions, FileRecord, SkippedRow
from ernie_toolkit.data.forms import form_of
from ernie_toolkit.data.label_order import in_model_order
from ernie_toolkit.data.official import official_files
from ernie_toolkit.data.readers import Example
from ernie_toolkit.data.reading import left_out_warnings, parse_examples, read_examples
from ernie_toolkit.data.registry import CUSTOM, DEFAULT_TASK, SPLITS, DatasetSpec, Split, check_task, get_spec
from ernie_toolkit.data.summary import summarize
from ernie_toolkit.errors import ConfigError, DataError, DownloadError
from ernie_toolkit.files.paths import path_problem

DataSource = Literal["auto", "official", "sample"]
Source = Literal["data_dir", "official", "sample", "custom"]
DEFAULT_SPLITS: tuple[Split, ...] = ("train", "dev")

SAMPLE_WARNING = "the data is the toolkit's generated sample, not {name}: figures from it say nothing about {name}"


@dataclass(frozen=True)
class DataSet:
    """The splits of a data set that were asked for, None for the others.

    Attributes:
        spec: Task, labels and files of the data set.
        train: The training examples.
        dev: The examples to evaluate on.
        test: The examples to predict.
        source: Where the splits came from.
        location: The directory they came from, or "generated, seed N".
        left_out: For each split, how many rows without a gold label, and training questions whose answer is not found
            in their context, were left out.
        warnings: Lines for the caller to print and to write beside every result (that the data is the sample).
        skipped: Rows to predict that get no answer.
        notices: Lines to print only (what was converted or left out: they name the user's files).
        summary: Lines on what was read from each file.
    """

    spec: DatasetSpec
    train: list[Example] | None
    dev: list[Example] | None
    test: list[Example] | None
    source: Source
    location: str
    left_out: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    skipped: tuple[SkippedRow, ...] = ()
    notices: tuple[str, ...] = ()
    summary: tuple[str, ...] = ()

    def split(self, name: Split) -> list[Example]:
        """The examples of one split.

        Raises:
            ConfigError: Where it was not loaded.
        """
        examples: list[Example] | None = getattr(self, name)
        if examples is None:
            raise ConfigError(f"data set '{self.spec.name}' was loaded without its {name} split")
        return examples


@dataclass(frozen=True)
class _Request:
    """What was asked for, checked."""

    splits: tuple[Split, ...]
    limits: Mapping[str, int]
    task: str | None
    options: FileOptions


def load_dataset(
    name: str,
    *,
    task: str | None = None,
    data_dir: Path | str | None = None,
    data_source: str = "auto",
    splits: Sequence[str] = DEFAULT_SPLITS,
    sample_allowed: bool = False,
    seed: int | None = None,
    limits: Mapping[str, int] | None = None,
    train_file: Path | str | None = None,
    dev_file: Path | str | None = None,
    test_file: Path | str | None = None,
    label_file: Path | str | None = None,
    options: FileOptions = DEFAULT_FILE_OPTIONS,
    labels: Sequence[str] | None = None,
) -> DataSet:
    """Find and read a data set: `data_dir`, else PaddleNLP's cache and download, else the embedded sample.

    The four files are for the data set "custom" alone.

    Args:
        name: One of `DATASETS`, or "custom".
        task: The task that the data set has to be of (None: any); files of "custom" are read as data of it (None:
            seq_cls).
        data_dir: The directory of the data set's own files; None: PaddleNLP's cache.
        data_source: "auto", "official" (never the sample) or "sample".
        splits: The splits that are read.
        sample_allowed: Whether "auto" may take the sample where nothing else can be had.
        seed: The sample's own; None: the seed of the published sample.
        limits: For a split, how many rows are read from its start; all where left out.
        train_file: Of "custom", the training rows.
        dev_file: Of "custom", the rows to evaluate on.
        test_file: Of "custom", the rows to predict.
        label_file: Of "custom", the labels, one a line; None: those of the training rows.
        options: How files are read.
        labels: Those that a model was trained for, or None: the files of "custom" are read with them where there is no
            `label_file`, and a data set that has the same ones gets them in this order.

    Raises:
        ConfigError: On arguments that do not go together.
        DownloadError: Where the official files cannot be had.
        DataError: On files that are missing or malformed.
    """
    request = _check_request(name, task, data_dir, data_source, splits, limits, options)
    files = {"train_file": train_file, "dev_file": dev_file, "test_file": test_file, "label_file": label_file}
    for flag, path in {"data_dir": data_dir, **files}.items():
        if path and (problem := path_problem(str(path))):
            raise ConfigError(f"`{flag}` is {problem}: give another")
    given = {flag: Path(path) for flag, path in files.items() if path}
    if name == CUSTOM:
        if not form_of(task or DEFAULT_TASK).has_columns:
            _refuse_columns(request, f"{CUSTOM} of task '{task}'")
        return _load_custom(given, request, labels)
    _refuse_columns(request, name)
    if given:
        raise ConfigError(f"`{next(iter(given))}` is for `name` {CUSTOM}: leave one of the two out")
    spec = in_model_order(get_spec(name), labels)
    check_task(spec, task)
    if data_dir:
        paths = data_dir_files(spec, Path(data_dir), request.splits)
        return _read_files(spec, paths, request, "data_dir")
    if data_source == "sample":
        return _load_sample(spec, seed, request)
    try:
        paths = official_files(spec, request.splits)
    except DownloadError as error:
        if data_source == "official" or not sample_allowed:
            raise
        return _load_sample(spec, seed, request, reason=str(error))
    return _read_files(spec, paths, request, "official")


def data_dir_files(spec: DatasetSpec, data_dir: Path, splits: Sequence[Split]) -> dict[Split, Path]:
    """The files of some splits in a user's directory, or in its folder of the data set's name.

    Args:
        spec: The data set, with the names that its files may have.
        data_dir: The user's directory.
        splits: The splits that are needed.

    Raises:
        DataError: Where there is no such directory or file; it names every file looked for.
    """
    if not data_dir.is_dir():
        raise DataError(f"{data_dir}: no such directory: check `data_dir`")
    found = {}
    for split in splits:
        names = spec.files[split]
        candidates = [folder / name for folder in (data_dir, data_dir / spec.name) for name in names]
        path = next((candidate for candidate in candidates if candidate.is_file()), None)
        if path is None:
            looked = ", ".join(map(str, candidates))
            raise DataError(f"{data_dir}: no {split} file of '{spec.name}': looked for {looked}")
        found[split] = path
    return found


def _check_request(
    name: str,
    task: str | None,
    data_dir: Path | str | None,
    data_source: str,
    splits: Sequence[str],
    limits: Mapping[str, int] | None,
    options: FileOptions,
) -> _Request:
    from ernie_toolkit.tasks import task_named  # tasks need numpy, reading data does not

    if task is not None:
        task_named(task)
    if data_source not in get_args(DataSource):
        known = ", ".join(get_args(DataSource))
        raise ConfigError(f"data source '{data_source}' is not known: use one of {known}")
    if data_dir and data_source == "sample":
        raise ConfigError("`data_source` sample takes no `data_dir`: leave one of them out")
    if name == CUSTOM and (data_dir or data_source != "auto"):
        raise ConfigError(f"`name` {CUSTOM} reads its own files: leave `data_dir` and `data_source` out")
    unknown = [split for split in (*splits, *(limits or ())) if split not in SPLITS]
    if unknown:
        raise ConfigError(f"split '{unknown[0]}' is not known: use one of {', '.join(SPLITS)}")
    for split, limit in (limits or {}).items():
        if limit < 1:
            raise ConfigError(f"the limit of the {split} split is {limit}: it must be at least 1 row")
    return _Request(tuple(split for split in SPLITS if split in splits), dict(limits or {}), task, options)


def _refuse_columns(request: _Request, name: str) -> None:
    """ConfigError where columns are named for files that have fields of their own."""
    for option in ("text_column", "text_pair_column", "label_column"):
        if getattr(request.options, option):
            raise ConfigError(
                f"`{option}` is for the classification files of `name` {CUSTOM}, not for {name}: leave it out"
            )


def _read_files(spec: DatasetSpec, paths: Mapping[Split, Path], request: _Request, source: Source) -> DataSet:
    examples: dict[str, list[Example]] = {}
    left_out: dict[str, int] = {}
    notices: list[str] = []
    records: dict[str, FileRecord] = {}
    for split in request.splits:
        record = records[split] = FileRecord()
        rows = read_examples(paths[split], spec, split, request.options, record)
        examples[split] = list(islice(rows, request.limits.get(split)))
        left_out[split] = record.left_out_count
        if not examples[split]:
            raise DataError(f"{paths[split]}: no rows to use in the {split} file: {_why_none(record)}")
        notice = encoding_notice(paths[split], request.options.encoding)
        notices += [*filter(None, [notice]), *left_out_warnings(paths[split], record), *record.notices]
    folders = dict.fromkeys(str(path.parent) for path in paths.values())
    summary = summarize(spec, examples, records, paths, request.limits)
    data = _data_set(spec, examples, source, ", ".join(folders), left_out, (), summary)
    skipped = records["test"].skipped if "test" in records else ()
    return replace(data, notices=tuple(notices), skipped=tuple(skipped))


def _why_none(record: FileRecord) -> str:
    """What became of the rows of a file of which none is left."""
    reasons = [f"left out: {len(places)} {reason}" for reason, places in record.left_out.items()]
    if record.skipped:
        reasons.append(f"{len(record.skipped)} row(s) cannot be read, the first: {record.skipped[0].reason}")
    return "; ".join(reasons) or "is it the right file?"


def _load_sample(spec: DatasetSpec, seed: int | None, request: _Request, reason: str | None = None) -> DataSet:
    from ernie_toolkit.data import sample  # its grammars are needed by the runs that use them only

    seed = sample.SAMPLE_SEED if seed is None else seed
    rows = sample.generate(spec.name, seed)
    examples: dict[str, list[Example]] = {}
    left_out: dict[str, int] = {}
    records: dict[str, FileRecord] = {}
    for split in request.splits:
        record = records[split] = FileRecord("generated")
        gold = list(parse_examples(rows[split], spec, split, "sample", record))
        left_out[split] = record.left_out_count
        examples[split] = gold[: request.limits.get(split)]
    warning = SAMPLE_WARNING.format(name=spec.name)
    summary = summarize(spec, examples, records, {}, request.limits)
    found = _data_set(spec, examples, "sample", f"generated, seed {seed}", left_out, (warning,), summary)
    return replace(found, notices=(f"{reason}; using the sample instead",) if reason else ())


def _load_custom(files: Mapping[str, Path], request: _Request, labels: Sequence[str] | None) -> DataSet:
    spec = custom_spec(**files, task=request.task or DEFAULT_TASK, options=request.options, trained_labels=labels)
    spec = in_model_order(spec, labels)
    missing = [split for split in request.splits if split not in spec.files]
    if missing:
        raise ConfigError(f"`name` {CUSTOM} has no {missing[0]} data: give `{missing[0]}_file`")
    paths = {split: Path(spec.files[split][0]) for split in request.splits}
    data = _read_files(spec, paths, request, "custom")
    notice = encoding_notice(files["label_file"], request.options.encoding) if "label_file" in files else None
    return data if notice is None else replace(data, notices=(notice, *data.notices))


def _data_set(
    spec: DatasetSpec,
    examples: Mapping[str, list[Example]],
    source: Source,
    location: str,
    left_out: dict[str, int],
    warnings: tuple[str, ...],
    summary: tuple[str, ...],
) -> DataSet:
    train, dev, test = (examples.get(split) for split in SPLITS)
    return DataSet(spec, train, dev, test, source, location, left_out, warnings, summary=summary)
