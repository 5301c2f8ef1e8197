"""How every script meets a user: arguments without guessing, errors in one line, exit code 2."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, cast

from ernie_toolkit.errors import ToolkitError

# What requirements.txt installs and the code of a deployment does without, by the names that Python imports.
TRAINING_PACKAGES = (
    "paddle", "paddlenlp", "paddle2onnx", "paddleslim", "onnx", "onnx_graphsurgeon", "yaml", "matplotlib", "sklearn",
    "tqdm", "visualdl", "cleanlab", "pypinyin", "nlpcda", "jieba",
)  # fmt: skip
INSTALL = "pip install -r requirements.txt -c constraints.txt"


class _Outlet(io.FileIO):
    """A standard stream of which the rest is dropped when nobody reads it any more (`| head`): the work goes on."""

    def write(self, data: Any) -> int:
        """Write some bytes; gives their number."""
        try:
            return super().write(data)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(data)


def prepare_console() -> None:
    """Let no script die of printing: what the console cannot show is written as an escape, a closed pipe is no error.

    The encoding stays that of the console. Streams that are not the process's own (a notebook's, a test's) are left
    as they are. To be called before anything is printed; `OneLineParser` does.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if type(stream) is not io.TextIOWrapper or stream is not getattr(sys, f"__{name}__"):
            continue
        stream.reconfigure(errors="backslashreplace")
        raw = getattr(stream.buffer, "raw", stream.buffer)
        if type(raw) is not io.FileIO:
            continue
        stream.flush()
        outlet = _Outlet(raw.fileno(), "wb", closefd=False)
        buffer = outlet if stream.write_through else io.BufferedWriter(outlet)
        prepared = io.TextIOWrapper(
            cast(io.BufferedWriter, buffer), stream.encoding, "backslashreplace",
            line_buffering=stream.line_buffering, write_through=stream.write_through,
        )  # fmt: skip
        setattr(sys, name, prepared)


class OneLineParser(argparse.ArgumentParser):
    """An argument parser that takes no abbreviations, and whose errors are one line on standard error.

    Every script begins with one: parsing prepares the console, for the help and for all that is printed later.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **settings)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Prepare the console, then parse (see `prepare_console`); `parse_args` comes through here too."""
        prepare_console()
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Print the error without the usage text, and end with exit code 2."""
        sys.stderr.write(f"{self.prog}: error: {message} (see --help)\n")
        raise SystemExit(2)


def hide_packages_notices() -> None:
    """Hide two notices that importing PaddlePaddle prints and a user can do nothing about."""
    warnings.filterwarnings("ignore", message="No ccache found")
    warnings.filterwarnings("ignore", message="Setuptools is replacing distutils")


@contextmanager
def exit_on_toolkit_error(prog: str) -> Iterator[None]:
    """Turn an error that the user can mend into one line on standard error and exit code 2.

    So is a package that only training needs, where it is not installed.
    """
    hide_packages_notices()
    try:
        yield
    except ToolkitError as error:
        sys.stderr.write(f"{prog}: error: {' '.join(str(error).split())}\n")
        raise SystemExit(2) from None
    except ModuleNotFoundError as error:
        if error.name not in TRAINING_PACKAGES:
            raise
        sys.stderr.write(f"{prog}: error: {error.name} is not installed, which this needs: {INSTALL} (or make venv)\n")
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        sys.stderr.write(f"{prog}: interrupted\n")
        raise SystemExit(130) from None


def is_main_process() -> bool:
    """Whether this process writes files and prints: the first one of a distributed launch, or the only one."""
    return os.environ.get("PADDLE_TRAINER_ID", "0") == "0"


def say(message: str) -> None:
    """Print a line from the main process."""
    if is_main_process():
        print(message, flush=True)


def warn(message: str) -> None:
    """Print a warning line to standard error from the main process."""
    if is_main_process():
        print(f"warning: {message}", file=sys.stderr, flush=True)


def notice(message: str) -> None:
    """Print a line to standard error, from the main process, about what is as the user may not expect it."""
    if is_main_process():
        print(f"notice: {message}", file=sys.stderr, flush=True)


def print_settings(settings: dict[str, Any]) -> None:
    """Print resolved settings as one block of aligned lines."""
    width = max(len(key) for key in settings)
    say("settings:\n" + "\n".join(f"  {key:<{width}}  {json.dumps(value, ensure_ascii=False)}"
                                  for key, value in settings.items()))  # fmt: skip
