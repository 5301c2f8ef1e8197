"""Bytes of the bodies that a process holds, all requests together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request


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

    @asynccontextmanager
    async def body(self, request: Request, limit: int, seconds: float) -> AsyncIterator[bytearray]:
        """A request's body, of at most `limit` bytes, which counts until the block ends.

        Raises BodyTooLargeError, BudgetSpentError, asyncio.TimeoutError where it is not there within `seconds`, or
        ClientDisconnect.
        """
        content = bytearray()
        try:
            await asyncio.wait_for(self._read(request, content, limit), seconds)
            yield content
        finally:
            self.held -= len(content)

    async def _read(self, request: Request, content: bytearray, limit: int) -> None:
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            raise BodyTooLargeError
        async for part in request.stream():
            if len(content) + len(part) > limit:
                raise BodyTooLargeError
            # Counted as they arrive, not as declared: a header alone must not take the room of others.
            if self.held + self.unsent + len(part) > self.limit:
                raise BudgetSpentError
            self.held += len(part)
            content += part
