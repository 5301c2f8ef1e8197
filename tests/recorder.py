"""Run a script, and before each file operation within a directory copy that directory: what a kill would leave.

python tests/recorder.py WATCHED COPIES SCRIPT ARGUMENT...
"""

import os
import runpy
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What Python says of itself before it does it; see https://docs.python.org/3/library/audit_events.html
OPERATIONS = frozenset(
    ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
)


def watch_operations(before: Callable[[str], None], inside: Path | None = None) -> None:
    """Call `before` with the name of each operation that changes files, before it is done; `inside`: only those there.

    Writing, renaming, deleting, making, syncing, and two directories that change places.
    """
    from ernie_toolkit import files

    def touches(path: Any) -> bool:
        if inside is None:
            return True
        if isinstance(path, int):
            path = f"/proc/self/fd/{path}"
        return os.path.realpath(os.fsdecode(path)).startswith(f"{inside}{os.sep}")

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and not isinstance(arguments[0], int):
            writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            if writes and touches(arguments[0]):
                before("open")
        elif event in OPERATIONS and touches(arguments[0]):
            before(event.removeprefix("os."))

    real_sync, real_exchange = os.fsync, files.exchange

    def sync(handle: int) -> None:
        if touches(handle):
            before("fsync")
        real_sync(handle)

    def exchange(one: Path, other: Path) -> bool:
        before("exchange")
        return real_exchange(one, other)

    os.fsync, files.exchange = sync, exchange
    sys.addaudithook(audit)


def record(watched: Path, copies: Path) -> None:
    """Copy `watched` before each operation in it, where it has changed since the last copy."""
    busy, last = threading.RLock(), None
    count = 0

    def signature() -> list[tuple[str, int, int]]:
        found = []
        for place, _, names in os.walk(watched):
            found.append((place, 0, 0))
            for name in names:
                known = os.lstat(os.path.join(place, name))  # noqa: PTH118 - called for each file of each operation
                found.append((f"{place}/{name}", known.st_size, known.st_mtime_ns))
        return sorted(found)

    inside = False

    def before(operation: str) -> None:
        nonlocal last, count, inside
        with busy:
            if inside:
                return
            inside = True  # copying is made of such operations too
            try:
                found = signature()
                if found != last:
                    last = found
                    shutil.copytree(watched, copies / f"{count:05}.{operation}", symlinks=True)
                    count += 1
            finally:
                inside = False

    watch_operations(before, watched)


def main() -> None:
    """Record, then run the script as Python would."""
    watched, copies, script, *arguments = sys.argv[1:]
    Path(watched).mkdir(parents=True, exist_ok=True)
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(Path(script).resolve().parent))
    record(Path(watched).resolve(), Path(copies))
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
