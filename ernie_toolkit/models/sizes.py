"""Widths and depths: the shares of heads, feed-forward neurons and layers that are left of a model."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ernie_toolkit.errors import ConfigError

# Characters of a share's text.
LONGEST = 40
# A decimal this near to a fraction of small numbers means that one: 0.67 is two thirds.
_LARGEST_DENOMINATOR, _NEAR = 12, Fraction(1, 200)


@dataclass(frozen=True)
class LayerSize:
    """What each encoder layer has.

    Attributes:
        num_attention_heads: Attention heads; their size is the model's own.
        intermediate_size: Feed-forward neurons.
    """

    num_attention_heads: int
    intermediate_size: int


@dataclass(frozen=True)
class Shares:
    """What is left of a model.

    Attributes:
        width: The share of each layer's heads and feed-forward neurons.
        depth: The share of its layers.
    """

    width: Fraction = Fraction(1)
    depth: Fraction = Fraction(1)

    @property
    def text(self) -> str:
        """As people read it: "3/4", "depth 2/3", "3/4 depth 2/3"; empty for the whole model."""
        parts = (str(self.width) if self.width != 1 else "", f"depth {self.depth}" if self.depth != 1 else "")
        return " ".join(part for part in parts if part)


@dataclass(frozen=True)
class ModelSlice:
    """What is cut out of a model.

    Attributes:
        size: What each layer keeps, the first heads and neurons.
        layers: The layers that stay, counted from 0, in their order.
    """

    size: LayerSize
    layers: tuple[int, ...]


def parse_width(text: str) -> Fraction:
    """A width from "3/4" or "0.75"; a decimal cut short (0.67) is the simple fraction next to it (2/3).

    Raises:
        ConfigError: On anything that is not over 0 and at most 1.
    """
    return _parse_share(text, "width")


def parse_depth(text: str) -> Fraction:
    """A depth, as `parse_width` reads a width.

    Raises:
        ConfigError: As `parse_width`.
    """
    return _parse_share(text, "depth")


def _parse_share(text: str, name: str) -> Fraction:
    try:
        # Long exponents make numbers of as many digits.
        share = Fraction(text.strip() if len(text) <= LONGEST and "e" not in text.lower() else "")
    except (ValueError, ZeroDivisionError):
        raise ConfigError(f"{name} '{text:.60}' is neither a fraction nor a decimal: write 3/4 or 0.75") from None
    if not 0 < share <= 1:
        raise ConfigError(f"{name} '{text}' must be over 0 and at most 1")
    simple = share.limit_denominator(_LARGEST_DENOMINATOR)
    return simple if simple and abs(simple - share) < _NEAR else share


def layer_size(num_attention_heads: int, intermediate_size: int, width: Fraction) -> LayerSize:
    """What a width leaves of a layer, rounded down.

    Args:
        num_attention_heads: Heads of the whole layer.
        intermediate_size: Feed-forward neurons of the whole layer.
        width: The share that is left of both.

    Raises:
        ConfigError: Where no head or no neuron is left.
    """
    heads = math.floor(num_attention_heads * width)
    neurons = math.floor(intermediate_size * width)
    if heads < 1 or neurons < 1:
        raise ConfigError(
            f"width {width} leaves {heads} of {num_attention_heads} heads and {neurons} of {intermediate_size} "
            f"feed-forward neurons: use {Fraction(1, num_attention_heads)} at least"
        )
    return LayerSize(heads, neurons)


def layer_count(num_hidden_layers: int, depth: Fraction) -> int:
    """How many layers a depth leaves, rounded down as heads and neurons are: 3/4 of 6 layers are 4.

    Args:
        num_hidden_layers: Layers of the whole model.
        depth: The share that is left of them.

    Raises:
        ConfigError: Where no layer is left.
    """
    count = math.floor(num_hidden_layers * depth)
    if count < 1:
        raise ConfigError(
            f"depth {depth} leaves none of {num_hidden_layers} layers: use {Fraction(1, num_hidden_layers)} at least"
        )
    return count


def evenly_spaced(num_hidden_layers: int, kept: int) -> tuple[int, ...]:
    """Layers that stay where the others go at even distances: 0 1 3 4 of six.

    These are the ones that DynaBERT keeps (Hou et al., 2020, https://arxiv.org/abs/2004.04037, section 2.2): the first
    always stays, and of each stretch the last goes.

    Args:
        num_hidden_layers: Layers of the whole model.
        kept: How many stay, from 1 to all.
    """
    return tuple(place * num_hidden_layers // kept for place in range(kept))


def model_size(config: Any) -> LayerSize:
    """The layers' size that a model's configuration records: the pruned one where it was pruned."""
    return LayerSize(
        getattr(config, "pruned_num_attention_heads", None) or config.num_attention_heads,
        getattr(config, "pruned_intermediate_size", None) or config.intermediate_size,
    )
