"""The files of a cascade: its parts are opened, and it is written whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.bundle import BUNDLE_FILE, Bundle, CascadeBundle, read_bundle, read_cascade
from ernie_toolkit.bundle.cascade import CascadeInfo, parts_problem, write_cascade_info
from ernie_toolkit.compat import strict_zip
from ernie_toolkit.errors import BundleError, ConfigError
from ernie_toolkit.files import replaced_directory


def open_parts(directories: Sequence[Path | str]) -> list[Bundle]:
    """Open the bundles that are to be one cascade, the smallest first.

    Raises:
        BundleError: On a directory that is no bundle of one model.
        ConfigError: Where they do not fit each other.
    """
    parts = [read_bundle(directory) for directory in directories]
    if problem := parts_problem(parts):
        raise ConfigError(f"no cascade can be made: {problem}")
    return parts


def check_cascade_target(directory: Path, parts: Sequence[Bundle], overwrite: bool) -> None:
    """Check that a cascade can be written to a directory, before the work.

    Args:
        directory: The cascade's directory.
        parts: The bundles that it is made of.
        overwrite: Whether an earlier cascade there may be replaced.

    Raises:
        ConfigError: Where something else is there, or an earlier cascade that may not be replaced.
    """
    target = directory.resolve()
    for part in parts:
        if target == part.directory.resolve() or target in part.directory.resolve().parents:
            raise ConfigError(
                f"{part.directory} lies in {directory}, which would be replaced: give another `output_dir`"
            )
    if directory.exists() and not directory.is_dir():
        raise ConfigError(f"{directory} is a file: give another `output_dir`")
    if not directory.is_dir() or not any(directory.iterdir()):
        return
    try:
        read_cascade(directory, verify=False)
    except BundleError:
        raise ConfigError(
            f"{directory} is there and is no whole cascade: give another `output_dir`, or delete it"
        ) from None
    if not overwrite:
        raise ConfigError(f"{directory} has a cascade already: give another `output_dir`, or `overwrite`")


def write_cascade(directory: Path, parts: Sequence[Bundle], cascade: CascadeInfo) -> CascadeBundle:
    """Write a cascade with a copy of each part, all or nothing; an earlier one is replaced.

    Args:
        directory: The cascade's directory.
        parts: The bundles, in the order of the cascade's parts.
        cascade: Of `plan_cascade`.

    Raises:
        ConfigError: Where the directory cannot be written, or the disk is full.
        BundleError: Where a part was changed meanwhile.
    """
    with replaced_directory(directory) as temporary:
        for part, entry in strict_zip(parts, cascade.parts):
            (temporary / entry.name).mkdir()
            for name in (BUNDLE_FILE, *(item.name for item in part.info.files.values())):
                try:
                    shutil.copyfile(part.directory / name, temporary / entry.name / name)
                except FileNotFoundError:
                    raise BundleError(f"{part.directory / name} is gone since it was opened: run it again") from None
        write_cascade_info(temporary, cascade)
        read_cascade(temporary)
    return read_cascade(directory)
