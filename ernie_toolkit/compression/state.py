"""What a compression run is asked to do, and which parts of it are finished in its directory.

While a run is unfinished, `unfinished/` holds what it was asked (`run.json`), a file for each finished part with what
later parts need of it, and checkpoints. A finished run leaves the checksum of what it was asked in its report.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ernie_toolkit.compression.options import CompressionOptions, check_compression_options
from ernie_toolkit.compression.report.model import REPORT_NAME, Report, read_report
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import check_output_file, remove_directory, write_json
from ernie_toolkit.files.parsing import decode_json, read_json_object
from ernie_toolkit.files.paths import path_problem
from ernie_toolkit.training.options import TrainingOptions
from ernie_toolkit.training.run import change

WORK, RUN_FILE = "unfinished", "run.json"
# Settings that change nothing in what is written.
FREE = ("logging_steps", "disable_tqdm", "report_to", "dataloader_num_workers", "keep_checkpoints")
# What stands for an option that a run's settings lack: runs that began before it was there are resumed.
ADDED_OPTIONS = {"depth_mult_list": ["1"]}
START_ANEW = "start anew with `overwrite`"

Say = Callable[[str], None]
"""Takes the lines that report a run's progress."""


@dataclass(frozen=True)
class Request:
    """What a run is to do.

    Attributes:
        options: How to compress.
        training: How dynabert and qat train.
        directory: Where models and report are written.
        resume: Whether a run that was cut off there is continued.
        overwrite: Whether it is dropped.
        report_name: Of the report's files, without the suffix.

    Raises:
        ConfigError: On options that are invalid or do not go together.
    """

    options: CompressionOptions
    training: TrainingOptions
    directory: Path
    resume: bool = False
    overwrite: bool = False
    report_name: str = REPORT_NAME

    @property
    def report_file(self) -> Path:
        """The report's file for programs."""
        return self.directory / f"{self.report_name}.json"

    def __post_init__(self) -> None:
        check_compression_options(self.options)


@dataclass(frozen=True)
class RunState:
    """A run in its directory.

    Attributes:
        request: What it is to do.
        asked: Its settings, model and data, as JSON has them.
        resumed: Whether it continues one that was cut off.
    """

    request: Request
    asked: dict[str, Any]
    resumed: bool

    @property
    def directory(self) -> Path:
        """Where models and report are written."""
        return self.request.directory

    @property
    def work(self) -> Path:
        """A directory for what is deleted when the run ends well."""
        return self.directory / WORK

    @property
    def checksum(self) -> str:
        """SHA-256 of what was asked, in hexadecimal."""
        return hashlib.sha256(json.dumps(self.asked, sort_keys=True).encode()).hexdigest()

    def start(self, say: Say) -> None:
        """Mark the directory as that of an unfinished run; drop what another one has left of its work."""
        remove_directory(self.work)
        write_json(self.work / RUN_FILE, self.asked)
        report = self.request.report_file
        if report.is_file():
            say(
                f"{report} and the models of an earlier run there are replaced as this one continues: another "
                "`output_dir` keeps them"
            )

    def finish(self, part: str, result: dict[str, Any] | None = None) -> None:
        """Record that a part is finished.

        Args:
            part: Its name.
            result: What later parts need of it, as JSON has it; None: nothing.
        """
        write_json(self._file(part), result or {})

    def has(self, part: str) -> bool:
        """Whether the run that this one continues has finished a part."""
        return self.resumed and self._file(part).is_file()

    def result(self, part: str) -> dict[str, Any]:
        """What `finish` recorded of a part.

        Raises:
            ConfigError: Where that cannot be read.
        """
        return read_json_object(self._file(part), ConfigError, START_ANEW)

    def end(self) -> None:
        """Delete what was needed on the way."""
        remove_directory(self.work)

    def _file(self, part: str) -> Path:
        return self.work / f"{part}.json"


def check_unfinished(request: Request) -> None:
    """Check that a request says what becomes of a run that was cut off in its directory.

    Raises:
        ConfigError: Where there is one, and the request neither resumes nor overwrites it; the same where there can be
            no directory.
    """
    if request.directory.exists() and not request.directory.is_dir():
        raise ConfigError(f"`output_dir` {request.directory} is a file: give a directory")
    check_output_file(request.report_file)
    path = request.directory / WORK / RUN_FILE
    if path.is_file() and not request.overwrite and not request.resume:
        raise ConfigError(
            f"{path.parent} is what is left of an unfinished run: go on with it by `resume`, or drop it with "
            "`overwrite`"
        )


def find_run(request: Request, identity: dict[str, Any]) -> RunState:
    """The run to resume, or a new one; writes nothing.

    Args:
        request: What the run is to do.
        identity: By which model and data are recognized.

    Raises:
        ConfigError: Where the unfinished one was asked something else.
    """
    training = dataclasses.asdict(request.training)
    for name in FREE:
        training.pop(name)
    asked = plain({**identity, **dataclasses.asdict(request.options), "training": training})
    asked = {key: value for key, value in asked.items() if key not in ADDED_OPTIONS or value != ADDED_OPTIONS[key]}
    path = request.directory / WORK / RUN_FILE
    if not path.is_file() or request.overwrite:
        return RunState(request, asked, False)
    before = read_json_object(path, ConfigError, START_ANEW)
    before.setdefault("labels", asked.get("labels"))  # not recorded by earlier versions
    before, now = {**ADDED_OPTIONS, **before}, {**asked, **ADDED_OPTIONS, **asked}
    changed = [key for key in now if before.get(key) != now[key]]
    if changed:
        said = change(changed[0], before.get(changed[0]), now[changed[0]])
        raise ConfigError(
            f"`resume`, but this is not the run in {request.directory}: {said}: give it what it had, or {START_ANEW}"
        )
    return RunState(request, asked, True)


def finished_report(run: RunState, say: Say) -> Report | None:
    """With `resume`, the report of a run that was asked the same and has ended; None where there is none.

    Its models have to lie where the report says: where they were moved or deleted, they are made again.

    Args:
        run: Of `find_run`.
        say: Gets a line where the report is taken.
    """
    request, path = run.request, run.request.report_file
    if run.resumed or not request.resume or request.overwrite or not path.is_file():
        return None
    report = read_report(path)
    kept = [item.file for item in (report.baseline, *report.candidates) if item.kept]
    if report.run != run.checksum or any(map(path_problem, kept)):
        return None
    if not all((run.directory / file).is_file() for file in kept):
        return None
    say(f"{path}: the run has ended before, with the same model, data and settings; without `resume` it starts anew")
    return report


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """The same values as they come back from JSON."""
    return dict(decode_json(json.dumps(values)))
