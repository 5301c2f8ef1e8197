"""Runs scripts of the project one after another, each in a process forked from one that has imported Paddle.

Importing Paddle takes longer than what many a test has a script do. A forked process is otherwise as a new one: nothing
was computed before. `Scripts` is what tests use; `python tests/support/script_server.py` is the process it talks to.
"""

import importlib
import json
import os
import resource
import runpy
import subprocess
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from recorder import record

from ernie_toolkit.training.acceleration import apply_cpu_settings

# What takes long to import, and computes nothing then.
IMPORTED = (
    "paddle",
    "paddlenlp.trainer",
    "paddlenlp.transformers",
    "onnx",
    "onnxruntime",
    "paddle2onnx",
    "matplotlib.backends.backend_agg",
    "sklearn",
)
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Done:
    """What a script gave: its exit code (negative: the signal that ended it), and what it printed."""

    returncode: int
    output: str


class Scripts:
    """A context in which scripts can be run."""

    def __enter__(self) -> "Scripts":
        self._server = subprocess.Popen(
            [sys.executable, __file__], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait()

    def run(
        self,
        script: str,
        arguments: Sequence[str],
        log: Path,
        watched: Path | None = None,
        copies: Path | None = None,
        largest: int | None = None,
    ) -> Done:
        """Run a script from the project's root; with `watched` and `copies` recorded (see recorder.py). `log`: a file
        for what it prints. `largest`: bytes that a file may have, as on a disk that is nearly full."""
        assert self._server.stdin is not None and self._server.stdout is not None
        asked = [script, list(arguments), str(log), watched and str(watched), copies and str(copies), largest]
        self._server.stdin.write(json.dumps(asked) + "\n")
        self._server.stdin.flush()
        return Done(int(self._server.stdout.readline()), log.read_text(encoding="utf-8", errors="replace"))


def _work(
    script: str, arguments: list[str], log: str, watched: str | None, copies: str | None, largest: int | None
) -> int:
    """What a forked process does; gives its exit code."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.stdin = open(os.devnull)  # noqa: SIM115, PTH123 - open as long as the process
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]
    sys.argv = [script, *arguments]
    sys.path[0] = str(Path(script).resolve().parent)
    code = 0
    if largest is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    try:
        if watched is not None and copies is not None:
            Path(watched).mkdir(parents=True, exist_ok=True)
            Path(copies).mkdir(parents=True)
            record(Path(watched).resolve(), Path(copies))
        runpy.run_path(script, run_name="__main__")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def main() -> None:
    """Import, then fork for each line of standard input."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what is printed on import is no answer
    apply_cpu_settings()  # as the scripts do before they import Paddle
    for name in IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(_work(*json.loads(line)))
        _, status = os.waitpid(child, 0)
        os.write(answers, f"{os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    main()
