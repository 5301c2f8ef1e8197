"""HTTP as bytes on sockets: requests that no client library would send, and connections that only hold a place."""

import contextlib
import resource
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

TIMEOUT = 60


@dataclass(frozen=True)
class Answer:
    """A response as it was read."""

    status: int
    closes: bool
    body: bytes


def read_answer(stream: BinaryIO) -> Answer | None:
    """The next response of a connection, None where it is closed instead."""
    while True:
        line = stream.readline()
        if not line:
            return None
        status = int(line.split()[1])
        headers = {}
        while (field_line := stream.readline()) not in (b"\r\n", b""):
            name, _, value = field_line.partition(b":")
            headers[name.strip().lower()] = value.strip().lower()
        if status >= 200:
            break
    body = stream.read(int(headers.get(b"content-length", b"0")))
    return Answer(status, headers.get(b"connection") == b"close", body)


class Wire:
    """A connection of raw bytes, opened when it is needed and kept while it lasts."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._sock: socket.socket | None = None
        self._stream: BinaryIO | None = None

    def exchange(self, parts: Sequence[bytes], answers: int = 1, pause: float = 0.0) -> list[Answer]:
        """Send, with pauses between the parts, and read so many answers; fewer where the connection ends first."""
        fresh = self._sock is None
        found = self._try(parts, answers, pause)
        if not found and not fresh:  # a kept connection may end at any time (RFC 9112, 9.3.1): once more
            found = self._try(parts, answers, pause)
        return found

    def _try(self, parts: Sequence[bytes], answers: int, pause: float) -> list[Answer]:
        if self._sock is None:
            self._sock = socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT)
            self._stream = self._sock.makefile("rb")
        assert self._stream is not None
        found: list[Answer] = []
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # an answer may have come before
                for number, part in enumerate(parts):
                    if number and pause:
                        time.sleep(pause)
                    self._sock.sendall(part)
            while len(found) < answers and (answer := read_answer(self._stream)) is not None:
                found.append(answer)
                if answer.closes:
                    break
        except ConnectionError:
            pass  # as many answers as came; the caller counts them
        if len(found) < answers or found[-1].closes:
            self.close()
        return found

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self._sock is not None and self._stream is not None:
            self._stream.close()
            self._sock.close()
        self._sock = self._stream = None


def post_bytes(path: str, body: bytes, *headers: str, version: str = "1.1", length: bool = True) -> bytes:
    """A POST as it goes over the wire."""
    lines = [f"POST {path} HTTP/{version}", "Host: localhost", *([f"Content-Length: {len(body)}"] * length), *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class Squatters:
    """Connections that hold a place: `idle` ones silent, `slow` ones with a header that goes on and on.

    Those that the server closes are opened again. `closed` counts them.
    """

    def __init__(self, port: int, idle: int, slow: int) -> None:
        self._port, self._count, self._slow = port, idle + slow, slow
        self._sockets: list[socket.socket] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.closed = 0

    def __enter__(self) -> "Squatters":
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._stop.set()
        self._thread.join(20)
        for one in self._sockets:
            one.close()

    def _open(self) -> socket.socket | None:
        one = socket.socket()
        one.settimeout(5)
        try:
            one.connect(("127.0.0.1", self._port))
        except OSError:  # the backlog is full: later
            one.close()
            return None
        one.setblocking(False)
        return one

    def _alive(self, one: socket.socket, slow: bool) -> bool:
        """Send a slow one's next byte; whether the server has neither answered nor closed."""
        try:
            if slow:
                one.send(b"G")
            one.recv(4096)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def _work(self) -> None:
        while not self._stop.is_set():
            kept = []
            for number, one in enumerate(self._sockets):
                if self._alive(one, number < self._slow):
                    kept.append(one)
                else:
                    one.close()
                    self.closed += 1
            self._sockets = kept
            while len(self._sockets) < self._count and not self._stop.is_set() and (one := self._open()):
                self._sockets.append(one)
            self._stop.wait(0.2)


@contextlib.contextmanager
def raised_descriptors(count: int) -> Iterator[None]:
    """Let this process have so many descriptors while the block runs; ValueError where it may not."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], min(count, before[1])), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
