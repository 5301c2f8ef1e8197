"""Tag logits of tokens to a tag for every character, and to entities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.decoding.bio import entity_spans
from ernie_toolkit.decoding.labels import softmax
from ernie_toolkit.decoding.options import NO_OPTIONS, AnswerOptions


@dataclass(frozen=True)
class Entity:
    """An entity of a text.

    Attributes:
        text: Its characters.
        type: Its type, as in B-TYPE.
        start: Its first character in the text.
        end: The character after its last one.
        confidence: The mean over its tokens of the probability of the token's tag, between 0 and 1.
    """

    text: str
    type: str
    start: int
    end: int
    confidence: float


@dataclass(frozen=True)
class TaggedText:
    """A text with one BIO tag for each of its characters, and the entities that these tags make.

    Attributes:
        text: The text.
        tags: A tag for each character.
        entities: The entities, in order.
    """

    text: str
    tags: tuple[str, ...]
    entities: tuple[Entity, ...]

    FIELDS: ClassVar[tuple[str, ...]] = ("entities", "tags")

    def fields(self) -> dict[str, Any]:
        """`entities`, each with `text`, `type`, `start`, `end` and `confidence`, and `tags`, one for each character."""
        entities = [
            {
                "text": item.text,
                "type": item.type,
                "start": item.start,
                "end": item.end,
                "confidence": round(item.confidence, 6),
            }
            for item in self.entities
        ]
        return {"entities": entities, "tags": list(self.tags)}

    @property
    def content(self) -> tuple[str, ...]:
        """The tags."""
        return self.tags

    def lines(self) -> list[str]:
        """A line for each entity; positions are its first and its last character."""
        return [
            f"entity: {item.text}  label: {item.type}  pos: [{item.start}, {item.end - 1}]  "
            f"confidence: {item.confidence:.4f}"
            for item in self.entities
        ] or ["no entity"]

    def word_tags(self, words: Sequence[str] | None) -> tuple[list[dict[str, Any]], list[str]]:
        """The entities as PaddleNLP's SimpleServing gives them, and a tag for each character, or for each word.

        Each entity has `pos` (first and last character, or word), `entity`, `label` and `confidence`.

        Args:
            words: The parts that the text was joined of (see `word_starts`), None where it came whole.
        """
        starts = list(range(len(self.text))) if words is None else word_starts(self.text, words)
        place = np.searchsorted(starts, np.arange(len(self.text)), side="right") - 1
        entities = [
            {
                "pos": [int(place[item.start]), int(place[item.end - 1])],
                "entity": item.text,
                "label": item.type,
                "confidence": round(item.confidence, 6),
            }
            for item in self.entities
        ]
        return entities, [self.tags[start] for start in starts]


def word_starts(text: str, words: Sequence[str]) -> list[int]:
    """Where each word begins in a text that was joined of them: a space may stand before one.

    Args:
        text: As `data.tagged.join_tokens` makes it of `words`.
        words: The words, in order.

    Returns:
        A character index for each word.
    """
    starts, position = [], 0
    for word in words:
        position += not text.startswith(word, position)
        starts.append(position)
        position += len(word)
    return starts


@lru_cache(maxsize=8)
def _forbidden(labels: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """What strict BIO forbids: (from, to) pairs of tags, bool of shape (labels, labels), and tags at the start."""
    inside = np.array([label.startswith("I-") for label in labels])
    same = np.array([[before != "O" and before[2:] == label[2:] for label in labels] for before in labels])
    return inside[None, :] & ~same, inside


def best_tags(logits: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """The most probable sequence of tags that is valid BIO: an I tag only after a B or I tag of its type.

    Where the most probable tag of each token makes such a sequence, that is the answer; else the best one is found by
    dynamic programming (Viterbi, 1967).

    Args:
        logits: Floats of shape (tokens, len(labels)), one token at least.
        labels: The tags in the order of the logits.

    Returns:
        Indices into `labels`, int64 of shape (tokens,).
    """
    forbidden, forbidden_first = _forbidden(tuple(labels))
    best = logits.argmax(axis=1)
    if not (forbidden_first[best[0]] or forbidden[best[:-1], best[1:]].any()):
        return best
    penalty = np.where(forbidden, -np.inf, 0.0)
    scores = logits[0].astype(np.float64) + np.where(forbidden_first, -np.inf, 0.0)
    before = np.zeros(logits.shape, dtype=np.int64)
    for token in range(1, len(logits)):
        paths = scores[:, None] + penalty
        before[token] = paths.argmax(axis=0)
        scores = paths.max(axis=0) + logits[token]
    best[-1] = scores.argmax()
    for token in range(len(logits) - 1, 0, -1):
        best[token - 1] = before[token, best[token]]
    return best


def _inside(tag: str) -> str:
    return "I" + tag[1:] if tag.startswith("B-") else tag


def character_tags(token_tags: Sequence[str], offsets: np.ndarray, length: int) -> list[str]:
    """A BIO tag for each character of a text, from those of the tokens that were made of them.

    The first character of a token has the token's tag, the others continue it. Of several tokens made of one character
    the first one counts. A character of no token (white space, zero width) is inside an entity where the token after it
    continues the entity before it, and "O" everywhere else.

    Args:
        token_tags: The tag of each token.
        offsets: Integers of shape (tokens, 2), the characters [start, end) of each token.
        length: The number of characters.
    """
    tags = ["O"] * length
    done = 0
    for tag, (start, end) in strict_zip(token_tags, offsets.tolist()):
        if start < done:
            continue
        if done and tag.startswith("I-") and _inside(tags[done - 1]) == tag:
            tags[done:start] = [tag] * (start - done)
        tags[start] = tag
        tags[start + 1 : end] = [_inside(tag)] * (end - start - 1)
        done = end
    return tags


def mean_confidences(confidence: np.ndarray, offsets: np.ndarray, places: Sequence[tuple[int, int]]) -> list[float]:
    """The mean confidence of the tokens that share a character with each place.

    Found by bisection: to look at every token for every entity takes minutes for a text of a million characters.

    Args:
        confidence: Floats of shape (tokens,).
        offsets: Integers of shape (tokens, 2), the characters [start, end) of each token.
        places: Characters [start, end) of each entity.
    """
    # Offsets are in order but for rare ends that are a character early, and bisection needs a sorted array: the
    # running maximum of the ends, and from the right the running minimum of the starts.
    ends = np.maximum.accumulate(offsets[:, 1])
    starts = np.minimum.accumulate(offsets[::-1, 0])[::-1]
    means = []
    for start, end in places:
        some = slice(int(np.searchsorted(ends, start, "right")), int(np.searchsorted(starts, end, "left")))
        inside = (offsets[some, 0] < end) & (offsets[some, 1] > start)
        means.append(float(confidence[some][inside].mean()))
    return means


def decode_tags(
    logits: np.ndarray, offsets: np.ndarray, text: str, labels: Sequence[str], options: AnswerOptions = NO_OPTIONS
) -> TaggedText:
    """The most probable tags of all tokens, those of all characters, and the entities that they make.

    The tags are those of `best_tags`, so every I tag continues an entity that a B tag began: runs are never broken,
    entities never overlap, and `text[start:end]` is an entity's text.

    Args:
        logits: Floats of shape (tokens, len(labels)).
        offsets: Integers of shape (tokens, 2), the characters [start, end) of `text` that each token was made of.
        text: The text.
        labels: The tags in the order of the logits.
        options: What is asked of the answer: entities below `min_confidence` are left out, and their tags are "O".

    Raises:
        ValueError: Where shapes do not fit.
    """
    if logits.ndim != 2 or logits.shape[1] != len(labels) or offsets.shape != (len(logits), 2):
        raise ValueError(
            f"logits of shape {logits.shape} and offsets of shape {offsets.shape} do not fit {len(labels)} labels: "
            f"want (tokens, {len(labels)}) and (tokens, 2)"
        )
    if not len(logits):
        return TaggedText(text, ("O",) * len(text), ())
    best = best_tags(logits, labels)
    confidence = softmax(logits)[np.arange(len(best)), best]
    tags = character_tags([labels[index] for index in best.tolist()], offsets, len(text))
    spans = entity_spans(tags)
    means = mean_confidences(confidence, offsets, [(start, end) for _, start, end in spans])
    least = options.min_confidence or 0.0
    for (_, start, end), mean in strict_zip(spans, means):
        if mean < least:
            tags[start:end] = ["O"] * (end - start)
    entities = tuple(
        Entity(text[start:end], kind, start, end, mean)
        for (kind, start, end), mean in strict_zip(spans, means)
        if mean >= least
    )
    return TaggedText(text, tuple(tags), entities)
