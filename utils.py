"""What the run_* and compress_* scripts share: the journey from arguments to a bundle, device, notices.

Nothing here imports paddle or reads data at import time: `--help` and argument errors answer at once.
"""

import argparse
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.arguments.options import (
    ReadingOptions,
    RunOptions,
    SourceOptions,
    TrainingOptions,
    check_reading_options,
    check_training_options,
)
from ernie_toolkit.arguments.settings import add_options, config_notices, read_config, resolve_options
from ernie_toolkit.bundle import EXPORT_DIRECTORY
from ernie_toolkit.compression.options import CompressionOptions
from ernie_toolkit.console import (
    OneLineParser,
    exit_on_toolkit_error,
    is_main_process,
    notice,
    print_settings,
    say,
    warn,
)
from ernie_toolkit.data import DATASETS, DataSet, get_spec, load_dataset
from ernie_toolkit.data.file_options import FileOptions
from ernie_toolkit.data.registry import CUSTOM, check_task
from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.formats.weights import WEIGHTS_FILE
from ernie_toolkit.models import DEFAULT_MODEL, SAMPLE_MODEL, check_model_directory, is_local
from ernie_toolkit.models.config import model_labels, model_task
from ernie_toolkit.models.heads import are_named, with_model_labels
from ernie_toolkit.tasks import TASKS, Task, make_task
from ernie_toolkit.training.chosen_checkpoint import goes_on, goes_on_in_place
from ernie_toolkit.training.devices import accelerate_cpu, check_device, end_distributed_run
from ernie_toolkit.training.finished import SAMPLE, check_replaceable, drop_stale_bundle
from ernie_toolkit.training.records import read_metrics

if TYPE_CHECKING:
    from ernie_toolkit.session import Session
    from ernie_toolkit.training import TrainingResult

Source = TypeVar("Source", bound=SourceOptions)
STAGES = ("do_train", "do_eval", "do_predict", "do_export")
# Real rows on which an exported model is compared with Paddle's.
PARITY_ROWS = 64
# Every option that the YAML file may set: it is one file for all tasks and scripts.
CONFIG_OPTIONS = (RunOptions, TrainingOptions, ReadingOptions, CompressionOptions)
# Of the run's own options those that it may set: the rest says where the file is, and which part of it counts.
RUN_NAMES = frozenset(item.name for item in dataclasses.fields(RunOptions)) - {"config", "dataset"}
SOURCE_NAMES = frozenset(item.name for item in dataclasses.fields(SourceOptions)) & RUN_NAMES - {
    "model_name_or_path",
    "output_dir",
    "resume",
    "overwrite_output_dir",
}


@dataclass(frozen=True)
class Settings:
    """The settled options of a run."""

    run: RunOptions
    training: TrainingOptions
    reading: ReadingOptions
    files: FileOptions

    def limits(self, task: str) -> dict[str, int]:
        """The task's own settings beside the length."""
        return dataclasses.asdict(self.reading) if task == "qa" else {}

    def shown(self, task: str) -> dict[str, Any]:
        """Every option by name, for the log and metrics.json."""
        parts = (self.run, self.files, self.training)
        return {name: value for part in parts for name, value in dataclasses.asdict(part).items()} | self.limits(task)


def check_run(run: RunOptions, given: argparse.Namespace, task: str) -> RunOptions:
    """Settle which stages run and where the model comes from; ConfigError or ModelError on what cannot work."""
    if run.dataset != CUSTOM:
        check_task(get_spec(run.dataset), task)
    if not any(getattr(run, stage) for stage in STAGES):
        if any(stage in vars(given) for stage in STAGES):
            raise ConfigError("nothing to do: give one of --" + ", --".join(STAGES))
        run = dataclasses.replace(run, do_train=True, do_eval=True, do_export=True)
    run = dataclasses.replace(run, config=config_path(run, given))
    trained = Path(run.output_dir) / run.dataset
    if not run.do_train and not run.model_name_or_path:
        run = dataclasses.replace(run, model_name_or_path=str(trained))
        if not trained.is_dir():
            raise ConfigError(f"{trained}: no trained model there: give --do_train, or --model_name_or_path")
    if run.do_train:
        resume = goes_on_in_place(run.resume, run.resume_from_checkpoint, trained)
        check_replaceable(trained, None, resume, run.overwrite_output_dir)
    if run.model_name_or_path and is_local(run.model_name_or_path):
        check_model_directory(Path(run.model_name_or_path))
    return run


def config_path(source: SourceOptions, given: argparse.Namespace) -> str:
    """The YAML file: the one named, else that of the place where the script is called, else the toolkit's own."""
    if "config" in vars(given) or Path(source.config).exists():
        return source.config
    return str(Path(__file__).resolve().parent / source.config)


def load_data(run: RunOptions, given: argparse.Namespace, task: str, options: FileOptions) -> DataSet:
    """Load the splits that the stages need, and print what there is to know about them."""
    wanted = {"train": run.do_train, "dev": run.do_train or run.do_eval or run.do_export, "test": run.do_predict}
    limits = {split: getattr(run, f"max_{split}_samples") for split in wanted}
    if run.do_export and not run.do_train and not run.do_eval:
        limits["dev"] = min(limits["dev"] or PARITY_ROWS, PARITY_ROWS)
    sample_allowed = "model_name_or_path" not in vars(given) and not run.data_dir
    needed = {split: limits[split] for split, needed in wanted.items() if needed}
    labels = None if run.do_train else trained_labels(run.model_name_or_path, task)
    if not run.do_train and not names_data(run):
        run = of_the_models_source(run, read_metrics(Path(run.model_name_or_path)))
    return load_splits(run, task, needed, sample_allowed, options, run.test_file, labels)


def names_data(source: SourceOptions) -> bool:
    """Whether the options say which data is read, not only of which data set."""
    return bool(source.data_dir) or source.dataset == CUSTOM or source.data_source != "auto"


def of_the_models_source(source: Source, record: Mapping[str, Any]) -> Source:
    """The options with the sample as their data where the model was fine-tuned on it.

    `record`: what is kept of the model's fine-tuning, empty where nothing is. To call where they name no data.
    """
    return dataclasses.replace(source, data_source=SAMPLE) if record.get("data_source") == SAMPLE else source


def load_splits(
    source: SourceOptions,
    task: str,
    limits: Mapping[str, int],
    sample_allowed: bool,
    options: FileOptions,
    test_file: str = "",
    labels: Sequence[str] | None = None,
) -> DataSet:
    """Load some splits, and print what there is to know about them.

    `limits`: rows of each, 0 for all. `labels`: those of a trained model, which the data is read for.
    """
    data = load_dataset(
        source.dataset,
        task=task,
        data_dir=source.data_dir or None,
        data_source=source.data_source,
        splits=list(limits),
        sample_allowed=sample_allowed,
        limits={split: rows for split, rows in limits.items() if rows},
        test_file=test_file or None,
        options=options,
        labels=labels,
        **{name: getattr(source, name) or None for name in ("train_file", "dev_file", "label_file")},
    )
    for message in (*data.notices, *data.warnings):
        warn(message)
    say(f"data: {data.spec.name} from {data.source} ({data.location})")
    for line in data.summary:
        say(line)
    return with_model_labels(data, labels)


def trained_labels(name_or_path: str, task: str) -> tuple[str, ...] | None:
    """The labels that a model directory was trained for, in the order of its logits; None where nothing tells them.

    Raises ModelError where it was trained for another task: data would be read for labels that it is not of.
    """
    if not is_local(name_or_path):
        return None
    other = model_task(Path(name_or_path))
    if other not in (None, task):
        raise ModelError(
            f"{name_or_path}: its head was trained for the task '{other}', not for '{task}': choose a model of this "
            "task, or fine-tune it first"
        )
    labels = model_labels(Path(name_or_path))
    return labels if are_named(labels) else None


def load_session(settings: Settings, data: DataSet, task: Task, device: str) -> "Session":
    """Load the model for a data set's labels; without training it needs a head that was trained for them."""
    import paddle

    from ernie_toolkit.models import load_model
    from ernie_toolkit.session import open_session, require_trained_head
    from ernie_toolkit.training import seed_everything

    name, options = settings.run.model_name_or_path, settings.training
    paddle.set_device(device)
    seed_everything(options.seed)
    dropouts = [None if p < 0 else p for p in (options.hidden_dropout_prob, options.attention_probs_dropout_prob)]
    loaded = load_model(name, task.labels, *dropouts, task=task.name)
    if not settings.run.do_train:
        require_trained_head(loaded, task.labels, model_labels(Path(name)) if is_local(name) else None)
    for message in loaded.notices:
        warn(message)
    return open_session(loaded, data, task, say)


def train_model(session: "Session", settings: Settings, directory: Path, device: str) -> "TrainingResult":
    """Fine-tune, and save the best model with its figures and its training curve, together or not at all."""
    from ernie_toolkit.files.transactions import transaction
    from ernie_toolkit.models import stage_model
    from ernie_toolkit.training.records import CURVE_FILE, METRICS_FILE, plot_training_curve

    run = settings.run
    resume = goes_on(run.resume, run.resume_from_checkpoint, directory, run.overwrite_output_dir)
    result = session.train(settings.training, directory, device, resume, run.overwrite_output_dir)
    if is_main_process():
        title = f"{session.loaded.source} on {run.dataset} ({session.data.source})"
        with transaction(directory) as files:
            stage_model(session.loaded.model, session.loaded.vocabulary, files)
            curve = files.path(directory / CURVE_FILE)
            plot_training_curve(result.history, session.task.metrics[0], title, curve, result.best_step)
            files.write_json(directory / METRICS_FILE, metrics_record(session, settings, result.metrics, result))
        for place in dict.fromkeys((directory / EXPORT_DIRECTORY, bundle_place(run))):
            dropped = drop_stale_bundle(place, directory / WEIGHTS_FILE)
            if dropped:
                say(dropped)
    kept = f"best on dev at step {result.best_step}" if settings.training.keeps_best else "the last step's weights"
    say(f"trained to step {result.steps} in {result.seconds:.1f} s; {kept}: {directory}")
    return result


def bundle_place(run: RunOptions) -> Path:
    """The directory that a run's bundle goes to."""
    return Path(run.export_model_dir) / run.dataset / EXPORT_DIRECTORY


def metrics_record(
    session: "Session", settings: Settings, metrics: dict[str, float], result: "TrainingResult | None"
) -> dict[str, Any]:
    """Figures, where they come from, settings and versions, as metrics.json and eval_results.json have them.

    `result`: that of the training, None where a model was only evaluated.
    """
    from ernie_toolkit.training.records import versions

    run, data = settings.run, session.data
    record: dict[str, Any] = {"dataset": run.dataset, "task": session.task.name, "metrics": metrics}
    if result is not None:
        record["training"] = {
            "steps": result.steps,
            "best_step": result.best_step,
            "seconds": round(result.seconds, 1),
            "resumed_from_step": result.resumed_from_step,
            "evaluations": [entry for entry in result.history if "eval_loss" in entry],
        }
    return record | {
        "model": session.loaded.source,
        "data_source": data.source,
        "data_location": data.location,
        "left_out": data.left_out,
        "warnings": list(data.warnings),
        "notices": list(data.notices),
        "seed": settings.training.seed,
        "settings": settings.shown(session.task.name),
        "versions": versions(),
    }


def write_evaluation(session: "Session", settings: Settings, directory: Path) -> dict[str, float]:
    """Evaluate a model that this run has not trained; its figures go to eval_results.json, metrics.json stays."""
    from ernie_toolkit.files import write_json
    from ernie_toolkit.training.records import EVALUATION_FILE, print_metrics

    metrics = session.evaluate(settings.training.per_device_eval_batch_size)
    write_json(directory / EVALUATION_FILE, metrics_record(session, settings, metrics, None))
    print_metrics(metrics, directory / EVALUATION_FILE)
    return metrics


def run_stages(settings: Settings, data: DataSet, task: Task) -> None:
    """Load the model and go through the stages that were asked for."""
    run, options = settings.run, settings.training
    if options.fast_cpu:
        accelerate_cpu(run.device or None)
    device = check_device(run.device or None)
    if device == "cpu" and (options.fp16 or options.bf16):
        raise ConfigError("--fp16 and --bf16 need a GPU: Paddle computes in float32 on the CPU; leave them out")
    from ernie_toolkit.data.predictions import write_predictions
    from ernie_toolkit.training import discard_checkpoints
    from ernie_toolkit.training.records import METRICS_FILE, print_metrics

    session = load_session(settings, data, task, device)
    directory = Path(run.output_dir) / run.dataset
    result = train_model(session, settings, directory, device) if run.do_train else None
    if not is_main_process():
        return
    metrics = result.metrics if result is not None else {}
    if result is not None:  # training has evaluated the checkpoint it kept
        print_metrics(metrics, directory / METRICS_FILE)
    elif run.do_eval:
        metrics = write_evaluation(session, settings, directory)
    if run.do_predict:
        examples = data.split("test")
        answers = session.predict(examples, options.per_device_eval_batch_size)
        paths = write_predictions(data, examples, answers, directory, run.output_format)
        say("predictions: " + ", ".join(map(str, paths)))
        if data.skipped:
            warn(f"{len(data.skipped)} row(s) have no answer, the first: {data.skipped[0].reason}")
    if run.do_export:
        target = bundle_place(run)
        saved = directory / WEIGHTS_FILE if run.do_train else None
        parity = session.export(target, PARITY_ROWS, metrics, run.do_train, saved).info.parity
        say(
            f"bundle in {target}: ONNX and Paddle logits differ by at most {parity['max_abs_difference']:.1e} "
            f"on {parity['rows']:.0f} rows"
        )
    # Last of all: until here a run that is cut off goes on by --resume.
    if result is not None and not options.keep_checkpoints:
        discard_checkpoints(directory)


def settle(run: RunOptions, given: argparse.Namespace, task: str, sample: bool) -> Settings:
    """All options of a run, checked; `sample`: the sample's own model is trained, which has settings of its own."""
    config = read_config(Path(run.config), task, run.dataset, CONFIG_OPTIONS, sample)
    training, reading = (resolve_options(options, config, given) for options in (TrainingOptions, ReadingOptions))
    metrics = TASKS[task].metrics
    training = dataclasses.replace(training, metric_for_best_model=training.metric_for_best_model or metrics[0])
    check_training_options(training, metrics)
    check_reading_options(reading)
    return Settings(run, training, reading, resolve_options(FileOptions, {}, given))


def build_parser(task: str, dataset: str, description: str) -> OneLineParser:
    """The arguments of a run_* script."""
    names = [name for name, spec in DATASETS.items() if spec.task_name == task]
    parser = OneLineParser(
        prog=TASKS[task].script, description=description, epilog=f"data sets: {', '.join((*names, CUSTOM))}"
    )
    defaults = {"dataset": dataset}
    for options_class in (RunOptions, FileOptions, TrainingOptions, *((ReadingOptions,) if task == "qa" else ())):
        add_options(parser, options_class, defaults)
    add_guide_flags(parser, TASKS[task].script)
    return parser


def with_config(
    given: argparse.Namespace, source: SourceOptions, task: str, names: Collection[str]
) -> argparse.Namespace:
    """What was given, on the command line or else in the YAML file, which may have these options beside its own."""
    path = Path(config_path(source, given))
    for message in config_notices(path, task, source.dataset, names):
        notice(message)
    config = read_config(path, task, source.dataset, CONFIG_OPTIONS)
    return argparse.Namespace(**{name: config[name] for name in names if name in config} | vars(given))


def run_script(task: str, dataset: str, description: str, argv: Sequence[str]) -> None:
    """Parse the arguments of a run_* script, settle settings, run; `dataset` is worked on where none is named."""
    parser = build_parser(task, dataset, description)
    defaults = {"dataset": dataset}
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        given = with_config(given, resolve_options(SourceOptions, defaults, given), task, RUN_NAMES)
        run = check_run(resolve_options(RunOptions, defaults, given), given, task)
        # A mistake in the settings is told before data is looked for.
        files = settle(run, given, task, sample=False).files
        data = load_data(run, given, task, files)
        if run.do_train:
            place = Path(run.output_dir) / run.dataset
            resume = goes_on_in_place(run.resume, run.resume_from_checkpoint, place)
            replaced = check_replaceable(place, data.source, resume, run.overwrite_output_dir)
            if replaced:
                say(replaced)
        if not run.model_name_or_path:
            model = SAMPLE_MODEL if data.source == "sample" else DEFAULT_MODEL
            run = dataclasses.replace(run, model_name_or_path=model)
        settings = settle(run, given, task, sample=run.model_name_or_path == SAMPLE_MODEL)
        print_settings(settings.shown(task))
        spec = data.spec
        length = settings.training.max_seq_length
        run_stages(
            settings,
            data,
            make_task(task, spec.labels, length, spec.text_format, spec.label_names, settings.limits(task)),
        )
        for message in data.warnings if data.source == "sample" else ():
            warn(message)
    end_distributed_run()
