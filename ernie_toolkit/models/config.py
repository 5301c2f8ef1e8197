"""`config.json` of a model: its values checked before PaddleNLP reads them and a model is built of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ernie_toolkit.errors import ModelError
from ernie_toolkit.files.parsing import read_json_object
from ernie_toolkit.formats.ranges import SHARE, Range, check_number
from ernie_toolkit.models.families import FAMILIES, EncoderFamily, family_of_config
from ernie_toolkit.models.families.ernie import ERNIE
from ernie_toolkit.tasks import TASKS

CONFIG_FILE = "config.json"
REMEDY = "write or copy it again"
SIZE, LAYERS = Range(1, 10**8), Range(1, 1000)
# Whole numbers that a configuration may have; a model's own defaults stand for those that are missing.
COUNTS = {
    "vocab_size": SIZE,
    "hidden_size": SIZE,
    "intermediate_size": SIZE,
    "max_position_embeddings": SIZE,
    "type_vocab_size": SIZE,
    "task_type_vocab_size": SIZE,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": LAYERS,
    "pruned_num_attention_heads": LAYERS,
    "pruned_intermediate_size": SIZE,
    "num_labels": SIZE,
    "num_choices": SIZE,
    "pad_token_id": Range(0, 10**8),
    "task_id": Range(0, 10**8),
}
FRACTIONS = {
    "hidden_dropout_prob": SHARE,
    "attention_probs_dropout_prob": SHARE,
    "classifier_dropout": SHARE,
    "initializer_range": Range(0, 100),
    "layer_norm_eps": Range(0, 1),
    "layer_norm_epsilon": Range(0, 1),
}
TEXTS = ("model_type", "hidden_act", "pool_act", "problem_type", "dtype")
SWITCHES = ("use_task_id", "fuse", "enable_recompute", "use_cache")
# Of `paddle.nn.functional`, by whose names PaddleNLP finds them: any other function there would be taken as well.
ACTIVATIONS = ("gelu", "relu", "silu", "swish", "tanh", "sigmoid", "elu", "selu", "mish", "relu6", "leaky_relu")
# What stands for "not said" where a value is null.
MAY_BE_NULL = ("pruned_num_attention_heads", "pruned_intermediate_size", "classifier_dropout", "num_labels")
# How many times the size of its weights file a model may take in float32: the file may hold them in fewer bits, or be
# of another model's sizes, which is reported weight by weight later. Layers that were pruned are smaller than the
# model's.
ROOM, ROOM_OF_PRUNED = 8, 256


def read_model_config(path: Path) -> dict[str, Any]:
    """The values of a `config.json`, each of its kind; keys that this toolkit does not know are left as they are.

    Raises:
        ModelError: On a value of another kind; it names file and key.
    """
    config = read_json_object(path, ModelError, REMEDY)
    family = _family_or_ernie(config)
    counts, fractions = {**COUNTS, **family.counts}, {**FRACTIONS, **family.fractions}
    may_be_null = (*MAY_BE_NULL, *family.may_be_null)

    def wrong(key: str, what: str) -> ModelError:
        return ModelError(f"{path}: {key} {what}: {REMEDY}")

    for key in (key for key in (*counts, *fractions) if key in config):
        if config[key] is not None or key not in may_be_null:
            kind, allowed = (int, counts[key]) if key in counts else (float, fractions[key])
            check_number(config[key], kind, allowed, f"{path}: {key}", ModelError, REMEDY)
    for key in (*TEXTS, *SWITCHES, *family.switches):
        value = config.get(key)
        if value is not None and type(value) is not (str if key in TEXTS else bool):
            raise wrong(key, f"is {value!r:.40}: it must be {'a text' if key in TEXTS else 'true or false'}")
    activation = config.get("hidden_act")
    if activation is not None and activation not in ACTIVATIONS:
        raise ModelError(
            f"{path}: hidden_act is {activation!r:.40}: this toolkit computes {', '.join(ACTIVATIONS)}: use a model "
            "with one of these"
        )
    names = config.get("architectures")
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise wrong("architectures", f"is {names!r:.40}: it must be a list of texts")
    _check_labels(config, wrong)
    sizes = {**family.default_sizes, **config}
    heads, hidden = (sizes[key] for key in ("num_attention_heads", "hidden_size"))
    if hidden % heads:
        raise wrong("hidden_size", f"is {hidden}: it must be a multiple of num_attention_heads, {heads}")
    if problem := family.problem(sizes):
        raise ModelError(f"{path}: {problem}: {REMEDY}")
    return config


def _family_or_ernie(config: Mapping[str, Any]) -> EncoderFamily:
    """The family of a configuration; ERNIE, whose ranges are every family's, where none is called so."""
    return family_of_config(config) or ERNIE


def model_family(path: Path, config: Mapping[str, Any]) -> EncoderFamily:
    """The family of a model.

    Args:
        path: Its `config.json`, for messages.
        config: The values of that file, of `read_model_config`.

    Raises:
        ModelError: Where it is none that is loaded.
    """
    family = family_of_config(config)
    if family is None:
        titles = ", ".join(f"{name} ({family.title})" for name, family in FAMILIES.items())
        raise ModelError(f"{path}: model_type is {config['model_type']!r:.40}: this toolkit loads {titles}")
    return family


def _check_labels(config: Mapping[str, Any], wrong: Any) -> None:
    """ModelError where the labels are not numbered from 0 on, or thresholds are not one for each of them."""
    labels = config.get("id2label")
    if labels is not None:
        if not isinstance(labels, dict) or not all(isinstance(label, str) for label in labels.values()):
            raise wrong("id2label", f"is {labels!r:.40}: it must be an object of numbers to texts")
        if sorted(labels) != sorted(map(str, range(len(labels)))):
            raise wrong("id2label", "does not number the labels from 0 on")
    known = config.get("label2id")
    if known is not None and not (isinstance(known, dict) and all(type(place) is int for place in known.values())):
        raise wrong("label2id", f"is {known!r:.40}: it must be an object of texts to numbers")
    thresholds = config.get("thresholds")
    if thresholds is None:
        return
    if not isinstance(thresholds, list):
        raise wrong("thresholds", f"is {thresholds!r:.40}: it must be a list of numbers")
    for value in thresholds:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value not in SHARE:
            raise wrong("thresholds", f"has {value!r:.40}: each must be a number from 0 to 1")
    if thresholds and labels is not None and len(thresholds) != len(labels):
        raise wrong("thresholds", f"has {len(thresholds)} values for {len(labels)} labels")


def check_weights_size(config: Mapping[str, Any], weights: Path, size: int) -> None:
    """Check that a weights file is large enough to hold the model that a configuration describes.

    Without this a configuration of huge, valid sizes would take the machine's memory before a weight is missed.

    Args:
        config: As `read_model_config` gives it; for sizes that it leaves out PaddleNLP has its own.
        weights: The weights file, for messages.
        size: Its bytes; of a model in several files, of all of them.

    Raises:
        ModelError: Where it is too small.
    """
    family = _family_or_ernie(config)
    config = {**family.default_sizes, **config}
    hidden, layers = config["hidden_size"], config["num_hidden_layers"]
    # Positions that have no table have sines of as many rows.
    sizes = ("vocab_size", "max_position_embeddings", "type_vocab_size", *family.tables)
    tables = sum(config.get(key) or 0 for key in sizes)
    count = hidden * (tables + layers * (4 * hidden + 2 * config["intermediate_size"]))
    pruned = config.get("pruned_num_attention_heads") or config.get("pruned_intermediate_size")
    if 4 * count > size * (ROOM_OF_PRUNED if pruned else ROOM):
        raise ModelError(
            f"{weights}: {size:,} bytes cannot hold the {count:,} weights of the model that config.json describes "
            f"(hidden_size {hidden}, num_hidden_layers {layers}, vocab_size {config.get('vocab_size')}): it is not a "
            "weights file, or the two belong to different models: copy both again"
        )


def model_task(directory: Path) -> str | None:
    """The task that the head of a model directory was made for; None where it names no such head."""
    config = read_model_config(directory / CONFIG_FILE)
    named = config.get("architectures") or []
    family = _family_or_ernie(config)
    fitting = [task for task in TASKS.values() if family.architecture(task.head) in named]
    # Tasks with the same head are distinguished by the kind of problem; PaddleNLP writes none where it was not trained.
    exact = [task for task in fitting if task.problem_type == config.get("problem_type")]
    return next((task.name for task in (*exact, *fitting)), None)


def model_labels(directory: Path) -> tuple[str, ...] | None:
    """The labels that a trained model's `config.json` records, in the order of its logits; None where it has none."""
    recorded = read_model_config(directory / CONFIG_FILE).get("id2label")
    if not recorded:
        return None
    return tuple(str(recorded[key]) for key in sorted(recorded, key=int))


def model_thresholds(directory: Path) -> tuple[float, ...]:
    """The thresholds that a multi-label model's `config.json` records, in the order of its logits; else none."""
    return tuple(float(value) for value in read_model_config(directory / CONFIG_FILE).get("thresholds") or ())
