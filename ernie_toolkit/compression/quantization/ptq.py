"""Post-training quantization: every way that was asked for, from a model's ONNX file to an INT8 one."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ernie_toolkit.compression.options import ALL_BATCHES, CompressionOptions
from ernie_toolkit.compression.quantization.activations import (
    Observer,
    Statistics,
    activation_observer,
    activation_statistics,
    calibration_batches,
)
from ernie_toolkit.compression.quantization.calibration import BY_BATCH, calibrated_range
from ernie_toolkit.compression.quantization.onnx import quantize_dynamic, quantize_static, weight_products
from ernie_toolkit.compression.quantization.rounding import Rounded, input_moments, prepare_weights, rounded_weights
from ernie_toolkit.inference.engines.onnxruntime import model_session
from ernie_toolkit.text.dataset import EncodedDataset

# Rows of the training set that weights are rounded for, and that sensitive products are found with.
ROUNDING_ROWS, SENSITIVITY_ROWS, BATCH = 128, 32, 16


@dataclass(frozen=True)
class Plan:
    """One way to quantize activations.

    Attributes:
        method: "dynamic", or "static" over ranges that an algorithm chose from some batches.
        algorithm: One of `ALGORITHMS`; empty for "dynamic".
        batch_size: Rows in a calibration batch; 0 for "dynamic".
        batch_num: Calibration batches, or `ALL_BATCHES`; 0 for "dynamic".
    """

    method: str
    algorithm: str = ""
    batch_size: int = 0
    batch_num: int = 0

    @property
    def name(self) -> str:
        """How reports call it: "INT8 dynamic", "INT8 mse 4x1"."""
        return f"INT8 {self.algorithm} {self.grid}" if self.algorithm else f"INT8 {self.method}"

    @property
    def grid(self) -> str:
        """Batch size and number of batches: "4x1", "4xall"."""
        return f"{self.batch_size}x{'all' if self.batch_num == ALL_BATCHES else self.batch_num}"

    @property
    def settings(self) -> dict[str, Any]:
        """What the report says of it."""
        if not self.algorithm:
            return {}
        return {"algorithm": self.algorithm, "batch_size": self.batch_size, "batch_num": self.batch_num}


def make_plans(options: CompressionOptions) -> list[Plan]:
    """Dynamic quantization first, then each algorithm for each batch size and number of batches.

    Over all rows, batches of another size give most algorithms the same range: these have one plan.
    """
    static = [
        Plan("static", algorithm, size, number)
        for size in options.batch_size_list
        for number in options.batch_numbers
        for algorithm in options.algo_list
        if number != ALL_BATCHES or size == options.batch_size_list[0] or algorithm in BY_BATCH
    ]
    return [Plan("dynamic")] * ("dynamic" in options.method_list) + static * ("static" in options.method_list)


@dataclass
class Quantizer:
    """Quantizes one FP32 ONNX model; remembers what calibration and rounding found, since plans share it.

    Attributes:
        source: The model's file.
        rows: Training rows, the only ones that calibration sees.
        options: How to compress.
        seed: Of the rows that are drawn.
        workspace: A directory for files in between.
    """

    source: Path
    rows: EncodedDataset
    options: CompressionOptions
    seed: int
    workspace: Path
    _statistics: dict[tuple[int, int], Statistics] = field(default_factory=dict)
    _rounded: dict[str, Rounded] = field(default_factory=dict)
    _prepared_without: frozenset[str] | None = None

    def write(self, plan: Plan, target: Path, exclude: Collection[str] = (), source: Path | None = None) -> None:
        """Quantize as a plan says.

        Args:
            plan: How activations are quantized.
            target: Where the INT8 model is written.
            exclude: Names of the products that stay FP32.
            source: Another form of the same model; None: the model as `prepared` leaves it.

        Raises:
            ModelError: As `quantize_dynamic` and `quantize_static`.
            ConfigError: The same.
        """
        model = source or self.prepared(exclude)
        if plan.method == "dynamic":
            quantize_dynamic(model, target, self.options.per_channel, exclude)
            return
        statistics = self._found(plan.batch_size, self._batches(plan))
        ranges = {name: calibrated_range(plan.algorithm, *found) for name, found in statistics.items()}
        quantize_static(model, target, ranges, self.options.per_channel, exclude)

    def calibration_rows(self, plan: Plan) -> int:
        """How many rows a static plan is calibrated on: those it names, or all where there are fewer."""
        return min(plan.batch_size * self._batches(plan), len(self.rows))

    def _batches(self, plan: Plan) -> int:
        return -(-len(self.rows) // plan.batch_size) if plan.batch_num == ALL_BATCHES else plan.batch_num

    def prepared(self, exclude: Collection[str] = ()) -> Path:
        """The FP32 model with rounded weights and corrected biases, where the options ask for either.

        The file is good until the next call.

        Args:
            exclude: Names of the products that stay FP32, and keep their weights and biases.
        """
        adaptive, bias_correction = self.options.round_type == "adaround", self.options.bias_correction
        if not adaptive and not bias_correction:
            return self.source
        path = self.workspace / "prepared.onnx"
        if self._prepared_without != frozenset(exclude):
            prepare_weights(self.source, path, self._all_rounded(), adaptive, bias_correction, exclude)
            self._prepared_without = frozenset(exclude)
        return path

    def by_sensitivity(self, plan: Plan) -> list[str]:
        """Names of all products, the one first that costs most when it alone is quantized as a plan says.

        The cost is the L2 norm of the logits' change on calibration rows, over the norm of the logits.
        """
        import onnx

        names = [product.node for product in weight_products(onnx.load(str(self.source)))]
        batches = calibration_batches(self.rows, BATCH, SENSITIVITY_ROWS // BATCH, self.seed)
        exact = self._logits(self.source, batches, "fp32")
        path = self.workspace / "one_product.onnx"
        costs = []
        for name in names:
            self.write(plan, path, [other for other in names if other != name])
            got = self._logits(path, batches, "int8")
            costs.append(float(np.linalg.norm(got - exact) / np.linalg.norm(exact)))
        path.unlink()
        return [names[index] for index in np.argsort(-np.array(costs), kind="stable")]

    def _logits(self, path: Path, batches: Sequence[dict[str, np.ndarray]], precision: str) -> np.ndarray:
        session = model_session(path, num_threads=self.options.num_threads or None, precision=precision)
        return np.concatenate([output.ravel() for batch in batches for output in session.run(None, batch)])

    def _observer(self) -> Observer:
        import onnx

        names = sorted({product.input for product in weight_products(onnx.load(str(self.source)))})
        return activation_observer(self.source, names, self.rows.pad_id, self.options.num_threads or None)

    def _found(self, batch_size: int, batch_num: int) -> Statistics:
        key = (batch_size, batch_num)
        if key not in self._statistics:
            batches = calibration_batches(self.rows, batch_size, batch_num, self.seed)
            self._statistics[key] = activation_statistics(self._observer(), batches)
        return self._statistics[key]

    def _all_rounded(self) -> dict[str, Rounded]:
        if not self._rounded:
            observe = self._observer()
            batches = calibration_batches(self.rows, BATCH, ROUNDING_ROWS // BATCH, self.seed)
            moments = input_moments(observe(batch) for batch in batches)
            options = self.options
            self._rounded = rounded_weights(self.source, moments, options.per_channel, options.round_type == "adaround")
        return self._rounded


def fewest_kept(names: Sequence[str], drop: Callable[[Sequence[str]], float], max_drop: float) -> tuple[str, ...]:
    """The fewest products, from the most sensitive on, that stay FP32 so that not too much is lost.

    Searched by halving, as if each further one helped; all of them where even one fewer loses too much.

    Args:
        names: The products by sensitivity, the most sensitive first.
        drop: Gives the loss in points with some products kept.
        max_drop: The most points that may be lost.
    """
    low, high = 0, len(names)
    while low < high:
        middle = (low + high) // 2
        if drop(names[:middle]) <= max_drop:
            high = middle
        else:
            low = middle + 1
    return tuple(names[:high])
