"""The connections of a process: how many there may be, which goes when one more comes, which has had its time."""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Protocol

logger = logging.getLogger("uvicorn.error")
SWEEP_SECONDS = 1.0


class Connection(Protocol):
    """What the table asks of a connection."""

    def abort(self) -> None:
        """Close it at once."""

    def overdue(self, now: float) -> str | None:
        """Why its time is up (a reason of `Refusals`), None while it is not. `now` as time.monotonic tells it."""

    def expire(self) -> None:
        """Close it because its time is up."""

    def unsent(self) -> int:
        """Bytes that the client has not taken yet."""


class Refusals:
    """Counts what is refused, by reason, and logs the counts at most once in `SWEEP_SECONDS`."""

    def __init__(self, on_refusal: Callable[[str], None] = lambda reason: None) -> None:
        self._on_refusal = on_refusal
        self._unsaid: Counter[str] = Counter()

    def count(self, reason: str) -> None:
        """Count one."""
        self._unsaid[reason] += 1
        self._on_refusal(reason)

    def say(self) -> None:
        """Log what was counted since the last time, in one line."""
        if self._unsaid:
            said = ", ".join(f"{reason}: {count}" for reason, count in sorted(self._unsaid.items()))
            self._unsaid.clear()
            logger.warning("refused or closed: %s", said)


class Connections:
    """The open connections, used from one event loop.

    Where there are `limit` of them, a new one takes the place of the one that has waited longest without a request, and
    else of the one that is idle longest after an answer; where each has a request that is being answered, there is no
    room. `on_sweep` is told the number of connections and the bytes unsent about once a second.
    """

    def __init__(self, limit: int, refusals: Refusals, on_sweep: Callable[[int, int], None]) -> None:
        self.refusals = refusals
        self._limit = limit
        self._on_sweep = on_sweep
        self._open: set[Connection] = set()
        # Both in the order in which they came here; of those with a request under way, neither knows.
        self._waiting: dict[Connection, None] = {}
        self._idle: dict[Connection, None] = {}

    def admit(self, connection: Connection) -> bool:
        """Take a new one in, if need be for another; False where there is no room."""
        if len(self._open) >= self._limit and not self._make_room():
            self.refusals.count("too many connections")
            return False
        self._open.add(connection)
        self._waiting[connection] = None
        return True

    def busy(self, connection: Connection) -> None:
        """A request of it has come."""
        self._waiting.pop(connection, None)
        self._idle.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        """Its request is answered."""
        if connection in self._open:
            self._idle[connection] = None

    def remove(self, connection: Connection) -> None:
        """It is closed."""
        self._open.discard(connection)
        self.busy(connection)

    def _make_room(self) -> bool:
        for group, reason in (
            (self._waiting, "closed for another, no request"),
            (self._idle, "closed for another, idle"),
        ):
            oldest = next(iter(group), None)
            if oldest is not None:
                self.refusals.count(reason)
                self.remove(oldest)
                oldest.abort()
                return True
        return False

    def starved(self) -> None:
        """There was no descriptor for a connection: the process has fewer than its limit says."""
        self.refusals.count("no descriptor")
        self._make_room()

    def sweep(self) -> None:
        """Close those whose time is up, and report."""
        now = time.monotonic()
        for connection in list(self._open):
            reason = connection.overdue(now)
            if reason is not None:
                self.refusals.count(reason)
                connection.expire()
        self._on_sweep(len(self._open), sum(connection.unsent() for connection in self._open))
        self.refusals.say()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Sweep once a second in the running event loop until the block ends."""

        async def watch() -> None:
            while True:
                await asyncio.sleep(SWEEP_SECONDS)
                self.sweep()

        task = asyncio.get_running_loop().create_task(watch())
        try:
            yield
        finally:
            task.cancel()
            self.refusals.say()
