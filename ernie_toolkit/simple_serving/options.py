"""How a service is set up."""

from dataclasses import dataclass, field

from ernie_toolkit.errors import ConfigError
from ernie_toolkit.formats.ranges import BATCH_SIZE, COUNT, SECONDS, THREADS, Range, check_number
from ernie_toolkit.inference.engines.base import AUTO
from ernie_toolkit.inference.processor import available_cores

HOST = "127.0.0.1"
KEY_VARIABLE = "ERNIE_API_KEY"
RANGES = {
    "num_threads": THREADS,
    "workers": THREADS,
    "max_batch_size": BATCH_SIZE,
    "max_batch_tokens": COUNT,
    "max_wait_ms": Range(0, 10_000),
    "queue_size": COUNT,
    "max_texts": COUNT,
    "max_rows": COUNT,
    "max_body_bytes": Range(1, 1 << 40),
    "max_pending_bytes": Range(1, 1 << 40),
    "max_connections": COUNT,
    "header_timeout": SECONDS,
    "body_timeout": SECONDS,
    "write_timeout": SECONDS,
    "keep_alive_timeout": SECONDS,
    "stop_timeout": Range(1, 10**6),
}
FRACTIONS = ("max_wait_ms", "header_timeout", "body_timeout", "write_timeout", "keep_alive_timeout")
# Descriptors that are no connections: files, pipes, libraries' own, and connections on their way in and out.
RESERVED_DESCRIPTORS = 128
MOST_CONNECTIONS = 1000  # by default; an idle one costs some 10 kB


@dataclass(frozen=True)
class ServingOptions:
    """Settings of one service; bounds hold for each worker.

    Attributes:
        task: The task's name, as in `TASKS`.
        model_path: The bundle.
        precision: One of `PRECISIONS`.
        num_threads: Batches computed at once, each by one thread; None shares the processors among the workers.
        workers: Processes.
        max_batch_size: Rows of a batch (a text, or a window of a long one).
        max_batch_tokens: Tokens of a batch of several rows, padding and all.
        max_wait_ms: How long a request waits for others to share its batch while another batch is computed, in
            milliseconds.
        queue_size: Requests taken and not yet answered.
        max_texts: Texts of a request.
        max_rows: Windows that the texts of one request may make.
        max_body_bytes: Bytes of a request's body.
        max_pending_bytes: Bytes of the bodies of all requests that are not answered yet.
        max_connections: Open connections; None: as many as the process has descriptors for, up to `MOST_CONNECTIONS`.
        header_timeout: Seconds in which a request's header must arrive.
        body_timeout: Seconds in which a request's body must arrive.
        write_timeout: Seconds in which a client must take its answer.
        keep_alive_timeout: Seconds that a connection may be idle after an answer.
        stop_timeout: Seconds that requests taken may still need after the server was asked to stop.
        verify: Whether the bundle's checksums are compared.
        allowed_hosts: Names that a request's Host may have; empty: any.
        api_key: What requests have to show; None: nothing.

    Raises:
        ConfigError: On a value out of its range, and on values that do not go together.
    """

    task: str
    model_path: str
    precision: str = AUTO
    engine: str = AUTO
    engine_cache: str | None = None
    num_threads: int | None = None
    workers: int = 1
    max_batch_size: int = 32
    max_batch_tokens: int = 4096
    max_wait_ms: float = 5.0
    queue_size: int = 256
    max_texts: int = 128
    max_rows: int = 2048
    max_body_bytes: int = 1 << 20
    max_pending_bytes: int = 64 << 20
    max_connections: int | None = None
    header_timeout: float = 10.0
    body_timeout: float = 30.0
    write_timeout: float = 30.0
    keep_alive_timeout: float = 5.0
    stop_timeout: int = 30
    verify: bool = True
    allowed_hosts: tuple[str, ...] = ()
    api_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name, allowed in RANGES.items():
            value = getattr(self, name)
            if value is not None:
                check_number(value, float if name in FRACTIONS else int, allowed, name)
        if self.max_pending_bytes < self.max_body_bytes:
            raise ConfigError(
                f"max_pending_bytes is {self.max_pending_bytes}, less than one body may have "
                f"({self.max_body_bytes}): raise it, or lower max_body_bytes"
            )
        for host in self.allowed_hosts:
            if not host or (any(sign in host for sign in "/:@ ") and not host.startswith("[")):
                raise ConfigError(f"allowed_hosts has {host!r}: give names or addresses alone, without port or path")
        key = self.api_key
        if key is not None and not (key and key.isascii() and key.isprintable() and " " not in key):
            raise ConfigError("api_key is empty, or has signs beside printable ASCII: choose another")

    @property
    def threads(self) -> int:
        """Batches that one worker computes at once."""
        return self.num_threads or max(1, available_cores() // self.workers)

    def connections(self) -> int:
        """Connections that one worker holds at once.

        Raises:
            ConfigError: Where it has not the descriptors for them.
        """
        import resource  # on no Windows, where clients run too

        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        room = MOST_CONNECTIONS if limit == resource.RLIM_INFINITY else limit - RESERVED_DESCRIPTORS
        if limit != resource.RLIM_INFINITY and (self.max_connections or 1) > room:
            raise ConfigError(
                f"max_connections is {self.max_connections or 'not set'}: with {limit} descriptors, of which "
                f"{RESERVED_DESCRIPTORS} are needed elsewhere, it can be {max(0, room)}: raise `ulimit -n` or lower it"
            )
        return self.max_connections or min(MOST_CONNECTIONS, room)
