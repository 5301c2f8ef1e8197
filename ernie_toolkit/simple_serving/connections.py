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
SILENT, HALF_HEADER, HALF_BODY, IDLE = "silent", "half a header", "half a body", "idle"
# What may make room for a new connection, and how much each of a group counts: an idle one has been of use.
GROUPS = {SILENT: 2, HALF_HEADER: 2, HALF_BODY: 2, IDLE: 1}
# A connection has this long to send a request, or the next one, whatever the crowd.
GRACE_SECONDS = 0.25


class Connection(Protocol):
    """What the table asks of a connection."""

    def abort(self) -> None:
        """Close it at once."""

    def overdue(self, now: float) -> str | None:
        """Why its time is up (a reason of `Refusals`), None while it is not; `now` in seconds of `time.monotonic`."""

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

    Where there are `limit` of them, a new one takes the place of the oldest of the largest group (see `GROUPS`): a
    flood of one kind makes room for others, and not others for it. None of them is closed within `GRACE_SECONDS`. Where
    nearly all have a request that is being answered, there is no room.

    Args:
        limit: How many there may be.
        refusals: Counts those that are refused or closed.
        on_sweep: Is called about once a second with the number of connections and the bytes unsent.
    """

    def __init__(self, limit: int, refusals: Refusals, on_sweep: Callable[[int, int], None]) -> None:
        self.refusals = refusals
        self._limit = limit
        self._on_sweep = on_sweep
        self._open: set[Connection] = set()
        # Each with when they came here, in that order.
        self._groups: dict[str, dict[Connection, float]] = {name: {} for name in GROUPS}

    def _next_to_go(self) -> tuple[str, dict[Connection, float]]:
        """The group whose oldest makes room for a new one; it may be empty."""
        return max(self._groups.items(), key=lambda entry: GROUPS[entry[0]] * len(entry[1]))

    def delay(self) -> float:
        """Seconds until there is room for a new one; 0 where there is none in sight, too."""
        _, group = self._next_to_go()
        if len(self._open) < self._limit or len(group) < self._limit // 8:
            return 0.0
        return max(0.0, next(iter(group.values()), 0.0) + GRACE_SECONDS - time.monotonic())

    def admit(self, connection: Connection) -> bool:
        """Take a new one in, if need be for another; False where there is no room."""
        if len(self._open) >= self._limit and not self._make_room():
            self.refusals.count("too many connections")
            return False
        self._open.add(connection)
        self.move(connection, SILENT)
        return True

    def move(self, connection: Connection, name: str | None) -> None:
        """Put a connection into one of `GROUPS`, in which it stays where it is.

        Args:
            connection: The connection.
            name: The group; None while its request is being answered.
        """
        for other, group in self._groups.items():
            if other != name:
                group.pop(connection, None)
            elif connection in self._open:
                group.setdefault(connection, time.monotonic())

    def remove(self, connection: Connection) -> None:
        """It is closed."""
        self._open.discard(connection)
        self.move(connection, None)

    def _make_room(self) -> bool:
        name, group = self._next_to_go()
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
                try:
                    self.sweep()
                except Exception:  # a defect of ours; the next second counts again
                    logger.exception("connections were not swept")

        task = asyncio.get_running_loop().create_task(watch())
        try:
            yield
        finally:
            task.cancel()
            self.refusals.say()
