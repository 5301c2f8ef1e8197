"""How far a long step has come: a bar on a terminal and in a notebook, elsewhere a line every few seconds.

A bar is tqdm's. A file or a pipe gets whole lines, since a bar there leaves a piece of itself at each step; so does a
terminal where tqdm is not installed, as on a machine that only predicts.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, TypeVar

from ernie_toolkit.console import is_main_process, say
from ernie_toolkit.formats.escapes import terminal_line

# Seconds between two lines, and before the first: a step that is over by then needs none.
LINE_SECONDS = 10.0
Item = TypeVar("Item")


class Progress:
    """The progress of one step, on standard error; to be used in a `with` block.

    Args:
        name: What is done, as "train".
        total: How many units there are; None: not known.
        unit: What is counted, in the plural.
        done: How many units were done before, by a run that this one resumes.
        shown: Whether anything is shown at all. Of several processes only the first one shows it.
    """

    def __init__(self, name: str, total: int | None, unit: str = "rows", done: int = 0, shown: bool = True) -> None:
        self.name, self.total, self.unit = name, total, unit
        self.done = self.begun_with = done
        self.started = self.line_at = time.monotonic()
        self.shown = shown and is_main_process()
        self.bar: Any = _bar(name, total, unit, done) if self.shown else None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, units: int = 1) -> None:
        """Count what was done since the last call."""
        self.done += units
        if self.bar is not None:
            self.bar.update(units)
        elif self.shown and time.monotonic() - self.line_at >= LINE_SECONDS:
            self.line_at = time.monotonic()
            print(terminal_line(self.line()), file=sys.stderr, flush=True)

    def line(self) -> str:
        """How far the step is: units done and in all, rate, time left."""
        seconds = time.monotonic() - self.started
        rate = (self.done - self.begun_with) / seconds if seconds else 0.0
        parts = [f"{self.done:,} {self.unit}" if self.total is None else f"{self.done:,} of {self.total:,} {self.unit}"]
        parts.append(f"{rate:,.1f} {self.unit}/s")
        if self.total is not None and rate:
            parts.append(f"{duration((self.total - self.done) / rate)} left")
        return f"{self.name}: {', '.join(parts)}"

    def write(self, line: str) -> None:
        """Print a line of the step's own to standard output, above a bar; it counts as a line of progress."""
        if self.bar is not None:
            self.bar.clear()
        say(line)
        if self.bar is not None:
            self.bar.refresh()
        self.line_at = time.monotonic()

    def over(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items; each is counted when the next one is asked for."""
        for item in items:
            yield item
            self.add()

    def close(self) -> None:
        """Take the bar away; what is printed then begins on a line of its own."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def _bar(name: str, total: int | None, unit: str, done: int) -> Any:
    """A bar of tqdm where one can be drawn, else None."""
    in_notebook = "ipykernel" in sys.modules
    if not (in_notebook or sys.stderr.isatty()) or importlib.util.find_spec("tqdm") is None:
        return None
    from tqdm.auto import tqdm

    return tqdm(
        total=total,
        initial=done,
        desc=name,
        unit=f" {unit}",
        leave=False,
        dynamic_ncols=not in_notebook,
        mininterval=0.5,
    )


def duration(seconds: float) -> str:
    """Seconds as a person says them: "40 s", "3 min 05 s", "2 h 10 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
