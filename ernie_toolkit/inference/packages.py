"""Packages that one deployment needs and the others do not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ernie_toolkit.errors import ConfigError


@contextmanager
def packages_of(requirements: str) -> Iterator[None]:
    """Around imports: say how to install a package that is missing.

    Args:
        requirements: The file that has the package, by its path from the project's root.

    Raises:
        ConfigError: Where one is missing; it names the file.
    """
    try:
        yield
    except (ImportError, RuntimeError) as error:
        # tritonclient turns the ImportError of what it needs itself into a RuntimeError.
        cause = error if isinstance(error, ImportError) else error.__cause__
        if not isinstance(cause, ImportError) or (cause.name or "").startswith("ernie_toolkit"):
            raise
        raise ConfigError(f"{cause}, which this script needs: pip install -r {requirements}") from error
