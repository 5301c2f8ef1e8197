"""OpenVINO on x86 processors: FP32, BF16 and INT8, with compiled models kept on disk."""

from __future__ import annotations

import contextlib
import queue
import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Sequence

import numpy as np

from ernie_toolkit.bundle.info import INPUTS
from ernie_toolkit.errors import BundleError
from ernie_toolkit.files.checksums import remembered_sha256
from ernie_toolkit.inference.engines.base import EngineOptions, Runtime, model_inputs
from ernie_toolkit.inference.engines.compiled_cache import cache_folders, cache_key, find_compiled, keep_compiled
from ernie_toolkit.inference.processor import available_cores, check_precision, processor_features, processor_name

if TYPE_CHECKING:
    import openvino

    from ernie_toolkit.bundle import Bundle
    from ernie_toolkit.text.dataset import Batch

INT8_ROLE, INT8_WEIGHTS_ROLE = "openvino_int8", "openvino_int8_weights"
# Batches from which on a stream for each thread is worth a second compiled model: it is 15% faster on small models, and
# as fast on larger ones.
MANY_BATCHES = 8


def execution_precision(precision: str) -> str:
    """Return what OpenVINO computes in wherever it is free to choose, "f32" or "bf16".

    What an INT8 model leaves in floating point is BF16 where the processor multiplies matrices in it (AMX); with
    AVX-512's BF16 alone, converting costs more than it gains.
    """
    if precision == "bf16" or (precision == "int8" and "amx_bf16" in processor_features()):
        return "bf16"
    return "f32"


class OpenVino(Runtime):
    """A model in OpenVINO.

    Args:
        model: An .onnx file, or an .xml file with its .bin beside it.
        precision: "fp32", "bf16" or "int8"; what the file holds is computed as it is.
        options: How it is opened.
        outputs: Names of the outputs, in order; None: as the model has them.

    Raises:
        BundleError: Where the model cannot be opened, or reads or answers something else than it should.
        ConfigError: Where the processor lacks BF16.
    """

    engine: ClassVar[str] = "openvino"
    precisions: ClassVar[Sequence[str]] = ("fp32", "bf16", "int8")
    package: ClassVar[str] = "openvino"
    install: ClassVar[str] = "pip install -r deploy/predictor/requirements_openvino.txt"
    # Shapes repeat more often when lengths are multiples of four, and each new one costs a few milliseconds.
    length_step: ClassVar[int] = 4

    def __init__(
        self, model: Path, precision: str, options: EngineOptions, outputs: Sequence[str] | None = None
    ) -> None:
        check_precision(precision)
        self._model, self._precision, self._options = model, precision, options
        self._names = outputs
        self._many = threading.Lock()
        self._mapped: list[np.ndarray] = []
        compiled = self._open(options.callers, options.threads * options.callers)
        self._requests: queue.Queue[Any] = queue.Queue()
        for _ in range(options.callers):
            self._requests.put(compiled.create_infer_request())

    @classmethod
    def open_bundle(cls, bundle: Bundle, precision: str, options: EngineOptions) -> OpenVino:
        """Open a bundle's model (see `Runtime.open_bundle`).

        Raises:
            BundleError: Where it has none in INT8 for OpenVINO too.
        """
        role = INT8_ROLE if precision == "int8" else "onnx"
        if role not in bundle.info.files:
            raise BundleError(
                f"{bundle.directory} has no INT8 model for OpenVINO: compress the model where openvino and nncf are "
                "installed (compress_*.py), or take precision fp32 or bf16, or engine onnxruntime"
            )
        return cls(bundle.path(role), precision, options, bundle.info.outputs)

    def __call__(self, batch: Batch) -> Sequence[np.ndarray]:
        """Return the outputs of a batch (see `Runtime`); more callers than were announced wait for each other."""
        request = self._requests.get()
        try:
            request.infer(model_inputs(batch))
            return self._results(request)
        finally:
            self._requests.put(request)

    def stream(self, batches: Iterable[Batch]) -> Iterator[Sequence[np.ndarray]]:
        """Return the outputs of many batches in their order, one batch on each thread at a time."""
        coming = iter(batches)
        first = list(islice(coming, MANY_BATCHES))
        alone = self._options.callers == 1 and self._options.threads > 1 and len(first) == MANY_BATCHES
        if not alone or not self._many.acquire(blocking=False):
            yield from map(self, chain(first, coming))
            return
        running: deque[Any] = deque()
        try:
            # New ones cost nothing, and one whose batch failed says so again whenever it is waited for.
            free = deque(self._streams.create_infer_request() for _ in range(self._options.threads))
            for batch in chain(first, coming):
                if not free:
                    free.append(running.popleft())
                    free[0].wait()
                    yield self._results(free[0])
                inputs = model_inputs(batch)
                running.append(free.popleft())
                running[-1].start_async(inputs)
            while running:
                running[0].wait()
                yield self._results(running[0])
                running.popleft()
        finally:  # also where whoever takes the outputs stops before the end
            for request in running:
                with contextlib.suppress(RuntimeError):  # nobody takes this batch's outputs any more
                    request.wait()
            self._many.release()

    @cached_property
    def _streams(self) -> openvino.CompiledModel:
        """The model compiled for as many streams as there are threads."""
        return self._open(self._options.threads, self._options.threads)

    def _results(self, request: Any) -> list[np.ndarray]:
        return [np.array(request.get_tensor(name).data) for name in self._outputs]

    def _open(self, streams: int, threads: int) -> openvino.CompiledModel:
        """The model compiled for so many streams."""
        settings: dict[str, Any] = {
            "INFERENCE_NUM_THREADS": threads,
            # Threads that stay on their processors are some 6% faster where they have all of them. Processes that each
            # take a few would all take the same few, the first ones, and be half as fast.
            "ENABLE_CPU_PINNING": threads >= available_cores(),
            "NUM_STREAMS": streams,
            "INFERENCE_PRECISION_HINT": execution_precision(self._precision),
        }
        try:
            compiled = self._compiled(settings)
            self._check(compiled)
            return compiled
        except RuntimeError as error:  # what OpenVINO raises, whatever is wrong
            # Without the places in its own sources, of which there is one for each level.
            reason = " ".join(re.sub(r"Exception from \S+:\d+:", "", str(error)).split())[:300]
            raise BundleError(f"{self._model}: OpenVINO cannot open the model: {reason}") from error

    def _compiled(self, settings: dict[str, Any]) -> openvino.CompiledModel:
        import openvino

        core = openvino.Core()
        folders = cache_folders(self._model.parent, self._options.cache)
        key = self._key(settings) if folders else ""
        found = find_compiled(folders, key)
        if found is not None:
            # Deleted by another process meanwhile, or whole and still not what this OpenVINO takes: compiled again.
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                # Mapped, not read: what several processes open is in memory once. OpenVINO wants it writable, though it
                # writes nothing, and does not hold it.
                content = np.memmap(found, dtype=np.uint8, mode="c")
                opened = core.import_model(openvino.Tensor(content, shared_memory=True), "CPU", settings)
                self._mapped.append(content)
                return opened
        compiled = core.compile_model(str(self._model), "CPU", settings)
        if folders:
            self.not_kept = keep_compiled(folders, key, compiled.export_model().getbuffer())
        return compiled

    def _key(self, settings: dict[str, Any]) -> str:
        import openvino

        files = [self._model, *([self._model.with_suffix(".bin")] if self._model.suffix == ".xml" else [])]
        described = [f"{name}={value}" for name, value in settings.items()]
        machine = [openvino.get_version(), processor_name(), *processor_features()]
        return cache_key([*map(remembered_sha256, files), *machine, *described])

    def _check(self, compiled: openvino.CompiledModel) -> None:
        """BundleError where the model reads or answers something else than it should."""
        self._outputs = self._names or [port.get_any_name() for port in compiled.outputs]
        for kind, wanted, ports in (
            ("reads", INPUTS, compiled.inputs),
            ("answers with", self._outputs, compiled.outputs),
        ):
            found = [name for port in ports for name in port.get_names()]
            if len(ports) != len(wanted) or not set(wanted) <= set(found):
                raise BundleError(
                    f"{self._model}: the model {kind} {', '.join(found) or 'nothing':.200}, "
                    f"not {', '.join(wanted):.200}: export the model again"
                )
