"""ONNX Runtime on NVIDIA GPUs: the CUDA and TensorRT providers, TensorRT's shape profile, input and output binding.

Options as in https://onnxruntime.ai/docs/execution-providers/TensorRT-ExecutionProvider.html and
.../CUDA-ExecutionProvider.html.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Tuple

import numpy as np

from ernie_toolkit.bundle.info import INPUTS
from ernie_toolkit.compat import strict_zip
from ernie_toolkit.errors import BundleError, ConfigError, DeviceError
from ernie_toolkit.files import write_text
from ernie_toolkit.files.parsing import read_utf8
from ernie_toolkit.formats.ranges import whole_number
from ernie_toolkit.text.batching import batches_by_length

if TYPE_CHECKING:
    import onnxruntime

    from ernie_toolkit.text.dataset import Batch

CUDA, TENSORRT, CPU = "CUDAExecutionProvider", "TensorrtExecutionProvider", "CPUExecutionProvider"
Provider = Tuple[str, Dict[str, Any]]
Shape = Tuple[int, int]


@dataclass(frozen=True)
class ShapeProfile:
    """The batches that a TensorRT engine is built for, each as (rows, tokens).

    Attributes:
        smallest: The least rows and the least tokens of a batch.
        usual: The batch that the engine is made fast for.
        largest: The most rows and the most tokens of a batch.

    Raises:
        ConfigError: Where a shape is not at least the one before it, in rows and in tokens.
    """

    smallest: Shape
    usual: Shape
    largest: Shape

    def __post_init__(self) -> None:
        for place in (0, 1):
            if not 1 <= self.smallest[place] <= self.usual[place] <= self.largest[place]:
                raise ConfigError(
                    f"shapes {self.smallest}, {self.usual}, {self.largest}: each must be at least the last"
                )

    def admits(self, shape: Shape) -> bool:
        """Whether a batch of this shape lies between the smallest and the largest."""
        return all(low <= size <= high for low, size, high in strict_zip(self.smallest, shape, self.largest))

    def options(self, inputs: Sequence[str]) -> dict[str, str]:
        """The provider's three profile options, of which each gives all inputs one shape.

        Args:
            inputs: Names of the model's inputs.
        """
        named = {"min": self.smallest, "opt": self.usual, "max": self.largest}
        return {
            f"trt_profile_{name}_shapes": ",".join(f"{item}:{rows}x{tokens}" for item in inputs)
            for name, (rows, tokens) in named.items()
        }

    def write(self, path: Path) -> None:
        """Write the profile, a line for each shape: name, rows, tokens."""
        named = {"min": self.smallest, "opt": self.usual, "max": self.largest}
        write_text(path, "".join(f"{name} {rows} {tokens}\n" for name, (rows, tokens) in named.items()))


def measured_profile(lengths: Sequence[int], batch_size: int) -> ShapeProfile:
    """The profile of the batches that some rows make.

    Args:
        lengths: The rows' lengths in tokens.
        batch_size: Rows that are computed at once.

    Raises:
        ConfigError: Without rows.
    """
    if not lengths:
        raise ConfigError("no rows to measure shapes on: give texts")
    shapes = np.array(
        [(len(rows), max(lengths[row] for row in rows)) for rows in batches_by_length(lengths, batch_size)]
    )
    smallest, usual, largest = (
        (int(values[0]), int(values[1]))
        for values in (shapes.min(axis=0), np.sort(shapes, axis=0)[len(shapes) // 2], shapes.max(axis=0))
    )
    return ShapeProfile(smallest, usual, largest)


def whole_profile(max_seq_length: int, batch_size: int) -> ShapeProfile:
    """The profile of every batch that can come; the usual one is full, of half the longest length.

    Args:
        max_seq_length: The longest sequence in tokens.
        batch_size: The most rows that are computed at once.
    """
    return ShapeProfile((1, 1), (batch_size, max(1, max_seq_length // 2)), (batch_size, max_seq_length))


def read_profile(path: Path) -> ShapeProfile:
    """A profile that `ShapeProfile.write` wrote.

    Raises:
        ConfigError: Where the file is missing or is none.
    """
    remedy = "write one with `measured_profile` (lines 'min|opt|max ROWS TOKENS')"
    try:
        lines = [line.split() for line in read_utf8(path, ConfigError, remedy).splitlines()]
        shapes = {name: (whole_number(rows), whole_number(tokens)) for name, rows, tokens in lines}
        return ShapeProfile(shapes["min"], shapes["opt"], shapes["max"])
    except (ValueError, KeyError) as error:
        raise ConfigError(f"{path}: no shape profile ({error}): {remedy}") from error


@dataclass(frozen=True)
class GpuOptions:
    """How a GPU is used.

    Attributes:
        device_id: The card's number, from 0.
        use_trt: Whether TensorRT computes what it can, and CUDA the rest; else CUDA all.
        profile: The batches that TensorRT builds its engine for; None: it builds anew for shapes that it has not seen.
        engine_cache: The directory where TensorRT's engines are kept; None: they are not.
    """

    device_id: int = 0
    use_trt: bool = False
    profile: ShapeProfile | None = None
    engine_cache: Path | None = None


def gpu_providers(options: GpuOptions, precision: str, inputs: Sequence[str]) -> list[Provider]:
    """The providers of a session and their options, first choice first.

    Args:
        options: How the GPU is used.
        precision: What the model computes in; TensorRT is told of "fp16" and "int8".
        inputs: Names of the model's inputs, for the shape profile.
    """
    cuda = (CUDA, {"device_id": options.device_id, "arena_extend_strategy": "kSameAsRequested"})
    if not options.use_trt:
        return [cuda, (CPU, {})]
    settings: dict[str, Any] = {
        "device_id": options.device_id,
        "trt_fp16_enable": precision == "fp16",
        "trt_int8_enable": precision == "int8",
    }
    if options.profile is not None:
        settings.update(options.profile.options(inputs))
    if options.engine_cache is not None:
        settings.update({"trt_engine_cache_enable": True, "trt_engine_cache_path": str(options.engine_cache)})
    return [(TENSORRT, settings), cuda, (CPU, {})]


def check_providers(wanted: Sequence[Provider], found: Sequence[str], where: str) -> None:
    """Check that a session has its first provider: ONNX Runtime itself goes on without it.

    Args:
        wanted: The providers that were asked for, first choice first.
        found: Names of the providers that are there.
        where: What `found` lists, for the message.

    Raises:
        DeviceError: Where the first one is not among them; it says what to install.
    """
    first = wanted[0][0]
    if first in found:
        return
    if first == TENSORRT:
        raise DeviceError(
            f"TensorRT was asked for and is not among {where} ({', '.join(found)}): install onnxruntime-gpu and the "
            "TensorRT libraries (pip install tensorrt-cu12), or leave `use_trt` out"
        )
    raise DeviceError(
        f"device 'gpu' was asked for and CUDA is not among {where} ({', '.join(found)}): "
        "pip install onnxruntime-gpu in place of onnxruntime, with CUDA 12 and cuDNN 9, or use `device` cpu"
    )


def check_quantized(model: Path, content: bytes) -> None:
    """Check that an INT8 model has fixed ranges (QDQ), the only ones that GPUs have kernels for.

    Args:
        model: The model's file, for the message.
        content: What is in it.

    Raises:
        BundleError: Where it computes its ranges as it runs.
    """
    if b"MatMulInteger" in content or b"DynamicQuantizeLinear" in content:
        raise BundleError(
            f"{model}: quantized dynamically, which runs on CPUs only: quantize it with fixed ranges (compress_*.py "
            "--strategy ptq --method_list static), or use `precision` fp16"
        )


class BoundRun:
    """Runs a session with inputs and outputs bound to its device, so that each crosses the bus once.

    Args:
        session: An opened model.
        outputs: Names of the outputs, in order.
        device: "cuda" or "cpu".
        options: Which card it is; batches outside of a profile for TensorRT are refused, as its engine would not take
            them.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, outputs: Sequence[str], device: str, options: GpuOptions
    ) -> None:
        self._session, self._outputs, self._device, self._options = session, tuple(outputs), device, options

    def __call__(self, batch: Batch) -> list[np.ndarray]:
        """The outputs of a batch, on the host.

        Raises:
            ConfigError: Where the profile does not admit its shape.
        """
        import onnxruntime

        rows, tokens = next(iter(batch.values())).shape
        profile = self._options.profile
        if self._options.use_trt and profile is not None and not profile.admits((rows, tokens)):
            raise ConfigError(
                f"a batch of {rows} x {tokens} tokens is outside of the shape profile, {profile.smallest} to "
                f"{profile.largest}: collect shapes anew with `measured_profile`"
            )
        binding = self._session.io_binding()
        for name, array in batch.items():
            value = onnxruntime.OrtValue.ortvalue_from_numpy(array, self._device, self._options.device_id)
            binding.bind_ortvalue_input(name, value)
        for name in self._outputs:
            binding.bind_output(name, self._device, self._options.device_id)
        self._session.run_with_iobinding(binding)
        return list(binding.copy_outputs_to_cpu())


def warm_up(run: Callable[[Batch], Sequence[np.ndarray]], shapes: Sequence[Shape]) -> None:
    """Run batches of [PAD] alone: memory is taken and engines are built before the first request.

    Args:
        run: Computes a batch.
        shapes: The batches' shapes, (rows, tokens).
    """
    for shape in shapes:
        run({name: np.zeros(shape, dtype=np.int64) for name in INPUTS})
