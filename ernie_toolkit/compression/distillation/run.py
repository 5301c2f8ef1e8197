"""The course of a distillation: students from a teacher, trained together, each with its bundle, and a report.

Paddle is imported inside the functions.
"""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ernie_toolkit.compression.distillation.options import (
    GENERAL,
    TASK,
    DistillationOptions,
    check_distillation_options,
)
from ernie_toolkit.compression.distillation.students import (
    DIRECTORY,
    Shape,
    StudentRequest,
    check_shapes,
    config_shape,
    parse_students,
)
from ernie_toolkit.compression.distillation.teacher_logits import teacher_logits
from ernie_toolkit.compression.distillation.texts import held_out, with_row_numbers, with_unlabeled
from ernie_toolkit.compression.evaluator import Evaluator
from ernie_toolkit.compression.options import CompressionOptions, check_distillation
from ernie_toolkit.compression.pipeline import make_evaluator, place_base
from ernie_toolkit.compression.report.model import ONNX_RUNTIME, Report, read_report
from ernie_toolkit.compression.rows import SplitRows, session_rows
from ernie_toolkit.compression.stages import FULL, copy_files, describe_model, export_model, opened, own_names
from ernie_toolkit.compression.state import Request, RunState, Say, check_unfinished, find_run, finished_report, plain
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.models.sizes import Shares
from ernie_toolkit.session import Session, ignore
from ernie_toolkit.text.dataset import EncodedDataset, Outputs
from ernie_toolkit.text.features import TextInput
from ernie_toolkit.training import train
from ernie_toolkit.training.finished import is_finished
from ernie_toolkit.training.options import TrainingOptions
from ernie_toolkit.training.plan import planned_steps
from ernie_toolkit.training.run import fingerprint

if TYPE_CHECKING:
    from ernie_toolkit.compression.distillation.building import Student

REPORT_NAME, TEACHER, STUDENTS = "distill_report", "teacher", "students"
STRATEGY = "online distillation"


@dataclass(frozen=True)
class DistillationRequest:
    """What a run is to do.

    Attributes:
        options: How to distil.
        training: How the task's stage trains; the general one differs in what `options` say of it.
        directory: Gets a directory for each student, `teacher/`, and `distill_report.*`.
        resume: Whether a run that was cut off there is resumed.
        overwrite: Whether it is dropped.

    Raises:
        ConfigError: On options that are invalid or do not go together, and on students that there are not.
    """

    options: DistillationOptions
    training: TrainingOptions
    directory: Path
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_distillation_options(self.options)
        parse_students(self.options.students, self.options.assistant)

    @property
    def request(self) -> Request:
        """The same for what a distillation has in common with a compression: its state, its report."""
        engine = CompressionOptions(engine_list=(ONNX_RUNTIME,), num_threads=self.options.num_threads)
        return Request(engine, self.training, self.directory, self.resume, self.overwrite, REPORT_NAME)

    @property
    def students(self) -> tuple[StudentRequest, ...]:
        """All that are trained, the assistant first."""
        students, assistant = parse_students(self.options.students, self.options.assistant)
        return (*([assistant] if assistant else []), *students)

    @property
    def assistant(self) -> str:
        """The assistant's name; empty: there is none."""
        _, assistant = parse_students(self.options.students, self.options.assistant)
        return assistant.name if assistant else ""


def check_places(request: DistillationRequest, teacher: str) -> None:
    """Check that no model is written over but by its own run: nor the teacher, nor a student's first weights.

    Args:
        request: What the run is to do.
        teacher: Where the teacher was loaded from.

    Raises:
        ConfigError: Where one would be.
        ModelError: On a report of an earlier run that cannot be read.
    """
    directory, read = request.directory, [Path(teacher).resolve()]
    read += [Path(item.text).resolve() for item in request.students if item.kind == DIRECTORY]
    report = request.request.report_file
    for name in (TEACHER, *(item.name for item in request.students)):
        place = directory / name
        if place.resolve() in read:
            raise ConfigError(f"{place} is read by this run, and would be written over: give another `output_dir`")
        if request.resume or request.overwrite or name == TEACHER or not is_finished(place):
            continue
        if not report.is_file() or read_report(report).find(name) is None:
            raise ConfigError(
                f"{place} holds a model that no distillation there has made: give another `output_dir`, or `overwrite` "
                "to replace it"
            )


def distill(session: Session, request: DistillationRequest, texts: Sequence[TextInput], say: Say) -> Report:
    """Train several students of the session's model at once, and compare them with it.

    Args:
        session: The teacher with its trained head, the data and the task; it stays as it is.
        request: What to do.
        texts: Without labels, for the general stage, and in the task's stage beside the labelled rows; may be none.
        say: Gets the lines that report progress.

    Returns:
        The report, as `distill_report.json` has it: the teacher is its baseline, the students are its candidates.

    Raises:
        ToolkitError: A ConfigError, ModelError or DataError on what cannot work.
    """
    from ernie_toolkit.models.slices import weights_checksum

    check_distillation(request.training, session.device)
    check_unfinished(request.request)
    check_places(request, session.loaded.source)
    request = replace(request, training=session.settled(request.training))
    rows = session_rows(session, request.training)
    extra = session.task.encode(session.tokenizer, list(texts)) if texts else None
    checksum = weights_checksum(session.loaded.model)
    run = find_run(request.request, _identity(request, session, rows, extra, checksum))
    finished = finished_report(run, say)
    if finished is not None:
        return finished
    base = place_base(run, say, session, TEACHER)
    full = describe_model(session, "", FULL, base, rows)
    more = {"distillation": plain(dataclasses.asdict(request.options))}
    evaluator = make_evaluator(session.task, session.data, run, full, session.loaded.source, say, STRATEGY, **more)
    evaluator.recommend(full)
    if not run.has(STUDENTS):
        stages = _Stages(session, request, run, rows, extra, checksum, say)
        if GENERAL in request.options.stages:
            stages.general()
        run.finish(STUDENTS, stages.task())
    origins = run.result(STUDENTS)
    for student in request.students:
        _finish(session, student.name, origins[student.name], evaluator, rows)
    run.end()
    return evaluator.report


def distill_encoders(session: Session, request: DistillationRequest, texts: Sequence[TextInput], say: Say) -> None:
    """Train the encoders of several students on texts alone: the general stage by itself, without a report.

    Args:
        session: The teacher; its head, its data's rows and its task's labels are not looked at.
        request: What to do; each student's encoder goes to its directory, to be fine-tuned or distilled further.
        texts: Without labels.
        say: Gets the lines that report progress.

    Raises:
        ToolkitError: As `distill`.
    """
    from ernie_toolkit.models import load_model, save_model
    from ernie_toolkit.models.families import family_of_model
    from ernie_toolkit.models.slices import weights_checksum

    check_distillation(request.training, session.device)
    check_unfinished(request.request)
    check_places(request, session.loaded.source)
    extra = session.task.encode(session.tokenizer, list(texts))
    checksum = weights_checksum(session.loaded.model)
    run = find_run(request.request, _identity(request, session, None, extra, checksum))
    if not run.resumed:
        run.start(say)
    stages = _Stages(session, request, run, None, extra, checksum, say)
    stages.general()
    for student in request.students:
        loaded = load_model(str(stages.best(GENERAL) / student.name), session.task)
        encoder = getattr(loaded.model, family_of_model(loaded.model).prefix)
        save_model(encoder, loaded.vocabulary, request.directory / student.name)
        say(f"encoder of {student.name}: {request.directory / student.name}")
    run.end()


def _identity(
    request: DistillationRequest, session: Session, rows: SplitRows | None, extra: EncodedDataset | None, checksum: str
) -> dict[str, Any]:
    """What has to be the same for a run to be resumed, beside the training options."""
    options = dataclasses.asdict(request.options)
    for name in ("num_threads", "unlabeled_file"):
        options.pop(name)
    own = {"distillation": options, "weights": checksum, **(rows.identity if rows else {})}
    return {**session.identity, **own, "texts": "" if extra is None else fingerprint(extra)}


def _finish(session: Session, name: str, origin: str, evaluator: Evaluator, rows: SplitRows) -> None:
    """Export one student and measure it."""
    place = evaluator.run.directory / name
    own = opened(session, place)
    teacher, shape = (config_shape(item.loaded.model.config) for item in (session, own))
    model = describe_model(own, name, _shares(shape, teacher), place, rows)
    export_model(own, model, evaluator, "distilled", {**dataclasses.asdict(shape), "origin": origin})
    evaluator.recommend(model)


def _shares(shape: Shape, teacher: Shape) -> Shares:
    """What a student has of the teacher's width and depth, at most all."""
    one = Fraction(1)
    width = Fraction(shape.heads * shape.head_size, teacher.heads * teacher.head_size)
    return Shares(min(one, width), min(one, Fraction(shape.layers, teacher.layers)))


@dataclass
class _Stages:
    """The stages of a run, with what they share.

    Attributes:
        session: The teacher.
        request: What to do.
        run: Where it is done.
        rows: The labelled splits; None: there are none.
        extra: The texts without labels; None: there are none.
        checksum: Of the teacher's weights.
        say: Gets the lines.
    """

    session: Session
    request: DistillationRequest
    run: RunState
    rows: SplitRows | None
    extra: EncodedDataset | None
    checksum: str
    say: Say

    def general(self) -> None:
        """Train the students' encoders on texts without labels, unless the run that is resumed has."""
        if self.run.has(GENERAL):
            return
        assert self.extra is not None
        self.say(f"general: {len(self.extra):,} texts, hidden states and relations")
        options, training = self.request.options, general_training(self.request)
        with own_names(GENERAL):
            students = self._built()
            train_rows, dev_rows = held_out(self.extra)
            self._train(GENERAL, students, train_rows, dev_rows, training, dataclasses.replace(options, every=1), None)
        self.run.finish(GENERAL)

    def task(self) -> dict[str, str]:
        """Train the students on the task; gives what each one's first weights were, by its name."""
        assert self.rows is not None
        options, training, rows = self.request.options, self.request.training, self.rows.train
        if self.extra is not None:
            rows = with_unlabeled(rows, self.extra)
            self.say(f"task: {len(self.rows.train):,} labelled rows, {len(self.extra):,} texts without labels")
        numbered = with_row_numbers(rows)
        with own_names(TASK):
            students = self._built(silent=GENERAL in options.stages)
            if GENERAL in options.stages:
                students = [self._after_general(student) for student in students]
            logits = self._cached(numbered, training)
            self._train(TASK, students, numbered, self.rows.dev, training, options, logits)
        for student in students:
            copy_files(self.best(TASK) / student.name, self.run.directory / student.name)
        return {student.name: student.origin for student in students}

    def _built(self, silent: bool = False) -> "list[Student]":
        from ernie_toolkit.compression.distillation.building import build_students

        say = ignore if silent else self.say
        students = build_students(self.session, self.rows, self.request.students, self.request.training, say)
        wanted, assistant = parse_students(self.request.options.students, self.request.options.assistant)
        check_shapes(wanted, assistant, {student.name: student.shape for student in students})
        return students

    def _after_general(self, student: "Student") -> "Student":
        from ernie_toolkit.compression.distillation.building import with_weights
        from ernie_toolkit.models import load_model

        dropouts = self.request.training.dropouts
        loaded = load_model(str(self.best(GENERAL) / student.name), self.session.task, *dropouts)
        return with_weights(student, loaded, f"{student.origin}; trained by the general stage")

    def best(self, stage: str) -> Path:
        """Where a stage leaves the best weights of each student, in a directory of its name."""
        return self.run.work / stage / STUDENTS

    def _cached(self, rows: EncodedDataset, training: TrainingOptions) -> Outputs | None:
        """The teacher's logits of all rows where keeping them spares work; None where it does not."""
        from ernie_toolkit.compression.distillation.online import all_rows

        options = self.request.options
        total = planned_steps(len(rows), 1, training).total
        drawn = total * training.per_device_train_batch_size * training.gradient_accumulation_steps
        wanted = options.only_logits and options.needs_teacher and options.cache_logits
        if not wanted or drawn // options.every <= len(rows):
            return None
        size = training.per_device_eval_batch_size
        model = self.session.loaded.model
        return teacher_logits(model, self.checksum, all_rows(rows), size, self.run.work, self.say)

    def _train(
        self,
        stage: str,
        students: "Sequence[Student]",
        rows: EncodedDataset,
        dev_rows: EncodedDataset,
        training: TrainingOptions,
        options: DistillationOptions,
        logits: Outputs | None,
    ) -> None:
        """Train all students in one run; the best weights of each are left in `best`."""
        from ernie_toolkit.compression.distillation.objective import Objective
        from ernie_toolkit.compression.distillation.online import StudentSet, make_lessons, trainer_factory

        session, request = self.session, self.request
        teacher, task = session.loaded.model, session.task
        teacher.eval()
        lessons = make_lessons(teacher, students, request.assistant, options, training.seed)
        trainer = trainer_factory(
            teacher=teacher,
            students=students,
            lessons=lessons,
            objective=Objective(options, task.soft_loss if stage == TASK else None, session.criterion),
            vocabulary=session.loaded.vocabulary,
            best_dir=self.best(stage),
            metric=training.metric_for_best_model,
            logits=logits,
        )
        examples = session.data.split("dev")
        model: Any = StudentSet(students, lessons, teacher.config)
        began = time.process_time()
        result = train(
            model,
            rows,
            dev_rows,
            lambda outputs: task.score(dev_rows, outputs, examples),
            training,
            self.run.work / stage,
            session.device,
            request.resume,
            request.overwrite,
            {**self.run.asked, "stage": stage},
            trainer,
        )
        processor = time.process_time() - began
        self.say(
            f"{stage}: {result.steps} steps of {len(students)} student(s) in {result.seconds:.1f} s, "
            f"{processor:.1f} s of processor time"
        )


def general_training(request: DistillationRequest) -> TrainingOptions:
    """How the general stage trains: as the task's, but for its length and rate; the loss chooses the best weights."""
    options = request.options
    return replace(
        request.training,
        learning_rate=options.general_learning_rate,
        num_train_epochs=options.general_epochs,
        max_steps=options.general_max_steps or -1,
        metric_for_best_model="loss",
        early_stopping=False,
    )
