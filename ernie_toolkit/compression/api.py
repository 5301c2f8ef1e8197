"""Compression as one call."""

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.compression.options import CompressionOptions
from ernie_toolkit.compression.pipeline import compress_bundle, compress_session
from ernie_toolkit.compression.report.model import Report
from ernie_toolkit.compression.state import Request
from ernie_toolkit.data import DataSet
from ernie_toolkit.data.registry import CUSTOM, DatasetSpec, Split
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.models import LoadedModel, Vocabulary, load_model, read_vocabulary
from ernie_toolkit.models.checks import require_trained_head
from ernie_toolkit.session import Session
from ernie_toolkit.tasks import Task
from ernie_toolkit.tasks.custom_metric import CustomEvaluate
from ernie_toolkit.training import Criterion
from ernie_toolkit.training.options import TrainingOptions
from ernie_toolkit.training.records import read_metrics

if TYPE_CHECKING:
    from paddlenlp.transformers import PretrainedModel, PretrainedTokenizer

Examples = Sequence[dict[str, Any]]
# How a model was fine-tuned on its own device, which says nothing about how it can be compressed here.
OF_THE_DEVICE = ("fp16", "bf16", "fp16_opt_level", "recompute")


def compress(
    model: "str | Path | Bundle | LoadedModel | PretrainedModel",
    tokenizer: "PretrainedTokenizer | Vocabulary | None",
    train_dataset: Examples | DataSet,
    dev_dataset: Examples | DataSet,
    task: Task,
    strategy: str | None = None,
    output_dir: str | Path = "compressed",
    options: CompressionOptions | None = None,
    training: TrainingOptions | None = None,
    device: str = "cpu",
    resume: bool = False,
    overwrite: bool = False,
    say: Callable[[str], None] = print,
    criterion: Criterion | None = None,
    custom_evaluate: CustomEvaluate | None = None,
) -> Report:
    """Make a fine-tuned model smaller and faster; what `compress_seq_cls.py` and its siblings do, in one call.

        task = data.spec.task(max_seq_length=128)
        report = compress("best_models/afqmc", None, data, data, task, "dynabert+ptq", "compressed")

    Of a data set of `load_dataset`, `train_dataset` and `dev_dataset` each take their split, so that the report and the
    bundles have the data's name, source and warnings. Examples are as the data sets' readers give them: text fields and
    "label" (seq_cls), "text" and "labels" with a tag for each character (token_cls), "id", "question", "context",
    "answers" and "span" (qa), "context", "question", "choices" and "answer" (multiple_choice).

    Args:
        model: A directory, what `load_model` returns, or a model of PaddleNLP, which is changed; or a bundle, of
            `read_bundle`, which is quantized as it is.
        tokenizer: PaddleNLP's, or a vocabulary; None where `model` brings its own.
        train_dataset: A data set, or the training examples.
        dev_dataset: A data set, or the examples that are evaluated on.
        task: Of `data.spec.task` or `make_task`; its maximum length counts, not that of `training`.
        strategy: Parts joined by "+"; None: that of `options`.
        output_dir: Gets models, bundles and `compress_report.*`.
        options: How to compress; None: the defaults.
        training: How dynabert and qat train; None: as the model was fine-tuned, where its directory records that.
        device: That dynabert and qat train on, "cpu" or "gpu:0".
        resume: Whether to resume a run that was interrupted, or return the report of one that has ended.
        overwrite: Whether to delete what an interrupted run has left.
        say: Is called with a line for each part that is done.
        criterion: The loss by which heads, neurons and layers are important, None for the model's own (see `Session`).
        custom_evaluate: A metric beside the task's own, which chooses between candidates (see `Session`).

    Returns:
        The report, as `compress_report.json` has it.

    Raises:
        ToolkitError: A ConfigError, ModelError or DataError on what cannot work.
    """
    options = options or CompressionOptions()
    options = options if strategy is None else dataclasses.replace(options, strategy=strategy)
    data = _joined(train_dataset, dev_dataset, task)
    if isinstance(model, Bundle):
        request = Request(options, training or TrainingOptions(), Path(output_dir), resume, overwrite)
        return compress_bundle(model, data, request, say, custom_evaluate)
    loaded = _loaded(model, tokenizer, task)
    require_trained_head(loaded, task)
    if loaded is not model:
        for message in loaded.notices:
            say(message)
    training = training or _recorded_training(loaded.source)
    training = dataclasses.replace(training, max_seq_length=task.max_seq_length)
    request = Request(options, training, Path(output_dir), resume, overwrite)
    session = Session(loaded, data, task, device, criterion, custom_evaluate)
    return compress_session(session, request, say)


def _recorded_training(source: str) -> TrainingOptions:
    """What a model was fine-tuned with, by the record in its directory; the defaults where there is none."""
    settings = read_metrics(Path(source)).get("settings", {})
    names = [item.name for item in dataclasses.fields(TrainingOptions) if item.name in settings]
    return TrainingOptions(**{name: settings[name] for name in names if name not in OF_THE_DEVICE})


def _joined(train: Examples | DataSet, dev: Examples | DataSet, task: Task) -> DataSet:
    """Both splits as one data set, with the name of the dev rows' and the warnings of both.

    It is the sample's where either is. ConfigError where a data set is not what the task reads and answers.
    """
    origins = [item for item in (dev, train) if isinstance(item, DataSet)]
    for origin in origins:
        spec = origin.spec
        if (spec.task_name, spec.labels, spec.text_format) != (task.name, task.labels, task.text_format):
            raise ConfigError(
                f"data set {spec.name} is {spec.task_name} of {len(spec.labels)} labels ({spec.text_format}), the task "
                f"is {task.name} of {len(task.labels)} ({task.text_format}): make_task takes them from data.spec"
            )
    if isinstance(dev, DataSet) and dev is train:
        return dev
    spec = DatasetSpec(CUSTOM, task.name, task.labels, task.text_format, task.label_names, task.metrics[0])
    joined = DataSet(spec, _rows(train, "train"), _rows(dev, "dev"), None, "custom", "given as examples")
    if isinstance(dev, DataSet):
        joined = dataclasses.replace(joined, spec=dev.spec, source=dev.source, location=dev.location)
    if any(origin.source == "sample" for origin in origins):
        joined = dataclasses.replace(joined, source="sample")
    warnings = dict.fromkeys(message for origin in origins for message in origin.warnings)
    return dataclasses.replace(joined, warnings=tuple(warnings))


def _rows(dataset: Examples | DataSet, split: Split) -> list[dict[str, Any]]:
    return dataset.split(split) if isinstance(dataset, DataSet) else list(dataset)


def _loaded(
    model: "str | Path | LoadedModel | PretrainedModel",
    tokenizer: "PretrainedTokenizer | Vocabulary | None",
    task: Task,
) -> LoadedModel:
    if isinstance(model, LoadedModel):
        return model
    if isinstance(model, (str, Path)):
        return load_model(str(model), task.labels or None, task=task.name)
    if tokenizer is None:
        raise TypeError("a model of PaddleNLP needs its tokenizer beside it")
    vocabulary = tokenizer
    if not isinstance(tokenizer, Vocabulary):
        with tempfile.TemporaryDirectory() as directory:
            tokenizer.save_pretrained(directory)
            vocabulary = read_vocabulary(Path(directory))
    return LoadedModel(model, vocabulary, type(model).__name__, ())
