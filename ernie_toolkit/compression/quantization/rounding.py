"""Weights that lose less in INT8: rounded for what the layers read, and biases that make up for the rest.

The weights stay FP32 here, and lie exactly on the INT8 steps that a quantizer will put them on.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ernie_toolkit.compression.quantization.numeric import INT8_MAX, int8_scales, round_to_int8
from ernie_toolkit.compression.quantization.onnx import Product, check_nodes, weight_products
from ernie_toolkit.errors import ModelError
from ernie_toolkit.files import replaced_file

if TYPE_CHECKING:
    import onnx

ROUND_TYPES = ("round", "adaround")
BLOCK, SWEEPS = 64, 3
# Added to the gram matrix's diagonal, as a share of its mean: with few calibration rows some directions are unseen.
DAMPING = 0.01
# Gram matrix of a product's inputs, and their mean.
Moments = tuple[np.ndarray, np.ndarray]


def adaptive_rounding(weight: np.ndarray, gram: np.ndarray, axis: int | None) -> np.ndarray:
    """Each weight at the step above or below it, so chosen that the layer's outputs lose least.

    The objective is AdaRound's (Nagel et al., 2020, https://arxiv.org/abs/2004.10568), a quadratic form in the choices;
    in place of its relaxation by gradient descent, one input after the other is set to the better of its two steps, all
    outputs at once, starting from the nearest, as long as that helps.

    Args:
        weight: Float32 of shape (inputs, outputs).
        gram: Mean of x xᵀ, float of shape (inputs, inputs).
        axis: See `int8_scales`.

    Returns:
        Float32 of the weight's shape.
    """
    scales = int8_scales(weight, axis).astype(np.float64)
    exact = weight.astype(np.float64) / scales
    lower, upper = np.floor(exact), np.ceil(exact)
    chosen = np.clip(np.rint(exact), -INT8_MAX, INT8_MAX)
    # The largest weight of a column sets its scale, and has to stay where it is.
    fixed = np.abs(exact) >= INT8_MAX - 0.5
    gram = gram + DAMPING * np.trace(gram) / len(gram) * np.eye(len(gram))
    error = (chosen - exact) * scales
    for _ in range(SWEEPS):
        moved = 0
        for start in range(0, len(weight), BLOCK):
            rows = slice(start, min(start + BLOCK, len(weight)))
            slope = gram[rows] @ error
            for offset, row in enumerate(range(rows.start, rows.stop)):
                step = np.where(chosen[row] == lower[row], upper[row] - chosen[row], lower[row] - chosen[row])
                step = np.where(fixed[row], 0.0, step) * scales[0]
                better = step * (2 * slope[offset] + step * gram[row, row]) < 0
                change = np.where(better, step, 0.0)
                if better.any():
                    chosen[row] += np.where(better, np.rint(step / scales[0]), 0.0)
                    error[row] += change
                    slope += np.outer(gram[rows, row], change)
                    moved += int(better.sum())
        if not moved:
            break
    return (chosen * scales).astype(np.float32)


def input_moments(observed: Iterable[dict[str, np.ndarray]]) -> dict[str, Moments]:
    """Gram matrix (size, size) and mean (size,) of each activation, float64, over all vectors observed."""
    sums: dict[str, tuple[np.ndarray, np.ndarray, int]] = {}
    for values in observed:
        for name, vectors in values.items():
            gram, total, count = sums.get(name, (0.0, 0.0, 0))
            sums[name] = (
                gram + (vectors.T @ vectors).astype(np.float64),
                total + vectors.sum(axis=0, dtype=np.float64),
                count + len(vectors),
            )
    return {name: (gram / count, total / count) for name, (gram, total, count) in sums.items()}


@dataclass(frozen=True)
class Rounded:
    """A product's weight on its INT8 steps, and the mean error of its outputs that the rounding makes.

    Attributes:
        weight: Float32 of shape (inputs, outputs).
        mean_error: Float64 of shape (outputs,).
    """

    weight: np.ndarray
    mean_error: np.ndarray


def rounded_weights(
    source: Path, moments: Mapping[str, Moments], per_channel: bool, adaptive: bool
) -> dict[str, Rounded]:
    """The weights of all products of an FP32 model as INT8 will have them, by the products' node names.

    Args:
        source: The model's ONNX file.
        moments: What is known of each product's inputs, by activation (see `input_moments`).
        per_channel: Whether each output has an INT8 step of its own, or all have one.
        adaptive: Whether weights are rounded as `adaptive_rounding` chooses; else to the nearest step.

    Raises:
        ModelError: As `weight_products`.
    """
    import onnx
    from onnx import numpy_helper

    axis = 0 if per_channel else None
    model = onnx.load(str(source))
    constants = {item.name: item for item in model.graph.initializer}
    found = {}
    for product in weight_products(model):
        gram, mean = moments[product.input]
        weight = numpy_helper.to_array(constants[product.weight])
        rounded = adaptive_rounding(weight, gram, axis) if adaptive else round_to_int8(weight, axis)
        found[product.node] = Rounded(rounded, mean @ (rounded - weight))
    return found


def prepare_weights(
    source: Path,
    target: Path,
    rounded: Mapping[str, Rounded],
    adaptive: bool,
    bias_correction: bool,
    exclude: Collection[str] = (),
) -> None:
    """Write an FP32 model whose weights and biases are made ready for INT8.

    Args:
        source: The FP32 model's ONNX file.
        target: Where the other one is written.
        rounded: Of `rounded_weights`.
        adaptive: Whether the weights become those of `rounded`.
        bias_correction: Whether each bias takes back the mean error that the rounding of its weight makes (Nagel et
            al., 2019, https://arxiv.org/abs/1906.04721).
        exclude: Names of the products that stay as they are, since they will not be rounded.

    Raises:
        ModelError: As `weight_products`, and where a product has no bias to correct.
        ConfigError: As `check_nodes`.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(source))
    check_nodes(model, exclude)
    constants = {item.name: item for item in model.graph.initializer}
    for product in weight_products(model):
        if product.node in exclude:
            continue
        found = rounded[product.node]
        if adaptive:
            constants[product.weight].CopyFrom(numpy_helper.from_array(found.weight, product.weight))
        if bias_correction:
            name = _bias(model.graph, product, set(constants))
            bias = numpy_helper.to_array(constants[name])
            corrected = (bias - found.mean_error).astype(bias.dtype)
            constants[name].CopyFrom(numpy_helper.from_array(corrected, name))
    with replaced_file(target) as temporary:
        onnx.save(model, str(temporary))


def _bias(graph: "onnx.GraphProto", product: Product, constants: set[str]) -> str:
    output = next(node.output[0] for node in graph.node if node.name == product.node)
    for node in graph.node:
        if node.op_type == "Add" and output in node.input:
            for name in node.input:
                if name in constants:
                    return str(name)
    raise ModelError(f"the matrix product {product.node} has no bias: leave out `bias_correction`")
