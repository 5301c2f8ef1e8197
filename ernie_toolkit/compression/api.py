"""Compression as one call."""

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ernie_toolkit.compression.options import CompressionOptions
from ernie_toolkit.compression.pipeline import Request, compress_session
from ernie_toolkit.compression.report import Report
from ernie_toolkit.data import DataSet
from ernie_toolkit.data.registry import CUSTOM, DatasetSpec
from ernie_toolkit.finetuning import open_session, require_trained_head
from ernie_toolkit.models import LoadedModel, Vocabulary, load_model, model_labels, read_vocabulary
from ernie_toolkit.options import TrainingOptions
from ernie_toolkit.reporting import read_metrics
from ernie_toolkit.tasks import Task

if TYPE_CHECKING:
    from paddlenlp.transformers import PretrainedModel, PretrainedTokenizer

Examples = Sequence[dict[str, Any]]


def compress(
    model: "str | Path | LoadedModel | PretrainedModel",
    tokenizer: "PretrainedTokenizer | Vocabulary | None",
    train_dataset: Examples,
    dev_dataset: Examples,
    task: Task,
    strategy: str = "dynabert+ptq",
    output_dir: str | Path = "compressed",
    options: CompressionOptions | None = None,
    training: TrainingOptions | None = None,
    device: str = "cpu",
    resume: bool = False,
    overwrite: bool = False,
    say: Callable[[str], None] = print,
) -> Report:
    """Make a fine-tuned model smaller and faster; what `compress_seq_cls.py` and its siblings do, in one call.

    `model`: a directory, what `load_model` gives, or a model of PaddleNLP, which is used up. `tokenizer`:
    PaddleNLP's, or a vocabulary; None where `model` brings its own. `train_dataset` and `dev_dataset`:
    examples as the data sets' readers give them: text fields and "label" (seq_cls), "text" and "labels"
    with a tag for each character (token_cls), "id", "question", "context", "answers" and "span" (qa).
    `task`: see `make_task`. `strategy` replaces that of `options`; `training` tells how dynabert and qat
    train: as the model was fine-tuned, where its directory tells that, for None. Returns the report; models,
    bundles and `compress_report.*` are in `output_dir`. Raises ConfigError, ModelError or DataError on what
    cannot work.
    """
    loaded = _loaded(model, tokenizer, task)
    recorded = model_labels(Path(model)) if isinstance(model, (str, Path)) else None
    require_trained_head(loaded, task.labels, recorded)
    spec = DatasetSpec(CUSTOM, task.name, task.labels, task.text_format, task.label_names, task.metrics[0])
    data = DataSet(spec, list(train_dataset), list(dev_dataset), None, "custom", "given as examples")
    options = dataclasses.replace(options or CompressionOptions(), strategy=strategy)
    training = training or _recorded_training(loaded.source)
    training = dataclasses.replace(training, max_seq_length=task.max_seq_length, fp16=False)
    request = Request(options, training, Path(output_dir), device, resume, overwrite)
    return compress_session(open_session(loaded, data, task), request, say)


def _recorded_training(source: str) -> TrainingOptions:
    """What a model was fine-tuned with, by the record in its directory; the defaults where there is none."""
    settings = read_metrics(Path(source)).get("settings", {})
    names = [item.name for item in dataclasses.fields(TrainingOptions) if item.name in settings]
    return TrainingOptions(**{name: settings[name] for name in names})


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
