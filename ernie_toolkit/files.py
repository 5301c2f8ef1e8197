"""Files that are whole or not there: written under a temporary name beside the target, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ernie_toolkit.errors import ConfigError


def _no_place(path: Path, reason: str | OSError) -> ConfigError:
    text = reason if isinstance(reason, str) else reason.strerror or str(reason)
    return ConfigError(f"{path} cannot be written: {text}: give another name")


def _check_folder(path: Path) -> None:
    """ConfigError where the folder that `path` is to lie in is none, cannot be made or cannot be written into."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise _no_place(path, f"{folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _no_place(path, f"no permission to write into {folder}")


def check_output_file(path: Path) -> None:
    """ConfigError where a file could not be written to `path`; nothing is made. For arguments, before the work."""
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
def replaced_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; rename it to `path` when the block ends well.

    An exception in the block removes the temporary file and leaves an earlier `path` as it was. Raises ConfigError
    where `path` is a folder or a device, or no file can be made there.
    """
    check_output_file(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    except OSError as error:
        raise _no_place(path, error) from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files private; the result gets the mode an ordinary open() would have given it.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    with replaced_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented UTF-8 JSON to `path`, whole or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


@contextmanager
def replaced_directory(path: Path) -> Iterator[Path]:
    """Give an empty temporary directory beside `path`; let it take the place of `path` when the block ends well.

    An exception in the block removes the temporary directory and leaves an earlier `path` as it was. Raises
    ConfigError where `path` is a file, or no directory can be made there.
    """
    try:
        if path.exists() and not path.is_dir():
            raise _no_place(path, "it is a file, not a folder")
        _check_folder(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    except OSError as error:
        raise _no_place(path, error) from None
    retired = temporary.with_suffix(".old")
    try:
        yield temporary
        temporary.chmod(0o755)
        if path.exists():
            os.replace(path, retired)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if retired.exists() and not path.exists():  # the second rename failed: put the earlier one back
            os.replace(retired, path)
        shutil.rmtree(retired, ignore_errors=True)


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
