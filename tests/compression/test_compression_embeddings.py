"""INT8 embedding tables: numbers by hand, the graph in ONNX Runtime, size, and with INT8 products."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.compression.quantization.embeddings import quantize_embeddings
from ernie_toolkit.compression.quantization.numeric import quantize_int8
from ernie_toolkit.errors import ModelError
from ernie_toolkit.inference.engines.dynamic_quantization import dynamic_int8_bytes


def run(model: Path | bytes, ids: np.ndarray) -> np.ndarray:
    source = model if isinstance(model, bytes) else str(model)
    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    result: np.ndarray = session.run(None, {"input_ids": ids, "token_type_ids": np.zeros_like(ids)})[0]
    return result


def tables(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of a graph's INT8 tables by the names that they had in FP32."""
    graph = onnx.load(str(path)).graph
    return {
        item.name.removesuffix("_int8"): tuple(item.dims)
        for item in graph.initializer
        if item.name.endswith("_int8") and item.data_type == onnx.TensorProto.INT8
    }


def test_a_model_answers_as_its_rounded_tables_say(bundle: Bundle, tmp_path: Path) -> None:
    ids = np.random.default_rng(0).integers(5, 7000, (6, 20))
    target = tmp_path / "small.onnx"
    quantize_embeddings(bundle.path("onnx"), target, min_rows=1000)
    [(name, (rows, columns))] = tables(target).items()
    assert columns == 32 and rows > 7000
    onnx.checker.check_model(str(target), full_check=True)
    assert target.stat().st_size < bundle.path("onnx").stat().st_size - 2.5 * rows * columns
    # The same table, rounded, in the FP32 graph: equal to the last bits.
    model = onnx.load(str(bundle.path("onnx")))
    [weights] = [item for item in model.graph.initializer if item.name == name]
    values, scales = quantize_int8(onnx.numpy_helper.to_array(weights), axis=1)
    weights.CopyFrom(onnx.numpy_helper.from_array(values * scales, name))
    expected, exact = run(model.SerializeToString(), ids), run(bundle.path("onnx"), ids)
    got = run(target, ids)
    assert np.abs(got - expected).max() < 1e-5 < np.abs(got - exact).max() < 0.05 * np.abs(exact).max()
    both = run(dynamic_int8_bytes(target), ids)
    assert 1e-5 < np.linalg.norm(both - exact) / np.linalg.norm(exact) < 0.1


def test_a_graph_without_tables_is_refused_and_keeps_the_target(bundle: Bundle, tmp_path: Path) -> None:
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    quantize_embeddings(bundle.path("onnx"), first)
    second.write_bytes(b"earlier")
    with pytest.raises(ModelError, match="no FP32 embedding table of 64 rows"):
        quantize_embeddings(first, second)
    assert second.read_bytes() == b"earlier"
    quantize_embeddings(bundle.path("onnx"), second, min_rows=1)
    assert len(tables(second)) > 1  # positions and types too
    ids = np.arange(5, 45).reshape(2, 20)
    assert np.abs(run(second, ids) - run(bundle.path("onnx"), ids)).max() < 0.05


def test_positions_that_no_sequence_reaches_are_dropped(bundle: Bundle, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.onnx", tmp_path / "cut.onnx"
    quantize_embeddings(bundle.path("onnx"), whole)
    [places] = [name for name, shape in tables(whole).items() if shape == (64, 32)]
    words = {name: shape for name, shape in tables(whole).items() if shape[0] > 7000}
    assert len(words) == 1 and len(tables(whole)) == 2
    quantize_embeddings(bundle.path("onnx"), cut, positions=48)
    assert tables(cut) == words and cut.stat().st_size < whole.stat().st_size + 48 * 32 * 3
    shapes = {item.name: tuple(item.dims) for item in onnx.load(str(cut)).graph.initializer}
    assert shapes[places] == (48, 32)
    ids = np.random.default_rng(1).integers(5, 7000, (2, 48))
    assert np.abs(run(cut, ids) - run(bundle.path("onnx"), ids)).max() < 0.05
    quantize_embeddings(bundle.path("onnx"), cut, min_rows=40, positions=48)
    assert tables(cut)[places] == (48, 32)
