"""OpenVINO: many batches at once, several callers, lengths in steps."""

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.errors import BundleError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.engines.base import EngineOptions
from ernie_toolkit.inference.engines.openvino import MANY_BATCHES, OpenVino, execution_precision
from ernie_toolkit.text.dataset import Batch, EncodedDataset, run_share
from ernie_toolkit.text.features import Features, TextInput


def make_batch(rows: int, tokens: int, start: int = 1) -> Batch:
    """A batch whose rows and lengths make its outputs its own."""
    ids = start + np.arange(rows * tokens, dtype=np.int64).reshape(rows, tokens) % 50
    return {"input_ids": ids, "token_type_ids": np.zeros_like(ids)}


def batches(count: int) -> list[Batch]:
    return [make_batch(1 + number % 3, 4 + 4 * (number % 5), 1 + number) for number in range(count)]


@pytest.fixture(scope="module")
def runtime(engine_bundles: dict[str, Bundle]) -> OpenVino:
    path = engine_bundles["seq_cls"].path("onnx")
    return OpenVino(path, "fp32", EngineOptions(num_threads=2, cache="none"))


def assert_answers_in_order(runtime: OpenVino, given: list[Batch]) -> None:
    found = list(runtime.stream(iter(given)))
    assert len(found) == len(given)
    for batch, outputs in zip(given, found, strict=True):
        assert np.abs(outputs[0] - runtime(batch)[0]).max() < 1e-5


@pytest.mark.parametrize("count", [0, 1, MANY_BATCHES - 1, MANY_BATCHES, MANY_BATCHES + 1, 40])
def test_outputs_keep_the_order_of_batches(runtime: OpenVino, count: int) -> None:
    assert_answers_in_order(runtime, batches(count))


@pytest.mark.parametrize("taken", [0, 1, MANY_BATCHES, MANY_BATCHES + 5])
def test_an_abandoned_stream_leaves_the_runtime_whole(runtime: OpenVino, taken: int) -> None:
    stream = runtime.stream(batches(20))
    for _ in range(taken):
        next(stream)
    assert isinstance(stream, Iterator) and hasattr(stream, "close")
    stream.close()
    assert not runtime._many.locked()  # the next one has all streams again
    assert_answers_in_order(runtime, batches(12))


def failing_after(count: int) -> Iterator[Batch]:
    yield from batches(count)
    raise KeyError("the source")


def test_what_fails_in_the_middle_is_raised_and_forgotten(runtime: OpenVino) -> None:
    given = batches(14)
    given[10] = {**given[10], "token_type_ids": np.zeros((9, 9), dtype=np.int64)}
    for source, error in ((iter(given), ValueError), (failing_after(12), KeyError), (failing_after(3), KeyError)):
        with pytest.raises(error, match=r"have the shapes|the source"):
            list(runtime.stream(source))
        assert_answers_in_order(runtime, batches(12))


def test_two_streams_at_once(runtime: OpenVino) -> None:
    """The second one computes its batches one by one."""
    given = [batches(24), batches(16)[::-1]]
    first, second = (runtime.stream(item) for item in given)
    found: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for _ in range(16):
        found[0].append(next(first)[0])
        found[1].append(next(second)[0])
    found[0].extend(outputs[0] for outputs in first)
    for item, outputs in zip(given, found, strict=True):
        for batch, one in zip(item, outputs, strict=True):
            assert np.abs(one - runtime(batch)[0]).max() < 1e-5


def all_at_once(work: Callable[[int], None], threads: int) -> None:
    """Do work in threads, and raise what one of them raises."""
    failed: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failed.append(error)

    running = [threading.Thread(target=guarded, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if failed:
        raise failed[0]


@pytest.mark.parametrize(("callers", "num_threads"), [(1, 1), (1, 2), (3, 1)])
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "paddle_inference"])
def test_more_callers_than_were_announced(
    engine_bundles: dict[str, Bundle],
    asked: dict[str, list[TextInput]],
    engine: str,
    callers: int,
    num_threads: int,
) -> None:
    bundle, texts = engine_bundles["token_cls"], asked["token_cls"]
    predictor = Predictor(bundle, num_threads=num_threads, engine=engine, precision="fp32", callers=callers)
    expected = [answer.fields()["entities"] for answer in predictor.predict(texts, 2)]

    def ask(number: int) -> None:
        for _ in range(3):
            found = [answer.fields() for answer in predictor.predict(texts[number:], 2)]
            for one, other in zip(found, expected[number:], strict=True):
                assert [(item["start"], item["end"]) for item in one["entities"]] == [
                    (item["start"], item["end"]) for item in other
                ]

    all_at_once(ask, 4)


def some_rows(longest: int) -> SearchStrategy[list[int]]:
    return st.lists(st.integers(2, longest), min_size=1, max_size=30)


@given(st.data(), st.integers(1, 9), st.integers(1, 8), st.integers(5, 50))
def test_padded_lengths_are_steps_or_the_longest(data: st.DataObject, size: int, step: int, longest: int) -> None:
    lengths = data.draw(some_rows(longest))
    rows = EncodedDataset([Features([7] * length, [0] * length) for length in lengths], 0)
    seen = []

    def stream(given: Iterator[Batch]) -> Iterator[list[np.ndarray]]:
        for batch in given:
            seen.append(batch["input_ids"])
            yield [batch["input_ids"].sum(axis=1, keepdims=True)]

    parts = run_share(rows, size, stream, length_step=step, longest=longest)
    assert [int(parts[row][0]) for row in range(len(rows))] == [7 * length for length in lengths]
    for ids in seen:
        needed = int((ids != 0).sum(axis=1).max())
        assert ids.shape[1] == min(longest, -(-needed // step) * step)


def test_no_batch_is_longer_than_the_table_of_positions(bundle_of_30_positions: Bundle) -> None:
    """OpenVINO would look beyond its end, and say nothing."""
    texts = [("一" * 20, "二" * count) for count in range(1, 30)]
    exact = Predictor(bundle_of_30_positions, num_threads=1, engine="onnxruntime").logits(texts)
    predictor = Predictor(bundle_of_30_positions, num_threads=2, engine="openvino")
    seen = []
    stream = predictor.runtime.stream

    def watched(given: Iterator[Batch]) -> Iterator[object]:
        padded = list(given)
        seen.extend(batch["input_ids"].shape[1] for batch in padded)
        return stream(padded)

    predictor.runtime.stream = watched
    assert np.abs(predictor.logits(texts, 2) - exact).max() < 1e-4
    assert max(seen) == 30 and set(seen) <= {24, 28, 30}


def test_a_file_with_another_interface_is_named(engine_bundles: dict[str, Bundle]) -> None:
    path = engine_bundles["qa"].path("onnx")
    assert len(OpenVino(path, "fp32", EngineOptions(1, cache="none"))(make_batch(2, 8))) == 2
    with pytest.raises(BundleError, match=r"model\.onnx: the model answers with .*, not logits: export"):
        OpenVino(path, "fp32", EngineOptions(1, cache="none"), ("logits",))


@pytest.mark.parametrize(
    ("precision", "features", "expected"),
    [
        ("fp32", ("amx_bf16",), "f32"),
        ("bf16", ("avx512_bf16",), "bf16"),
        ("int8", ("avx512_vnni", "avx512_bf16"), "f32"),
        ("int8", ("amx_int8", "amx_bf16"), "bf16"),
        ("int8", (), "f32"),
    ],
)
def test_what_is_left_in_floating_point(
    monkeypatch: pytest.MonkeyPatch, precision: str, features: tuple[str, ...], expected: str
) -> None:
    monkeypatch.setattr("ernie_toolkit.inference.engines.openvino.processor_features", lambda: features)
    assert execution_precision(precision) == expected


@pytest.mark.parametrize(("threads", "callers", "pinned"), [(1, 1, False), (2, 1, True), (1, 2, True)])
def test_threads_stay_on_their_processors_only_where_they_have_all(
    engine_bundles: dict[str, Bundle], monkeypatch: pytest.MonkeyPatch, threads: int, callers: int, pinned: bool
) -> None:
    """Processes that take a few each would all take the first ones."""
    monkeypatch.setattr("ernie_toolkit.inference.engines.openvino.available_cores", lambda: 2)
    runtime = OpenVino.open_bundle(engine_bundles["seq_cls"], "fp32", EngineOptions(threads, callers, cache="none"))
    request = runtime._requests.get()
    assert request.get_compiled_model().get_property("ENABLE_CPU_PINNING") is pinned
