"""The encoder families that are loaded, each in a module of its own; a new one is registered below."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ernie_toolkit.models.families.base import EncoderFamily
from ernie_toolkit.models.families.bert import BERT
from ernie_toolkit.models.families.ernie import ERNIE
from ernie_toolkit.models.families.ernie_gram import ERNIE_GRAM
from ernie_toolkit.models.families.roformerv2 import ROFORMERV2
from ernie_toolkit.models.families.tinybert import TINYBERT

if TYPE_CHECKING:
    from paddle import nn

__all__ = [
    "FAMILIES",
    "PUBLISHERS",
    "EncoderFamily",
    "family_named",
    "family_of_config",
    "family_of_model",
    "published_family",
]

FAMILIES: dict[str, EncoderFamily] = {family.name: family for family in (ERNIE, BERT, TINYBERT, ERNIE_GRAM, ROFORMERV2)}
"""By `model_type` of `config.json`; the first is meant where nothing says another."""

PUBLISHERS = tuple(publisher for family in FAMILIES.values() for publisher in family.publishers)
"""What stands before the slash in published names."""


def family_named(model_type: str) -> EncoderFamily | None:
    """The family that `config.json` calls so, None where there is no such."""
    return next((family for family in FAMILIES.values() if model_type in (family.name, *family.aliases)), None)


def family_of_config(config: Mapping[str, Any]) -> EncoderFamily | None:
    """The family of a configuration: its `model_type` says it, else its "architectures", else it is ERNIE.

    Args:
        config: The values of a `config.json`, checked or not.

    Returns:
        None where `model_type` is no family's.
    """
    kind, names = config.get("model_type"), config.get("architectures")
    if kind is not None:
        return family_named(kind) if isinstance(kind, str) else None
    given = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    owners = [family for family in FAMILIES.values() if any(map(family.owns, given))]
    return (owners or list(FAMILIES.values()))[0]


def family_of_model(model: "nn.Layer | type[nn.Layer]") -> EncoderFamily:
    """The family of a model of PaddleNLP's, or of its class."""
    return next(family for family in FAMILIES.values() if family.prefix == model.base_model_prefix)


def published_family(name: str) -> EncoderFamily:
    """The family of a published model, ERNIE where PaddleNLP lists it in none."""
    families = FAMILIES.values()
    return next((family for family in families if name in family.published_names()), next(iter(families)))
