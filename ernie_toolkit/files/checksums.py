"""SHA-256 of files that do not change, remembered in the user's cache directory so that it is computed once.

A checksum is found again by the file's device and inode, and counts while size and times of change are as they were.
As in git's index, a file that was changed in the last two seconds is not remembered: within a tick of the clock it
could change again without a trace.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from ernie_toolkit.files import sha256_of

SETTLED_SECONDS = 2.0
_LINE = re.compile(r"(\d+ \d+ \d+) ([0-9a-f]{64})\n")


def user_cache_directory(name: str) -> Path | None:
    """Return a directory of the toolkit's own in $XDG_CACHE_HOME or ~/.cache; None where the user has no home."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():  # the specification has relative ones ignored
        try:
            base = Path.home() / ".cache"
        except RuntimeError:  # a user without a home
            return None
    return base / "ernie_toolkit" / name if base.is_absolute() else None


def cache_directory() -> Path | None:
    """Return the directory of the checksums; None where the user has no home."""
    return user_cache_directory("sha256")


def _mark(state: os.stat_result) -> str:
    """What changes with a file. The change time too: the other one can be set by anybody."""
    return f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}"


def remembered_sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file, from the cache where the file has not changed since.

    Where the cache directory cannot be written, it is computed each time.
    """
    before = path.stat()
    directory = cache_directory()
    if directory is None:
        return sha256_of(path)
    entry = directory / f"{before.st_dev:x}-{before.st_ino:x}"
    known = _recall(entry, _mark(before))
    if known:
        return known
    started = time.time()
    digest = sha256_of(path)
    changed = max(before.st_mtime, before.st_ctime)
    if _mark(path.stat()) == _mark(before) and started - changed >= SETTLED_SECONDS:
        _remember(entry, f"{_mark(before)} {digest}\n")
    return digest


def _recall(entry: Path, mark: str) -> str:
    """The checksum that was remembered of a file in this state; empty where there is none."""
    try:
        found = _LINE.fullmatch(entry.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError):
        return ""
    return found[2] if found and found[1] == mark else ""


def _remember(entry: Path, line: str) -> None:
    """Write what is known of a file; whoever cannot has to compute it again."""
    temporary = entry.with_name(f"{entry.name}.{os.getpid()}.tmp")
    try:
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            temporary.write_text(line, encoding="ascii")
            os.replace(temporary, entry)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError:
        return
