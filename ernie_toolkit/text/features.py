"""Texts to model inputs, the same in training, evaluation and every deployment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Tuple, Union, cast

import numpy as np

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.text.formats import CHOICE_FORMATS, PAIR_FORMATS, TEXT_FORMATS
from ernie_toolkit.text.tokenization import WordPieceTokenizer

TextInput = Union[str, Tuple[str, ...]]
"""What a model reads for one answer: a text, a pair of texts, or a context, a question and the choices behind it."""
Texts = Union[TextInput, "Iterable[TextInput]"]
"""What a caller gives: one input, or several of them (see `as_inputs`)."""

# A pair needs room for [CLS] a [SEP] b [SEP] and one token of each text.
MIN_SEQ_LENGTH = 5
MIN_CHOICES = 2


@dataclass(frozen=True)
class Features:
    """One sequence as the model reads it: [CLS] text [SEP], or [CLS] text [SEP] pair [SEP].

    Attributes:
        input_ids: Token ids.
        token_type_ids: As many: 0 up to and including the first [SEP], 1 after it.
    """

    input_ids: list[int]
    token_type_ids: list[int]

    def __len__(self) -> int:
        return len(self.input_ids)


def mark_spans(text: str, first: tuple[int, int], second: tuple[int, int]) -> str:
    """Put "_" around one span of a text and "[" "]" around another, so that the model can distinguish them.

    Spans are character offsets [start, end) that do not overlap; either may come first.

    Args:
        text: The text.
        first: The span between "_" and "_".
        second: The span between "[" and "]".
    """
    marks = [(first, "_", "_"), (second, "[", "]")]
    for (start, end), opening, closing in sorted(marks, reverse=True):
        text = text[:start] + opening + text[start:end] + closing + text[end:]
    return text


def texts_of(example: Mapping[str, Any], text_format: str) -> TextInput:
    """The text or the pair of texts that the model reads for one example of a data set.

    `sentence`: the field `sentence`. `pair`: `sentence1` and `sentence2`. `keywords` (CSL): the keywords joined by
    spaces, and `abst`. `coreference` (CLUEWSC2020): `text` with both target spans marked. `characters`: `text`, of
    which every character gets a tag. `question_context`: `question` and `context`. `choices` and `cloze`: `context`,
    `question` and each of `choices`.

    Args:
        example: The example's fields.
        text_format: One of `TEXT_FORMATS`.

    Raises:
        ConfigError: On another format.
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
    if text_format in CHOICE_FORMATS:
        return (str(example["context"]), str(example["question"]), *map(str, example["choices"]))
    if text_format == "coreference":
        target = example["target"]
        first, second = (
            (target[f"span{n}_index"], target[f"span{n}_index"] + len(target[f"span{n}_text"])) for n in (1, 2)
        )
        return mark_spans(str(example["text"]), first, second)
    raise ConfigError(f"text format '{text_format}' is not known: use one of {', '.join(TEXT_FORMATS)}")


def truncated_lengths(first: int, second: int, room: int) -> tuple[int, int]:
    """How many tokens of each text of a pair are kept when together they have to fit into `room`.

    Tokens are taken one by one from the end of the longer text, and of two equally long ones from the second ("longest
    first"), so the lengths that result are computed directly.

    Args:
        first: Tokens of the first text.
        second: Tokens of the second text.
        room: Tokens that both may have together.
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


def as_inputs(texts: Texts, text_format: str) -> list[TextInput]:
    """What a caller gives, as a list with one text or one pair for each answer.

    A text is one input. A tuple of texts is one input too, (text, text_pair), and never a row of single texts. Anything
    else that can be iterated, a generator or a numpy array too, holds one input after the other, and a pair in it may
    be a tuple, a list or a row of an array. A model of pairs (`PAIR_FORMATS`) takes pairs alone, one of choices
    (`CHOICE_FORMATS`) a context, a question, which may be empty, and two choices at least, (context, question, choice,
    choice) or (context, question, [choice, choice]); any other takes single texts alone.

    Args:
        texts: One input, or several.
        text_format: What the model reads, one of `TEXT_FORMATS`.

    Raises:
        DataError: On the first input that is empty or not what the model reads, and on what holds no inputs in an
            order: a mapping, a set, a table, bytes, None, a number.
    """
    if isinstance(texts, str) or (isinstance(texts, tuple) and _is_one(texts, text_format)):
        return [_as_input(texts, 1, text_format)]
    given = texts.tolist() if isinstance(texts, np.ndarray) else texts
    if isinstance(given, str):  # an array without dimensions
        return [_as_input(given, 1, text_format)]
    unordered = isinstance(given, (bytes, bytearray, Mapping, set, frozenset)) or hasattr(given, "columns")
    if unordered or not isinstance(given, Iterable):
        raise DataError(f"no inputs, but {_shown(given)}: give {_wanted(text_format)}, or a list of them")
    return [_as_input(item, number, text_format) for number, item in enumerate(given, 1)]


def _is_one(texts: tuple[Any, ...], text_format: str) -> bool:
    """Whether a tuple is one input, and not several."""
    if text_format in CHOICE_FORMATS:
        texts = texts[:1]  # the choices may come as a list
    return bool(texts) and all(isinstance(part, str) for part in texts)


def _as_input(item: object, number: int, text_format: str) -> TextInput:
    """One input in its plain form: str, or a tuple of texts."""
    parts = (item,) if isinstance(item, str) else item.tolist() if isinstance(item, np.ndarray) else item
    if not isinstance(parts, (tuple, list)):
        raise DataError(f"input {number} is {_shown(item)}: this model reads {_wanted(text_format)}")
    if text_format in CHOICE_FORMATS and len(parts) == 3 and isinstance(parts[2], (tuple, list, np.ndarray)):
        parts = (*parts[:2], *parts[2])
    for place, part in enumerate(parts, 1):
        if not isinstance(part, str):
            raise DataError(f"input {number}: its part {place} is {_shown(part)}, where a text must be: {item!r:.60}")
    if text_format not in (*PAIR_FORMATS, *CHOICE_FORMATS) and not isinstance(item, str):
        raise DataError(
            f"input {number} is {len(parts)} text(s) in one ({item!r:.60}): this model reads single texts: "
            "give a text, or several in a list"
        )
    if text_format in PAIR_FORMATS and (isinstance(item, str) or len(parts) != 2):
        what = "one text" if isinstance(item, str) else f"{len(parts)} text(s) in one"
        raise DataError(f"input {number} is {what} ({item!r:.60}): this model reads pairs: give {_wanted(text_format)}")
    if text_format in CHOICE_FORMATS and (isinstance(item, str) or len(parts) < 2 + MIN_CHOICES):
        raise DataError(
            f"input {number} is {len(parts)} text(s) ({item!r:.60}): this model reads {_wanted(text_format)}"
        )
    # A context with its choices needs no question.
    needed = (parts[0], *parts[2:]) if text_format in CHOICE_FORMATS else parts
    if not all(part.strip() for part in needed):
        raise DataError(f"input {number} is an empty text: leave it out or fill it")
    if not all(map(_is_whole, parts)):
        raise DataError(f"input {number} holds half of a surrogate pair ({item!r:.60}): write the character itself")
    return str(parts[0]) if len(parts) == 1 else tuple(map(str, parts))


def _is_whole(text: str) -> bool:
    """Whether a text can be written down again: half a character, which Python allows, cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _wanted(text_format: str) -> str:
    if text_format in CHOICE_FORMATS:
        return f"a tuple (context, question, [choice, choice, ...]) with {MIN_CHOICES} choices at least"
    if text_format not in PAIR_FORMATS:
        return "a text"
    return "a tuple (question, context)" if text_format == "question_context" else "a tuple (text, text_pair)"


def _shown(value: object) -> str:
    return "None" if value is None else f"of type {type(value).__name__} ({value!r:.60})"


def encode(
    tokenizer: WordPieceTokenizer, texts: Texts, max_seq_length: int, text_format: str = "sentence"
) -> list[Features]:
    """Token ids of texts or of pairs, cut so that no sequence is longer than `max_seq_length` tokens.

    A single text loses its end; of a pair the longer text loses its end first.

    Args:
        tokenizer: The model's tokenizer.
        texts: As `as_inputs` takes them.
        max_seq_length: The longest sequence in tokens, [CLS] and [SEP] included.
        text_format: What the model reads, one of `TEXT_FORMATS`.

    Raises:
        ConfigError: On a maximum length below `MIN_SEQ_LENGTH`.
        DataError: As `as_inputs`.
    """
    return encode_counting_cuts(tokenizer, texts, max_seq_length, text_format)[0]


def encode_counting_cuts(
    tokenizer: WordPieceTokenizer, texts: Texts, max_seq_length: int, text_format: str = "sentence"
) -> tuple[list[Features], int]:
    """As `encode`, and how many of the sequences were cut.

    Args:
        tokenizer: The model's tokenizer.
        texts: As `as_inputs` takes them.
        max_seq_length: The longest sequence in tokens, [CLS] and [SEP] included.
        text_format: What the model reads, one of `TEXT_FORMATS`.

    Raises:
        ToolkitError: As `encode`.
    """
    if max_seq_length < MIN_SEQ_LENGTH:
        raise ConfigError(f"max_seq_length is {max_seq_length}: it must be at least {MIN_SEQ_LENGTH}")
    cls, sep = tokenizer.special.cls, tokenizer.special.sep
    inputs = as_inputs(texts, text_format)
    if text_format not in PAIR_FORMATS:
        room = max_seq_length - 2
        texts_ids = tokenizer.encode_ids(cast("list[str]", inputs))
        singles = [[cls, *ids[:room], sep] for ids in texts_ids]
        return [Features(ids, [0] * len(ids)) for ids in singles], sum(len(ids) > room for ids in texts_ids)
    first_ids = tokenizer.encode_ids([pair[0] for pair in inputs])
    second_ids = tokenizer.encode_ids([pair[1] for pair in inputs])
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
    """One batch of model inputs, padded to one length.

    Args:
        features: The rows.
        pad_id: The token id that fills up a row; the model masks positions that hold it.
        length: Tokens of each row; None: those of the longest one.

    Returns:
        `input_ids` (padded with `pad_id`) and `token_type_ids` (padded with 0), int64 of shape (batch_size,
        sequence_length).
    """
    longest = max(len(row) for row in features) if length is None else length
    input_ids = np.full((len(features), longest), pad_id, dtype=np.int64)
    token_type_ids = np.zeros((len(features), longest), dtype=np.int64)
    for row, feature in enumerate(features):
        input_ids[row, : len(feature)] = feature.input_ids
        token_type_ids[row, : len(feature)] = feature.token_type_ids
    return {"input_ids": input_ids, "token_type_ids": token_type_ids}
