"""Files that are whole or not there: written under a temporary name beside the target, synced, then renamed.

What a process that was killed has left under such a name is deleted by the next one that writes to the same place:
every temporary name is locked by the process that writes to it, and a lock ends with its process.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ernie_toolkit.compat import exchange, lock
from ernie_toolkit.errors import ConfigError, ToolkitError

TEMPORARY, RETIRED = ".tmp", ".old"
# What a file system says when it takes no more, whatever is written to it.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
# Libraries that write files in C++ say so in errors of their own; with less than this left it was the disk.
_FULL_BYTES = 1 << 16
# File names have 255 bytes at most; a temporary one is longer than its target's.
_STEM_BYTES = 200


def _no_place(path: Path, reason: str | OSError) -> ConfigError:
    text = reason if isinstance(reason, str) else reason.strerror or str(reason)
    return ConfigError(f"{target_of(path)} cannot be written: {text}: give another name")


def no_room(path: Path | str | None, error: OSError) -> ConfigError:
    """Return the ConfigError for a full or broken disk; an earlier file at `path` is unchanged.

    Args:
        path: What could not be written; None where that is unknown.
        error: What the system said.
    """
    where = f"{target_of(Path(path))} cannot be written" if path is not None else "a file cannot be written"
    return ConfigError(f"{where}: {error.strerror}: make room there, or give a place on another disk")


def target_of(path: Path) -> Path:
    """Return the path that a temporary path will be renamed to; any other path is returned as it is."""
    if path.name.startswith(".") and path.name.endswith(TEMPORARY):
        return path.with_name(path.name[1:].rsplit(".", 2)[0])
    return path


def is_no_room(error: BaseException) -> bool:
    """Return whether an error is a disk's: full, over a quota or a size limit, read-only or broken."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def _check_folder(path: Path) -> None:
    """Raise ConfigError where the folder of `path` is none, cannot be made or cannot be written to."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise _no_place(path, f"{folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _no_place(path, f"no permission to write into {folder}")


def check_output_file(path: Path) -> None:
    """Check that a file can be written to `path`, and create nothing: for arguments, before the work.

    Raises:
        ConfigError: Where it cannot.
    """
    try:
        if path.is_dir():
            raise _no_place(path, "it is a folder")
        # To take the place of a device (/dev/null, say) would break it for every program.
        if path.exists() and not path.is_file():
            raise _no_place(path, "it is not an ordinary file")
        _check_folder(path)
    except OSError as error:
        raise _no_place(path, error) from None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a full disk's error within a block that writes to `path`, or for it, into a ConfigError."""
    try:
        yield
    except ToolkitError:
        raise
    except Exception as error:
        if is_no_room(error):
            raise no_room(path, error) from None  # type: ignore[arg-type]
        if _is_full(path):
            raise no_room(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))) from error
        raise


def _is_full(path: Path) -> bool:
    folder = next((parent for parent in path.absolute().parents if parent.is_dir()), None)
    if folder is None or not hasattr(os, "statvfs"):
        return False
    found = os.statvfs(folder)
    # Some file systems report no sizes at all (0 blocks).
    return found.f_blocks > 0 and found.f_bavail * found.f_frsize < _FULL_BYTES


def sync_file(path: Path) -> None:
    """Sync a file's content to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_directory(path: Path) -> None:
    """Sync a directory's entries to the disk; do nothing on file systems that cannot."""
    try:
        sync_file(path)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES):
            raise


def sync_tree(directory: Path) -> None:
    """Sync all files under a directory, and its entries, to the disk."""
    for place, _, names in os.walk(directory, topdown=False):
        for name in names:
            path = Path(place) / name
            if path.is_file() and not path.is_symlink():
                sync_file(path)
        sync_directory(Path(place))


def _stem(path: Path) -> str:
    """What temporary names beside a path begin with: where it is one itself, those of what it is made for."""
    if path.name.startswith(".") and path.name.endswith(TEMPORARY):
        return path.name[: -len(TEMPORARY)] + "."
    if len(os.fsencode(path.name)) <= _STEM_BYTES:
        return f".{path.name}."
    return f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]}."


@contextmanager
def scratch_directory(path: Path) -> Iterator[Path]:
    """Make an empty directory beside `path` for intermediate files, and delete it at the end.

    Where this process is killed, the next process that writes to `path` deletes it (see `sweep`).
    """
    sweep(path)
    temporary, handle = make_temporary(path)
    try:
        with writing(path):
            yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(handle)


def make_temporary(path: Path) -> tuple[Path, int]:
    """Make an empty temporary directory beside `path`; return it and the handle that locks it until it is closed."""
    temporary = Path(tempfile.mkdtemp(prefix=_stem(path), suffix=TEMPORARY, dir=path.parent))
    handle = os.open(temporary, os.O_RDONLY)
    lock(handle)
    return temporary, handle


def sweep(path: Path) -> None:
    """Delete temporary files that killed processes have left beside `path`.

    Those of living processes stay, and those that `recover_directory` puts back.
    """
    recover_directory(path)
    for left in _left(path.parent, _stem(path), (TEMPORARY, RETIRED)):
        _delete_unlocked(left)


def sweep_directory(directory: Path) -> None:
    """Delete temporary files that killed processes have left in a directory, of any target."""
    for left in _left(directory, ".", (TEMPORARY, RETIRED)):
        _delete_unlocked(left)


def _left(directory: Path, start: str, ends: tuple[str, ...]) -> list[Path]:
    if not directory.is_dir():
        return []
    return [path for path in directory.iterdir() if path.name.startswith(start) and path.name.endswith(ends)]


def _delete_unlocked(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return  # gone meanwhile, or none of ours
    try:
        if not lock(handle):
            return
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _resolved(path: Path) -> Path:
    """Where a path leads: what a link points to is replaced, and the link stays."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def ordinary_mode(mode: int) -> int:
    """Return the mode that a file or directory created with `mode` gets under this process's umask."""
    umask = os.umask(0)
    os.umask(umask)
    return mode & ~umask


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write to, and rename it to `path` when the block succeeds.

    An exception in the block removes the temporary file and leaves an earlier `path` as it was.

    Args:
        path: The file that is written.

    Raises:
        ConfigError: Where `path` is a folder or a device, no file can be made there, or the disk is full.
    """
    check_output_file(path)
    path = _resolved(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path)
        handle, name = tempfile.mkstemp(prefix=_stem(path), suffix=TEMPORARY, dir=path.parent)
    except OSError as error:
        raise (no_room(path, error) if is_no_room(error) else _no_place(path, error)) from None
    lock(handle)
    temporary = Path(name)
    try:
        with writing(path):
            yield temporary
            # mkstemp makes files private; the result gets the mode an ordinary open() would have given it.
            temporary.chmod(ordinary_mode(0o666))
            sync_file(temporary)
            os.replace(temporary, path)
            sync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, in UTF-8.

    Args:
        path: The file.
        text: Its content.
    """
    with replaced_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def json_text(value: Any) -> str:
    """Return a value as indented JSON with a final line break; Chinese is not escaped."""
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically, indented and in UTF-8.

    Args:
        path: The file.
        value: What JSON can hold.
    """
    write_text(path, json_text(value))


@contextmanager
def replaced_directory(path: Path) -> Iterator[Path]:
    """Yield an empty temporary directory beside `path`, and replace `path` with it when the block succeeds.

    An exception in the block removes the temporary directory and leaves an earlier `path` as it was. The two change
    places in one step where the system can do that.

    Args:
        path: The directory that is written.

    Raises:
        ConfigError: Where `path` is a file, no directory can be made there, or the disk is full.
    """
    try:
        if path.exists() and not path.is_dir():
            raise _no_place(path, "it is a file, not a folder")
        _check_folder(path)
        path = _resolved(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path)
        temporary, handle = make_temporary(path)
    except OSError as error:
        raise (no_room(path, error) if is_no_room(error) else _no_place(path, error)) from None
    try:
        with writing(path):
            yield temporary
            temporary.chmod(0o755)
            sync_tree(temporary)
            _take_place(temporary, path)
            sync_directory(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(handle)


def _take_place(temporary: Path, path: Path) -> None:
    """Let a directory take the place of another one, which is at the first one's name or gone afterwards."""
    if not path.exists():
        os.replace(temporary, path)
        return
    if exchange(temporary, path):
        return
    retired = temporary.with_suffix(RETIRED)
    os.replace(path, retired)
    try:
        os.replace(temporary, path)
    except OSError:
        os.replace(retired, path)
        raise
    shutil.rmtree(retired, ignore_errors=True)


def recover_directory(path: Path) -> bool:
    """Put back a directory that a process moved aside before it was killed; return whether there was one.

    Such a directory exists only on systems that cannot exchange two directories in one step.
    """
    if path.exists():
        return False
    # ".name.old", without a part of its own, is what earlier versions deleted.
    shortest = len(_stem(path)) + len(RETIRED)
    left = [found for found in _left(path.parent, _stem(path), (RETIRED,)) if len(found.name) > shortest]
    if not left:
        return False
    os.replace(max(left, key=lambda found: found.stat().st_mtime), path)
    return True


def remove_directory(path: Path) -> None:
    """Delete a directory atomically; do nothing where there is none."""
    sweep(path)
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    with scratch_directory(path) as temporary:
        os.replace(path, temporary / path.name)
        sync_directory(path.parent)


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file, which is read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
