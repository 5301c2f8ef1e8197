"""The bundle: what export writes and every deployment reads.

A directory with `bundle.json` (this module's `BundleInfo` as JSON, format version 1) and the files it
lists. `bundle.json` is written last, so a directory without it is not a bundle.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ernie_toolkit import __version__
from ernie_toolkit.errors import BundleError
from ernie_toolkit.files import recover_directory, sha256_of, write_json
from ernie_toolkit.transactions import finish_transaction, transaction
from ernie_toolkit.weights import WEIGHTS_FILE as WEIGHTS_FILE
from ernie_toolkit.weights import weights_sha256

FORMAT_VERSION = 1
BUNDLE_FILE = "bundle.json"
# role -> file name; an exporter may leave out roles, but the first two are in every bundle.
TOKENIZER_FILE = "tokenizer.json"
ONNX_FILE = "model.onnx"
COMPRESSED_FILES = {"onnx_int8": "model_int8.onnx", "onnx_fp16": "model_fp16.onnx"}
# Where a model's bundle lies in the model's directory.
EXPORT_DIRECTORY = "export"
REQUIRED_ROLES = ("tokenizer", "onnx")


@dataclass(frozen=True)
class FileEntry:
    """One file of a bundle: name within the directory, size in bytes, SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class BundleInfo:
    """What `bundle.json` says.

    `labels`: identifiers in the order of the logits (none for "qa"); `label_names`: readable names in the
    same order, or None. `limits`: further settings of the task by name (windows, search). `thresholds`: the probability
    that each label has to be above ("multi_label" only; 0.5 where there are none). `files`: role
    ("tokenizer", "onnx", "onnx_int8", "onnx_fp16", "paddle_program", "paddle_weights") to entry. `parity`: rows
    compared and largest absolute difference between Paddle's and ONNX Runtime's logits. `compression`: for
    the role of a compressed model, how it was made and its dev metrics. `weights_sha256`: checksum of the Paddle
    weights file (`model_state.pdparams`) that the bundle was exported from (see `weights.weights_sha256`); empty where
    there was none.
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
    weights_sha256: str = ""
    toolkit_version: str = __version__
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: its directory and what its `bundle.json` says."""

    directory: Path
    info: BundleInfo

    def path(self, role: str) -> Path:
        """The path of the file with this role; BundleError where the bundle has none."""
        entry = self.info.files.get(role)
        if entry is None:
            raise BundleError(
                f"{self.directory} has no file with the role '{role}': it has {', '.join(sorted(self.info.files))}"
            )
        return self.directory / entry.name


def file_entry(path: Path) -> FileEntry:
    """Size and checksum of a file that is part of a bundle."""
    return FileEntry(path.name, path.stat().st_size, sha256_of(path))


def write_bundle_info(directory: Path, info: BundleInfo) -> None:
    """Write `bundle.json` into a directory that already holds every file it lists."""
    write_json(directory / BUNDLE_FILE, dataclasses.asdict(info))


def add_compressed(bundle: Bundle, role: str, source: Path, description: Mapping[str, Any]) -> Bundle:
    """Copy a compressed model into a bundle, under a role of `COMPRESSED_FILES`; gives the bundle as it is then.

    `description` is what `bundle.json` tells about it under "compression". An earlier one of this role is
    replaced.
    """
    path = bundle.directory / COMPRESSED_FILES[role]
    with transaction(bundle.directory) as files:
        shutil.copyfile(source, files.path(path))
        info = dataclasses.replace(
            bundle.info,
            files={**bundle.info.files, role: file_entry(files.path(path))},
            compression={**bundle.info.compression, role: dict(description)},
        )
        files.write_json(bundle.directory / BUNDLE_FILE, dataclasses.asdict(info))
    return read_bundle(bundle.directory)


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError("not a list of strings")
    return tuple(value)


def _parse(raw: dict[str, Any], where: Path) -> BundleInfo:
    version = raw.get("format_version")
    if version != FORMAT_VERSION:
        raise BundleError(
            f"{where}: format version {version!r}, this toolkit reads {FORMAT_VERSION}: export the model again"
        )
    try:
        files = {
            str(role): FileEntry(str(entry["name"]), int(entry["size"]), str(entry["sha256"]))
            for role, entry in raw["files"].items()
        }
        names = raw["label_names"]
        info = BundleInfo(
            task=str(raw["task"]),
            dataset=str(raw["dataset"]),
            labels=_strings(raw["labels"]),
            label_names=None if names is None else _strings(names),
            text_format=str(raw["text_format"]),
            max_seq_length=int(raw["max_seq_length"]),
            inputs=_strings(raw["inputs"]),
            outputs=_strings(raw["outputs"]),
            files=files,
            data_source=str(raw["data_source"]),
            limits={str(name): int(value) for name, value in raw.get("limits", {}).items()},
            thresholds=tuple(float(value) for value in raw.get("thresholds", ())),
            metrics=dict(raw["metrics"]),
            parity=dict(raw["parity"]),
            warnings=_strings(raw["warnings"]),
            compression={str(role): dict(value) for role, value in raw.get("compression", {}).items()},
            weights_sha256=str(raw.get("weights_sha256", "")),
            toolkit_version=str(raw["toolkit_version"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{where}: not a whole bundle description ({error!r}): export the model again") from None
    for entry in info.files.values():
        if Path(entry.name).name != entry.name:
            raise BundleError(f"{where}: file name '{entry.name}' leads out of the bundle: export the model again")
    missing = [role for role in REQUIRED_ROLES if role not in info.files]
    if missing:
        raise BundleError(f"{where}: no file with the role {', '.join(missing)}: export the model again")
    if info.label_names is not None and len(info.label_names) != len(info.labels):
        raise BundleError(f"{where}: {len(info.labels)} labels and {len(info.label_names)} names: export again")
    return info


def stale_message(bundle: Bundle) -> str:
    """A line where a bundle was exported from other weights than those of the model it lies with; else empty.

    The model's weights lie in the directory above `export/`, or beside the bundle's own files. What has no checksum,
    or no model with it, cannot be told.
    """
    places = [bundle.directory]
    if bundle.directory.resolve().name == EXPORT_DIRECTORY:
        places.append(bundle.directory.resolve().parent)
    for weights in (place / WEIGHTS_FILE for place in places):
        found = weights_sha256(weights) if bundle.info.weights_sha256 else ""
        if found and found != bundle.info.weights_sha256:
            return f"{bundle.directory} was exported from other weights than {weights}: export the model again"
    return ""


def read_bundle(directory: Path | str, verify: bool = False) -> Bundle:
    """Open a bundle; check that every file it lists is there with its size, with `verify` also its checksum.

    Raises BundleError that names the directory or file and what is wrong with it.
    """
    directory = Path(directory)
    where = directory / BUNDLE_FILE
    recover_directory(directory)
    finish_transaction(directory)
    if not where.is_file():
        hint = directory / "export"
        if (hint / BUNDLE_FILE).is_file():
            raise BundleError(f"{directory} is not a bundle, {hint} is one: give that path")
        raise BundleError(f"{directory} is not a bundle ({BUNDLE_FILE} is not there): export a model first")
    try:
        raw = json.loads(where.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(f"{where}: not JSON ({error}): export the model again") from None
    if not isinstance(raw, dict):
        raise BundleError(f"{where}: not a JSON object: export the model again")
    bundle = Bundle(directory, _parse(raw, where))
    for role, entry in bundle.info.files.items():
        path = bundle.path(role)
        if not path.is_file():
            raise BundleError(f"{path} is missing: {where} lists it; export the model again")
        if path.stat().st_size != entry.size:
            raise BundleError(
                f"{path} has {path.stat().st_size:,} bytes, {where} says {entry.size:,}: copy or export it again"
            )
        if verify and sha256_of(path) != entry.sha256:
            raise BundleError(f"{path} is not the file that {where} lists (sha256 differs): copy or export it again")
    return bundle
