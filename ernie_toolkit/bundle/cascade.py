"""A cascade: a bundle of several models of one task, of which each answers the inputs that those before are unsure of.

A directory with `bundle.json` (kind "cascade") and the bundle of each part in `part_1`, `part_2`, ...; what each part
holds is in a `bundle.json` of its own, whose checksum the cascade's lists.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ernie_toolkit import __version__
from ernie_toolkit.bundle.directory import (
    BUNDLE_FILE,
    CASCADE,
    KIND_KEY,
    Bundle,
    check_description,
    part_name,
    read_bundle,
    read_description,
)
from ernie_toolkit.bundle.info import (
    CHECKSUM_KEY,
    FORMAT_VERSION,
    BundleInfo,
    DescriptionReader,
    description_sha256,
)
from ernie_toolkit.decoding.calibration import TEMPERATURE
from ernie_toolkit.errors import BundleError
from ernie_toolkit.files import sha256_of, write_json
from ernie_toolkit.formats.ranges import BATCH_SIZE, COUNT_OR_NONE, FIGURE, SEED, SHARE, Range

REMEDY = "build the cascade again"
MAX_PROBABILITY, MARGIN = "max_probability", "margin"
CONFIDENCES = (MAX_PROBABILITY, MARGIN)
"""How sure a part is of its answer (see `inference.cascade.confidence`)."""
TASKS_OF_CASCADES = ("seq_cls", "multi_label")
MIN_PARTS, MAX_PARTS = 2, 5
EVERY_ROW_DEFERRED = 2.0
"""A threshold that no confidence reaches."""
THRESHOLD = Range(0, EVERY_ROW_DEFERRED)
POINTS = Range(0, 100)
# What all parts have in common, with its name for people.
_SHARED = {
    "task": "task",
    "labels": "list of labels",
    "text_format": "text format",
    "max_seq_length": "max_seq_length",
}


@dataclass(frozen=True)
class CascadePart:
    """One model of a cascade, as the cascade's `bundle.json` describes it.

    Attributes:
        name: Its directory within the cascade's.
        sha256: Of its own `bundle.json`, in hexadecimal.
        temperature: What its logits are divided by before its confidence is computed.
        threshold: The confidence from which on its answer is taken; of the last part 0.
        share: The share of the measured rows that it answered.
        metric: Its metric alone on the measured rows, between 0 and 1.
        sequences_per_second: Its speed alone on the measured rows.
        engine: What computed it then.
        precision: What it was computed in then.
    """

    name: str
    sha256: str
    temperature: float
    threshold: float
    share: float
    metric: float
    sequences_per_second: float
    engine: str
    precision: str


@dataclass(frozen=True)
class CascadeInfo:
    """What the `bundle.json` of a cascade says.

    Attributes:
        task: The task's name.
        dataset: The data set that it was built with.
        data_source: Where that came from (see `DataSet.source`).
        confidence: One of `CONFIDENCES`.
        parts: The parts, the first one to answer first.
        metric_name: "accuracy" or "micro_f1".
        metric: Of the cascade on the measured rows, between 0 and 1.
        sequences_per_second: The cascade's speed, measured beside that of its parts.
        max_drop: Percentage points that it was allowed to lose against its last part.
        drop: Percentage points that it loses on the measured rows; below 0 where it gains.
        choosing_rows: Dev rows that thresholds and temperatures were chosen on.
        measuring_rows: The other dev rows, which everything was measured on.
        seed: Of the draw that halves the dev rows.
        batch_size: Rows of a batch when speed was measured.
        processor: The processor that it was measured on.
        warnings: Lines that belong beside every result.
        toolkit_version: The version that wrote it.
    """

    task: str
    dataset: str
    data_source: str
    confidence: str
    parts: tuple[CascadePart, ...]
    metric_name: str
    metric: float
    sequences_per_second: float
    max_drop: float
    drop: float
    choosing_rows: int
    measuring_rows: int
    seed: int
    batch_size: int
    processor: str
    warnings: tuple[str, ...] = ()
    toolkit_version: str = __version__


@dataclass(frozen=True)
class CascadeBundle(Bundle):
    """An opened cascade; its `info` is that of the last part, with the cascade's own metrics and warnings.

    Attributes:
        cascade: What the cascade's `bundle.json` says.
        parts: The bundle of each part, in the same order.
    """

    cascade: CascadeInfo
    parts: tuple[Bundle, ...]

    def path(self, role: str) -> Path:
        """The path of the last part's file with this role.

        Raises:
            BundleError: Where it has none.
        """
        return self.parts[-1].path(role)


def open_bundle(directory: Path | str, verify: bool = True) -> Bundle:
    """Open a bundle of one model, or a cascade of several.

    Args:
        directory: The bundle's directory.
        verify: Whether to compare checksums too.

    Raises:
        BundleError: As `read_bundle` and `read_cascade`.
    """
    directory, raw = read_description(directory)
    return read_cascade(directory, verify) if raw.get(KIND_KEY) == CASCADE else read_bundle(directory, verify)


def read_cascade(directory: Path | str, verify: bool = True) -> CascadeBundle:
    """Open a cascade: check what its `bundle.json` says, each part, and that the parts fit each other.

    Args:
        directory: The cascade's directory.
        verify: Whether to compare checksums too.

    Raises:
        BundleError: Where the directory is no cascade, or not a whole one.
    """
    directory, raw = read_description(directory)
    where = directory / BUNDLE_FILE
    cascade = _parse(raw, where)
    if verify:
        check_description(raw, where, REMEDY)
    parts = []
    for part in cascade.parts:
        own = directory / part.name / BUNDLE_FILE
        if not own.is_file():
            raise BundleError(f"{own.parent} is missing: {where} lists it; {REMEDY}")
        parts.append(read_bundle(own.parent, verify))
        if verify and sha256_of(own) != part.sha256:
            raise BundleError(f"{own} is not the file that {where} lists (sha256 differs): {REMEDY}")
    if problem := parts_problem(parts):
        raise BundleError(f"{where}: {problem}: {REMEDY}")
    if parts[0].info.task != cascade.task:
        raise BundleError(f"{where}: its task is '{cascade.task}', its parts' is '{parts[0].info.task}': {REMEDY}")
    return CascadeBundle(directory, _shown_info(cascade, parts[-1].info), cascade, tuple(parts))


def _shown_info(cascade: CascadeInfo, last: BundleInfo) -> BundleInfo:
    """What the cascade is to those who ask for labels, texts and warnings: what its last part is, but its own."""
    return dataclasses.replace(
        last,
        metrics={cascade.metric_name: cascade.metric},
        parity={},
        warnings=cascade.warnings,
        compression={},
        recommended=(),
        weights_sha256="",
    )


def parts_problem(parts: Sequence[Bundle]) -> str:
    """Why some bundles cannot be parts of one cascade, naming the first that differs; empty where they can.

    A text is cut into tokens once for all parts, and every part gives one row of logits for the same labels.

    Args:
        parts: The bundles.
    """
    first = parts[0]
    if first.info.task not in TASKS_OF_CASCADES:
        known = " and ".join(TASKS_OF_CASCADES)
        return f"{first.directory} is for the task '{first.info.task}', and cascades are for {known}"
    if not MIN_PARTS <= len(parts) <= MAX_PARTS:
        return f"{len(parts)} part(s), and a cascade has {MIN_PARTS} to {MAX_PARTS}"
    for part in parts[1:]:
        for name, shown in _SHARED.items():
            one, other = getattr(first.info, name), getattr(part.info, name)
            if one != other:
                values = f" ({one} and {other})" if isinstance(one, (str, int)) else ""
                return f"{part.directory} has another {shown} than {first.directory}{values}"
        if first.info.files["tokenizer"].sha256 != part.info.files["tokenizer"].sha256:
            return f"{part.directory} has another tokenizer than {first.directory}: a text is cut into tokens once"
    return ""


def write_cascade_info(directory: Path, cascade: CascadeInfo) -> None:
    """Write `bundle.json` into a directory that already holds every part.

    Args:
        directory: The cascade's directory.
        cascade: What the file is to say.
    """
    described = {KIND_KEY: CASCADE, "format_version": FORMAT_VERSION, **dataclasses.asdict(cascade)}
    write_json(directory / BUNDLE_FILE, {**described, CHECKSUM_KEY: description_sha256(described)})


def _parse(raw: Mapping[str, Any], where: Path) -> CascadeInfo:
    """The description in the JSON object of a cascade's `bundle.json`."""
    if raw.get(KIND_KEY) != CASCADE:
        raise BundleError(f"{where}: not the description of a cascade: give the directory of one")
    version = raw.get("format_version")
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise BundleError(f"{where}: format version {version!r:.40}, this toolkit reads {FORMAT_VERSION}: {REMEDY}")
    reader = DescriptionReader(raw, where, REMEDY)
    parts = reader.get("parts", list)
    if not MIN_PARTS <= len(parts) <= MAX_PARTS:
        raise reader.wrong("parts", f"has {len(parts)} entries, and a cascade {MIN_PARTS} to {MAX_PARTS}")
    confidence = reader.get("confidence", str)
    if confidence not in CONFIDENCES:
        raise reader.wrong("confidence", f"is none of {', '.join(CONFIDENCES)}")

    def number(name: str, kind: type, allowed: Range) -> Any:
        return reader.number(raw.get(name), kind, allowed, name)

    return CascadeInfo(
        task=reader.get("task", str),
        dataset=reader.get("dataset", str),
        data_source=reader.get("data_source", str),
        confidence=confidence,
        parts=tuple(_parse_part(number, item, where) for number, item in enumerate(parts, 1)),
        metric_name=reader.get("metric_name", str),
        metric=number("metric", float, SHARE),
        sequences_per_second=number("sequences_per_second", float, FIGURE),
        max_drop=number("max_drop", float, POINTS),
        drop=number("drop", float, FIGURE),
        choosing_rows=number("choosing_rows", int, COUNT_OR_NONE),
        measuring_rows=number("measuring_rows", int, COUNT_OR_NONE),
        seed=number("seed", int, SEED),
        batch_size=number("batch_size", int, BATCH_SIZE),
        processor=reader.get("processor", str),
        warnings=reader.texts("warnings"),
        toolkit_version=reader.get("toolkit_version", str),
    )


def _parse_part(number: int, raw: Any, where: Path) -> CascadePart:
    """An entry of `parts`; its name is given by its number, so that none leads out of the directory."""
    key = f"parts[{number - 1}]"
    if not isinstance(raw, dict):
        raise DescriptionReader({}, where, REMEDY).wrong(key, "is not an object")
    reader = DescriptionReader(raw, where, REMEDY)

    def value(name: str, allowed: Range) -> float:
        return float(reader.number(raw.get(name), float, allowed, f"{key}.{name}"))

    if reader.get("name", str) != part_name(number):
        raise reader.wrong(f"{key}.name", f"is not {part_name(number)}")
    return CascadePart(
        name=part_name(number),
        sha256=reader.get("sha256", str),
        temperature=value("temperature", TEMPERATURE),
        threshold=value("threshold", THRESHOLD),
        share=value("share", SHARE),
        metric=value("metric", SHARE),
        sequences_per_second=value("sequences_per_second", FIGURE),
        engine=reader.get("engine", str),
        precision=reader.get("precision", str),
    )
