"""Requests whose ends can be read in two ways are refused, before a proxy and this server read them differently.

RFC 9112, sections 2.2, 5.2 and 6.1. h11 itself refuses Content-Lengths that differ or are no numbers, transfer codings
other than "chunked", white space before a colon, and a missing or second Host.
"""

import re

import h11

END_OF_HEAD = re.compile(rb"\n\r?\n")
FOLDED = re.compile(rb"\n[ \t]")
BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
HEADER_BYTES = 16 << 10


def framing_problem(head: bytes, request: h11.Request) -> tuple[int, str] | None:
    """The status and the reason of a request's refusal, None where nothing is wrong with it.

    Args:
        head: What arrived, from the request line on; more may follow the empty line that ends it.
        request: What h11 read of it.
    """
    end = END_OF_HEAD.search(head)
    lines = head[: end.end()] if end else head
    if len(lines) > HEADER_BYTES:
        return 431, f"the header has more than {HEADER_BYTES} bytes"
    if BARE_LINE_FEED.search(lines):
        return 400, "a line of the header ends without a carriage return"
    if FOLDED.search(lines):
        return 400, "a header is folded over several lines"
    names = [name for name, _ in request.headers]
    if b"transfer-encoding" not in names:
        return None
    if b"content-length" in names:
        return 400, "Content-Length and Transfer-Encoding exclude each other"
    if request.http_version < b"1.1":
        return 400, "HTTP/1.0 has no Transfer-Encoding"
    return None


class StrictConnection(h11.Connection):
    """A connection of h11's that refuses more; `problem` is the status and the reason of the last refusal."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, HEADER_BYTES)
        self.problem = (400, "no HTTP request that can be read")

    def next_event(self) -> "h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]":
        """As h11's. Raises h11.RemoteProtocolError."""
        head = self.trailing_data[0] if self.their_state is h11.IDLE else b""
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            self.problem = (error.error_status_hint, str(error)[:200])
            raise
        problem = framing_problem(head, event) if isinstance(event, h11.Request) else None
        if problem:
            self.problem = problem
            raise h11.RemoteProtocolError(problem[1])
        return event
