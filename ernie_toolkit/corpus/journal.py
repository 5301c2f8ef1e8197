"""What is written, so that a run that was killed at any moment goes on without a row lost or twice.

The output directory gets `predict.json` (what is predicted, and how), a journal with a line for each chunk, and for
each input a file that is named `.NAME.part` until it is whole. A chunk's answers are on the disk before its line is in
the journal; who goes on cuts the files back to what the last line says.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from ernie_toolkit.compat import lock
from ernie_toolkit.corpus.chunks import Result
from ernie_toolkit.corpus.inputs import InputFile
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import check_output_file, no_room, sync_directory, write_json, writing
from ernie_toolkit.files.parsing import JsonError, decode_json, read_json_object

MANIFEST, JOURNAL = "predict.json", ".predict.journal"
START_ANEW = "start anew with `overwrite`, or give another `output`"


@dataclass(frozen=True)
class FileState:
    """How far a file is.

    Attributes:
        records: Rows and blank lines that are done.
        answered: Rows with an answer.
        bad: Rows without one.
        blank: Blank lines.
        cut: Inputs of the model that were longer than it reads.
        size: Bytes of its answers.
        bad_size: Bytes of its rows without an answer.
        end: The place in the input behind what is done, in bytes.
        last: Whether it is done as a whole.
    """

    records: int = 0
    answered: int = 0
    bad: int = 0
    blank: int = 0
    cut: int = 0
    size: int = 0
    bad_size: int = 0
    end: int = 0
    last: bool = False


class Journal:
    """The output directory of a run, locked for as long as it is open.

    Args:
        output: The directory.
        files: The inputs.
        manifest: What is predicted, and how; a run that goes on must have the same.

    Attributes:
        states: How far each input is, in their order.
    """

    def __init__(self, output: Path, files: tuple[InputFile, ...], manifest: Mapping[str, Any]) -> None:
        self._output = output
        self._files = files
        self._manifest = decode_json(json.dumps(manifest))
        self._journal: BinaryIO | None = None
        self._open_file = -1
        self._parts: list[BinaryIO] = []
        self.states = [FileState() for _ in files]

    def open(self, resume: bool, overwrite: bool) -> bool:
        """Lock the directory, and take up what is there or start anew; returns whether rows are there already.

        Args:
            resume: Whether an earlier run goes on.
            overwrite: Whether an earlier run is given up.

        Raises:
            ConfigError: Where neither is asked for and files are there, where the earlier run is another, or where
                another process writes there.
        """
        exists = (self._output / MANIFEST).is_file()
        if not overwrite and not (resume and exists):
            self._check_empty(resume)
        if resume and exists:
            self._check_same()
        check_output_file(self._output / JOURNAL)
        with writing(self._output / JOURNAL):
            self._output.mkdir(parents=True, exist_ok=True)
            self._journal = (self._output / JOURNAL).open("r+b" if (self._output / JOURNAL).exists() else "w+b")
        if not lock(self._journal.fileno()):
            raise ConfigError(
                f"{self._output}: another run writes there (or its disk has no locks): wait, or give another `output`"
            )
        if resume and exists:
            self._recover()
        else:
            self._start()
        return any(state.records for state in self.states)

    def close(self) -> None:
        """Close what is open; what is committed stays."""
        for part in self._parts:
            part.close()
        self._parts, self._open_file = [], -1
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def commit(self, result: Result) -> None:
        """Write what became of a chunk, to the disk; a file that is whole gets its name.

        Args:
            result: The result of the chunk that follows the last one.

        Raises:
            ConfigError: Where the disk is full.
        """
        before = self.states[result.file]
        after = FileState(
            before.records + result.records,
            before.answered + result.answered,
            before.bad + result.bad,
            before.blank + result.blank,
            before.cut + result.cut,
            before.size + len(result.lines),
            before.bad_size + len(result.bad_lines),
            result.end,
            result.last,
        )
        target = self._output / self._files[result.file].output_name
        with writing(target):
            if self._open_file != result.file:
                self._open_parts(result.file)
            for part, lines in zip(self._parts, (result.lines, result.bad_lines)):
                if lines:
                    part.write(lines)
                    part.flush()
                    os.fsync(part.fileno())
        self._note(result.file, after)
        if after.last:
            self._finish(result.file)

    def _note(self, file: int, state: FileState) -> None:
        assert self._journal is not None
        line = json.dumps({"file": file, **asdict(state)}) + "\n"
        try:
            self._journal.write(line.encode("ascii"))
            self._journal.flush()
            os.fsync(self._journal.fileno())
        except OSError as error:
            raise no_room(self._output / JOURNAL, error) from None
        self.states[file] = state

    def _targets(self, file: int) -> tuple[Path, Path]:
        return self._output / self._files[file].output_name, self._output / self._files[file].bad_name

    def _part_paths(self, file: int) -> tuple[Path, Path]:
        one, other = (target.with_name(f".{target.name}.part") for target in self._targets(file))
        return one, other

    def _open_parts(self, file: int) -> None:
        for part in self._parts:
            part.close()
        paths = self._part_paths(file)
        paths[0].parent.mkdir(parents=True, exist_ok=True)
        self._parts = [path.open("ab") for path in paths]
        sync_directory(paths[0].parent)
        self._open_file = file

    def _finish(self, file: int) -> None:
        """Give the files of a finished input their names; one without bad rows has no file of them."""
        for part in self._parts:
            part.close()
        self._parts, self._open_file = [], -1
        for part_path, target, size in zip(
            self._part_paths(file), self._targets(file), (-1, self.states[file].bad_size)
        ):
            if size == 0:
                part_path.unlink(missing_ok=True)
                target.unlink(missing_ok=True)
            elif part_path.exists():
                os.replace(part_path, target)
        sync_directory(self._targets(file)[0].parent)

    def _check_empty(self, resume: bool) -> None:
        places = [target for file in range(len(self._files)) for target in self._targets(file)]
        found = next((place for place in places if place.exists()), None)
        journal = self._output / JOURNAL
        if found is None and journal.exists() and journal.stat().st_size:  # without a line in it no row is done
            found = self._output / MANIFEST
        if found is not None:
            remedy = "and no run to resume" if resume else "already: go on with `resume`"
            raise ConfigError(f"{found} is there {remedy}, {START_ANEW}")

    def _check_same(self) -> None:
        found = read_json_object(self._output / MANIFEST, ConfigError, START_ANEW)
        difference = _difference(found, self._manifest)
        if difference:
            raise ConfigError(f"{self._output} is of another run: {difference}: {START_ANEW}")

    def _start(self) -> None:
        assert self._journal is not None
        # The manifest goes first: without it nothing that is there counts.
        (self._output / MANIFEST).unlink(missing_ok=True)
        self._journal.truncate(0)
        for file in range(len(self._files)):
            for path in self._part_paths(file):
                path.unlink(missing_ok=True)
        write_json(self._output / MANIFEST, self._manifest)

    def _recover(self) -> None:
        assert self._journal is not None
        whole = 0
        for raw in self._journal.readlines():
            state = _state_of(raw, len(self._files))
            if state is None:
                break  # the process ended while it wrote this line
            self.states[state[0]] = state[1]
            whole += len(raw)
        self._journal.truncate(whole)
        self._journal.seek(whole)
        for file, current in enumerate(self.states):
            if current.last:
                self._finish(file)
            else:
                self._cut(file, current)

    def _cut(self, file: int, state: FileState) -> None:
        """Cut a file that is not whole back to its last chunk."""
        for path, size in zip(self._part_paths(file), (state.size, state.bad_size)):
            found = path.stat().st_size if path.exists() else 0
            if found < size:
                raise ConfigError(f"{path} has {found:,} bytes, and {size:,} were written: {START_ANEW}")
            if found > size:
                os.truncate(path, size)


def _state_of(raw: bytes, files: int) -> tuple[int, FileState] | None:
    """The file and its state of a line of the journal, None of one that is not whole."""
    try:
        fields = decode_json(raw) if raw.endswith(b"\n") else None
    except JsonError:
        return None
    if not isinstance(fields, dict) or fields.keys() != {"file", *asdict(FileState())}:
        return None
    file = fields.pop("file")
    return (file, replace(FileState(), **fields)) if isinstance(file, int) and 0 <= file < files else None


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs between two manifests in a few words, empty where nothing does."""
    if before.get("bundle") != now["bundle"]:
        return "the bundle is another, or was changed"
    was, files = before.get("inputs"), now["inputs"]
    if not isinstance(was, list) or [_path(item) for item in was] != [_path(item) for item in files]:
        return "its inputs are others"
    for one, other in zip(was, files):
        if one != other:
            return f"the input {other['path']} was changed"
    options = before.get("options")
    for name, value in now["options"].items():
        if isinstance(options, dict) and options.get(name) != value:
            return f"{name} was {options.get(name)!s:.60}, and is {value!s:.60}"
    return "" if before == now else "it was written by another version"


def _path(item: Any) -> Any:
    return item.get("path") if isinstance(item, dict) else None
