"""The journey of a fine-tuning run: model and data joined, trained, measured, exported."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ernie_toolkit.arguments.options import TrainingOptions, check_training_options
from ernie_toolkit.bundle import Bundle
from ernie_toolkit.data import DataSet
from ernie_toolkit.decoding import Answer
from ernie_toolkit.errors import ModelError
from ernie_toolkit.export import Origin, export_bundle
from ernie_toolkit.formats.weights import WEIGHTS_FILE
from ernie_toolkit.models import LoadedModel
from ernie_toolkit.models.heads import are_named, label_mismatch, shown
from ernie_toolkit.tasks import Task
from ernie_toolkit.text.dataset import EncodedDataset
from ernie_toolkit.text.tokenization import WordPieceTokenizer, build_tokenizer
from ernie_toolkit.training import TrainingResult, predict_logits, train
from ernie_toolkit.training.records import read_metrics

Examples = Sequence[dict[str, Any]]


def ignore(_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Session:
    """A model with the tokenizer of its vocabulary, the data set it works on, and the task between the two.

    `tell` gets the lines that a user is to see: how many rows are cut at the maximum length.
    """

    loaded: LoadedModel
    tokenizer: WordPieceTokenizer
    data: DataSet
    task: Task
    tell: Callable[[str], None] = ignore

    @property
    def identity(self) -> dict[str, Any]:
        """What has to be the same for an unfinished run to be gone on with."""
        return {
            "dataset": self.data.spec.name,
            "data_source": self.data.source,
            "model": self.loaded.source,
            "task": self.task.name,
            "limits": self.task.limits,
            "labels": list(self.task.labels),
        }

    def settled(self, options: TrainingOptions) -> TrainingOptions:
        """Checked options, with the task's own metric where they choose none (see `check_training_options`)."""
        check_training_options(options, self.task.metrics)
        return dataclasses.replace(options, metric_for_best_model=options.metric_for_best_model or self.task.metrics[0])

    def encoded(self, examples: Examples) -> EncodedDataset:
        """Model inputs of some labelled examples, with training targets."""
        return self.task.with_targets(self.task.encode(self.tokenizer, self.task.inputs(examples)), examples)

    def training_rows(self, options: TrainingOptions) -> EncodedDataset:
        """The train split as a run with these options sees it."""
        rows = self.encoded(self.data.split("train"))
        return self.task.training_rows(rows, options)

    def train(
        self, options: TrainingOptions, directory: Path, device: str, resume: bool = False, overwrite: bool = False
    ) -> TrainingResult:
        """Fine-tune on the train split; the model holds the weights of the best checkpoint on dev afterwards.

        Raises as `check_training_options` and `training.train` do.
        """
        options = self.settled(options)
        dev = self.data.split("dev")
        rows, training_rows = self.encoded(dev), self.training_rows(options)
        self._tell_cuts({"training": training_rows, "dev": rows})
        return train(
            self.loaded.model,
            training_rows,
            rows,
            lambda logits: self.task.score(rows, logits, dev),
            options,
            directory,
            device,
            resume,
            overwrite,
            self.identity,
        )

    def evaluate(self, batch_size: int) -> dict[str, float]:
        """Figures of the dev split, computed with Paddle (see `Task.score`)."""
        examples = self.data.split("dev")
        rows = self.encoded(examples)
        self._tell_cuts({"dev": rows})
        return self.task.score(rows, predict_logits(self.loaded.model, rows, batch_size), examples)

    def predict(self, examples: Examples, batch_size: int) -> Sequence[Answer]:
        """Answers to some examples, computed with Paddle."""
        inputs = self.task.inputs(examples)
        rows = self.task.encode(self.tokenizer, inputs)
        self._tell_cuts({"test": rows})
        return self.task.decode(rows, predict_logits(self.loaded.model, rows, batch_size), inputs)

    def _tell_cuts(self, splits: Mapping[str, EncodedDataset]) -> None:
        """Say how many rows of each split lose tokens, where the task cuts texts at all."""
        parts = [
            f"{rows.cut_rows:,} of {len(rows):,} {name} rows"
            for name, rows in splits.items()
            if rows.cut_rows is not None
        ]
        if parts:
            self.tell(f"cut at {self.task.max_seq_length} tokens: {', '.join(parts)}")

    def export(
        self,
        directory: Path,
        parity_rows: int,
        metrics: dict[str, float],
        trained: bool,
        weights_file: Path | None = None,
    ) -> Bundle:
        """Write the bundle, after comparing ONNX with Paddle on the first rows of the dev split.

        `trained`: whether the model was trained on this session's data; if not, where its weights come from
        is read from the record in its own directory. `weights_file`: where a trained model was saved.
        """
        record: dict[str, Any] = {"data_source": self.data.source, "warnings": self.data.warnings}
        if not trained:
            own = read_metrics(Path(self.loaded.source))
            record = {"data_source": "unknown", "warnings": [], "metrics": {}} | own
            weights_file = Path(self.loaded.source) / WEIGHTS_FILE
        origin = Origin(
            self.data.spec.name, record["data_source"], metrics or record.get("metrics", {}), tuple(record["warnings"])
        )
        texts = self.task.inputs(self.data.split("dev")[:parity_rows])
        return export_bundle(
            self.loaded.model, self.tokenizer, self.task, origin, texts, directory, weights_file=weights_file
        )


def check_length(loaded: LoadedModel, max_seq_length: int) -> None:
    """ModelError where a model has fewer positions than the longest sequence."""
    limit = loaded.model.config.max_position_embeddings
    if max_seq_length > limit:
        raise ModelError(f"--max_seq_length {max_seq_length} is over the {limit} positions of {loaded.source}")


def _check_outputs(loaded: LoadedModel, labels: Sequence[str]) -> None:
    """ModelError where a model's configuration names other outputs than a task's labels, or has them in other order."""
    named = loaded.model.config.id2label or {}
    outputs = [str(named[place]) for place in sorted(named)]
    found = label_mismatch(outputs, labels, in_order=True)
    if labels and are_named(outputs) and found:
        raise ModelError(
            f"{loaded.source}: its outputs ({shown(outputs)}) are not the task's labels ({shown(labels)}), but "
            f"{found}: load it by load_model(PATH, task.labels), which finds them by name"
        )


def open_session(loaded: LoadedModel, data: DataSet, task: Task, tell: Callable[[str], None] = ignore) -> Session:
    """Join model, data and task (see `Session`).

    Raises ModelError where the model has fewer positions than the task's longest sequence, and where its outputs are
    not the task's labels in their order.
    """
    check_length(loaded, task.max_seq_length)
    _check_outputs(loaded, task.labels)
    tokenizer = build_tokenizer(loaded.vocabulary.tokens, loaded.vocabulary.do_lower_case)
    return Session(loaded, tokenizer, data, task, tell)


def require_trained_head(loaded: LoadedModel, labels: Sequence[str], recorded: Sequence[str] | None) -> None:
    """ModelError where a model cannot answer for this task and these labels without being trained first."""
    if loaded.fresh:
        wanted = f"classifier for {len(labels)} labels" if labels else "head for questions"
        # What was found in place of it: a head of another task, or one that nothing names.
        others = "".join(f" ({message.rpartition(': ')[0].partition(': ')[2]})" for message in loaded.notices)
        raise ModelError(f"{loaded.source} has no trained {wanted}{others}: fine-tune it first")
    found = label_mismatch(recorded or (), labels)
    if labels and are_named(recorded) and found:
        raise ModelError(f"{loaded.source} was trained for other labels ({found}): choose its own data set")
