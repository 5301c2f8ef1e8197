"""An event loop whose servers take no more connections than there is room for.

asyncio's own accepts whatever comes. Out of descriptors it keeps trying, as often as the backlog is long, writes a
traceback for each try, and starts over a second later. Here each connection needs an admission first.
"""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

# Accepted before what has been accepted is read: a client that has sent its request is then known as one that has.
AT_ONCE = 32
READ_BYTES = 1 << 16
PAUSE_SECONDS = 0.2  # without descriptors, until the next try
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Guarded(Protocol):
    """A protocol that says for itself whether there is room for it."""

    def delay(self) -> float:
        """Seconds to wait before one more is accepted."""

    def admit(self) -> bytes | None:
        """None where there is room, else the bytes to send before the connection is closed."""

    def withdraw(self) -> None:
        """What was admitted is gone before its connection was made."""

    def starved(self) -> None:
        """There was no descriptor for a further connection."""


class Listener:
    """Accepts connections of listening sockets for protocols that are `Guarded`.

    Args:
        loop: The event loop.
        make: Makes the protocol of a connection.
        listening: The sockets.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        make: Callable[[], asyncio.BaseProtocol],
        listening: Sequence[socket.socket],
    ) -> None:
        self._loop = loop
        self._make = make
        self._listening = tuple(listening)
        self._starting: set[asyncio.Task[None]] = set()
        self._paused: asyncio.TimerHandle | None = None
        for sock in self._listening:
            sock.setblocking(False)
        self._resume()

    def close(self) -> None:
        """Accept no more."""
        listening, self._listening = self._listening, ()
        if self._paused:
            self._paused.cancel()
        for sock in listening:
            self._loop.remove_reader(sock.fileno())
            sock.close()

    async def wait_closed(self) -> None:
        """Wait for the connections that were accepted and have not started yet."""
        if self._starting:
            await asyncio.wait(self._starting)

    def is_serving(self) -> bool:
        """Whether it accepts."""
        return bool(self._listening)

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening sockets, until they are closed."""
        return self._listening

    def _accept(self, sock: socket.socket) -> None:
        for _ in range(AT_ONCE):
            protocol = self._make()
            guarded = cast(Guarded, protocol)
            delay = guarded.delay()
            if delay > 0:  # the others wait in the backlog
                self._pause(delay)
                return
            try:
                connection, _ = sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in EXHAUSTED:
                    guarded.starved()
                    self._pause(PAUSE_SECONDS)
                    return
                continue  # the client is gone already (accept(2): such errors belong to the one connection)
            connection.setblocking(False)
            refusal = guarded.admit()
            if refusal is None:
                task = self._loop.create_task(self._start(protocol, connection))
                self._starting.add(task)
                task.add_done_callback(self._starting.discard)
                continue
            with contextlib.suppress(OSError):  # a client that has gone, or not sent yet, needs no more
                connection.send(refusal)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(READ_BYTES)  # unread, it would have the system take the refusal back
            connection.close()

    async def _start(self, protocol: asyncio.BaseProtocol, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, connection)
        except OSError:  # the client has gone already
            connection.close()
            cast(Guarded, protocol).withdraw()

    def _pause(self, seconds: float) -> None:
        for sock in self._listening:
            self._loop.remove_reader(sock.fileno())
        if self._paused is None:
            self._paused = self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._paused = None
        for sock in self._listening:
            self._loop.add_reader(sock.fileno(), self._accept, sock)


class ListeningLoop(asyncio.SelectorEventLoop):
    """An event loop that serves listening sockets through a `Listener`; for uvicorn's `loop`."""

    async def create_server(self, protocol_factory: Any, *args: Any, **options: Any) -> Any:
        """As asyncio's, for protocols that are `Guarded`.

        Args:
            protocol_factory: Makes the protocol of a connection.
            *args: As asyncio's.
            **options: As asyncio's.
        """
        if options.get("sock") is not None:
            return Listener(self, protocol_factory, [options["sock"]])
        bound = await super().create_server(protocol_factory, *args, **{**options, "start_serving": False})
        listening = [sock.dup() for sock in bound.sockets]
        bound.close()
        for sock in listening:
            sock.listen(options.get("backlog") or socket.SOMAXCONN)
        return Listener(self, protocol_factory, listening)
