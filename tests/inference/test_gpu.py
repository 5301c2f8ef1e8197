"""What infer_gpu.py does short of the device: providers, shape profiles, FP16 graphs, bound inputs and outputs."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import PAIRS

from ernie_toolkit.bundle import Bundle, add_compressed, read_bundle
from ernie_toolkit.compression.quantization.onnx import quantize_dynamic
from ernie_toolkit.data import DataSet
from ernie_toolkit.errors import BundleError, ConfigError, DeviceError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.engines.gpu import (
    CPU,
    CUDA,
    TENSORRT,
    BoundRun,
    GpuOptions,
    ShapeProfile,
    check_providers,
    check_quantized,
    gpu_providers,
    measured_profile,
    read_profile,
    warm_up,
    whole_profile,
)
from ernie_toolkit.inference.engines.onnxruntime import model_session
from ernie_toolkit.text.batching import batches_by_length
from ernie_toolkit.text.features import TextInput, texts_of

INPUTS = ("input_ids", "token_type_ids")
PROFILE = ShapeProfile((1, 4), (8, 16), (32, 48))


@pytest.fixture(scope="module")
def texts(afqmc_sample: DataSet) -> list[TextInput]:
    return [texts_of(example, "pair") for example in afqmc_sample.split("dev")]


def test_providers_come_in_order_with_their_options() -> None:
    names = [name for name, _ in gpu_providers(GpuOptions(device_id=1), "fp32", INPUTS)]
    assert names == [CUDA, CPU]
    providers = gpu_providers(GpuOptions(1, True, PROFILE, Path("cache")), "fp16", INPUTS)
    assert [name for name, _ in providers] == [TENSORRT, CUDA, CPU]
    settings = providers[0][1]
    assert settings["device_id"] == 1 and settings["trt_fp16_enable"] and not settings["trt_int8_enable"]
    assert settings["trt_profile_min_shapes"] == "input_ids:1x4,token_type_ids:1x4"
    assert settings["trt_profile_opt_shapes"] == "input_ids:8x16,token_type_ids:8x16"
    assert settings["trt_profile_max_shapes"] == "input_ids:32x48,token_type_ids:32x48"
    assert settings["trt_engine_cache_path"] == "cache"
    assert gpu_providers(GpuOptions(use_trt=True), "int8", INPUTS)[0][1]["trt_int8_enable"]


def test_a_provider_that_did_not_start_is_an_error() -> None:
    providers = gpu_providers(GpuOptions(use_trt=True), "fp32", INPUTS)
    check_providers(providers, [TENSORRT, CUDA, CPU], "those started")
    with pytest.raises(DeviceError, match=r"TensorRT was asked for and is not among those started \(CUDA"):
        check_providers(providers, [CUDA, CPU], "those started")
    with pytest.raises(DeviceError, match="CUDA is not among those started"):
        check_providers(gpu_providers(GpuOptions(), "fp32", INPUTS), [CPU], "those started")


@given(st.lists(st.integers(1, 128), min_size=1, max_size=80), st.integers(1, 33))
def test_a_measured_profile_admits_every_batch_of_its_rows(lengths: list[int], batch_size: int) -> None:
    profile = measured_profile(lengths, batch_size)
    for rows in batches_by_length(lengths, batch_size):
        assert profile.admits((len(rows), max(lengths[row] for row in rows)))
    assert not profile.admits((batch_size + 1, 1)) and not profile.admits((1, max(lengths) + 1))
    assert whole_profile(128, batch_size).admits((batch_size, 128)) and whole_profile(1, 1).admits((1, 1))


def test_a_profile_is_written_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "shape_info.txt"
    PROFILE.write(path)
    assert path.read_text(encoding="utf-8") == "min 1 4\nopt 8 16\nmax 32 48\n"
    assert read_profile(path) == PROFILE
    for content in ("min 1 4\nopt 8 16\n", "min 1 x\nopt 8 16\nmax 32 48\n", "min 9 9\nopt 8 16\nmax 32 48\n", ""):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ConfigError):
            read_profile(path)
    with pytest.raises(ConfigError, match="write one with `measured_profile`"):
        read_profile(tmp_path / "missing.txt")


def test_bound_runs_give_what_plain_runs_give(bundle: Bundle, texts: list[TextInput]) -> None:
    predictor = Predictor(bundle.directory, num_threads=1)
    expected = predictor.logits(texts)
    session = model_session(bundle.path("onnx"), num_threads=1)
    bound = BoundRun(session, bundle.info.outputs, "cpu", GpuOptions())
    warm_up(bound, [(1, 5), (4, 48)])
    predictor.runtime = bound
    assert np.array_equal(predictor.logits(texts), expected)
    predictor.runtime = BoundRun(session, bundle.info.outputs, "cpu", GpuOptions(use_trt=True, profile=PROFILE))
    with pytest.raises(ConfigError, match=r"a batch of 33 x \d+ tokens is outside of the shape profile"):
        predictor.predict(texts, 33)


def test_an_fp16_graph_answers_as_the_fp32_one(bundle: Bundle, texts: list[TextInput]) -> None:
    exact = Predictor(bundle.directory, num_threads=1).logits(texts)
    half = Predictor(bundle.directory, num_threads=1, precision="fp16")
    difference = np.abs(half.logits(texts) - exact).max() / np.abs(exact).max()
    assert 1e-6 < difference < 5e-3
    assert (half.logits(texts).argmax(axis=1) == exact.argmax(axis=1)).mean() > 0.98


def test_a_gpu_takes_no_dynamic_int8(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "dynamic.onnx"
    quantize_dynamic(bundle.path("onnx"), path, True)
    with pytest.raises(BundleError, match="--method_list static"):
        check_quantized(path, path.read_bytes())
    check_quantized(bundle.path("onnx"), bundle.path("onnx").read_bytes())


def test_infer_gpu_says_in_one_line_what_is_missing(root: Path, bundle: Bundle, tmp_path: Path) -> None:
    run = partial(subprocess.run, capture_output=True, text=True, check=False, cwd=tmp_path)
    command = [sys.executable, str(root / "deploy/predictor/infer_gpu.py"), "--model_path", str(bundle.directory)]
    for arguments, message in (
        ([], "CUDA is not among"),
        (["--use_trt", "--set_dynamic_shape"], "TensorRT was asked for"),
        (["--precision_mode", "int8"], "no file with the role 'onnx_int8'"),
        (["--batch_size", "0"], "--batch_size is 0"),
    ):
        result = run([*command, *arguments])
        assert result.returncode == 2, result.stderr
        assert message in result.stderr and len(result.stderr.splitlines()) == 1
    assert read_profile(tmp_path / "shape_info.txt").largest[0] == 2  # measured before the device was asked for


def test_a_dynamic_int8_model_in_the_bundle_is_named(bundle: Bundle, tmp_path: Path) -> None:
    import shutil

    copy = read_bundle(shutil.copytree(bundle.directory, tmp_path / "copy"))
    path = tmp_path / "dynamic.onnx"
    quantize_dynamic(copy.path("onnx"), path, True)
    add_compressed(copy, {"onnx_int8": path}, {})
    with pytest.raises(BundleError, match=r"model_int8\.onnx: quantized dynamically"):
        Predictor(copy.directory, "gpu", precision="int8")


@pytest.fixture(scope="module")
def static_bundle(tmp_path_factory: pytest.TempPathFactory, model_dir: Path, afqmc_sample: DataSet) -> Bundle:
    """A bundle with an INT8 model of fixed ranges, as `compress_*.py --strategy ptq --method_list static` makes it."""
    from ernie_toolkit.compression import CompressionOptions, compress

    options = CompressionOptions(
        method_list=("static",), algo_list=("mse",), batch_size_list=(4,), num_threads=1, engine_list=("onnxruntime",)
    )
    directory = tmp_path_factory.mktemp("static")
    report = compress(
        model_dir, None, afqmc_sample, afqmc_sample, PAIRS, "ptq", directory, options, say=lambda line: None
    )
    [item] = [item for item in report.candidates if item.kept]
    return read_bundle((directory / item.file).parent, verify=True)


def test_a_gpu_takes_int8_with_fixed_ranges(static_bundle: Bundle, texts: list[TextInput]) -> None:
    import onnx
    import onnxruntime

    path = static_bundle.path("onnx_int8")
    operators = {node.op_type for node in onnx.load(str(path)).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= operators
    check_quantized(path, path.read_bytes())
    if CUDA not in onnxruntime.get_available_providers():
        with pytest.raises(DeviceError, match="CUDA is not among"):  # the model was not what was wrong
            Predictor(static_bundle.directory, "gpu", precision="int8")
    exact = Predictor(static_bundle.directory, num_threads=1, precision="fp32", engine="onnxruntime").logits(texts)
    quantized = Predictor(static_bundle.directory, num_threads=1, precision="int8", engine="onnxruntime")
    difference = np.linalg.norm(quantized.logits(texts) - exact) / np.linalg.norm(exact)
    assert 1e-5 < difference < 0.1
    assert (quantized.logits(texts).argmax(axis=1) == exact.argmax(axis=1)).mean() > 0.9
    expected = quantized.logits(texts)
    session = model_session(path, num_threads=1, precision="int8")
    quantized.runtime = BoundRun(session, static_bundle.info.outputs, "cpu", GpuOptions())
    assert np.array_equal(quantized.logits(texts), expected)
