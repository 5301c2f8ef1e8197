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
# A connection has this long to send a request, or the next one, whatever the crowd.
GRACE_SECONDS = 0.25


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

    Where there are `limit` of them, a new one takes the place of the oldest of the largest group among those that are
    silent, those with a part of a request, and those idle after an answer, which count half: a flood of one kind makes
    room for others, and not others for it. None of them goes within `GRACE_SECONDS`. Where nearly all have a request
    that is being answered, there is no room. `on_sweep` is told the number of connections and the bytes unsent about
    once a second.
    """

    def __init__(self, limit: int, refusals: Refusals, on_sweep: Callable[[int, int], None]) -> None:
        self.refusals = refusals
        self._limit = limit
        self._on_sweep = on_sweep
        self._open: set[Connection] = set()
        # Each with when they came here, in that order; those with a whole header, until it is answered, are in none.
        self._silent: dict[Connection, float] = {}
        self._begun: dict[Connection, float] = {}
        self._idle: dict[Connection, float] = {}

    def _next_to_go(self) -> tuple[dict[Connection, float], str]:
        """The group whose oldest makes room for a new one, and its name; it may be empty."""
        groups = ((2, self._silent, "silent"), (2, self._begun, "half a header"), (1, self._idle, "idle"))
        _, group, name = max(groups, key=lambda entry: entry[0] * len(entry[1]))
        return group, name

    def delay(self) -> float:
        """Seconds until there is room for a new one; 0 where there is none in sight, too."""
        group, _ = self._next_to_go()
        if len(self._open) < self._limit or len(group) < self._limit // 8:
            return 0.0
        return max(0.0, next(iter(group.values()), 0.0) + GRACE_SECONDS - time.monotonic())

    def admit(self, connection: Connection) -> bool:
        """Take a new one in, if need be for another; False where there is no room."""
        if len(self._open) >= self._limit and not self._make_room():
            self.refusals.count("too many connections")
            return False
        self._open.add(connection)
        self._silent[connection] = time.monotonic()
        return True

    def begun(self, connection: Connection) -> None:
        """The first bytes of a request have come."""
        self.busy(connection)
        if connection in self._open:
            self._begun[connection] = time.monotonic()

    def busy(self, connection: Connection) -> None:
        """A request has come, its header at least."""
        for group in (self._silent, self._begun, self._idle):
            group.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        """Its request is answered."""
        if connection in self._open:
            self._idle[connection] = time.monotonic()

    def remove(self, connection: Connection) -> None:
        """It is closed."""
        self._open.discard(connection)
        self.busy(connection)

    def _make_room(self) -> bool:
        group, name = self._next_to_go()
        oldest, since = next(iter(group.items()), (None, 0.0))
        if oldest is None or time.monotonic() - since < GRACE_SECONDS:
            return False
        self.refusals.count(f"closed for another, {name}")
        self.remove(oldest)
        oldest.abort()
        return True

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
