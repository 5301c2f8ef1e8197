"""What a compression run is asked to do, and how far one that was asked the same has come in its directory.

While a run is unfinished, `unfinished/` holds what it was asked (`run.json`), a mark for each part that is done,
and what is needed on the way. A finished run leaves the checksum of what it was asked in its report.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ernie_toolkit.arguments.options import TrainingOptions
from ernie_toolkit.compression.evaluator import WORK
from ernie_toolkit.compression.options import CompressionOptions, check_compression_options, check_distillation
from ernie_toolkit.compression.report.model import REPORT_FILE, Report, read_report
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import check_output_file, remove_directory, write_json
from ernie_toolkit.files.parsing import decode_json, read_json_object
from ernie_toolkit.files.paths import path_problem
from ernie_toolkit.training.run import change

RUN_FILE = "run.json"
# Parts of a run that leave a mark in `unfinished/`: what an earlier run has left in their place does not count.
BASE, REPORT = "base_exported", "report_begun"
# Settings that change nothing in what is written.
FREE = ("logging_steps", "disable_tqdm", "report_to", "dataloader_num_workers", "keep_checkpoints")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What a run is to do: with which options, where, and whether it goes on with one that was cut off."""

    options: CompressionOptions
    training: TrainingOptions
    directory: Path
    device: str = "cpu"
    resume: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class RunState:
    """A run in its directory; `goes_on`: whether it is one that was cut off there. `wanted`: what it was asked."""

    directory: Path
    wanted: dict[str, Any]
    goes_on: bool

    @property
    def checksum(self) -> str:
        """SHA-256 of what was asked, in hexadecimal."""
        return hashlib.sha256(json.dumps(self.wanted, sort_keys=True).encode()).hexdigest()

    def start(self, say: Say) -> None:
        """Mark the directory as that of an unfinished run; drop what another one has left of its work."""
        remove_directory(self.directory / WORK)
        write_json(self.directory / WORK / RUN_FILE, self.wanted)
        if (self.directory / REPORT_FILE).is_file():
            say(
                f"{self.directory / REPORT_FILE} and the models of an earlier run there are replaced as this one goes "
                "on: another --output_dir keeps them"
            )

    def mark(self, part: str) -> None:
        """Record that a part is done."""
        (self.directory / WORK / part).touch()

    def has(self, part: str) -> bool:
        """Whether the run that this one goes on with has done a part."""
        return self.goes_on and (self.directory / WORK / part).is_file()


def check_request(request: Request) -> None:
    """ConfigError on what cannot be meant, before anything is read or written."""
    check_compression_options(request.options)
    check_distillation(request.training, request.device)
    check_unfinished(request)


def check_unfinished(request: Request) -> None:
    """ConfigError where a run was cut off in the directory and nobody said what to do about it, or where there can be
    no directory."""
    if request.directory.exists() and not request.directory.is_dir():
        raise ConfigError(f"--output_dir {request.directory} is a file: give a directory")
    check_output_file(request.directory / REPORT_FILE)
    path = request.directory / WORK / RUN_FILE
    if path.is_file() and not request.overwrite and not request.resume:
        raise ConfigError(
            f"{path.parent} is what is left of an unfinished run: go on with it by --resume, or drop it with "
            "--overwrite_output_dir"
        )


def find_run(request: Request, identity: dict[str, Any]) -> RunState:
    """The run that is to go on, or a new one; ConfigError where the unfinished one was asked something else.

    `identity`: model and data. Writes nothing.
    """
    training = dataclasses.asdict(request.training)
    for name in FREE:
        training.pop(name)
    wanted = plain({**identity, **dataclasses.asdict(request.options), "training": training})
    path = request.directory / WORK / RUN_FILE
    if not path.is_file() or request.overwrite:
        return RunState(request.directory, wanted, False)
    before = read_json_object(path, ConfigError, "start anew with --overwrite_output_dir")
    before.setdefault("labels", wanted.get("labels"))  # not recorded by earlier versions
    changed = [key for key in wanted if before.get(key) != wanted[key]]
    if changed:
        said = change(changed[0], before.get(changed[0]), wanted[changed[0]])
        raise ConfigError(
            f"--resume, but this is not the run in {request.directory}: {said}: give it what it had, or start anew "
            "with --overwrite_output_dir"
        )
    return RunState(request.directory, wanted, True)


def finished_report(request: Request, run: RunState, say: Say) -> Report | None:
    """With --resume, the report of a run that was asked the same and has ended; None where there is none.

    Its models have to lie where the report says: where they were moved or deleted, they are made again.
    """
    path = request.directory / REPORT_FILE
    if run.goes_on or not request.resume or request.overwrite or not path.is_file():
        return None
    report = read_report(path)
    kept = [item.file for item in (report.baseline, *report.candidates) if item.kept]
    if report.run != run.checksum or any(map(path_problem, kept)):
        return None
    if not all((request.directory / file).is_file() for file in kept):
        return None
    say(f"{path}: the run has ended before, with the same model, data and settings; without --resume it starts anew")
    return report


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """The same values as they come back from JSON."""
    return dict(decode_json(json.dumps(values)))
