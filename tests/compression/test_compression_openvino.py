"""Models made for OpenVINO: every kind evaluated and kept, what is recommended, and how the rest goes with it."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import openvino
import pytest
from compression_runs import Halt, check_bundles, make_teacher, run
from tiny import PAIRS

from ernie_toolkit.bundle import Bundle, read_bundle
from ernie_toolkit.bundle.info import WORKLOADS
from ernie_toolkit.compression import CompressionOptions
from ernie_toolkit.compression.options import check_compression_options, installed_engines
from ernie_toolkit.compression.quantization.embeddings import quantize_embeddings
from ernie_toolkit.compression.quantization.openvino import OpenVinoPlan, calibration_rows, quantize_for_openvino
from ernie_toolkit.compression.report.metrics import best_of
from ernie_toolkit.compression.report.model import Candidate, Report, read_report
from ernie_toolkit.compression.report.recommendation import (
    fastest_within,
    recommendation_line,
    recommendations,
    recommended,
)
from ernie_toolkit.data import DataSet
from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.engines.base import NO_CACHE, EngineOptions
from ernie_toolkit.inference.engines.openvino import OpenVino
from ernie_toolkit.inference.processor import BF16_FEATURES, processor_features
from ernie_toolkit.models import Vocabulary
from ernie_toolkit.text.dataset import EncodedDataset, run_rows
from ernie_toolkit.text.features import Features

BOTH = ("onnxruntime", "openvino")
FLOATING = ["OpenVINO FP32", *(["OpenVINO BF16"] if set(BF16_FEATURES) & set(processor_features()) else [])]


@pytest.fixture(scope="module")
def rows() -> EncodedDataset:
    """Rows of all lengths up to that of the bundle's model."""
    random = np.random.default_rng(0)
    lengths = random.integers(4, PAIRS.max_seq_length, 40)
    return EncodedDataset(
        [Features(random.integers(5, 300, length).tolist(), [0] * int(length)) for length in lengths], 0
    )


def logits(path: Path, rows: EncodedDataset, precision: str = "int8") -> np.ndarray:
    """What a file answers in OpenVINO."""
    return np.asarray(run_rows(rows, 8, OpenVino(path, precision, EngineOptions(1, cache=NO_CACHE))))


def test_calibration_rows_are_of_all_lengths(rows: EncodedDataset) -> None:
    lengths = [batch["input_ids"].shape for batch in calibration_rows(rows, 7)]
    assert all(shape[0] == 1 for shape in lengths)
    found = [tokens for _, tokens in lengths]
    assert found == sorted(found) and (found[0], found[-1]) == (min(rows.lengths()), max(rows.lengths()))
    assert len(calibration_rows(rows, 1000)) == len(rows)


@pytest.mark.parametrize("smooth_quant", [True, False])
def test_products_compute_in_int8_and_answers_stay(
    bundle: Bundle, rows: EncodedDataset, tmp_path: Path, smooth_quant: bool
) -> None:
    plan, target = OpenVinoPlan(smooth_quant), tmp_path / "model.xml"
    quantize_for_openvino(bundle.path("onnx"), target, plan, calibration_rows(rows, 20))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.bin", "model.xml"]
    quantizers = [
        node for node in openvino.Core().read_model(str(target)).get_ops() if "Quantize" in node.get_type_name()
    ]
    assert len(quantizers) > 10
    exact, got = logits(bundle.path("onnx"), rows, "fp32"), logits(target, rows)
    assert not np.array_equal(exact, got)
    assert np.linalg.norm(exact - got) < 0.3 * np.linalg.norm(exact)


def test_int8_tables_stay_int8(bundle: Bundle, rows: EncodedDataset, tmp_path: Path) -> None:
    tables, target = tmp_path / "tables.onnx", tmp_path / "model.xml"
    quantize_embeddings(bundle.path("onnx"), tables, positions=PAIRS.max_seq_length)
    quantize_for_openvino(tables, target, OpenVinoPlan(), calibration_rows(rows, 20))
    large = [
        node
        for node in openvino.Core().read_model(str(target)).get_ops()
        if node.get_type_name() == "Constant" and np.prod(node.get_output_shape(0)) > 50_000
    ]
    assert large and {node.get_element_type().get_type_name() for node in large} == {"i8"}
    exact, got = logits(bundle.path("onnx"), rows, "fp32"), logits(target, rows)
    assert np.linalg.norm(exact - got) < 0.3 * np.linalg.norm(exact)


def test_a_file_that_is_no_model(rows: EncodedDataset, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"bad\.onnx: NNCF cannot quantize the model"):
        quantize_for_openvino(tmp_path / "bad.onnx", tmp_path / "m.xml", OpenVinoPlan(), calibration_rows(rows, 4))
    assert [path.name for path in tmp_path.iterdir()] == ["bad.onnx"]


def test_both_engines_in_one_report(vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path) -> None:
    said: list[str] = []
    settings = {"engine_list": BOTH, "method_list": ("dynamic",), "smooth_quant_list": ("on", "off"), "said": said}
    report = run(make_teacher(vocabulary), afqmc_sample, tmp_path, "ptq+embeddings", **settings)
    names = [item.name for item in report.candidates]
    int8 = ["OpenVINO INT8", "OpenVINO INT8 plain"]
    assert names[: len(FLOATING)] == FLOATING and set(int8) < set(names)
    assert names[-1] in [f"{name} + embeddings" for name in int8]
    kept = {item.name for item in report.candidates if item.kept}
    assert kept == {*FLOATING, "INT8 dynamic + embeddings", names[-1]}
    check_bundles(report, afqmc_sample, tmp_path)
    for item in report.candidates:
        assert item.engine == ("openvino" if "OpenVINO" in item.name else "onnxruntime")
        assert item.equal_answers is not None and 0.7 <= item.equal_answers <= 1
    found = next(item for item in report.candidates if item.name == "OpenVINO FP32")
    assert found.equal_answers == 1 and found.metrics == pytest.approx(report.baseline.metrics, abs=1e-5)
    assert read_report(tmp_path / "compress_report.json") == report
    page = (tmp_path / "compress_report.md").read_text(encoding="utf-8")
    raw = json.loads((tmp_path / "compress_report.json").read_text(encoding="utf-8"))
    chosen = recommended(report)
    assert raw["recommended"] == {workload: item.name for workload, item in chosen.items()}
    assert list(chosen) == ["throughput", "latency"]
    assert f"**Recommended**: for texts in batches {chosen['throughput'].name} (" in page
    assert f", for single requests {chosen['latency'].name} (" in page
    info = read_bundle(tmp_path / "width_mult_1" / "export").info
    for workload in WORKLOADS:
        taken = Predictor(tmp_path / "width_mult_1" / "export", workload=workload).choice
        first = next(item for item in info.recommended if item.workload == workload)
        assert (taken.engine, taken.precision) == (first.engine, first.precision)
    assert {(item.engine, item.precision) for item in info.recommended} <= {
        *((item.engine, item.precision) for item in report.candidates),
        ("onnxruntime", "fp32"),
    }


def test_openvino_alone(vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path) -> None:
    report = run(make_teacher(vocabulary), afqmc_sample, tmp_path, "ptq", engine_list=("openvino",))
    assert [item.name for item in report.candidates] == [*FLOATING, "OpenVINO INT8"]
    assert "onnx_int8" not in read_bundle(tmp_path / "width_mult_1" / "export").info.files


def test_a_run_that_was_cut_off_resumes(vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path) -> None:
    teacher = make_teacher(vocabulary)
    settings = {"engine_list": ("openvino",), "smooth_quant_list": ("on", "off")}
    with pytest.raises(Halt):
        run(teacher, afqmc_sample, tmp_path, "ptq", halt="OpenVINO INT8:", **settings)
    said: list[str] = []
    report = run(teacher, afqmc_sample, tmp_path, "ptq", resume=True, said=said, **settings)
    assert not any(line.startswith("OpenVINO INT8:") for line in said)
    assert any(line.startswith("OpenVINO INT8 plain:") for line in said)
    assert sum(item.kept for item in report.candidates) == len(FLOATING) + 1 and not (tmp_path / "unfinished").exists()
    check_bundles(report, afqmc_sample, tmp_path)


def test_adaround_keeps_the_steps(vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path) -> None:
    said: list[str] = []
    settings = {"engine_list": ("openvino",), "round_type": "adaround", "said": said}
    report = run(make_teacher(vocabulary), afqmc_sample, tmp_path, "ptq", **settings)
    assert report.candidates[-1].name == "OpenVINO INT8 plain"
    assert report.candidates[-1].settings["round_type"] == "adaround"
    assert any("would undo what adaround has rounded" in line for line in said)


def test_products_stay_in_floating_point_where_too_much_is_lost(
    vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the first INT8 model loses, the one that is kept loses no more than is allowed."""
    from ernie_toolkit.compression.evaluator import Evaluator

    # The first INT8 model counts as too bad, as a weak one would be.
    drop = Evaluator.drop
    monkeypatch.setattr(Evaluator, "drop", lambda self, metrics: drop(self, metrics) + 1)
    settings = {"engine_list": ("openvino",), "keep_fp32": ("auto",), "max_drop": 0.5}
    report = run(make_teacher(vocabulary), afqmc_sample, tmp_path, "ptq", **settings)
    last = report.candidates[-1]
    assert last.kept and last.name == f"OpenVINO INT8, {last.settings['products_in_fp32']} FP32"
    assert report.baseline.metrics["accuracy"] - last.metrics["accuracy"] <= 0.005 + 1e-9


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed_engines() == BOTH
    with pytest.raises(ConfigError, match="`engine_list`: give each engine once"):
        check_compression_options(CompressionOptions(engine_list=("openvino", "openvino")))
    with pytest.raises(ConfigError, match="`engine_list` 'torch' is not known"):
        check_compression_options(CompressionOptions(engine_list=("torch",)))
    monkeypatch.setattr("ernie_toolkit.compression.options.find_spec", lambda name: None)
    assert installed_engines() == ("onnxruntime",) == CompressionOptions().engines
    with pytest.raises(ConfigError, match="`engine_list` has openvino, which takes pip install openvino nncf"):
        check_compression_options(CompressionOptions(engine_list=BOTH))


def made(name: str, metric: float, rate: float | None, **values: object) -> Candidate:
    """A candidate of a report."""
    plain = Candidate(name, "1", "int8", "", {}, False, 9, 9, 9, {"accuracy": metric}, 1.0, rate, None, True, name)
    return dataclasses.replace(plain, **values)  # type: ignore[arg-type]


def test_of_equal_metrics_the_one_whose_answers_stayed_is_kept() -> None:
    full = made("full", 0.80, 10.0, precision="fp32")
    smooth, plain = (
        made("smooth", 0.80, 10.0, equal_answers=0.964, size=20),
        made("plain", 0.80, 10.0, equal_answers=0.935, size=10),
    )
    close = made("close", 0.80, 10.0, equal_answers=0.956, size=15)
    report = Report(*("afqmc", "seq_cls", "accuracy", "m", "ptq", "sample", (), 9, 1, 0, {}, {}), full, (), 9)
    assert best_of(report, [smooth, plain]) is smooth
    assert best_of(report, [smooth, close, plain]) is close  # as many answers but for a point, and a smaller file


@pytest.mark.parametrize(
    ("max_drop", "expected"),
    [
        (0.0, {"throughput": ["e", "full"], "latency": ["b", "full"]}),
        (0.5, {"throughput": ["e", "a", "full"], "latency": ["a", "b", "full"]}),
        (99, {"throughput": ["c", "e", "full"], "latency": ["a", "b", "full"]}),
    ],
)
def test_the_fastest_within_the_loss_is_recommended(max_drop: float, expected: dict[str, list[str]]) -> None:
    full = made("full", 0.80, 10.0, precision="fp32")
    items = [
        full,
        made("a", 0.795, 40.0, latency_ms=0.5),
        made("b", 0.80, 30.0, engine="openvino", latency_ms=0.9),
        made("c", 0.70, 90.0),
        made("d", 0.80, None, precision="fp16", latency_ms=None),
        made("e", 0.80, 50.0, engine="openvino", latency_ms=9.0),  # fast in batches alone
    ]
    report = Report(
        *("afqmc", "seq_cls", "accuracy", "m", "ptq", "sample", (), 9, 1, 0, {"max_drop": max_drop}, {}),
        full,
        tuple(items[1:]),
        9,
    )
    for workload, names in expected.items():
        assert [item.name for item in fastest_within(report, items, max_drop, workload)] == names
    assert {workload: item.name for workload, item in recommended(report).items()} == {
        workload: names[0] for workload, names in expected.items()
    }
    line = recommendation_line(report)
    assert line.startswith(f"for texts in batches {expected['throughput'][0]} (")
    assert f"for single requests {expected['latency'][0]} (" in line
    assert [(item.workload, item.engine) for item in recommendations(report, items, max_drop)] == [
        (workload, next(item.engine for item in items if item.name == name))
        for workload, names in expected.items()
        for name in names
    ]
