"""What the multi-label scripts refuse before they compute anything, so that no file of the user's is lost."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ernie_toolkit.bundle import BUNDLE_FILE
from ernie_toolkit.data.label_sets import FILES, LABEL_FILE, UNLABELLED_FILE
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.files import check_output_file
from ernie_toolkit.formats.weights import weights_file
from ernie_toolkit.models.config import CONFIG_FILE
from ernie_toolkit.multi_label.options import PlaceOptions


def usual_files(directory: Path) -> dict[str, Path]:
    """The files that a data directory has under the format's own names, by name."""
    return {name: directory / name for name in (*FILES.values(), LABEL_FILE, UNLABELLED_FILE)}


def data_files(place: PlaceOptions) -> dict[str, Path]:
    """The files of a data directory that nothing may be written over, by option or, where there is none, by name."""
    directory = Path(place.dataset_dir)
    named = {name: directory / getattr(place, name) for name in ("train_file", "dev_file", "label_file")}
    return {**usual_files(directory), **named}


def check_targets(written: Mapping[str, Path], read: Mapping[str, Path]) -> None:
    """Check that files can be written, and that none is one that is kept or is written twice.

    Keys are the options' names, or the names of files that no option names. Paths are compared resolved:
    `data/../data/label.txt` is `data/label.txt`.

    Args:
        written: The files to write.
        read: The files that are kept.

    Raises:
        ConfigError: On the first file that fails this.
    """
    taken = {path.resolve(): name for name, path in read.items()}
    for name, path in written.items():
        other = taken.setdefault(path.resolve(), name)
        if other != name:
            shown = other if "." in other else f"`{other}`"
            raise ConfigError(f"`{name}` and {shown} are the same file, {path}: give another to `{name}`")
        check_output_file(path)


def check_export_target(target: Path, model_dir: Path) -> None:
    """Check that a bundle replaces nothing but an earlier bundle.

    Args:
        target: The directory that an export replaces.
        model_dir: The directory of the model that is exported.

    Raises:
        ConfigError: Where there is a trained model, or a directory that is no bundle.
    """
    if target.resolve() == model_dir.resolve() or target.resolve() in model_dir.resolve().parents:
        raise ConfigError(f"`output_path` {target} is where the model is: give another place")
    if (target / CONFIG_FILE).exists() or weights_file(target) is not None:
        raise ConfigError(f"`output_path` {target} holds a trained model: give another place")
    if target.exists() and (not target.is_dir() or (any(target.iterdir()) and not (target / BUNDLE_FILE).exists())):
        raise ConfigError(f"`output_path` {target} is there and is no bundle: give another place, or empty it")


def unknown_texts(texts: Sequence[str], known: Iterable[str], where: Path) -> list[str]:
    """The texts that nobody has labelled yet, in their order, each once.

    A text of the training set need not be labelled again, and a dev text among the training rows would make the dev
    metrics worthless: it is its own nearest neighbour, and so the first to be picked.

    Args:
        texts: The texts to choose from.
        known: Those that have labels; blanks around a text do not count.
        where: The file of the texts, for the message.

    Raises:
        DataError: Where none is left.
    """
    seen = {text.strip() for text in known}
    fresh = [text for text in dict.fromkeys(texts) if text.strip() not in seen]
    if not fresh:
        raise DataError(f"{where}: all of its texts have labels already: give texts that are in no labelled file")
    return fresh
