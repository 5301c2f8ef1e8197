"""How every script meets a user: arguments without guessing, errors in one line, exit code 2."""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from ernie_toolkit.errors import ToolkitError


class OneLineParser(argparse.ArgumentParser):
    """An argument parser that takes no abbreviations, and whose errors are one line on standard error."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **settings)

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
    """Turn an error that the user can mend into one line on standard error and exit code 2."""
    hide_packages_notices()
    try:
        yield
    except ToolkitError as error:
        sys.stderr.write(f"{prog}: error: {' '.join(str(error).split())}\n")
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
