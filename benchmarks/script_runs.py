"""The project's own scripts, run by a benchmark as a user would run them."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from ernie_toolkit.errors import ToolkitError


def run_script(command: Sequence[str | Path], stdout: TextIO | None = None) -> None:
    """Run a script, whose standard error is seen as it comes; ToolkitError with its last line where the script fails.

    `command`: the interpreter, the script, its arguments. `stdout`: where the script's output goes, with nothing given
    to this process's own; a benchmark whose own output is a table gives sys.stderr.
    """
    words = [str(word) for word in command]
    last = "it printed no error"
    with subprocess.Popen(
        words, stdout=stdout, stderr=subprocess.PIPE, text=True, encoding="utf-8", errors="replace"
    ) as process:
        assert process.stderr is not None  # it is a pipe
        for line in process.stderr:
            sys.stderr.write(line)
            last = line.strip() or last
    if process.returncode:
        raise ToolkitError(f"{Path(words[1]).name} ended with code {process.returncode}: {last}")
