"""Weights by the names of Hugging Face's transformers and by those of PaddleNLP's models, from one to the other.

PyTorch keeps the weight of a linear layer as (outputs, inputs), Paddle as (inputs, outputs).
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from ernie_toolkit.errors import ModelError

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


def with_paddle_names(state: Mapping[str, np.ndarray], path: Path) -> dict[str, np.ndarray]:
    """Weights by PaddleNLP's names; those that have them already stay as they are.

    The two forms are told apart by the names of BERT's layers.

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
    return {_paddle_name(name): turned(name, value) for name, value in state.items()}


def _paddle_name(name: str) -> str:
    if _LAYER.search(name) or "embeddings." in name:
        name = _LAYER.sub("encoder.layers.", name)
        for theirs, ours in _PARTS:
            name = name.replace(theirs, ours)
    for old, new in _OLD:
        name = name.removesuffix(old) + new if name.endswith(old) else name
    # The head of reading comprehension; PaddleNLP calls every head so.
    return re.sub(r"^qa_outputs\.", "classifier.", name)


def transformers_names(names: Iterable[str], prefix: str, other_prefix: str, head: str) -> dict[str, str]:
    """The names that transformers' models have for weights of encoder and head; others have none.

    Args:
        names: PaddleNLP's.
        prefix: What the names of the encoder's weights begin with there.
        other_prefix: What they begin with in transformers.
        head: Of `tasks.HEADS`.
    """
    classifier = "qa_outputs" if head == "span" else "classifier"
    found = {name: _transformers_name(name, prefix, other_prefix, classifier) for name in names}
    return {name: theirs for name, theirs in found.items() if theirs is not None}


def _transformers_name(name: str, prefix: str, other_prefix: str, classifier: str) -> str | None:
    start, _, rest = name.partition(".")
    if start == "classifier":
        return f"{classifier}.{rest}"
    if start != prefix:
        return None
    layer = re.match(r"encoder\.layers\.(\d+)(\..*)", rest)
    if layer is None:
        return f"{other_prefix}.{rest.replace('embeddings.layer_norm.', 'embeddings.LayerNorm.')}"
    for theirs, ours in _PARTS:
        if layer[2].startswith(ours):
            return f"{other_prefix}.encoder.layer.{layer[1]}{theirs}{layer[2].removeprefix(ours)}"
    return None


def turned(name: str, value: np.ndarray) -> np.ndarray:
    """A weight as the other library keeps it: that of a linear layer with its two axes exchanged.

    Args:
        name: Its name in either.
        value: Its numbers.
    """
    linear = value.ndim == 2 and name.endswith(".weight") and "embeddings." not in name
    return np.ascontiguousarray(value.T) if linear else value
