"""Stop a piece of work at each of its file operations, as a kill or a power cut might.

Two ways. `stopped_everywhere` runs cheap work again and again in processes of its own, and ends them before the first,
the second, ... operation. `recorded` (see recorder.py) runs a whole script once and copies what it writes to before
each operation: what a kill there would have left.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from recorder import watch_operations

ROOT = Path(__file__).resolve().parents[1]
KILLED = 137


def stopped_everywhere(prepare: Callable[[int], Callable[[], None]]) -> Iterator[int]:
    """Give 0, 1, ...: work was stopped before its operation of that number; ends when it has gone through.

    `prepare`: makes a place for the attempt of a number, and gives the work, which a forked process does.
    """
    number = 0
    while True:
        work = prepare(number)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                _stop_before(number)
                work()
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        assert code in (0, KILLED), f"the work failed on its own, stopped before operation {number}"
        if code == 0:
            return
        yield number
        number += 1


def _stop_before(number: int) -> None:
    count = 0

    def stop(_: str) -> None:
        nonlocal count
        if count == number:
            os._exit(KILLED)
        count += 1

    watch_operations(stop)


def recorded(script: str, arguments: Sequence[str], watched: Path, copies: Path) -> list[Path]:
    """Run a script of the project to its end; gives copies of what it writes to, one for each state it was in.

    `watched`: the directory that is copied; `copies`: where to. The operation that would have come next is each
    copy's suffix.
    """
    shutil.rmtree(copies, ignore_errors=True)
    copies.mkdir(parents=True)
    recorder = Path(__file__).with_name("recorder.py")
    command = [sys.executable, str(recorder), str(watched), str(copies), script, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return sorted(copies.iterdir())
