"""A small ONNX model built here, and what the tests of quantization do with models."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ernie_toolkit.inference.engines.dynamic_quantization import quantize_dynamic_bytes

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

CPU, DISABLED = ["CPUExecutionProvider"], ["SkipLayerNormFusion"]


def session(model: bytes | str, optimized: Path | None = None) -> "ort.InferenceSession":
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    return ort.InferenceSession(model, options, providers=CPU, disabled_optimizers=DISABLED)


def initializers(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def small_model(*, opset: int = 13, weight: np.ndarray | None = None) -> onnx.ModelProto:
    """y = x @ w + b, all of it built here: no Paddle needed."""
    if weight is None:
        weight = np.random.default_rng(3).normal(size=(6, 5)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["product"], "product"),
            helper.make_node("Add", ["product", "b"], ["y"], "sum"),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 5])],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.ones(5, np.float32), "b")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)


def quantized(model: onnx.ModelProto) -> onnx.ModelProto:
    result = onnx.load_from_string(quantize_dynamic_bytes(model.SerializeToString()))
    onnx.checker.check_model(result, full_check=True)
    return result


def operators(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def encoded(value: int, padding: int = 0) -> bytes:
    """A varint, made longer than it has to be by up to `padding` bytes."""
    groups = []
    while value or not groups:
        groups.append(value & 0x7F)
        value >>= 7
    groups += [0] * min(padding, 10 - len(groups))
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])
