"""Compiled models, kept so that a process opens its model faster from the second time on.

A file is named by what was compiled, for what, and by its own SHA-256: `<key>-<sha256>.blob`. It is written under a
temporary name and renamed when whole, so that neither a kill nor a second process leaves half a file; one whose content
is no longer that of its name is deleted and made again.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import replaced_file, sweep_directory
from ernie_toolkit.files.checksums import remembered_sha256, user_cache_directory
from ernie_toolkit.inference.engines.base import NO_CACHE

FOLDER = ".compiled"
ENDING = ".blob"
# A model or an engine that was replaced leaves its compiled form behind, and keys do not say whose they are: what
# nobody has opened for so long goes. Opening is noted once a week, since it has the checksum computed anew.
UNUSED_SECONDS = 60 * 24 * 3600
NOTED_SECONDS = 7 * 24 * 3600


def cache_key(parts: Sequence[str]) -> str:
    """Return the key of what was compiled, from all that a compiled model depends on."""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def cache_folders(bundle: Path, wanted: str | Path | None) -> list[Path]:
    """Return the directories to look in and to write to, best first.

    Args:
        bundle: The bundle's directory.
        wanted: The one that was asked for, "none" for none; None: the bundle's own, then the user's.
    """
    if wanted is not None:
        return [] if str(wanted) == NO_CACHE else [Path(wanted)]
    own = bundle / FOLDER
    user = user_cache_directory("compiled")
    return [own, *([user] if user is not None else [])]


def find_compiled(folders: Sequence[Path], key: str) -> Path | None:
    """Return the whole file of a key; None where there is none. Damaged ones are deleted.

    Args:
        folders: The directories to look in, of `cache_folders`.
        key: Of `cache_key`.
    """
    for path in _files(folders, key):
        try:
            if remembered_sha256(path) == path.name[len(key) + 1 : -len(ENDING)]:
                _note_use(path)
                return path
            path.unlink(missing_ok=True)
        except OSError:  # deleted by another process, or not ours to read or delete: as if it were not there
            continue
    return None


def _note_use(path: Path) -> None:
    try:
        if time.time() - path.stat().st_mtime > NOTED_SECONDS:
            os.utime(path)
    except OSError:  # not ours to touch: whoever may write the folder deletes it some day, and it is compiled again
        return


def _delete_unused(folder: Path) -> None:
    for path in folder.glob(f"*-*{ENDING}"):
        try:
            if time.time() - path.stat().st_mtime > UNUSED_SECONDS:
                path.unlink()
        except OSError:  # deleted by another process, or not ours
            continue


def _files(folders: Sequence[Path], key: str) -> Iterator[Path]:
    for folder in folders:
        if folder.is_dir() and os.access(folder, os.R_OK | os.X_OK):
            yield from sorted(folder.glob(f"{key}-*{ENDING}"))


def keep_compiled(folders: Sequence[Path], key: str, content: bytes | memoryview) -> str:
    """Write a compiled model into the first directory that takes it, if no other process has done so meanwhile.

    Args:
        folders: The directories to try in their order, of `cache_folders`; they are made where they are missing.
        key: Of `cache_key`.
        content: The compiled model, as its engine serializes it.

    Returns:
        Why it could not be kept; empty where it was.
    """
    if find_compiled(folders, key) is not None:  # two compiled models of one key are alike and not equal
        return ""
    name = f"{key}-{hashlib.sha256(content).hexdigest()}{ENDING}"
    reason = ""
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            sweep_directory(folder)
            with replaced_file(folder / name) as temporary:
                temporary.write_bytes(content)
            _delete_unused(folder)
            return ""
        except (OSError, ConfigError) as error:
            reason = str(error)
    return reason
