"""ONNX Runtime sessions, set up as measurement says."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Sequence

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.bundle.info import INPUTS
from ernie_toolkit.errors import BundleError
from ernie_toolkit.formats.ranges import THREADS, check_number
from ernie_toolkit.inference.engines.base import EngineOptions, Runtime
from ernie_toolkit.inference.engines.dynamic_quantization import dynamic_int8_bytes
from ernie_toolkit.inference.engines.gpu import (
    CPU,
    BoundRun,
    GpuOptions,
    Provider,
    check_providers,
    check_quantized,
    gpu_providers,
)
from ernie_toolkit.inference.engines.half_precision import half_precision_bytes
from ernie_toolkit.inference.processor import available_cores

if TYPE_CHECKING:
    import numpy as np
    import onnxruntime

    from ernie_toolkit.text.dataset import Batch

# A batch with more tokens gives its memory back when it is computed; those below keep theirs, which is faster.
KEPT_TOKENS = 2048

DISABLED_OPTIMIZERS = {
    # The contrib SkipLayerNormalization kernel costs about seven times the plain operators it replaces when
    # it stands between quantized matrix products.
    "int8": ["SkipLayerNormFusion"],
    # Takes LayerNorm's squares for another normalisation where the CPU has put casts around them, and fails
    # (onnxruntime 1.23).
    "fp16": ["SimplifiedLayerNormFusion"],
}


def _model(bundle: Bundle, precision: str, device: str) -> Path | bytes:
    """The model to open: a file, or bytes where an FP32 file was converted on the way."""
    if precision == "fp32":
        return bundle.path("onnx")
    role = f"onnx_{precision}"
    if precision == "int8" and device == "gpu":
        path = bundle.path(role)
        check_quantized(path, path.read_bytes())
        return path
    if role in bundle.info.files:
        return bundle.path(role)
    if precision == "fp16":
        return half_precision_bytes(bundle.path("onnx"))
    return dynamic_int8_bytes(bundle.path("onnx"))


def _providers(device: str, precision: str, gpu: GpuOptions) -> list[Provider]:
    import onnxruntime

    if device == "cpu":
        return [(CPU, {})]
    providers = gpu_providers(gpu, precision, INPUTS)
    check_providers(providers, onnxruntime.get_available_providers(), "the providers of this onnxruntime")
    return providers


def model_session(
    model: Path | bytes,
    device: str = "cpu",
    num_threads: int | None = None,
    precision: str = "fp32",
    gpu: GpuOptions | None = None,
    spinning: bool = True,
    memory_pattern: bool = True,
) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on a model's file or bytes, set up as every deployment opens it.

    Args:
        model: The file, or what is in one.
        device: "cpu" or "gpu".
        num_threads: Threads within one operator; None: as many as there are processors available.
        precision: What the model computes in, "fp32", "int8" or "fp16".
        gpu: How device "gpu" is used; None: the defaults.
        spinning: Whether threads without work keep their processor busy for a while; where several sessions take turns,
            one's would hold up another's.
        memory_pattern: Whether memory is planned anew for each shape of batch and the plans are kept, which is of no
            use where shapes vary.

    Raises:
        DeviceError: Where the device is not there.
        ConfigError: On a number of threads out of its range.
        BundleError: Where ONNX Runtime cannot open the model.
    """
    if num_threads is not None:
        check_number(num_threads, int, THREADS, "num_threads")
    import onnxruntime

    providers = _providers(device, precision, gpu or GpuOptions())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads or available_cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_mem_pattern = memory_pattern
    if not spinning:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(
            model if isinstance(model, bytes) else str(model),
            options,
            providers=providers,
            disabled_optimizers=DISABLED_OPTIMIZERS.get(precision),
        )
    except Exception as error:  # onnxruntime's own exceptions share no base class narrower than this
        reason = " ".join(str(error).split())[:300]
        where = "the quantized model" if isinstance(model, bytes) else str(model)
        raise BundleError(f"{where}: ONNX Runtime cannot open the model: {reason}") from error
    check_providers(providers, session.get_providers(), "the providers that could be started")
    return session


class OnnxRuntime(Runtime):
    """A model in ONNX Runtime, on processors and NVIDIA GPUs.

    Args:
        model: A file, or bytes.
        precision: "fp32", "int8" or "fp16"; what the model computes in.
        options: How it is opened.
        outputs: Names of the outputs, in order; None: as the model has them.

    Raises:
        DeviceError: Where the device is not there.
        ConfigError: On a number of threads out of its range.
        BundleError: Where ONNX Runtime cannot open the model.
    """

    engine: ClassVar[str] = "onnxruntime"
    devices: ClassVar[Sequence[str]] = ("cpu", "gpu")
    precisions: ClassVar[Sequence[str]] = ("fp32", "int8", "fp16")
    package: ClassVar[str] = "onnxruntime"
    install: ClassVar[str] = "pip install -r deploy/predictor/requirements_cpu.txt"

    def __init__(
        self, model: Path | bytes, precision: str, options: EngineOptions, outputs: Sequence[str] | None = None
    ) -> None:
        device = "cpu" if options.gpu is None else "gpu"
        self.session = model_session(
            model,
            device,
            options.threads,
            precision,
            options.gpu,
            # Where several callers take turns, one's busy threads would hold up another's.
            spinning=options.callers == 1 and options.spinning,
            memory_pattern=not options.steady_memory,
        )
        names = list(outputs or (output.name for output in self.session.get_outputs()))
        self._run: Callable[[Batch], Sequence[np.ndarray]] = partial(self.session.run, names)
        if options.gpu is not None:
            self._run = BoundRun(self.session, names, "cuda", options.gpu)
        elif options.steady_memory:
            self._run = steady_run(self.session, names)

    @classmethod
    def open_bundle(cls, bundle: Bundle, precision: str, options: EngineOptions) -> OnnxRuntime:
        """Open a bundle's model in a precision, or its FP32 model converted now; GPUs take INT8 with fixed ranges."""
        model = _model(bundle, precision, "cpu" if options.gpu is None else "gpu")
        return cls(model, precision, options, bundle.info.outputs)

    def __call__(self, batch: Batch) -> Sequence[np.ndarray]:
        """Return the outputs of a batch (see `Runtime`)."""
        return self._run(batch)


def steady_run(session: Any, names: Sequence[str]) -> Callable[[Batch], Sequence[np.ndarray]]:
    """Return what runs a session whose arena shrinks after large batches, for servers.

    Args:
        session: An opened model, on the CPU.
        names: Names of the outputs, in order.

    Returns:
        A function from a batch to those outputs.
    """
    import onnxruntime

    shrinking = onnxruntime.RunOptions()
    shrinking.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    def compute(batch: Batch) -> Sequence[np.ndarray]:
        large = batch["input_ids"].size > KEPT_TOKENS
        outputs: Sequence[np.ndarray] = session.run(names, dict(batch), shrinking if large else None)
        return outputs

    return compute
