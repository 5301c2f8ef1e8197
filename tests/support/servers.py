"""Start real servers for tests: on free ports, each in its own process group, ended whole."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]


class Server:
    """A process group started by `running_server`."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    def output(self) -> str:
        """What the server wrote up to now."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def signal(self, number: int) -> None:
        """Send a signal to the whole group; nothing where it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait for a condition; AssertionError with the log where the server ends or time runs out first."""
        end = time.monotonic() + seconds
        while not ready():
            assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.output()}"
            assert time.monotonic() < end, f"the server was not ready within {seconds} s:\n{self.output()}"
            time.sleep(0.05)

    def alive(self) -> bool:
        """Whether any process of the group is left."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def stop(self, seconds: float = 20) -> int:
        """Ask the first process to end (SIGTERM); gives its exit code. TimeoutExpired where it does not."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


@contextlib.contextmanager
def running_server(
    command: Sequence[str | Path],
    log: Path,
    ready: Callable[[], bool],
    seconds: float = 60,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[Server]:
    """A server in its own session; killed with all it started when the block ends, however it ends."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=None if env is None else {**os.environ, **env},
            cwd=cwd,
        )
    server = Server(process, log)
    try:
        server.wait_until(ready, seconds)
        yield server
    finally:
        server.signal(signal.SIGKILL)
        process.wait(10)
