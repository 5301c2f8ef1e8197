"""INT8 made from a bundle's FP32 model when it is opened: what it answers, and what is refused in one line."""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.data import DataSet
from ernie_toolkit.errors import BundleError, ConfigError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.engines.dynamic_quantization import dynamic_int8_bytes
from ernie_toolkit.inference.engines.onnxruntime import DISABLED_OPTIMIZERS

# Two layers of query, key, value, attention output and two feed-forward products; pooler and classifier.
PRODUCTS = 14


def small_model(weight: np.ndarray | None = None, operator: str = "MatMul") -> onnx.ModelProto:
    """y = x @ w + b."""
    if weight is None:
        weight = np.random.default_rng(3).normal(size=(6, 5)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node(operator, ["x", "w"], ["product"], "product"),
            helper.make_node("Add", ["product", "b"], ["y"], "sum"),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 5])],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.ones(5, np.float32), "b")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)


SMALL = small_model().SerializeToString()


def operators(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def test_answers_are_nearly_those_of_fp32(bundle: Bundle, afqmc_sample: DataSet) -> None:
    before = sorted(bundle.directory.iterdir())
    exact, rounded = (Predictor(bundle.directory, num_threads=1, precision=name) for name in ("fp32", "int8"))
    assert sorted(bundle.directory.iterdir()) == before  # a deployment's bundle may lie where nothing can be written
    texts = exact.task.inputs(afqmc_sample.split("dev"))
    expected, got = np.asarray(exact.logits(texts)), np.asarray(rounded.logits(texts))
    assert 1e-6 < np.linalg.norm(got - expected) / np.linalg.norm(expected) < 0.1


def test_every_product_with_a_weight_is_quantized_and_fused(bundle: Bundle, tmp_path: Path) -> None:
    content = dynamic_int8_bytes(bundle.path("onnx"))
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    counts = operators(model)
    # Query, key and value read one activation; the products between activations stay.
    assert (counts["MatMulInteger"], counts["DynamicQuantizeLinear"], counts["MatMul"]) == (PRODUCTS, 10, 4)
    weights = [numpy_helper.to_array(item) for item in model.graph.initializer if item.name.endswith("_quantized")]
    assert len(weights) == PRODUCTS and {weight.dtype for weight in weights} == {np.dtype(np.int8)}
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "fused.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"], disabled_optimizers=DISABLED_OPTIMIZERS["int8"]
    )
    fused = operators(onnx.load(str(tmp_path / "fused.onnx")))
    assert fused["MatMulIntegerToFloat"] + fused["DynamicQuantizeMatMul"] == PRODUCTS


@pytest.mark.parametrize("package", ["onnx", "onnxruntime.quantization"])
def test_without_the_packages(bundle: Bundle, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf"not installed \({package}\): pip install onnx ml_dtypes, or"):
        Predictor(bundle.directory, precision="int8")


def spoilt(value: float) -> onnx.ModelProto:
    """A small model with a weight of which one value is another."""
    weight = np.ones((6, 5), np.float32)
    weight[2, 3] = value
    return small_model(weight)


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (b"PK\x03\x04 this is an archive", "cannot be quantized"),
        (b"[PAD]\n[CLS]\n", "cannot be quantized"),
        (SMALL[:-7], "cannot be quantized"),
        (b"", "nothing to quantize"),
        (small_model(operator="Gemm").SerializeToString(), "nothing to quantize"),
        (small_model(np.ones((6, 5), np.float16)).SerializeToString(), "nothing to quantize"),
        (small_model(operator="MatMulInteger").SerializeToString(), "quantized already"),
        (spoilt(np.nan).SerializeToString(), "weight 'w' holds NaN or infinity"),
        (spoilt(-np.inf).SerializeToString(), "weight 'w' holds NaN or infinity"),
    ],
)
def test_what_cannot_be_quantized_is_refused_in_one_line(tmp_path: Path, model: bytes, match: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(model)
    with pytest.raises(BundleError, match=rf"model\.onnx: .*{match}") as caught:
        dynamic_int8_bytes(path)
    assert "\n" not in str(caught.value) and [item.name for item in tmp_path.iterdir()] == ["model.onnx"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"missing\.onnx: cannot be read"):
        dynamic_int8_bytes(tmp_path / "missing.onnx")


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_damaged_model_is_quantized_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    damaged = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.onnx"
    path.write_bytes(bytes(damaged[: data.draw(st.sampled_from([len(damaged), len(damaged) // 2]))]))
    try:
        assert dynamic_int8_bytes(path)
    except BundleError as error:
        assert "\n" not in str(error)
