"""Workers on this machine: processes that are started anew where one is killed.

They are held by pipes of their own and not by `concurrent.futures`: there one worker that is killed takes the others
with it, and workers whose parent is killed wait for ever.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from ernie_toolkit.console import notice
from ernie_toolkit.corpus.chunks import Chunk, ChunkSource, Result
from ernie_toolkit.corpus.rows import Layout, place_of
from ernie_toolkit.corpus.worker import ChunkPredictor, Failure, WorkerSettings
from ernie_toolkit.errors import ToolkitError

MAX_DEATHS = 3
"""How often a worker may end over one chunk."""
_AHEAD = 4
_STOP_SECONDS = 5.0


def serve(pipe: Connection, settings: WorkerSettings) -> None:
    """Answer chunks from a pipe until it is closed, which the end of the other process does too.

    Args:
        pipe: Gives chunks, and takes a `Result` or a `Failure` for each.
        settings: What the predictor needs to know.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others
    predictor = ChunkPredictor(settings)
    while True:
        try:
            pipe.send(predictor(pipe.recv()))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    chunk: Chunk | None = None


class LocalWorkers:
    """Predicts chunks in processes of this machine, and gives the results in the chunks' order.

    Args:
        settings: What each worker needs to know.
        count: How many processes there are.
    """

    def __init__(self, settings: WorkerSettings, count: int) -> None:
        self._settings = settings
        self._count = count
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        self._again: deque[Chunk] = deque()
        self._deaths: dict[int, int] = {}

    def results(self, source: ChunkSource) -> Iterator[Result]:
        """Yield the result of each chunk, in order.

        Args:
            source: The chunks; a few are read ahead.

        Raises:
            ToolkitError: As a worker says, and where workers end again and again over one chunk.
            RuntimeError: On a defect in a worker, with its traceback.
        """
        chunks, following = iter(source), 0
        done: dict[int, Result] = {}
        try:
            while True:
                self._feed(chunks, following)
                if not any(worker.chunk for worker in self._workers):
                    return
                self._collect(done)
                while following in done:
                    yield done.pop(following)
                    following += 1
        finally:
            self._stop()

    def _feed(self, chunks: Iterator[Chunk], following: int) -> None:
        """Give each idle worker a chunk; workers are started as they are needed."""
        while True:
            idle = next((worker for worker in self._workers if worker.chunk is None), None)
            if idle is None and len(self._workers) >= self._count:
                return
            ahead = (
                max([worker.chunk.number for worker in self._workers if worker.chunk], default=following) - following
            )
            if not self._again and ahead >= _AHEAD * self._count:
                return  # what is done waits for a slow chunk, and must not pile up
            chunk = self._again.popleft() if self._again else next(chunks, None)
            if chunk is None:
                return
            if idle is None:
                idle = self._start()
                self._workers.append(idle)
            idle.chunk = chunk
            try:
                idle.pipe.send(chunk)
            except (BrokenPipeError, ConnectionResetError):
                self._replace(idle)

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=serve, args=(theirs, self._settings), daemon=True)
        process.start()
        theirs.close()  # so that its end is seen here
        return _Worker(process, ours)

    def _collect(self, done: dict[int, Result]) -> None:
        """Wait for results, and take those that are there."""
        busy = {worker.pipe: worker for worker in self._workers if worker.chunk}
        for pipe in wait(list(busy)):
            worker = busy[pipe]  # type: ignore[index]
            try:
                answer = worker.pipe.recv()
            except (EOFError, ConnectionResetError, OSError):
                self._replace(worker)
                continue
            if isinstance(answer, Failure):
                raise answer.error()
            worker.chunk = None
            done[answer.number] = answer

    def _replace(self, worker: _Worker) -> None:
        """Put away a worker that has ended; its chunk is done again by another one."""
        chunk = worker.chunk
        assert chunk is not None
        worker.pipe.close()
        worker.process.join(_STOP_SECONDS)
        self._workers.remove(worker)
        deaths = self._deaths[chunk.number] = self._deaths.get(chunk.number, 0) + 1
        how = _ending(worker.process.exitcode)
        if deaths >= MAX_DEATHS:
            raise ToolkitError(too_many_deaths("a worker process", self._settings.layouts, chunk, f" ({how})"))
        rows = _rows(self._settings.layouts, chunk)
        notice(f"a worker process ended ({how}): a new one does its rows again ({rows})")
        self._again.append(chunk)

    def _stop(self) -> None:
        for worker in self._workers:
            worker.pipe.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_STOP_SECONDS)
        self._workers.clear()


def too_many_deaths(who: str, layouts: Sequence[Layout], chunk: Chunk, how: str = "") -> str:
    """What is said of rows over which workers end again and again.

    Args:
        who: What ends, as "a worker process".
        layouts: The files'.
        chunk: The rows.
        how: How the last one ended, in brackets.
    """
    return (
        f"{who} ended {MAX_DEATHS} times{how} over {_rows(layouts, chunk)}: "
        "where memory runs out give fewer `workers` or a smaller `batch_size`"
    )


def _rows(layouts: Sequence[Layout], chunk: Chunk) -> str:
    if not chunk.records:
        return "no rows"
    return f"{place_of(layouts[chunk.file], chunk.records[0].line)} to {chunk.records[-1].line}"


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {-code}" + (", as the system does where memory runs out" if code == -signal.SIGKILL else "")
    return f"exit code {code}"
