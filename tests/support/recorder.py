"""Watch this process' file operations, and copy a directory before each of them: what a kill there would leave."""

import os
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What Python says of itself before it does it (https://docs.python.org/3/library/audit_events.html), and at which
# places its arguments are paths, and the open directories that these are relative to.
OPERATIONS = {
    "os.rename": ((0, 2), (1, 3)),
    "os.remove": ((0, 1),),
    "os.mkdir": ((0, 2),),
    "os.rmdir": ((0, 1),),
    "os.link": ((1, 3),),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
    "os.chmod": ((0, 2),),
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def watch_operations(before: Callable[[str], None], inside: Path | None = None) -> None:
    """Call `before` with the name of each operation that changes files, before it is done; `inside`: only those there.

    Writing, renaming, deleting, making, syncing, and two directories that change places.
    """
    from ernie_toolkit.files import atomic

    def touches(path: Any, directory: int | None = None) -> bool:
        if inside is None:
            return True
        place = f"/proc/self/fd/{path}" if isinstance(path, int) else os.fsdecode(path)
        if isinstance(directory, int) and directory >= 0:
            place = f"/proc/self/fd/{directory}/{place}"
        return os.path.realpath(place).startswith(f"{inside}{os.sep}")

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and not isinstance(arguments[0], int):
            if arguments[2] & WRITING and touches(arguments[0]):
                before("open")
        elif event in OPERATIONS:
            places = OPERATIONS[event]
            if any(touches(arguments[path], None if at is None else arguments[at]) for path, at in places):
                before(event.removeprefix("os."))

    real_sync, real_exchange = os.fsync, atomic.exchange

    def sync(handle: int) -> None:
        if touches(handle):
            before("fsync")
        real_sync(handle)

    def exchange(one: Path, other: Path) -> bool:
        before("exchange")
        return real_exchange(one, other)

    os.fsync, atomic.exchange = sync, exchange
    sys.addaudithook(audit)


class Recorder:
    """Copies a directory before each operation in it, where it has changed since the last copy.

    Copies share the files that are the same in several of them, and none with the directory itself.
    """

    def __init__(self, watched: Path, copies: Path) -> None:
        self.watched, self.copies = watched, copies
        self.store = copies.with_name(f"{copies.name}.files")
        self.store.mkdir()
        self.count, self.last = 0, ""
        self._lock, self._copying = threading.RLock(), False
        self._known: dict[tuple[int, int, int], Path] = {}

    def before(self, operation: str) -> None:
        """Copy, unless this is an operation of copying."""
        with self._lock:
            if self._copying:
                return
            self._copying = True
            try:
                self._copy(operation)
            finally:
                self._copying = False

    def _copy(self, operation: str) -> None:
        found = sorted(path for path in self.watched.rglob("*"))
        states = {path: os.lstat(path) for path in found}
        signature = repr(
            [(str(path), known.st_ino, known.st_size, known.st_mtime_ns) for path, known in states.items()]
        )
        if signature == self.last:
            return
        self.last = signature
        target = self.copies / f"{self.count:05}.{operation}"
        target.mkdir()
        self.count += 1
        for path, known in states.items():
            own = target / path.relative_to(self.watched)
            if path.is_symlink():
                own.symlink_to(path.readlink())
            elif path.is_dir():
                own.mkdir()
            else:
                own.hardlink_to(self._stored(path, known))

    def _stored(self, path: Path, known: os.stat_result) -> Path:
        key = (known.st_ino, known.st_size, known.st_mtime_ns)
        if key not in self._known:
            self._known[key] = self.store / str(len(self._known))
            shutil.copy2(path, self._known[key])
        return self._known[key]


def record(watched: Path, copies: Path) -> None:
    """Copy `watched` into `copies` before each operation in it from now on, for as long as the process lives."""
    watch_operations(Recorder(watched, copies).before, watched)
