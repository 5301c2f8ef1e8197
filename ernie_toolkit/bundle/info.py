"""What `bundle.json` says, and how it is read: every key of its kind and within its bounds."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ernie_toolkit import __version__
from ernie_toolkit.errors import BundleError
from ernie_toolkit.files.paths import path_problem
from ernie_toolkit.formats.ranges import FIGURE, SEQUENCE_LENGTH, SHARE, Range, check_number
from ernie_toolkit.tasks import TASKS

FORMAT_VERSION = 1
# What every model reads, in this order.
INPUTS = ("input_ids", "token_type_ids")
REQUIRED_ROLES = ("tokenizer", "onnx")
# Of `bundle.json` itself, so that a label or a threshold that was changed in it is noticed too.
CHECKSUM_KEY = "description_sha256"
REMEDY = "export the model again"
LIMIT = Range(0, 100_000)
FILE_SIZE = Range(0, 2**50)
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class FileEntry:
    """One file of a bundle.

    Attributes:
        name: Its name within the directory.
        size: In bytes.
        sha256: In hexadecimal.
    """

    name: str
    size: int
    sha256: str


# What a bundle is opened for: many texts at once, in batches, or requests of one text each, as services get them.
THROUGHPUT, LATENCY = "throughput", "latency"
WORKLOADS = (THROUGHPUT, LATENCY)


@dataclass(frozen=True)
class Recommendation:
    """An engine and a precision that were measured to be fast, at a loss that was allowed.

    Attributes:
        engine, precision: as `Predictor` takes them.
        features: instructions of the processor that it was measured on, which another one has to have too.
        processor: that processor's name.
        workload: what it is fast at, one of `WORKLOADS`; empty: at both.
    """

    engine: str
    precision: str
    features: tuple[str, ...] = ()
    processor: str = ""
    workload: str = ""


@dataclass(frozen=True)
class BundleInfo:
    """What `bundle.json` says.

    Attributes:
        task: The task's name, as in `TASKS`.
        dataset: The name of the data set that the model was trained on.
        labels: Identifiers in the order of the logits; empty where the task has none.
        label_names: Readable names in the same order, or None.
        text_format: How texts are read, one of `TEXT_FORMATS`.
        max_seq_length: The longest sequence in tokens.
        inputs: Names of the model's inputs.
        outputs: Names of the model's outputs, in order.
        files: Entries by role ("tokenizer", "onnx", "onnx_int8", "onnx_fp16", "openvino_int8", "openvino_int8_weights",
            "paddle_program", "paddle_weights").
        data_source: Where the training data came from (see `DataSet.source`).
        limits: Further settings of the task by name (windows, search).
        thresholds: The probability that each label has to be above, for sets of labels only; 0.5 where there are none.
        metrics: Dev metrics of the model by name.
        parity: Rows compared, and the largest absolute difference between Paddle's and ONNX Runtime's logits.
        warnings: Lines that belong beside every result (that the training data was the sample).
        compression: For the role of a compressed model, how it was made and its dev metrics.
        recommended: What the bundle is best opened with, for each workload the fastest first; empty where nothing was
            measured.
        weights_sha256: Checksum of the Paddle weights file (`model_state.pdparams`) that the bundle was exported from;
            empty where there was none.
        toolkit_version: The version that wrote the bundle.
        format_version: The version of this format.
    """

    task: str
    dataset: str
    labels: tuple[str, ...]
    label_names: tuple[str, ...] | None
    text_format: str
    max_seq_length: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    files: dict[str, FileEntry]
    data_source: str
    limits: dict[str, int] = field(default_factory=dict)
    thresholds: tuple[float, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    parity: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    compression: dict[str, dict[str, Any]] = field(default_factory=dict)
    recommended: tuple[Recommendation, ...] = ()
    weights_sha256: str = ""
    toolkit_version: str = __version__
    format_version: int = FORMAT_VERSION


def description_sha256(raw: Mapping[str, Any]) -> str:
    """Hexadecimal SHA-256 of a description, whatever its layout; without the checksum in it."""
    content = {key: value for key, value in raw.items() if key != CHECKSUM_KEY}
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


class DescriptionReader:
    """Takes values out of a description; BundleError with file and key where one is missing or of another kind.

    Args:
        raw: The JSON object.
        where: Its file, for messages.
        remedy: What messages tell the user to do.
    """

    def __init__(self, raw: Mapping[str, Any], where: Path, remedy: str = REMEDY) -> None:
        self.raw, self.where, self.remedy = raw, where, remedy

    def wrong(self, key: str, reason: str) -> BundleError:
        """The error of a key.

        Args:
            key: Its name.
            reason: What is wrong with it.
        """
        return BundleError(f"{self.where}: not a whole bundle description ({key} {reason}): {self.remedy}")

    def get(self, key: str, kind: type, default: Any = None) -> Any:
        """A value of a kind.

        Args:
            key: Its name.
            kind: Its type, which it has to be of exactly.
            default: What stands for a value that is not there; None: it has to be there.
        """
        value = self.raw.get(key, default)
        if value is None:
            raise self.wrong(key, "is null" if key in self.raw else "is missing")
        if type(value) is not kind:
            raise self.wrong(key, f"is not a {kind.__name__}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self.get(key, list)
        if not all(isinstance(item, str) for item in value):
            raise self.wrong(key, "is not a list of strings")
        return tuple(value)

    def number(self, value: Any, kind: type, allowed: Range, name: str) -> Any:
        """A number within its bounds.

        Args:
            value: The value that was read.
            kind: Int or float.
            allowed: The range.
            name: Its name, for messages.
        """
        return check_number(value, kind, allowed, f"{self.where}: {name}", BundleError, self.remedy)

    def numbers(self, key: str, kind: type, allowed: Range, default: Any = None) -> dict[str, Any]:
        """A mapping of names to numbers.

        Args:
            key: Its name.
            kind: Int or float.
            allowed: The range of each number.
            default: As in `get`.
        """
        items = self.get(key, dict, default).items()
        return {name: self.number(value, kind, allowed, f"{key}.{name}") for name, value in items}

    def recommendation(self, place: int, entry: Any) -> Recommendation:
        """An entry of `recommended`.

        Args:
            place: Its place in the list.
            entry: The value that was read.
        """
        key = f"recommended[{place}]"
        if not isinstance(entry, dict):
            raise self.wrong(key, "is not an object")
        reader = DescriptionReader(entry, self.where)
        try:
            return Recommendation(
                reader.get("engine", str),
                reader.get("precision", str),
                reader.texts("features"),
                reader.get("processor", str),
                reader.get("workload", str, ""),
            )
        except BundleError:
            raise self.wrong(key, "is not an object with engine, precision, features and processor") from None

    def file(self, role: str, entry: Any) -> FileEntry:
        """An entry of `files`.

        Args:
            role: Its key.
            entry: The value that was read.
        """
        key = f"files.{role}"
        if not isinstance(entry, dict) or not all(isinstance(entry.get(name), str) for name in ("name", "sha256")):
            raise self.wrong(key, "is not an object with name, size and sha256")
        name, sha256 = entry["name"], entry["sha256"]
        if Path(name).name != name or name == "..":
            raise BundleError(f"{self.where}: file name '{name:.60}' leads out of the bundle: {REMEDY}")
        if problem := path_problem(name):
            raise BundleError(f"{self.where}: {key}.name is {problem}: {REMEDY}")
        size = self.number(entry.get("size"), int, FILE_SIZE, f"{key}.size")
        if not _SHA256.fullmatch(sha256):
            raise self.wrong(f"{key}.sha256", "is no checksum")
        return FileEntry(name, size, sha256)


def parse_info(raw: Mapping[str, Any], where: Path) -> BundleInfo:
    """The description in the JSON object of a `bundle.json`.

    Args:
        raw: The JSON object.
        where: The file, for messages.

    Raises:
        BundleError: Where a key is missing or invalid; it names file and key.
    """
    version = raw.get("format_version")
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise BundleError(
            f"{where}: format version {version!r:.40}, this toolkit reads {FORMAT_VERSION}: export the model again"
        )
    reader = DescriptionReader(raw, where)
    files = {role: reader.file(role, entry) for role, entry in reader.get("files", dict).items()}
    missing = [role for role in REQUIRED_ROLES if role not in files]
    if missing:
        raise BundleError(f"{where}: no file with the role {', '.join(missing)}: {REMEDY}")
    compression = reader.get("compression", dict, {})
    if not all(isinstance(value, dict) for value in compression.values()):
        raise reader.wrong("compression", "is not an object of objects")
    thresholds = reader.get("thresholds", list, [])
    info = BundleInfo(
        task=reader.get("task", str),
        dataset=reader.get("dataset", str),
        labels=reader.texts("labels"),
        label_names=None if raw.get("label_names", "") is None else reader.texts("label_names"),
        text_format=reader.get("text_format", str),
        max_seq_length=reader.number(reader.get("max_seq_length", int), int, SEQUENCE_LENGTH, "max_seq_length"),
        inputs=reader.texts("inputs"),
        outputs=reader.texts("outputs"),
        files=files,
        data_source=reader.get("data_source", str),
        limits=reader.numbers("limits", int, LIMIT, {}),
        thresholds=tuple(reader.number(value, float, SHARE, "thresholds") for value in thresholds),
        metrics=reader.numbers("metrics", float, FIGURE),
        parity=reader.numbers("parity", float, FIGURE),
        warnings=reader.texts("warnings"),
        compression=compression,
        recommended=tuple(
            reader.recommendation(place, entry) for place, entry in enumerate(reader.get("recommended", list, []))
        ),
        weights_sha256=reader.get("weights_sha256", str, ""),
        toolkit_version=reader.get("toolkit_version", str),
    )
    _check_task(info, where)
    return info


def _check_task(info: BundleInfo, where: Path) -> None:
    """BundleError where parts of a description do not fit each other."""
    labels, problem = len(info.labels), ""
    task = TASKS.get(info.task)
    if task is None:
        problem = f"task '{info.task:.40}' is not known, only {', '.join(TASKS)}"
    elif not task.has_labels and labels:
        problem = f"{labels} labels, and the task '{info.task}' has none"
    elif task.has_labels and not labels:
        problem = "no labels"
    elif len(set(info.labels)) < labels:
        problem = "a label is there twice"
    elif info.label_names is not None and len(info.label_names) != labels:
        problem = f"{labels} labels and {len(info.label_names)} names"
    elif info.thresholds and len(info.thresholds) != labels:
        problem = f"{len(info.thresholds)} thresholds for {labels} labels"
    elif sorted(info.inputs) != sorted(INPUTS):
        problem = f"its inputs are {', '.join(info.inputs):.60}, and every model reads {', '.join(INPUTS)}"
    if problem:
        raise BundleError(f"{where}: {problem}: {REMEDY}")
