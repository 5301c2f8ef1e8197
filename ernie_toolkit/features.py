"""Texts to model inputs, the same in training, evaluation and every deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Tuple, Union, get_args

import numpy as np

from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.pairing import strict_zip
from ernie_toolkit.tokenization import WordPieceTokenizer

TextFormat = Literal["sentence", "pair", "keywords", "coreference", "characters", "question_context"]
TEXT_FORMATS: tuple[str, ...] = get_args(TextFormat)
PAIR_FORMATS = ("pair", "keywords", "question_context")
"""Formats whose inputs are pairs of texts."""
TextInput = Union[str, Tuple[str, str]]
"""What a caller gives: one text, or a pair of texts."""

# What every model reads, in this order (see `pad_batch`).
INPUTS = ("input_ids", "token_type_ids")
# A pair needs room for [CLS] a [SEP] b [SEP] and one token of each text.
MIN_SEQ_LENGTH = 5


@dataclass(frozen=True)
class Features:
    """One sequence as the model reads it: [CLS] text [SEP], or [CLS] text [SEP] pair [SEP].

    `token_type_ids` is 0 up to and including the first [SEP], 1 after it. Both lists have the same length.
    """

    input_ids: list[int]
    token_type_ids: list[int]

    def __len__(self) -> int:
        return len(self.input_ids)


def mark_spans(text: str, first: tuple[int, int], second: tuple[int, int]) -> str:
    """Put "_" around one span of a text and "[" "]" around another, so that the model can tell them.

    Spans are character offsets [start, end) that do not overlap; either may come first.
    """
    marks = [(first, "_", "_"), (second, "[", "]")]
    for (start, end), opening, closing in sorted(marks, reverse=True):
        text = text[:start] + opening + text[start:end] + closing + text[end:]
    return text


def texts_of(example: Mapping[str, Any], text_format: str) -> TextInput:
    """The text or the pair of texts that the model reads for one example of a data set.

    `sentence`: the field `sentence`. `pair`: `sentence1` and `sentence2`. `keywords` (CSL): the keywords
    joined by spaces, and `abst`. `coreference` (CLUEWSC2020): `text` with both target spans marked.
    `characters`: `text`, of which every character gets a tag. `question_context`: `question` and `context`.
    """
    if text_format == "sentence":
        return str(example["sentence"])
    if text_format == "pair":
        return str(example["sentence1"]), str(example["sentence2"])
    if text_format == "keywords":
        return " ".join(example["keyword"]), str(example["abst"])
    if text_format == "characters":
        return str(example["text"])
    if text_format == "question_context":
        return str(example["question"]), str(example["context"])
    if text_format == "coreference":
        target = example["target"]
        first, second = (
            (target[f"span{n}_index"], target[f"span{n}_index"] + len(target[f"span{n}_text"])) for n in (1, 2)
        )
        return mark_spans(str(example["text"]), first, second)
    raise ConfigError(f"text format '{text_format}' is not known: use one of {', '.join(TEXT_FORMATS)}")


def truncated_lengths(first: int, second: int, room: int) -> tuple[int, int]:
    """How many tokens of each text of a pair are kept when together they may have at most `room`.

    Tokens are taken one by one from the end of the longer text, and of two equally long ones from the
    second ("longest first"), so the lengths that result are computed directly.
    """
    excess = first + second - room
    if excess <= 0:
        return first, second
    if first > second:
        cut = min(excess, first - second)
        first, excess = first - cut, excess - cut
    else:
        cut = min(excess, second - first)
        second, excess = second - cut, excess - cut
    return first - excess // 2, second - (excess + 1) // 2


def check_inputs(texts: Sequence[TextInput], pairs: bool | None = None) -> bool:
    """Check that every input is a non-empty text or a pair of them; say whether they are pairs.

    `pairs`: which of the two the model reads; None where it reads both. Raises DataError that names the
    first input that is neither, or that is not what the model reads, or differs in kind from the first.
    """
    if pairs is not None and texts and pairs is isinstance(texts[0], str):
        raise DataError(f"this model reads {'pairs of texts' if pairs else 'single texts'}: {texts[0]!r:.80}")
    pairs = bool(texts) and not isinstance(texts[0], str)
    for number, item in enumerate(texts, 1):
        parts = (item,) if isinstance(item, str) else item
        if not isinstance(parts, (tuple, list)) or not all(isinstance(part, str) for part in parts):
            raise DataError(f"input {number} is neither a text nor a pair of texts: {item!r:.80}")
        if len(parts) != (2 if pairs else 1):
            raise DataError(f"input {number} has {len(parts)} text(s), the first has {2 if pairs else 1}: use one kind")
        if not all(part.strip() for part in parts):
            raise DataError(f"input {number} is an empty text: leave it out or fill it")
    return pairs


def encode(tokenizer: WordPieceTokenizer, texts: Sequence[TextInput], max_seq_length: int) -> list[Features]:
    """Token ids of texts or of pairs, cut so that no sequence is longer than `max_seq_length` tokens.

    A single text loses its end; of a pair the longer text loses its end first. Raises ConfigError on a
    limit that leaves no room, DataError on inputs that are not all texts or all pairs.
    """
    return encode_counting_cuts(tokenizer, texts, max_seq_length)[0]


def encode_counting_cuts(
    tokenizer: WordPieceTokenizer, texts: Sequence[TextInput], max_seq_length: int
) -> tuple[list[Features], int]:
    """As `encode`, and how many of the sequences were cut."""
    if max_seq_length < MIN_SEQ_LENGTH:
        raise ConfigError(f"max_seq_length is {max_seq_length}: it must be at least {MIN_SEQ_LENGTH}")
    cls, sep = tokenizer.special.cls, tokenizer.special.sep
    if not check_inputs(texts):
        room = max_seq_length - 2
        texts_ids = tokenizer.encode_ids([str(text) for text in texts])
        singles = [[cls, *ids[:room], sep] for ids in texts_ids]
        return [Features(ids, [0] * len(ids)) for ids in singles], sum(len(ids) > room for ids in texts_ids)
    first_ids = tokenizer.encode_ids([pair[0] for pair in texts])
    second_ids = tokenizer.encode_ids([pair[1] for pair in texts])
    features, cuts, room = [], 0, max_seq_length - 3
    for a, b in strict_zip(first_ids, second_ids):
        kept_a, kept_b = truncated_lengths(len(a), len(b), room)
        cuts += len(a) + len(b) > room
        features.append(
            Features(
                [cls, *a[:kept_a], sep, *b[:kept_b], sep],
                [0] * (kept_a + 2) + [1] * (kept_b + 1),
            )
        )
    return features, cuts


def pad_batch(features: Sequence[Features], pad_id: int, length: int | None = None) -> dict[str, np.ndarray]:
    """One batch of model inputs, padded to its longest sequence, or to `length` where one is given.

    Returns `input_ids` (padded with `pad_id`) and `token_type_ids` (padded with 0), int64 of shape
    (batch_size, sequence_length). The model masks positions that hold `pad_id`.
    """
    longest = max(len(row) for row in features) if length is None else length
    input_ids = np.full((len(features), longest), pad_id, dtype=np.int64)
    token_type_ids = np.zeros((len(features), longest), dtype=np.int64)
    for row, feature in enumerate(features):
        input_ids[row, : len(feature)] = feature.input_ids
        token_type_ids[row, : len(feature)] = feature.token_type_ids
    return {"input_ids": input_ids, "token_type_ids": token_type_ids}
