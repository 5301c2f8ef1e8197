"""ONNX Runtime sessions, set up as measurement says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.bundle.info import INPUTS
from ernie_toolkit.errors import BundleError, ConfigError
from ernie_toolkit.formats.ranges import THREADS, check_number
from ernie_toolkit.inference.engines.dynamic_quantization import dynamic_int8_bytes
from ernie_toolkit.inference.engines.gpu import (
    CPU,
    GpuOptions,
    Provider,
    check_providers,
    check_quantized,
    gpu_providers,
)
from ernie_toolkit.inference.engines.half_precision import half_precision_bytes

if TYPE_CHECKING:
    import onnxruntime

PRECISIONS = ("fp32", "int8", "fp16")
DEVICES = ("cpu", "gpu")
DISABLED_OPTIMIZERS = {
    # The contrib SkipLayerNormalization kernel costs about seven times the plain operators it replaces when
    # it stands between quantized matrix products.
    "int8": ["SkipLayerNormFusion"],
    # Takes LayerNorm's squares for another normalisation where the CPU has put casts around them, and fails
    # (onnxruntime 1.23).
    "fp16": ["SimplifiedLayerNormFusion"],
}


def available_cores() -> int:
    """Processors this process may run on (a container's share, not the machine's)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _model(bundle: Bundle, precision: str, device: str) -> Path | bytes:
    """The model to open: a file, or bytes where an FP32 file was converted on the way."""
    if precision not in PRECISIONS:
        raise ConfigError(f"precision '{precision}' is not known: use one of {', '.join(PRECISIONS)}")
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

    if device not in DEVICES:
        raise ConfigError(f"device '{device}' is not known: use one of {', '.join(DEVICES)}")
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

    `num_threads`: threads within one operator, all available processors where None. `precision`:
    what the model computes in, "fp32", "int8" or "fp16". `gpu`: how device "gpu" is used. `spinning`: whether
    threads without work keep their processor busy for a while; where several sessions take turns, one's would hold up
    another's. `memory_pattern`: whether memory is planned anew for each shape of batch and the plans are kept, which is
    of no use where shapes vary. Raises DeviceError, ConfigError or BundleError in one line.
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


def open_bundle_session(
    bundle: Bundle,
    device: str = "cpu",
    num_threads: int | None = None,
    precision: str = "fp32",
    gpu: GpuOptions | None = None,
    memory_pattern: bool = True,
) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on a bundle's model.

    `precision`: "fp32", or "int8" and "fp16" (the bundle's own, or its FP32 model converted now; GPUs take
    only an INT8 model with fixed ranges). Else as `model_session`.
    """
    model = _model(bundle, precision, device)
    return model_session(model, device, num_threads, precision, gpu, memory_pattern=memory_pattern)
