"""How candidates are evaluated: dev metrics, size, speed beside FP32, and the report that grows with each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ernie_toolkit.bundle import COMPRESSED_FILES, EXPORT_DIRECTORY, ONNX_FILE, add_compressed, read_bundle, recommend
from ernie_toolkit.compression.options import CompressionOptions
from ernie_toolkit.compression.quantization.openvino import model_size
from ernie_toolkit.compression.report.files import write_report
from ernie_toolkit.compression.report.measurement import Speed, measure
from ernie_toolkit.compression.report.metrics import change_text, megabytes_text, shown_metrics, speed_text
from ernie_toolkit.compression.report.model import ONNX_RUNTIME, Candidate, LayerChoice, Report
from ernie_toolkit.compression.report.recommendation import recommendations
from ernie_toolkit.compression.rows import SplitRows
from ernie_toolkit.compression.state import RunState, Say
from ernie_toolkit.inference.engines.base import NO_CACHE, EngineOptions, Runtime
from ernie_toolkit.inference.engines.onnxruntime import OnnxRuntime
from ernie_toolkit.inference.engines.openvino import OpenVino
from ernie_toolkit.models.sizes import Shares
from ernie_toolkit.progress import Progress
from ernie_toolkit.tasks import Task
from ernie_toolkit.text.dataset import Batch, EncodedDataset, run_rows

EVALUATION_BATCH = 32
MODEL_CLASSES: dict[str, type[OnnxRuntime] | type[OpenVino]] = {kind.engine: kind for kind in (OnnxRuntime, OpenVino)}


@dataclass(frozen=True)
class Fp32Model:
    """An FP32 model that candidates are made of.

    Attributes:
        name: As candidates' names begin, empty for the model as it was.
        shares: What is left of the model that the run began with.
        directory: Holds its bundle in `export/`.
        rows: The splits in its own vocabulary.
        vocabulary: The number of its tokens.
        parameters: The number of its weights.
        flops: Floating-point operations of one sequence; None: not known.
    """

    name: str
    shares: Shares
    directory: Path
    rows: SplitRows
    vocabulary: int
    parameters: int
    flops: int | None

    @property
    def export(self) -> Path:
        """The directory of its bundle."""
        return self.directory / EXPORT_DIRECTORY

    @property
    def onnx(self) -> Path:
        """Its FP32 ONNX file."""
        return self.export / ONNX_FILE

    def candidate_name(self, form: str) -> str:
        """The name of a candidate made of it."""
        return f"{self.name} {form}".strip()


@dataclass(frozen=True)
class Form:
    """How a candidate is made of its FP32 model.

    Attributes:
        name: What follows the model's in the candidate's name.
        precision: See `Candidate`.
        method: See `Candidate`.
        embeddings: See `Candidate`.
        settings: See `Candidate`.
        engine: See `Candidate`.
    """

    name: str
    precision: str = "int8"
    method: str = ""
    embeddings: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    engine: str = ONNX_RUNTIME


@dataclass(frozen=True)
class Quality:
    """What a model answers on dev.

    Attributes:
        metrics: Its dev metrics by name, shares between 0 and 1, and `loss` in nats.
        equal_answers: The share of answers, from 0 to 1, that equal the FP32 model's; None: not known.
    """

    metrics: dict[str, float]
    equal_answers: float | None = None


@dataclass
class Evaluator:
    """What candidates of one run are evaluated with, and the report so far.

    Attributes:
        run: The run; models and report lie in its directory.
        task: Decodes and scores what models answer.
        dev_examples: The labelled rows that metrics are of, in the order of the encoded ones.
        full: The FP32 model that the run began with, whose speed and answers are compared with.
        report: Grows with each candidate, and is written each time.
        say: Gets the lines that report progress.
    """

    run: RunState
    task: Task
    dev_examples: Sequence[dict[str, Any]]
    full: Fp32Model
    report: Report
    say: Say

    @property
    def options(self) -> CompressionOptions:
        """The run's options."""
        return self.run.request.options

    @property
    def threads(self) -> int | None:
        """Threads of the sessions, None for all processors."""
        return self.options.num_threads or None

    def open(self, path: Path, precision: str, engine: str = ONNX_RUNTIME, spinning: bool = True) -> Runtime:
        """Open a model's file in an engine, with the run's threads.

        Args:
            path: An ONNX file, or an .xml file for OpenVINO.
            precision: What the model computes in.
            engine: "onnxruntime" or "openvino".
            spinning: See `EngineOptions`.
        """
        options = EngineOptions(self.threads, spinning=spinning, cache=NO_CACHE)
        return MODEL_CLASSES[engine](path, precision, options)

    def quality(self, path: Path, rows: EncodedDataset, form: Form) -> Quality:
        """Metrics and answers on dev of a model's file (see `Task.score`); metrics of single labels are left out.

        Args:
            path: See `open`.
            rows: The dev rows in the model's vocabulary.
            form: Says in which engine and precision the file is opened.
        """
        metrics, answers = self.answers(self.open(path, form.precision, form.engine), rows, form.name)
        pairs = list(zip(answers, self._full_answers, strict=True))
        return Quality(metrics, sum(one == other for one, other in pairs) / max(len(pairs), 1))

    def answers(
        self, runtime: Callable[[Batch], Sequence[np.ndarray]], rows: EncodedDataset, name: str = "FP32"
    ) -> tuple[dict[str, float], list[Any]]:
        """Metrics on dev of what computes batches, and what its answers say.

        Args:
            runtime: Computes a batch's logits.
            rows: The dev rows in the model's vocabulary.
            name: What computes, for the line that shows progress.

        Returns:
            Metrics by name, and the content of each answer in the rows' order.
        """
        with Progress(f"{name} on dev", len(rows), shown=not self.run.request.training.disable_tqdm) as progress:

            def counted(batch: Batch) -> Sequence[np.ndarray]:
                logits = runtime(batch)
                progress.add(len(batch["input_ids"]))
                return logits

            logits = run_rows(rows, EVALUATION_BATCH, counted)
        found = self.task.decode(rows, logits, self.task.inputs(self.dev_examples))
        scores = self.task.score(rows, logits, self.dev_examples, found)
        metrics = {name: value for name, value in scores.items() if "/" not in name}
        return metrics, [answer.content for answer in found]

    @cached_property
    def _full_answers(self) -> list[Any]:
        return self.answers(self.open(self.full.onnx, "fp32"), self.full.rows.dev)[1]

    def drop(self, metrics: dict[str, float]) -> float:
        """How far metrics lie below the FP32 model's, in points (times 100) of the task's own metric.

        Args:
            metrics: Dev metrics by name.
        """
        name = self.report.metric
        return 100 * (self.report.baseline.metrics[name] - metrics[name])

    def evaluate(self, model: Fp32Model, form: Form, path: Path, quality: Quality | None = None) -> Candidate:
        """Measure a candidate and write the report with it; one that is in the report already is taken as it is.

        Args:
            model: The FP32 model that it was made of.
            form: How it was made.
            path: Its ONNX file, or its .xml file.
            quality: Its metrics and answers; None: they are computed.
        """
        found = self.report.find(model.candidate_name(form.name))
        if found is not None:
            return found
        candidate = self.measure(model, form, path, quality)
        self._record(candidate)
        self.say(self._line(candidate))
        return candidate

    def measure(self, model: Fp32Model, form: Form, path: Path, quality: Quality | None = None) -> Candidate:
        """Metrics, size and speed of a candidate, timed in turns with the FP32 model; or of that model itself.

        Args:
            model: See `evaluate`.
            form: See `evaluate`.
            path: See `evaluate`.
            quality: See `evaluate`.
        """
        speed = self._speed(path, form, model.rows.dev)
        quality = quality or self.quality(path, model.rows.dev, form)
        return Candidate(
            name=model.candidate_name(form.name) or "FP32",
            width=str(model.shares.width),
            precision=form.precision,
            method=form.method,
            settings=form.settings,
            embeddings=form.embeddings,
            vocabulary=model.vocabulary,
            parameters=model.parameters,
            size=model_size(path),
            metrics=quality.metrics,
            latency_ms=speed.latency_ms,
            sequences_per_second=speed.sequences_per_second,
            flops=model.flops,
            kept=False,
            file="",
            speed_spread=speed.spread,
            engine=form.engine,
            equal_answers=quality.equal_answers,
            depth=str(model.shares.depth),
        )

    def record_baseline(self, model: Fp32Model) -> None:
        """Measure the FP32 model that the run began with, and write the report with it."""
        metrics, self._full_answers = self.answers(self.open(model.onnx, "fp32"), model.rows.dev)
        item = self.measure(model, Form("", "fp32"), model.onnx, Quality(metrics, 1.0))
        self.report = replace(self.report, baseline=replace(item, kept=True, file=self._relative(model.onnx)))
        write_report(self.report, self.run.directory, self.run.request.report_name)
        self.say(self._line(self.report.baseline))

    def record_depths(self, choices: tuple[LayerChoice, ...]) -> None:
        """Write the report with which layers stay at each depth, and say so; a run that is resumed finds it there."""
        self.report = replace(self.report, depths=choices)
        write_report(self.report, self.run.directory, self.run.request.report_name)
        for choice in choices:
            self.say(f"dynabert: {choice.text}")

    def keep(self, model: Fp32Model, candidate: Candidate, files: Mapping[str, Path] | None = None) -> None:
        """Mark a candidate as one that is deployed.

        Args:
            model: The FP32 model that it was made of.
            candidate: The one to keep.
            files: What is copied into that model's bundle, by role; None: nothing, its ONNX file is opened.
        """
        target = model.onnx
        if files:
            description = {
                "name": candidate.name,
                "method": candidate.method,
                "embeddings": candidate.embeddings,
                **candidate.settings,
                "metrics": candidate.metrics,
            }
            add_compressed(read_bundle(model.export), files, description)
            target = model.export / COMPRESSED_FILES[next(iter(files))]
        self._record(replace(candidate, kept=True, file=self._relative(target)))

    def recommend(self, model: Fp32Model) -> None:
        """Write into a model's bundle what it is best opened with on this processor, the fastest first."""
        prefix = self._relative(model.export) + "/"
        kept = [item for item in (self.report.baseline, *self.report.candidates) if item.file.startswith(prefix)]
        found = recommendations(self.report, [item for item in kept if item.kept], self.options.max_drop)
        bundle = read_bundle(model.export)
        if found != bundle.info.recommended:
            recommend(bundle, found)

    def has_int8(self, model: Fp32Model, engine: str) -> bool:
        """Whether an earlier part of this run has put a model's INT8 form for an engine into its bundle.

        Args:
            model: The FP32 model.
            engine: "onnxruntime" or "openvino".
        """
        prefix = self._relative(model.directory) + "/"
        return any(
            (item.engine, item.precision) == (engine, "int8") and item.file.startswith(prefix) and self.in_bundle(item)
            for item in self.report.candidates
        )

    def workspace(self, model: Fp32Model) -> Path:
        """A directory for what is made of a model on the way; it is deleted when the run ends well."""
        directory = self.run.work / model.directory.name
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def in_bundle(self, item: Candidate) -> bool:
        """Whether a candidate is kept, and its file still there."""
        return item.kept and (self.run.directory / item.file).is_file()

    def _speed(self, path: Path, form: Form, rows: EncodedDataset) -> Speed:
        full = self.report.baseline
        runtimes = {"own": self.open(path, form.precision, form.engine, spinning=False)}
        known = None
        if full.latency_ms is not None and full.sequences_per_second is not None:
            known = Speed(full.latency_ms, full.sequences_per_second)
            runtimes = {"baseline": self.open(self.full.onnx, "fp32", spinning=False), **runtimes}
        return measure(runtimes, rows, known)["own"]

    def _line(self, item: Candidate) -> str:
        report = self.report
        change = "" if item is report.baseline else f" ({change_text(shown_metrics(report, item).change)} points)"
        return (
            f"{item.name}: {report.metric} {item.metrics[report.metric]:.4f}{change}, "
            f"{megabytes_text(report, item.size)} MB, {speed_text(report, item)}"
        )

    def _record(self, candidate: Candidate) -> None:
        self.report = self.report.with_candidate(candidate)
        write_report(self.report, self.run.directory, self.run.request.report_name)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.run.directory).as_posix()
