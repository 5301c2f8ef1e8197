"""Rows of requests that arrive together, computed in one batch.

A request's encoded rows are cut into chunks by length, as `Predictor` cuts its batches; chunks of several requests
share a batch where their rows are of about one length, because padding costs as much as text. A request alone
is computed in exactly the batches that `Predictor` would make, except that a batch of long rows has fewer of them: the
memory of a batch grows with its tokens. The requests take turns, chunk by chunk, so
that a long one does not hold up the others.
"""

import contextlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field

import numpy as np

from ernie_toolkit.text.batching import batches_by_length
from ernie_toolkit.text.dataset import EncodedDataset, Outputs, in_order

# Chunks share a batch where the longest row is at most this much longer than another chunk's longest: padding costs as
# much as text, and a call of its own about as much as a dozen tokens.
STRETCH, CALL_TOKENS = 1.25, 12


class QueueFullError(Exception):
    """As many requests were taken and not answered yet as the service may hold."""


class StoppedError(Exception):
    """The service takes no requests any more."""


@dataclass
class Ticket:
    """A request's rows on their way through the batches.

    Attributes:
        rows: The rows.
        chunks: Numbers of the rows that are not computed yet, in batches.
        lengths: Tokens of each row.
        arrived: When the request came, in seconds of `time.monotonic`.
        future: Gives their logits (see `Outputs`).
        parts: Logits that are there already, by row number.
    """

    rows: EncodedDataset
    chunks: deque[list[int]]
    lengths: list[int]
    arrived: float
    future: "Future[Outputs]" = field(default_factory=Future)
    parts: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def longest(self) -> int:
        """Tokens of the longest row of the next chunk, which stands first in it."""
        return self.lengths[self.chunks[0][0]]


Part = tuple[Ticket, list[int]]


def chunks_of(lengths: Sequence[int], max_rows: int, max_tokens: int) -> deque[list[int]]:
    """Row numbers in batches, longest rows first.

    Args:
        lengths: Tokens of each row.
        max_rows: Rows of a batch at most.
        max_tokens: Tokens of a batch at most, padding and all; a batch has one row at least.
    """
    chunks: deque[list[int]] = deque()
    for rows in batches_by_length(lengths, max_rows):
        while rows:
            count = max(1, max_tokens // max(1, lengths[rows[0]]))
            chunks.append(rows[:count])
            rows = rows[count:]
    return chunks


class Batcher:
    """Threads that compute batches of waiting rows until `close`.

    A batch starts when it is full, when no other batch is being computed, or `max_wait` seconds after its first request
    arrived.

    Args:
        compute: Gives the logits of encoded rows, all in one batch; several threads call it at once.
        threads: The number of threads.
        max_batch_size: Rows of a batch at most.
        max_wait: Seconds that a request waits for others at most.
        on_batch: Is called with the rows and the requests of each batch.
        max_batch_tokens: Tokens of a batch of several rows at most, padding and all.
    """

    def __init__(
        self,
        compute: Callable[[EncodedDataset], Outputs],
        threads: int,
        max_batch_size: int,
        max_wait: float,
        on_batch: Callable[[int, int], None] = lambda rows, requests: None,
        max_batch_tokens: int = sys.maxsize,
    ) -> None:
        self._compute = compute
        self._max_batch_size = max_batch_size
        self._max_batch_tokens = max_batch_tokens
        self._max_wait = max_wait
        self._on_batch = on_batch
        self._waiting: deque[Ticket] = deque()
        self._change = threading.Condition()
        self._closing = False
        self._computing = 0
        self._threads = [
            threading.Thread(target=self._work, name=f"batch-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, rows: EncodedDataset) -> "Future[Outputs]":
        """Queue some rows, one at least; cancelling the future drops those not computed yet.

        Raises:
            StoppedError: After `close`.
        """
        lengths = rows.lengths()
        chunks = chunks_of(lengths, self._max_batch_size, self._max_batch_tokens)
        ticket = Ticket(rows, chunks, lengths, time.monotonic())
        with self._change:
            if self._closing:
                raise StoppedError
            self._waiting.append(ticket)
            self._change.notify()
        return ticket.future

    @property
    def waiting(self) -> int:
        """Requests with rows that no thread has taken yet."""
        return len(self._waiting)

    @property
    def alive(self) -> bool:
        """Whether every thread still works."""
        return all(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """Compute what is queued, then end the threads."""
        with self._change:
            self._closing = True
            self._change.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while parts := self._next_batch():
            try:
                logits = self._compute_parts(parts)
                self._on_batch(sum(len(chunk) for _, chunk in parts), len({id(ticket) for ticket, _ in parts}))
                self._hand_out(parts, logits)
            except Exception as error:
                # Whatever is raised belongs to the requests of this batch; the thread continues with the next.
                for ticket, _ in parts:
                    _finish(ticket, error)

    def _compute_parts(self, parts: Sequence[Part]) -> Outputs:
        try:
            features = [ticket.rows.features[row] for ticket, chunk in parts for row in chunk]
            return self._compute(EncodedDataset(features, parts[0][0].rows.pad_id))
        finally:
            with self._change:
                self._computing -= 1
                self._change.notify()  # whoever waits for company need not, when nothing else is computed

    def _next_batch(self) -> list[Part]:
        """Wait for a batch that is full or due; empty when all is done and the batcher is closing."""
        with self._change:
            while True:
                self._drop_cancelled()
                if not self._waiting:
                    if self._closing:
                        return []
                    self._change.wait()
                    continue
                due = self._waiting[0].arrived + self._max_wait - time.monotonic()
                ready = due <= 0 or self._closing or not self._computing
                if ready or len(self._waiting[0].chunks) > 1 or self._mates_fill_batch():
                    self._computing += 1
                    return self._take()
                self._change.wait(due)

    def _drop_cancelled(self) -> None:
        if any(ticket.future.done() for ticket in self._waiting):
            self._waiting = deque(ticket for ticket in self._waiting if not ticket.future.done())

    def _mates(self) -> list[Ticket]:
        """The first request, and those whose next chunk fits into a batch with its, nearest in length first."""
        head = self._waiting[0]
        room = self._max_batch_size - len(head.chunks[0])
        mates, low, high = [head], head.longest, head.longest
        if room:
            others = sorted(list(self._waiting)[1:], key=lambda ticket: abs(ticket.longest - head.longest))
            for ticket in others:
                shorter, longer = min(low, ticket.longest), max(high, ticket.longest)
                rows = len(ticket.chunks[0])
                fits = rows <= room and (self._max_batch_size - room + rows) * longer <= self._max_batch_tokens
                if fits and longer <= shorter * STRETCH + CALL_TOKENS:
                    mates.append(ticket)
                    room -= rows
                    low, high = shorter, longer
        return mates

    def _mates_fill_batch(self) -> bool:
        rows = sum(len(ticket.chunks[0]) for ticket in self._mates())
        return rows >= self._max_batch_size or (rows + 1) * self._waiting[0].longest > self._max_batch_tokens

    def _take(self) -> list[Part]:
        """The next chunks of the first request and its mates; those with more of them go to the end of the queue."""
        mates = self._mates()
        parts = [(ticket, ticket.chunks.popleft()) for ticket in mates]
        taken = {id(ticket) for ticket in mates}
        again = [ticket for ticket in mates if ticket.chunks]
        self._waiting = deque([*(ticket for ticket in self._waiting if id(ticket) not in taken), *again])
        if self._waiting:
            self._change.notify()
        return parts

    def _hand_out(self, parts: Sequence[Part], logits: Outputs) -> None:
        position = 0
        for ticket, chunk in parts:
            with self._change:
                ticket.parts.update(zip(chunk, logits[position : position + len(chunk)], strict=True))
                whole = len(ticket.parts) == len(ticket.rows)
            position += len(chunk)
            if whole:
                _finish(ticket, in_order(ticket.parts, len(ticket.rows)))


def _finish(ticket: Ticket, outcome: Outputs | Exception) -> None:
    # A caller that has given up has cancelled its future; one batch's error may come after another's.
    with contextlib.suppress(InvalidStateError):
        if isinstance(outcome, Exception):
            ticket.future.set_exception(outcome)
        else:
            ticket.future.set_result(outcome)
