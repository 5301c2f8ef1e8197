"""Texts that keep the HTTP service busy, and waiting for it."""

import time
from collections.abc import Callable

# A text that keeps a server of `slow_bundle` with room for one request busy for seconds.
LONG = "记者在枫坪村见到了教师秦昭岫。" * 4_000


LONG_OPTIONS = ("--queue_size", 1, "--num_threads", 1, "--max_rows", 10**6, "--max_body_bytes", 1 << 23)


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
