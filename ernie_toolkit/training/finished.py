"""A finished model in the directory that a run writes to: whether it may be replaced, and its stale bundle."""

from pathlib import Path

from ernie_toolkit.bundle import BUNDLE_FILE, read_bundle
from ernie_toolkit.errors import BundleError, ConfigError
from ernie_toolkit.files import remove_directory
from ernie_toolkit.files.transactions import finish_transaction
from ernie_toolkit.formats.weights import weights_file, weights_sha256
from ernie_toolkit.models.config import CONFIG_FILE
from ernie_toolkit.training.checkpoints import CHECKPOINT_PREFIX
from ernie_toolkit.training.records import read_metrics
from ernie_toolkit.training.run import CHECKPOINTS

SAMPLE = "sample"


def is_finished(directory: Path) -> bool:
    """Return whether a directory holds a trained model."""
    finish_transaction(directory)
    return (directory / CONFIG_FILE).is_file() and weights_file(directory) is not None


def check_replaceable(directory: Path, data_source: str | None, resume: bool, overwrite: bool) -> str:
    """Check that a training run may write its model to `directory`; return a notice for the user, mostly empty.

    A model of the embedded sample may be replaced by another one of the sample: both come from the default command.

    Args:
        directory: The directory of the model.
        data_source: Where the run's data comes from, None before it is known.
        resume: Whether the run resumes.
        overwrite: Whether a finished model may be replaced.

    Raises:
        ConfigError: Where a finished model would be replaced and `overwrite` is false, and where `resume` finds no
            checkpoint to resume from.
    """
    if overwrite or not is_finished(directory):
        return ""
    unfinished = any((directory / CHECKPOINTS).glob(f"{CHECKPOINT_PREFIX}*"))
    if resume and unfinished:
        return ""
    if resume:
        raise ConfigError(
            f"{directory} holds a finished model, and no run to resume: evaluate or export it as it is, or "
            "train anew with `overwrite`"
        )
    if read_metrics(directory).get("data_source") == SAMPLE and data_source in (None, SAMPLE):
        return f"{directory}: the model there is of the sample too, and is replaced" if data_source else ""
    raise ConfigError(f"{directory} holds a finished model: give another place, or `overwrite` to replace it")


def drop_stale_bundle(directory: Path, weights: Path) -> str:
    """Delete a bundle that was exported from other weights than the model's.

    Args:
        directory: The bundle.
        weights: The model's file, which has just been written.

    Returns:
        A notice where it was deleted, else empty.
    """
    if not (directory / BUNDLE_FILE).is_file():
        return ""
    try:
        made_from = read_bundle(directory).info.weights_sha256
    except BundleError:
        made_from = ""  # a bundle that cannot be opened is of no use to anybody
    if made_from == weights_sha256(weights):
        return ""
    remove_directory(directory)
    return f"{directory}: the bundle there was of the model before, and is deleted"
