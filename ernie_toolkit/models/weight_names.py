"""Names of a file's weights in a model with a head, and those that the model has no place for."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ernie_toolkit.models.families import family_of_model

if TYPE_CHECKING:
    from paddlenlp.transformers import PretrainedModel

HEADS = ("classifier.", "cls.", "qa_outputs.")
"""What the names of heads' weights begin with."""
_SHOWN = 3


def by_model_names(model: "PretrainedModel", state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights by the names that a model with a head has; in a file of the bare encoder they lack its prefix.

    Args:
        model: The model.
        state: Weights by the names in their file.
    """
    family = f"{family_of_model(model).prefix}."
    prefix = "" if any(key.startswith(family) for key in state) else family
    return {prefix + key if not key.startswith(HEADS) else key: value for key, value in state.items()}


def unused_weights(model: "PretrainedModel", state: Mapping[str, np.ndarray], path: Path) -> str | None:
    """A line about weights that a model has no place for, such as layers above its own; None where there are none.

    Args:
        model: The model.
        state: Weights by the names in their file; whole numbers, such as transformers' position_ids, are none.
        path: The file, for the line.
    """
    own = model.state_dict()
    given = by_model_names(model, state).items()
    unused = sorted(name for name, value in given if name not in own and value.dtype.kind not in "bi")
    if not unused:
        return None
    shown = ", ".join(unused[:_SHOWN]) + (", ..." if len(unused) > _SHOWN else "")
    return f"{path}: left out are {len(unused)} weights that the model of its config.json has no place for ({shown})"
