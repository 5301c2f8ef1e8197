"""Model directories: which of their files are read, PaddleNLP's or those of Hugging Face's transformers."""

from pathlib import Path

import numpy as np

from ernie_toolkit.errors import ModelError
from ernie_toolkit.files.parsing import read_json_object, shown_path
from ernie_toolkit.files.paths import path_problem
from ernie_toolkit.files.transactions import finish_transaction
from ernie_toolkit.formats.weights import (
    SAFETENSORS_FILE,
    WEIGHTS_FILE,
    ModelWeights,
    read_model_weights,
    read_weights_file,
    weights_file,
)
from ernie_toolkit.models.config import CONFIG_FILE, check_weights_size, model_family, read_model_config
from ernie_toolkit.models.families import PUBLISHERS
from ernie_toolkit.models.vocabulary import vocabulary_file
from ernie_toolkit.text.tokenization import TOKENIZER_FILE, VOCAB_FILE

TRANSFORMERS_FILE, PICKLED_FILE = "model.safetensors", "pytorch_model.bin"
# Says which weight is in which file of a model that is in several.
INDEX_SUFFIX = ".index.json"
# In the order in which transformers looks for them.
TRANSFORMERS_FILES = (TRANSFORMERS_FILE, TRANSFORMERS_FILE + INDEX_SUFFIX, PICKLED_FILE, PICKLED_FILE + INDEX_SUFFIX)
_COPY = "copy the model again"


def is_local(name_or_path: str) -> bool:
    """Whether a model argument means a directory here, and not a published name (`uer/...` are names with a slash)."""
    path = Path(name_or_path)
    if path_problem(name_or_path):
        return True  # no name is published that no file can have
    published = len(path.parts) == 2 and path.parts[0] in PUBLISHERS
    some_path = path.is_absolute() or len(path.parts) > 1 or name_or_path.startswith(".")
    return path.is_dir() or (some_path and not published)


def directory_weights(directory: Path) -> Path | None:
    """The weights file of a model directory, PaddleNLP's (see `weights_file`) or else transformers'; or None.

    Of a model in several files it is the index of them.
    """
    theirs = (directory / name for name in TRANSFORMERS_FILES)
    return weights_file(directory) or next((path for path in theirs if path.is_file()), None)


def weights_files(path: Path) -> tuple[Path, ...]:
    """The files that hold the weights, from what `directory_weights` finds: itself, or those that an index names.

    Raises:
        ModelError: Where an index cannot be read, or names a file that is not there.
    """
    if not path.name.endswith(INDEX_SUFFIX):
        return (path,)
    names = sorted(set(_weight_map(path).values()))
    ending = Path(path.name.removesuffix(INDEX_SUFFIX)).suffix
    for name in names:
        if Path(name).name != name or not name.endswith(ending):
            raise ModelError(f"{path}: it names {name!r:.60}, which is no {ending} file beside it: {_COPY}")
        if not (path.parent / name).is_file():
            raise ModelError(f"{path.parent / name}: not found, {path.name} names it: {_COPY}")
    return tuple(path.parent / name for name in names)


def _weight_map(path: Path) -> dict[str, str]:
    found = read_json_object(path, ModelError, _COPY).get("weight_map")
    if not isinstance(found, dict) or not found or not all(isinstance(name, str) for name in found.values()):
        raise ModelError(f"{path}: it has no weight_map of names to files: {_COPY}")
    return found


def read_directory_weights(directory: Path) -> ModelWeights:
    """Read the weights of a model directory of either form; names are those of the file.

    Raises:
        ModelError: Where they cannot be read.
    """
    path = directory_weights(directory)
    if path is None or path.name not in TRANSFORMERS_FILES:
        return read_model_weights(directory)
    state: dict[str, np.ndarray] = {}
    for file in weights_files(path):
        state.update(read_weights_file(file))
    if path.name.endswith(INDEX_SUFFIX):
        missing = sorted(set(_weight_map(path)) - set(state))
        if missing:
            raise ModelError(f"{path}: its files lack the weight '{missing[0]}' ({len(missing)} missing): {_COPY}")
    return ModelWeights(state, path)


def check_model_directory(directory: Path) -> None:
    """Check, without Paddle, that a directory holds every file of a trained model.

    Raises:
        ModelError: Where one is missing or cannot be used; it names the first.
    """
    if problem := path_problem(str(directory)):
        raise ModelError(f"{shown_path(directory)}: {problem}: give a trained model, or a published name")
    if not directory.is_dir():
        raise ModelError(f"{directory}: no such model directory{_elsewhere(directory)}")
    finish_transaction(directory)
    weights = directory_weights(directory) or directory / WEIGHTS_FILE
    for path in (directory / CONFIG_FILE, weights, vocabulary_file(directory)):
        if not path.is_file():
            wanted = f"{CONFIG_FILE}, {SAFETENSORS_FILE} or {WEIGHTS_FILE}, and {VOCAB_FILE}"
            theirs = f"{CONFIG_FILE}, {TRANSFORMERS_FILE} or {PICKLED_FILE}, and {VOCAB_FILE} or {TOKENIZER_FILE}"
            raise ModelError(f"{path}: not found: a model directory holds {wanted}; one of Hugging Face's, {theirs}")
    config = read_model_config(directory / CONFIG_FILE)
    model_family(directory / CONFIG_FILE, config)
    check_weights_size(config, weights, sum(path.stat().st_size for path in weights_files(weights)))


def _elsewhere(directory: Path) -> str:
    """What to give in place of a directory that is not there; what looks like a name of Hugging Face's may be one."""
    if len(directory.parts) != 2 or directory.is_absolute() or directory.parent.exists():
        return ": give a trained model, or a published name"
    return (
        f", and no name that is published with PaddleNLP, such as ernie-3.0-medium-zh, bert-wwm-ext-chinese or "
        f"uer/chinese-roberta-tiny: give one of these, or the directory of a model of Hugging Face's, which "
        f"`hf download {directory.as_posix()}` fetches and prints"
    )
