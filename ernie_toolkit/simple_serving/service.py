"""A request's way from JSON to JSON: read, encode, share batches, decode, write."""

import asyncio
import dataclasses
import gc
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ernie_toolkit.bundle import BundleInfo, open_bundle
from ernie_toolkit.bundle.info import LATENCY
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.cascade.running import PartTasks
from ernie_toolkit.inference.console import examples_of
from ernie_toolkit.inference.engines.selection import Choice
from ernie_toolkit.simple_serving.batcher import Batcher, QueueFullError
from ernie_toolkit.simple_serving.gate import Gate
from ernie_toolkit.simple_serving.memory import LARGE_BODY, give_back, tune_allocator
from ernie_toolkit.simple_serving.options import ServingOptions
from ernie_toolkit.simple_serving.wire import RequestError, Settings, WireRequest, parse_request
from ernie_toolkit.tasks import TASKS
from ernie_toolkit.text.dataset import EncodedDataset, Outputs

T = TypeVar("T")
SMALL_BYTES = 256 << 10


def open_predictor(options: ServingOptions) -> Predictor:
    """The bundle's predictor, with one thread for each batch: several batches at once use the machine better.

    It has answered once when this returns.

    Raises:
        ConfigError: Where the bundle is of another task.
        BundleError: Where it cannot be used.
    """
    info = open_bundle(options.model_path, options.verify).info
    if info.task != options.task:
        raise ConfigError(
            f"{options.model_path} is a bundle for the task '{info.task}', this server's is '{options.task}': "
            "change one of the two"
        )
    predictor = Predictor(
        options.model_path,
        num_threads=1,
        precision=options.precision,
        verify=options.verify,
        engine=options.engine,
        callers=options.threads,
        steady_memory=True,
        engine_cache=options.engine_cache,
        workload=LATENCY,
    )
    for part in [predictor] if predictor.cascade is None else predictor.cascade.parts:
        part.predict(examples_of(info))
    return predictor


def _too_many_windows(count: str, task: PartTasks, most: int) -> RequestError:
    return RequestError(
        f"the texts make {count} windows of {task.max_seq_length} tokens, a request may make {most}: send less at once"
    )


class Service:
    """Answers requests; made in the thread of no event loop, used from one.

    Args:
        options: The service's settings.
        on_batch: Is called with the rows and the requests of each batch.
        on_part: Is called with the name of a cascade's part and how many rows of a batch it has answered.

    Raises:
        ToolkitError: As `open_predictor`.
    """

    def __init__(
        self,
        options: ServingOptions,
        on_batch: Callable[[int, int], None] = lambda rows, requests: None,
        on_part: Callable[[str, int], None] = lambda name, rows: None,
    ) -> None:
        self.options = options
        tune_allocator()
        self._predictor = open_predictor(options)
        if self._predictor.cascade is not None:
            self._predictor.cascade.on_rows = on_part
        self._batcher = Batcher(
            lambda rows: self._predictor.run(rows, len(rows)),
            options.threads,
            options.max_batch_size,
            options.max_wait_ms / 1000,
            on_batch,
            options.max_batch_tokens,
        )
        self._pool = ThreadPoolExecutor(options.threads, thread_name_prefix="text")
        # What is loaded by now stays: collections need not look at it.
        gc.collect()
        gc.freeze()
        self.taken = 0
        """Requests taken and not yet answered."""
        # A text takes some three hundred times its bytes when it is cut into windows: only so many bytes are worked on
        # at once, while other requests wait as bytes. The large ones do not hold up the small.
        self._small, self._large = Gate(SMALL_BYTES), Gate(options.max_body_bytes)

    @property
    def info(self) -> BundleInfo:
        """What the bundle says of itself."""
        return self._predictor.bundle.info

    @property
    def choice(self) -> Choice:
        """The engine and the precision that answers are computed in; of a cascade, those of all parts."""
        return self._predictor.choice

    @property
    def choices(self) -> Sequence[Choice]:
        """The engine and the precision of each model: one, or one for each part of a cascade."""
        cascade = self._predictor.cascade
        return [self.choice] if cascade is None else cascade.choices

    def trouble(self) -> str | None:
        """Why the service cannot take a request now; None where it can."""
        if not self._batcher.alive:
            return "a thread that computes batches has ended: start the server again"
        if self.full:
            return f"{self.taken} requests are being answered, the queue is full: try again"
        return None

    @property
    def full(self) -> bool:
        """Whether one more request would be refused."""
        return self.taken >= self.options.queue_size

    async def answer(self, body: bytes | bytearray) -> tuple[bytes, int]:
        """The JSON answer to a request's body, and the number of texts in it.

        Cancelled, it drops what is not computed yet.

        Raises:
            RequestError: On bad input, or another ToolkitError.
            QueueFullError: Where as many requests are being answered as may be.
            StoppedError: When closing.
        """
        if self.full:
            raise QueueFullError
        self.taken += 1
        try:
            async with (self._large if len(body) > LARGE_BODY else self._small).passed(len(body)):
                return await self._answer(body)
        finally:
            self.taken -= 1

    async def _answer(self, body: bytes | bytearray) -> tuple[bytes, int]:
        request, task, rows = await self._in_pool(lambda: self._read(bytes(body)))
        logits = await asyncio.wrap_future(self._batcher.submit(rows))
        return await self._in_pool(lambda: self._write(request, task, rows, logits)), len(request.inputs)

    def give_memory_back(self) -> None:
        """Return to the system what large requests took, soon."""
        self._pool.submit(give_back)

    def close(self) -> None:
        """Finish what was taken, then end all threads."""
        self._batcher.close()
        self._pool.shutdown()

    def description(self) -> dict[str, Any]:
        """What the page needs to know."""
        info, kind = self.info, TASKS[self.info.task]
        fields = kind.text_fields(info.text_format)
        return {
            "task": info.task,
            "title": kind.title,
            "path": kind.service_path,
            "dataset": info.dataset,
            "fields": fields,
            "pairs": len(fields) == 2,
            "labels": [
                {"label_id": label, "label_name": name}
                for label, name in zip(info.labels, info.label_names or info.labels, strict=True)
            ],
            "max_seq_len": info.max_seq_length,
            "engine": self.choice.engine,
            "precision": self.choice.precision,
            "sample": info.data_source == "sample",
            "warnings": list(info.warnings),
            "examples": [kind.request_values(item) for item in examples_of(info)],
        }

    async def _in_pool(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _task(self, settings: Settings) -> PartTasks:
        """The bundle's task with a request's settings; a length over the bundle's own is the bundle's own."""
        info = self.info
        length = min(settings.max_seq_length or info.max_seq_length, info.max_seq_length)
        if dataclasses.replace(settings, max_seq_length=length) == Settings(info.max_seq_length):
            return self._predictor.tasks
        return self._predictor.tasks_with(length, dict(settings.limits), settings.threshold)

    def _read(self, body: bytes) -> tuple[WireRequest, PartTasks, EncodedDataset]:
        request = parse_request(body, self.info.task, self.info.text_format, self.options.max_texts)
        task = self._task(request.settings)
        least, most = task.least_rows(request.inputs), self.options.max_rows
        if least > most:  # said before the work of tokenizing and cutting is done
            raise _too_many_windows(f"at least {least}", task, most)
        rows = task.encode(self._predictor.tokenizer, list(request.inputs))
        if len(rows) > most:
            raise _too_many_windows(str(len(rows)), task, most)
        return request, task, rows

    def _write(self, request: WireRequest, task: PartTasks, rows: EncodedDataset, logits: Outputs) -> bytes:
        answers = task.decode(rows, logits, request.inputs)
        result = task.service_result(request.inputs, answers, logits, request.words)
        return json.dumps({"result": result}, ensure_ascii=False, allow_nan=False).encode()
