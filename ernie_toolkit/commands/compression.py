"""The arguments of a compression run: parsed, laid over the YAML file and the model's own record, checked."""

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.arguments.settings import add_options, read_config, resolve_options
from ernie_toolkit.bundle import Bundle, read_bundle
from ernie_toolkit.commands.config import (
    CONFIG_OPTIONS,
    SOURCE_NAMES,
    config_path,
    defaults_of,
    dump_config,
    task_limits,
    with_config,
)
from ernie_toolkit.commands.model_source import rows_of_a_model, trained_labels
from ernie_toolkit.commands.options import SettingsOptions, SourceOptions, values_of
from ernie_toolkit.compression.options import (
    CompressionOptions,
    bundle_directory,
    check_compression_options,
    check_distillation,
)
from ernie_toolkit.compression.state import Request, check_unfinished, plain
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, print_settings
from ernie_toolkit.data import DATASETS, DataSet, get_spec
from ernie_toolkit.data.file_options import FileOptions
from ernie_toolkit.data.registry import CUSTOM, check_task
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.models import SAMPLE_MODEL, check_model_directory, is_local
from ernie_toolkit.models.heads import label_mismatch
from ernie_toolkit.tasks import TASKS
from ernie_toolkit.training.options import TrainingOptions, check_training_options
from ernie_toolkit.training.records import read_metrics

# In these scripts --fp16 asks for an FP16 model, not for training in it.
NOT_OF_TRAINING = ("fp16", "fp16_opt_level")
# What has to be as in fine-tuning for metrics to be comparable; taken from the model's record where not given.
OF_THE_MODEL = ("max_seq_length", "negative_window_ratio", "doc_stride", "n_best_size", "max_answer_length")


@dataclass(frozen=True, kw_only=True)
class CompressArguments(SourceOptions):
    """Everything that a compression run was asked for, checked.

    Attributes:
        task_name: The task of the model.
        compression: How it is compressed.
        training: How dynabert and qat train.
        limits: The task's own settings beside the length, for `DatasetSpec.task`.
        files: How the user's files are read.
        record: What is kept of the model's fine-tuning.
        labels: Those that the model was trained for; None: nothing names them.
        verbose: Whether all settings are printed.
    """

    task_name: str
    compression: CompressionOptions
    training: TrainingOptions
    limits: dict[str, int]
    files: FileOptions
    record: Mapping[str, Any]
    labels: tuple[str, ...] | None
    verbose: bool

    @property
    def source(self) -> dict[str, Any]:
        """Keyword arguments of `load_dataset`: where the rows are; the sample's for a model of the sample."""
        return rows_of_a_model(self, self.record, self.task_name, self.files, self.labels)

    @property
    def settings(self) -> dict[str, Any]:
        """Every option by name, for the log."""
        training = dataclasses.asdict(self.training.with_metric(TASKS[self.task_name].metrics))
        for name in NOT_OF_TRAINING:
            training.pop(name)
        own = values_of(self, SourceOptions)
        return own | dataclasses.asdict(self.files) | dataclasses.asdict(self.compression) | training | self.limits

    def bundle(self, data: DataSet) -> Bundle:
        """The bundle that is compressed in place of a model, verified.

        Args:
            data: The data set that it is compressed with.

        Raises:
            BundleError: On a damaged one.
            ConfigError: Where the data is not what it reads.
        """
        bundle = read_bundle(self.compression.input_infer_model_path, verify=True)
        info, spec = bundle.info, data.spec
        mismatch = label_mismatch(info.labels, spec.labels)
        if not mismatch and (info.task, info.text_format) == (spec.task_name, spec.text_format):
            return bundle
        others = f" ({mismatch})" if mismatch else ""
        raise ConfigError(
            f"--input_infer_model_path {bundle.directory} is a {info.task} model with {len(info.labels)} labels that "
            f"reads '{info.text_format}' ({info.dataset}), {spec.name} is {spec.task_name} with {len(spec.labels)} and "
            f"'{spec.text_format}'{others}: choose its own data set"
        )

    def print_settings(self) -> None:
        """Print the options that differ from the defaults, or all of them."""
        print_settings(plain(self.settings), plain(_defaults(self.task_name)), self.verbose)


def _defaults(task: str) -> dict[str, Any]:
    return defaults_of(task, SourceOptions, FileOptions, CompressionOptions, TrainingOptions)


def build_parser(task: str, dataset: str, description: str | None) -> OneLineParser:
    """The parser of a compress_* script.

    Args:
        task: The task's name.
        dataset: The data set that is worked on where none is named.
        description: For `--help`; None: nothing.
    """
    names = [name for name, spec in DATASETS.items() if spec.task_name == task]
    parser = OneLineParser(
        prog=TASKS[task].script.replace("run_", "compress_"),
        description=description,
        epilog=f"data sets: {', '.join((*names, CUSTOM))}",
    )
    defaults = {"dataset": dataset}
    for options_class in (SourceOptions, FileOptions, CompressionOptions):
        add_options(parser, options_class, defaults)
    add_options(parser, TrainingOptions, without=NOT_OF_TRAINING)
    if (of_the_task := TASKS[task].options_class) is not None:
        add_options(parser, of_the_task)
    add_options(parser, SettingsOptions)
    add_guide_flags(parser, parser.prog)
    return parser


def compress_arguments(task: str, dataset: str, description: str | None, argv: Sequence[str]) -> CompressArguments:
    """Parse and check the arguments of a compress_* script (see `build_parser`); mistakes end it before data is read.

    Args:
        task: The task's name.
        dataset: The data set that is worked on where none is named.
        description: For `--help`; None: nothing.
        argv: The command line, without the script.
    """
    parser = build_parser(task, dataset, description)
    defaults = {"dataset": dataset}
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        names = SOURCE_NAMES | {"input_infer_model_path"}
        given = with_config(given, resolve_options(SourceOptions, defaults, given), task, names)
        source = resolve_options(SourceOptions, defaults, given)
        source = dataclasses.replace(source, config=str(config_path(source, given)))
        bundle = given.input_infer_model_path = bundle_directory(vars(given).get("input_infer_model_path", ""))
        model = bundle or source.model_name_or_path or str(Path("best_models") / source.dataset)
        place = str(Path(bundle).resolve().parent) if bundle else model
        source = dataclasses.replace(source, model_name_or_path=model, output_dir=source.output_dir or place)
        record = _bundle_record(bundle, given) if bundle else read_metrics(Path(model))
        arguments = _settled(source, given, task, record)
        if source.dataset != CUSTOM:
            check_task(get_spec(source.dataset), task)
        labels = tuple(record["labels"]) if bundle else _model_labels(source, task)
        if resolve_options(SettingsOptions, {}, given).dump_config:
            dump_config(task, source.dataset, plain(arguments.settings), _defaults(task), SOURCE_NAMES)
        directory, resume, overwrite = Path(source.output_dir), source.resume, source.overwrite_output_dir
        check_unfinished(Request(arguments.compression, arguments.training, directory, resume, overwrite))
        return dataclasses.replace(arguments, labels=labels)


def _bundle_record(path: str, given: argparse.Namespace) -> dict[str, Any]:
    """What a bundle says of its model; ConfigError where a setting is given that it was not made with."""
    info = read_bundle(path).info
    limits = {"max_seq_length": info.max_seq_length, **info.limits}
    for name, value in limits.items():
        asked = vars(given).get(name, value)
        if asked != value:
            raise ConfigError(f"--{name} {asked}: the bundle {path} was made with {value}; leave it out")
    return {"data_source": info.data_source, "settings": limits, "labels": info.labels}


def _model_labels(source: SourceOptions, task: str) -> tuple[str, ...] | None:
    """The labels that the model was trained for (see `trained_labels`); ConfigError or ModelError where it is none."""
    model = source.model_name_or_path
    if not is_local(model) or not Path(model).is_dir():
        raise ConfigError(
            f"{model}: no fine-tuned model there: python {TASKS[task].script} --dataset {source.dataset} makes one"
        )
    check_model_directory(Path(model))
    return trained_labels(model, task)


def _settled(
    source: SourceOptions, given: argparse.Namespace, task: str, record: Mapping[str, Any]
) -> CompressArguments:
    """All options, checked; what the model was fine-tuned with stands in for what nobody gave."""
    config = read_config(Path(source.config), task, source.dataset, CONFIG_OPTIONS, record.get("model") == SAMPLE_MODEL)
    config |= {name: value for name, value in record.get("settings", {}).items() if name in OF_THE_MODEL}
    compression = resolve_options(CompressionOptions, config, given)
    training = dataclasses.replace(resolve_options(TrainingOptions, config, given), fp16=False)
    check_compression_options(compression)
    check_training_options(training, TASKS[task].metrics)
    # Bundles are quantized on the CPU; which device there is for a model is found out later.
    check_distillation(training, "cpu" if compression.input_infer_model_path else source.device or "gpu")
    return CompressArguments(
        **values_of(source, SourceOptions),
        task_name=task,
        compression=compression,
        training=training,
        limits=task_limits(task, config, given),
        files=resolve_options(FileOptions, {}, given),
        record=record,
        labels=None,
        verbose=resolve_options(SettingsOptions, {}, given).verbose,
    )
