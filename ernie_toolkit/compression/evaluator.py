"""Where candidates are judged: dev figures, size, speed beside FP32, and the report that grows with each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ernie_toolkit.bundle import COMPRESSED_FILES, ONNX_FILE, add_compressed, read_bundle
from ernie_toolkit.compression.options import CompressionOptions
from ernie_toolkit.compression.report.figures import change_text, shown_figures, size_text, speed_text
from ernie_toolkit.compression.report.files import write_report
from ernie_toolkit.compression.report.measurement import Speed, measure
from ernie_toolkit.compression.report.model import Candidate, Report
from ernie_toolkit.files import remove_directory
from ernie_toolkit.inference.engines.onnxruntime import model_session
from ernie_toolkit.tasks import Task
from ernie_toolkit.text.dataset import EncodedDataset, run_rows

EXPORT, WORK = "export", "unfinished"
EVALUATION_BATCH = 32


@dataclass(frozen=True)
class Variant:
    """An FP32 model that candidates are made of.

    `name`: as candidates' names begin, empty for the model as it was. `directory`: holds its bundle in
    `export/`. `dev` and `train`: rows in its own vocabulary, the former with targets. `flops`: of one
    sequence, None where they are not known.
    """

    name: str
    width: str
    directory: Path
    dev: EncodedDataset
    train: EncodedDataset
    vocabulary: int
    parameters: int
    flops: int | None

    @property
    def onnx(self) -> Path:
        """Its FP32 ONNX file."""
        return self.directory / EXPORT / ONNX_FILE

    def candidate_name(self, form: str) -> str:
        """The name of a candidate made of it."""
        return f"{self.name} {form}".strip()


@dataclass
class Workshop:
    """The state of a compression run: what candidates are judged by, and the report so far.

    `say` is told what is going on, a line at a time.
    """

    task: Task
    dev_examples: Sequence[dict[str, Any]]
    options: CompressionOptions
    seed: int
    directory: Path
    baseline: Path
    report: Report
    say: Callable[[str], None]

    @property
    def work(self) -> Path:
        """A directory for what is deleted when the run ends well."""
        return self.directory / WORK

    @property
    def threads(self) -> int | None:
        """Threads of the sessions, None for all processors."""
        return self.options.num_threads or None

    def figures(self, path: Path, rows: EncodedDataset, precision: str) -> dict[str, float]:
        """Dev figures of an ONNX model (see `Task.score`), details left out."""
        session = model_session(path, num_threads=self.threads, precision=precision)
        names = [output.name for output in session.get_outputs()]
        logits = run_rows(rows, EVALUATION_BATCH, lambda batch: session.run(names, batch))
        scores = self.task.score(rows, logits, self.dev_examples)
        return {name: value for name, value in scores.items() if "/" not in name}

    def drop(self, figures: dict[str, float]) -> float:
        """Points of the task's own metric that some figures lie below the FP32 model's."""
        metric = self.report.metric
        return 100 * (self.report.baseline.metrics[metric] - figures[metric])

    def judge(
        self,
        variant: Variant,
        form: str,
        path: Path,
        precision: str,
        method: str = "",
        embeddings: bool = False,
        settings: dict[str, Any] | None = None,
    ) -> Candidate:
        """Measure a candidate and put it into the report, which is written; one found there is taken as it is."""
        found = self.report.find(variant.candidate_name(form))
        if found is not None:
            return found
        candidate = self.measured(variant, form, path, precision, method, embeddings, settings)
        self.record(candidate)
        self.say(self.line(candidate))
        return candidate

    def line(self, item: Candidate) -> str:
        """What the report tells of a model, in a line of the console."""
        report = self.report
        change = "" if item is report.baseline else f" ({change_text(shown_figures(report, item).change)} points)"
        return (
            f"{item.name}: {report.metric} {item.metrics[report.metric]:.4f}{change}, {size_text(report, item)} MB, "
            f"{speed_text(report, item)}"
        )

    def measured(
        self,
        variant: Variant,
        form: str,
        path: Path,
        precision: str,
        method: str = "",
        embeddings: bool = False,
        settings: dict[str, Any] | None = None,
    ) -> Candidate:
        """Dev figures, size and speed of a candidate, compared with the FP32 model's in turns; or that model's own."""
        metrics = self.figures(path, variant.dev, precision)
        full = self.report.baseline
        paths = {"own": (path, precision)}
        known = None
        if full.latency_ms is not None and full.sequences_per_second is not None:
            known = Speed(full.latency_ms, full.sequences_per_second)
            paths = {"baseline": (self.baseline, "fp32"), **paths}
        sessions = {
            name: model_session(path, num_threads=self.threads, precision=precision, spinning=False)
            for name, (path, precision) in paths.items()
        }
        speed = measure(sessions, variant.dev, known)["own"]
        return Candidate(
            name=variant.candidate_name(form) or "FP32",
            width=variant.width,
            precision=precision,
            method=method,
            settings=settings or {},
            embeddings=embeddings,
            vocabulary=variant.vocabulary,
            parameters=variant.parameters,
            size=path.stat().st_size,
            metrics=metrics,
            latency_ms=speed.latency_ms,
            sequences_per_second=speed.sequences_per_second,
            flops=variant.flops,
            kept=False,
            file="",
            speed_spread=speed.spread,
        )

    def record(self, candidate: Candidate) -> None:
        """Put a candidate into the report, in place of one of its name."""
        self.report = self.report.with_candidate(candidate)
        write_report(self.report, self.directory)

    def keep(self, variant: Variant, candidate: Candidate, role: str, path: Path | None = None) -> None:
        """Mark a candidate as the one that is deployed; with `path`, copy the file into the variant's bundle."""
        target = variant.onnx
        if path is not None:
            bundle = read_bundle(variant.directory / EXPORT)
            description = {
                "name": candidate.name,
                "method": candidate.method,
                "embeddings": candidate.embeddings,
                **candidate.settings,
                "metrics": candidate.metrics,
            }
            add_compressed(bundle, role, path, description)
            target = variant.directory / EXPORT / COMPRESSED_FILES[role]
        self.record(replace(candidate, kept=True, file=target.relative_to(self.directory).as_posix()))

    def finish(self) -> None:
        """Delete what was needed on the way."""
        remove_directory(self.work)
