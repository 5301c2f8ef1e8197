"""What the analysis scripts refuse before they compute anything, so that no file of the user's is lost."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ernie_toolkit.errors import ConfigError, DataError


def check_counts(values: Mapping[str, int]) -> None:
    """Raise ConfigError on the first number below 1; keys are the options' names."""
    for name, value in values.items():
        if value < 1:
            raise ConfigError(f"--{name} is {value}: it must be at least 1")


def check_targets(written: Mapping[str, Path], read: Mapping[str, Path]) -> None:
    """Raise ConfigError where a file to write is one that is read, is written twice, or is a directory.

    Keys are the options' names. Paths are compared resolved: `data/../data/label.txt` is `data/label.txt`.
    """
    taken = {path.resolve(): name for name, path in read.items()}
    for name, path in written.items():
        if path.is_dir():
            raise ConfigError(f"--{name}: {path} is a directory: give a file")
        other = taken.setdefault(path.resolve(), name)
        if other != name:
            raise ConfigError(f"--{name} and --{other} are the same file, {path}: give another to --{name}")


def unknown_texts(texts: Sequence[str], known: Iterable[str], where: Path) -> list[str]:
    """The texts that nobody has labelled yet, in their order, each once.

    A text of the training set need not be labelled again, and a dev text among the training rows would make the dev
    figures worthless: it is its own nearest neighbour, and so the first to be picked. Raises DataError where none is
    left.
    """
    seen = set(known)
    fresh = [text for text in dict.fromkeys(texts) if text not in seen]
    if not fresh:
        raise DataError(f"{where}: all of its texts are in the training or dev file: give texts without labels yet")
    return fresh
