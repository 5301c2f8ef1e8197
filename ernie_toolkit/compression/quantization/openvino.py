"""INT8 models for OpenVINO, made by NNCF: fixed ranges, SmoothQuant, bias correction.

https://docs.openvino.ai/2025/openvino-workflow/model-optimization-guide/quantizing-models-post-training.html
SmoothQuant: Xiao et al. 2023, https://arxiv.org/abs/2211.10438
"""

import contextlib
import io
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from ernie_toolkit.compression.report.measurement import spaced_by_length
from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.files.transactions import transaction
from ernie_toolkit.text.dataset import Batch, EncodedDataset
from ernie_toolkit.text.features import pad_batch

if TYPE_CHECKING:
    import openvino

INSTALL = "pip install openvino nncf"
WEIGHTS = ".bin"


@dataclass(frozen=True)
class OpenVinoPlan:
    """One way to make an INT8 model for OpenVINO.

    Attributes:
        smooth_quant: Whether weights take over large activations, so that both round better.
        accurate_bias: Whether biases are corrected by running the model again for each, and not from the statistics
            once.
    """

    smooth_quant: bool = True
    accurate_bias: bool = False

    @property
    def name(self) -> str:
        """How reports call it: "OpenVINO INT8", "OpenVINO INT8 plain, accurate bias"."""
        parts = ["" if self.smooth_quant else "plain", "accurate bias" if self.accurate_bias else ""]
        return f"OpenVINO INT8 {', '.join(part for part in parts if part)}".strip()

    @property
    def settings(self) -> dict[str, Any]:
        """What the report says of it."""
        return {
            "smooth_quant": "on" if self.smooth_quant else "off",
            "bias_correction": "accurate" if self.accurate_bias else "fast",
        }


def calibration_rows(rows: EncodedDataset, limit: int) -> list[Batch]:
    """Return some rows, each a batch of its own, spaced evenly in order of length.

    Ranges differ with the length of a text: calibrated on one length, a model of random weights was four times as far
    off at another.

    Args:
        rows: The rows to choose from.
        limit: The most rows to return.
    """
    chosen = spaced_by_length(rows.lengths(), limit)
    return [pad_batch([rows.features[row]], rows.pad_id) for row in chosen]


@contextlib.contextmanager
def quiet_nncf() -> Iterator[Any]:
    """Yield the package, which then prints no progress of its own and reports nothing to its makers.

    Raises:
        ConfigError: Where it is not installed.
    """
    # Read when the package is imported: without it, NNCF sends what is quantized how to an address of its makers.
    os.environ.setdefault("NNCF_CI", "1")
    try:
        import nncf
    except ImportError as error:
        raise ConfigError(f"`engine_list` has openvino, and {error.name} is not installed: {INSTALL}") from error
    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):
        yield nncf


def quantize_for_openvino(
    source: Path, target: Path, plan: OpenVinoPlan, batches: Sequence[Batch], tables: bool = False
) -> None:
    """Write an INT8 model: an .xml file, and its weights beside it, both or none.

    Args:
        source: The FP32 ONNX model, or one with INT8 embedding tables.
        target: Where the .xml is written.
        plan: How it is quantized.
        batches: Training rows, see `calibration_rows`.
        tables: Whether embedding tables become INT8 too, with one scale for each column.

    Raises:
        ConfigError: Where NNCF is not installed.
        ModelError: Where it cannot quantize the model.
    """
    with quiet_nncf() as nncf:
        import openvino
        from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, AdvancedSmoothQuantParameters

        alpha = AdvancedSmoothQuantParameters() if plan.smooth_quant else AdvancedSmoothQuantParameters(-1, -1)
        try:
            quantized = nncf.quantize(
                openvino.Core().read_model(str(source)),
                nncf.Dataset(list(batches)),
                subset_size=len(batches),
                model_type=nncf.ModelType.TRANSFORMER,
                fast_bias_correction=not plan.accurate_bias,
                ignored_scope=None if tables else nncf.IgnoredScope(types=["Gather"], validate=False),
                advanced_parameters=AdvancedQuantizationParameters(smooth_quant_alphas=alpha),
            )
        except (RuntimeError, ValueError, nncf.errors.ValidationError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ModelError(f"{source}: NNCF cannot quantize the model: {reason}") from error
        save_model(quantized, target)


def quantize_within(
    source: Path,
    target: Path,
    plan: OpenVinoPlan,
    batches: Sequence[Batch],
    score: Callable[[Callable[[Batch], Sequence[np.ndarray]]], float],
    max_drop: float,
) -> int:
    """Write an INT8 model of which so many operations stay in floating point that the metric does not drop further.

    Args:
        source: The FP32 ONNX model.
        target: Where the .xml is written.
        plan: How it is quantized.
        batches: Training rows, see `calibration_rows`.
        score: Gives the metric, from 0 to 1, of a model that computes batches.
        max_drop: How much it may drop, as a share of 1.

    Returns:
        How many operations were left in floating point.

    Raises:
        ConfigError: Where NNCF is not installed.
    """
    with quiet_nncf() as nncf:
        import openvino
        from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, AdvancedSmoothQuantParameters

        def validate(compiled: "openvino.CompiledModel", _: Any) -> tuple[float, None]:
            return score(lambda batch: list(compiled(batch).values())), None

        alpha = AdvancedSmoothQuantParameters() if plan.smooth_quant else AdvancedSmoothQuantParameters(-1, -1)
        model = openvino.Core().read_model(str(source))
        quantized = nncf.quantize_with_accuracy_control(
            model,
            nncf.Dataset(list(batches)),
            nncf.Dataset(list(batches)),
            validate,
            max_drop=max_drop,
            drop_type=nncf.DropType.ABSOLUTE,
            subset_size=len(batches),
            model_type=nncf.ModelType.TRANSFORMER,
            fast_bias_correction=not plan.accurate_bias,
            ignored_scope=nncf.IgnoredScope(types=["Gather"], validate=False),
            advanced_quantization_parameters=AdvancedQuantizationParameters(smooth_quant_alphas=alpha),
        )
        save_model(quantized, target)
        return _products(model) - _quantized_products(quantized)


def _products(model: "openvino.Model") -> int:
    return sum(node.get_type_name() == "MatMul" for node in model.get_ops())


def _quantized_products(model: "openvino.Model") -> int:
    """Products whose first input was quantized."""
    return sum(
        node.get_type_name() == "MatMul" and node.input_value(0).get_node().get_type_name() == "FakeQuantize"
        for node in model.get_ops()
    )


def save_model(model: "openvino.Model", target: Path) -> None:
    """Write a model's .xml and its weights, both or none.

    Args:
        model: The model; its weights are written in their own precision.
        target: Where the .xml is written; the weights go beside it, as .bin.
    """
    import openvino

    with TemporaryDirectory(dir=target.parent) as directory:
        made = Path(directory) / target.name
        openvino.save_model(model, str(made), compress_to_fp16=False)
        with transaction(target.parent) as files:
            for path in (made, made.with_suffix(WEIGHTS)):
                shutil.move(path, files.path(target.parent / path.name))


def model_size(path: Path) -> int:
    """Return the bytes of a model's files: of an .xml its weights too."""
    weights = path.with_suffix(WEIGHTS)
    return path.stat().st_size + (weights.stat().st_size if path.suffix == ".xml" else 0)
