"""Bundles of every task, FP32 and INT8, and the environments of the deployments."""

from collections.abc import Callable
from pathlib import Path

import pytest
from task_bundles import SETS, make_multi_label_bundle, make_task, make_task_bundle, with_int8
from tiny import ROOT, make_tiny_model

from ernie_toolkit.data import load_dataset
from ernie_toolkit.models import Vocabulary


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory, vocabulary: Vocabulary) -> dict[str, Path]:
    """A bundle for each task, of an untrained tiny model with answers of many kinds, with an INT8 model; read only.

    The model itself is in the folder above it.
    """
    return {
        name: with_int8(make_task_bundle(name, vocabulary, tmp_path_factory.mktemp(name))).directory for name in SETS
    }


@pytest.fixture(scope="session")
def slow_bundle(tmp_path_factory: pytest.TempPathFactory, vocabulary: Vocabulary) -> Path:
    """A bundle for token classification of a larger untrained model: a long text takes seconds; read only."""
    from ernie_toolkit.session import Session

    data = load_dataset("msra_ner", data_source="sample", limits={"train": 20, "dev": 8})
    shape = {"hidden_size": 192, "num_hidden_layers": 4, "intermediate_size": 768}
    model = make_tiny_model(vocabulary, data.spec.labels, "token_cls", **shape)
    session = Session(model, data, make_task("token_cls", data.spec.labels))
    return session.export(tmp_path_factory.mktemp("slow") / "export", 8, {}, trained=True).directory


@pytest.fixture(scope="session")
def multi_label_bundle(tmp_path_factory: pytest.TempPathFactory, vocabulary: Vocabulary) -> Path:
    """A bundle of an untrained tiny multi-label model with a threshold of its own for each label; FP32 and INT8."""
    return with_int8(make_multi_label_bundle(vocabulary, tmp_path_factory.mktemp("multi_label"))).directory


@pytest.fixture(scope="session")
def environment() -> Callable[[str], Path]:
    """The Python of a deployment's environment in .venvs; skipped where no Python for it was found to build it."""

    def find(name: str) -> Path:
        python = ROOT / ".venvs" / name / "bin" / "python"
        if python.is_file():
            return python
        import sys

        sys.path.insert(0, str(ROOT / "scripts"))
        try:
            from environments import PYTHONS, find_python
        finally:
            sys.path.pop(0)
        if find_python(PYTHONS[name]) is None:
            pytest.skip(f"no Python {' or '.join(PYTHONS[name])} on this machine, which {name} needs")
        raise AssertionError(f"{python} is missing: `make test-deploy` builds it first")

    return find
