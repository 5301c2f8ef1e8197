"""What the compress_* scripts share: from arguments to a compression run and its report."""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.arguments.options import (
    ReadingOptions,
    SourceOptions,
    TrainingOptions,
    check_reading_options,
    check_training_options,
)
from ernie_toolkit.arguments.settings import add_options, read_config, resolve_options
from ernie_toolkit.bundle import BUNDLE_FILE, EXPORT_DIRECTORY, Bundle, read_bundle, stale_message
from ernie_toolkit.compression.options import (
    CompressionOptions,
    bundle_directory,
    check_compression_options,
    check_distillation,
)
from ernie_toolkit.compression.pipeline import compress_bundle, compress_session
from ernie_toolkit.compression.report.metrics import best_tradeoffs, change_text, shown_metrics, size_text, speed_text
from ernie_toolkit.compression.report.model import Report
from ernie_toolkit.compression.state import Request, check_unfinished, plain
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, print_settings, say, warn
from ernie_toolkit.data import DATASETS, DataSet, get_spec
from ernie_toolkit.data.file_options import FileOptions
from ernie_toolkit.data.registry import CUSTOM, TASK_SCRIPTS, check_task
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.models import SAMPLE_MODEL, check_model_directory, is_local
from ernie_toolkit.models.config import model_labels
from ernie_toolkit.models.heads import difference, same_labels
from ernie_toolkit.tasks import TASKS, Task, make_task
from ernie_toolkit.training.devices import accelerate_cpu, check_device
from ernie_toolkit.training.records import read_metrics
from utils import (
    CONFIG_OPTIONS,
    SOURCE_NAMES,
    config_path,
    load_splits,
    names_data,
    of_the_models_source,
    trained_labels,
    with_config,
)

# In these scripts --fp16 asks for an FP16 model, not for training in it.
NOT_OF_TRAINING = ("fp16", "fp16_opt_level")
# What has to be as in fine-tuning for figures to be comparable; taken from the model's record where not given.
OF_THE_MODEL = ("max_seq_length", "negative_window_ratio", "doc_stride", "n_best_size", "max_answer_length")


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settled options of a compression run."""

    source: SourceOptions
    compression: CompressionOptions
    training: TrainingOptions
    reading: ReadingOptions
    files: FileOptions

    @property
    def request(self) -> Request:
        """What the library is asked for, on the CPU."""
        source = self.source
        return Request(
            self.compression, self.training, Path(source.output_dir), "cpu", source.resume, source.overwrite_output_dir
        )

    def limits(self, task: str) -> dict[str, int]:
        """The task's own settings beside the length."""
        return dataclasses.asdict(self.reading) if task == "qa" else {}

    def shown(self, task: str) -> dict[str, Any]:
        """Every option by name, for the log."""
        training = dataclasses.asdict(self.training)
        for name in NOT_OF_TRAINING:
            training.pop(name)
        parts = (self.source, self.files, self.compression)
        own = {name: value for part in parts for name, value in dataclasses.asdict(part).items()}
        return own | training | self.limits(task)


def check_source(source: SourceOptions, options: CompressionOptions, task: str) -> SourceOptions:
    """Settle which model is compressed and where to; ConfigError or ModelError where there is none."""
    if source.dataset != CUSTOM:
        check_task(get_spec(source.dataset), task)
    if options.input_infer_model_path:
        model = options.input_infer_model_path
        beside = str(Path(model).resolve().parent)
        return dataclasses.replace(source, model_name_or_path=model, output_dir=source.output_dir or beside)
    model = source.model_name_or_path or str(Path("best_models") / source.dataset)
    if not is_local(model) or not Path(model).is_dir():
        raise ConfigError(
            f"{model}: no fine-tuned model there: python {TASK_SCRIPTS[task]} --dataset {source.dataset} makes one"
        )
    check_model_directory(Path(model))
    return dataclasses.replace(source, model_name_or_path=model, output_dir=source.output_dir or model)


def settle(source: SourceOptions, given: argparse.Namespace, task: str, record: dict[str, Any]) -> Settings:
    """All options, checked; what the model was fine-tuned with stands in for what nobody gave."""
    config = read_config(Path(source.config), task, source.dataset, CONFIG_OPTIONS, record.get("model") == SAMPLE_MODEL)
    config |= {name: value for name, value in record.get("settings", {}).items() if name in OF_THE_MODEL}
    compression = resolve_options(CompressionOptions, config, given)
    compression = dataclasses.replace(
        compression, input_infer_model_path=bundle_directory(compression.input_infer_model_path)
    )
    training = dataclasses.replace(resolve_options(TrainingOptions, config, given), fp16=False)
    reading = resolve_options(ReadingOptions, config, given)
    metrics = TASKS[task].metrics
    training = dataclasses.replace(training, metric_for_best_model=training.metric_for_best_model or metrics[0])
    check_compression_options(compression)
    check_training_options(training, metrics)
    # Bundles are quantized on the CPU; which device there is for a model is found out later.
    check_distillation(training, "cpu" if compression.input_infer_model_path else source.device or "gpu")
    check_reading_options(reading)
    return Settings(source, compression, training, reading, resolve_options(FileOptions, {}, given))


def load_data(
    source: SourceOptions, task: str, record: dict[str, Any], options: FileOptions, labels: Sequence[str] | None
) -> DataSet:
    """The training and dev rows; the sample for a model that was fine-tuned on it, unless other data is named.

    `labels`: those that the model was trained for, in its order, which the data takes over; None where nothing tells.
    """
    if not names_data(source):
        source = of_the_models_source(source, record)
    limits = {"train": source.max_train_samples, "dev": source.max_dev_samples}
    return load_splits(source, task, limits, sample_allowed=False, options=options, labels=labels)


def check_bundle(bundle: Bundle, data: DataSet) -> None:
    """ConfigError where a bundle reads or answers something else than a data set has."""
    info, spec = bundle.info, data.spec
    others = "" if same_labels(info.labels, spec.labels) else f" ({difference(info.labels, spec.labels)})"
    if (info.task, info.text_format) != (spec.task_name, spec.text_format) or not same_labels(info.labels, spec.labels):
        raise ConfigError(
            f"--input_infer_model_path {bundle.directory} is a {info.task} model with {len(info.labels)} labels that "
            f"reads '{info.text_format}' ({info.dataset}), {spec.name} is {spec.task_name} with {len(spec.labels)} and "
            f"'{spec.text_format}'{others}: choose its own data set"
        )


def check_limits(given: argparse.Namespace, limits: dict[str, Any], bundle: str) -> None:
    """ConfigError where a setting was given that a bundle has another value of: its graph was measured with its own."""
    for name, value in limits.items():
        asked = vars(given).get(name, value)
        if asked != value:
            raise ConfigError(f"--{name} {asked}: the bundle {bundle} was made with {value}; leave it out")


def run_compression(settings: Settings, data: DataSet, task: Task) -> Report:
    """Load what is to be compressed, and compress it."""
    source, options, training, request = settings.source, settings.compression, settings.training, settings.request
    if options.input_infer_model_path:
        bundle = read_bundle(options.input_infer_model_path, verify=True)
        if message := stale_message(bundle):
            warn(message)
        check_bundle(bundle, data)
        return compress_bundle(bundle, data, request, say)
    if training.fast_cpu:
        accelerate_cpu(source.device or None)
    device = check_device(source.device or None)
    check_distillation(training, device)
    import paddle

    from ernie_toolkit.models import load_model
    from ernie_toolkit.session import open_session, require_trained_head
    from ernie_toolkit.training import seed_everything

    if paddle.distributed.get_world_size() > 1:
        raise ConfigError("compression runs in one process: start it without paddle.distributed.launch")
    paddle.set_device(device)
    seed_everything(training.seed)
    dropouts = [None if p < 0 else p for p in (training.hidden_dropout_prob, training.attention_probs_dropout_prob)]
    name = source.model_name_or_path
    loaded = load_model(name, task.labels, *dropouts, task=task.name)
    require_trained_head(loaded, task.labels, model_labels(Path(name)))
    for message in loaded.notices:
        warn(message)
    exported = Path(name) / EXPORT_DIRECTORY
    if (exported / BUNDLE_FILE).is_file() and (message := stale_message(read_bundle(exported))):
        warn(f"{message}; compression works from the model itself")
    return compress_session(open_session(loaded, data, task), dataclasses.replace(request, device=device), say)


def print_report(report: Report, directory: Path) -> None:
    """Print the models that are deployed, a line each, and where the report is; *: a best trade-off."""
    width = max(len(item.name) for item in (report.baseline, *report.candidates))
    front = {item.name for item in best_tradeoffs(report)}
    say(f"kept, of {len(report.candidates)} candidates (*: best trade-off of {report.metric} and latency):")
    for item in (report.baseline, *(item for item in report.candidates if item.kept)):
        change = "" if item is report.baseline else f"({change_text(shown_metrics(report, item).change)})"
        say(
            f"  {'*' if item.name in front else ' '} {item.name:<{width}}  {report.metric} "
            f"{item.metrics[report.metric]:.4f} {change:<7}  {size_text(report, item):>6} MB  "
            f"{speed_text(report, item)}  {directory / item.file}"
        )
    say(f"report: {directory / 'compress_report.md'} (.json, .png)")


def build_parser(task: str, dataset: str, description: str) -> OneLineParser:
    """The arguments of a compress_* script."""
    names = [name for name, spec in DATASETS.items() if spec.task_name == task]
    parser = OneLineParser(
        prog=TASK_SCRIPTS[task].replace("run_", "compress_"),
        description=description,
        epilog=f"data sets: {', '.join((*names, CUSTOM))}",
    )
    defaults = {"dataset": dataset}
    for options_class in (SourceOptions, FileOptions, CompressionOptions):
        add_options(parser, options_class, defaults)
    add_options(parser, TrainingOptions, without=NOT_OF_TRAINING)
    if task == "qa":
        add_options(parser, ReadingOptions)
    add_guide_flags(parser, parser.prog)
    return parser


def run_compress_script(task: str, dataset: str, description: str, argv: Sequence[str]) -> None:
    """Parse the arguments of a compress_* script, settle settings, run; `dataset` is worked on where none is named."""
    parser = build_parser(task, dataset, description)
    defaults = {"dataset": dataset}
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        given = with_config(given, resolve_options(SourceOptions, defaults, given), task, SOURCE_NAMES)
        source = resolve_options(SourceOptions, defaults, given)
        source = dataclasses.replace(source, config=config_path(source, given))
        asked = settle(source, given, task, {}).compression  # a mistake in the settings is told before anything is read
        source = check_source(source, asked, task)
        record = read_metrics(Path(source.model_name_or_path))
        own_labels: Sequence[str] | None
        if asked.input_infer_model_path:
            info = read_bundle(asked.input_infer_model_path).info
            limits = {"max_seq_length": info.max_seq_length, **info.limits}
            check_limits(given, limits, asked.input_infer_model_path)
            record = {"data_source": info.data_source, "settings": limits}
            own_labels = info.labels
        else:
            own_labels = trained_labels(source.model_name_or_path, task)
        settings = settle(source, given, task, record)
        check_unfinished(settings.request)
        data = load_data(source, task, record, settings.files, own_labels)
        print_settings(plain(settings.shown(task)))
        spec = data.spec
        length = settings.training.max_seq_length
        made = make_task(task, spec.labels, length, spec.text_format, spec.label_names, settings.limits(task))
        report = run_compression(settings, data, made)
        print_report(report, Path(source.output_dir))
        for message in data.warnings if data.source == "sample" else ():
            warn(message)
