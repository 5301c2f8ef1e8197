"""Weights as Hugging Face's transformers names them, under the names that PaddleNLP's models have."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ernie_toolkit.errors import ModelError
from ernie_toolkit.formats.weights import ModelWeights, read_model_weights, read_weights_file, weights_file

TRANSFORMERS_FILE, PICKLED_FILE = "model.safetensors", "pytorch_model.bin"
_QUERY = re.compile(r"(^|\.)encoder\.layer\.0\.attention\.self\.query\.weight$")
_LAYER = re.compile(r"(?:^|(?<=\.))encoder\.layer\.(?=\d+\.)")
# Later ones are parts of earlier ones.
_PARTS = (
    (".attention.self.query.", ".self_attn.q_proj."),
    (".attention.self.key.", ".self_attn.k_proj."),
    (".attention.self.value.", ".self_attn.v_proj."),
    (".attention.output.dense.", ".self_attn.out_proj."),
    (".attention.output.LayerNorm.", ".norm1."),
    (".intermediate.dense.", ".linear1."),
    (".output.dense.", ".linear2."),
    (".output.LayerNorm.", ".norm2."),
    ("embeddings.LayerNorm.", "embeddings.layer_norm."),
)
# What normalisation's weights are called in files converted from TensorFlow.
_OLD = ((".gamma", ".weight"), (".beta", ".bias"))


def directory_weights(directory: Path) -> Path | None:
    """The weights file of a model directory, PaddleNLP's (see `weights_file`) or else transformers'; or None.

    Raises:
        ModelError: Where it is PyTorch's pickle alone.
    """
    foreign, pickled = directory / TRANSFORMERS_FILE, directory / PICKLED_FILE
    found = weights_file(directory) or (foreign if foreign.is_file() else None)
    if found is None and pickled.is_file():
        raise ModelError(
            f"{pickled}: a PyTorch pickle, which is not read: write it as {TRANSFORMERS_FILE} "
            "(save_pretrained of transformers does)"
        )
    return found


def read_directory_weights(directory: Path) -> ModelWeights:
    """Read the weights of a model directory of either form; names are those of the file.

    Raises:
        ModelError: Where they cannot be read.
    """
    path = directory_weights(directory)
    if path is not None and path.name == TRANSFORMERS_FILE:
        return ModelWeights(read_weights_file(path), path)
    return read_model_weights(directory)


def with_paddle_names(state: Mapping[str, np.ndarray], path: Path) -> dict[str, np.ndarray]:
    """Weights by PaddleNLP's names; those that have them already stay as they are.

    The two forms are told apart by the names of BERT's layers. PyTorch keeps the weight of a linear layer as (outputs,
    inputs), Paddle as (inputs, outputs).

    Args:
        state: Arrays by name.
        path: The file that they are from, for messages.

    Raises:
        ModelError: Where the model has positions between tokens, which PaddleNLP's models have not.
    """
    if not any(map(_QUERY.search, state)):
        return dict(state)
    if any(name.endswith("distance_embedding.weight") for name in state):
        raise ModelError(f"{path}: its layers have relative positions: give a model with absolute ones")
    return {_paddle_name(name): _turned(name, value) for name, value in state.items()}


def _paddle_name(name: str) -> str:
    if _LAYER.search(name) or "embeddings." in name:
        name = _LAYER.sub("encoder.layers.", name)
        for theirs, ours in _PARTS:
            name = name.replace(theirs, ours)
    for old, new in _OLD:
        name = name.removesuffix(old) + new if name.endswith(old) else name
    # The head of reading comprehension; PaddleNLP calls every head so.
    return re.sub(r"^qa_outputs\.", "classifier.", name)


def _turned(name: str, value: np.ndarray) -> np.ndarray:
    linear = value.ndim == 2 and name.endswith(".weight") and "embeddings." not in name
    return np.ascontiguousarray(value.T) if linear else value
