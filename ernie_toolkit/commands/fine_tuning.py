"""The arguments of a run that fine-tunes: parsed, laid over the YAML file, checked, settled when the data is known."""

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.arguments.settings import add_options, read_config, resolve_options
from ernie_toolkit.bundle import EXPORT_DIRECTORY
from ernie_toolkit.commands.config import (
    CONFIG_OPTIONS,
    RUN_NAMES,
    config_path,
    defaults_of,
    dump_config,
    task_limits,
    with_config,
)
from ernie_toolkit.commands.model_source import dataset_arguments, trained_labels, with_own_source
from ernie_toolkit.commands.options import STAGES, RunOptions, SettingsOptions, SourceOptions, values_of
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, print_settings, say
from ernie_toolkit.data import DATASETS, DataSet, get_spec
from ernie_toolkit.data.file_options import FileOptions
from ernie_toolkit.data.registry import CUSTOM, check_task
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.models import DEFAULT_MODEL, SAMPLE_MODEL, check_model_directory, is_local
from ernie_toolkit.session import PARITY_ROWS
from ernie_toolkit.tasks import TASKS
from ernie_toolkit.training.chosen_checkpoint import names_checkpoint, resumes_in_place
from ernie_toolkit.training.finished import SAMPLE, check_replaceable
from ernie_toolkit.training.options import TrainingOptions, check_training_options
from ernie_toolkit.training.records import read_metrics


@dataclass(frozen=True, kw_only=True)
class RunArguments(RunOptions):
    """Everything that a run was asked for, checked.

    Attributes:
        task_name: The task that it is of.
        training: How it trains.
        limits: The task's own settings beside the length, for `DatasetSpec.task`.
        files: How the user's files are read.
        verbose: Whether all settings are printed.
        given: What was given, on the command line or in the YAML file.
    """

    task_name: str
    training: TrainingOptions
    limits: dict[str, int]
    files: FileOptions
    verbose: bool
    given: argparse.Namespace

    @property
    def source(self) -> dict[str, Any]:
        """Keyword arguments of `load_dataset`: where the rows are, and which splits are needed.

        Raises:
            ModelError: Where the model that is evaluated or exported was trained for another task.
        """
        wanted = {
            "train": self.do_train,
            "dev": self.do_train or self.do_eval or self.do_export,
            "test": self.do_predict,
        }
        limits = {split: getattr(self, f"max_{split}_samples") for split, needed in wanted.items() if needed}
        if self.do_export and not self.do_train and not self.do_eval:
            limits["dev"] = min(limits["dev"] or PARITY_ROWS, PARITY_ROWS)
        labels, own = None, self
        if not self.do_train:
            labels = trained_labels(self.model_name_or_path, self.task_name)
            own = with_own_source(self, read_metrics(Path(self.model_name_or_path)))
        return dataset_arguments(own) | {
            "task": self.task_name,
            "test_file": self.test_file or None,
            "splits": list(limits),
            "limits": {split: rows for split, rows in limits.items() if rows},
            "sample_allowed": "model_name_or_path" not in vars(self.given) and not self.data_dir,
            "options": self.files,
            "labels": labels,
        }

    @property
    def model_dir(self) -> Path:
        """The directory that the trained model goes to."""
        return Path(self.output_dir) / self.dataset

    @property
    def bundle_dir(self) -> Path:
        """The directory that the bundle goes to."""
        return Path(self.export_model_dir) / self.dataset / EXPORT_DIRECTORY

    @property
    def resume_from(self) -> bool | str:
        """Whether training goes on with a run that was cut off, or the checkpoint that it goes on from."""
        if names_checkpoint(self.resume_from_checkpoint):
            return self.resume_from_checkpoint
        return self.resume or self.resume_from_checkpoint.lower() == "true"

    @property
    def settings(self) -> dict[str, Any]:
        """Every option by name, for the log and metrics.json."""
        own = values_of(self, RunOptions)
        training = dataclasses.asdict(self.training.with_metric(TASKS[self.task_name].metrics))
        return own | dataclasses.asdict(self.files) | training | self.limits

    def settled(self, data: DataSet) -> "RunArguments":
        """The arguments with the model and the settings that nobody chose, which follow from the data; printed.

        Args:
            data: The data set of the run.

        Raises:
            ConfigError: Where a finished model would be replaced and nobody has said that it may be.
        """
        if self.do_train:
            resume = resumes_in_place(self.resume, self.resume_from_checkpoint, self.model_dir)
            replaced = check_replaceable(self.model_dir, data.source, resume, self.overwrite_output_dir)
            if replaced:
                say(replaced)
        name = self.model_name_or_path or (SAMPLE_MODEL if data.source == SAMPLE else DEFAULT_MODEL)
        run = dataclasses.replace(self, model_name_or_path=name)
        training, limits = _settings(run, self.given, self.task_name, sample=name == SAMPLE_MODEL)
        run = dataclasses.replace(run, training=training, limits=limits)
        print_settings(run.settings, _defaults(self.task_name), self.verbose)
        return run


def _options_classes(task: str) -> list[type]:
    classes = (RunOptions, FileOptions, TrainingOptions, TASKS[task].options_class)
    return [options_class for options_class in classes if options_class is not None]


def _defaults(task: str) -> dict[str, Any]:
    return defaults_of(task, RunOptions, FileOptions, TrainingOptions)


def build_parser(task: str, dataset: str, description: str | None) -> OneLineParser:
    """The parser of a run_* script.

    Args:
        task: The task's name.
        dataset: The data set that is worked on where none is named.
        description: For `--help`; None: nothing.
    """
    names = [name for name, spec in DATASETS.items() if spec.task_name == task]
    parser = OneLineParser(
        prog=TASKS[task].script, description=description, epilog=f"data sets: {', '.join((*names, CUSTOM))}"
    )
    defaults = {"dataset": dataset}
    for options_class in (*_options_classes(task), SettingsOptions):
        add_options(parser, options_class, defaults)
    add_guide_flags(parser, TASKS[task].script)
    return parser


def run_arguments(task: str, dataset: str, description: str | None, argv: Sequence[str]) -> RunArguments:
    """Parse and check the arguments of a run_* script (see `build_parser`); mistakes end it before data is read.

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
        given = with_config(given, resolve_options(SourceOptions, defaults, given), task, RUN_NAMES)
        run = _checked(resolve_options(RunOptions, defaults, given), given, task)
        training, limits = _settings(run, given, task, sample=False)
        files = resolve_options(FileOptions, {}, given)
        screen, own = resolve_options(SettingsOptions, {}, given), values_of(run, RunOptions)
        arguments = RunArguments(
            **own,
            task_name=task,
            training=training,
            limits=limits,
            files=files,
            verbose=screen.verbose,
            given=given,
        )
        if screen.dump_config:
            dump_config(task, run.dataset, arguments.settings, _defaults(task), RUN_NAMES)
        return arguments


def _checked(run: RunOptions, given: argparse.Namespace, task: str) -> RunOptions:
    """Settle which stages run and where the model comes from; ConfigError or ModelError on what cannot work."""
    if run.dataset != CUSTOM:
        check_task(get_spec(run.dataset), task)
    if not any(getattr(run, stage) for stage in STAGES):
        if any(stage in vars(given) for stage in STAGES):
            raise ConfigError("nothing to do: give one of --" + ", --".join(STAGES))
        run = dataclasses.replace(run, do_train=True, do_eval=True, do_export=True)
    run = dataclasses.replace(run, config=str(config_path(run, given)))
    trained = Path(run.output_dir) / run.dataset
    if not run.do_train and not run.model_name_or_path:
        run = dataclasses.replace(run, model_name_or_path=str(trained))
        if not trained.is_dir():
            raise ConfigError(f"{trained}: no trained model there: give --do_train, or --model_name_or_path")
    if run.do_train:
        resume = resumes_in_place(run.resume, run.resume_from_checkpoint, trained)
        check_replaceable(trained, None, resume, run.overwrite_output_dir)
    if run.model_name_or_path and is_local(run.model_name_or_path):
        check_model_directory(Path(run.model_name_or_path))
    return run


def _settings(
    run: RunOptions, given: argparse.Namespace, task: str, sample: bool
) -> tuple[TrainingOptions, dict[str, int]]:
    """How a run trains, and the task's own settings, checked.

    `sample`: whether the sample's own model is trained, which has its own settings.
    """
    config = read_config(Path(run.config), task, run.dataset, CONFIG_OPTIONS, sample)
    training = resolve_options(TrainingOptions, config, given)
    check_training_options(training, TASKS[task].metrics)
    return training, task_limits(task, config, given)
