"""uvicorn's HTTP/1.1 protocol with limits of its own: connections, the time each step may take, strict framing.

An application has to give its `Connections` and its options in the lifespan's state, as `connections` and `options`.
"""

import json
import logging
import time
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from ernie_toolkit.simple_serving.connections import HALF_BODY, HALF_HEADER, IDLE, Connections
from ernie_toolkit.simple_serving.framing import StrictConnection
from ernie_toolkit.simple_serving.options import ServingOptions

# A body that nobody reads, because the request is answered already, is thrown away up to this many bytes.
DISCARDED_BYTES = 64 << 20
# An application that waits for a body answers 408 itself; this much later the connection is closed in any case.
GRACE_SECONDS = 2.0


def is_not_counted(record: logging.LogRecord) -> bool:
    """False for uvicorn's line about each request that is none: `Refusals` counts them and says how many."""
    return record.msg != "Invalid HTTP request received."


def plain_answer(status: int, reason: str) -> bytes:
    """An error as JSON that ends its connection, for those that never reach the application.

    Args:
        status: The HTTP status.
        reason: What is wrong and what to do, in one line.
    """
    body = json.dumps({"detail": reason}).encode()
    phrase = STATUS_PHRASES.get(status, b"").decode()
    retry = "Retry-After: 1\r\n" if status == 503 else ""
    head = (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"{retry}Connection: close\r\n\r\n"
    )
    return head.encode() + body


class GuardedProtocol(H11Protocol):
    """One connection of a client."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.logger.addFilter(is_not_counted)  # once only, however often it is said
        self.conn = StrictConnection()
        self._table: Connections = self.app_state["connections"]
        self._options: ServingOptions = self.app_state["options"]
        self._since = time.monotonic()
        """When the first byte of the request under way came, or the connection."""
        self._unsent_since: float | None = None
        self._answered: Any = None
        self._discarded = 0
        self._aborted = False
        self._ended = False

    def delay(self) -> float:
        """See `listener.Guarded`."""
        return self._table.delay()

    def admit(self) -> bytes | None:
        """See `listener.Guarded`."""
        if self._table.admit(self):
            return None
        return plain_answer(503, "the server has too many connections: try again")

    def withdraw(self) -> None:
        """See `listener.Guarded`."""
        self._table.remove(self)

    def starved(self) -> None:
        """See `listener.Guarded`."""
        self._table.starved()

    def connection_made(self, transport: Any) -> None:
        """The connection is there; others that came since may have taken its place."""
        super().connection_made(transport)
        if self._aborted:
            transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is closed."""
        self._table.remove(self)
        super().connection_lost(error)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._ended:
            self._discard(data)
            return
        if self.cycle is self._answered:  # both None before the first request
            if self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
                if self.cycle is not None:
                    self._since = time.monotonic()
                self._table.move(self, HALF_HEADER)
            elif self.conn.their_state is h11.SEND_BODY:
                self._discard(data)
        super().data_received(data)

    def _discard(self, data: bytes) -> None:
        self._discarded += len(data)
        if self._discarded > DISCARDED_BYTES:
            self._table.refusals.count("a body went on after the answer")
            self.abort()

    def handle_events(self) -> None:
        """What has been read so far."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._discarded = 0
        if self.cycle is not self._answered:
            self._table.move(self, HALF_BODY if self.conn.their_state is h11.SEND_BODY else None)

    def on_response_complete(self) -> None:
        """The request under way is answered."""
        self._answered = self.cycle
        self._since = time.monotonic()
        self._table.move(self, IDLE)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, and close."""
        self._table.refusals.count("no valid HTTP request")
        self._end(*self.conn.problem)

    def _unsupported_upgrade_warning(self) -> None:
        # Such a request is answered as if it had not asked (RFC 9110, 7.8); uvicorn would write a line for each.
        return

    def abort(self) -> None:
        """See `connections.Connection`."""
        self._aborted = True
        if self.transport is not None:
            self.transport.abort()

    def shutdown(self) -> None:
        """The server stops."""
        if self._ended:
            self.abort()
        else:
            super().shutdown()

    def unsent(self) -> int:
        """See `connections.Connection`."""
        return 0 if self.transport is None else int(self.transport.get_write_buffer_size())

    def overdue(self, now: float) -> str | None:
        """See `connections.Connection`."""
        if self.transport is None or self._ended:
            return None
        if not self.unsent():
            self._unsent_since = None
        elif self._unsent_since is None:
            self._unsent_since = now
        elif now - self._unsent_since > self._options.write_timeout:
            return "an answer was not taken in time"
        elapsed = now - self._since
        answered = self.cycle is self._answered
        if self.conn.their_state is h11.IDLE and answered:
            # Between requests, without a byte of the next, uvicorn's own keep-alive timer counts.
            waits = self.cycle is None or self.conn.trailing_data[0]
            return "a header did not arrive in time" if waits and elapsed > self._options.header_timeout else None
        late = elapsed > self._options.body_timeout + GRACE_SECONDS
        if self.conn.their_state is h11.SEND_BODY and answered and late:
            return "a body did not arrive in time"
        return None

    def expire(self) -> None:
        """See `connections.Connection`."""
        if self.conn.our_state is h11.IDLE and self.conn.trailing_data[0] and not self.unsent():
            seconds = self._options.header_timeout
            self._end(408, f"the header was not there within {seconds:g} s")
        else:
            self.abort()

    def _end(self, status: int, reason: str) -> None:
        """Answer in place of the application and close, after a while in which what still comes is thrown away.

        Closed at once, the system would take the answer back with the bytes that nobody read (RFC 9112, 9.6).
        """
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE) or self.transport.is_closing():
            self.transport.close()
            return
        self._ended = True
        self._unset_keepalive_if_required()
        self.transport.write(plain_answer(status, reason))
        self.transport.write_eof()
        if self.cycle is not self._answered:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.loop.call_later(GRACE_SECONDS, self.abort)
