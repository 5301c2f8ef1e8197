"""Paddle Inference on processors, through oneDNN: FP32 and BF16, for those who have PaddlePaddle installed anyway."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any, ClassVar, Sequence

import numpy as np

from ernie_toolkit.bundle.info import INPUTS
from ernie_toolkit.errors import BundleError
from ernie_toolkit.inference.engines.base import EngineOptions, Runtime, model_inputs
from ernie_toolkit.inference.processor import check_precision

if TYPE_CHECKING:
    from pathlib import Path

    from ernie_toolkit.bundle import Bundle
    from ernie_toolkit.text.dataset import Batch

PROGRAM_ROLE, WEIGHTS_ROLE = "paddle_program", "paddle_weights"
# oneDNN keeps what it has set up for a shape. With 64 of them a model of 12 layers and 148 MB took 4.3 GB, with one 0.7
# GB, and was no slower.
SHAPES_KEPT = 4


class PaddleInference(Runtime):
    """A static graph in Paddle Inference.

    Args:
        program: The graph, model.json.
        weights: Its weights, model.pdiparams.
        precision: "fp32" or "bf16".
        options: How it is opened.
        outputs: How many outputs the model has.

    Raises:
        BundleError: Where the graph cannot be opened, or has other inputs or another number of outputs.
        ConfigError: Where the processor lacks BF16.
    """

    engine: ClassVar[str] = "paddle_inference"
    precisions: ClassVar[Sequence[str]] = ("fp32", "bf16")
    package: ClassVar[str] = "paddle"
    install: ClassVar[str] = "pip install -r requirements.txt -c constraints.txt"
    length_step: ClassVar[int] = 8  # since so few shapes are kept

    def __init__(self, program: Path, weights: Path, precision: str, options: EngineOptions, outputs: int) -> None:
        check_precision(precision)
        from paddle import inference

        config = inference.Config(str(program), str(weights))
        config.disable_gpu()
        config.disable_glog_info()
        config.enable_mkldnn()
        config.set_mkldnn_cache_capacity(SHAPES_KEPT)
        if precision == "bf16":
            config.enable_mkldnn_bfloat16()
        config.set_cpu_math_library_num_threads(options.threads)
        config.switch_ir_optim(True)
        try:
            first = inference.create_predictor(config)
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[-300:]
            raise BundleError(f"{program}: Paddle Inference cannot open the model: {reason}") from error
        if sorted(first.get_input_names()) != sorted(INPUTS) or len(first.get_output_names()) != outputs:
            raise BundleError(
                f"{program}: the model reads {', '.join(first.get_input_names())} and has "
                f"{len(first.get_output_names())} output(s), not {', '.join(INPUTS)} and {outputs}: "
                "export the model again"
            )
        self._predictors: queue.Queue[Any] = queue.Queue()
        for predictor in (first, *(first.clone() for _ in range(options.callers - 1))):
            self._predictors.put(predictor)

    @classmethod
    def open_bundle(cls, bundle: Bundle, precision: str, options: EngineOptions) -> PaddleInference:
        """Open a bundle's static graph.

        Raises:
            BundleError: Where it has none too.
        """
        outputs = len(bundle.info.outputs)
        return cls(bundle.path(PROGRAM_ROLE), bundle.path(WEIGHTS_ROLE), precision, options, outputs)

    def __call__(self, batch: Batch) -> Sequence[np.ndarray]:
        """Return the outputs of a batch (see `Runtime`); more callers than were announced wait for each other."""
        predictor = self._predictors.get()
        try:
            for name, array in model_inputs(batch).items():
                handle = predictor.get_input_handle(name)
                handle.reshape(array.shape)
                handle.copy_from_cpu(np.ascontiguousarray(array))
            predictor.run()
            return [predictor.get_output_handle(name).copy_to_cpu() for name in predictor.get_output_names()]
        finally:
            self._predictors.put(predictor)
