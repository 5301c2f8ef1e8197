"""What every engine is to the rest of the toolkit: a runtime that computes batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Sequence

from ernie_toolkit.bundle.info import INPUTS
from ernie_toolkit.inference.processor import available_cores

if TYPE_CHECKING:
    import numpy as np

    from ernie_toolkit.bundle import Bundle
    from ernie_toolkit.inference.engines.gpu import GpuOptions
    from ernie_toolkit.text.dataset import Batch

# Engines by the names that `Predictor` takes. Each is a module of this package, with the class named here.
ENGINES = {
    "onnxruntime": "OnnxRuntime",
    "openvino": "OpenVino",
    "paddle_inference": "PaddleInference",
}
PRECISIONS = ("fp32", "bf16", "int8", "fp16")
DEVICES = ("cpu", "gpu")
AUTO = "auto"
NO_CACHE = "none"


@dataclass(frozen=True)
class EngineOptions:
    """How a runtime is opened.

    Attributes:
        num_threads: Threads that compute one batch; None: all processors that are available, shared among the callers.
        callers: Threads of the caller that compute batches at the same time; each has `num_threads` of its own.
        gpu: How device "gpu" is used; None: on the CPU.
        spinning: Whether threads without work keep their processor busy for a while (ONNX Runtime).
        steady_memory: Whether the memory of large batches is given back; for servers, whose batches vary.
        cache: The directory of compiled models ("none": they are not kept); None: in the bundle, or where that cannot
            be written, in the user's cache directory.
    """

    num_threads: int | None = None
    callers: int = 1
    gpu: GpuOptions | None = None
    spinning: bool = True
    steady_memory: bool = False
    cache: str | Path | None = None

    @property
    def threads(self) -> int:
        """Threads that compute one batch."""
        return self.num_threads or max(1, available_cores() // self.callers)


def model_inputs(batch: Batch) -> dict[str, np.ndarray]:
    """Return the inputs of a batch by name.

    Args:
        batch: See `Runtime.__call__`.

    Raises:
        ValueError: Where they differ in shape: an engine that has seen one of the shapes before may answer then, with
            the outputs of other texts.
    """
    inputs = {name: batch[name] for name in INPUTS}
    shapes = {array.shape for array in inputs.values()}
    if len(shapes) > 1:
        raise ValueError(f"the inputs of a batch have the shapes {', '.join(map(str, sorted(shapes)))}")
    return inputs


class Runtime(ABC):
    """A model that an engine has opened; may be called by several threads at once.

    Attributes:
        engine: Its name in `ENGINES`.
        length_step: Batches are best padded to a multiple of this many tokens.
        devices: What it computes on, of `DEVICES`.
        precisions: What it computes in, of `PRECISIONS`.
        package: What has to be installed, by the name that Python imports.
        install: What installs it.
        not_kept: Why a compiled model could not be kept for the next start; empty where it was, or none is made.
    """

    engine: ClassVar[str]
    length_step: ClassVar[int] = 1
    devices: ClassVar[Sequence[str]] = ("cpu",)
    precisions: ClassVar[Sequence[str]]
    package: ClassVar[str]
    install: ClassVar[str]
    not_kept: str = ""

    @classmethod
    @abstractmethod
    def open_bundle(cls, bundle: Bundle, precision: str, options: EngineOptions) -> Runtime:
        """Open a bundle's model.

        Args:
            bundle: The opened bundle.
            precision: One of the engine's own.
            options: How it is opened.

        Raises:
            BundleError: Where the bundle has not the model asked for, or that cannot be opened.
            ConfigError: Where a package is missing, or this processor does not compute in that precision.
            DeviceError: Where the device is not there.
        """

    @abstractmethod
    def __call__(self, batch: Batch) -> Sequence[np.ndarray]:
        """Return the model's outputs, in order, for a batch.

        Args:
            batch: `input_ids` and `token_type_ids`, int64 of shape (rows, tokens).
        """

    def stream(self, batches: Iterable[Batch]) -> Iterator[Sequence[np.ndarray]]:
        """Return the outputs of many batches, in their order; several may be computed at once."""
        return map(self, batches)
