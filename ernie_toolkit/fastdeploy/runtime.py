"""A bundle on FastDeploy's runtime: devices, backends, model files, options."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ernie_toolkit.arguments.options import split_device
from ernie_toolkit.bundle import Bundle
from ernie_toolkit.errors import BundleError, ConfigError, DeviceError
from ernie_toolkit.fastdeploy.processor import keep_from_amx
from ernie_toolkit.inference.predictor import BundlePredictor, Run, limited

if TYPE_CHECKING:
    import fastdeploy

DEVICES = ("cpu", "gpu", "kunlunxin")
BACKENDS = ("onnx_runtime", "paddle", "openvino", "tensorrt", "paddle_tensorrt")
# FastDeploy ends the process where a device does not have the backend that it is given.
PAIRS = {
    "cpu": ("onnx_runtime", "paddle", "openvino"),
    "gpu": ("onnx_runtime", "paddle", "tensorrt", "paddle_tensorrt"),
    "kunlunxin": ("paddle",),
}
LEGACY = Path("legacy")


@dataclass(frozen=True)
class RuntimeSettings:
    """How FastDeploy computes a bundle.

    Attributes:
        device: One of `DEVICES`; "gpu:1" names a card.
        backend: One of `BACKENDS`; `PAIRS` lists those of each device.
        int8: Whether the bundle's INT8 model is used in place of FP32.
        use_fp16: Whether to compute in FP16, with TensorRT only.
        batch_size: Rows of the largest batch, which TensorRT builds its engine for.
        num_threads: Threads of the CPU.
    """

    device: str = "cpu"
    backend: str = "onnx_runtime"
    int8: bool = False
    use_fp16: bool = False
    batch_size: int = 1
    num_threads: int = 1

    @property
    def uses_tensorrt(self) -> bool:
        """Whether TensorRT computes."""
        return self.backend in ("tensorrt", "paddle_tensorrt")


def working_pairs(built: dict[str, bool]) -> str:
    """The pairs of device and backend that a build of FastDeploy takes, for a message.

    Args:
        built: What this build has (see `capabilities`).
    """
    backends = {
        device: ", ".join(backend for backend in PAIRS[device] if built.get(backend, True))
        for device in DEVICES
        if built.get(device, True)
    }
    return "; ".join(f"`device` {device} with `backend` {names}" for device, names in backends.items() if names)


def check_pair(device: str, backend: str, built: dict[str, bool]) -> None:
    """Check that FastDeploy takes a pair of device and backend, before it ends the process over it.

    Args:
        device: One of `DEVICES`, without a card.
        backend: One of `BACKENDS`.
        built: What this build of FastDeploy has, by device and backend (see `capabilities`).

    Raises:
        DeviceError: Where it does not.
    """
    if backend not in PAIRS[device]:
        reason = f"`device` {device} has no `backend` {backend}"
    elif not built.get(device, True):
        other = {"gpu": "fastdeploy-gpu-python has it", "kunlunxin": "a build from source can have it"}[device]
        reason = f"this fastdeploy was built without {device} ({other})"
    elif not built.get(backend, True):
        reason = f"this fastdeploy was built without {backend}"
    else:
        return
    raise DeviceError(f"{reason}: this build takes {working_pairs(built)}")


def capabilities() -> dict[str, bool]:
    """What the installed FastDeploy was built with, by device and backend."""
    import fastdeploy

    core = fastdeploy.C
    names = {str(item).lower() for item in core.get_available_backends()}
    return {
        "gpu": core.is_built_with_gpu(),
        "kunlunxin": any("lite" in name for name in names),
        "onnx_runtime": core.is_built_with_ort(),
        "paddle": core.is_built_with_paddle(),
        "openvino": core.is_built_with_openvino(),
        "tensorrt": core.is_built_with_trt(),
        "paddle_tensorrt": core.is_built_with_trt() and core.is_built_with_paddle(),
    }


def model_files(bundle: Bundle, backend: str, int8: bool) -> tuple[Path, Path | None]:
    """The model's file and, in the format before PIR, that of its weights.

    Args:
        bundle: The bundle.
        backend: See `RuntimeSettings`.
        int8: See `RuntimeSettings`.

    Raises:
        BundleError: Where the bundle lacks the file.
        ConfigError: Where the backend reads no INT8 model.
    """
    if backend not in ("paddle", "paddle_tensorrt"):
        return bundle.path("onnx_int8" if int8 else "onnx"), None
    if int8:
        raise ConfigError(f"`backend` {backend} reads FP32 models: leave `int8` out, or use onnx_runtime or openvino")
    program = bundle.directory / LEGACY / "model.pdmodel"
    if not program.is_file():
        raise BundleError(
            f"{program} is missing, which `backend` {backend} reads: python -m ernie_toolkit.export --legacy_pdmodel "
            f"--model_name_or_path {bundle.directory.parent}, or use `backend` onnx_runtime"
        )
    return program, program.with_suffix(".pdiparams")


def make_option(settings: RuntimeSettings, bundle: Bundle, max_length: int) -> fastdeploy.RuntimeOption:
    """FastDeploy's own options for a bundle; imports FastDeploy.

    Args:
        settings: How the bundle is computed.
        bundle: The bundle.
        max_length: Tokens of the longest row, which TensorRT builds its engine for.

    Raises:
        DeviceError: Where FastDeploy cannot be imported, and as `check_pair`.
        ConfigError: On FP16 without TensorRT, and as `model_files`.
        BundleError: As `model_files`.
    """
    keep_from_amx(settings.backend, os.environ)
    try:
        import fastdeploy
    except ImportError as error:
        raise DeviceError(f"fastdeploy cannot be imported ({error}): see deploy/python/README.md") from error
    device, card = split_device(settings.device)
    check_pair(device, settings.backend, capabilities())
    if settings.use_fp16 and not settings.uses_tensorrt:
        raise ConfigError("`use_fp16` is for `backend` tensorrt and paddle_tensorrt: leave it out")
    program, weights = model_files(bundle, settings.backend, settings.int8)
    option = fastdeploy.RuntimeOption()
    if weights is None:
        option.set_model_path(str(program), model_format=fastdeploy.ModelFormat.ONNX)
    else:
        option.set_model_path(str(program), str(weights), fastdeploy.ModelFormat.PADDLE)
    use = {"cpu": option.use_cpu, "gpu": option.use_gpu, "kunlunxin": option.use_kunlunxin}[device]
    use(*(() if card is None else (card,)))
    option.set_cpu_thread_num(settings.num_threads)
    if device == "kunlunxin":
        option.use_lite_backend()
    elif settings.backend == "paddle":
        option.use_paddle_infer_backend()
    elif settings.uses_tensorrt:
        _use_tensorrt(option, settings, bundle, max_length)
    elif settings.backend == "openvino":
        option.use_openvino_backend()
    else:
        option.use_ort_backend()
    return option


def _use_tensorrt(option: fastdeploy.RuntimeOption, settings: RuntimeSettings, bundle: Bundle, max_length: int) -> None:
    option.use_trt_backend()
    if settings.backend == "paddle_tensorrt":
        option.enable_paddle_to_trt()
        option.enable_paddle_trt_collect_shape()
    for name in bundle.info.inputs:
        shape = [settings.batch_size, max_length]
        option.set_trt_input_shape(name, min_shape=[1, 1], opt_shape=shape, max_shape=shape)
    if settings.use_fp16:
        option.enable_trt_fp16()


def open_runtime(option: fastdeploy.RuntimeOption, bundle: Bundle) -> Run:
    """A function that computes batches with FastDeploy's runtime (see `inference.predictor.Run`).

    Args:
        option: Of `make_option`.
        bundle: The bundle.
    """
    import fastdeploy

    runtime = fastdeploy.Runtime(option)
    names = bundle.info.inputs

    def run(batch: dict[str, np.ndarray]) -> list[np.ndarray]:
        return [np.array(item) for item in runtime.infer({name: np.ascontiguousarray(batch[name]) for name in names})]

    return run


def open_predictor(bundle: Bundle, settings: RuntimeSettings, max_length: int | None = None) -> BundlePredictor:
    """A bundle's predictor on FastDeploy.

    Args:
        bundle: The bundle.
        settings: How it is computed.
        max_length: Tokens of the longest row; None: the bundle's own.

    Raises:
        DeviceError: As `make_option`.
        BundleError: As `make_option`.
        ConfigError: As `make_option`, and where `max_length` is over the bundle's own.
    """
    info = limited(bundle.info, max_length, None)
    option = make_option(settings, bundle, info.max_seq_length)
    return BundlePredictor(bundle, open_runtime(option, bundle), max_length)
