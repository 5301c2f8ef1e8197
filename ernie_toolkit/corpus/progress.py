"""How far a run is: a bar on a terminal, elsewhere a line every few seconds.

Rows are counted, and bytes of the inputs: how many rows a file has shows at its end only (`Progress` counts one thing).
"""

from __future__ import annotations

import sys
import time
from typing import TextIO

from ernie_toolkit.progress import LINE_SECONDS, duration

BAR_SECONDS = 0.2
_WIDTH = 30


class CorpusProgress:
    """Prints how far a run is to standard error.

    Args:
        total: Bytes of all inputs.
        before: Bytes of them that an earlier run has done.
        stream: Where it is printed; None: standard error.
    """

    def __init__(self, total: int, before: int = 0, stream: TextIO | None = None) -> None:
        self._total = max(total, 1)
        self._before = before
        self._stream = sys.stderr if stream is None else stream
        self._bar = self._stream.isatty()
        self._started = self._shown = time.monotonic()
        self.rows = 0

    @property
    def seconds(self) -> float:
        """How long the run lasts, in seconds."""
        return max(time.monotonic() - self._started, 1e-9)

    @property
    def speed(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds

    def advance(self, rows: int, done: int) -> None:
        """Note rows that are done.

        Args:
            rows: How many were done since the last call.
            done: Bytes of all inputs that are done.
        """
        self.rows += rows
        now = time.monotonic()
        if now - self._shown >= (BAR_SECONDS if self._bar else LINE_SECONDS):
            self._shown = now
            self._show(done)

    def clear(self) -> None:
        """Take the bar away, so that a line can be printed."""
        if self._bar:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _show(self, done: int) -> None:
        share = min(done / self._total, 1.0)
        ours = max(done - self._before, 1)
        left = self.seconds * max(self._total - done, 0) / ours
        line = f"{share:.0%}, {self.rows:,} rows, {self.speed:,.0f} rows/s, {duration(left)} left"
        if self._bar:
            filled = int(_WIDTH * share)
            self._stream.write(f"\r[{'#' * filled}{'.' * (_WIDTH - filled)}] {line}\x1b[K")
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()
