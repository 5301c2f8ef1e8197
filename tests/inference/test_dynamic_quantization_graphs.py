"""Dynamic quantization of odd graphs, of damaged ones, and the wire format beneath."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_onnx import encoded, initializers, operators, quantized, session, small_model

from ernie_toolkit.errors import BundleError
from ernie_toolkit.formats.onnx_wire import parse_message, serialize_message
from ernie_toolkit.inference.engines.dynamic_quantization import (
    quantize_dynamic_bytes,
    quantize_dynamic_file,
)

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

SMALL = small_model().SerializeToString()

# The wire format


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
