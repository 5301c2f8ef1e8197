"""Check that a checkpoint fits the run: PaddleNLP's Trainer ignores much that does not, or fails later."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from ernie_toolkit.errors import ModelError, ToolkitError

REMEDY = "give another checkpoint, or start anew with `overwrite`"
# Entries of an optimizer's state that belong to no parameter.
_GENERAL = frozenset(("LR_Scheduler", "master_weights"))
# What stands in a name between a parameter of half precision and its accumulator.
_MASTER = "fp32_master_0_"
Shapes = Mapping[str, Sequence[int]]


@contextmanager
def reading(checkpoint: str | None) -> Iterator[None]:
    """Turn what PaddleNLP raises over a checkpoint into a ModelError that names it."""
    try:
        yield
    except ToolkitError:
        raise
    except Exception as error:  # of an altered file it raises whatever Paddle meets
        reason = " ".join(repr(error).split())
        raise ModelError(f"{checkpoint}: cannot be resumed from ({reason:.160}): {REMEDY}") from None


def check_weights(own: Shapes, given: Shapes) -> None:
    """Check that the weights of a checkpoint are the model's, by name and shape.

    Args:
        own: Shapes of the model's weights by name.
        given: Those of the checkpoint.

    Raises:
        ModelError: Where they are not.
    """
    wrong = next((name for name in {**own, **given} if own.get(name) != given.get(name)), None)
    if wrong is not None:
        shapes = f"{given.get(wrong, 'nowhere')} there, {own.get(wrong, 'nowhere')} here"
        raise ModelError(f"the weights of the checkpoint are not this model's: '{wrong}' is {shapes}: {REMEDY}")


def check_optimizer(parameters: Shapes, given: Shapes) -> None:
    """Check that the state of an optimizer is that of some parameters.

    Those that were trained have the same accumulators, each of the parameter's shape or one number, and others none.

    Args:
        parameters: Shapes of the parameters by name.
        given: Shapes in the optimizer's state by name.

    Raises:
        ModelError: Where it is not.
    """
    found: dict[str, set[str]] = {name: set() for name in parameters}
    for key in given:
        if key in _GENERAL:
            continue
        # Paddle puts a prefix before the names that it makes within one, and after them what an accumulator is.
        owner = max((name for name in parameters if f"{name}_" in key), key=len, default=None)
        if owner is None:
            raise ModelError(f"the optimizer's state of the checkpoint has '{key}', of no weight here: {REMEDY}")
        if list(given[key]) not in (list(parameters[owner]), [1], []):
            raise ModelError(f"the optimizer's state of the checkpoint has '{key}' in shape {given[key]}: {REMEDY}")
        prefix, _, suffix = key.rpartition(f"{owner}_")
        found[owner].add(f"{prefix} {suffix.replace(_MASTER, '')}")
    kinds = {frozenset(suffixes) for suffixes in found.values() if suffixes}
    if len(kinds) != 1:
        raise ModelError(f"the optimizer's state of the checkpoint is not whole: {REMEDY}")
