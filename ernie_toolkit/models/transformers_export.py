"""Write a trained model as Hugging Face's transformers reads it. Needs no Paddle."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ernie_toolkit.console import notice
from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.files.transactions import Transaction, transaction
from ernie_toolkit.formats.weights import as_float32, save_safetensors, weights_file
from ernie_toolkit.models.config import CONFIG_FILE, model_family, model_task, read_model_config
from ernie_toolkit.models.directory import (
    TRANSFORMERS_FILE,
    check_model_directory,
    directory_weights,
    read_directory_weights,
)
from ernie_toolkit.models.families import FAMILIES, EncoderFamily
from ernie_toolkit.models.families.base import POOLED_HEADS
from ernie_toolkit.models.interchange import transformers_names, turned, with_paddle_names
from ernie_toolkit.models.sizes import LayerSize
from ernie_toolkit.models.vocabulary import SPECIAL_TOKENS_FILE, Vocabulary, read_vocabulary
from ernie_toolkit.tasks import task_named
from ernie_toolkit.text.tokenization import SPECIAL_TOKENS, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE, VOCAB_FILE
from ernie_toolkit.text.transformers_tokenizer import transformers_tokenizer

# What both libraries compute by these names; "gelu" is the exact one in both.
_ACTIVATIONS = ("gelu", "relu", "silu", "tanh")
# What PaddleNLP's configurations have where a file says nothing.
_DEFAULTS: Mapping[str, Any] = {
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
    "classifier_dropout": None,
}
_TASK_TYPES: Mapping[str, Any] = {"use_task_id": False, "task_type_vocab_size": 3}
_OUTPUTS = {"span": 2, "choice": 1}


@dataclass(frozen=True)
class TransformersModel:
    """A model in the form of transformers.

    Attributes:
        config: The values of its `config.json`.
        state: Float32 arrays by transformers' names.
        vocabulary: Its vocabulary.
        task: Its task, as in `TASKS`.
        left_out: Names of weights of the trained model that transformers' has not.
    """

    config: dict[str, Any]
    state: dict[str, np.ndarray]
    vocabulary: Vocabulary
    task: str
    left_out: tuple[str, ...]


def check_transformers_target(target: Path, directory: Path, overwrite: bool) -> None:
    """Check that an export replaces no trained model, and an earlier export only where that is asked for.

    Args:
        target: The directory that is to be written.
        directory: That of the trained model.
        overwrite: Whether an earlier export may be replaced.

    Raises:
        ConfigError: Where it would.
    """
    if target.resolve() == directory.resolve() or weights_file(target) is not None:
        raise ConfigError(f"{target} holds a trained model: give another place to write to")
    if not overwrite and ((target / CONFIG_FILE).exists() or directory_weights(target) is not None):
        raise ConfigError(f"{target} holds a model already: give another place to write to, or `overwrite`")


def as_transformers(directory: Path) -> TransformersModel:
    """A trained model in the form of transformers: the same weights bit by bit, under other names.

    Args:
        directory: A trained or pruned model.

    Raises:
        ModelError: Where a file is missing or broken, its head is of no task, or transformers cannot hold the model.
    """
    check_model_directory(directory)
    path = directory / CONFIG_FILE
    config = read_model_config(path)
    family = model_family(path, config)
    task = model_task(directory)
    if task is None:
        found = ", ".join(config.get("architectures") or ()) or "none"
        raise ModelError(f"{path}: its architectures ({found:.80}) name no head of a task: fine-tune the model first")
    head = task_named(task).head
    size = _layer_size(family, config, head, path)
    other = FAMILIES[family.transformers_type]
    weights = read_directory_weights(directory)
    if weights.notice:
        notice(weights.notice)
    paddle = with_paddle_names(weights.state, weights.path)
    names = transformers_names(paddle, family.prefix, other.prefix, head)
    named = {theirs: turned(name, paddle[name]) for name, theirs in names.items()}
    vocabulary = read_vocabulary(directory)
    described = {
        "architectures": [other.architecture(head)],
        **_encoder_settings(family, config, size),
        **_head_settings(config, task, named, weights.path),
    }
    if described["vocab_size"] < len(vocabulary.tokens):
        raise ModelError(
            f"{path}: vocab_size is {described['vocab_size']:,}, the vocabulary has {len(vocabulary.tokens):,} tokens: "
            "they belong to different models"
        )
    shapes = _shapes(described, other.prefix, head)
    state = {name: _fitting(name, shape, named, weights.path) for name, shape in shapes.items()}
    if head not in POOLED_HEADS:
        # Not read by such a head; kept, since a head for texts may follow.
        poolers = (name for name in named if name.startswith(f"{other.prefix}.pooler.dense."))
        state.update({name: as_float32(named[name], name, weights.path) for name in poolers})
    left_out = tuple(name for name in paddle if names.get(name) not in state)
    return TransformersModel(described, state, vocabulary, task, left_out)


def export_transformers(directory: Path, target: Path, overwrite: bool = False) -> TransformersModel:
    """Write a trained model to a directory that transformers' `from_pretrained` loads, all of its files or none.

    Args:
        directory: A trained or pruned model.
        target: Gets the files; other files there stay.
        overwrite: Whether an earlier export there is replaced.

    Returns:
        What was written.

    Raises:
        ConfigError: As `check_transformers_target`.
        ModelError: As `as_transformers`.
    """
    check_transformers_target(target, directory, overwrite)
    model = as_transformers(directory)
    with transaction(target) as files:
        _stage(model, target, files)
    return model


def _stage(model: TransformersModel, target: Path, files: Transaction) -> None:
    vocabulary = model.vocabulary
    tokens = {f"{token.strip('[]').lower()}_token": token for token in SPECIAL_TOKENS}
    tokenizer = {
        # No class of one family: the steps that the model was trained with are all in tokenizer.json.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "do_lower_case": vocabulary.do_lower_case,
        "model_max_length": model.config["max_position_embeddings"],
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        **tokens,
    }
    # transformers asks for this: the file says which library its arrays are for.
    save_safetensors(model.state, files.path(target / TRANSFORMERS_FILE), {"format": "pt"})
    files.write_json(target / CONFIG_FILE, model.config)
    files.write_text(target / VOCAB_FILE, "".join(token + "\n" for token in vocabulary.tokens))
    files.write_text(target / TOKENIZER_FILE, transformers_tokenizer(vocabulary.tokens, vocabulary.do_lower_case))
    files.write_json(target / TOKENIZER_CONFIG_FILE, tokenizer)
    files.write_json(target / SPECIAL_TOKENS_FILE, tokens)


def _layer_size(family: EncoderFamily, config: Mapping[str, Any], head: str, path: Path) -> LayerSize:
    """The size of each layer; ModelError where transformers has no such model."""
    if problem := family.transformers_problem(config, head):
        raise ModelError(f"{path}: {problem}: it cannot be written for transformers")
    activation = config.get("hidden_act") or "gelu"
    if activation not in _ACTIVATIONS:
        raise ModelError(
            f"{path}: hidden_act {activation!r:.30} is not known to be the same in transformers: choose a model with "
            f"{', '.join(_ACTIVATIONS)}"
        )
    sizes = {**family.default_sizes, **config}
    heads, neurons = sizes["num_attention_heads"], sizes["intermediate_size"]
    size = LayerSize(
        config.get("pruned_num_attention_heads") or heads, config.get("pruned_intermediate_size") or neurons
    )
    if size.num_attention_heads != heads:
        hidden = sizes["hidden_size"]
        raise ModelError(
            f"{path}: its layers keep {size.num_attention_heads} of {heads} attention heads of size {hidden // heads}, "
            f"and a head of transformers has size hidden_size / num_attention_heads, {hidden} / "
            f"{size.num_attention_heads}: export a model of the whole width (with fewer layers, say)"
        )
    return size


def _encoder_settings(family: EncoderFamily, config: Mapping[str, Any], size: LayerSize) -> dict[str, Any]:
    """What `config.json` says of the encoder."""
    sizes = {name: config.get(name, value) for name, value in family.default_sizes.items()}
    defaults = {**_DEFAULTS, **(_TASK_TYPES if family.transformers_type == "ernie" else {})}
    more = {name: value if (found := config.get(name)) is None else found for name, value in defaults.items()}
    layers = {"intermediate_size": size.intermediate_size}
    return {"model_type": family.transformers_type, **sizes, **layers, **more, "dtype": "float32"}


def _head_settings(config: Mapping[str, Any], task: str, state: Mapping[str, np.ndarray], path: Path) -> dict[str, Any]:
    """What `config.json` says of the head: its labels, and the kind of its problem."""
    kind = task_named(task)
    name = ("qa_outputs" if kind.head == "span" else "classifier") + ".weight"
    if name not in state or state[name].ndim != 2:
        raise ModelError(f"{path}: no weights of a head in it: fine-tune the model first")
    outputs = _OUTPUTS.get(kind.head) or state[name].shape[0]
    recorded = (config.get("id2label") or {}) if kind.has_labels else {}
    labels = [recorded[key] for key in sorted(recorded, key=int)] or [f"LABEL_{place}" for place in range(outputs)]
    if len(labels) != outputs:
        raise ModelError(f"{path}: its head has {outputs} outputs, {CONFIG_FILE} names {len(labels)} labels")
    # transformers has no thresholds; they stay for who computes answers of the logits.
    more = {"problem_type": kind.problem_type, "thresholds": config.get("thresholds")}
    return {
        "id2label": {str(place): label for place, label in enumerate(labels)},
        "label2id": {label: place for place, label in enumerate(labels)},
        **{key: value for key, value in more.items() if value},
    }


def _shapes(config: Mapping[str, Any], prefix: str, head: str) -> dict[str, tuple[int, ...]]:
    """The shape of each weight that transformers' model of a configuration reads, by its name."""
    hidden, neurons = config["hidden_size"], config["intermediate_size"]
    tables = {"word": "vocab_size", "position": "max_position_embeddings", "token_type": "type_vocab_size"}
    if config.get("use_task_id"):
        tables["task_type"] = "task_type_vocab_size"
    shapes: dict[str, tuple[int, ...]] = {
        f"embeddings.{name}_embeddings.weight": (config[size], hidden) for name, size in tables.items()
    }
    linear = {}
    for layer in range(config["num_hidden_layers"]):
        place = f"encoder.layer.{layer}."
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            linear[f"{place}attention.{part}"] = (hidden, hidden)
        linear[f"{place}intermediate.dense"], linear[f"{place}output.dense"] = (neurons, hidden), (hidden, neurons)
    if head in POOLED_HEADS:
        linear["pooler.dense"] = (hidden, hidden)
    norms = ["embeddings", *(name.rpartition(".")[0] for name in linear if name.endswith("output.dense"))]
    for name, shape in linear.items():
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, shape[:1]
    for name in norms:
        shapes[f"{name}.LayerNorm.weight"] = shapes[f"{name}.LayerNorm.bias"] = (hidden,)
    outputs, name = _OUTPUTS.get(head) or len(config["id2label"]), "qa_outputs" if head == "span" else "classifier"
    whole = {f"{prefix}.{key}": shape for key, shape in shapes.items()}
    return {**whole, f"{name}.weight": (outputs, hidden), f"{name}.bias": (outputs,)}


def _fitting(name: str, shape: tuple[int, ...], state: Mapping[str, np.ndarray], path: Path) -> np.ndarray:
    """A weight as float32; ModelError where there is none of this shape."""
    if name not in state:
        raise ModelError(f"{path}: no weight for '{name}' of transformers' model: the file is of another model")
    if state[name].shape != shape:
        raise ModelError(f"{path}: the weight for '{name}' has shape {list(state[name].shape)}, not {list(shape)}")
    return as_float32(state[name], name, path)


def describe(model: TransformersModel) -> str:
    """What a model is, in a line.

    Args:
        model: What was written.
    """
    config = model.config
    labels = f", {len(config['id2label'])} labels" if task_named(model.task).has_labels else ""
    return (
        f"{config['architectures'][0]}, {config['num_hidden_layers']} layers, hidden {config['hidden_size']}, "
        f"{config['intermediate_size']} neurons, {config['vocab_size']:,} tokens{labels}"
    )
