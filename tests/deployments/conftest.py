"""Bundles of every task, FP32 and INT8, and the environments of the deployments."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from answers import INPUTS
from label_sets import TEXTS, uneven_thresholds
from tiny import ROOT, make_tiny_model

from ernie_toolkit.bundle import Bundle, add_compressed
from ernie_toolkit.data import load_dataset
from ernie_toolkit.data.sample.reviews import LABELS
from ernie_toolkit.decoding import sigmoid
from ernie_toolkit.models import Vocabulary, save_model
from ernie_toolkit.tasks import (
    MultiLabelClassification,
    QuestionAnswering,
    SequenceClassification,
    Task,
    TokenClassification,
)

SETS = {"seq_cls": "afqmc", "token_cls": "msra_ner", "qa": "cmrc2018"}


def _task(name: str, labels: tuple[str, ...]) -> Task:
    if name == "seq_cls":
        return SequenceClassification(labels, 48, ("different", "same"), "pair")
    # Shorter than some inputs, so that windows are joined.
    return QuestionAnswering(64, doc_stride=16) if name == "qa" else TokenClassification(labels, 32, window_overlap=6)


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory, vocabulary: Vocabulary) -> dict[str, Path]:
    """A bundle for each task, of an untrained tiny model with answers of many kinds, with an INT8 model; read only.

    The model itself is in the folder above it.
    """
    from ernie_toolkit.session import Session
    from ernie_toolkit.training import predict_logits

    directories = {}
    for name, dataset in SETS.items():
        data = load_dataset(dataset, data_source="sample", limits={"train": 20, "dev": 40})
        model = make_tiny_model(vocabulary, data.spec.labels or ("0", "1"), name, initializer_range=0.2)
        root = tmp_path_factory.mktemp(name)
        session = Session(model, data, _task(name, data.spec.labels))
        if name == "seq_cls":  # so that both labels are given
            rows = session.task.encode(session.tokenizer, INPUTS[name])
            model.model.classifier.bias.set_value(-np.median(predict_logits(model.model, rows, 8), axis=0))
        bundle = session.export(root / "export", 20, {}, trained=True)
        save_model(model.model, model.vocabulary, root)
        directories[name] = _with_int8(bundle, root).directory
    return directories


@pytest.fixture(scope="session")
def slow_bundle(tmp_path_factory: pytest.TempPathFactory, vocabulary: Vocabulary) -> Path:
    """A bundle for token classification of a larger untrained model: a long text takes seconds; read only."""
    from ernie_toolkit.session import Session

    data = load_dataset("msra_ner", data_source="sample", limits={"train": 20, "dev": 8})
    shape = {"hidden_size": 192, "num_hidden_layers": 4, "intermediate_size": 768}
    model = make_tiny_model(vocabulary, data.spec.labels, "token_cls", **shape)
    session = Session(model, data, _task("token_cls", data.spec.labels))
    return session.export(tmp_path_factory.mktemp("slow") / "export", 8, {}, trained=True).directory


def _with_int8(bundle: Bundle, scratch: Path) -> Bundle:
    from ernie_toolkit.inference.engines.dynamic_quantization import dynamic_int8_bytes

    quantized = scratch / "quantized.onnx"
    quantized.write_bytes(dynamic_int8_bytes(bundle.path("onnx")))
    return add_compressed(bundle, {"onnx_int8": quantized}, {"kind": "dynamic"})


@pytest.fixture(scope="session")
def multi_label_bundle(tmp_path_factory: pytest.TempPathFactory, vocabulary: Vocabulary) -> Path:
    """A bundle of an untrained tiny multi-label model with a threshold of its own for each label; FP32 and INT8."""
    from ernie_toolkit.export import Origin, export_bundle
    from ernie_toolkit.text.tokenization import build_tokenizer
    from ernie_toolkit.training import predict_logits

    root = tmp_path_factory.mktemp("multi_label")
    loaded = make_tiny_model(vocabulary, LABELS, "multi_label", initializer_range=0.3)
    tokenizer = build_tokenizer(vocabulary.tokens, vocabulary.do_lower_case)
    task = MultiLabelClassification(LABELS, 48)
    rows = task.encode(tokenizer, TEXTS)
    # So that every label is given to some texts and not to others.
    loaded.model.classifier.bias.set_value(-np.median(predict_logits(loaded.model, rows, 16), axis=0))
    thresholds = uneven_thresholds(sigmoid(task.table(predict_logits(loaded.model, rows, 16))))
    task = dataclasses.replace(task, thresholds=thresholds)
    origin = Origin("reviews", "sample", {}, ("an untrained model",))
    bundle = export_bundle(loaded.model, tokenizer, task, origin, TEXTS[:8], root / "export")
    return _with_int8(bundle, root).directory


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
