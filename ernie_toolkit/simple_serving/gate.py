"""How much is worked on at once, by weight."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """Lets weights through, up to a sum, in the order in which they came; used from one event loop."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._inside = 0
        self._turn = asyncio.Lock()
        self._left = asyncio.Event()

    @asynccontextmanager
    async def passed(self, weight: int) -> AsyncIterator[None]:
        """Be inside while the block runs; one heavier than all that may be inside waits until nobody is."""
        async with self._turn:
            while self._inside and self._inside + weight > self._capacity:
                self._left.clear()
                await self._left.wait()
            self._inside += weight
        try:
            yield
        finally:
            self._inside -= weight
            self._left.set()
