"""Precision, recall and F1 of entities, as seqeval computes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.decoding.bio import EntitySpan


@dataclass(frozen=True)
class Scores:
    """Metrics of a set of entities, shares between 0 and 1, and how many there were; a share of nothing is 0.

    Attributes:
        precision: The share of predicted entities that are right.
        recall: The share of gold entities that were predicted.
        f1: The harmonic mean of both.
        support: The number of gold entities.
        predicted: The number of predicted entities.
    """

    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


def _scores(right: int, support: int, predicted: int) -> Scores:
    return Scores(
        precision=right / predicted if predicted else 0.0,
        recall=right / support if support else 0.0,
        f1=2 * right / (support + predicted) if right else 0.0,
        support=support,
        predicted=predicted,
    )


def entity_scores(
    gold: Sequence[Sequence[EntitySpan]], predicted: Sequence[Sequence[EntitySpan]]
) -> tuple[Scores, dict[str, Scores]]:
    """Scores over all entities (micro average), and those of each type, sorted by name.

    An entity is right where type, start and end are those of a gold entity of the same text (CoNLL-2003, Tjong Kim Sang
    and De Meulder); one that is given twice counts once. The types are those of either side.

    Args:
        gold: The gold entities of each text.
        predicted: The predicted entities of each text, in the same order of texts.

    Raises:
        ValueError: On unequal numbers of texts.
    """
    if len(gold) != len(predicted):
        raise ValueError(f"gold entities of {len(gold)} texts and predicted ones of {len(predicted)} do not fit")
    right, support, found = Counter[str](), Counter[str](), Counter[str]()
    for gold_spans, predicted_spans in strict_zip(map(set, gold), map(set, predicted)):
        support.update(kind for kind, _, _ in gold_spans)
        found.update(kind for kind, _, _ in predicted_spans)
        right.update(kind for kind, _, _ in gold_spans & predicted_spans)
    by_type = {kind: _scores(right[kind], support[kind], found[kind]) for kind in sorted({*support, *found})}
    return _scores(*(sum(counts.values()) for counts in (right, support, found))), by_type
