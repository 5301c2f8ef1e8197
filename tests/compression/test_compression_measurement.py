"""Speed measured in turns on real sessions, and operations counted against the tensors of a real graph."""

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import paddle
import pytest
from tiny import PAIRS, make_tiny_model

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.compression.pruning.elastic import cut_out
from ernie_toolkit.compression.report import measurement
from ernie_toolkit.compression.report.complexity import OPERATIONS, model_flops
from ernie_toolkit.compression.report.measurement import (
    MOST_REPEATS,
    Speed,
    measure,
    row_tokens,
    significant,
    spaced_by_length,
)
from ernie_toolkit.data import DataSet
from ernie_toolkit.inference.engines.base import EngineOptions
from ernie_toolkit.inference.engines.onnxruntime import OnnxRuntime, model_session
from ernie_toolkit.inference.processor import processor_name
from ernie_toolkit.models import Vocabulary, load_model
from ernie_toolkit.models.sizes import LayerSize, ModelSlice
from ernie_toolkit.session import Session
from ernie_toolkit.text.dataset import EncodedDataset
from ernie_toolkit.text.features import Features

SMALL = LayerSize(2, 32)


class Recorder:
    """A real session that writes down whose turn it was, and with which shape."""

    def __init__(
        self, name: str, session: onnxruntime.InferenceSession, log: list[tuple[str, tuple[int, ...]]]
    ) -> None:
        self.name, self.session, self.log = name, session, log

    def __call__(self, batch: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Run the session."""
        self.log.append((self.name, batch["input_ids"].shape))
        return self.session.run(None, batch)


def rows_of(*lengths: int) -> EncodedDataset:
    """Rows of some lengths."""
    return EncodedDataset([Features([5] * length, [0] * length) for length in lengths], 0)


def test_speed_of_real_sessions(bundle: Bundle, afqmc_sample: DataSet, model_dir: Path) -> None:
    rows = Session(load_model(str(model_dir)), afqmc_sample, PAIRS).encoded(afqmc_sample.split("dev"))
    sessions = {name: OnnxRuntime(bundle.path("onnx"), "fp32", EngineOptions(1)) for name in ("one", "other")}
    speed = measure(sessions, rows, repeats=1, max_latency_rows=4, max_rows=40, batch_size=16, seconds=0)
    assert list(speed) == ["one", "other"]
    for item in speed.values():
        assert np.isfinite([item.latency_ms, item.sequences_per_second]).all()
        assert item.latency_ms > 0 and item.sequences_per_second > 0
    low, middle, high = row_tokens(rows)
    assert 5 <= low <= middle <= high <= PAIRS.max_seq_length and high == max(rows.lengths())


def test_sessions_take_turns_in_alternating_order(bundle: Bundle) -> None:
    log: list[tuple[str, tuple[int, ...]]] = []
    session = model_session(bundle.path("onnx"), num_threads=1)
    sessions = {name: Recorder(name, session, log) for name in "abc"}
    rows = rows_of(9, 3, 7, 5, 6, 4)
    measure(sessions, rows, repeats=2, max_latency_rows=2, max_rows=5, batch_size=2, seconds=0)
    # Two single rows and three batches: each warmed up once, measured twice, by three sessions.
    assert len(log) == 3 * (2 + 3) * (1 + 2)
    alone, together = log[: 3 * 2 * 3], log[3 * 2 * 3 :]
    short, long = (1, 3), (1, 9)
    assert alone[:6] == [(name, shape) for shape in (short, long) for name in "abc"]
    assert alone[6:] == [
        (name, shape)
        for order, shape in (("abc", short), ("cba", long), ("cba", short), ("abc", long))
        for name in order
    ]
    # Rows of 9 and 7, 5 and 4, and 3 tokens: evenly spaced in order of length, so the one of 6 is left out.
    batches = [(2, 9), (2, 5), (1, 3)]
    assert [shape for _, shape in together[::3]] == batches * 3
    orders = ["".join(name for name, _ in together[at : at + 3]) for at in range(9, 27, 3)]
    assert orders == ["abc", "cba", "abc", "cba", "abc", "cba"]
    assert Counter(name for name, _ in log) == dict.fromkeys("abc", 15)


class Stopwatch:
    """A clock that only work moves, on a machine that is slower from run to run and now and then stands still."""

    def __init__(self) -> None:
        self.now, self.runs = 0.0, 0

    def perf_counter(self) -> float:
        """Seconds since it was made."""
        return self.now

    def work(self, seconds: float) -> None:
        """Let some work be done, however long that takes now."""
        self.runs += 1
        stalled = 5.0 if self.runs % 7 == 0 else 0.0
        self.now += seconds * (1 + self.runs // 40) + stalled


class Worker:
    """What stands for a session on that machine: takes some seconds for each token."""

    def __init__(self, watch: Stopwatch, seconds: float) -> None:
        self.watch, self.seconds = watch, seconds

    def __call__(self, batch: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Take the time."""
        self.watch.work(self.seconds * batch["input_ids"].size)
        return []


@pytest.mark.parametrize("known", [None, Speed(250.0, 8.0)])
def test_ratios_hold_on_a_machine_that_others_use(known: Speed | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neighbouring turns are compared: whatever else the machine does, half the work is told as half the time."""
    watch = Stopwatch()
    monkeypatch.setattr(measurement, "time", watch)
    sessions = {"full": Worker(watch, 0.01), "half": Worker(watch, 0.005), "double": Worker(watch, 0.02)}
    speed = measure(sessions, rows_of(*range(5, 25)), known, batch_size=4, repeats=9, seconds=0)
    full = speed["full"]
    assert known is None or full == known
    for name, factor in (("half", 2), ("double", 0.5)):
        # To the three digits that are told.
        assert full.latency_ms / speed[name].latency_ms == pytest.approx(factor, rel=0.006)
        assert speed[name].sequences_per_second / full.sequences_per_second == pytest.approx(factor, rel=0.006)


def test_more_turns_where_there_is_time(bundle: Bundle) -> None:
    for seconds, turns in ((0.0, 2), (1e9, MOST_REPEATS)):
        log: list[tuple[str, tuple[int, ...]]] = []
        session = Recorder("a", model_session(bundle.path("onnx"), num_threads=1, spinning=False), log)
        measure({"a": session}, rows_of(4, 5), repeats=2, seconds=seconds)
        assert len(log) == (2 + 1) * (1 + turns)


def test_times_are_told_in_the_digits_that_they_have() -> None:
    assert [significant(value) for value in (0.123456, 12345.6, 9.996, 100.0)] == [0.123, 12300.0, 10.0, 100.0]


def test_measured_rows_are_spaced_by_length() -> None:
    lengths = [30, 10, 20, 50, 40]
    assert spaced_by_length(lengths, 5) == spaced_by_length(lengths, 99) == [1, 2, 0, 4, 3]
    assert spaced_by_length(lengths, 3) == [1, 0, 3]
    assert spaced_by_length(lengths, 2) == [1, 3]
    assert spaced_by_length(lengths, 1) == [0]
    chosen = spaced_by_length(list(range(1000)), 128)
    assert len(set(chosen)) == 128 and set(np.diff(chosen)) <= {7, 8}


def test_nothing_to_measure_is_refused(bundle: Bundle) -> None:
    session = model_session(bundle.path("onnx"), num_threads=1)
    for sessions, rows, repeats in (
        ({}, rows_of(5), 1),
        ({"a": session}, rows_of(), 1),
        ({"a": session}, rows_of(5), 0),
    ):
        with pytest.raises(ValueError, match="one session, one row and one repeat"):
            measure(sessions, rows, repeats=repeats)


def test_the_processor_has_a_name() -> None:
    assert processor_name() == " ".join(processor_name().split()) != ""


def graph_operations(path: Path, length: int) -> int:
    """Two operations for each multiply-add of a graph's matrix products, by the shapes that its tensors really have."""
    model = onnx.load(str(path))
    products = [node for node in model.graph.node if node.op_type in ("MatMul", "Gemm")]
    known = {item.name for item in model.graph.output}
    constants = {item.name for item in model.graph.initializer}
    for name in sorted({name for node in products for name in (node.input[0], node.output[0])} - known):
        assert name not in constants
        model.graph.output.append(onnx.ValueInfoProto(name=name))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    batch = {"input_ids": np.full((1, length), 5), "token_type_ids": np.zeros((1, length), dtype=np.int64)}
    shapes = {name: value.shape for name, value in zip(names, session.run(names, batch), strict=True)}
    assert all(node.op_type == "MatMul" or not node.attribute or _plain(node) for node in products)
    return sum(2 * int(np.prod(shapes[node.output[0]])) * shapes[node.input[0]][-1] for node in products)


def _plain(node: onnx.NodeProto) -> bool:
    """Whether a Gemm reads its first input as it is, so that its last dimension is the inner one."""
    return all(not (item.name == "transA" and item.i) for item in node.attribute)


def by_hand(length: int, size: LayerSize, head: int, layers: int = 2) -> int:
    """Operations of the tests' tiny shape: 32 wide, heads of 8, one pooled token."""
    heads = size.num_attention_heads * 8
    layer = 4 * length * 32 * heads + 2 * length * length * heads + 2 * length * 32 * size.intermediate_size
    return 2 * (layers * layer + head)


@pytest.mark.parametrize("length", [7, 48])
def test_operations_are_those_of_the_exported_graph(bundle: Bundle, model_dir: Path, length: int) -> None:
    model = load_model(str(model_dir)).model
    assert OPERATIONS == 2
    assert model_flops(model, length) == graph_operations(bundle.path("onnx"), length)
    assert model_flops(model, length) == by_hand(length, LayerSize(4, 64), 32 * 32 + 32 * 2)


def test_operations_of_pruned_models_and_other_heads(vocabulary: Vocabulary) -> None:
    for task, head in (
        ("seq_cls", 32 * 32 + 32 * 2),
        ("token_cls", 30 * 32 * 2 + 32 * 32),
        ("qa", 30 * 32 * 2 + 32 * 32),
        ("multiple_choice", 32 * 32 + 32),
    ):
        model = make_tiny_model(vocabulary, ("0", "1"), task).model
        assert model_flops(model, 30) == by_hand(30, LayerSize(4, 64), head), task
        assert model_flops(cut_out(model, ModelSlice(SMALL, (0, 1))), 30) == by_hand(30, SMALL, head), task
        assert model_flops(cut_out(model, ModelSlice(SMALL, (1,))), 30) == by_hand(30, SMALL, head, 1), task


def test_a_counted_model_trains_and_exports_as_before(
    vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path
) -> None:
    loaded = make_tiny_model(vocabulary, ("0", "1"))
    loaded = dataclasses.replace(loaded, model=cut_out(loaded.model, ModelSlice(SMALL, (1,))))
    model = loaded.model
    model.train()
    model.ernie.pooler.eval()
    modes = [layer.training for layer in model.sublayers(include_self=True)]
    tensors = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    paddle.seed(3)
    expected = paddle.rand([4]).numpy()
    paddle.seed(3)
    model_flops(model, 20)
    assert np.array_equal(paddle.rand([4]).numpy(), expected)  # dropout drew nothing
    assert [layer.training for layer in model.sublayers(include_self=True)] == modes
    assert not any(layer._forward_post_hooks for layer in model.sublayers(include_self=True))
    assert list(model.state_dict()) == list(tensors)
    assert all(np.array_equal(value.numpy(), tensors[name]) for name, value in model.state_dict().items())

    session = Session(loaded, afqmc_sample, PAIRS)
    rows = session.encoded(afqmc_sample.split("dev")[:16])
    batch = {name: paddle.to_tensor(value) for name, value in rows.collate(list(range(16))).items()}
    optimizer = paddle.optimizer.AdamW(1e-2, parameters=model.parameters())
    losses = []
    for _ in range(8):
        loss = model(**batch)[0]
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        losses.append(float(loss))
    assert losses[-1] < losses[0]
    model.eval()
    exported = session.export(tmp_path / "export", 8, {}, trained=True)  # compares the graph's answers with Paddle's
    assert graph_operations(exported.path("onnx"), 20) == model_flops(model, 20)


@pytest.mark.parametrize("length", [0, 65])
def test_a_length_that_the_model_cannot_read(model_dir: Path, length: int) -> None:
    model = load_model(str(model_dir)).model
    with pytest.raises(ValueError, match="1 to 64 tokens"):
        model_flops(model, length)
