"""Widths: the share of heads and feed-forward neurons that is left of each layer."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ernie_toolkit.errors import ConfigError

# Characters of a width's text.
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


def parse_width(text: str) -> Fraction:
    """A width from "3/4" or "0.75"; a decimal cut short (0.67) is the simple fraction next to it (2/3).

    Raises:
        ConfigError: On anything that is not over 0 and at most 1.
    """
    try:
        # Long exponents make numbers of as many digits.
        width = Fraction(text.strip() if len(text) <= LONGEST and "e" not in text.lower() else "")
    except (ValueError, ZeroDivisionError):
        raise ConfigError(f"width '{text:.60}' is neither a fraction nor a decimal: write 3/4 or 0.75") from None
    if not 0 < width <= 1:
        raise ConfigError(f"width '{text}' must be over 0 and at most 1")
    simple = width.limit_denominator(_LARGEST_DENOMINATOR)
    return simple if simple and abs(simple - width) < _NEAR else width


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


def model_size(config: Any) -> LayerSize:
    """The layers' size that a model's configuration records: the pruned one where it was pruned."""
    return LayerSize(
        getattr(config, "pruned_num_attention_heads", None) or config.num_attention_heads,
        getattr(config, "pruned_intermediate_size", None) or config.intermediate_size,
    )
