"""A trained multi-label model's bundle, with the names beside it that the guide's deployments look for."""

import shutil
from pathlib import Path

from ernie_toolkit.bundle import Bundle, read_bundle
from ernie_toolkit.export import Origin, export_bundle
from ernie_toolkit.export.legacy import export_legacy
from ernie_toolkit.files import replaced_directory, scratch_directory
from ernie_toolkit.files.transactions import transaction
from ernie_toolkit.formats.weights import WEIGHTS_FILE
from ernie_toolkit.multi_label.trained import TrainedModel
from ernie_toolkit.tasks import SequenceClassification
from ernie_toolkit.training.records import read_metrics

# Old format and its two files: what PaddlePaddle 2 and Paddle Serving read.
PREFIX = "float32"
LEGACY_SUFFIXES = (".pdmodel", ".pdiparams")
PARITY_ROWS = 64


def parity_texts() -> list[str]:
    """Texts on which an export is compared with the model, where no data is at hand."""
    from ernie_toolkit.data.sample import SAMPLE_SEED, reviews

    generated = reviews.generate(SAMPLE_SEED)["unlabelled"]
    return [str(text) for text in SequenceClassification.examples["sentence"]] + [
        row["sentence"] for row in generated[:PARITY_ROWS]
    ]


def export_model(trained: TrainedModel, directory: Path, legacy: bool = False) -> Bundle:
    """Write a model's bundle: ONNX, static graph, tokenizer, thresholds.

    The bundle's metrics and data source are those of the model's own `metrics.json`.

    Args:
        trained: The model.
        directory: Where the bundle goes; an earlier one there is replaced.
        legacy: Whether the files of the old format are written too (see `add_legacy`).

    Raises:
        BundleError: Where ONNX and Paddle do not agree.
        ModelError: Where the old format cannot be written.
    """
    record = read_metrics(Path(trained.loaded.source))
    origin = Origin(
        record.get("dataset", "unknown"),
        record.get("data_source", "unknown"),
        {name: value for name, value in record.get("metrics", {}).items() if "/" not in name},
        tuple(record.get("warnings", ())),
    )
    weights = Path(trained.loaded.source) / WEIGHTS_FILE
    with replaced_directory(directory) as staging:
        bundle = export_bundle(
            trained.loaded.model, trained.tokenizer, trained.task, origin, parity_texts(), staging, weights_file=weights
        )
        if legacy:
            add_legacy(Path(trained.loaded.source), bundle)
    return read_bundle(directory)


def _put(source: Path, target: Path) -> None:
    """Let `target` be the same file, or a copy where the file system has no links."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def legacy_files(directory: Path) -> tuple[Path, ...]:
    """Where a directory has its files of the old format."""
    return tuple(directory / f"{PREFIX}{suffix}" for suffix in LEGACY_SUFFIXES)


def has_legacy(directory: Path) -> bool:
    """Whether a directory has both files of the old format."""
    return all(path.is_file() for path in legacy_files(directory))


def add_legacy(model_dir: Path, bundle: Bundle) -> tuple[Path, ...]:
    """Write `float32.pdmodel` and `float32.pdiparams` beside a bundle's files, by a process of their own.

    Args:
        model_dir: The model that the bundle was exported from.
        bundle: The bundle; its directory gets the files.

    Returns:
        The two files.

    Raises:
        ModelError: Where that fails.
    """
    targets = legacy_files(bundle.directory)
    with scratch_directory(bundle.directory / "legacy") as staging:
        for path in bundle.directory.iterdir():
            if path.is_file():
                _put(path, staging / path.name)
        folder = export_legacy(model_dir, staging)
        with transaction(bundle.directory) as files:
            for target in targets:
                shutil.copyfile(folder / f"model{target.suffix}", files.path(target))
    return targets
