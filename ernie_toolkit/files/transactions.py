"""Files of one directory that belong together, and are replaced together or not at all.

They are written into a hidden directory beside their targets, with a journal of what goes where. Its renaming to
`.transaction` is the moment from which the new files count; only then are they moved into their places. Whoever reads
such files, or writes some, first calls `finish_transaction`, which does what a process that was killed in between has
not done any more.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ernie_toolkit.compat import lock
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.files import (
    check_output_file,
    is_no_room,
    json_text,
    make_temporary,
    no_room,
    ordinary_mode,
    sweep,
    sync_directory,
    sync_tree,
    writing,
)
from ernie_toolkit.files.parsing import read_json_object
from ernie_toolkit.files.paths import leads_out

COMMITTED, JOURNAL = ".transaction", "journal.json"
# No link to elsewhere and no pipe, which a directory of somebody else's may have under that name.
_DIRECTORY = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


class Transaction:
    """New files of a directory, and files that are to be deleted; see the module's first lines.

    Args:
        directory: What all targets lie in.
        staging: Where they are written, under the same relative names.
    """

    def __init__(self, directory: Path, staging: Path) -> None:
        self.directory, self.staging = directory, staging
        self._removed: list[str] = []

    def path(self, target: Path) -> Path:
        """Return the path to write the new file of `target` to.

        Raises:
            ConfigError: Where there can be no such file.
        """
        check_output_file(target)
        staged = self.staging / self._name(target)
        staged.parent.mkdir(parents=True, exist_ok=True)
        return staged

    def write_text(self, target: Path, text: str) -> None:
        """Write a new text file for `target`, in UTF-8.

        Args:
            target: The file that it will be.
            text: Its content.
        """
        self.path(target).write_text(text, encoding="utf-8")

    def write_json(self, target: Path, value: Any) -> None:
        """Write a new JSON file for `target`, indented.

        Args:
            target: The file that it will be.
            value: What JSON can hold.
        """
        self.write_text(target, json_text(value))

    def remove(self, target: Path) -> None:
        """Delete `target` when the transaction is committed."""
        self._removed.append(self._name(target))

    def _name(self, target: Path) -> str:
        name = os.path.relpath(target, self.directory)
        if not _is_inside(name):
            raise ConfigError(f"{target} does not lie in {self.directory}: give a place there")
        return name

    def journal(self) -> dict[str, list[str]]:
        """Return the journal's content; names are relative to the directory."""
        staged = [path for path in self.staging.rglob("*") if path.is_file() and path != self.staging / JOURNAL]
        names = sorted(path.relative_to(self.staging).as_posix() for path in staged)
        return {"replace": names, "remove": sorted(set(self._removed) - set(names))}


@contextmanager
def transaction(directory: Path) -> Iterator[Transaction]:
    """Replace files of `directory` together when the block succeeds; an exception leaves all unchanged.

    Args:
        directory: What all files lie in; made where it is not there.

    Raises:
        ConfigError: Where nothing can be written there, and where the disk is full.
    """
    committed = directory / COMMITTED
    check_output_file(directory / JOURNAL)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        finish_transaction(directory)
        sweep(committed)
        staging, handle = make_temporary(committed)
    except OSError as error:
        raise (no_room(directory, error) if is_no_room(error) else _not_here(directory, error)) from None
    try:
        with writing(directory):
            found = Transaction(directory, staging)
            yield found
            (staging / JOURNAL).write_text(json_text(found.journal()), encoding="utf-8")
            _make_readable(staging)
            sync_tree(staging)
            _commit(staging, committed)
            _apply(directory)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        os.close(handle)


def common_directory(paths: Sequence[Path]) -> Path:
    """Return the directory that holds all of the files that are to be replaced together.

    Raises:
        ConfigError: Where they lie on different disks, between which nothing can be renamed.
    """
    directory = Path(os.path.commonpath([path.absolute().parent for path in paths]))
    if len({_disk(path) for path in (*(path.absolute().parent for path in paths), directory)}) > 1:
        names = " and ".join(map(str, paths))
        raise ConfigError(f"{names} belong together and lie on different disks: give them places in one directory")
    return directory


def _disk(directory: Path) -> int:
    """The disk that a directory lies on, or will lie on."""
    return next(place for place in (directory, *directory.parents) if place.exists()).stat().st_dev


def _commit(staging: Path, committed: Path) -> None:
    """Give a staged transaction the name by which it counts."""
    while True:
        try:
            os.replace(staging, committed)
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            finish_transaction(committed.parent)  # another process has begun to count meanwhile
    sync_directory(committed.parent)


def finish_transaction(directory: Path) -> bool:
    """Finish the committed transaction of a killed process in `directory`.

    Args:
        directory: What the files lie in.

    Returns:
        Whether there was one.

    Raises:
        DataError: Where it cannot be finished (no permission to write).
    """
    committed = directory / COMMITTED
    try:
        if not committed.exists():
            return False
    except (OSError, ValueError):
        return False  # no such directory can be: who reads there says so
    try:
        handle = os.open(committed, os.O_RDONLY | _DIRECTORY)
    except FileNotFoundError:
        return False  # another process has just done it
    except OSError as error:
        raise _cut_off(directory, error) from None
    try:
        lock(handle, wait=True)  # a living process is at it: wait for it
        if committed.exists():
            _apply(directory)
    except OSError as error:
        raise _cut_off(directory, error) from None
    finally:
        os.close(handle)
    return True


def _apply(directory: Path) -> None:
    """Move a committed transaction's files into their places; may be done again, and ends with no trace of it."""
    committed = directory / COMMITTED
    if (committed / JOURNAL).is_file():
        journal = _read_journal(committed / JOURNAL)
        for name in journal["replace"]:
            if (committed / name).is_file():
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(committed / name, directory / name)
        for name in journal["remove"]:
            (directory / name).unlink(missing_ok=True)
        for place in {(directory / name).parent for names in journal.values() for name in names}:
            if place.is_dir():
                sync_directory(place)
        (committed / JOURNAL).unlink()
    shutil.rmtree(committed)


def _read_journal(path: Path) -> dict[str, list[str]]:
    """A journal, whose names lead nowhere else: directories come from others too. Raises DataError."""
    remedy = f"delete {path.parent}"
    raw = read_json_object(path, DataError, remedy)
    journal: dict[str, list[str]] = {}
    for key in ("replace", "remove"):
        names = raw.get(key)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DataError(f"{path}: not a journal of the toolkit, it has no list '{key}' of names: {remedy}")
        journal[key] = names
    directory = path.parent.parent
    for name in (*journal["replace"], *journal["remove"]):
        led_out = not _is_inside(name) or leads_out((directory / name).parent, directory)
        if led_out or (path.parent / name).is_symlink():
            raise DataError(f"{path}: '{name}' leads out of the directory: {remedy}")
    return journal


def _is_inside(name: str) -> bool:
    parts = Path(name).parts
    return bool(parts) and not Path(name).is_absolute() and ".." not in parts and parts[0] != COMMITTED


def _make_readable(staging: Path) -> None:
    """Give staged files the modes that an ordinary open() and mkdir() would have given them."""
    for path in staging.rglob("*"):
        path.chmod(ordinary_mode(0o777 if path.is_dir() else 0o666))


def _not_here(directory: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{directory} cannot be written into: {error.strerror or error}: give another place")


def _cut_off(directory: Path, error: OSError) -> DataError:
    return DataError(
        f"{directory} holds new files of a run that was cut off before they were in place, and they cannot be put "
        f"there ({error.strerror or error}): read it once with permission to write"
    )
