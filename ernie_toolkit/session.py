"""A model, a data set and a task between the two: trained, evaluated, asked, exported."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ernie_toolkit.bundle import EXPORT_DIRECTORY, Bundle
from ernie_toolkit.console import is_main_process, with_flags
from ernie_toolkit.data import DataSet
from ernie_toolkit.decoding import Answer
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.export import Origin, export_bundle
from ernie_toolkit.files import write_json
from ernie_toolkit.files.transactions import Transaction, transaction
from ernie_toolkit.formats.weights import WEIGHTS_FILE
from ernie_toolkit.models import LoadedModel, stage_model
from ernie_toolkit.models.checks import check_length, check_outputs, check_segments, require_trained_head
from ernie_toolkit.progress import Progress
from ernie_toolkit.tasks import Task
from ernie_toolkit.tasks.custom_metric import CustomEvaluate, with_metric
from ernie_toolkit.text.dataset import EncodedDataset, Outputs
from ernie_toolkit.text.tokenization import WordPieceTokenizer, build_tokenizer
from ernie_toolkit.training import Criterion, TrainingResult, discard_checkpoints, predict_logits, train
from ernie_toolkit.training.chosen_checkpoint import resumes
from ernie_toolkit.training.finished import drop_stale_bundle
from ernie_toolkit.training.options import TrainingOptions, check_training_options
from ernie_toolkit.training.records import (
    CURVE_FILE,
    EVALUATION_FILE,
    METRICS_FILE,
    plot_training_curve,
    read_metrics,
    versions,
)

Examples = Sequence[dict[str, Any]]
# Real rows on which an exported model is compared with Paddle's.
PARITY_ROWS = 64


def ignore(_: str) -> None:
    """Print nothing: what a session that was given no `say` does with its lines."""


@dataclass
class Session:
    """A model, its task and a data set: what is trained, evaluated, asked and exported together.

        session = Session(load_model("ernie-3.0-medium-zh", task.labels, task=task.name), data, task)
        session.train(TrainingOptions(max_seq_length=128), Path("best_models/afqmc"))
        session.export(Path("best_models/afqmc/export"))

    Attributes:
        loaded: The model, of `load_model`.
        data: Of `load_dataset` or `make_dataset`; each method says which of its splits it needs.
        task: Of `data.spec.task(max_seq_length)`.
        device: Paddle's name of the device that is computed on, "cpu" or "gpu:0".
        criterion: The loss that is trained on, None for the model's own. It is called with the model's logits and the
            labels as tensors (reading comprehension: with a pair of each, for start and end), and returns a scalar
            tensor.
        custom_evaluate: A metric beside the task's own, which chooses the best checkpoint (see `CustomEvaluate`).
        say: Is called with each line that a user is to see, such as how many rows are cut at the maximum length. Where
            it is given, evaluating and predicting show their progress on standard error.

    Raises:
        ModelError: Where the model has fewer positions than the task's longest sequence, or one token type where rows
            have two texts, and where its outputs are not the task's labels in their order.
        ConfigError: On a metric that has the name of another.
    """

    loaded: LoadedModel
    data: DataSet
    task: Task
    device: str = "cpu"
    criterion: Criterion | None = None
    custom_evaluate: CustomEvaluate | None = None
    say: Callable[[str], None] = ignore
    tokenizer: WordPieceTokenizer = field(init=False, repr=False)
    result: TrainingResult | None = field(init=False, default=None, repr=False)
    """What the session's last training gave, None before."""
    trained_with: TrainingOptions | None = field(init=False, default=None, repr=False)
    """How the session's last training was done, with the metric that chose the best checkpoint."""
    saved: Path | None = field(init=False, default=None, repr=False)
    """The weights file that `save` has written."""

    def __post_init__(self) -> None:
        check_length(self.loaded, self.task.max_seq_length)
        check_segments(self.loaded, self.task)
        check_outputs(self.loaded, self.task.labels)
        self.task = with_metric(self.task, self.custom_evaluate)
        vocabulary = self.loaded.vocabulary
        self.tokenizer = build_tokenizer(vocabulary.tokens, vocabulary.do_lower_case)

    @property
    def identity(self) -> dict[str, Any]:
        """What has to be the same for an unfinished run to be resumed."""
        return {
            "dataset": self.data.spec.name,
            "data_source": self.data.source,
            "model": self.loaded.source,
            "task": self.task.name,
            "limits": self.task.limits,
            "labels": list(self.task.labels),
        }

    def settled(self, options: TrainingOptions) -> TrainingOptions:
        """Options that are checked, with the task's own metric where they choose none.

        Args:
            options: How to train.

        Raises:
            ConfigError: On an invalid setting (see `check_training_options`).
        """
        check_training_options(options, self.task.metrics)
        return options.with_metric(self.task.metrics)

    def encoded(self, examples: Examples) -> EncodedDataset:
        """Model inputs of some labelled examples, with training targets."""
        return self.task.with_targets(self.task.encode(self.tokenizer, self.task.inputs(examples)), examples)

    def training_rows(self, options: TrainingOptions) -> EncodedDataset:
        """The train split as a run with these options sees it."""
        rows = self.encoded(self.data.split("train"))
        return self.task.training_rows(rows, options)

    def train(
        self,
        options: TrainingOptions,
        directory: str | Path,
        resume: bool | str = False,
        overwrite: bool = False,
        callbacks: Sequence[Any] = (),
    ) -> TrainingResult:
        """Fine-tune on the train split; afterwards the model holds the weights of the best checkpoint on dev.

        Args:
            options: How to train.
            directory: Gets `checkpoints/` and the training curves; the model itself is written by `save`.
            resume: Whether to resume the run that was interrupted there; or the directory of the checkpoint to resume
                from.
            overwrite: Whether to delete what an interrupted run has left there.
            callbacks: PaddleNLP's `TrainerCallback` objects, called around steps beside the toolkit's own.

        Returns:
            What the run gave: metrics of dev, steps and seconds.

        Raises:
            ToolkitError: As `check_training_options` and `training.train` do.
        """
        from ernie_toolkit.training.trainer import ToolkitTrainer

        directory = Path(directory)
        options = self.settled(options)
        rows, training_rows = self.encoded(self.data.split("dev")), self.training_rows(options)
        self._report_cuts({"training": training_rows, "dev": rows})
        if isinstance(resume, str):
            resume = resumes(False, resume, directory, overwrite)
        trainer = functools.partial(ToolkitTrainer, criterion=self.criterion, more_callbacks=callbacks)
        self.result = self.run_training(training_rows, rows, options, directory, resume, overwrite, trainer)
        self.trained_with = options
        return self.result

    def run_training(
        self,
        train_rows: EncodedDataset,
        dev_rows: EncodedDataset,
        options: TrainingOptions,
        directory: Path,
        resume: bool,
        overwrite: bool,
        make_trainer: Callable[..., Any],
        **identity: Any,
    ) -> TrainingResult:
        """Train the model on rows of the session's splits by any Trainer, scored on dev by the task (see `train`).

        Args:
            train_rows: The encoded training split, with targets.
            dev_rows: The encoded dev split, with targets.
            options: Settled ones.
            directory: See `train`.
            resume: Whether the unfinished run there is resumed.
            overwrite: Whether it is dropped.
            make_trainer: Takes the arguments of `ToolkitTrainer`.
            **identity: What has to be the same for a run to be resumed, beside the session's own.

        Raises:
            ToolkitError: As `training.train` does.
        """
        examples = self.data.split("dev")
        return train(
            self.loaded.model,
            train_rows,
            dev_rows,
            lambda logits: self.task.score(dev_rows, logits, examples),
            options,
            directory,
            self.device,
            resume,
            overwrite,
            {**self.identity, **identity},
            make_trainer,
        )

    def save(
        self, directory: str | Path, settings: Mapping[str, Any] | None = None, bundle: Path | None = None
    ) -> None:
        """Write the trained model, `metrics.json` and the training curve, together or not at all.

        Only the first process of a distributed run writes.

        Args:
            directory: Gets the model.
            settings: What the run was asked for, for `metrics.json`; None: how it was trained.
            bundle: Where bundles of this model go beside `directory/export`; those of the model before are deleted.

        Raises:
            ConfigError: Before `train`.
        """
        result, options = self._training()
        if not is_main_process():
            return
        directory = Path(directory)
        record = self.record(result.metrics, {**asdict(options), **self.task.limits} if settings is None else settings)
        with transaction(directory) as files:
            self.stage(files, record, self.task.metrics[0], self.data.spec.name)
        self.saved = directory / WEIGHTS_FILE
        for place in dict.fromkeys((directory / EXPORT_DIRECTORY, bundle or directory / EXPORT_DIRECTORY)):
            if dropped := drop_stale_bundle(place, self.saved):
                self.say(dropped)
        kept = f"best on dev at step {result.best_step}" if options.keeps_best else "the last step's weights"
        self.say(f"trained to step {result.steps} in {result.seconds:.1f} s; {kept}: {directory}")

    def stage(self, files: Transaction, record: Mapping[str, Any], metric: str, data_name: str) -> None:
        """Let a transaction's directory have the trained model and its record, with the training curve of a metric.

        Args:
            files: The transaction.
            record: Of `record`.
            metric: The curve's.
            data_name: What the curve's title calls the data.

        Raises:
            ConfigError: Before `train`.
        """
        result, _ = self._training()
        stage_model(self.loaded.model, self.loaded.vocabulary, files)
        title = f"{self.loaded.source} on {data_name} ({self.data.source})"
        plot_training_curve(result.history, metric, title, files.path(files.directory / CURVE_FILE), result.best_step)
        files.write_json(files.directory / METRICS_FILE, record)

    def _training(self) -> tuple[TrainingResult, TrainingOptions]:
        """What the session's last training gave, and how it was done; ConfigError where there was none."""
        if self.result is None or self.trained_with is None:
            raise ConfigError("there is nothing to save: call train first")
        return self.result, self.trained_with

    def evaluate(self, batch_size: int = 64) -> dict[str, float]:
        """Metrics of the dev split, computed with Paddle (see `Task.score`).

        Args:
            batch_size: Rows that are computed at once.
        """
        examples = self.data.split("dev")
        rows = self.encoded(examples)
        self._report_cuts({"dev": rows})
        return self.task.score(rows, self._logits("dev", rows, batch_size), examples)

    def discard_checkpoints(self, directory: str | Path) -> None:
        """Delete the checkpoints of a training in `directory` that has ended; until then it can be resumed."""
        discard_checkpoints(Path(directory))

    def save_evaluation(self, metrics: dict[str, float], directory: Path, settings: Mapping[str, Any]) -> Path:
        """Write metrics of a model that this session has not trained to `eval_results.json`.

        Args:
            metrics: Metrics by name, as `evaluate` returns them.
            directory: Gets the file.
            settings: What the evaluation was asked for, by name.

        Returns:
            The path of the file.
        """
        write_json(directory / EVALUATION_FILE, self.record(metrics, settings, trained=False))
        return directory / EVALUATION_FILE

    def predict(self, examples: Examples, batch_size: int = 64) -> Sequence[Answer]:
        """Answers to some examples, in their order, computed with Paddle.

        Args:
            examples: As a split of the data set has them; they need no labels.
            batch_size: Rows that are computed at once.
        """
        inputs = self.task.inputs(examples)
        rows = self.task.encode(self.tokenizer, inputs)
        self._report_cuts({"test": rows})
        return self.task.decode(rows, self._logits("test", rows, batch_size), inputs)

    def _logits(self, name: str, rows: EncodedDataset, batch_size: int) -> Outputs:
        """The model's logits; progress is shown where a user is told anything at all."""
        with Progress(name, len(rows), shown=self.say is not ignore) as progress:
            return predict_logits(self.loaded.model, rows, batch_size, progress)

    def _report_cuts(self, splits: Mapping[str, EncodedDataset]) -> None:
        """Say how many rows of each split lose tokens, where the task cuts texts at all."""
        parts = [
            f"{rows.cut_rows:,} of {len(rows.features):,} {name} rows"
            for name, rows in splits.items()
            if rows.cut_rows is not None
        ]
        if parts:
            self.say(f"cut at {self.task.max_seq_length} tokens: {', '.join(parts)}")

    def record(self, metrics: Mapping[str, float], settings: Mapping[str, Any], trained: bool = True) -> dict[str, Any]:
        """Metrics, where they come from, settings and versions, as metrics.json and eval_results.json have them.

        Args:
            metrics: By name.
            settings: What the run was asked for.
            trained: Whether this session has trained the model.
        """
        data, result = self.data, self.result
        record: dict[str, Any] = {"dataset": data.spec.name, "task": self.task.name, "metrics": dict(metrics)}
        if trained and result is not None:
            record["training"] = {
                "steps": result.steps,
                "best_step": result.best_step,
                "seconds": round(result.seconds, 1),
                "resumed_from_step": result.resumed_from_step,
                "evaluations": [entry for entry in result.history if "eval_loss" in entry],
            }
        if trained and self.trained_with is not None:
            settings = {**settings, "metric_for_best_model": self.trained_with.metric_for_best_model}
        return record | {
            "model": self.loaded.source,
            "data_source": data.source,
            "data_location": data.location,
            "left_out": data.left_out,
            "warnings": list(data.warnings),
            "notices": list(map(with_flags, data.notices)),
            "seed": settings.get("seed"),
            "settings": dict(settings),
            "versions": versions(),
        }

    def require_trained_head(self) -> None:
        """Check that the model can answer without being trained first (see the function of this name).

        Raises:
            ModelError: Where it cannot.
        """
        require_trained_head(self.loaded, self.task)

    def export(
        self,
        directory: str | Path,
        parity_rows: int = PARITY_ROWS,
        metrics: Mapping[str, float] | None = None,
        trained: bool | None = None,
        weights_file: Path | None = None,
    ) -> Bundle:
        """Write the bundle that every deployment reads, after comparing ONNX with Paddle on rows of the dev split.

        Args:
            directory: The bundle; one that is there is replaced as a whole.
            parity_rows: How many rows are compared.
            metrics: Dev metrics for `bundle.json`; None: those of the session's training, or of the model's own record.
            trained: Whether the model was trained on this session's data, None: whether this session has trained it. If
                not, where its weights come from is read from the record in its own directory.
            weights_file: Where a trained model was saved; None: where `save` has written it.

        Returns:
            The bundle as it was written.
        """
        trained = self.result is not None if trained is None else trained
        record: dict[str, Any] = {"data_source": self.data.source, "warnings": self.data.warnings}
        if self.result is not None:
            record["metrics"] = self.result.metrics
        if not trained:
            own = read_metrics(Path(self.loaded.source))
            record = {"data_source": "unknown", "warnings": [], "metrics": {}} | own
            weights_file = Path(self.loaded.source) / WEIGHTS_FILE
        metrics, weights_file = metrics or record.get("metrics", {}), weights_file or self.saved
        origin = Origin(self.data.spec.name, record["data_source"], dict(metrics), tuple(record["warnings"]))
        texts = self.task.inputs(self.data.split("dev")[:parity_rows])
        return export_bundle(
            self.loaded.model, self.tokenizer, self.task, origin, texts, Path(directory), weights_file=weights_file
        )
