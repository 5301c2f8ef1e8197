"""What a compression run found out: every candidate with its quality, size and speed.

`compress_report.json` is `Report` as JSON with a format version and what follows from it (see `metrics`); `.md` and
`.png` show the same to people.
"""

from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from ernie_toolkit.errors import ModelError
from ernie_toolkit.files.parsing import read_json_object
from ernie_toolkit.files.transactions import finish_transaction
from ernie_toolkit.inference.processor import processor_name

FORMAT_VERSION = 2
ONNX_RUNTIME, OPENVINO = "onnxruntime", "openvino"
# As people write them.
ENGINE_NAMES = {ONNX_RUNTIME: "ONNX Runtime", OPENVINO: "OpenVINO"}
REPORT_NAME = "compress_report"
REPORT_FILE, TABLE_FILE, PLOT_FILE = (f"{REPORT_NAME}.{suffix}" for suffix in ("json", "md", "png"))


@dataclass(frozen=True)
class Candidate:
    """One model that was made and evaluated.

    Attributes:
        name: As people read it; no two of a report have the same.
        width: Share of heads and neurons that are left, "1" or "3/4".
        precision: "fp32", "bf16", "int8" or "fp16".
        method: "", "dynamic", "static", or "qat" (in INT8, and in FP32 as training for INT8 has left it).
        settings: How it was made (algorithm, batch_size, ...).
        embeddings: Whether its embedding tables are INT8.
        vocabulary: The number of its tokens.
        parameters: The number of weights of its FP32 model.
        size: Bytes of the model's file, of an .xml with its weights.
        metrics: Dev metrics, shares between 0 and 1, and `loss` in nats.
        latency_ms: Milliseconds for one sequence, as FP32's in the report, times the ratio measured in turns; None: not
            measured.
        sequences_per_second: In batches, measured in the same way.
        flops: Floating-point operations for one sequence of the report's `flops_length` tokens; None: not known.
        kept: Whether it is in a bundle.
        file: Where it is there, relative to the report; empty where it is not kept.
        speed_spread: How far the ratios of the turns lay apart (see `measurement.Speed`).
        engine: What computed it, "onnxruntime" or "openvino".
        equal_answers: Share of the dev set's answers that equal the FP32 model's; None: not known.
        depth: Share of layers that are left, "1" or "2/3".
    """

    name: str
    width: str
    precision: str
    method: str
    settings: dict[str, Any]
    embeddings: bool
    vocabulary: int
    parameters: int
    size: int
    metrics: dict[str, float]
    latency_ms: float | None
    sequences_per_second: float | None
    flops: int | None
    kept: bool
    file: str
    speed_spread: float | None = None
    engine: str = ONNX_RUNTIME
    equal_answers: float | None = None
    depth: str = "1"


@dataclass(frozen=True)
class LayerChoice:
    """Which layers stay at a depth, and between what that was chosen; layers are counted from 0, as weights' names do.

    Losses are those of the fine-tuned model on training batches when the other layers are left out, before it is
    trained to do without them.

    Attributes:
        depth: Share of layers that are left, "2/3".
        num_hidden_layers: All layers of the model.
        layers: Those that stay.
        evenly_spaced: Those that would stay where the others go at even distances.
        evenly_spaced_loss: The loss with them.
        important: Those whose loss alone costs most.
        important_loss: The loss with them.
        importance: Of each layer, how much the loss rises when it alone is left out.
    """

    depth: str
    num_hidden_layers: int
    layers: tuple[int, ...]
    evenly_spaced: tuple[int, ...]
    evenly_spaced_loss: float
    important: tuple[int, ...]
    important_loss: float
    importance: tuple[float, ...]

    @property
    def text(self) -> str:
        """As people read it: which layers stay, how they were chosen, and what the other choice was."""
        kept, last = " ".join(map(str, self.layers)), self.num_hidden_layers - 1
        stay = f"depth {self.depth}: layers {kept} of 0 to {last} stay"
        if self.evenly_spaced == self.important:
            return f"{stay}: evenly spaced and by importance, loss {self.important_loss:.4f}"
        even = ("evenly spaced", self.evenly_spaced, self.evenly_spaced_loss)
        important = ("by importance", self.important, self.important_loss)
        taken, other = (even, important) if self.layers == self.evenly_spaced else (important, even)
        return (
            f"{stay}: {taken[0]}, loss {taken[2]:.4f} ({other[0]} {' '.join(map(str, other[1]))}: loss {other[2]:.4f})"
        )


@dataclass(frozen=True)
class Report:
    """A compression run: what it was made from and with, the FP32 model, and what was made of it.

    Attributes:
        dataset: The data set's name.
        task: The task's name.
        metric: The task's own, by which candidates are compared.
        model: Where it was loaded from.
        strategy: Parts joined by "+".
        data_source: Where the data set came from (see `DataSet.source`).
        warnings: Lines that belong beside every result.
        dev_rows: How many rows metrics are of.
        threads: Of the sessions that speed was measured with.
        seed: Of the training, and of the rows drawn for calibration.
        settings: Every option of the run by name, those of the training under "training".
        versions: Versions of the packages that it was made with, by name.
        baseline: The FP32 model that the run began with.
        candidates: What was made of it, in order.
        flops_length: Tokens of the sequence that operations are counted for.
        row_tokens: Tokens of the shortest, the middle and the longest row that speed was measured on; None: not known.
        processor: The name of the one that speed was measured on.
        run: Checksum of model, data and settings, by which a finished run is recognized; empty where not known.
        depths: Which layers stay at each depth below 1.
    """

    dataset: str
    task: str
    metric: str
    model: str
    strategy: str
    data_source: str
    warnings: tuple[str, ...]
    dev_rows: int
    threads: int
    seed: int
    settings: dict[str, Any]
    versions: dict[str, str]
    baseline: Candidate
    candidates: tuple[Candidate, ...]
    flops_length: int
    row_tokens: tuple[int, int, int] | None = None
    processor: str = field(default_factory=processor_name)
    run: str = ""
    depths: tuple[LayerChoice, ...] = ()

    def with_candidate(self, candidate: Candidate) -> "Report":
        """The report with a candidate in place of the one of its name, the FP32 model included, or at the end."""
        if candidate.name == self.baseline.name:
            return replace(self, baseline=candidate)
        if self.find(candidate.name) is None:
            return replace(self, candidates=(*self.candidates, candidate))
        changed = tuple(candidate if item.name == candidate.name else item for item in self.candidates)
        return replace(self, candidates=changed)

    def find(self, name: str) -> Candidate | None:
        """The candidate of that name, or None; the FP32 model is not one."""
        return next((item for item in self.candidates if item.name == name), None)


def read_report(path: Path) -> Report:
    """Read `compress_report.json`.

    Raises:
        ModelError: Where it is missing, broken, or of another format version.
    """
    finish_transaction(path.parent)
    if not path.exists():
        raise ModelError(f"{path}: no report to read there: the compress_* scripts write it")
    raw = read_json_object(path, ModelError, "compress the model again")
    version = raw.get("format_version")
    if type(version) is not int or version != FORMAT_VERSION:
        raise ModelError(
            f"{path}: format version {version!r:.40}, this toolkit reads {FORMAT_VERSION}: compress the model again"
        )
    try:
        found: Report = _built(Report, raw, "report")
    except TypeError as error:
        raise ModelError(f"{path}: {error}: compress the model again") from None
    return found


def _built(kind: type, raw: Any, where: str) -> Any:
    """A dataclass from an object of JSON; TypeError, which names the place, on what does not fit."""
    if not isinstance(raw, dict):
        raise TypeError(f"{where} is not an object")
    hints = get_type_hints(kind)
    values = {}
    for item in fields(kind):
        if item.name in raw:
            values[item.name] = _value(hints[item.name], raw[item.name], f"{where}.{item.name}")
        elif item.default is MISSING and item.default_factory is MISSING:
            raise TypeError(f"{where} has no {item.name}")
    return kind(**values)


def _value(kind: Any, raw: Any, where: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return raw
    if is_dataclass(kind) and isinstance(kind, type):
        return _built(kind, raw, where)
    if type(None) in arguments:
        return None if raw is None else _value(arguments[0], raw, where)
    if origin is tuple and isinstance(raw, list):
        kinds = [arguments[0]] * len(raw) if arguments[-1] is Ellipsis else list(arguments)
        if len(kinds) == len(raw):
            return tuple(_value(kinds[place], item, f"{where}[{place}]") for place, item in enumerate(raw))
    if origin is dict and isinstance(raw, dict):
        return {name: _value(arguments[1], item, f"{where}.{name}") for name, item in raw.items()}
    if kind is float and type(raw) is int:
        return float(raw)
    if type(raw) is not kind:
        raise TypeError(f"{where} is {raw!r:.60}, which is not a {getattr(kind, '__name__', kind)}")
    return raw
