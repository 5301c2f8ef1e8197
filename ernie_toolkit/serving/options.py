"""How a service is set up."""

from dataclasses import dataclass

from ernie_toolkit.inference.session import available_cores
from ernie_toolkit.ranges import BATCH_SIZE, COUNT, SECONDS, THREADS, Range, check_number

MODEL_NAMES = {
    "seq_cls": "models/ernie_cls", "token_cls": "models/ernie_ner", "qa": "models/ernie_qa",
    "multi_label": "models/cls_multi_label",
}  # fmt: skip
"""Task to the path that PaddleNLP's clients post to."""

PRECISIONS = ("fp32", "int8")
RANGES = {
    "num_threads": THREADS,
    "workers": THREADS,
    "max_batch_size": BATCH_SIZE,
    "max_wait_ms": Range(0, 10_000),
    "queue_size": COUNT,
    "max_texts": COUNT,
    "max_rows": COUNT,
    "max_body_bytes": Range(1, 1 << 40),
    "body_timeout": SECONDS,
    "stop_timeout": Range(1, 10**6),
}


@dataclass(frozen=True)
class ServingOptions:
    """Settings of one service; bounds hold for each worker.

    `num_threads`: batches computed at once, each by one thread; None shares the processors among the workers.
    `max_batch_size` counts rows (a text, or a window of a long one). `max_wait_ms`: how long a request waits
    for others to share its batch while another batch is computed. `queue_size`: requests taken and not yet
    answered. `max_rows`: windows that the texts of one request may make. `body_timeout` and `stop_timeout` are
    in seconds. `verify`: whether the bundle's checksums are compared. Raises ConfigError.
    """

    task: str
    model_path: str
    precision: str = "fp32"
    num_threads: int | None = None
    workers: int = 1
    max_batch_size: int = 32
    max_wait_ms: float = 5.0
    queue_size: int = 256
    max_texts: int = 128
    max_rows: int = 2048
    max_body_bytes: int = 1 << 20
    body_timeout: float = 30.0
    stop_timeout: int = 30
    verify: bool = True

    def __post_init__(self) -> None:
        for name, allowed in RANGES.items():
            value = getattr(self, name)
            if value is not None:
                check_number(value, float if name in ("max_wait_ms", "body_timeout") else int, allowed, name)

    @property
    def threads(self) -> int:
        """Batches that one worker computes at once."""
        return self.num_threads or max(1, available_cores() // self.workers)
