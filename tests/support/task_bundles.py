"""Bundles of every task, of untrained tiny models whose answers are of many kinds."""

import dataclasses
from pathlib import Path

import numpy as np
from answers import INPUTS
from label_sets import TEXTS, uneven_thresholds
from tiny import make_tiny_model

from ernie_toolkit.bundle import Bundle, add_compressed
from ernie_toolkit.data import load_dataset
from ernie_toolkit.data.sample.reviews import LABELS
from ernie_toolkit.decoding import sigmoid
from ernie_toolkit.models import Vocabulary, save_model
from ernie_toolkit.tasks import (
    MultiLabelClassification,
    MultipleChoice,
    QuestionAnswering,
    SequenceClassification,
    Task,
    TokenClassification,
)

SETS = {"seq_cls": "afqmc", "token_cls": "msra_ner", "qa": "cmrc2018", "multiple_choice": "c3"}


def make_task(name: str, labels: tuple[str, ...]) -> Task:
    """The task of `SETS` by name, set up for short texts."""
    if name == "seq_cls":
        return SequenceClassification(labels, 48, ("different", "same"), "pair")
    if name == "multiple_choice":
        return MultipleChoice(48)
    # Shorter than some inputs, so that windows are joined.
    return QuestionAnswering(64, doc_stride=16) if name == "qa" else TokenClassification(labels, 32, window_overlap=6)


def make_task_bundle(name: str, vocabulary: Vocabulary, root: Path, **shape: object) -> Bundle:
    """Export a model for one of `SETS` to `root/export`; the model itself is saved in `root`.

    `shape`: settings of the model other than those of `make_tiny_model`.
    """
    from ernie_toolkit.session import Session
    from ernie_toolkit.training import predict_logits

    data = load_dataset(SETS[name], data_source="sample", limits={"train": 20, "dev": 40})
    model = make_tiny_model(vocabulary, data.spec.labels or ("0", "1"), name, **{"initializer_range": 0.2, **shape})
    session = Session(model, data, make_task(name, data.spec.labels))
    if name == "seq_cls":  # so that both labels are given
        rows = session.task.encode(session.tokenizer, INPUTS[name])
        model.model.classifier.bias.set_value(-np.median(predict_logits(model.model, rows, 8), axis=0))
    bundle = session.export(root / "export", 20, {}, trained=True)
    save_model(model.model, model.vocabulary, root)
    return bundle


def make_multi_label_bundle(vocabulary: Vocabulary, root: Path, **shape: object) -> Bundle:
    """Export a multi-label model with a threshold of its own for each label to `root/export` (`shape`: as above)."""
    from ernie_toolkit.export import Origin, export_bundle
    from ernie_toolkit.text.tokenization import build_tokenizer
    from ernie_toolkit.training import predict_logits

    loaded = make_tiny_model(vocabulary, LABELS, "multi_label", **{"initializer_range": 0.3, **shape})
    tokenizer = build_tokenizer(vocabulary.tokens, vocabulary.do_lower_case)
    task = MultiLabelClassification(LABELS, 48)
    rows = task.encode(tokenizer, TEXTS)
    # So that every label is given to some texts and not to others.
    loaded.model.classifier.bias.set_value(-np.median(predict_logits(loaded.model, rows, 16), axis=0))
    thresholds = uneven_thresholds(sigmoid(task.table(predict_logits(loaded.model, rows, 16))))
    task = dataclasses.replace(task, thresholds=thresholds)
    origin = Origin("reviews", "sample", {}, ("an untrained model",))
    return export_bundle(loaded.model, tokenizer, task, origin, TEXTS[:8], root / "export")


def with_int8(bundle: Bundle) -> Bundle:
    """Add an INT8 model for ONNX Runtime, with ranges of each batch, to a bundle."""
    from ernie_toolkit.inference.engines.dynamic_quantization import dynamic_int8_bytes

    quantized = bundle.directory.with_name("quantized.onnx")
    quantized.write_bytes(dynamic_int8_bytes(bundle.path("onnx")))
    return add_compressed(bundle, {"onnx_int8": quantized}, {"kind": "dynamic"})


def with_openvino_int8(bundle: Bundle) -> Bundle:
    """Add an INT8 model for OpenVINO, with ranges of the tests' texts, to a bundle."""
    import nncf
    import openvino

    from ernie_toolkit.inference.predictor import bundle_task
    from ernie_toolkit.text.tokenization import load_tokenizer

    task = bundle_task(bundle.info, bundle.directory)
    rows = task.encode(load_tokenizer(bundle.path("tokenizer")), INPUTS.get(bundle.info.task, TEXTS[:12]))
    model = openvino.Core().read_model(str(bundle.path("onnx")))
    batches = nncf.Dataset([rows.collate([row]) for row in range(len(rows))])
    quantized = nncf.quantize(model, batches, model_type=nncf.ModelType.TRANSFORMER)
    path = bundle.directory.with_name("quantized.xml")
    openvino.save_model(quantized, str(path), compress_to_fp16=False)
    files = {"openvino_int8": path, "openvino_int8_weights": path.with_suffix(".bin")}
    return add_compressed(bundle, files, {"kind": "static"})
