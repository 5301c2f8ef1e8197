"""The arguments of a distillation: parsed, laid over the YAML file and the teacher's own record, checked."""

import argparse
import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ernie_toolkit.arguments.options import ScreenOptions, option
from ernie_toolkit.arguments.settings import add_options, read_config, resolve_options
from ernie_toolkit.commands.compression import OF_THE_MODEL
from ernie_toolkit.commands.config import (
    CONFIG_OPTIONS,
    SOURCE_NAMES,
    config_path,
    defaults_of,
    task_limits,
    with_config,
)
from ernie_toolkit.commands.model_source import rows_of_a_model, trained_labels
from ernie_toolkit.commands.options import SourceOptions, values_of
from ernie_toolkit.compression.distillation.options import (
    GENERAL,
    TASK,
    DistillationOptions,
    check_distillation_options,
)
from ernie_toolkit.compression.distillation.run import DistillationRequest, check_places
from ernie_toolkit.compression.distillation.students import (
    PUBLISHED,
    check_shapes,
    directory_shape,
    parse_students,
    relation_heads,
    student_shape,
)
from ernie_toolkit.compression.distillation.texts import read_unlabeled, takes_unlabeled, unlabeled_format
from ernie_toolkit.compression.options import CompressionOptions, check_distillation
from ernie_toolkit.compression.state import check_unfinished, plain
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, print_settings, say
from ernie_toolkit.data import DATASETS, DataSet, get_spec
from ernie_toolkit.data.file_options import FileOptions
from ernie_toolkit.data.forms import form_of
from ernie_toolkit.data.registry import CUSTOM, DatasetSpec, check_task
from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.models import SAMPLE_MODEL, check_model_directory, is_local
from ernie_toolkit.models.config import model_task
from ernie_toolkit.models.heads import label_mismatch
from ernie_toolkit.tasks import TASKS
from ernie_toolkit.text.features import TextInput
from ernie_toolkit.training.options import TrainingOptions, check_training_options
from ernie_toolkit.training.records import read_metrics

OF_SCRIPTS = tuple(task for task in TASKS.values() if task.script.startswith("run_"))


@dataclass(frozen=True)
class TeacherOptions:
    """Which model teaches."""

    teacher: str = option(
        "", "directory of the fine-tuned teacher (best_models/DATASET where not given)", parse=path_text
    )


@dataclass(frozen=True, kw_only=True)
class DistillArguments(SourceOptions):
    """Everything that a distillation was asked for, checked.

    Attributes:
        task_name: The task of the teacher.
        distillation: How it is distilled.
        training: How students train.
        limits: The task's own settings beside the length, for `DatasetSpec.task`.
        files: How the user's files are read.
        record: What is kept of the teacher's fine-tuning.
        labels: Those that the teacher was trained for; None: nothing names them.
        verbose: Whether all settings are printed.
    """

    task_name: str
    distillation: DistillationOptions
    training: TrainingOptions
    limits: dict[str, int]
    files: FileOptions
    record: Mapping[str, Any]
    labels: tuple[str, ...] | None
    verbose: bool

    @property
    def source(self) -> dict[str, Any]:
        """Keyword arguments of `load_dataset`: where the rows are; the sample's for a teacher of the sample."""
        return rows_of_a_model(self, self.record, self.task_name, self.files, self.labels)

    @property
    def settings(self) -> dict[str, Any]:
        """Every option by name, for the log."""
        training = dataclasses.asdict(self.training.with_metric(TASKS[self.task_name].metrics))
        own = values_of(self, SourceOptions)
        own["teacher"] = own.pop("model_name_or_path")
        return own | dataclasses.asdict(self.files) | dataclasses.asdict(self.distillation) | training | self.limits

    @property
    def compression(self) -> CompressionOptions:
        """What a distillation has in common with a compression, for `set_up_device`."""
        return self.request.request.options

    @property
    def request(self) -> DistillationRequest:
        """What the library is asked to do."""
        directory = Path(self.output_dir)
        return DistillationRequest(self.distillation, self.training, directory, self.resume, self.overwrite_output_dir)

    @property
    def has_task(self) -> bool:
        """Whether students are trained on the task, and not their encoders alone."""
        return TASK in self.distillation.stages

    def texts(self, text_format: str) -> list[TextInput]:
        """The texts without labels, each once; none where no file was given. Says what was read of it.

        Args:
            text_format: What the teacher reads, one of `TEXT_FORMATS`.

        Raises:
            DataError: As `read_unlabeled`.
        """
        path = self.distillation.unlabeled_file
        return read_unlabeled(Path(path), text_format, self.files, say) if path else []

    def data_without_rows(self) -> DataSet:
        """What a session needs to know of texts alone: which they are, and no rows."""
        spec = get_spec(self.dataset) if self.dataset != CUSTOM else None
        path = self.distillation.unlabeled_file
        columns = spec is None and form_of(self.task_name).has_columns
        text_format = spec.text_format if spec else TASKS[self.task_name].default_text_format
        if columns:
            text_format = unlabeled_format(Path(path), self.files)
            say(f"{path}: read as {'pairs' if text_format == 'pair' else 'single texts'}, by its first line")
        labels = self.labels or ()
        own = DatasetSpec(self.dataset, self.task_name, labels, text_format)
        return DataSet(own, [], [], None, "custom", path)

    def print_settings(self) -> None:
        """Print the options that differ from the defaults, or all of them."""
        classes = (TeacherOptions, SourceOptions, FileOptions, DistillationOptions, TrainingOptions)
        print_settings(plain(self.settings), plain(defaults_of(self.task_name, *classes)), self.verbose)


def build_parser(description: str | None) -> OneLineParser:
    """The parser of distill.py.

    Args:
        description: For `--help`; None: nothing.
    """
    names = [name for name, spec in DATASETS.items() if spec.task_name in TASKS]
    parser = OneLineParser(
        prog="distill.py", description=description, epilog=f"data sets: {', '.join((*names, CUSTOM))}"
    )
    add_options(parser, TeacherOptions)
    add_options(parser, SourceOptions, without=("model_name_or_path",))
    for options_class in (FileOptions, DistillationOptions, TrainingOptions, ScreenOptions):
        add_options(parser, options_class)
    for of_a_task in dict.fromkeys(task.options_class for task in OF_SCRIPTS):
        if of_a_task is not None:
            add_options(parser, of_a_task)
    return parser


def distill_arguments(description: str | None, argv: Sequence[str]) -> DistillArguments:
    """Parse and check the arguments of distill.py; mistakes end it before data is read.

    Args:
        description: For `--help`; None: nothing.
        argv: The command line, without the script.
    """
    parser = build_parser(description)
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        if int(os.environ.get("PADDLE_TRAINERS_NUM", "1")) > 1:
            raise ConfigError("distillation runs in one process: start it without paddle.distributed.launch")
        _check_values(given)
        teacher, source = vars(given).get("teacher", ""), resolve_options(SourceOptions, {}, given)
        if not teacher and not source.dataset:
            raise ConfigError("nothing to distil: give --teacher, a model's directory, and --dataset")
        teacher = teacher or str(Path("best_models") / source.dataset)
        task = _teacher_task(teacher, source.dataset)
        _check_options_of_tasks(given, task)
        given = with_config(given, source, task, SOURCE_NAMES)
        source = resolve_options(SourceOptions, {}, given)
        source = dataclasses.replace(
            source,
            config=str(config_path(source, given)),
            model_name_or_path=teacher,
            output_dir=source.output_dir or f"{teacher.rstrip('/')}_students",
        )
        arguments = _settled(source, given, task)
        _check_students(arguments)
        check_unfinished(arguments.request.request)
        check_places(arguments.request, teacher)
        return arguments


def _check_values(given: argparse.Namespace) -> None:
    """ConfigError on a value that is wrong whatever the teacher is: what it was fine-tuned with is not known yet."""
    of_tasks = [task.options_class for task in OF_SCRIPTS if task.options_class is not None]
    for options_class in (SourceOptions, FileOptions, TrainingOptions, *of_tasks):
        resolve_options(options_class, {}, given)
    options = resolve_options(DistillationOptions, {}, given)
    check_distillation_options(options)
    parse_students(options.students, options.assistant)


def _check_options_of_tasks(given: argparse.Namespace, task: str) -> None:
    """ConfigError on an option that another task has and the teacher's has not: it would do nothing."""
    names = {item.name: _fields(item.options_class) for item in OF_SCRIPTS}
    for other, of_it in names.items():
        for name in of_it - names[task]:
            if name in vars(given):
                raise ConfigError(f"--{name} is for the task '{other}', the teacher's is '{task}': leave it out")


def _fields(options_class: type | None) -> set[str]:
    return set() if options_class is None else {item.name for item in dataclasses.fields(options_class)}


def _teacher_task(teacher: str, dataset: str) -> str:
    """The teacher's task, by its own head, else by the data set; ConfigError or ModelError where there is none."""
    if not is_local(teacher) or not Path(teacher).is_dir():
        script = TASKS[get_spec(dataset).task_name].script if dataset in DATASETS else "run_seq_cls.py"
        make = f"python {script} --dataset {dataset or 'NAME'} makes one"
        raise ConfigError(f"--teacher {teacher:.200}: no model directory there: {make}")
    check_model_directory(Path(teacher))
    own = model_task(Path(teacher))
    if own is not None and TASKS[own] not in OF_SCRIPTS:
        raise ConfigError(f"--teacher {teacher}: distill.py does not distil the task '{own}': give a model of another")
    if not dataset:
        raise ConfigError("--dataset is missing: name the data set that the teacher was fine-tuned on")
    if dataset != CUSTOM:
        spec = get_spec(dataset)
        if own is not None:
            check_task(spec, own)
        return spec.task_name
    return own or TASKS["seq_cls"].name


def _settled(source: SourceOptions, given: argparse.Namespace, task: str) -> DistillArguments:
    """All options, checked; what the teacher was fine-tuned with stands in for what nobody gave."""
    record = read_metrics(Path(source.model_name_or_path))
    config = read_config(Path(source.config), task, source.dataset, CONFIG_OPTIONS, record.get("model") == SAMPLE_MODEL)
    config |= {name: value for name, value in record.get("settings", {}).items() if name in OF_THE_MODEL}
    training = resolve_options(TrainingOptions, config, given)
    check_training_options(training, TASKS[task].metrics)
    check_distillation(training, source.device or "gpu")
    arguments = DistillArguments(
        **values_of(source, SourceOptions),
        task_name=task,
        distillation=resolve_options(DistillationOptions, {}, given),
        training=training,
        limits=task_limits(task, config, given),
        files=resolve_options(FileOptions, {}, given),
        record=record,
        labels=trained_labels(source.model_name_or_path, task),
        verbose=resolve_options(ScreenOptions, {}, given).verbose,
    )
    _check_teacher(arguments)
    return arguments


def _check_teacher(arguments: DistillArguments) -> None:
    """ConfigError or ModelError on a teacher that has not the head, or not the labels, that it is to teach."""
    directory, own = arguments.model_name_or_path, model_task(Path(arguments.model_name_or_path))
    if arguments.has_task and own is None:
        raise ModelError(f"{directory} has no trained head to learn from: fine-tune it first, or give --stage general")
    labels = get_spec(arguments.dataset).labels if arguments.dataset != CUSTOM else ()
    if arguments.labels and labels and (found := label_mismatch(arguments.labels, labels)):
        raise ModelError(f"{directory} was trained for other labels than {arguments.dataset}'s ({found})")
    if arguments.distillation.unlabeled_file and not takes_unlabeled(TASKS[arguments.task_name]):
        raise ConfigError(
            f"--unlabeled_file holds single texts or pairs, which the task '{arguments.task_name}' does not read: "
            "leave it out"
        )


def _check_students(arguments: DistillArguments) -> None:
    """ConfigError or ModelError on students that there are not or that cannot be made, as far as it shows by now."""
    options, teacher = arguments.request.options, directory_shape(Path(arguments.model_name_or_path))
    students, assistant = parse_students(options.students, options.assistant)
    every = (*([assistant] if assistant else []), *students)
    for request in (request for request in every if request.kind == PUBLISHED):
        if not _is_published(request.text):
            known = "base, medium, mini, micro, nano"
            raise ConfigError(
                f"--students {request.text:.80}: no such student: give {known}, layers=4,hidden=312, "
                "width=3/4,depth=2/3, a model directory, or a published name"
            )
    shapes = {request.name: student_shape(request, teacher) for request in every}
    check_shapes(students, assistant, shapes)
    for request in every if options.needs_relations else ():
        own, other = shapes[request.name], teacher
        if assistant is not None and request is not assistant:
            other = shapes[assistant.name] or teacher
        if own is not None:
            relation_heads(own.attention, other.attention, options.relation_heads, other.heads)
    if options.relation_layer > teacher.layers:
        raise ConfigError(f"--relation_layer {options.relation_layer}: the teacher has {teacher.layers} layers")
    if options.stages == (GENERAL,) and (cut := [request.text for request in every if request.shares.text]):
        raise ConfigError(f"--students {cut[0]}: a slice is chosen by labelled rows: give --stage general task")


def _is_published(name: str) -> bool:
    """Whether PaddleNLP lists a model under a name; only asked for a name that means nothing else."""
    from ernie_toolkit.models.families import FAMILIES

    return any(name in family.published_names() for family in FAMILIES.values())
