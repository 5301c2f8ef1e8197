"""Post-training quantization: rounding that helps, ranges where they belong, graphs that ONNX Runtime runs."""

import itertools
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from tiny import make_tiny_model

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.compression.options import CompressionOptions
from ernie_toolkit.compression.quantization.activations import (
    activation_observer,
    activation_statistics,
    calibration_batches,
)
from ernie_toolkit.compression.quantization.calibration import extremes_of
from ernie_toolkit.compression.quantization.numeric import int8_scales, round_to_int8
from ernie_toolkit.compression.quantization.onnx import (
    convert_to_fp16,
    onnx_parameter_count,
    quantize_dynamic,
    quantize_static,
    weight_products,
)
from ernie_toolkit.compression.quantization.ptq import Plan, Quantizer, fewest_kept, make_plans
from ernie_toolkit.compression.quantization.rounding import (
    adaptive_rounding,
    input_moments,
    prepare_weights,
    rounded_weights,
)
from ernie_toolkit.data import DataSet, load_dataset
from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.engines.onnxruntime import model_session
from ernie_toolkit.models import Vocabulary
from ernie_toolkit.session import Session
from ernie_toolkit.tasks import SequenceClassification
from ernie_toolkit.text.dataset import EncodedDataset, run_rows
from ernie_toolkit.training.options import TrainingOptions


@pytest.fixture
def rows(bundle: Bundle, afqmc_sample: DataSet) -> EncodedDataset:
    """Training rows as the bundle's model reads them."""
    predictor = Predictor(bundle.directory)
    return predictor.task.encode(predictor.tokenizer, predictor.task.inputs(afqmc_sample.split("train")))


def logits(path: Path, rows: EncodedDataset, precision: str, batches: int = 1) -> np.ndarray:
    session = model_session(path, num_threads=1, precision=precision)
    return np.concatenate([session.run(None, batch)[0] for batch in calibration_batches(rows, 16, batches, 5)])


def error(path: Path, rows: EncodedDataset, exact: np.ndarray, precision: str = "int8") -> float:
    return float(np.linalg.norm(logits(path, rows, precision) - exact) / np.linalg.norm(exact))


def output_error(weight: np.ndarray, rounded: np.ndarray, gram: np.ndarray) -> float:
    """Mean squared error of a layer's outputs, summed over them; `gram`: mean of x xᵀ, (inputs, inputs)."""
    difference = (rounded - weight).astype(np.float64)
    return float((difference * (gram @ difference)).sum())


def options(**values: object) -> CompressionOptions:
    return CompressionOptions(strategy="ptq", num_threads=1, **{"engine_list": ("onnxruntime",), **values})  # type: ignore[arg-type]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0, None]))
def test_adaptive_rounding_is_never_worse_and_keeps_to_the_two_steps(seed: int, axis: int | None) -> None:
    generator = np.random.default_rng(seed)
    weight = generator.normal(size=(12, 7)).astype(np.float32)
    inputs = generator.normal(size=(40, 5)) @ generator.normal(size=(5, 12))
    gram = inputs.T @ inputs / len(inputs) + 0.1 * np.eye(12)
    plain, rounded = round_to_int8(weight, axis), adaptive_rounding(weight, gram, axis)
    assert output_error(weight, rounded, gram) <= output_error(weight, plain, gram) * (1 + 0.05) + 1e-9
    scales = int8_scales(weight, axis)
    assert (np.abs(rounded - weight) <= scales * 1.0001).all()
    # The quantizer finds the same steps again.
    assert np.array_equal(round_to_int8(rounded, axis), rounded)


def test_adaptive_rounding_finds_what_trying_all_finds() -> None:
    generator = np.random.default_rng(3)
    weight = generator.normal(size=(6, 1)).astype(np.float32)
    inputs = generator.normal(size=(50, 3)) @ generator.normal(size=(3, 6))
    gram = inputs.T @ inputs / 50
    scale = float(int8_scales(weight, 0)[0, 0])
    steps = [
        {np.floor(value / scale), np.ceil(value / scale)} if abs(value / scale) < 126.5 else {np.rint(value / scale)}
        for value in weight[:, 0]
    ]
    every = [np.array(choice, dtype=np.float32)[:, None] * scale for choice in itertools.product(*steps)]
    best = min(output_error(weight, choice, gram) for choice in every)
    plain = output_error(weight, round_to_int8(weight, 0), gram)
    found = output_error(weight, adaptive_rounding(weight, gram, 0), gram)
    # One weight after the other does not have to end at the very best; it comes most of the way.
    assert best <= found * 1.0001 and plain - found >= 0.8 * (plain - best)


def test_moments_and_statistics_are_those_of_the_activations(bundle: Bundle, rows: EncodedDataset) -> None:
    path = bundle.path("onnx")
    products = weight_products(onnx.load(str(path)))
    names = sorted({product.input for product in products})
    observe = activation_observer(path, names, rows.pad_id, 1)
    batches = calibration_batches(rows, 8, 3, 1)
    assert [len(batch["input_ids"]) for batch in batches] == [8, 8, 8]
    tokens = sum(int((batch["input_ids"] != rows.pad_id).sum()) for batch in batches)
    seen = [observe(batch) for batch in batches]
    statistics = activation_statistics(observe, batches)
    moments = input_moments(iter(seen))
    for name in names:
        values = np.concatenate([found[name] for found in seen])
        extremes, histogram = statistics[name]
        assert extremes.range == extremes_of([found[name] for found in seen]).range
        assert histogram.counts.sum() == values.size
        gram, mean = moments[name]
        assert gram == pytest.approx(values.T.astype(np.float64) @ values / len(values), abs=1e-4)
        assert mean == pytest.approx(values.mean(axis=0), abs=1e-4)
    assert {len(np.concatenate([found[name] for found in seen])) for name in names} == {tokens, 24}


def test_calibration_rows_are_shared_by_equal_numbers(rows: EncodedDataset) -> None:
    one, two = calibration_batches(rows, 16, 1, 9), calibration_batches(rows, 4, 4, 9)
    ids = [sorted(tuple(row[row != 0]) for batch in batches for row in batch["input_ids"]) for batches in (one, two)]
    assert ids[0] == ids[1] and len(ids[0]) == 16
    assert len(calibration_batches(rows, 64, 10, 9)) == 4  # 200 rows
    quantizer = Quantizer(Path("unused.onnx"), rows, options(), 9, Path("unused"))
    assert [quantizer.calibration_rows(Plan("static", "mse", 64, number)) for number in (2, 10)] == [128, 200]


@pytest.mark.parametrize("per_channel", [True, False])
def test_quantized_graphs_are_near_the_fp32_one(
    bundle: Bundle, rows: EncodedDataset, tmp_path: Path, per_channel: bool
) -> None:
    source = bundle.path("onnx")
    exact = logits(source, rows, "fp32")
    quantize_dynamic(source, tmp_path / "dynamic.onnx", per_channel)
    products = weight_products(onnx.load(str(source)))
    names = sorted({product.input for product in products})
    statistics = activation_statistics(
        activation_observer(source, names, rows.pad_id, 1), calibration_batches(rows, 16, 4, 0)
    )
    ranges = {name: extremes.range for name, (extremes, _) in statistics.items()}
    quantize_static(source, tmp_path / "static.onnx", ranges, per_channel)
    for name in ("dynamic", "static"):
        path = tmp_path / f"{name}.onnx"
        assert 0 < error(path, rows, exact) < 0.1, name
        scales = [item for item in onnx.load(str(path)).graph.initializer if item.name.endswith("_scale")]
        assert any(np.prod(item.dims) > 1 for item in scales) == per_channel
    kinds = {node.op_type for node in onnx.load(str(tmp_path / "static.onnx")).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds and "DynamicQuantizeLinear" not in kinds


def test_products_that_stay_fp32(bundle: Bundle, rows: EncodedDataset, tmp_path: Path) -> None:
    source = bundle.path("onnx")
    products = weight_products(onnx.load(str(source)))
    names = [product.node for product in products]
    quantize_dynamic(source, tmp_path / "all_but_one.onnx", exclude=names[:1])
    assert [product.node for product in weight_products(onnx.load(str(tmp_path / "all_but_one.onnx")))] == names[:1]
    exact = logits(source, rows, "fp32")
    quantize_dynamic(source, tmp_path / "dynamic.onnx", exclude=names)
    quantize_static(source, tmp_path / "static.onnx", {}, exclude=names)
    for form in ("dynamic", "static"):
        assert np.abs(logits(tmp_path / f"{form}.onnx", rows, "int8") - exact).max() < 1e-5
    with pytest.raises(ConfigError, match="`keep_fp32` nowhere: no matrix product of that name: use some of"):
        quantize_dynamic(source, tmp_path / "none.onnx", exclude=["nowhere"])
    with pytest.raises(ModelError, match="no range is known for the activation"):
        quantize_static(source, tmp_path / "none.onnx", {})
    quantize_dynamic(source, tmp_path / "all.onnx")
    with pytest.raises(ModelError, match="was it quantized before"):
        quantize_dynamic(tmp_path / "all.onnx", tmp_path / "none.onnx")
    assert not (tmp_path / "none.onnx").exists()


def test_plans_over_all_rows(bundle: Bundle, rows: EncodedDataset, tmp_path: Path) -> None:
    """Each algorithm is tried once, but for the one that looks at batches; the ranges are those of that many rows."""
    asked = options(
        method_list=("static",), algo_list=("mse", "avg", "min_max"), batch_size_list=(48, 7), batch_num_list=()
    )
    plans = make_plans(asked)
    assert [plan.name for plan in plans] == [
        "INT8 mse 48xall",
        "INT8 avg 48xall",
        "INT8 min_max 48xall",
        "INT8 avg 7xall",
    ]
    quantizer = Quantizer(bundle.path("onnx"), rows, asked, 5, tmp_path)
    assert {quantizer.calibration_rows(plan) for plan in plans} == {len(rows)}
    for algorithm, size in (("mse", 48), ("min_max", 48)):
        quantizer.write(Plan("static", algorithm, size, -1), tmp_path / "all.onnx")
        # 5 batches of 48 are more than there are rows; other batches of all rows have the same extremes.
        quantizer.write(Plan("static", algorithm, 48, 5), tmp_path / "named.onnx")
        assert (tmp_path / "all.onnx").read_bytes() == (tmp_path / "named.onnx").read_bytes()
    quantizer.write(Plan("static", "min_max", 7, -1), tmp_path / "other.onnx")
    exact = logits(tmp_path / "all.onnx", rows, "int8")
    assert np.abs(logits(tmp_path / "other.onnx", rows, "int8") - exact).max() < 1e-4
    some = make_plans(options(method_list=("static",), algo_list=("mse",), batch_num_list=(1, -1)))
    assert [plan.grid for plan in some] == ["4x1", "4xall", "8x1", "16x1"]


def test_every_plan_writes_a_model(bundle: Bundle, rows: EncodedDataset, tmp_path: Path) -> None:
    chosen = options(
        algo_list=("abs_max", "min_max", "avg", "hist", "mse", "KL", "emd"), batch_size_list=(4,), batch_num_list=(1, 2)
    )
    plans = make_plans(chosen)
    assert len(plans) == 15 and plans[0] == Plan("dynamic") and plans[-1] == Plan("static", "emd", 4, 2)
    exact = logits(bundle.path("onnx"), rows, "fp32")
    quantizer = Quantizer(bundle.path("onnx"), rows, chosen, 1, tmp_path)
    found = {}
    for plan in plans:
        quantizer.write(plan, tmp_path / "int8.onnx")
        found[plan.name] = error(tmp_path / "int8.onnx", rows, exact)
    assert max(found.values()) < 0.5, found
    assert len(set(found.values())) > 8
    assert found["INT8 min_max 4x2"] < 0.15


@pytest.mark.parametrize("settings", [{"round_type": "adaround"}, {"bias_correction": True}])
def test_prepared_weights_lose_less(
    bundle: Bundle, rows: EncodedDataset, afqmc_sample: DataSet, tmp_path: Path, settings: dict[str, object]
) -> None:
    """Per tensor, where rounding costs most: the outputs of layers, and the answers to other rows, lose less."""
    source = bundle.path("onnx")
    products = weight_products(onnx.load(str(source)))
    names = sorted({product.input for product in products})
    observe = activation_observer(source, names, rows.pad_id, 1)
    batches = calibration_batches(rows, 16, 8, 1)
    chosen = options(weight_quantize_type="abs_max", **settings)
    path = Quantizer(source, rows, chosen, 1, tmp_path).prepared()
    before = {item.name: numpy_helper.to_array(item) for item in onnx.load(str(source)).graph.initializer}
    after = {item.name: numpy_helper.to_array(item) for item in onnx.load(str(path)).graph.initializer}
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    weights = {product.weight for product in products}
    assert changed and (changed <= weights if "round_type" in settings else not changed & weights)
    moments = input_moments(observe(batch) for batch in batches)
    if "round_type" in settings:
        for product in products:
            gram, _ = moments[product.input]
            weight = before[product.weight]
            plain = output_error(weight, round_to_int8(weight, None), gram)
            assert output_error(weight, after[product.weight], gram) < plain
    predictor = Predictor(bundle.directory)
    dev = predictor.task.encode(predictor.tokenizer, predictor.task.inputs(afqmc_sample.split("dev")))
    exact = logits(source, dev, "fp32", 7)
    assert len(exact) == len(dev)
    quantize_dynamic(source, tmp_path / "plain.onnx", per_channel=False)
    quantize_dynamic(path, tmp_path / "prepared.onnx", per_channel=False)
    lost = {
        name: np.linalg.norm(logits(tmp_path / f"{name}.onnx", dev, "int8", 7) - exact)
        for name in ("plain", "prepared")
    }
    assert lost["prepared"] < 0.9 * lost["plain"]


@pytest.mark.parametrize("plan", [Plan("dynamic"), Plan("static", "mse", 8, 2)], ids=["dynamic", "static"])
def test_what_stays_fp32_is_not_prepared_for_int8(
    bundle: Bundle, rows: EncodedDataset, tmp_path: Path, plan: Plan
) -> None:
    source = bundle.path("onnx")
    names = [product.node for product in weight_products(onnx.load(str(source)))]
    chosen = options(weight_quantize_type="abs_max", round_type="adaround", bias_correction=True)
    quantizer = Quantizer(source, rows, chosen, 1, tmp_path)
    exact = logits(source, rows, "fp32")
    quantizer.write(plan, tmp_path / "int8.onnx")
    assert error(tmp_path / "int8.onnx", rows, exact) > 1e-3
    quantizer.write(plan, tmp_path / "int8.onnx", names)
    assert np.abs(logits(tmp_path / "int8.onnx", rows, "int8") - exact).max() < 1e-5
    # One product alone: its own weight and bias stay, all others are changed as they were before.
    before, all_changed = constants(source), constants(quantizer.prepared())
    some_changed = constants(quantizer.prepared(names[:1]))
    own = {name for name in before if not np.array_equal(some_changed[name], all_changed[name])}
    assert len(own) == 2 and all(np.array_equal(some_changed[name], before[name]) for name in own)
    assert next(product.weight for product in weight_products(onnx.load(str(source)))) in own
    with pytest.raises(ConfigError, match="`keep_fp32` nowhere: no matrix product of that name"):
        quantizer.prepared(["nowhere"])


def constants(path: Path) -> dict[str, np.ndarray]:
    return {item.name: numpy_helper.to_array(item) for item in onnx.load(str(path)).graph.initializer}


def test_bias_correction_takes_back_the_mean_error(bundle: Bundle, rows: EncodedDataset, tmp_path: Path) -> None:
    source = bundle.path("onnx")
    model = onnx.load(str(source))
    product = weight_products(model)[0]
    constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    width = constants[product.weight].shape[0]
    mean = np.linspace(-1, 1, width)
    moments = {
        item.input: (np.eye(constants[item.weight].shape[0]), np.zeros(constants[item.weight].shape[0]))
        for item in weight_products(model)
    }
    moments[product.input] = (np.eye(width), mean)
    rounded = rounded_weights(source, moments, per_channel=True, adaptive=False)
    prepare_weights(source, tmp_path / "corrected.onnx", rounded, False, True)
    after = {
        item.name: numpy_helper.to_array(item) for item in onnx.load(str(tmp_path / "corrected.onnx")).graph.initializer
    }
    output = next(node.output[0] for node in model.graph.node if node.name == product.node)
    add = next(node for node in model.graph.node if node.op_type == "Add" and output in node.input)
    bias = next(name for name in add.input if name in constants)
    weight = constants[product.weight]
    exact = mean @ weight + constants[bias]
    assert mean @ round_to_int8(weight, 0) + after[bias] == pytest.approx(exact, abs=1e-5)


def test_sensitive_products_come_first(bundle: Bundle, rows: EncodedDataset, tmp_path: Path) -> None:
    """A product whose weight has one huge value is hurt most by having one scale for all."""
    model = onnx.load(str(bundle.path("onnx")))
    product = weight_products(model)[3]
    for item in model.graph.initializer:
        if item.name == product.weight:
            weight = numpy_helper.to_array(item).copy()
            weight[0, 0] = 200 * np.abs(weight).max()
            item.CopyFrom(numpy_helper.from_array(weight, item.name))
    source = tmp_path / "odd.onnx"
    onnx.save(model, str(source))
    quantizer = Quantizer(source, rows, options(weight_quantize_type="abs_max"), 1, tmp_path)
    names = quantizer.by_sensitivity(Plan("dynamic"))
    assert names[0] == product.node and len(names) == len(weight_products(model))


def test_products_are_ranked_by_the_plan_that_they_are_quantized_with(
    bundle: Bundle, rows: EncodedDataset, tmp_path: Path
) -> None:
    """Ranges that were seen on a single row clip more in some products than in others; dynamic ones never clip."""
    source, plan = bundle.path("onnx"), Plan("static", "avg", 1, 1)
    quantizer = Quantizer(source, rows, options(), 1, tmp_path)
    names = [product.node for product in weight_products(onnx.load(str(source)))]
    batches = calibration_batches(rows, 16, 2, 1)

    def answers(path: Path, precision: str) -> np.ndarray:
        session = model_session(path, num_threads=1, precision=precision)
        return np.concatenate([session.run(None, batch)[0] for batch in batches])

    exact, costs = answers(source, "fp32"), {}
    for name in names:
        quantizer.write(plan, tmp_path / "one.onnx", [other for other in names if other != name])
        costs[name] = float(np.linalg.norm(answers(tmp_path / "one.onnx", "int8") - exact))
    ranked = quantizer.by_sensitivity(plan)
    assert ranked == sorted(names, key=lambda name: -costs[name])
    assert ranked != quantizer.by_sensitivity(Plan("dynamic"))


def test_fewest_kept() -> None:
    names = list("abcdefgh")
    for needed in range(9):
        asked: list[int] = []

        def drop(kept: object, needed: int = needed, asked: list[int] = asked) -> float:
            asked.append(len(kept))  # type: ignore[arg-type]
            return 0.2 if len(kept) >= needed else 3.0  # type: ignore[arg-type]

        assert fewest_kept(names, drop, 0.5) == tuple(names[:needed])
        assert len(asked) <= 4


def test_fp16_is_near_and_half_the_size(bundle: Bundle, rows: EncodedDataset, tmp_path: Path) -> None:
    source = bundle.path("onnx")
    exact = logits(source, rows, "fp32")
    convert_to_fp16(source, tmp_path / "half.onnx")
    assert 0 < error(tmp_path / "half.onnx", rows, exact, "fp16") < 0.01
    assert (tmp_path / "half.onnx").stat().st_size < 0.6 * source.stat().st_size
    session = model_session(tmp_path / "half.onnx", num_threads=1, precision="fp16")
    assert session.get_outputs()[0].type == "tensor(float)"


def test_parameters_of_a_graph_are_those_of_the_model(bundle: Bundle, model_dir: Path) -> None:
    from ernie_toolkit.models import load_model
    from ernie_toolkit.models.slices import parameter_count

    assert onnx_parameter_count(bundle.path("onnx")) == parameter_count(load_model(str(model_dir)).model)


def test_a_trained_model_loses_little(vocabulary: Vocabulary, tmp_path: Path) -> None:
    data = load_dataset("tnews", data_source="sample", limits={"train": 600, "dev": 200})
    task = SequenceClassification(data.spec.labels, 32, None, data.spec.text_format)
    quiet = {"initializer_range": 0.1, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    session = Session(make_tiny_model(vocabulary, data.spec.labels, **quiet), data, task)
    training = TrainingOptions(
        learning_rate=3e-3, max_steps=120, save_steps=120, max_seq_length=32, disable_tqdm=True, report_to="none"
    )
    trained = session.train(training, tmp_path / "run").metrics["accuracy"]
    source = session.export(tmp_path / "export", 20, {}, trained=True).path("onnx")
    train_rows, dev = session.encoded(data.split("train")), data.split("dev")
    dev_rows = session.encoded(dev)
    assert trained > 0.5
    quantizer = Quantizer(source, train_rows, options(), 1, tmp_path)
    for plan in (Plan("dynamic"), Plan("static", "mse", 16, 4), Plan("static", "min_max", 16, 4)):
        quantizer.write(plan, tmp_path / "int8.onnx")
        runtime = model_session(tmp_path / "int8.onnx", num_threads=1, precision="int8")
        logits_ = run_rows(dev_rows, 32, lambda batch, runtime=runtime: runtime.run(None, batch))
        assert abs(task.score(dev_rows, logits_, dev)["accuracy"] - trained) <= 0.04, plan.name
