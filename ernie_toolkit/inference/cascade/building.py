"""How a cascade is built: thresholds chosen on one half of the dev rows, everything measured on the other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ernie_toolkit.bundle import BUNDLE_FILE, Bundle
from ernie_toolkit.bundle.cascade import (
    CONFIDENCES,
    MARGIN,
    MAX_PROBABILITY,
    POINTS,
    CascadeInfo,
    CascadePart,
)
from ernie_toolkit.bundle.directory import part_name
from ernie_toolkit.compat import strict_zip
from ernie_toolkit.data import DataSet
from ernie_toolkit.decoding import Answer, LabelAnswer, LabelSetAnswer
from ernie_toolkit.decoding.calibration import LEAST_ROWS, fit_temperature, halves
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import sha256_of
from ernie_toolkit.formats.ranges import BATCH_SIZE, SEED, THREADS, check_number
from ernie_toolkit.inference.cascade.confidence import confidences
from ernie_toolkit.inference.cascade.running import Cascade, PartTasks
from ernie_toolkit.inference.cascade.thresholds import Counts, choose_thresholds, counts_of, micro_f1
from ernie_toolkit.inference.engines.base import AUTO
from ernie_toolkit.inference.predictor import Predictor
from ernie_toolkit.inference.processor import processor_name
from ernie_toolkit.tasks import MultiLabelClassification, Task
from ernie_toolkit.tasks.base import Example, logits_table
from ernie_toolkit.text.features import TextInput

# Rows that speed is measured on at most, and how often: the parts and the cascade take turns, so that a machine that is
# busy for a while slows all of them.
SPEED_ROWS, SPEED_ROUNDS = 512, 5


@dataclass(frozen=True)
class CascadeOptions:
    """How a cascade is built.

    Attributes:
        max_drop: Percentage points of accuracy, or of micro F1 for sets of labels, that it may lose against its last
            part.
        confidence: "max_probability" or "margin"; None: "margin" for sets of labels, else "max_probability".
        seed: Of the draw that halves the dev rows.
        batch_size: Rows that are computed at once.
        num_threads: Threads that compute one batch; None: as many as there are processors available.
        engine: As `Predictor` takes it, for all parts.
        precision: As `Predictor` takes it, for all parts.
        engine_cache: As `Predictor` takes it.
    """

    max_drop: float = 0.5
    confidence: str | None = None
    seed: int = 1000
    batch_size: int = 32
    num_threads: int | None = None
    engine: str = AUTO
    precision: str = AUTO
    engine_cache: str | None = None


DEFAULTS = CascadeOptions()


def check_cascade_options(options: CascadeOptions) -> None:
    """Check options before a model is opened.

    Raises:
        ConfigError: On a value out of its range.
    """
    check_number(options.max_drop, float, POINTS, "max_drop")
    check_number(options.seed, int, SEED, "seed")
    check_number(options.batch_size, int, BATCH_SIZE, "batch_size")
    if options.num_threads is not None:
        check_number(options.num_threads, int, THREADS, "num_threads")
    if options.confidence not in (None, *CONFIDENCES):
        raise ConfigError(f"`confidence` '{options.confidence}' is not known: use one of {', '.join(CONFIDENCES)}")


@dataclass(frozen=True)
class DevRows:
    """Some of the dev rows.

    Attributes:
        inputs: What the parts read of each row.
        gold: int64 of shape (rows,), the label of each row; or bool of shape (rows, classes), its labels.
    """

    inputs: list[TextInput]
    gold: np.ndarray

    def subset(self, rows: Sequence[int]) -> DevRows:
        """Some of the rows."""
        return DevRows([self.inputs[row] for row in rows], self.gold[list(rows)])


def _gold(task: Task, examples: Sequence[Example]) -> np.ndarray:
    """The labels of some examples: int64 of shape (rows,), or bool of shape (rows, classes)."""
    if isinstance(task, MultiLabelClassification):
        return task.gold(examples)
    places = {label: index for index, label in enumerate(task.labels)}
    return np.array([places[example["label"]] for example in examples], dtype=np.int64)


def _check_data(parts: Sequence[Bundle], data: DataSet) -> None:
    info = parts[0].info
    if set(data.spec.labels) != set(info.labels):
        raise ConfigError(
            f"data set '{data.spec.name}' has other labels than {parts[0].directory}: give the one that it was "
            "trained on"
        )
    if data.spec.text_format != info.text_format:
        raise ConfigError(
            f"data set '{data.spec.name}' has texts of the format '{data.spec.text_format}', {parts[0].directory} "
            f"reads '{info.text_format}': give the data set that it was trained on"
        )
    if len(data.split("dev")) < LEAST_ROWS:
        raise ConfigError(
            f"{len(data.split('dev'))} dev row(s), of which one half chooses thresholds and the other measures: give "
            f"{LEAST_ROWS} at least"
        )


@dataclass(frozen=True)
class _Gate:
    """What decides whether a part's answer is taken; the last part's threshold is 0."""

    temperature: float
    threshold: float


def _choose(predictors: Sequence[Predictor], half: DevRows, kind: str, options: CascadeOptions) -> list[_Gate]:
    """Temperature and threshold of each part, by one half of the dev rows alone."""
    counts: list[Counts] = []
    found: list[np.ndarray] = []
    temperatures, seconds = [], []
    for predictor in predictors:
        predictor.predict(half.inputs[: options.batch_size], options.batch_size)  # the first batch costs more
        started = time.perf_counter()
        outputs = predictor.logits(half.inputs, options.batch_size)
        seconds.append((time.perf_counter() - started) / len(half.inputs))
        table = logits_table(outputs, len(predictor.labels))
        temperatures.append(fit_temperature(table, half.gold))
        counts.append(counts_of(table, half.gold, predictor.task))
        found.append(confidences(table, predictor.task, kind, temperatures[-1]))
    thresholds = choose_thresholds(counts, found[:-1], seconds, options.max_drop)
    return [_Gate(*pair) for pair in strict_zip(temperatures, (*thresholds, 0.0))]


def _counts(answers: Sequence[Answer], gold: np.ndarray) -> Counts:
    """What answers add to micro F1, or to accuracy."""
    one = np.ones(len(gold), dtype=np.int64)
    if gold.ndim == 1:
        indices = np.array([answer.index for answer in answers if isinstance(answer, LabelAnswer)])
        return Counts((indices == gold).astype(np.int64), one, one)
    sets = [answer.indices for answer in answers if isinstance(answer, LabelSetAnswer)]
    hits = np.array([gold[row, list(chosen)].sum() for row, chosen in enumerate(sets)], dtype=np.int64)
    return Counts(hits, np.array([len(chosen) for chosen in sets], dtype=np.int64), gold.sum(axis=1))


def _metric(answers: Sequence[Answer], gold: np.ndarray) -> float:
    return micro_f1(_counts(answers, gold))


def _speeds(predicts: Sequence[Callable[[Sequence[TextInput]], object]], inputs: Sequence[TextInput]) -> list[float]:
    """Inputs a second of each of several ways to predict: the median of rounds in which they take turns."""
    seconds: list[list[float]] = [[] for _ in predicts]
    for turn in range(SPEED_ROUNDS):
        order = list(range(len(predicts)))
        for number in order if turn % 2 == 0 else reversed(order):
            started = time.perf_counter()
            predicts[number](inputs)
            seconds[number].append(time.perf_counter() - started)
    return [len(inputs) / statistics.median(taken) for taken in seconds]


def _measured(
    predictors: Sequence[Predictor], draft: CascadeInfo, half: DevRows, options: CascadeOptions
) -> CascadeInfo:
    """The description of a cascade with what was measured on the other half of the dev rows."""
    cascade = Cascade(draft, predictors, [predictor.choice for predictor in predictors])
    tasks, tokenizer = PartTasks(tuple(item.task for item in predictors)), predictors[0].tokenizer

    def predict(inputs: Sequence[TextInput]) -> list[Answer]:
        rows = tasks.encode(tokenizer, list(inputs))
        return tasks.decode(rows, cascade.run(rows, options.batch_size), inputs)

    metric = _metric(predict(half.inputs), half.gold)
    answered = cascade.answered
    alone = [_metric(item.predict(half.inputs, options.batch_size), half.gold) for item in predictors]
    places = np.linspace(0, len(half.inputs) - 1, min(SPEED_ROWS, len(half.inputs))).round().astype(np.int64).tolist()
    ways = [partial(item.predict, batch_size=options.batch_size) for item in predictors]
    speeds = _speeds([*ways, predict], [half.inputs[place] for place in places])
    parts = tuple(
        replace(part, share=answered[part.name] / len(half.inputs), metric=value, sequences_per_second=speed)
        for part, value, speed in strict_zip(draft.parts, alone, speeds[:-1])
    )
    idle = tuple(
        f"{part.name} of the cascade answered none of {len(half.inputs):,} rows: the others do without it"
        for part in parts
        if not part.share
    )
    return replace(
        draft,
        parts=parts,
        metric=metric,
        sequences_per_second=speeds[-1],
        drop=100 * (alone[-1] - metric),
        warnings=(*draft.warnings, *idle),
    )


def gain_problem(cascade: CascadeInfo) -> str:
    """Why a cascade gains nothing over its last part, in one line; empty where it gains something.

    Args:
        cascade: Its description, measured.
    """
    last = cascade.parts[-1]
    figures = (
        f"{100 * cascade.metric:.2f} {cascade.metric_name} and {cascade.sequences_per_second:.1f} sequences/s, "
        f"{last.name} alone {100 * last.metric:.2f} and {last.sequences_per_second:.1f}"
    )
    if cascade.drop > cascade.max_drop:
        return (
            f"the cascade loses {cascade.drop:.2f} points on the rows that did not choose its thresholds ({figures}): "
            "allow more with `max_drop`, or give more dev rows or a better small model"
        )
    if cascade.sequences_per_second <= last.sequences_per_second:
        return (
            f"the cascade is no faster than its last part at {cascade.max_drop:g} points or less ({figures}): "
            f"allow more with `max_drop`, give a smaller or better first model, or use {last.name} alone"
        )
    return ""


def draft_cascade(
    parts: Sequence[Bundle], predictors: Sequence[Predictor], data: DataSet, options: CascadeOptions
) -> tuple[CascadeInfo, DevRows]:
    """A cascade's description as far as one half of the dev rows decides it, and the other half.

    Args:
        parts: The bundles, the smallest first.
        predictors: A predictor of each.
        data: A data set with the labels of the parts and its dev split.
        options: How the cascade is built.

    Returns:
        The description, with zeros for what is measured, and the rows to measure on.
    """
    task = predictors[0].task
    sets = isinstance(task, MultiLabelClassification)
    kind = options.confidence or (MARGIN if sets else MAX_PROBABILITY)
    examples = data.split("dev")
    whole = DevRows(task.inputs(examples), _gold(task, examples))
    choosing, measuring = halves(len(examples), options.seed)
    gates = _choose(predictors, whole.subset(choosing), kind, options)
    entries = tuple(
        CascadePart(
            part_name(number),
            sha256_of(part.directory / BUNDLE_FILE),
            gate.temperature,
            gate.threshold,
            0.0,
            0.0,
            0.0,
            predictor.choice.engine,
            predictor.choice.precision,
        )
        for number, (part, predictor, gate) in enumerate(strict_zip(parts, predictors, gates), 1)
    )
    warnings = dict.fromkeys([*(line for part in parts for line in part.info.warnings), *data.warnings])
    draft = CascadeInfo(
        task=task.name,
        dataset=data.spec.name,
        data_source=data.source,
        confidence=kind,
        parts=entries,
        metric_name="micro_f1" if sets else "accuracy",
        metric=0.0,
        sequences_per_second=0.0,
        max_drop=options.max_drop,
        drop=0.0,
        choosing_rows=len(choosing),
        measuring_rows=len(measuring),
        seed=options.seed,
        batch_size=options.batch_size,
        processor=processor_name(),
        warnings=tuple(warnings),
    )
    return draft, whole.subset(measuring)


def plan_cascade(parts: Sequence[Bundle], data: DataSet, options: CascadeOptions = DEFAULTS) -> CascadeInfo:
    """Choose temperatures and thresholds on one half of the dev rows, and measure on the other.

    Args:
        parts: Of `open_parts`, the smallest first.
        data: A data set with the labels of the parts and its dev split.
        options: How the cascade is built.

    Raises:
        ConfigError: Where data and parts do not fit, and where the cascade gains nothing (see `gain_problem`).
        BundleError: As `Predictor`.
    """
    check_cascade_options(options)
    _check_data(parts, data)
    predictors = [
        Predictor(
            part,
            num_threads=options.num_threads,
            precision=options.precision,
            engine=options.engine,
            engine_cache=options.engine_cache,
        )
        for part in parts
    ]
    draft, measuring = draft_cascade(parts, predictors, data, options)
    cascade = _measured(predictors, draft, measuring, options)
    if problem := gain_problem(cascade):
        raise ConfigError(f"no cascade is written: {problem}")
    return cascade
