"""Models: loading and saving, their configuration, heads, sizes and slices of them."""

from ernie_toolkit.models.directory import check_model_directory, is_local
from ernie_toolkit.models.loading import (
    DEFAULT_MODEL,
    SAMPLE_MODEL,
    LoadedModel,
    build_model,
    copy_model,
    fill_model,
    load_model,
    new_model,
    quiet_paddlenlp,
    set_weights_file,
)
from ernie_toolkit.models.saving import save_model, stage_model
from ernie_toolkit.models.vocabulary import Vocabulary, read_vocabulary, write_vocabulary

__all__ = [
    "DEFAULT_MODEL",
    "SAMPLE_MODEL",
    "LoadedModel",
    "Vocabulary",
    "build_model",
    "check_model_directory",
    "copy_model",
    "fill_model",
    "is_local",
    "load_model",
    "new_model",
    "quiet_paddlenlp",
    "read_vocabulary",
    "save_model",
    "set_weights_file",
    "stage_model",
    "write_vocabulary",
]
