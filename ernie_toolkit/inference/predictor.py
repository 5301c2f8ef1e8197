"""Texts in, answers out: tokenizing, batching by length, an engine, decoding."""

from __future__ import annotations

import dataclasses
import typing
from pathlib import Path

import numpy as np

from ernie_toolkit.bundle import Bundle, BundleInfo, CascadeBundle, open_bundle
from ernie_toolkit.bundle.graph import check_logits
from ernie_toolkit.bundle.info import THROUGHPUT
from ernie_toolkit.compat import strict_zip
from ernie_toolkit.decoding import NO_OPTIONS, Answer, AnswerOptions
from ernie_toolkit.errors import BundleError, ConfigError
from ernie_toolkit.formats.ranges import BATCH_SIZE, SHARE, THREADS, check_number
from ernie_toolkit.inference.cascade.running import Cascade, PartTasks, unmarked
from ernie_toolkit.inference.engines.base import AUTO, EngineOptions, Runtime
from ernie_toolkit.inference.engines.gpu import GpuOptions
from ernie_toolkit.inference.engines.selection import choose, open_runtime
from ernie_toolkit.tasks import HEADS, TASKS, Task, make_task
from ernie_toolkit.text.dataset import Batch, EncodedDataset, Outputs, in_order, run_share
from ernie_toolkit.text.features import Texts, as_inputs
from ernie_toolkit.text.tokenization import load_tokenizer


def bundle_task(info: BundleInfo, where: Path | str) -> Task:
    """The task of a bundle, set up as its `bundle.json` says.

    Args:
        info: What `bundle.json` says.
        where: The bundle, for messages.

    Raises:
        BundleError: Where this version does not know the task.
    """
    try:
        return make_task(
            info.task,
            info.labels,
            info.max_seq_length,
            info.text_format,
            info.label_names,
            info.limits,
            info.thresholds,
        )
    except ConfigError as error:
        raise BundleError(f"{where}: {error}") from None


def limited(info: BundleInfo, max_seq_length: int | None, limits: dict[str, int] | None) -> BundleInfo:
    """A bundle's description with a shorter length or other limits.

    Args:
        info: The bundle's own description.
        max_seq_length: The longest sequence in tokens, at most the bundle's own; None: the bundle's own.
        limits: Settings of the task by name that replace those of the bundle; None: none.

    Raises:
        ConfigError: Where the length is over the bundle's own.
    """
    if max_seq_length is not None and max_seq_length > info.max_seq_length:
        raise ConfigError(f"max_seq_length {max_seq_length} is over the bundle's own, {info.max_seq_length}")
    length = info.max_seq_length if max_seq_length is None else max_seq_length
    return dataclasses.replace(info, max_seq_length=length, limits={**info.limits, **(limits or {})})


def with_threshold(info: BundleInfo, threshold: float | None) -> BundleInfo:
    """A bundle's description with one threshold for all its labels.

    Args:
        info: The bundle's own description.
        threshold: The probability from 0 to 1 that a label has to be above; None: the bundle's own.

    Raises:
        ConfigError: On a threshold that is not from 0 to 1, and for a task without thresholds.
    """
    if threshold is None:
        return info
    if not TASKS[info.task].has_thresholds:
        raise ConfigError(f"a bundle for the task '{info.task}' has no threshold: leave it out")
    check_number(threshold, float, SHARE, "threshold")
    return dataclasses.replace(info, thresholds=(threshold,) * len(info.labels))


Run = typing.Callable[[Batch], typing.Sequence[np.ndarray]]
"""A runtime: `input_ids` and `token_type_ids`, int64 of shape (batch_size, tokens), to the model's outputs in order."""


class BundlePredictor:
    """Answers for texts from an exported bundle, on a runtime of the caller's.

    Args:
        bundle: Of `read_bundle`.
        runtime: Computes batches: a `Runtime`, or any function of that kind (see `Run`).
        max_seq_length: The longest sequence in tokens; None: the bundle's own.
        limits: Settings of the bundle's task by name (`doc_stride`, `n_best_size`, `max_answer_length`) that replace
            its own.
        threshold: See `with_threshold`.

    Raises:
        BundleError: Where this version does not know the bundle's task.
        ConfigError: On a length, a limit or a threshold that the bundle cannot have.
    """

    def __init__(
        self,
        bundle: Bundle,
        runtime: Run | Runtime,
        max_seq_length: int | None = None,
        limits: dict[str, int] | None = None,
        threshold: float | None = None,
    ) -> None:
        self.bundle = bundle
        self.task = self._task_with(max_seq_length, limits, threshold)
        self.tokenizer = load_tokenizer(bundle.path("tokenizer"))
        self.runtime = runtime

    def _task_with(self, max_seq_length: int | None, limits: dict[str, int] | None, threshold: float | None) -> Task:
        info = with_threshold(limited(self.bundle.info, max_seq_length, limits), threshold)
        return bundle_task(info, self.bundle.directory)

    def tasks_with(
        self,
        max_seq_length: int | None = None,
        limits: dict[str, int] | None = None,
        threshold: float | None = None,
    ) -> PartTasks:
        """The task with other settings than the predictor's own; of a cascade, that of each part.

        Args:
            max_seq_length: The longest sequence in tokens; None: the bundle's own.
            limits: Settings of the task by name that replace the bundle's own; None: none.
            threshold: See `with_threshold`.

        Raises:
            ConfigError: On a length, a limit or a threshold that the bundle cannot have.
        """
        return PartTasks((self._task_with(max_seq_length, limits, threshold),))

    @property
    def tasks(self) -> PartTasks:
        """What encodes texts and decodes the logits of `run`: the task, or those of a cascade's parts."""
        return PartTasks((self.task,))

    def compute(self, batch: Batch) -> typing.Sequence[np.ndarray]:
        """The model's outputs for a batch (see `Run`).

        Raises:
            BundleError: Where they are not those of the bundle's task.
        """
        return self._checked(self.runtime(batch))

    def _checked(self, outputs: typing.Sequence[np.ndarray]) -> typing.Sequence[np.ndarray]:
        check_logits(outputs, self.bundle.info)
        return outputs

    def _stream(self, batches: typing.Iterable[Batch]) -> typing.Iterator[typing.Sequence[np.ndarray]]:
        runtime = self.runtime
        return map(self._checked, runtime.stream(batches) if isinstance(runtime, Runtime) else map(runtime, batches))

    @property
    def labels(self) -> tuple[str, ...]:
        """Label identifiers in the order of the logits; empty where the task has none."""
        return self.bundle.info.labels

    def run(self, rows: EncodedDataset, batch_size: int = 32) -> Outputs:
        """Logits of encoded rows in their own order (see `Outputs`).

        Args:
            rows: Model inputs, of `task.encode`.
            batch_size: Rows that are computed at once.
        """
        check_number(batch_size, int, BATCH_SIZE, "batch_size")
        step = self.runtime.length_step if isinstance(self.runtime, Runtime) else 1
        longest = self.bundle.info.max_seq_length
        return in_order(run_share(rows, batch_size, self._stream, length_step=step, longest=longest), len(rows))

    def logits(self, texts: Texts, batch_size: int = 32) -> Outputs:
        """Logits in the order asked: float32 of shape (number of inputs, classes) for labels.

        For tags and spans, whose texts may be read in several windows, a list with those of each window.

        Args:
            texts: As `predict` takes them; one input alone gives one row.
            batch_size: Rows that are computed at once.
        """
        found = self.run(self.task.encode(self.tokenizer, texts), batch_size)
        if not len(found) and not HEADS[self.task.head].tokens:
            return typing.cast(Outputs, np.zeros((0, self.task.num_classes(self.labels) or 0), dtype=np.float32))
        return found

    def predict(self, texts: Texts, batch_size: int = 32, options: AnswerOptions = NO_OPTIONS) -> list[Answer]:
        """The answer to each input, in the order asked, whatever the batch size.

        Args:
            texts: One input, which gives a list of one answer, or any iterable of inputs. Where the model reads single
                texts, an input is a text; where it reads pairs, a tuple of two texts; a tuple of texts is always one
                input (see `as_inputs`).
            batch_size: Rows that are computed at once.
            options: What is asked of the answers beside; the defaults change nothing.

        Returns:
            As the bundle's task is: a `LabelAnswer` or a `LabelSetAnswer` for each text or pair, a `TaggedText` for
            each text, a `SpanAnswer` for each (question, context), or a `ChoiceAnswer` for each (context, question,
            choices).

        Raises:
            DataError: Where an input is empty, or not of the kind that the model reads.
            ConfigError: On an option that the bundle's task does not take.
        """
        tasks = self.tasks.answering(options)
        inputs = as_inputs(texts, self.task.text_format)
        rows = self.task.encode(self.tokenizer, inputs)
        return list(tasks.decode(rows, self.run(rows, batch_size), inputs))


class Predictor(BundlePredictor):
    """Answers for texts from an exported bundle, in one of the engines, or from a cascade of several bundles.

        Predictor("best_models/afqmc/export").predict([("怎么还款", "如何还款")])

    An object may be used by several threads at once.

    Args:
        bundle: The bundle's directory, or what `open_bundle`, `read_bundle` and `Session.export` return.
        device: "cpu" or "gpu".
        num_threads: Threads that compute one batch; None: as many as there are processors available.
        precision: "fp32", "bf16", "int8", "fp16", or "auto" (see `choose`).
        max_seq_length: The longest sequence in tokens; None: the bundle's own.
        limits: Settings of the bundle's task by name that replace its own (see `BundlePredictor`).
        gpu: How a GPU is used; None: the defaults.
        threshold: See `with_threshold`.
        verify: Whether the bundle's checksums are compared.
        engine: "onnxruntime", "openvino", "paddle_inference", or "auto" (see `choose`).
        callers: Threads that will ask for answers at the same time.
        steady_memory: Whether the memory of large batches is given back, for servers.
        engine_cache: Where compiled models are kept (see `EngineOptions.cache`).
        workload: "throughput" or "latency": which of the bundle's recommendations counts (see `choose`).

    Attributes:
        choice: The engine and the precision taken, and why; of a cascade, those of all parts.
        cascade: The parts of a cascade; None where the bundle has one model.

    Raises:
        BundleError: Where the directory is not a whole bundle (see `read_bundle`), or has not the model asked for.
        ConfigError: On arguments that the bundle cannot have, or an engine that is not installed.
        DeviceError: Where the device is not there.
    """

    def __init__(
        self,
        bundle: str | Path | Bundle,
        device: str = "cpu",
        num_threads: int | None = None,
        precision: str = AUTO,
        max_seq_length: int | None = None,
        limits: dict[str, int] | None = None,
        gpu: GpuOptions | None = None,
        threshold: float | None = None,
        verify: bool = True,
        engine: str = AUTO,
        callers: int = 1,
        steady_memory: bool = False,
        engine_cache: str | Path | None = None,
        workload: str = THROUGHPUT,
    ) -> None:
        bundle = bundle if isinstance(bundle, Bundle) else open_bundle(bundle, verify)
        with_threshold(limited(bundle.info, max_seq_length, limits), threshold)  # before a session of seconds is opened
        if num_threads is not None:
            check_number(num_threads, int, THREADS, "num_threads")
        self.cascade: Cascade | None = None
        if isinstance(bundle, CascadeBundle):
            # Before the first part is opened, which takes seconds too.
            choices = [choose(part, engine, precision, device, workload) for part in bundle.parts]
            shared = (max_seq_length, limits, gpu, threshold, verify)
            parts = [
                Predictor(
                    part,
                    device,
                    num_threads,
                    taken.precision,
                    *shared,
                    taken.engine,
                    callers,
                    steady_memory,
                    engine_cache,
                )
                for part, taken in strict_zip(bundle.parts, choices)
            ]
            self.cascade = Cascade(bundle.cascade, parts, choices)
            self.choice = self.cascade.choice
            super().__init__(bundle, self.cascade, max_seq_length, limits, threshold)
            return
        self.choice = choose(bundle, engine, precision, device, workload)
        options = EngineOptions(
            num_threads,
            callers,
            gpu=(gpu or GpuOptions()) if device == "gpu" else None,
            steady_memory=steady_memory,
            cache=engine_cache,
        )
        super().__init__(bundle, open_runtime(bundle, self.choice, options), max_seq_length, limits, threshold)

    @property
    def tasks(self) -> PartTasks:
        """What encodes texts and decodes the logits of `run`: the task, or those of a cascade's parts."""
        return super().tasks if self.cascade is None else PartTasks(tuple(part.task for part in self.cascade.parts))

    def tasks_with(
        self,
        max_seq_length: int | None = None,
        limits: dict[str, int] | None = None,
        threshold: float | None = None,
    ) -> PartTasks:
        """As that of `BundlePredictor`; which part of a cascade answers depends on the predictor's own settings."""
        if self.cascade is None:
            return super().tasks_with(max_seq_length, limits, threshold)
        found = (part.tasks_with(max_seq_length, limits, threshold).tasks for part in self.cascade.parts)
        return PartTasks(tuple(task for tasks in found for task in tasks))

    def run(self, rows: EncodedDataset, batch_size: int = 32) -> Outputs:
        """Logits of encoded rows; those of a cascade have one more column, for `tasks` (see `Cascade.run`)."""
        if self.cascade is None:
            return super().run(rows, batch_size)
        check_number(batch_size, int, BATCH_SIZE, "batch_size")
        return self.cascade.run(rows, batch_size)

    def logits(self, texts: Texts, batch_size: int = 32) -> Outputs:
        """As that of `BundlePredictor`; of a cascade, those of the part that answers."""
        found = super().logits(texts, batch_size)
        return found if self.cascade is None or not len(found) else typing.cast(Outputs, unmarked(found)[0])
