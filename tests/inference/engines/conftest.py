"""Bundles of every task with all the files that an engine may open; read only."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from answers import INPUTS
from label_sets import TEXTS
from task_bundles import SETS, make_multi_label_bundle, make_task_bundle, with_int8, with_openvino_int8
from tiny import make_tiny_model

from ernie_toolkit.bundle import Bundle, read_bundle
from ernie_toolkit.data import load_dataset
from ernie_toolkit.models import Vocabulary
from ernie_toolkit.tasks import SequenceClassification
from ernie_toolkit.text.features import TextInput

# Over and over, so that there are many batches of several lengths.
ASKED: dict[str, list[TextInput]] = {**{task: texts * 3 for task, texts in INPUTS.items()}, "multi_label": [*TEXTS]}


@pytest.fixture(scope="session")
def engine_bundles(tmp_path_factory: pytest.TempPathFactory, vocabulary: Vocabulary) -> dict[str, Bundle]:
    """A bundle for each task, in FP32 and in INT8 for ONNX Runtime and for OpenVINO."""
    found = {name: make_task_bundle(name, vocabulary, tmp_path_factory.mktemp(name)) for name in SETS}
    found["multi_label"] = make_multi_label_bundle(vocabulary, tmp_path_factory.mktemp("multi_label"))
    return {name: with_openvino_int8(with_int8(bundle)) for name, bundle in found.items()}


@pytest.fixture(scope="session")
def bundle_of_30_positions(tmp_path_factory: pytest.TempPathFactory, vocabulary: Vocabulary) -> Bundle:
    """A bundle whose longest row ends with the table of positions, at no multiple of four."""
    from ernie_toolkit.session import Session

    data = load_dataset("afqmc", data_source="sample", limits={"train": 20, "dev": 8})
    model = make_tiny_model(vocabulary, ("0", "1"), initializer_range=0.2, max_position_embeddings=30)
    session = Session(model, data, SequenceClassification(("0", "1"), 30, None, "pair"))
    return session.export(tmp_path_factory.mktemp("short") / "export", 8, {}, trained=True)


@pytest.fixture
def asked() -> dict[str, list[TextInput]]:
    """What the models of each task are asked."""
    return ASKED


@pytest.fixture
def copied(engine_bundles: dict[str, Bundle], tmp_path: Path) -> Callable[..., Bundle]:
    """Makes copies of the bundle for classification, which a test may change."""

    source = engine_bundles["seq_cls"].directory

    def copy(name: str = "copy") -> Bundle:
        return read_bundle(shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns(".compiled")))

    return copy


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user's cache directory of each test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ernie_toolkit"
