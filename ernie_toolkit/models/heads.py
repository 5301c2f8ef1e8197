"""A trained head's outputs, found again by the names of their labels.

A head has an output for each label, in the order of the data that it was trained on. Other data may list the same
labels in another order, or some others: outputs go by name, never by place.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.data.label_order import same_labels
from ernie_toolkit.data.label_spelling import label_key, visible

WEIGHT, BIAS = "classifier.weight", "classifier.bias"
# What PaddleNLP and transformers call labels that nobody has named.
_UNNAMED = re.compile(r"LABEL_\d+")
_SHOWN = 5


@dataclass(frozen=True)
class HeadMap:
    """Where each wanted label's output lies in a trained head.

    Attributes:
        labels: The wanted ones, in their order.
        outputs: For each of them the place of its output in the trained head, None for a new label.
        dropped: Labels of the trained head that are not among the wanted ones.
    """

    labels: tuple[str, ...]
    outputs: tuple["int | None", ...]
    dropped: tuple[str, ...] = ()

    @property
    def kept(self) -> tuple[str, ...]:
        """Wanted labels that the trained head has."""
        return tuple(label for label, place in strict_zip(self.labels, self.outputs) if place is not None)

    @property
    def new(self) -> tuple[str, ...]:
        """Wanted labels that the trained head does not have."""
        return tuple(label for label, place in strict_zip(self.labels, self.outputs) if place is None)

    @property
    def unchanged(self) -> bool:
        """Whether the trained head is the wanted one as it is."""
        return self.outputs == tuple(range(len(self.labels))) and not self.dropped

    def arranged(self, trained: np.ndarray, initial: np.ndarray) -> np.ndarray:
        """A head's weight or bias with the wanted outputs.

        Args:
            trained: Of shape (..., labels before).
            initial: Of shape (..., labels), the values of new labels.
        """
        result = initial.copy()
        for place, output in enumerate(self.outputs):
            if output is not None:
                result[..., place] = trained[..., output]
        return result

    def message(self, source: str) -> str:
        """What was done with the head of `source`, in one line; empty where it is taken as it is."""
        if self.unchanged:
            return ""
        if not self.kept:
            return (
                f"{source}: its head was trained for other labels ({shown(self.dropped)}), none of these "
                f"({shown(self.new)}): the head starts anew"
            )
        if not self.new and not self.dropped:
            return f"{source}: its labels stand in another order here: the head's outputs are put in this one"
        parts = [
            f"{source}: {len(self.kept)} of {len(self.labels)} labels keep what its head learned ({shown(self.kept)})"
        ]
        if self.new:
            parts.append(f"{len(self.new)} start anew ({shown(self.new)})")
        if self.dropped:
            parts.append(f"{len(self.dropped)} of its own are dropped ({shown(self.dropped)})")
        return "; ".join(parts)


def shown(labels: Sequence[str]) -> str:
    """The first of some labels, for a message; what cannot be seen in them as escapes."""
    return visible(", ".join(labels[:_SHOWN])) + (f", ... {len(labels)} in all" if len(labels) > _SHOWN else "")


def map_head(trained: Sequence[str], labels: Sequence[str]) -> HeadMap:
    """Find each label among those that a head was trained for; else one that differs in width or blanks only.

    Args:
        trained: Labels of the trained head, in the order of its outputs.
        labels: The wanted ones, in their order.
    """
    places = {label: place for place, label in enumerate(trained)}
    wanted = set(labels)
    alike: dict[str, list[int]] = {}
    for label, place in places.items():
        if label not in wanted:
            alike.setdefault(label_key(label), []).append(place)
    outputs: list[int | None] = []
    for label in labels:
        others = alike.get(label_key(label), [])
        outputs.append(places[label] if label in places else others.pop() if len(others) == 1 else None)
    used = set(outputs)
    return HeadMap(
        tuple(labels), tuple(outputs), tuple(label for place, label in enumerate(trained) if place not in used)
    )


def are_named(labels: "Sequence[str] | None") -> bool:
    """Whether a model's recorded labels are names, and not "LABEL_0" and so on."""
    return bool(labels) and not all(_UNNAMED.fullmatch(label) for label in labels or ())


def label_mismatch(trained: Sequence[str], labels: Sequence[str], in_order: bool = False) -> str:
    """How the labels that a model was trained for differ from the wanted ones, for a message; empty where they match.

    Args:
        trained: Labels of the trained head.
        labels: The wanted ones.
        in_order: Whether their order has to be the same too.
    """
    same = tuple(trained) == tuple(labels) if in_order else same_labels(trained, labels)
    return "" if same else difference(trained, labels)


def difference(trained: Sequence[str], labels: Sequence[str]) -> str:
    """How two lists of labels differ, for a message.

    Args:
        trained: Those that a model was trained for.
        labels: The wanted ones.
    """
    if same_labels(trained, labels):
        return "the same labels in another order"
    missing = [label for label in trained if label not in set(labels)]
    extra = [label for label in labels if label not in set(trained)]
    parts = [f"{len(trained)} labels"]
    if extra:
        parts.append(f"without {shown(extra)}")
    if missing:
        parts.append(f"with {shown(missing)}")
    return ", ".join(parts)


def arrange_head(
    state: Mapping[str, np.ndarray],
    initial: Mapping[str, np.ndarray],
    trained: "Sequence[str] | None",
    labels: Sequence[str],
    source: str,
) -> "tuple[dict[str, np.ndarray], HeadMap | None, str]":
    """Weights with the head's outputs in the order of the labels.

    Heads without names keep their outputs' order where there are as many as labels, which is said. A head that cannot
    be used is taken out of the weights.

    Args:
        state: The weights of a trained model by name.
        initial: Weight and bias of the new model's head by name.
        trained: The labels that `state` was trained for, None where they are not known.
        labels: The wanted ones, in their order.
        source: The trained model's name or path, for messages.

    Returns:
        The weights; how outputs were found, None where they have no names; and a line for the user, or empty.
    """
    found = dict(state)
    heads = [name for name in (WEIGHT, BIAS) if name in found]
    if not heads:
        return found, None, ""
    outputs = found[heads[-1]].shape[-1]
    if trained is None or not are_named(trained) or len(trained) != outputs:
        unnamed = f"{source}: nothing names its head's {outputs} outputs"
        if outputs == len(labels):
            return found, None, f"{unnamed}: they are taken in the order of the labels here"
        for name in heads:
            del found[name]
        return found, None, f"{unnamed}, and here are {len(labels)} labels: the head starts anew"
    plan = map_head(trained, labels)
    for name in heads:
        if plan.kept and found[name].shape[:-1] == initial[name].shape[:-1]:
            found[name] = plan.arranged(found[name], initial[name])
        else:
            del found[name]
    return found, plan, plan.message(source)
