"""Which engine and precision is taken, from what was asked for, recommended, installed and in the processor."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_toolkit.bundle import Bundle, read_bundle
from ernie_toolkit.bundle.directory import recommend
from ernie_toolkit.bundle.info import LATENCY, THROUGHPUT, Recommendation
from ernie_toolkit.errors import BundleError, ConfigError, DeviceError, ToolkitError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.engines import selection
from ernie_toolkit.inference.engines.base import AUTO, DEVICES, ENGINES, PRECISIONS
from ernie_toolkit.inference.engines.selection import Choice, choose, engine_class, is_installed

# Imported now: a module that is imported while a test has put something in place of a function would keep that.
KINDS = {name: engine_class(name) for name in ENGINES}
AMX = ("avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
VNNI = ("avx512_vnni",)
ALL = tuple(ENGINES)
# As compression writes it: the fastest first.
OPENVINO_INT8 = Recommendation("openvino", "int8", ("amx_int8", "amx_bf16"), "a processor with AMX")
OPENVINO_BF16 = Recommendation("openvino", "bf16", ("amx_bf16",), "a processor with AMX")
ORT_INT8 = Recommendation("onnxruntime", "int8", ("avx512_vnni",), "a processor with AMX")
MEASURED = (OPENVINO_INT8, OPENVINO_BF16, ORT_INT8)
SINGLE = dataclasses.replace(ORT_INT8, workload=LATENCY)
MANY = dataclasses.replace(OPENVINO_INT8, workload=THROUGHPUT)


@pytest.fixture
def decide(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Choice]:
    """`choose` on a machine with some features, some engines, and a bundle that recommends something."""

    def decide(
        recommended: tuple[Recommendation, ...] = (),
        engine: str = AUTO,
        precision: str = AUTO,
        device: str = "cpu",
        features: tuple[str, ...] = AMX,
        installed: tuple[str, ...] = ALL,
        workload: str = THROUGHPUT,
    ) -> Choice:
        monkeypatch.setattr(selection, "processor_features", lambda: features)
        monkeypatch.setattr("ernie_toolkit.inference.processor.processor_features", lambda: features)
        packages = {KINDS[name].package for name in installed}
        monkeypatch.setattr(selection, "find_spec", lambda name: name if name in packages else None)
        info = dataclasses.replace(bundle.info, recommended=recommended)
        return choose(Bundle(bundle.directory, info), engine, precision, device, workload)

    return decide


@pytest.mark.parametrize(
    ("situation", "engine", "precision", "reason"),
    [
        ({}, "onnxruntime", "fp32", "the bundle recommends none"),
        ({"recommended": MEASURED}, "openvino", "int8", "recommended by the bundle, measured on a processor with AMX"),
        ({"recommended": MEASURED[1:]}, "openvino", "bf16", "recommended by the bundle, measured on a processor"),
        # An older processor, another set of packages.
        (
            {"recommended": MEASURED, "features": VNNI},
            "onnxruntime",
            "int8",
            "recommended by the bundle, measured on a processor with AMX",
        ),
        ({"recommended": MEASURED, "installed": ("onnxruntime",)}, "onnxruntime", "int8", "recommended by the bundle"),
        (
            {"recommended": MEASURED[:2], "features": VNNI},
            "onnxruntime",
            "fp32",
            "openvino int8 is recommended for processors with amx_int8, amx_bf16; "
            "openvino bf16 is recommended for processors with amx_bf16",
        ),
        (
            {"recommended": MEASURED[:1], "installed": ("onnxruntime",)},
            "onnxruntime",
            "fp32",
            "openvino int8 is recommended and openvino is not installed",
        ),
        # The processor is another one than was measured on, and still computes fast in INT8.
        (
            {"recommended": MEASURED, "features": ("avx_vnni",)},
            "onnxruntime",
            "int8",
            "onnxruntime int8 is recommended for processors with avx512_vnni",
        ),
        ({"recommended": MEASURED, "features": ()}, "onnxruntime", "fp32", "recommended for processors with"),
        # One of the two is asked for.
        ({"recommended": MEASURED, "engine": "onnxruntime"}, "onnxruntime", "int8", "recommended by the bundle"),
        ({"recommended": MEASURED, "engine": "openvino"}, "openvino", "int8", "recommended by the bundle"),
        (
            {"recommended": MEASURED, "engine": "paddle_inference"},
            "paddle_inference",
            "fp32",
            "the bundle recommends no other",
        ),
        ({"engine": "openvino"}, "openvino", "fp32", "the bundle recommends none"),
        ({"recommended": MEASURED, "precision": "bf16"}, "openvino", "bf16", "recommended by the bundle"),
        ({"recommended": MEASURED, "precision": "fp32"}, "onnxruntime", "fp32", "the bundle recommends no other"),
        ({"precision": "int8"}, "onnxruntime", "int8", "the bundle recommends none"),
        ({"precision": "bf16"}, "openvino", "bf16", "the bundle recommends none"),
        ({"precision": "bf16", "installed": ("onnxruntime", "paddle_inference")}, "paddle_inference", "bf16", ""),
        ({"precision": "int8", "installed": ("openvino",)}, "openvino", "int8", ""),
        # Both are.
        (
            {"recommended": MEASURED, "engine": "openvino", "precision": "fp32"},
            "openvino",
            "fp32",
            "as asked for",
        ),
        ({"engine": "openvino", "precision": "int8", "features": ()}, "openvino", "int8", "as asked for"),
        # Without ONNX Runtime.
        ({"installed": ("openvino", "paddle_inference")}, "openvino", "fp32", "the bundle recommends none"),
        ({"installed": ("paddle_inference",)}, "paddle_inference", "fp32", "the bundle recommends none"),
        ({"recommended": MEASURED, "features": (), "installed": ("openvino",)}, "openvino", "fp32", "is recommended"),
        ({"installed": ()}, "onnxruntime", "fp32", "the bundle recommends none"),
        # For one workload, or for both.
        ({"recommended": (SINGLE, MANY)}, "openvino", "int8", "recommended by the bundle"),
        ({"recommended": (MANY, SINGLE), "workload": LATENCY}, "onnxruntime", "int8", "recommended by the bundle"),
        ({"recommended": (SINGLE, OPENVINO_BF16)}, "openvino", "bf16", "recommended by the bundle"),
        ({"recommended": (SINGLE,)}, "onnxruntime", "fp32", "the bundle recommends none"),
        ({"recommended": (SINGLE, MANY), "precision": "fp32"}, "onnxruntime", "fp32", "the bundle recommends no other"),
        ({"recommended": (dataclasses.replace(MANY, workload="memory"),)}, "onnxruntime", "fp32", "recommends none"),
        # GPUs.
        ({"recommended": MEASURED, "device": "gpu"}, "onnxruntime", "fp32", "the engine for GPUs"),
        ({"device": "gpu", "precision": "fp16"}, "onnxruntime", "fp16", "the engine for GPUs"),
        ({"device": "gpu", "engine": "onnxruntime"}, "onnxruntime", "fp32", "the engine for GPUs"),
        # What another version of the toolkit has written.
        (
            {"recommended": (Recommendation("tensorrt", "int8"), Recommendation("onnxruntime", "int4"), ORT_INT8)},
            "onnxruntime",
            "int8",
            "recommended by the bundle",
        ),
        (
            {"recommended": (Recommendation("base", "fp32"), Recommendation("..cli", "fp32"))},
            "onnxruntime",
            "fp32",
            "base fp32 is recommended, which this version does not have; ..cli fp32 is recommended, which",
        ),
        (
            {"recommended": (Recommendation("openvino", "int8", ("avx1024",)),)},
            "onnxruntime",
            "fp32",
            "openvino int8 is recommended for processors with avx1024",
        ),
    ],
)
def test_what_is_chosen(
    decide: Callable[..., Choice], situation: dict[str, object], engine: str, precision: str, reason: str
) -> None:
    choice = decide(**situation)
    assert (choice.engine, choice.precision) == (engine, precision)
    assert reason in choice.reason
    assert str(choice) == f"{engine} {precision} ({choice.reason})"


@pytest.mark.parametrize(
    ("situation", "error", "message"),
    [
        ({"engine": "tensorrt"}, ConfigError, "`engine` 'tensorrt' is not known: use one of auto, onnxruntime"),
        ({"precision": "int4"}, ConfigError, "`precision` 'int4' is not known"),
        ({"device": "tpu"}, ConfigError, "`device` 'tpu' is not known"),
        ({"workload": "single"}, ConfigError, "`workload` 'single' is not known: use one of throughput, latency"),
        (
            {"engine": "openvino", "installed": ("onnxruntime",)},
            ConfigError,
            "engine 'openvino' is not installed: pip install -r deploy/predictor/requirements_openvino.txt",
        ),
        (
            {"engine": "paddle_inference", "precision": "int8"},
            ConfigError,
            "engine 'paddle_inference' has no precision 'int8', only fp32, bf16: onnxruntime or openvino has it",
        ),
        ({"engine": "onnxruntime", "precision": "bf16"}, ConfigError, "openvino or paddle_inference has it"),
        ({"engine": "openvino", "device": "gpu"}, DeviceError, "computes on cpu, not on 'gpu': use onnxruntime"),
        ({"device": "gpu", "precision": "bf16"}, ConfigError, "engine 'onnxruntime' has no precision 'bf16'"),
        (
            {"precision": "bf16", "features": VNNI},
            ConfigError,
            "precision 'bf16' needs a processor with avx512_bf16 or amx_bf16",
        ),
        ({"engine": "openvino", "precision": "bf16", "features": ()}, ConfigError, "take fp32 or int8"),
        (
            {"precision": "bf16", "installed": ("onnxruntime",)},
            ConfigError,
            "no installed engine has precision 'bf16': pip install -r deploy/predictor/requirements_openvino.txt, for",
        ),
    ],
)
def test_what_is_refused(
    decide: Callable[..., Choice], situation: dict[str, object], error: type[ToolkitError], message: str
) -> None:
    with pytest.raises(error) as caught:
        decide(**situation)
    assert message in str(caught.value)


def entries() -> st.SearchStrategy[tuple[Recommendation, ...]]:
    """Recommendations that are known, and some that are not."""
    engine, precision = st.sampled_from([*ENGINES, "tensorrt"]), st.sampled_from([*PRECISIONS, "int4"])
    features = st.lists(st.sampled_from([*AMX, "avx1024"]), max_size=3).map(tuple)
    return st.lists(st.builds(Recommendation, engine, precision, features, st.just("one")), max_size=4).map(tuple)


@given(
    entries(),
    st.sampled_from([AUTO, *ENGINES]),
    st.sampled_from([AUTO, *PRECISIONS]),
    st.sampled_from(DEVICES),
    st.sets(st.sampled_from(AMX)),
    st.sets(st.sampled_from(ALL)),
)
def test_whatever_is_chosen_can_be_computed(
    bundle: Bundle,
    recommended: tuple[Recommendation, ...],
    engine: str,
    precision: str,
    device: str,
    features: set[str],
    others: set[str],
) -> None:
    """Or what was asked for is refused; with ONNX Runtime installed, "auto" always finds something."""
    installed = {KINDS[name].package for name in (*others, "onnxruntime")}
    info = dataclasses.replace(bundle.info, recommended=recommended)
    with pytest.MonkeyPatch.context() as patch:
        for module in ("engines.selection", "processor"):
            patch.setattr(f"ernie_toolkit.inference.{module}.processor_features", lambda: tuple(features))
        patch.setattr(selection, "find_spec", lambda name: name if name in installed else None)
        try:
            choice = choose(Bundle(bundle.directory, info), engine, precision, device)
        except (ConfigError, DeviceError):
            assert (engine, precision) != (AUTO, AUTO)
            return
    kind = KINDS[choice.engine]
    assert choice.precision in kind.precisions and device in kind.devices and kind.package in installed
    assert engine in (AUTO, choice.engine) and precision in (AUTO, choice.precision)
    assert choice.precision != "bf16" or {"avx512_bf16", "amx_bf16"} & features


def test_a_reason_is_one_line(decide: Callable[..., Choice]) -> None:
    hostile = Recommendation("onnxruntime", "int8", (), "x\x1b[2J\nready: POST /" + "y" * 1000)
    shown = str(decide((hostile,)))
    assert "\x1b" not in shown and "\n" not in shown and len(shown) < 250
    shown = str(decide((dataclasses.replace(hostile, engine="a\nb" * 999, features=("z" * 999,)),)))
    assert "\n" not in shown and len(shown) < 250


def test_a_recommendation_is_followed_and_kept(bundle: Bundle, tmp_path: Path) -> None:
    import shutil

    copy = read_bundle(shutil.copytree(bundle.directory, tmp_path / "copy"))
    recommend(copy, (Recommendation("openvino", "fp32", (), "this one"),))
    predictor = Predictor(copy.directory, num_threads=1)
    assert predictor.choice == Choice("openvino", "fp32", "recommended by the bundle, measured on this one")
    assert read_bundle(copy.directory).info.recommended == (Recommendation("openvino", "fp32", (), "this one"),)


@pytest.mark.parametrize(
    ("recommended", "message"),
    [
        ({}, "recommended is not a list"),
        (None, "recommended is null"),
        (["openvino"], "recommended[0] is not an object"),
        ([{"engine": "openvino"}], "recommended[0] is not an object with engine, precision, features and processor"),
        (
            [{"engine": "openvino", "precision": 8, "features": [], "processor": ""}],
            "recommended[0] is not an object with engine",
        ),
        ([{"engine": "openvino", "precision": "int8", "features": "x", "processor": ""}], "recommended[0] is not"),
        ([{"engine": "openvino", "precision": "int8", "features": [1], "processor": ""}], "recommended[0] is not"),
        (
            [{"engine": "openvino", "precision": "int8", "features": [], "processor": "", "workload": 1}],
            "recommended[0] is not",
        ),
        (
            [
                {"engine": "openvino", "precision": "int8", "features": [], "processor": ""},
                {"engine": None, "precision": "int8", "features": [], "processor": ""},
            ],
            "recommended[1] is not",
        ),
    ],
)
def test_a_broken_recommendation_is_named(bundle: Bundle, tmp_path: Path, recommended: object, message: str) -> None:
    import shutil

    path = Path(shutil.copytree(bundle.directory, tmp_path / "copy")) / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "recommended": recommended}), "utf-8")
    with pytest.raises(BundleError) as caught:
        Predictor(path.parent, verify=False)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_bundles_of_earlier_versions_recommend_nothing(bundle: Bundle, tmp_path: Path) -> None:
    import shutil

    path = Path(shutil.copytree(bundle.directory, tmp_path / "copy")) / "bundle.json"
    raw = json.loads(path.read_text("utf-8"))
    del raw["recommended"]
    path.write_text(json.dumps(raw), "utf-8")
    assert Predictor(path.parent, verify=False).choice.reason == "the bundle recommends none"


HIDING = """
import importlib.abc, sys

class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
"""


def without(packages: tuple[str, ...], code: str) -> str:
    """What code prints, or the error that it ends with, where packages are not installed."""
    # A finder can only raise, or leave the name to the next one: find_spec is told apart.
    patched = (
        f"{HIDING.format(hidden=packages)}\nimport importlib.util\nfind = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda name, *rest: None if name in {packages!r} else find(name, *rest)\n{code}"
    )
    done = subprocess.run([sys.executable, "-c", patched], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_that_is_not_installed(bundle: Bundle, engine: str) -> None:
    package = KINDS[engine].package
    code = f"from ernie_toolkit.inference import Predictor\nPredictor({str(bundle.directory)!r}, engine={engine!r})"
    said = without((package,), code).strip().splitlines()[-1]
    assert said == (f"ernie_toolkit.errors.ConfigError: engine '{engine}' is not installed: {KINDS[engine].install}")


def test_openvino_needs_no_onnxruntime(bundle: Bundle) -> None:
    code = (
        f"from ernie_toolkit.inference import Predictor\nimport sys\n"
        f"predictor = Predictor({str(bundle.directory)!r}, engine_cache='none')\n"
        "print(predictor.choice, len(predictor.predict([('甲', '乙')])))\n"
        "assert not {'onnxruntime', 'paddle', 'onnx', 'torch'} & set(sys.modules)"
    )
    said = without(("onnxruntime", "paddle", "onnx"), code)
    assert said == "openvino fp32 (the bundle recommends none) 1\n"


def test_all_engines_are_installed_here() -> None:
    assert all(is_installed(engine) for engine in ENGINES)
