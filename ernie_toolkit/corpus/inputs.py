"""Which files of a corpus are read, and which file each one's answers are written to."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.files import check_output_file
from ernie_toolkit.files.paths import MAX_NAME, path_problem

KINDS = {
    ".jsonl": "json",
    ".json": "json",
    ".txt": "txt",
    ".tsv": "tsv",
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
"""How a file is read, by the ending of its name."""
BAD = ".bad"


@dataclass(frozen=True)
class InputFile:
    """A file to predict.

    Attributes:
        path: Where it is.
        kind: One of the values of `KINDS`.
        size: Its bytes.
        mtime_ns: When it was changed last, in nanoseconds since 1970.
        name: The name of its answers in the output directory, without the ending.
    """

    path: Path
    kind: str
    size: int
    mtime_ns: int
    name: str

    @property
    def output_name(self) -> str:
        """The file of its answers, by its path in the output directory."""
        return f"{self.name}.jsonl"

    @property
    def bad_name(self) -> str:
        """The file of its rows without an answer, by its path in the output directory."""
        return f"{self.name}{BAD}.jsonl"


def find_inputs(patterns: Sequence[str]) -> tuple[list[InputFile], list[str]]:
    """The files that some paths and patterns mean, in their order, and lines on what was left out or renamed.

    Args:
        patterns: Paths, or patterns of them (`*`, `?`, `[...]`, and `**` for folders in folders).

    Raises:
        ConfigError: Where a pattern matches nothing.
        DataError: On what is no file that can be read, and on an ending that is not known.
    """
    notices = []
    found: dict[str, Path] = {}
    for path in (path for pattern in patterns for path in _matches(pattern)):
        _check_input(path)
        if os.path.realpath(path) in found:
            notices.append(f"{path} is given more than once: it is read once")
        found.setdefault(os.path.realpath(path), path)
    paths = list(found.values())
    names = _output_names(paths)
    renamed = sum(name != path.stem for name, path in zip(names, paths))
    if renamed:
        notices.append(
            f"{renamed} of {len(paths)} input(s) share their names: their answers are named by more of the path "
            f"({names[[name != path.stem for name, path in zip(names, paths)].index(True)]}.jsonl ...)"
        )
    return [_input_file(path, name) for path, name in zip(paths, names)], notices


def _matches(pattern: str) -> list[Path]:
    if Path(pattern).exists() or not glob.has_magic(pattern):
        return [Path(pattern)]
    parts = Path(pattern).parts
    plain = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    found = Path(*parts[:plain]).glob("/".join(parts[plain:]))
    paths = sorted(path for path in found if not path.name.startswith("."))  # as shells have it
    if not paths:
        raise ConfigError(f"`input` {pattern} matches no file: check the pattern")
    return paths


def _check_input(path: Path) -> None:
    problem = path_problem(str(path))
    if problem:  # of a name that a pattern has found
        raise DataError(f"{path}: {problem}: give it another name")
    if path.is_dir():
        raise DataError(f"{path}: is a directory: give the files in it ({path}/*.jsonl, say)")
    if not path.exists():
        raise DataError(f"{path}: no such file: check the path")
    if path.suffix.lower() not in KINDS:
        raise DataError(f"{path}: its ending is not known: name it {', '.join(KINDS)}, as its content is")
    if not path.is_file():
        raise DataError(f"{path}: is not an ordinary file: a corpus is read from files, so that a run can be resumed")
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}): check its rights") from None


def _input_file(path: Path, name: str) -> InputFile:
    state = path.stat()
    return InputFile(path, KINDS[path.suffix.lower()], state.st_size, state.st_mtime_ns, name)


def _output_names(paths: Sequence[Path]) -> list[str]:
    """A name for each path's answers: as short as is possible without two of one name.

    That is the name without its ending, else with the folders below the one that all have in common, else with both
    these folders and the ending.
    """
    full = [Path(os.path.normpath(path.absolute())) for path in paths]
    common = Path(os.path.commonpath([path.parent for path in full])) if full else Path()
    names = [path.stem for path in full]
    places = [path.relative_to(common) for path in full]
    for longer in ([place.with_suffix("").as_posix() for place in places], [place.as_posix() for place in places]):
        names = [other if clash else name for name, other, clash in zip(names, longer, _clashes(names))]
    for path, clash in zip(paths, _clashes(names)):
        if clash:
            raise ConfigError(f"{path}: another input has its name but for case or ending: predict the two one by one")
    return names


def _clashes(names: Sequence[str]) -> list[bool]:
    """Of each name whether another one, or the file of its bad rows, has it too; some disks do not tell case apart."""
    plain = [name.casefold() for name in names]
    counts = Counter(plain)
    return [
        counts[name] > 1 or name + BAD in counts or (name.endswith(BAD) and name[: -len(BAD)] in counts)
        for name in plain
    ]


def check_output(output: Path, files: Sequence[InputFile]) -> None:
    """Check that no input would be overwritten, or be taken for an answer.

    Args:
        output: The output directory.
        files: The inputs.

    Raises:
        ConfigError: Where the output directory is none, or an input lies in it.
    """
    place = Path(os.path.realpath(output))
    for file in files:
        source = Path(os.path.realpath(file.path))
        if place == source or source in place.parents:
            raise ConfigError(f"`output` {output} is an input, or lies in one: give a directory of its own")
        if place in source.parents:
            raise ConfigError(f"`output` {output} holds the input {file.path}: give a directory of its own")
        for name in (file.output_name, file.bad_name):
            target = output / name
            if target.exists() and target.samefile(file.path):
                raise ConfigError(f"{target} is the input {file.path} by another name: give a directory of its own")
            if len(os.fsencode(target.name)) + len("..part") > MAX_NAME:
                raise ConfigError(f"{file.path}: its name is too long for that of its answers: give it a shorter one")
    if output.exists() and not output.is_dir():
        raise ConfigError(f"`output` {output} is a file, not a directory: give another")
    for file in files:
        check_output_file(output / file.output_name)
        check_output_file(output / file.bad_name)
