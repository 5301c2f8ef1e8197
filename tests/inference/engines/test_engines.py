"""Every engine answers every task as ONNX Runtime does in FP32."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.errors import BundleError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.engines.base import ENGINES, PRECISIONS
from ernie_toolkit.inference.engines.selection import engine_class
from ernie_toolkit.inference.processor import BF16_FEATURES, processor_features
from ernie_toolkit.text.features import TextInput

TASKS = ("seq_cls", "token_cls", "qa", "multi_label", "multiple_choice")
OTHERS = tuple(name for name in ENGINES if name != "onnxruntime")
needs_bf16 = pytest.mark.skipif(
    not set(BF16_FEATURES) & set(processor_features()), reason=f"needs a processor with {' or '.join(BF16_FEATURES)}"
)


def flat(outputs: Sequence[np.ndarray]) -> np.ndarray:
    """All logits of all rows, one after another."""
    return np.concatenate([np.ravel(item) for item in outputs])


@pytest.fixture(scope="module")
def reference(engine_bundles: dict[str, Bundle]) -> dict[str, Predictor]:
    return {
        task: Predictor(bundle, num_threads=1, precision="fp32", engine="onnxruntime")
        for task, bundle in engine_bundles.items()
    }


def test_every_task_has_many_answers(reference: dict[str, Predictor], asked: dict[str, list[TextInput]]) -> None:
    assert set(reference) == set(asked) == set(TASKS)
    for task, predictor in reference.items():
        assert len({str(answer.fields()) for answer in predictor.predict(asked[task])}) > 1, task


@pytest.mark.parametrize("num_threads", [1, 2])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("engine", OTHERS)
def test_fp32_answers_are_the_same(
    engine_bundles: dict[str, Bundle],
    reference: dict[str, Predictor],
    asked: dict[str, list[TextInput]],
    engine: str,
    task: str,
    num_threads: int,
) -> None:
    predictor = Predictor(engine_bundles[task], num_threads=num_threads, precision="fp32", engine=engine)
    assert (predictor.choice.engine, predictor.choice.precision) == (engine, "fp32")
    expected = reference[task].logits(asked[task])
    for batch_size in (1, 2, 32):
        found = predictor.logits(asked[task], batch_size)
        assert np.abs(flat(found) - flat(expected)).max() < 1e-4
    for one, other in zip(predictor.predict(asked[task]), reference[task].predict(asked[task]), strict=True):
        assert one.fields().keys() == other.fields().keys()
        for name in ("label", "labels", "answer", "start", "end", "tags", "choice"):
            assert one.fields().get(name) == other.fields().get(name)


@needs_bf16
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("engine", OTHERS)
def test_bf16_is_near_and_other(
    engine_bundles: dict[str, Bundle],
    reference: dict[str, Predictor],
    asked: dict[str, list[TextInput]],
    engine: str,
    task: str,
) -> None:
    found = Predictor(engine_bundles[task], num_threads=1, precision="bf16", engine=engine).logits(asked[task])
    exact = flat(reference[task].logits(asked[task]))
    assert 1e-5 < np.linalg.norm(flat(found) - exact) / np.linalg.norm(exact) < 0.05


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_int8_is_near_and_other(
    engine_bundles: dict[str, Bundle],
    reference: dict[str, Predictor],
    asked: dict[str, list[TextInput]],
    engine: str,
    task: str,
) -> None:
    found = Predictor(engine_bundles[task], num_threads=1, precision="int8", engine=engine).logits(asked[task])
    exact = flat(reference[task].logits(asked[task]))
    # Weights drawn at random are rounded worse than trained ones.
    assert 1e-4 < np.linalg.norm(flat(found) - exact) / np.linalg.norm(exact) < 0.35


@pytest.mark.parametrize("engine", ENGINES)
def test_what_an_engine_says_of_itself(engine: str) -> None:
    kind = engine_class(engine)
    assert kind.engine == engine and kind.length_step >= 1
    assert set(kind.precisions) <= set(PRECISIONS) and "fp32" in kind.precisions and "cpu" in kind.devices
    assert kind.install.startswith("pip install -r ")


@pytest.mark.parametrize("engine", OTHERS)
def test_inputs_of_two_shapes_are_refused(engine_bundles: dict[str, Bundle], engine: str) -> None:
    """OpenVINO alone would answer, once it has seen the first of the shapes."""
    runtime = Predictor(engine_bundles["seq_cls"], num_threads=1, precision="fp32", engine=engine).runtime
    good = {name: np.ones((2, 8), dtype=np.int64) for name in ("input_ids", "token_type_ids")}
    expected = runtime(good)[0]
    with pytest.raises(ValueError, match=r"the shapes \(2, 8\), \(3, 9\)"):
        runtime({**good, "token_type_ids": np.zeros((3, 9), dtype=np.int64)})
    assert np.array_equal(runtime(good)[0], expected)


def test_a_bundle_without_a_file_is_named(bundle: Bundle, copied: Callable[..., Bundle]) -> None:
    with pytest.raises(BundleError, match=r"has no INT8 model for OpenVINO: compress .*, or take precision fp32"):
        Predictor(bundle, precision="int8", engine="openvino")
    whole = copied()
    files = {role: entry for role, entry in whole.info.files.items() if not role.startswith("paddle")}
    without = Bundle(whole.directory, type(whole.info)(**{**vars(whole.info), "files": files}))
    with pytest.raises(BundleError, match="has no file with the role 'paddle_program'"):
        Predictor(without, engine="paddle_inference")


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "zeros": lambda content: bytes(len(content)),
    "half": lambda content: content[: len(content) // 2] + bytes(len(content) - len(content) // 2),
    "text": lambda content: b"x" * len(content),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    ("role", "engine", "precision"),
    [
        ("onnx", "onnxruntime", "fp32"),
        ("onnx", "openvino", "fp32"),
        ("openvino_int8", "openvino", "int8"),
        ("openvino_int8_weights", "openvino", "int8"),
        ("paddle_program", "paddle_inference", "fp32"),
        ("paddle_weights", "paddle_inference", "fp32"),
    ],
)
def test_a_damaged_file_is_one_line(
    copied: Callable[..., Bundle], role: str, engine: str, precision: str, damage: str
) -> None:
    spoiled = copied()
    path = spoiled.path(role)
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.raises(BundleError, match=rf"{path.name} is not the file that .* \(sha256 differs\)"):
        Predictor(spoiled.directory, engine=engine, precision=precision)
    with pytest.raises(BundleError, match=r"cannot open the model: \S|not an ONNX model") as caught:
        Predictor(spoiled.directory, engine=engine, precision=precision, verify=False)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    assert not list(spoiled.directory.glob(".compiled/*"))
