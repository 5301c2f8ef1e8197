"""What an encoder family is: its names in files, PaddleNLP's classes, and the ways to its layers and embeddings.

Paddle is imported inside the functions: what a configuration says is checked before it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ernie_toolkit.errors import ModelError
from ernie_toolkit.formats.ranges import Range

if TYPE_CHECKING:
    from paddle import nn
    from paddlenlp.transformers import PretrainedConfig, PretrainedModel

# What PaddleNLP's configurations of BERT and its kin have where a file says nothing.
BERT_SIZES: Mapping[str, int] = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 16,
}
# PaddleNLP's class of each head (see `tasks.HEADS`) is named so, after the family's `stem`.
HEAD_CLASSES: Mapping[str, str] = {
    "sequence": "ForSequenceClassification",
    "token": "ForTokenClassification",
    "span": "ForQuestionAnswering",
    "choice": "ForMultipleChoice",
}
# Heads that read the pooler's output, not the tokens'.
POOLED_HEADS = ("sequence", "choice")


@dataclass(frozen=True)
class EncoderFamily:
    """Encoders of one architecture, which differ in sizes and weights alone.

    A family that does a thing in another way overrides the method that does it.

    Attributes:
        name: The `model_type` in `config.json`.
        title: How messages call it.
        stem: What the names of PaddleNLP's classes begin with.
        prefix: What the names of the encoder's weights begin with; its attribute in a model with a head.
        aliases: Other spellings of `model_type`.
        default_sizes: What a configuration has where a file leaves it out.
        new_settings: What a new model's configuration has beside its sizes.
        counts: Whole numbers of its own that a configuration may have, and their ranges.
        fractions: The same of other numbers.
        switches: Keys of its own that are true or false.
        may_be_null: Of these, those where null stands for "not said".
        tables: Sizes of its own, each of a table of rows `hidden_size` wide.
        has_position_table: Whether positions are learned, so that their table can be cut.
        transformers_type: The `model_type` of Hugging Face's transformers whose models compute the same; empty: none.
        publishers: What stands before the slash in names that PaddleNLP publishes its models by.
    """

    name: str
    title: str
    stem: str
    prefix: str
    aliases: tuple[str, ...] = ()
    default_sizes: Mapping[str, int] = field(default_factory=lambda: BERT_SIZES)
    new_settings: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, Range] = field(default_factory=dict)
    fractions: Mapping[str, Range] = field(default_factory=dict)
    switches: tuple[str, ...] = ()
    may_be_null: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    has_position_table: bool = True
    transformers_type: str = ""
    publishers: tuple[str, ...] = ()

    # What files say.

    @property
    def tokenizer_class(self) -> str:
        """The name of PaddleNLP's tokenizer, for `tokenizer_config.json`."""
        return f"{self.stem}Tokenizer"

    @property
    def token_table(self) -> str:
        """The name of the embedding table of tokens among a model's weights."""
        return f"{self.prefix}.embeddings.word_embeddings.weight"

    @property
    def position_table(self) -> str:
        """The name of the embedding table of positions; only where `has_position_table`."""
        return f"{self.prefix}.embeddings.position_embeddings.weight"

    def architecture(self, head: str) -> str:
        """What `config.json` names under "architectures" for a head, one of `tasks.HEADS`; the class of that name."""
        return self.stem + HEAD_CLASSES[head]

    def owns(self, architecture: str) -> bool:
        """Whether a name under "architectures" is one of this family's classes."""
        return re.fullmatch(rf"{self.stem}(Model|For\w+)", architecture) is not None

    def problem(self, config: Mapping[str, Any]) -> str | None:
        """What is wrong with a configuration whose values are each in their range; None where nothing is.

        Args:
            config: The values, with defaults for those that the file leaves out.
        """
        return None

    def transformers_problem(self, config: Mapping[str, Any], head: str) -> str | None:
        """Why transformers' models compute something else than one of this family; None where they do not.

        Args:
            config: The values of its `config.json`.
            head: One of `tasks.HEADS`.
        """
        return None if self.transformers_type else f"transformers has no {self.title} models"

    # Classes.

    def paddle_class(self, name: str) -> Any:
        """A class of PaddleNLP, or None where it has none of this name."""
        import paddlenlp.transformers

        return getattr(paddlenlp.transformers, name, None)

    def config_class(self) -> "type[PretrainedConfig]":
        """PaddleNLP's class of the configuration."""
        found: type[PretrainedConfig] = self.paddle_class(f"{self.stem}Config")
        return found

    def published_names(self) -> Sequence[str]:
        """The names that PaddleNLP publishes models of this family by."""
        return list(self.paddle_class(f"{self.stem}PretrainedModel").pretrained_init_configuration)

    def head_class(self, head: str) -> "type[PretrainedModel]":
        """The class of a model with a head.

        Args:
            head: One of `tasks.HEADS`. A model of "choice" reads one choice in a row (see `models.choices`).

        Raises:
            ModelError: Where the family has no such head.
        """
        from ernie_toolkit.models.choices import with_choice_rows

        found = self.paddle_class(self.architecture(head))
        if found is None:
            raise ModelError(f"{self.title} models have no head for this task ({self.architecture(head)}): use another")
        return with_choice_rows(found) if head == "choice" else found

    def remark(self, config: "PretrainedConfig") -> str | None:
        """What of a configuration is computed otherwise than PaddleNLP would, for the user; None where nothing is."""
        return None

    def prepare(self, model: "PretrainedModel") -> None:
        """Change a new model, before it gets its weights, where it is not to be as PaddleNLP makes it."""

    def initialize(self, model: "PretrainedModel", layer: "nn.Layer") -> None:
        """Give a linear layer of a model the random weights that one of a new model has.

        Args:
            model: The model.
            layer: The layer, changed in place; its bias stays.
        """
        model._init_weights(layer)

    # Layers: each has the parts of `paddle.nn.TransformerEncoderLayer`, under the same names: `self_attn` with
    # `num_heads`, `head_dim`, `q_proj`, `k_proj`, `v_proj` and `out_proj`, then `linear1` and `linear2`, with or
    # without biases. Where a family calls them otherwise, `layers` gives views that have these names.

    def layers(self, model: "nn.Layer") -> list[Any]:
        """The encoder layers of a model with a head, from the embeddings up."""
        return list(getattr(model, self.prefix).encoder.layers)

    def set_layers(self, model: "nn.Layer", layers: Sequence[Any]) -> None:
        """Let a model with a head have other encoder layers.

        Args:
            model: The model, changed in place.
            layers: Some of those that `layers` gives, in their order.
        """
        from paddle import nn

        getattr(model, self.prefix).encoder.layers = nn.LayerList(list(layers))

    def renumbered(self, name: str, layers: Sequence[int]) -> str:
        """The name that a weight of a model has in the larger one of which some layers were taken.

        Args:
            name: In the smaller model.
            layers: The layers that were taken, counted from 0, in their order.
        """
        number = re.compile(rf"(?<=^{re.escape(self.prefix)}\.encoder\.layers\.)\d+")
        return number.sub(lambda found: str(layers[int(found[0])]), name)
