"""A small compression run, halted where a test wants it, and what it has to leave."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import PAIRS, make_tiny_model

from ernie_toolkit.bundle import read_bundle
from ernie_toolkit.compression import CompressionOptions, compress
from ernie_toolkit.compression.report.model import Report
from ernie_toolkit.data import DataSet
from ernie_toolkit.inference import Predictor
from ernie_toolkit.models import LoadedModel, Vocabulary
from ernie_toolkit.tasks import Task
from ernie_toolkit.training.options import TrainingOptions
from ernie_toolkit.training.records import read_metrics

TRAINING = TrainingOptions(
    learning_rate=1e-3,
    max_steps=4,
    per_device_train_batch_size=16,
    save_steps=2,
    max_seq_length=48,
    disable_tqdm=True,
    report_to="none",
    logging_steps=2,
)


# One engine: the tests of OpenVINO's models ask for the other.
OPTIONS = CompressionOptions(
    algo_list=("mse",),
    batch_size_list=(4,),
    width_mult_list=("3/4", "1/2"),
    num_threads=1,
    engine_list=("onnxruntime",),
)


TEACHER = {"initializer_range": 0.2, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


class Halt(Exception):
    """Ends a run as a kill would, at a line that it says."""


def halting(halt: str, said: list[str] | None) -> Callable[[str], None]:
    """A `say` that keeps its lines in `said`, and raises `Halt` at one that begins with `halt`, where that is any."""

    def say(line: str) -> None:
        if said is not None:
            said.append(line)
        if halt and line.startswith(halt):
            raise Halt(line)

    return say


def run(
    loaded: "LoadedModel | Path",
    data: DataSet,
    directory: Path,
    strategy: str,
    task: Task = PAIRS,
    resume: bool = False,
    overwrite: bool = False,
    halt: str = "",
    said: list[str] | None = None,
    **values: object,
) -> Report:
    """Compress; stop with `Halt` after the line that begins with `halt`."""
    options = dataclasses.replace(OPTIONS, **values)  # type: ignore[arg-type]
    return compress(
        loaded,
        None,
        data,
        data,
        task,
        strategy,
        directory,
        options,
        TRAINING,
        resume=resume,
        overwrite=overwrite,
        say=halting(halt, said),
    )


def make_teacher(vocabulary: Vocabulary, labels: tuple[str, ...] = ("0", "1"), task: str = "seq_cls") -> LoadedModel:
    """A tiny model that answers with conviction, and counts as trained."""
    return dataclasses.replace(make_tiny_model(vocabulary, labels, task, **TEACHER), fresh=())


def check_bundles(report: Report, data: DataSet, directory: Path) -> None:
    """Every kept candidate is in a bundle that opens, and answers with the figures that the report gives.

    A model that was made tells them in its own record too, and where its data is from.
    """
    for item in (report.baseline, *(item for item in report.candidates if item.kept)):
        path = directory / item.file
        weights = path.with_suffix(".bin")
        assert path.stat().st_size + (weights.stat().st_size if path.suffix == ".xml" else 0) == item.size
        bundle = read_bundle(path.parent, verify=True)
        if item.precision == "fp32" and item.engine == "onnxruntime" and item is not report.baseline:
            record = read_metrics(path.parents[1])
            assert record["metrics"] == item.metrics == bundle.info.metrics and record["width"] == item.width
            assert record["data_source"] == report.data_source == bundle.info.data_source == data.source
            assert record["warnings"] == list(report.warnings) == list(bundle.info.warnings) == list(data.warnings)
            assert record["settings"]["max_seq_length"] == bundle.info.max_seq_length
        if item.precision == "fp16":
            assert bundle.path("onnx_fp16") == path
            continue
        predictor = Predictor(path.parent, num_threads=1, precision=item.precision, engine=item.engine)
        role = "openvino_int8" if item.engine == "openvino" else "onnx_int8"
        assert bundle.path(role if item.precision == "int8" else "onnx") == path
        examples = data.split("dev")
        rows = predictor.task.encode(predictor.tokenizer, predictor.task.inputs(examples))
        figures = predictor.task.score(predictor.task.with_targets(rows, examples), predictor.run(rows), examples)
        assert {name: figures[name] for name in item.metrics} == pytest.approx(item.metrics, abs=1e-6), item.name
        if item.precision == "int8":
            assert bundle.info.compression[role]["name"] == item.name
