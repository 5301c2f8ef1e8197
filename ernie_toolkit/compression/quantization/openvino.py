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


def _common(nncf: Any, plan: OpenVinoPlan, batches: Sequence[Batch]) -> dict[str, Any]:
    """What NNCF is told whichever way it quantizes. Embedding tables are ours to round: it leaves them alone."""
    return {
        "calibration_dataset": nncf.Dataset(list(batches)),
        "subset_size": len(batches),
        "model_type": nncf.ModelType.TRANSFORMER,
        "fast_bias_correction": not plan.accurate_bias,
        "ignored_scope": nncf.IgnoredScope(types=["Gather"], validate=False),
    }


def _advanced(plan: OpenVinoPlan) -> Any:
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, AdvancedSmoothQuantParameters

    alpha = AdvancedSmoothQuantParameters() if plan.smooth_quant else AdvancedSmoothQuantParameters(-1, -1)
    return AdvancedQuantizationParameters(smooth_quant_alphas=alpha)


@contextlib.contextmanager
def _quantizing(source: Path) -> Iterator[Any]:
    """Yield NNCF for a model; what it raises becomes a ModelError."""
    with quiet_nncf() as nncf:
        try:
            yield nncf
        except (RuntimeError, ValueError, nncf.errors.ValidationError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ModelError(f"{source}: NNCF cannot quantize the model: {reason}") from error


def quantize_for_openvino(source: Path, target: Path, plan: OpenVinoPlan, batches: Sequence[Batch]) -> None:
    """Write an INT8 model: an .xml file, and its weights beside it, both or none.

    Args:
        source: The FP32 ONNX model, or one with INT8 embedding tables.
        target: Where the .xml is written.
        plan: How it is quantized.
        batches: Training rows, see `calibration_rows`.

    Raises:
        ConfigError: Where NNCF is not installed.
        ModelError: Where it cannot quantize the model.
    """
    with _quantizing(source) as nncf:
        import openvino

        model = openvino.Core().read_model(str(source))
        made = nncf.quantize(model, advanced_parameters=_advanced(plan), **_common(nncf, plan, batches))
    save_model(made, target)


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
        source: See `quantize_for_openvino`.
        target: See `quantize_for_openvino`.
        plan: See `quantize_for_openvino`.
        batches: See `quantize_for_openvino`.
        score: Gives the metric, from 0 to 1, of a model that computes batches.
        max_drop: How much it may drop, as a share of 1.

    Returns:
        How many products were left in floating point.

    Raises:
        ConfigError: Where NNCF is not installed.
        ModelError: Where it cannot quantize the model.
    """
    with _quantizing(source) as nncf:
        import openvino

        def validate(compiled: "openvino.CompiledModel", _: Any) -> tuple[float, None]:
            return score(lambda batch: list(compiled(batch).values())), None

        model = openvino.Core().read_model(str(source))
        common = _common(nncf, plan, batches)
        made = nncf.quantize_with_accuracy_control(
            model,
            validation_dataset=common["calibration_dataset"],  # `score` brings rows of its own
            validation_fn=validate,
            max_drop=max_drop,
            drop_type=nncf.DropType.ABSOLUTE,
            advanced_quantization_parameters=_advanced(plan),
            **common,
        )
    save_model(made, target)
    return _products(model) - _quantized_products(made)


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
