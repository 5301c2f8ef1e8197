"""Ranges of activations: each algorithm against a direct computation on the values themselves."""

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from ernie_toolkit.compression.quantization.calibration import (
    ALGORITHMS,
    CANDIDATES,
    SMOOTHING,
    STEPS,
    TAIL,
    Histogram,
    calibrated_range,
    divergence,
    empty_histogram,
    extremes_of,
    moved_earth,
    quantized,
    squared_error,
)
from ernie_toolkit.errors import ConfigError


def batches(seed: int = 0, count: int = 4) -> list[np.ndarray]:
    """Activations as a layer has them: most near zero, to one side more than to the other, a few far out."""
    generator = np.random.default_rng(seed)
    return [
        np.concatenate([generator.normal(0.1, 0.5, 6000), generator.normal(2, 3, 40)]).astype(np.float32).reshape(8, -1)
        for _ in range(count)
    ]


def chosen(algorithm: str, data: list[np.ndarray]) -> tuple[float, float]:
    extremes = extremes_of(data)
    histogram = empty_histogram(extremes)
    for batch in data:
        histogram = histogram.with_values(batch)
    return calibrated_range(algorithm, extremes, histogram)


def test_ranges_from_extremes() -> None:
    data = batches()
    values = np.concatenate([batch.ravel() for batch in data])
    largest = np.abs(values).max()
    assert chosen("abs_max", data) == pytest.approx((-largest, largest))
    assert chosen("min_max", data) == pytest.approx((values.min(), values.max()))
    mean = np.mean([np.abs(batch).max() for batch in data])
    assert chosen("avg", data) == pytest.approx((-mean, mean))
    assert mean < largest


def test_the_tails_that_are_clipped() -> None:
    data = batches()
    values = np.concatenate([batch.ravel() for batch in data])
    low, high = chosen("hist", data)
    width = (values.max() - values.min()) / 2048
    assert low == pytest.approx(np.quantile(values, TAIL, method="lower"), abs=2 * width)
    assert high == pytest.approx(np.quantile(values, 1 - TAIL, method="higher"), abs=2 * width)
    assert (values < low).mean() <= TAIL and (values > high).mean() <= TAIL


@pytest.mark.parametrize(
    ("algorithm", "error"),
    [("mse", lambda v, q: ((v - q) ** 2).mean()), ("emd", lambda v, q: np.abs(np.sort(v) - np.sort(q)).mean())],
)
def test_searched_ranges_are_the_best_on_the_values(algorithm: str, error) -> None:  # noqa: ANN001
    data = batches()
    values = np.concatenate([batch.ravel() for batch in data]).astype(np.float64)
    costs = [error(values, quantized(values, (values.min() * s, values.max() * s))) for s in CANDIDATES]
    low, high = chosen(algorithm, data)
    cost = error(values, quantized(values, (low, high)))
    assert cost <= min(costs) * 1.02
    assert cost < error(values, quantized(values, (values.min(), values.max())))
    share = high / values.max()
    assert share == pytest.approx(low / values.min()) and 0.02 <= share < 1


def test_costs_by_hand() -> None:
    histogram = Histogram(np.array([1, 3, 0, 4]), (0.0, 4.0))  # values 0.5, 1.5 (three times), 3.5 (four times)
    assert histogram.centers.tolist() == [0.5, 1.5, 2.5, 3.5]
    # Over [0, 255] a step is 1: 0.5 goes to 0, 1.5 to 2, 3.5 to 4.
    assert squared_error(histogram, (0.0, 255.0)) == pytest.approx(0.25)
    assert moved_earth(histogram, (0.0, 255.0)) == pytest.approx(0.5)
    # Over [0, 2] 3.5 is clipped to 2; a step is 2 / 255, and 0.5 and 1.5 lie 1/4 of one from their steps.
    step = 2 / 255
    assert moved_earth(histogram, (0.0, 2.0)) == pytest.approx((4 * step / 4 + 4 * 1.5) / 8)


def test_divergence_by_hand() -> None:
    histogram = Histogram(np.array([2, 6, 1, 0, 1]), (0.0, 5.0))
    # A range that every bin has a step of its own in loses nothing.
    assert divergence(histogram, (0.0, 5.0)) == pytest.approx(0.0, abs=1e-4)
    # Clipped to the first three bins: (2, 6, 2) / 10 against (2, 6, 1) / 9.
    expected = 0.2 * np.log(0.2 / (2 / 9)) + 0.6 * np.log(0.6 / (6 / 9)) + 0.2 * np.log(0.2 / (1 / 9))
    assert divergence(histogram, (0.0, 2.6)) == pytest.approx(expected, abs=1e-4)
    # Steps of 64: all of the bins fall on step 0 and are told apart no more.
    flat = Histogram(np.array([3, 1]), (0.0, 2.0))
    mixed = 0.75 * np.log(0.75 / 0.5) + 0.25 * np.log(0.25 / 0.5)
    assert divergence(flat, (0.0, 64.0 * (STEPS - 1))) == pytest.approx(mixed, abs=1e-4)


def direct_divergence(values: np.ndarray, share: float) -> float:
    """Kullback-Leibler divergence after quantization, from the values themselves, a bin and a step at a time."""
    edges = np.linspace(min(values.min(), 0.0), max(values.max(), 0.0), 2049)
    low, high = edges[0] * share, edges[-1] * share
    used = [place for place in range(2048) if low <= (edges[place] + edges[place + 1]) / 2 <= high]
    if not used:
        return float("inf")
    counts = np.histogram(values, edges)[0]
    inside = {place: int(counts[place]) for place in used}
    clipped = dict(inside)
    clipped[used[0]] += int(counts[: used[0]].sum())
    clipped[used[-1]] += int(counts[used[-1] + 1 :].sum())
    if not any(inside.values()):
        return float("inf")
    scale = (high - low) / 255
    on_step: dict[float, list[int]] = {}
    for place in used:
        center = (edges[place] + edges[place + 1]) / 2
        step = min(max(np.rint(center / scale) + np.rint(-low / scale), 0), 255)
        on_step.setdefault(step, []).append(place)
    spread = {}
    for places in on_step.values():
        filled = [place for place in places if clipped[place]]
        for place in filled:
            spread[place] = sum(inside[other] for other in places) / len(filled)
    total, mass = sum(clipped.values()), sum(spread.values())
    found = 0.0
    for place, count in spread.items():
        p, q = clipped[place] / total, (1 - SMOOTHING) * count / mass + SMOOTHING / len(spread)
        found += p * np.log(p / q)
    return float(found)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_range_by_divergence_is_the_best_of_a_direct_search(seed: int) -> None:
    data = batches(seed)
    data[1][0, :3] = 30.0  # far enough out for the whole range not to be the best
    values = np.concatenate([batch.ravel() for batch in data]).astype(np.float64)
    costs = [direct_divergence(values, share) for share in CANDIDATES]
    best = CANDIDATES[int(np.argmin(costs))]
    assert best < 0.9 and np.ptp(costs) > 0.01
    assert chosen("KL", data) == pytest.approx((best * values.min(), best * values.max()))


def test_divergence_clips_what_lies_far_out() -> None:
    data = [batch.copy() for batch in batches()]
    data[1][0, :3] = 300.0
    low, high = chosen("KL", data)
    assert high < 100 and low > data[1].min()  # of 256 steps over the whole range all but a few would be empty


@settings(deadline=None)
@given(st.floats(-50, 0, width=32), st.floats(0.125, 50, width=32), st.integers(0, 2**32 - 1))
def test_quantization_is_that_of_onnx_runtime(low: float, high: float, seed: int) -> None:
    values = np.random.default_rng(seed).uniform(low * 1.2 - 0.1, high * 1.2, 40).astype(np.float32)
    scale = np.float32((high - low) / 255)
    zero = np.uint8(np.rint(-low / ((high - low) / 255)))
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    ]
    io = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [40]) for name in ("x", "y")]
    constants = [numpy_helper.from_array(np.array(scale), "scale"), numpy_helper.from_array(np.array(zero), "zero")]
    graph = helper.make_graph(nodes, "g", io[:1], io[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    theirs = session.run(None, {"x": values})[0]
    ours = quantized(values, (low, high))
    # A value half way between two steps may be rounded to either in float32.
    off = np.abs(ours - theirs)
    assert (off < 1e-4 * max(high, -low)).mean() > 0.9 and off.max() < scale * 1.001


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=9), min_size=1, max_size=4))
def test_every_range_holds_zero_and_is_no_wider_than_the_largest_value(data: list[list[float]]) -> None:
    arrays = [np.array(batch, dtype=np.float32) for batch in data]
    largest = max(np.abs(batch).max() for batch in arrays)
    for algorithm in ALGORITHMS:
        low, high = chosen(algorithm, arrays)
        assert -largest * 1.001 <= low <= 0 <= high <= largest * 1.001


def test_what_cannot_be_calibrated() -> None:
    with pytest.raises(ValueError, match="no batches"):
        extremes_of([])
    with pytest.raises(ValueError, match="not finite"):
        extremes_of([np.array([1.0, np.nan])])
    with pytest.raises(ConfigError, match="'entropy' is not known: use one of abs_max, min_max"):
        chosen("entropy", batches())
