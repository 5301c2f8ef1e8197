"""How candidates are evaluated: dev metrics, size, speed beside FP32, and the report that grows with each."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ernie_toolkit.bundle import COMPRESSED_FILES, EXPORT_DIRECTORY, ONNX_FILE, add_compressed, read_bundle
from ernie_toolkit.compression.options import CompressionOptions
from ernie_toolkit.compression.report.files import write_report
from ernie_toolkit.compression.report.measurement import Speed, measure
from ernie_toolkit.compression.report.metrics import change_text, megabytes_text, shown_metrics, speed_text
from ernie_toolkit.compression.report.model import Candidate, Report
from ernie_toolkit.compression.rows import SplitRows
from ernie_toolkit.compression.state import RunState, Say
from ernie_toolkit.inference.engines.onnxruntime import model_session
from ernie_toolkit.tasks import Task
from ernie_toolkit.text.dataset import EncodedDataset, run_rows

EVALUATION_BATCH = 32


@dataclass(frozen=True)
class Fp32Model:
    """An FP32 model that candidates are made of.

    name: as candidates' names begin, empty for the model as it was.
    directory: holds its bundle in `export/`.
    rows: the splits in its own vocabulary.
    vocabulary: tokens.
    flops: floating-point operations of one sequence, None where they are not known.
    """

    name: str
    width: str
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

    name: what follows the model's in the candidate's name.
    precision, method, embeddings, settings: see `Candidate`.
    """

    name: str
    precision: str = "int8"
    method: str = ""
    embeddings: bool = False
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass
class Evaluator:
    """What candidates of one run are evaluated with, and the report so far.

    baseline: the ONNX file that speed is compared with.
    say: gets the lines that report progress.
    """

    run: RunState
    task: Task
    dev_examples: Sequence[dict[str, Any]]
    baseline: Path
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

    def metrics(self, path: Path, rows: EncodedDataset, precision: str) -> dict[str, float]:
        """Dev metrics of an ONNX model (see `Task.score`), those of single labels left out."""
        session = model_session(path, num_threads=self.threads, precision=precision)
        names = [output.name for output in session.get_outputs()]
        logits = run_rows(rows, EVALUATION_BATCH, lambda batch: session.run(names, batch))
        scores = self.task.score(rows, logits, self.dev_examples)
        return {name: value for name, value in scores.items() if "/" not in name}

    def drop(self, metrics: dict[str, float]) -> float:
        """Points of the task's own metric that some metrics lie below the FP32 model's."""
        name = self.report.metric
        return 100 * (self.report.baseline.metrics[name] - metrics[name])

    def evaluate(self, model: Fp32Model, form: Form, path: Path, metrics: dict[str, float] | None = None) -> Candidate:
        """Measure a candidate and write the report with it; one that is in the report already is taken as it is.

        `path`: its ONNX file. `metrics`: its dev metrics, where they are known.
        """
        found = self.report.find(model.candidate_name(form.name))
        if found is not None:
            return found
        candidate = self.measure(model, form, path, metrics)
        self._record(candidate)
        self.say(self._line(candidate))
        return candidate

    def measure(self, model: Fp32Model, form: Form, path: Path, metrics: dict[str, float] | None = None) -> Candidate:
        """Metrics, size and speed of a candidate, timed in turns with the FP32 model; or of that model itself."""
        speed = self._speed(path, form.precision, model.rows.dev)
        return Candidate(
            name=model.candidate_name(form.name) or "FP32",
            width=model.width,
            precision=form.precision,
            method=form.method,
            settings=form.settings,
            embeddings=form.embeddings,
            vocabulary=model.vocabulary,
            parameters=model.parameters,
            size=path.stat().st_size,
            metrics=metrics or self.metrics(path, model.rows.dev, form.precision),
            latency_ms=speed.latency_ms,
            sequences_per_second=speed.sequences_per_second,
            flops=model.flops,
            kept=False,
            file="",
            speed_spread=speed.spread,
        )

    def record_baseline(self, model: Fp32Model) -> None:
        """Measure the FP32 model that the run began with, and write the report with it."""
        item = self.measure(model, Form("", "fp32"), model.onnx)
        self.report = replace(self.report, baseline=replace(item, kept=True, file=self._relative(model.onnx)))
        write_report(self.report, self.run.directory)
        self.say(self._line(self.report.baseline))

    def keep(self, model: Fp32Model, candidate: Candidate, role: str, path: Path | None = None) -> None:
        """Mark a candidate as one that is deployed; with `path`, copy the file into the bundle of its FP32 model."""
        target = model.onnx
        if path is not None:
            description = {
                "name": candidate.name,
                "method": candidate.method,
                "embeddings": candidate.embeddings,
                **candidate.settings,
                "metrics": candidate.metrics,
            }
            add_compressed(read_bundle(model.export), {role: path}, description)
            target = model.export / COMPRESSED_FILES[role]
        self._record(replace(candidate, kept=True, file=self._relative(target)))

    def in_bundle(self, item: Candidate) -> bool:
        """Whether a candidate is kept, and its file still there."""
        return item.kept and (self.run.directory / item.file).is_file()

    def _speed(self, path: Path, precision: str, rows: EncodedDataset) -> Speed:
        full = self.report.baseline
        paths = {"own": (path, precision)}
        known = None
        if full.latency_ms is not None and full.sequences_per_second is not None:
            known = Speed(full.latency_ms, full.sequences_per_second)
            paths = {"baseline": (self.baseline, "fp32"), **paths}
        sessions = {
            name: model_session(file, num_threads=self.threads, precision=kind, spinning=False)
            for name, (file, kind) in paths.items()
        }
        return measure(sessions, rows, known)["own"]

    def _line(self, item: Candidate) -> str:
        report = self.report
        change = "" if item is report.baseline else f" ({change_text(shown_metrics(report, item).change)} points)"
        return (
            f"{item.name}: {report.metric} {item.metrics[report.metric]:.4f}{change}, "
            f"{megabytes_text(report, item.size)} MB, {speed_text(report, item)}"
        )

    def _record(self, candidate: Candidate) -> None:
        self.report = self.report.with_candidate(candidate)
        write_report(self.report, self.run.directory)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.run.directory).as_posix()
