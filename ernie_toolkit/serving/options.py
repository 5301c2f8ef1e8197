"""How a service is set up."""

from dataclasses import dataclass

from ernie_toolkit.errors import ConfigError
from ernie_toolkit.inference.session import available_cores

MODEL_NAMES = {
    "seq_cls": "models/ernie_cls", "token_cls": "models/ernie_ner", "qa": "models/ernie_qa",
    "multi_label": "models/cls_multi_label",
}  # fmt: skip
"""Task to the path that PaddleNLP's clients post to."""

PRECISIONS = ("fp32", "int8")
COUNTS = (
    "num_threads", "workers", "max_batch_size", "queue_size", "max_texts", "max_rows", "max_body_bytes", "stop_timeout",
)  # fmt: skip


@dataclass(frozen=True)
class ServingOptions:
    """Settings of one service; bounds hold for each worker.

    `num_threads`: batches computed at once, each by one thread; None shares the processors among the workers.
    `max_batch_size` counts rows (a text, or a window of a long one). `max_wait_ms`: how long a request waits
    for others to share its batch while another batch is computed. `queue_size`: requests taken and not yet
    answered. `max_rows`: windows that the texts of one request may make. `body_timeout` and `stop_timeout` are
    in seconds. Raises ConfigError.
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

    def __post_init__(self) -> None:
        for name in COUNTS:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}: it must be at least 1")
        if not 0 <= self.max_wait_ms <= 10_000:
            raise ConfigError(f"max_wait_ms is {self.max_wait_ms:g}: it must be between 0 and 10000")
        if not self.body_timeout > 0:
            raise ConfigError(f"body_timeout is {self.body_timeout:g}: it must be above 0")

    @property
    def threads(self) -> int:
        """Batches that one worker computes at once."""
        return self.num_threads or max(1, available_cores() // self.workers)
