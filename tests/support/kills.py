"""Stop a piece of work at each of its file operations, as a kill or a power cut might.

For cheap work, which is done again and again in processes of its own; they end before its first, second, ...
operation. What a kill of a whole script would leave is recorded in one run (see recorder.py).
"""

import os
from collections.abc import Callable, Iterator

from recorder import watch_operations

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
