"""Bytes of the bodies that a process holds, all requests together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from ernie_toolkit.simple_serving.memory import LARGE_BODY


class BodyTooLargeError(Exception):
    """A request's body has more bytes than it may have."""


class BudgetSpentError(Exception):
    """The bodies of all requests together have more bytes than the service may hold."""


class ByteBudget:
    """Counts bytes up to a limit; used from one event loop."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        """Bytes of bodies that arrive, or whose requests are not answered yet."""
        self.unsent = 0
        """Bytes of answers that clients have not taken, as last counted."""
        self.freed = 0
        """Bytes of large bodies that were let go, to be set to 0 by who gives their memory back."""

    @asynccontextmanager
    async def body(self, request: Request, limit: int, seconds: float) -> AsyncIterator[bytearray]:
        """A request's body, which counts until the block ends.

        Args:
            request: The request.
            limit: Bytes that the body may have.
            seconds: Within which it has to be there.

        Raises:
            BodyTooLargeError: Where it has more bytes.
            BudgetSpentError: Where all bodies together have more than the service may hold.
            TimeoutError: Asyncio's, where it is not there in time.
            ClientDisconnect: Where the client has gone.
        """
        content = bytearray()
        try:
            await asyncio.wait_for(self._read(request, content, limit), seconds)
            yield content
        finally:
            self.held -= len(content)
            if len(content) > LARGE_BODY:
                self.freed += len(content)
            # Errors and the frames that they hold refer to each other, and so to the body, until Python looks for such.
            content.clear()

    async def _read(self, request: Request, content: bytearray, limit: int) -> None:
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            raise BodyTooLargeError
        async for part in request.stream():
            size = len(part)
            # Counted as they arrive, not as declared: a header alone must not take the room of others.
            if len(content) + size <= limit and self.held + self.unsent + size <= self.limit:
                self.held += size
                content += part
                continue
            del part
            raise BodyTooLargeError if len(content) + size > limit else BudgetSpentError
