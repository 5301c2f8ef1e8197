"""What loads a deployment: clients as threads, each asking one text after the other."""

from __future__ import annotations

import threading
import time
import typing
from collections.abc import Callable, Sequence

import numpy as np

from ernie_toolkit.text.features import TextInput

Ask = typing.Callable[[TextInput], None]
"""Sends one text and reads the answer; each client has its own."""


def measure(make_ask: Callable[[], Ask], texts: Sequence[TextInput], clients: int, seconds: float) -> dict[str, float]:
    """Requests a second, and the median and 99th percentile of their latency in milliseconds."""
    latencies: list[list[float]] = [[] for _ in range(clients)]
    failures: list[BaseException] = []
    begin = time.perf_counter() + 1
    end = begin + seconds

    def work(client: int) -> None:
        try:
            ask = make_ask()
            number = client
            while (started := time.perf_counter()) < end:
                ask(texts[number % len(texts)])
                number += clients
                if started >= begin:
                    latencies[client].append(time.perf_counter() - started)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    values = np.concatenate([np.array(items) for items in latencies]) * 1000
    return {
        "requests_per_second": len(values) / seconds,
        "p50_ms": float(np.percentile(values, 50)),
        "p99_ms": float(np.percentile(values, 99)),
    }
