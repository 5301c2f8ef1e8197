"""The lines that a run prints about its data, its model and what it has written."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ernie_toolkit.bundle import BUNDLE_FILE, EXPORT_DIRECTORY, Bundle, read_bundle, stale_message
from ernie_toolkit.console import say, warn
from ernie_toolkit.data import DataSet
from ernie_toolkit.data.predictions import write_predictions
from ernie_toolkit.decoding import Answer
from ernie_toolkit.models import LoadedModel
from ernie_toolkit.models.checks import require_trained_head
from ernie_toolkit.tasks import Task, task_named
from ernie_toolkit.training.finished import SAMPLE

if TYPE_CHECKING:
    from ernie_toolkit.compression.report.model import Report


def report_data(data: DataSet) -> None:
    """Print where a data set is from and what was read of it; what was left out or converted as a warning."""
    warn(*data.notices, *data.warnings)
    say(f"data: {data.spec.name} from {data.source} ({data.location})")
    say(*data.summary)


def report_model(loaded: LoadedModel) -> None:
    """Print what was done with a model's head."""
    warn(*loaded.notices)


def report_predictions(
    data: DataSet,
    examples: Sequence[Mapping[str, Any]],
    answers: Sequence[Answer],
    directory: Path,
    output_format: str = "toolkit",
) -> None:
    """Write the answers to the test split (see `write_predictions`), and print where they are.

    Args:
        data: The data set.
        examples: The test examples that were predicted.
        answers: Their answers, in the same order.
        directory: Gets the files.
        output_format: "toolkit", or "guide" for the form of PaddleNLP's guide.
    """
    paths = write_predictions(data, examples, answers, directory, output_format)
    say("predictions: " + ", ".join(map(str, paths)))
    if data.skipped:
        warn(f"{len(data.skipped)} row(s) have no answer, the first: {data.skipped[0].reason}")


def report_bundle(bundle: Bundle) -> None:
    """Print where a bundle is, and how near its ONNX graph is to Paddle's model."""
    parity = bundle.info.parity
    say(
        f"bundle in {bundle.directory}: ONNX and Paddle logits differ by at most {parity['max_abs_difference']:.1e} "
        f"on {parity['rows']:.0f} rows"
    )


def report_sample(data: DataSet) -> None:
    """Warn once more, at the end of a run, where its data was the sample."""
    if data.source == SAMPLE:
        warn(*data.warnings)


def report_model_to_compress(model: LoadedModel | Bundle, task: Task) -> None:
    """Print what was done with the head of a model that is compressed, and whether its bundle is of other weights.

    Args:
        model: The model, or the bundle that is compressed in place of one.
        task: The task that it answers.

    Raises:
        ModelError: Where a model has no head that was trained for the task.
    """
    if isinstance(model, Bundle):
        if message := stale_message(model):
            warn(message)
        return
    require_trained_head(model, task)
    report_model(model)
    exported = Path(model.source) / EXPORT_DIRECTORY
    if (exported / BUNDLE_FILE).is_file() and (message := stale_message(read_bundle(exported))):
        warn(f"{message}; compression works from the model itself")


def report_distillation(report: "Report", directory: Path) -> None:
    """Print the teacher and its students as `report_compression` prints models, and how a student goes on.

    Args:
        report: The run's.
        directory: The directory that it lies in.
    """
    report_compression(report, directory, "distill_report")
    best = max(report.candidates, key=lambda item: item.metrics[report.metric])
    script = task_named(report.task).script.replace("run_", "compress_")
    say(
        f"a student is compressed further by: python {script} --model_name_or_path {directory / best.name} "
        f"--dataset {report.dataset}, with what else the data needs"
    )


def report_compression(report: "Report", directory: Path, name: str = "compress_report") -> None:
    """Print the models that are deployed, a line each, and where the report is; *: a best trade-off.

    Args:
        report: The run's.
        directory: The directory that it lies in.
        name: Of the report's files, without the suffix.
    """
    from ernie_toolkit.compression.report.metrics import (
        best_tradeoffs,
        change_text,
        megabytes_text,
        shown_metrics,
        speed_text,
    )
    from ernie_toolkit.compression.report.recommendation import recommendation_line

    width = max(len(item.name) for item in (report.baseline, *report.candidates))
    front = {item.name for item in best_tradeoffs(report)}
    say(f"kept, of {len(report.candidates)} candidates (*: best trade-off of {report.metric} and latency):")
    for item in (report.baseline, *(item for item in report.candidates if item.kept)):
        change = "" if item is report.baseline else f"({change_text(shown_metrics(report, item).change)})"
        say(
            f"  {'*' if item.name in front else ' '} {item.name:<{width}}  {report.metric} "
            f"{item.metrics[report.metric]:.4f} {change:<7}  {megabytes_text(report, item.size):>6} MB  "
            f"{speed_text(report, item)}  {directory / item.file}"
        )
    if line := recommendation_line(report):
        say(f"recommended: {line}")
    say(f"report: {directory / f'{name}.md'} (.json, .png)")
