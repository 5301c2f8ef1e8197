"""INT8 matrix products in an ONNX graph, written by ONNX Runtime's quantizers.

Only products with a constant weight are quantized: those between activations (attention) are a small share of
the time and a large one of the error.
"""

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ernie_toolkit.compression.quantization.calibration import Range
from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.files import replaced_file
from ernie_toolkit.inference.engines.dynamic_quantization import quantize_products, quiet_quantizer
from ernie_toolkit.inference.engines.half_precision import half_precision_bytes

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Product:
    """A matrix product with a constant weight, by names of the graph.

    Attributes:
        node: The product's own node.
        input: The activation that it reads.
        weight: The constant that it multiplies by.
    """

    node: str
    input: str
    weight: str


def weight_products(model: "onnx.ModelProto") -> list[Product]:
    """The products of an FP32 graph that can be quantized, in the graph's order.

    Raises:
        ModelError: Where there is none, and where one has no name of its own.
    """
    matrices = {item.name for item in model.graph.initializer if len(item.dims) == 2}
    nodes = [node for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in matrices]
    if not nodes:
        raise ModelError("the graph has no FP32 matrix product with a constant weight: was it quantized before?")
    if len({node.name for node in nodes}) != len(nodes) or not all(node.name for node in nodes):
        raise ModelError("the graph's matrix products have no names of their own: export the model again")
    return [Product(node.name, node.input[0], node.input[1]) for node in nodes]


def check_nodes(model: "onnx.ModelProto", names: Collection[str]) -> None:
    """Check that names are those of products that can be quantized.

    Args:
        model: The FP32 graph.
        names: Node names that the options give.

    Raises:
        ConfigError: On the first name that is none.
        ModelError: As `weight_products`.
    """
    known = [product.node for product in weight_products(model)]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ConfigError(f"`keep_fp32` {unknown[0]}: no matrix product of that name: use some of {', '.join(known)}")


def quantize_dynamic(source: Path, target: Path, per_channel: bool = True, exclude: Collection[str] = ()) -> None:
    """Write a model whose products quantize their activations as they come, per tensor to uint8.

    Weights become symmetric int8.

    Args:
        source: The FP32 model's ONNX file.
        target: Where the INT8 model is written.
        per_channel: Whether each output column has a scale of its own, or all have one.
        exclude: Nodes that stay FP32.

    Raises:
        ModelError: As `weight_products`.
        ConfigError: As `check_nodes`.
    """
    import onnx

    model = onnx.load(str(source))
    check_nodes(model, exclude)
    with replaced_file(target) as temporary:
        temporary.write_bytes(quantize_products(model, per_channel, exclude))


def quantize_static(
    source: Path, target: Path, ranges: Mapping[str, Range], per_channel: bool = True, exclude: Collection[str] = ()
) -> None:
    """Write a model whose products quantize their activations to uint8 over fixed ranges (QDQ form).

    A product's result stays FP32. Where all products stay FP32 the model is copied as it is.

    Args:
        source: The FP32 model's ONNX file.
        target: Where the INT8 model is written.
        ranges: For the name of each activation that a product reads, the values that its 256 steps cover.
        per_channel: See `quantize_dynamic`.
        exclude: See `quantize_dynamic`.

    Raises:
        ModelError: As `weight_products`, and where a range is missing.
        ConfigError: As `check_nodes`.
    """
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    model = onnx.shape_inference.infer_shapes(onnx.load(str(source)))
    check_nodes(model, exclude)
    products = [product for product in weight_products(model) if product.node not in set(exclude)]
    missing = sorted({product.input for product in products} - set(ranges))
    if missing:
        raise ModelError(f"no range is known for the activation {missing[0]}, which a matrix product reads")
    if not products:  # for the quantizer an empty list of nodes means all of them
        with replaced_file(target) as temporary:
            shutil.copyfile(source, temporary)
        return
    data = {
        name: TensorData(lowest=np.array(low, dtype=np.float32), highest=np.array(high, dtype=np.float32))
        for name, (low, high) in ranges.items()
    }
    with replaced_file(target) as temporary, quiet_quantizer():
        quantizer = QDQQuantizer(
            model,
            per_channel,
            False,
            QuantType.QInt8,
            QuantType.QUInt8,
            TensorsData(CalibrationMethod.MinMax, data),
            [product.node for product in products],
            [],
            ["MatMul"],
            {"OpTypesToExcludeOutputQuantization": ["MatMul"]},
        )
        quantizer.quantize_model()
        _keep_residuals(quantizer.model.model.graph, products)
        quantizer.model.save_model_to_file(str(temporary), False)


def _keep_residuals(graph: "onnx.GraphProto", products: Sequence[Product]) -> None:
    """Let products alone read what was rounded for them.

    The quantizer gives it to every reader of an activation, so that the sums around a layer would be rounded
    and clipped too, which costs far more than the products do.
    """
    from onnxruntime.quantization.quant_utils import add_dequant_output_suffix

    exact = {add_dequant_output_suffix(product.input): product.input for product in products}
    nodes = {product.node for product in products}
    for node in graph.node:
        if node.name not in nodes:
            for place, name in enumerate(node.input):
                node.input[place] = exact.get(name, name)


def convert_to_fp16(source: Path, target: Path) -> None:
    """Write a model that computes in float16 and is read and answered as before, for GPUs.

    Args:
        source: The FP32 model's ONNX file.
        target: Where the FP16 model is written.
    """
    with replaced_file(target) as temporary, quiet_quantizer():
        temporary.write_bytes(half_precision_bytes(source))


def onnx_parameter_count(path: Path) -> int:
    """The number of weights of an FP32 graph: the values of its constants that have more than one."""
    import onnx

    constants = onnx.load(str(path)).graph.initializer
    sizes = [np.prod(item.dims) for item in constants if item.data_type == onnx.TensorProto.FLOAT]
    return int(sum(size for size in sizes if size > 1))
