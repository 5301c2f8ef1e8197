"""INT8 copies of models whose activations are quantized as they come, by ONNX Runtime's quantizer.

That needs the onnx package, and with newer releases of onnxruntime ml_dtypes; deployments do without both where a
bundle has its INT8 model.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from ernie_toolkit.errors import BundleError, ConfigError

if TYPE_CHECKING:
    import onnx

# DequantizeLinear is not one of them: INT8 embeddings have it, and leave the products in FP32.
QUANTIZED = ("DynamicQuantizeLinear", "MatMulInteger", "QuantizeLinear", "QLinearMatMul")


@contextmanager
def quiet_quantizer() -> Iterator[None]:
    """Without the quantizer's advice to preprocess the graph: that would fuse what slows INT8 down here."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


def quantize_products(model: onnx.ModelProto, per_channel: bool = True, exclude: Collection[str] = ()) -> bytes:
    """A model, serialized, whose matrix products with a constant weight compute in INT8, by ONNX Runtime's quantizer.

    Activations become uint8 over the range that each tensor has in the run. Weights become symmetric int8.

    Args:
        model: An FP32 model; it stays as it is.
        per_channel: Whether each output column of a weight has a scale of its own, or all have one.
        exclude: Names of the nodes that stay FP32.
    """
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.quantize import quantize_dynamic

    with TemporaryDirectory() as directory, quiet_quantizer():
        target = Path(directory) / "model.onnx"
        # Given a file, the quantizer would write another one beside it, where a deployment may not write.
        quantize_dynamic(
            model,
            target,
            op_types_to_quantize=["MatMul"],
            per_channel=per_channel,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=list(exclude),
        )
        return target.read_bytes()


def dynamic_int8_bytes(source: Path) -> bytes:
    """The INT8 form of an FP32 model's file, serialized (see `quantize_products`).

    Raises:
        ConfigError: Where a package is missing.
        BundleError: Where the file cannot be read, is quantized already, has no matrix product with a constant weight,
            or has weights that are not finite; it names the file.
    """
    try:
        import onnx
        import onnxruntime.quantization  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"precision 'int8' quantizes the model with a package that is not installed ({error.name}): pip install "
            "onnx ml_dtypes, or take a bundle with a model_int8.onnx (compress_*.py)"
        ) from error
    try:
        model = onnx.load(str(source))
        _check_weights(model)
        return quantize_products(model)
    except OSError as error:
        raise BundleError(f"{source}: cannot be read ({error.strerror}): export the model again") from error
    except BundleError as error:
        raise BundleError(f"{source}: {error}") from error
    except Exception as error:  # protobuf's, onnx's and the quantizer's own share no base class narrower than this
        reason = " ".join(str(error).split())[:300]
        raise BundleError(f"{source}: cannot be quantized ({reason}): export the model again") from error


def _check_weights(model: onnx.ModelProto) -> None:
    """BundleError where the quantizer would leave a model as it is, or round what is no number."""
    from onnx import TensorProto, numpy_helper

    found = {node.op_type for node in model.graph.node}
    quantized = [name for name in QUANTIZED if name in found]
    if quantized:
        raise BundleError(f"the ONNX model is quantized already (it has a {quantized[0]} node): open it as it is")
    matrices = {
        item.name: item
        for item in model.graph.initializer
        if len(item.dims) == 2 and item.data_type == TensorProto.FLOAT
    }
    read = {node.input[1] for node in model.graph.node if node.op_type == "MatMul"} & set(matrices)
    if not read:
        raise BundleError("the ONNX model has nothing to quantize: no matrix product with a constant weight")
    for name in sorted(read):
        if not np.isfinite(numpy_helper.to_array(matrices[name])).all():
            raise BundleError(f"weight '{name}' holds NaN or infinity: train or export the model again")
