"""Dynamic quantization without the onnx package, held against onnxruntime's own quantizer."""

import ast
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_onnx import initializers, operators, session

from ernie_toolkit.formats.onnx_wire import parse_message, serialize_message
from ernie_toolkit.inference.engines import dynamic_quantization
from ernie_toolkit.inference.engines.dynamic_quantization import (
    quantize_dynamic_file,
)

onnx = pytest.importorskip("onnx")
from onnx import TensorProto  # noqa: E402

CPU, DISABLED = ["CPUExecutionProvider"], ["SkipLayerNormFusion"]
# paddle2onnx leaves weights in Constant nodes; its folding (polygraphy) makes initializers of them.
FOLDED = "polygraphy"


@pytest.fixture(scope="module")
def static_graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Static graphs of tiny ERNIE classifiers with random weights, with and without task type embeddings."""
    paddle = pytest.importorskip("paddle")
    transformers = pytest.importorskip("paddlenlp.transformers")
    graphs = {}
    for use_task_id in (True, False):
        paddle.seed(7)
        config = transformers.ErnieConfig(
            vocab_size=100,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=64,
            use_task_id=use_task_id,
            initializer_range=0.2,
        )
        model = transformers.ErnieForSequenceClassification(config)
        model.eval()
        names = ("input_ids", "token_type_ids")
        spec = [paddle.static.InputSpec([None, None], "int64", name) for name in names]
        graphs[use_task_id] = tmp_path_factory.mktemp(f"task_id_{use_task_id}")
        static = paddle.jit.to_static(model, input_spec=spec, full_graph=True)
        paddle.jit.save(static, str(graphs[use_task_id] / "model"))
    return graphs


@pytest.fixture(
    scope="module",
    params=[(True, 13), (True, 17), (False, 13), (False, 17)],
    ids=lambda case: f"task_id={case[0]}-opset={case[1]}",
)
def graph_and_opset(request: pytest.FixtureRequest, static_graphs: dict[bool, Path]) -> tuple[Path, int]:
    return static_graphs[request.param[0]], request.param[1]


@pytest.fixture(scope="module", params=["None", FOLDED])
def model_file(request: pytest.FixtureRequest, graph_and_opset: tuple[Path, int]) -> Path:
    paddle2onnx = pytest.importorskip("paddle2onnx")
    # paddle2onnx tells polygraphy to pip install what it lacks; what it reads at import stands.
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(pytest.importorskip("polygraphy.config"), "AUTOINSTALL_DEPS", False)
    request.addfinalizer(monkeypatch.undo)
    directory, opset = graph_and_opset
    target = directory / f"{request.param}_{opset}.onnx"
    paddle2onnx.export(
        str(directory / "model.json"),
        str(directory / "model.pdiparams"),
        str(target),
        opset_version=opset,
        optimize_tool=request.param,
    )
    return target


def with_initializers(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its Constant nodes turned into initializers, the only weights the quantizer looks at."""
    graph = model.graph
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        tensor = graph.initializer.add()
        tensor.CopyFrom(node.attribute[0].t)
        tensor.name = node.output[0]
        graph.node.remove(node)
    return model


def quantizer_file(source: Path) -> Path:
    """What onnxruntime's quantizer makes of a file."""
    quantization = pytest.importorskip("onnxruntime.quantization")
    prepared, target = source.with_suffix(".prepared.onnx"), source.with_suffix(".reference.onnx")
    onnx.save(with_initializers(onnx.load(source)), prepared)
    quantization.quantize_dynamic(
        prepared,
        target,
        op_types_to_quantize=["MatMul"],
        weight_type=quantization.QuantType.QInt8,
        per_channel=True,
    )
    return target


def test_weights_scales_and_zero_points_equal_the_quantizers_to_the_bit(model_file: Path) -> None:
    ours = onnx.load_from_string(quantize_dynamic_file(model_file))
    onnx.checker.check_model(ours, full_check=True)
    ours, theirs = with_initializers(ours), onnx.load(quantizer_file(model_file))
    found, expected = initializers(ours), initializers(theirs)
    # The quantizer also drops constants that nothing reads; paddle2onnx leaves some when it does not fold.
    read = {name for node in ours.graph.node for name in node.input}
    assert found.keys() & read == expected.keys()
    assert sum(name.endswith("_quantized") for name in found) == 14
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape), name
        assert found[name].tobytes() == array.tobytes(), name
    # Nodes too, apart from their order.
    assert sorted(map(str, ours.graph.node)) == sorted(map(str, theirs.graph.node))


def test_one_dynamic_quantize_linear_per_input(model_file: Path) -> None:
    counts = operators(onnx.load_from_string(quantize_dynamic_file(model_file)))
    # Two layers of q/k/v, attention output, two FFN products; pooler and classifier.
    assert counts["MatMulInteger"] == 14
    assert counts["DynamicQuantizeLinear"] == 10
    assert counts["MatMul"] == 4


def test_logits_equal_the_quantizers(model_file: Path) -> None:
    ours, theirs = session(quantize_dynamic_file(model_file)), session(str(quantizer_file(model_file)))
    plain = session(str(model_file))
    generator = np.random.default_rng(11)
    for rows, length in ((1, 1), (1, 64), (7, 13), (32, 32)):
        feed = {
            "input_ids": generator.integers(1, 100, (rows, length)),
            "token_type_ids": generator.integers(0, 2, (rows, length)),
        }
        logits = ours.run(None, feed)[0]
        np.testing.assert_array_equal(logits, theirs.run(None, feed)[0])
        np.testing.assert_allclose(logits, plain.run(None, feed)[0], atol=0.25)


def test_onnxruntime_fuses_both_alike(model_file: Path, tmp_path: Path) -> None:
    session(quantize_dynamic_file(model_file), tmp_path / "ours.onnx")
    session(str(quantizer_file(model_file)), tmp_path / "theirs.onnx")
    ours, theirs = (operators(onnx.load(tmp_path / f"{name}.onnx")) for name in ("ours", "theirs"))
    assert ours == theirs
    assert ours["MatMulIntegerToFloat"] + ours["DynamicQuantizeMatMul"] == 14
    assert not ours["MatMulInteger"]


def test_a_model_goes_through_the_codec_unchanged(model_file: Path) -> None:
    data = model_file.read_bytes()
    fields = parse_message(data)
    assert serialize_message(fields) == data
    graph = next(field for field in fields if field.number == 7)
    assert serialize_message(parse_message(graph.payload)) == bytes(graph.payload)


# From half of float32's range on, the quantizer of onnxruntime 1.23 (Python 3.10) overflows where later ones do not.
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-45, 1e-38, 1e-20, 1.0, 1e20, 1.5e38]))
@settings(max_examples=60, deadline=None)
def test_columns_are_quantized_as_the_quantizer_does(seed: int, size: float) -> None:
    quant_utils = pytest.importorskip("onnxruntime.quantization.quant_utils")
    generator = np.random.default_rng(seed)
    weight = (generator.uniform(-1, 1, (9, 4)) * size).astype(np.float32)
    weight[:, 1] = 0
    weight[:, 2] = np.abs(weight[:, 2])
    weight[:, 3] = np.round(weight[:, 3] / np.float32(size), 1) * np.float32(size)
    values, scales = dynamic_quantization._quantize_columns("w", weight.copy())
    for column in range(weight.shape[1]):
        zero_point, scale, expected = quant_utils.quantize_data(weight[:, column], TensorProto.INT8, True)
        assert zero_point == 0
        assert scales[column].tobytes() == scale.tobytes()
        np.testing.assert_array_equal(values[:, column], expected)


def test_the_module_imports_numpy_and_the_standard_library_only() -> None:
    tree = ast.parse(Path(dynamic_quantization.__file__).read_text(encoding="utf-8"))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules == {
        *("math", "collections", "collections.abc", "pathlib", "typing"),
        *("numpy", "numpy.typing", "ernie_toolkit.errors", "ernie_toolkit.formats.onnx_wire", "__future__"),
    }
