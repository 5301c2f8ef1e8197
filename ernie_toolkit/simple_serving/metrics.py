"""What Prometheus reads: requests, latency, batches and the queue, of one worker or of all.

prometheus_client keeps the metrics of several processes in files of the directory PROMETHEUS_MULTIPROC_DIR, which
has to be set before it is imported (`launch` does).
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from ernie_toolkit.errors import ConfigError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The metrics of one service.

    `requests` by path and HTTP status, `seconds` from the first byte of a request to the last of its answer, `texts`
    answered, `batch_rows` and `batch_requests` of each batch computed, `cascade_rows` that each part of a cascade
    answered, the queue's length, what was refused before it was a request, by reason, and, as of the last second, the
    connections and the bytes that they hold.

    Raises:
        ConfigError: Where PROMETHEUS_MULTIPROC_DIR is set to what is no folder.
    """

    def __init__(self) -> None:
        _make_directory()
        self._registry = CollectorRegistry()
        name, registry = "ernie_serving", self._registry
        self.requests = Counter(f"{name}_requests", "HTTP requests", ("path", "status"), registry=registry)
        self.seconds = Histogram(
            f"{name}_request_seconds", "Time to answer a request", ("path",), buckets=SECONDS, registry=registry
        )
        self.texts = Counter(f"{name}_texts", "Texts answered", registry=registry)
        self.batch_rows = Histogram(f"{name}_batch_rows", "Rows of a batch", buckets=ROWS, registry=registry)
        self.batch_requests = Histogram(
            f"{name}_batch_requests", "Requests that share a batch", buckets=ROWS, registry=registry
        )
        self.cascade_rows = Counter(
            f"{name}_cascade_rows", "Rows that a part of a cascade has answered", ("part",), registry=registry
        )
        self.queue = Gauge(
            f"{name}_queue_length",
            "Requests taken and not yet answered",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.refused = Counter(
            f"{name}_refused", "Connections and requests refused or closed by a limit", ("reason",), registry=registry
        )
        self.connections = Gauge(
            f"{name}_connections", "Open connections", registry=registry, multiprocess_mode="livesum"
        )
        self.pending_bytes = Gauge(
            f"{name}_pending_bytes", "Bytes of bodies and answers held", registry=registry, multiprocess_mode="livesum"
        )
        self.engine = Gauge(
            f"{name}_engine",
            "1 for the engine and the precision that answers are computed in",
            ("engine", "precision"),
            registry=registry,
            multiprocess_mode="livemax",
        )
        forget_dead_workers()

    def on_engine(self, engine: str, precision: str) -> None:
        """Record what answers are computed in.

        Args:
            engine: As `Predictor` names it.
            precision: As `Predictor` names it.
        """
        self.engine.labels(engine, precision).set(1)

    def on_refusal(self, reason: str) -> None:
        """Count what was refused or closed."""
        self.refused.labels(reason).inc()

    def on_batch(self, rows: int, requests: int) -> None:
        """Count a batch.

        Args:
            rows: Its rows.
            requests: The requests that they are of.
        """
        self.batch_rows.observe(rows)
        self.batch_requests.observe(requests)

    def on_part(self, name: str, rows: int) -> None:
        """Count the rows that a part of a cascade has answered.

        Args:
            name: The part.
            rows: How many.
        """
        self.cascade_rows.labels(name).inc(rows)

    def text(self) -> bytes:
        """Prometheus' text format: the metrics of all workers where there are several."""
        if DIRECTORY_VARIABLE not in os.environ:
            return generate_latest(self._registry)
        everything = CollectorRegistry()
        MultiProcessCollector(everything)
        return generate_latest(everything)


def _make_directory() -> None:
    directory = os.environ.get(DIRECTORY_VARIABLE)
    if directory is None:
        return
    if not directory:
        raise ConfigError(f"${DIRECTORY_VARIABLE} is set and empty: give it a folder, or unset it")
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"${DIRECTORY_VARIABLE} is {directory}, which is no folder ({error.strerror}): give it one, or unset it"
        ) from None


def forget_dead_workers(is_alive: Callable[[int], bool] | None = None) -> None:
    """Leave the gauges of workers that have ended out of the sum; a worker that takes one's place calls this."""
    directory = os.environ.get(DIRECTORY_VARIABLE)
    if directory is None:
        return
    found = (re.fullmatch(r"gauge_live\w*_(\d+)\.db", path.name) for path in Path(directory).iterdir())
    for pid in {int(match[1]) for match in found if match}:
        if not (is_alive or process_exists)(pid):
            mark_process_dead(pid, directory)


def process_exists(pid: int) -> bool:
    """Whether a process of this machine has this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
