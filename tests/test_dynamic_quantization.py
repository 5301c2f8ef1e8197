"""Dynamic quantization without the onnx package, held against onnxruntime's own quantizer."""

import ast
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ernie_toolkit.errors import BundleError
from ernie_toolkit.inference import dynamic_quantization
from ernie_toolkit.inference.dynamic_quantization import (
    parse_message,
    quantize_dynamic_bytes,
    quantize_dynamic_file,
    serialize_message,
)

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

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


# Against onnxruntime's quantizer, on paddle2onnx's files


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


# The wire format


def test_a_model_goes_through_the_codec_unchanged(model_file: Path) -> None:
    data = model_file.read_bytes()
    fields = parse_message(data)
    assert serialize_message(fields) == data
    graph = next(field for field in fields if field.number == 7)
    assert serialize_message(parse_message(graph.payload)) == bytes(graph.payload)


@given(st.binary(max_size=200))
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_kept_or_refused(data: bytes) -> None:
    try:
        fields = parse_message(data)
    except BundleError as error:
        assert "\n" not in str(error)
        return
    assert serialize_message(fields) == data


varints = st.integers(0, 2**64 - 1)


def encoded(value: int, padding: int = 0) -> bytes:
    """A varint, made longer than it has to be by up to `padding` bytes."""
    groups = []
    while value or not groups:
        groups.append(value & 0x7F)
        value >>= 7
    groups += [0] * min(padding, 10 - len(groups))
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


wire_fields = st.one_of(
    st.tuples(st.just(0), varints, st.integers(0, 3)),
    st.tuples(st.just(1), st.binary(min_size=8, max_size=8), st.integers(0, 3)),
    st.tuples(st.just(2), st.binary(max_size=300), st.integers(0, 3)),
    st.tuples(st.just(5), st.binary(min_size=4, max_size=4), st.integers(0, 3)),
)


@given(st.lists(st.tuples(st.integers(1, 2**29 - 1), wire_fields), max_size=20))
@settings(deadline=None)
def test_every_wire_type_is_read_and_written(
    message: list[tuple[int, tuple[int, int | bytes, int]]],
) -> None:
    data = b""
    for number, (wire_type, value, padding) in message:
        data += encoded(number << 3 | wire_type, padding)
        if isinstance(value, int):
            data += encoded(value, padding)
        else:
            data += (encoded(len(value), padding) if wire_type == 2 else b"") + value
    fields = parse_message(data)
    assert serialize_message(fields) == data
    for (number, (wire_type, value, _)), field in zip(message, fields, strict=True):
        assert (field.number, field.wire_type) == (number, wire_type)
        assert (field.integer if isinstance(value, int) else bytes(field.payload)) == value


@pytest.mark.parametrize(
    "data",
    [
        b"\x08",  # a tag and no value
        b"\x08" + b"\x80" * 10 + b"\x01",  # a varint of eleven bytes
        b"\x00\x01",  # field number 0
        b"\x0b\x0c",  # a group
        b"\x0e",  # wire type 6
        b"\x3a\x05abc",  # two bytes missing
        b"\x0d\x00\x00",  # half a 32-bit field
    ],
)
def test_malformed_messages_are_refused(data: bytes) -> None:
    with pytest.raises(BundleError):
        parse_message(data)


SMALL = small_model().SerializeToString()


@given(st.data())
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_model_is_quantized_or_refused(data: st.DataObject) -> None:
    damaged = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    model = bytes(damaged[: data.draw(st.sampled_from([len(damaged), len(damaged) // 2, len(damaged) - 1]))])
    try:
        assert isinstance(quantize_dynamic_bytes(model), bytes)
    except BundleError as error:
        assert "\n" not in str(error)


# Edge cases of weights and graphs


def test_fields_outside_nodes_and_initializers_stay_as_they_are() -> None:
    model = small_model()
    model.producer_name, model.doc_string = "test", "说明"
    model.metadata_props.add(key="k", value="v")
    model.graph.value_info.append(helper.make_tensor_value_info("product", TensorProto.FLOAT, ["rows", 5]))
    unknown = encoded(1000 << 3 | 2) + b"\x03abc" + encoded(1001 << 3 | 5) + b"\x01\x02\x03\x04"
    result = quantize_dynamic_bytes(model.SerializeToString() + unknown)
    assert unknown in result
    after = onnx.load_from_string(result)
    for part in (model, after):
        part.DiscardUnknownFields()
        del part.graph.node[:], part.graph.initializer[:]
    assert after == model


@pytest.mark.parametrize("packed", [True, False])
def test_weights_in_float_data(packed: bool) -> None:
    model = small_model()
    weight = numpy_helper.to_array(model.graph.initializer[0])
    tensor = helper.make_tensor("w", TensorProto.FLOAT, weight.shape, weight.ravel().tolist())
    expected = initializers(quantized(small_model(weight=weight)))
    model.graph.initializer[0].CopyFrom(tensor)
    if not packed:
        # onnx writes float_data packed: take the same numbers as fields of wire type 5, and packed dims.
        data = weight.astype("<f4").tobytes()
        floats = b"".join(b"\x25" + data[start : start + 4] for start in range(0, len(data), 4))
        model.graph.initializer[0].CopyFrom(TensorProto(name="w", data_type=TensorProto.FLOAT))
        plain = model.graph.initializer[0].SerializeToString()
        graph = b"".join(
            bytes(field.raw)
            for field in parse_message(model.graph.SerializeToString())
            if field.number != 5 or bytes(field.payload) != plain
        )
        tensor_bytes = b"\x0a\x02\x06\x05" + plain + floats
        graph += b"\x2a" + encoded(len(tensor_bytes)) + tensor_bytes
        model.ClearField("graph")
        found = quantize_dynamic_bytes(model.SerializeToString() + b"\x3a" + encoded(len(graph)) + graph)
        arrays = initializers(onnx.load_from_string(found))
    else:
        arrays = initializers(quantized(model))
    assert arrays.keys() == expected.keys()
    assert all(arrays[name].tobytes() == expected[name].tobytes() for name in expected)


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


def test_shared_inputs_and_weights_are_quantized_once() -> None:
    model = small_model()
    nodes = [helper.make_node("MatMul", ["x", "w"], [f"again{i}"]) for i in range(2)]
    nodes += [helper.make_node("Sum", ["product", "again0", "again1"], ["sum"])]
    model.graph.node.extend(nodes)
    counts = operators(quantized(model))
    assert (counts["DynamicQuantizeLinear"], counts["MatMulInteger"], counts["MatMul"]) == (1, 3, 0)
    assert sum("_quantized" in name for name in initializers(quantized(model))) == 1


def test_a_weight_with_another_reader_is_kept() -> None:
    model = small_model()
    model.graph.node.append(helper.make_node("Gather", ["w", "rows"], ["rows_of_w"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([0], dtype=np.int64), "rows"))
    model.graph.output.append(helper.make_tensor_value_info("rows_of_w", TensorProto.FLOAT, [1, 6]))
    del model.graph.output[1]
    assert "w" in initializers(quantized(model))
    assert "w" not in initializers(quantized(small_model()))


def test_names_that_are_taken_are_left_alone() -> None:
    model = small_model()
    model.graph.node.append(helper.make_node("Identity", ["x"], ["w_quantized"]))
    model.graph.node.append(helper.make_node("Identity", ["x"], ["x_scale"]))
    expected = session(quantized(small_model()).SerializeToString())
    feed = {"x": np.random.default_rng(5).normal(size=(3, 6)).astype(np.float32)}
    found = session(quantized(model).SerializeToString())
    np.testing.assert_array_equal(found.run(None, feed)[0], expected.run(None, feed)[0])


def test_products_without_a_constant_matrix_stay_fp32() -> None:
    model = small_model()
    model.graph.initializer.append(numpy_helper.from_array(np.ones((2, 6, 5), np.float32), "batched"))
    model.graph.node.append(helper.make_node("MatMul", ["x", "batched"], ["three"]))
    model.graph.node.append(helper.make_node("Transpose", ["product"], ["turned"]))
    model.graph.node.append(helper.make_node("MatMul", ["product", "turned"], ["scores"]))
    counts = operators(quantized(model))
    assert (counts["MatMul"], counts["MatMulInteger"]) == (2, 1)


# Errors


def refused(model: onnx.ModelProto | bytes, match: str) -> None:
    data = model if isinstance(model, bytes) else model.SerializeToString()
    with pytest.raises(BundleError, match=match) as caught:
        quantize_dynamic_bytes(data)
    assert "\n" not in str(caught.value)


def test_nothing_to_quantize() -> None:
    model = small_model()
    del model.graph.node[0]
    model.graph.node[0].input[0] = "x"
    refused(model, "nothing to quantize")
    refused(small_model(weight=np.ones((6, 5), np.float16)), "nothing to quantize")
    default = small_model()
    default.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [6, 5]))
    refused(default, "nothing to quantize")


def test_quantized_already() -> None:
    once = quantize_dynamic_bytes(SMALL)
    refused(once, "quantized already")


def test_external_data(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(small_model(), path, save_as_external_data=True, location="model.data", size_threshold=0)
    with pytest.raises(BundleError, match=r"model\.onnx: the data of 'w' is in another file"):
        quantize_dynamic_file(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(value: float) -> None:
    weight = np.ones((6, 5), np.float32)
    weight[2, 3] = value
    refused(small_model(weight=weight), "weight 'w' holds NaN or infinity")


def test_a_weight_of_the_wrong_size() -> None:
    model = small_model()
    model.graph.initializer[0].raw_data = b"\x00" * 8
    refused(model, r"weight 'w' of shape \[6, 5\] has 8 bytes")


def test_a_constant_defined_twice() -> None:
    model = small_model()
    model.graph.initializer.append(model.graph.initializer[0])
    refused(model, "twice")


def test_control_flow() -> None:
    model = small_model()
    branch = helper.make_graph([helper.make_node("Identity", ["w"], ["taken"])], "branch", [], [])
    model.graph.node.append(helper.make_node("If", ["x"], ["z"], then_branch=branch, else_branch=branch))
    refused(model, "control flow")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "0 graphs"),
        (b"PK\x03\x04 this is an archive", "not an ONNX model"),
        (b"[PAD]\n[CLS]\n", "not an ONNX model"),
        (SMALL[:-7], "cut off"),
        (SMALL + SMALL, "2 graphs"),
        (small_model(opset=10).SerializeToString(), "opset 11"),
        (SMALL.replace(b"MatMul", b"MatM\xff\xff"), "not UTF-8"),
    ],
)
def test_no_onnx_model(data: bytes, match: str) -> None:
    refused(data, match)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"missing\.onnx: cannot be read"):
        quantize_dynamic_file(tmp_path / "missing.onnx")
    (tmp_path / "empty.onnx").write_bytes(b"")
    with pytest.raises(BundleError, match=r"empty\.onnx: not an ONNX model"):
        quantize_dynamic_file(tmp_path / "empty.onnx")


def test_the_module_imports_numpy_and_the_standard_library_only() -> None:
    tree = ast.parse(Path(dynamic_quantization.__file__).read_text(encoding="utf-8"))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules == {
        *("math", "collections", "collections.abc", "pathlib", "typing"),
        *("numpy", "numpy.typing", "ernie_toolkit.errors", "__future__"),
    }
