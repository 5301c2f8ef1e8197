"""Requests whose ends can be read in two ways are refused, before a proxy and this server read them differently.

RFC 9112, sections 2.2, 5.2 and 6.1. h11 itself refuses Content-Lengths that differ or are no numbers, transfer codings
other than "chunked", white space before a colon, and a missing or second Host.
"""

import re

import h11

END_OF_HEAD = re.compile(rb"\n\r?\n")
FOLDED = re.compile(rb"\n[ \t]")
BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")


def framing_problem(head: bytes, request: h11.Request) -> str | None:
    """What is wrong with a request, None where nothing is.

    `head`: what arrived, from the request line on; more may follow the empty line that ends it.
    """
    end = END_OF_HEAD.search(head)
    lines = head[: end.end()] if end else head
    if BARE_LINE_FEED.search(lines):
        return "a line of the header ends without a carriage return"
    if FOLDED.search(lines):
        return "a header is folded over several lines"
    names = [name for name, _ in request.headers]
    if b"transfer-encoding" not in names:
        return None
    if b"content-length" in names:
        return "Content-Length and Transfer-Encoding exclude each other"
    if request.http_version < b"1.1":
        return "HTTP/1.0 has no Transfer-Encoding"
    return None


class StrictConnection(h11.Connection):
    """A connection of h11's that refuses more; `problem` is the status and the reason of the last refusal."""

    problem: tuple[int, str] = (400, "no HTTP request that can be read")

    def next_event(self) -> "h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]":
        """As h11's. Raises h11.RemoteProtocolError."""
        head = self.trailing_data[0] if self.their_state is h11.IDLE else b""
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            self.problem = (error.error_status_hint, str(error)[:200])
            raise
        reason = framing_problem(head, event) if isinstance(event, h11.Request) else None
        if reason:
            self.problem = (400, reason)
            raise h11.RemoteProtocolError(reason)
        return event
