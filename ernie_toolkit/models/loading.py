"""Load encoders with a task head.

Paddle is imported inside the functions: the module itself loads at once.
"""

import contextlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ernie_toolkit.console import notice
from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.formats.weights import as_float32, read_weights_file
from ernie_toolkit.models.config import (
    CONFIG_FILE,
    model_family,
    model_labels,
    model_task,
    read_model_config,
)
from ernie_toolkit.models.directory import check_model_directory, is_local, read_directory_weights
from ernie_toolkit.models.families import EncoderFamily, family_of_model, published_family
from ernie_toolkit.models.families.base import HEAD_CLASSES
from ernie_toolkit.models.families.ernie import ERNIE
from ernie_toolkit.models.heads import BIAS, WEIGHT, arrange_head
from ernie_toolkit.models.interchange import with_paddle_names
from ernie_toolkit.models.vocabulary import Vocabulary, read_vocabulary, vocabulary_file
from ernie_toolkit.models.weight_names import HEADS, by_model_names, unused_weights
from ernie_toolkit.tasks import TASKS, SequenceClassification, Task, task_named

if TYPE_CHECKING:
    from paddlenlp.transformers import PretrainedConfig, PretrainedModel

DEFAULT_MODEL = "ernie-3.0-medium-zh"
SAMPLE_MODEL = "ernie-sample-nano"
# A small encoder, to be trained from scratch on the embedded sample.
SAMPLE_SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "max_position_embeddings": 512,
    # With ERNIE's own 0.02 so narrow a model stays at chance on the pair tasks.
    "initializer_range": 0.05,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
# What else a configuration may ask a model to give by default: whoever wants more than logits asks for it.
_EXTRA_OUTPUTS = ("use_cache", "output_hidden_states", "output_attentions", "return_dict")
_WITHOUT_POOLER = (HEAD_CLASSES["token"], HEAD_CLASSES["span"])


@dataclass(frozen=True)
class LoadedModel:
    """A Paddle model with its vocabulary.

    Attributes:
        model: The model.
        vocabulary: Its vocabulary.
        source: The name or path it came from.
        fresh: Names of weights that were initialised because the source has none (a new task head, say).
        new_labels: Labels whose outputs are initialised, in a head that has others from the source.
        notices: Lines about the head for the caller to print.
    """

    model: "PretrainedModel"
    vocabulary: Vocabulary
    source: str
    fresh: tuple[str, ...]
    new_labels: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


@contextlib.contextmanager
def quiet_paddlenlp() -> Any:
    """Silence PaddleNLP's informational log lines within a block; warnings and errors stay."""
    from paddlenlp.utils.log import logger

    before = logger.logger.level
    logger.set_level("WARNING")
    try:
        yield
    finally:
        logger.logger.setLevel(before)


def _label_settings(labels: Sequence[str] | None, task: str) -> dict[str, Any]:
    kind: dict[str, Any] = {"problem_type": task_named(task).problem_type}
    if labels is None:
        classes = None if TASKS[task].has_labels else TASKS[task].num_classes(())
        return kind if classes is None else {"num_labels": classes, **kind}
    ids = {label: index for index, label in enumerate(labels)}
    return {"num_labels": len(labels), "id2label": dict(enumerate(labels)), "label2id": ids, **kind}


def _model_class(family: EncoderFamily, task: str) -> "type[PretrainedModel]":
    return family.head_class(task_named(task).head)


def build_model(model_class: "type[PretrainedModel]", config: "PretrainedConfig") -> "PretrainedModel":
    """A model with random weights in the shape of its configuration: layers of a pruned one have its size.

    Args:
        model_class: PaddleNLP's class of the model.
        config: Its configuration.
    """
    from ernie_toolkit.models.sizes import model_size

    model = model_class(config)
    family_of_model(model).prepare(model)
    if getattr(config, "pruned_num_attention_heads", None):
        from ernie_toolkit.models.slices import resize

        resize(model, model_size(config))
    return model


def copy_model(model: "PretrainedModel") -> "PretrainedModel":
    """A second model with the same configuration and weights, in evaluation mode."""
    import paddle

    other = build_model(type(model), model.config)
    other.set_state_dict({name: paddle.to_tensor(value.numpy()) for name, value in model.state_dict().items()})
    other.eval()
    return other


def _config(config_class: "type[PretrainedConfig]", directory: Path) -> "PretrainedConfig":
    """A model's configuration as PaddleNLP reads it. Raises ModelError."""
    try:
        with quiet_paddlenlp():
            config: PretrainedConfig = config_class.from_pretrained(str(directory))
    except Exception as error:  # PaddleNLP raises whatever a value leads it to
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{directory / CONFIG_FILE}: PaddleNLP cannot read it ({reason}): copy it again") from error
    return config


def _load_directory(directory: Path, task: str, settings: dict[str, Any], labels: Sequence[str] | None) -> LoadedModel:
    check_model_directory(directory)
    vocabulary = read_vocabulary(directory)
    family = model_family(directory / CONFIG_FILE, read_model_config(directory / CONFIG_FILE))
    config = _config(family.config_class(), directory)
    for name, value in (*settings.items(), *((key, False) for key in _EXTRA_OUTPUTS if getattr(config, key, False))):
        setattr(config, name, value)
    config.dtype = "float32"  # of the model here, whatever numbers the file has
    if remark := family.remark(config):
        notice(f"{directory / CONFIG_FILE}: {remark}")
    # The published ERNIE 3.0 models have more rows in their table (40,000) than tokens in their vocabulary.
    if config.vocab_size < len(vocabulary.tokens):
        raise ModelError(
            f"{vocabulary_file(directory)}: {len(vocabulary.tokens):,} tokens, {CONFIG_FILE} has room for "
            f"{config.vocab_size:,}: the two files belong to different models"
        )
    model_class = _model_class(family, task)
    weights = read_directory_weights(directory)
    if weights.notice:
        notice(weights.notice)
    try:
        model = build_model(model_class, config)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{directory / CONFIG_FILE}: no model can be built of it ({type(error).__name__}: {reason}): copy it again"
        ) from error
    loaded = LoadedModel(model, vocabulary, str(directory), ())
    return _filled(loaded, weights.state, weights.path, task, labels)


def _filled(
    loaded: LoadedModel, state: dict[str, np.ndarray], path: Path, task: str, labels: Sequence[str] | None
) -> LoadedModel:
    """The model with the weights of a file, its head's outputs found by the names in the configuration beside it."""
    whole = {key: as_float32(value, key, path) if value.dtype == np.uint16 else value for key, value in state.items()}
    state = with_paddle_names(whole, path)
    model, source, described = loaded.model, str(path.parent), (path.parent / CONFIG_FILE).is_file()
    head_notice = ""
    new_labels: tuple[str, ...] = ()
    other = model_task(path.parent) if described else None
    if other not in (None, task) and any(key.startswith(HEADS) for key in state):
        # Heads of different tasks can have the same names and shapes and mean different things.
        state = {key: value for key, value in state.items() if not key.startswith(HEADS)}
        head_notice = f"{source}: its head was trained for the task '{other}': the head for '{task}' starts anew"
    elif labels is not None:
        own = {name: tensor.numpy() for name, tensor in model.state_dict().items() if name in (WEIGHT, BIAS)}
        trained = model_labels(path.parent) if described else None
        state, plan, head_notice = arrange_head(state, own, trained, labels, source if described else str(path))
        if plan is not None:
            new_labels = plan.new if plan.kept else ()
            _arrange_thresholds(model.config, plan.outputs)
    fresh = fill_model(model, state, path)
    if left_out := unused_weights(model, state, path):
        notice(left_out)
    pooler = f"{path}: no pooler in it: it starts anew, as the head does" if any(map(_is_pooler, fresh)) else ""
    notices = tuple(filter(None, (head_notice, pooler)))
    return replace(loaded, fresh=fresh, new_labels=new_labels, notices=notices)


def _is_pooler(name: str) -> bool:
    return ".pooler." in name


def _arrange_thresholds(config: "PretrainedConfig", outputs: Sequence[int | None]) -> None:
    """Put a multi-label model's thresholds in its labels' new order; none where a label is new."""
    recorded = getattr(config, "thresholds", None)
    if recorded:
        places = [place for place in outputs if place is not None]
        config.thresholds = [recorded[place] for place in places] if len(places) == len(outputs) else None


def fill_model(model: "PretrainedModel", state: dict[str, np.ndarray], path: Path) -> tuple[str, ...]:
    """Fill a model from a state dict of its own kind, of another number of labels, or of the bare encoder.

    Args:
        model: The model, changed in place.
        state: Weights by name.
        path: The file that they are from, for messages.

    Returns:
        Names of the head's weights that stay as they were, since `state` has none that fit; and of the pooler's, where
        `state` has neither these nor a head, as models have that were trained without.

    Raises:
        ModelError: Where a weight of the encoder is missing or does not fit.
    """
    given = by_model_names(model, state)
    own = model.state_dict()
    fresh = []
    for name, tensor in own.items():
        value = given.get(name)
        if value is not None and list(value.shape) == list(tensor.shape):
            tensor.set_value(as_float32(value, name, path))
        elif name.startswith(HEADS):
            fresh.append(name)  # another task's head, or another number of labels: starts anew
        elif value is None and _is_pooler(name) and type(model).__name__.endswith(_WITHOUT_POOLER):
            continue  # transformers leaves it out where the head does not read it
        elif value is None and _is_pooler(name) and WEIGHT not in given and not any(map(_is_pooler, given)):
            fresh.append(name)  # of a model for masked language, say
        elif value is None:
            missing = [key for key in own if key not in given and not key.startswith(HEADS)]
            raise ModelError(f"{path}: no weight '{name}' ({len(missing)} missing): the file is of another model")
        else:
            raise ModelError(
                f"{path}: weight '{name}' has shape {list(value.shape)}, {CONFIG_FILE} makes it {list(tensor.shape)}"
            )
    return tuple(fresh)


def _load_published(name: str, task: str, settings: dict[str, Any]) -> LoadedModel:
    """A published model by PaddleNLP's own download and cache."""
    from ernie_toolkit.models.paddle_files import safe_paddle_load

    family = published_family(name)
    model_class = _model_class(family, task)
    try:
        with quiet_paddlenlp(), safe_paddle_load():
            # PyTorch's files are pickles that PaddleNLP would run.
            model = model_class.from_pretrained(name, convert_from_torch=False, **settings)
            tokenizer = family.paddle_class(family.tokenizer_class).from_pretrained(name)
    except ModelError:
        raise
    except Exception as error:  # PaddleNLP raises OSError, RuntimeError and others for the one cause
        reason = " ".join(str(error).split())[:160]
        raise ModelError(
            f"model '{name}' can neither be found in PaddleNLP's cache nor downloaded ({reason}): "
            f"give the path of a model directory, or '{SAMPLE_MODEL}' to train a small one from scratch"
        ) from None
    family.prepare(model)
    with tempfile.TemporaryDirectory() as directory, quiet_paddlenlp():
        # The vocabulary file itself, not the tokenizer's own mapping: that holds a token listed twice once.
        tokenizer.save_pretrained(directory)
        vocabulary = read_vocabulary(Path(directory))
    return LoadedModel(model, vocabulary, name, tuple(key for key in (WEIGHT, BIAS) if key in model.state_dict()))


def new_model(
    vocabulary: Vocabulary,
    settings: dict[str, Any],
    task: str = SequenceClassification.name,
    family: EncoderFamily = ERNIE,
) -> LoadedModel:
    """A model with random weights.

    Args:
        vocabulary: Its vocabulary.
        settings: Values of its configuration by PaddleNLP's names.
        task: The task of its head, as in `TASKS`.
        family: One of `FAMILIES`.
    """
    pad_id = vocabulary.tokens.index("[PAD]")
    given = {"vocab_size": len(vocabulary.tokens), "pad_token_id": pad_id, **family.new_settings, **settings}
    config = family.config_class()(**given)
    config.problem_type = task_named(task).problem_type
    model = build_model(_model_class(family, task), config)
    return LoadedModel(model, vocabulary, SAMPLE_MODEL, tuple(model.state_dict()))


def load_model(
    name_or_path: str,
    labels: "Sequence[str] | Task | None" = None,
    hidden_dropout: float | None = None,
    attention_dropout: float | None = None,
    task: str = SequenceClassification.name,
    seed: int | None = None,
) -> LoadedModel:
    """A model for a task from a directory, a published name, or `ernie-sample-nano` (new, for the sample).

    A trained head's outputs go to the labels of their names (see `heads`); a head trained for another task is left
    behind, and a new one is `fresh`. The model is in training mode.

    Args:
        name_or_path: A directory, or a name.
        labels: The task, of which labels and name are taken; or the classes in the order of the logits; None: the
            model's own.
        hidden_dropout: Dropout of hidden states; None: the configuration's.
        attention_dropout: Dropout of attention weights; None: the configuration's.
        task: The task's name, as in `TASKS`.
        seed: Of weights that are initialised; None: Paddle's random state as it is.

    Raises:
        ModelError: Where a file or weight is missing or does not fit; it names it.
    """
    if seed is not None:
        import paddle

        paddle.seed(seed)
    if isinstance(labels, Task):
        task, labels = labels.name, labels.labels
    if not task_named(task).has_labels:
        labels = None
    dropouts = {"hidden_dropout_prob": hidden_dropout, "attention_probs_dropout_prob": attention_dropout}
    given = {name: value for name, value in dropouts.items() if value is not None}
    settings = {**_label_settings(labels, task), **given}
    if name_or_path == SAMPLE_MODEL and not is_local(name_or_path):
        from ernie_toolkit.data.sample import sample_vocab

        if labels is None and TASKS[task].has_labels:
            raise ConfigError(f"'{SAMPLE_MODEL}' is made new and has no labels of its own: name them")
        vocabulary = Vocabulary(tuple(sample_vocab()))
        return new_model(vocabulary, {**SAMPLE_SHAPE, **settings}, task)
    if is_local(name_or_path):
        return _load_directory(Path(name_or_path), task, settings, labels)
    return _load_published(name_or_path, task, settings)


def set_weights_file(loaded: LoadedModel, path: Path, labels: Sequence[str], task: str) -> LoadedModel:
    """Fill a model with the weights of a file of the same shape; a head that does not fit stays new.

    Which labels the file's head was trained for is read from the configuration beside it.

    Args:
        loaded: The model.
        path: A .pdparams or .safetensors file.
        labels: Those of `loaded`.
        task: That of `loaded`.

    Raises:
        ModelError: Where something is missing or does not fit; it names it.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such weights file: give a .safetensors or .pdparams file")
    # What the file has no head for starts at random, not from the head of the model that it is laid over.
    family_of_model(loaded.model).initialize(loaded.model, loaded.model.classifier)
    if loaded.model.classifier.bias is not None:
        loaded.model.classifier.bias.set_value(np.zeros(len(labels), dtype=np.float32))
    return _filled(loaded, read_weights_file(path), path, task, labels)
