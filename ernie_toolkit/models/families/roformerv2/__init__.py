"""RoFormerV2: rotary positions, no biases unless the configuration asks for them, and norms without weights."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ernie_toolkit.formats.ranges import SHARE, Range
from ernie_toolkit.models.families.base import BERT_SIZES, EncoderFamily

if TYPE_CHECKING:
    from paddle import nn
    from paddlenlp.transformers import PretrainedModel


class RoFormerV2Family(EncoderFamily):
    """RoFormerV2; PaddleNLP's heads compute no loss and give no hidden states, so they are extended."""

    def problem(self, config: Mapping[str, Any]) -> str | None:
        """Whether heads have an odd size: positions turn pairs of a head's values."""
        size = config["hidden_size"] // config["num_attention_heads"]
        return f"hidden_size over num_attention_heads is {size}: it must be even" if size % 2 else None

    def head_class(self, head: str) -> "type[PretrainedModel]":
        """PaddleNLP's class with the forward pass of other families' classes."""
        from ernie_toolkit.models.families.roformerv2.heads import CLASSES

        return CLASSES[head]

    def prepare(self, model: "PretrainedModel") -> None:
        """Let positions be counted in a way that can be exported."""
        from ernie_toolkit.models.families.roformerv2.rotary import Rotary

        for layer in self.layers(model):
            layer.self_attn.rotary = Rotary(layer.self_attn.rotary)

    def initialize(self, model: "PretrainedModel", layer: "nn.Layer") -> None:
        """As Paddle initialises it: PaddleNLP's hook makes an initialiser for this family and applies it to nothing."""
        from paddle import nn

        layer.weight.set_value(nn.Linear(*layer.weight.shape, bias_attr=False).weight)


ROFORMERV2 = RoFormerV2Family(
    "roformerv2",
    "RoFormerV2",
    stem="RoFormerv2",
    prefix="roformerv2",
    default_sizes={**BERT_SIZES, "vocab_size": 12000, "type_vocab_size": 2},
    fractions={"epsilon": Range(0, 1), "act_dropout": SHARE},
    switches=("use_bias", "rotary_value", "normalize_before"),
    has_position_table=False,
)
