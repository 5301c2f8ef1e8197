"""Texts in, answers out: tokenizing, batching by length, ONNX Runtime, decoding."""

from __future__ import annotations

import dataclasses
import typing
from functools import partial
from pathlib import Path

import numpy as np

from ernie_toolkit.bundle import Bundle, BundleInfo, read_bundle
from ernie_toolkit.bundle.graph import check_logits
from ernie_toolkit.decoding import Answer
from ernie_toolkit.errors import BundleError, ConfigError
from ernie_toolkit.formats.ranges import BATCH_SIZE, SHARE, check_number
from ernie_toolkit.inference.engines.gpu import BoundRun, GpuOptions
from ernie_toolkit.inference.engines.onnxruntime import open_bundle_session
from ernie_toolkit.tasks import HEADS, TASKS, Task, make_task
from ernie_toolkit.text.dataset import Batch, EncodedDataset, Outputs, run_rows
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
        run: Computes a batch (see `Run`).
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
        run: Run,
        max_seq_length: int | None = None,
        limits: dict[str, int] | None = None,
        threshold: float | None = None,
    ) -> None:
        self.bundle = bundle
        info = with_threshold(limited(bundle.info, max_seq_length, limits), threshold)
        self.task = bundle_task(info, bundle.directory)
        self.tokenizer = load_tokenizer(bundle.path("tokenizer"))
        self.runtime = run

    def compute(self, batch: Batch) -> typing.Sequence[np.ndarray]:
        """The model's outputs for a batch (see `Run`).

        Raises:
            BundleError: Where they are not those of the bundle's task.
        """
        outputs = self.runtime(batch)
        check_logits(outputs, self.bundle.info)
        return outputs

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
        return run_rows(rows, batch_size, self.compute)

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

    def predict(self, texts: Texts, batch_size: int = 32) -> list[Answer]:
        """The answer to each input, in the order asked, whatever the batch size.

        Args:
            texts: One input, which gives a list of one answer, or any iterable of inputs. Where the model reads single
                texts, an input is a text; where it reads pairs, a tuple of two texts; a tuple of texts is always one
                input (see `as_inputs`).
            batch_size: Rows that are computed at once.

        Returns:
            A `LabelAnswer` or a `LabelSetAnswer` for each text or pair, a `TaggedText` for each text, or a `SpanAnswer`
            for each (question, context), as the bundle's task is.

        Raises:
            DataError: Where an input is empty, or not of the kind that the model reads.
        """
        inputs = as_inputs(texts, self.task.text_format)
        rows = self.task.encode(self.tokenizer, inputs)
        return list(self.task.decode(rows, self.run(rows, batch_size), inputs))


class Predictor(BundlePredictor):
    """Answers for texts from an exported bundle, on ONNX Runtime.

        Predictor("best_models/afqmc/export").predict([("怎么还款", "如何还款")])

    An object may be used by several threads at once.

    Args:
        bundle_dir: The bundle's directory, or what `read_bundle` and `Session.export` return.
        device: "cpu" or "gpu".
        num_threads: Threads that compute one batch; None: as many as there are processors available.
        precision: "fp32", "int8" or "fp16".
        max_seq_length: The longest sequence in tokens; None: the bundle's own.
        limits: Settings of the bundle's task by name that replace its own (see `BundlePredictor`).
        gpu: How a GPU is used; None: the defaults.
        threshold: See `with_threshold`.
        verify: Whether the bundle's checksums are compared.
        memory_pattern: See `model_session`.

    Raises:
        BundleError: Where the directory is not a whole bundle (see `read_bundle`).
        ConfigError: On arguments that the bundle cannot have.
        DeviceError: Where the device is not there (see `open_bundle_session`).
    """

    def __init__(
        self,
        bundle_dir: str | Path | Bundle,
        device: str = "cpu",
        num_threads: int | None = None,
        precision: str = "fp32",
        max_seq_length: int | None = None,
        limits: dict[str, int] | None = None,
        gpu: GpuOptions | None = None,
        threshold: float | None = None,
        verify: bool = True,
        memory_pattern: bool = True,
    ) -> None:
        bundle = bundle_dir if isinstance(bundle_dir, Bundle) else read_bundle(bundle_dir, verify)
        with_threshold(limited(bundle.info, max_seq_length, limits), threshold)  # before a session of seconds is opened
        self.session = open_bundle_session(bundle, device, num_threads, precision, gpu, memory_pattern)
        names = list(bundle.info.outputs)
        run: Run = partial(self.session.run, names)
        if device == "gpu":
            run = BoundRun(self.session, names, "cuda", gpu or GpuOptions())
        super().__init__(bundle, run, max_seq_length, limits, threshold)
