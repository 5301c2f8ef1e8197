"""The bundle: what export writes and every deployment reads.

A directory with `bundle.json` (`BundleInfo` as JSON, format version 1) and the files it
lists. `bundle.json` is written last, so a directory without it is not a bundle.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ernie_toolkit.bundle.graph import check_graph
from ernie_toolkit.bundle.info import (
    CHECKSUM_KEY,
    REMEDY,
    BundleInfo,
    FileEntry,
    Recommendation,
    description_sha256,
    parse_info,
)
from ernie_toolkit.errors import BundleError
from ernie_toolkit.files import recover_directory, sha256_of, write_json
from ernie_toolkit.files.checksums import remembered_sha256
from ernie_toolkit.files.parsing import read_json_object, shown_path
from ernie_toolkit.files.paths import leads_out, path_problem
from ernie_toolkit.files.transactions import finish_transaction, transaction
from ernie_toolkit.formats.weights import WEIGHTS_FILE as WEIGHTS_FILE
from ernie_toolkit.formats.weights import weights_sha256

BUNDLE_FILE = "bundle.json"
# role -> file name; an exporter may leave out roles, but the first two are in every bundle.
TOKENIZER_FILE = "tokenizer.json"
ONNX_FILE = "model.onnx"
COMPRESSED_FILES = {
    "onnx_int8": "model_int8.onnx",
    "onnx_fp16": "model_fp16.onnx",
    "openvino_int8": "model_int8_openvino.xml",
    "openvino_int8_weights": "model_int8_openvino.bin",
}
ONNX_ROLES = ("onnx", "onnx_int8", "onnx_fp16")
# Where a model's bundle lies in the model's directory.
EXPORT_DIRECTORY = "export"


# What a bundle of several models calls itself (see `cascade`); a bundle of one model names no kind.
KIND_KEY, CASCADE = "kind", "cascade"


def part_name(number: int) -> str:
    """The directory of a cascade's part within the cascade's, by its number from 1."""
    return f"part_{number}"


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: the directory that export writes and every deployment reads.

    Attributes:
        directory: Where its files are.
        info: What its `bundle.json` says.
    """

    directory: Path
    info: BundleInfo

    def path(self, role: str) -> Path:
        """The path of the file with this role.

        Raises:
            BundleError: Where the bundle has none.
        """
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
    """Write `bundle.json` into a directory that already holds every file it lists.

    Args:
        directory: The bundle's directory.
        info: What the file is to say.
    """
    write_json(directory / BUNDLE_FILE, _described(info))


def _described(info: BundleInfo) -> dict[str, Any]:
    """What `bundle.json` says, with a checksum of it."""
    described = dataclasses.asdict(info)
    return {**described, CHECKSUM_KEY: description_sha256(described)}


def add_compressed(bundle: Bundle, sources: Mapping[str, Path], description: Mapping[str, Any]) -> Bundle:
    """Copy a compressed model into a bundle, in place of an earlier one of its roles.

    Args:
        bundle: The bundle of the same model.
        sources: The model's files by their roles, those of `COMPRESSED_FILES`.
        description: What `bundle.json` says of it under "compression", at the first of the roles: how it was made, and
            its dev metrics.

    Returns:
        The bundle as it is then.
    """
    with transaction(bundle.directory) as files:
        entries = {}
        for role, source in sources.items():
            path = files.path(bundle.directory / COMPRESSED_FILES[role])
            shutil.copyfile(source, path)
            entries[role] = file_entry(path)
        info = dataclasses.replace(
            bundle.info,
            files={**bundle.info.files, **entries},
            compression={**bundle.info.compression, next(iter(sources)): dict(description)},
        )
        files.write_json(bundle.directory / BUNDLE_FILE, _described(info))
    return read_bundle(bundle.directory)


def recommend(bundle: Bundle, recommended: Sequence[Recommendation]) -> Bundle:
    """Write into a bundle what it is best opened with.

    Args:
        bundle: The bundle.
        recommended: Engines and precisions, for each workload the fastest first.

    Returns:
        The bundle as it is then.
    """
    info = dataclasses.replace(bundle.info, recommended=tuple(recommended))
    write_bundle_info(bundle.directory, info)
    return Bundle(bundle.directory, info)


def stale_message(bundle: Bundle) -> str:
    """A line where a bundle was exported from other weights than those of the model it lies with; else empty.

    The model's weights lie in the directory above `export/`, or beside the bundle's own files. Where there is no
    checksum, or no model, nothing is said.
    """
    places = [bundle.directory]
    if bundle.directory.resolve().name == EXPORT_DIRECTORY:
        places.append(bundle.directory.resolve().parent)
    for weights in (place / WEIGHTS_FILE for place in places):
        found = weights_sha256(weights) if bundle.info.weights_sha256 else ""
        if found and found != bundle.info.weights_sha256:
            return f"{bundle.directory} was exported from other weights than {weights}: export the model again"
    return ""


def read_bundle(directory: Path | str, verify: bool = True) -> Bundle:
    """Open a bundle: check what `bundle.json` says, its files, and that its graphs are what it says of them.

    Links that lead out of the directory are refused.

    Args:
        directory: The bundle's directory.
        verify: Whether to compare checksums too, of each file (computed once, see `checksums`) and of `bundle.json`
            itself.

    Raises:
        BundleError: Where the directory is not a whole bundle, or is a cascade of several (see `open_bundle`); it names
            the directory or the file and what is wrong with it.
    """
    directory, raw = read_description(directory)
    if raw.get(KIND_KEY) == CASCADE:
        raise BundleError(
            f"{directory} is a cascade of bundles, which Predictor, ernie-toolkit predict and the HTTP service open, "
            f"and nothing else: give one of its parts here ({directory / part_name(1)})"
        )
    where = directory / BUNDLE_FILE
    bundle = Bundle(directory, parse_info(raw, where))
    for role, entry in bundle.info.files.items():
        _check_file(bundle.path(role), entry, where)
    if verify:
        _verify(bundle, raw)
    _check_graphs(bundle)
    return bundle


def read_description(directory: Path | str) -> tuple[Path, dict[str, Any]]:
    """The directory of a bundle of any kind, and the JSON object in its `bundle.json`, which is not checked yet.

    What a process that was killed there has left is put in order first.

    Args:
        directory: The bundle's directory.

    Raises:
        BundleError: Where the directory is no bundle.
    """
    problem = path_problem(str(directory))
    if problem:
        raise BundleError(f"{shown_path(directory)} is not a bundle ({problem}): give the directory of one")
    directory = Path(directory)
    where = directory / BUNDLE_FILE
    recover_directory(directory)
    finish_transaction(directory)
    if not _is_file(where):
        hint = directory / "export"
        if _is_file(hint / BUNDLE_FILE):
            raise BundleError(f"{directory} is not a bundle, {hint} is one: give that path")
        raise BundleError(f"{directory} is not a bundle ({BUNDLE_FILE} is not there): export a model first")
    _check_inside(where, directory)
    return directory, read_json_object(where, BundleError, REMEDY)


def check_description(raw: Mapping[str, Any], where: Path, remedy: str = REMEDY) -> None:
    """Check that a description is as it was written, by the checksum in it.

    Args:
        raw: What `bundle.json` says; those of earlier versions have no checksum.
        where: That file.
        remedy: What the message tells the user to do.

    Raises:
        BundleError: Where it was changed.
    """
    if CHECKSUM_KEY in raw and raw[CHECKSUM_KEY] != description_sha256(raw):
        raise BundleError(f"{where} was changed after it was written (its {CHECKSUM_KEY} differs): {remedy}")


def _is_file(path: Path) -> bool:
    """Whether there is a file at a path; BundleError where that cannot be seen."""
    try:
        return path.is_file()
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror}): give the directory of a bundle") from None


def _check_inside(path: Path, directory: Path) -> None:
    """BundleError on a link out of the bundle: it may lead anywhere, and a copy of the bundle would lack the file."""
    if leads_out(path, directory):
        raise BundleError(f"{path} is a link that leads out of the bundle: put the file itself there")


def _check_file(path: Path, entry: FileEntry, where: Path) -> None:
    """BundleError where a file is missing, of another size, or lies elsewhere."""
    if not _is_file(path):
        raise BundleError(f"{path} is missing: {where} lists it; export the model again")
    _check_inside(path, where.parent)
    size = path.stat().st_size
    if size != entry.size:
        raise BundleError(f"{path} has {size:,} bytes, {where} says {entry.size:,}: copy or export it again")


def _verify(bundle: Bundle, raw: Mapping[str, Any]) -> None:
    """BundleError on a file whose checksum is not the one listed."""
    where = bundle.directory / BUNDLE_FILE
    check_description(raw, where)
    for role, entry in bundle.info.files.items():
        path = bundle.path(role)
        try:
            found = remembered_sha256(path)
        except OSError as error:
            raise BundleError(f"{path} cannot be read ({error.strerror}): copy or export it again") from None
        if found != entry.sha256:
            raise BundleError(f"{path} is not the file that {where} lists (sha256 differs): copy or export it again")


def _check_graphs(bundle: Bundle) -> None:
    """BundleError where a graph is not what the description says, or the tokenizer has ids that it has no room for."""
    info = bundle.info
    largest = largest_token_id(bundle.path("tokenizer"))
    for role in ONNX_ROLES:
        if role in info.files:
            check_graph(bundle.path(role), info, largest)


def largest_token_id(path: Path) -> int:
    """The largest id in a tokenizer.json's vocabulary.

    Raises:
        BundleError: Where it has none.
    """
    model = read_json_object(path, BundleError, REMEDY).get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocabulary, dict) or not vocabulary:
        raise BundleError(f"{path}: no vocabulary in it: {REMEDY}")
    ids = vocabulary.values()
    if not all(type(number) is int and number >= 0 for number in ids):
        raise BundleError(f"{path}: an id in its vocabulary is no whole number: {REMEDY}")
    return max(ids)
