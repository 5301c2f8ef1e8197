"""Graphs after the converter: what other runtimes do not read is gone, what they compute is the same."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.export.tidying import tidy_graph


def converted() -> onnx.ModelProto:
    """A graph as paddle2onnx writes them: a Reshape to a scalar, an output that is a copy, and one copied input."""
    nodes = [
        helper.make_node("Reshape", ["x", "none"], ["scalar"], allowzero=0),
        helper.make_node("Mul", ["scalar", "y"], ["product"]),
        helper.make_node("Neg", ["product"], ["negative"]),
        helper.make_node("Identity", ["product"], ["first"]),
        helper.make_node("Identity", ["y"], ["second"]),
        helper.make_node("Identity", ["negative"], ["third"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", [1]), ("y", [3]))]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in ("first", "second", "third")]
    none = numpy_helper.from_array(np.zeros(0, dtype=np.int64), "none")
    graph = helper.make_graph(nodes, "graph", values, outputs, [none])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


def results(model: onnx.ModelProto) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feed = {"x": np.array([2.0], dtype=np.float32), "y": np.array([1.0, -3.0, 0.5], dtype=np.float32)}
    return list(session.run(["first", "second", "third"], feed))


def test_results_stay_and_what_openvino_refuses_goes() -> None:
    model = converted()
    before = results(model)
    tidy_graph(model)
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Squeeze", "Mul", "Neg", "Identity"]
    assert model.graph.node[3].input[0] == "y"  # an input cannot be renamed
    assert not model.graph.initializer
    for one, other in zip(before, results(model), strict=True):
        assert np.array_equal(one, other)


def test_an_exported_graph_is_tidy(bundle: Bundle) -> None:
    graph = onnx.load(str(Path(bundle.path("onnx")))).graph
    outputs = {item.name for item in graph.output}
    scalars = {item.name for item in graph.initializer if list(item.dims) == [0]}
    assert outputs == set(bundle.info.outputs)
    assert not [node.name for node in graph.node if node.op_type == "Identity" and node.output[0] in outputs]
    assert not [node.name for node in graph.node if node.op_type == "Reshape" and node.input[1] in scalars]
