"""Texts longer than a model reads, cut into overlapping windows whose tokens keep their places in the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Tuple, cast

import numpy as np

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.text.features import MIN_SEQ_LENGTH, Features, Texts, as_inputs
from ernie_toolkit.text.tokenization import WordPieceTokenizer


@dataclass(frozen=True)
class Window(Features):
    """One sequence as the model reads it, with a stretch of one text's tokens in it.

    Attributes:
        source: The index of the text (of the pair, where the model reads a question and a context).
        first: Where in `input_ids` the stretch begins.
        begin: The index of its first token among all tokens of the text.
        total: The number of all tokens of the text.
        offsets: int32 of shape (tokens, 2), the characters [start, end) of the text that each token of the stretch was
            made of.
    """

    source: int
    first: int
    begin: int
    total: int
    offsets: np.ndarray

    @property
    def end(self) -> int:
        """The index after its last token among all tokens of the text."""
        return self.begin + len(self.offsets)

    @property
    def place(self) -> slice:
        """Where in the sequence the stretch stands."""
        return slice(self.first, self.first + len(self.offsets))


def cut(total: int, room: int, overlap: int) -> list[tuple[int, int]]:
    """Overlapping ranges [begin, end) that cover all tokens of a text.

    No token at all gives one empty range: a text of nothing readable still has an answer.

    Args:
        total: Tokens of the text.
        room: Tokens of a range at most.
        overlap: Tokens that a range shares with the next; at most half of `room` counts, so that each window advances
            by half of it at least.

    Raises:
        ValueError: On a `room` below 1.
    """
    if room < 1:
        raise ValueError(f"room for {room} tokens: it must be at least 1")
    step = room - min(overlap, room // 2)
    ranges = [(0, min(room, total))]
    while ranges[-1][1] < total:
        begin = ranges[-1][0] + step
        ranges.append((begin, min(begin + room, total)))
    return ranges


# Each of these characters is a token of its own, whatever the vocabulary, in every release of Unicode.
IDEOGRAPHS = (0x4E00, 0x9FA5)


def least_tokens(text: str) -> int:
    """No more tokens than a text has: its ideographs. Other characters may share a token or make none."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    return int(np.count_nonzero((codes >= IDEOGRAPHS[0]) & (codes <= IDEOGRAPHS[1])))


def least_windows(tokens: int, room: int, overlap: int) -> int:
    """As many ranges as `cut` makes, and 1 where it has none to make.

    Args:
        tokens: Tokens of the text.
        room: Tokens of a range at most.
        overlap: Tokens that a range shares with the next.
    """
    step = room - min(overlap, room // 2)
    return 1 + max(0, -(-(tokens - room) // step))


def kept_ranges(windows: Sequence[Window]) -> list[tuple[int, int]]:
    """For each window, which of its stretch's tokens [from, to) count, so that each token of a text counts once.

    Of an overlap each window has the half nearer to its own middle, where it sees more to both sides.

    Args:
        windows: Those of a text next to each other, in the order of the text.
    """
    ranges = []
    for number, window in enumerate(windows):
        first, last = window.begin, window.end
        if number and windows[number - 1].source == window.source:
            first = (window.begin + windows[number - 1].end) // 2
        if number + 1 < len(windows) and windows[number + 1].source == window.source:
            last = (windows[number + 1].begin + window.end) // 2
        ranges.append((first - window.begin, last - window.begin))
    return ranges


def _array(offsets: Sequence[tuple[int, int]]) -> np.ndarray:
    return np.array(offsets, dtype=np.int32).reshape(-1, 2)


def _check_length(max_seq_length: int) -> None:
    if max_seq_length < MIN_SEQ_LENGTH:
        raise ConfigError(f"max_seq_length is {max_seq_length}: it must be at least {MIN_SEQ_LENGTH}")


def text_windows(tokenizer: WordPieceTokenizer, texts: Texts, max_seq_length: int, overlap: int) -> list[Window]:
    """Windows [CLS] stretch [SEP] of single texts.

    Args:
        tokenizer: The model's tokenizer.
        texts: As `as_inputs` takes them.
        max_seq_length: Tokens of a window at most, [CLS] and [SEP] included.
        overlap: Tokens that neighbouring windows share, at most half of a window.

    Raises:
        ConfigError: On a maximum length below `MIN_SEQ_LENGTH`.
        DataError: On inputs that are not texts (see `as_inputs`).
    """
    _check_length(max_seq_length)
    singles = cast("list[str]", as_inputs(texts, "characters"))
    cls, sep = tokenizer.special.cls, tokenizer.special.sep
    windows = []
    for source, (ids, offsets) in enumerate(tokenizer.encode_offsets(singles)):
        places = _array(offsets)
        for begin, end in cut(len(ids), max_seq_length - 2, overlap):
            input_ids = [cls, *ids[begin:end], sep]
            windows.append(Window(input_ids, [0] * len(input_ids), source, 1, begin, len(ids), places[begin:end]))
    return windows


def context_windows(tokenizer: WordPieceTokenizer, texts: Texts, max_seq_length: int, overlap: int) -> list[Window]:
    """Windows [CLS] question [SEP] stretch of the context [SEP].

    A question keeps at most half of the room, from its start. Offsets are those of the context. A context that several
    questions share is tokenized once.

    Args:
        tokenizer: The model's tokenizer.
        texts: Pairs (question, context), as `as_inputs` takes them.
        max_seq_length: Tokens of a window at most, [CLS] and [SEP] included.
        overlap: Tokens that neighbouring windows share, at most half of a window.

    Raises:
        ConfigError: On a maximum length below `MIN_SEQ_LENGTH`.
        DataError: On inputs that are not pairs of texts (see `as_inputs`).
    """
    _check_length(max_seq_length)
    pairs = cast("list[Tuple[str, str]]", as_inputs(texts, "question_context"))
    cls, sep = tokenizer.special.cls, tokenizer.special.sep
    room = max_seq_length - 3
    unique = list(dict.fromkeys(context for _, context in pairs))
    contexts = {
        text: (ids, _array(offsets)) for text, (ids, offsets) in strict_zip(unique, tokenizer.encode_offsets(unique))
    }
    questions = tokenizer.encode_ids([question for question, _ in pairs])
    windows = []
    for source, (question, (_, context)) in enumerate(strict_zip(questions, pairs)):
        head = [cls, *question[: room // 2], sep]
        ids, places = contexts[context]
        for begin, end in cut(len(ids), max_seq_length - len(head) - 1, overlap):
            types = [0] * len(head) + [1] * (end - begin + 1)
            windows.append(
                Window([*head, *ids[begin:end], sep], types, source, len(head), begin, len(ids), places[begin:end])
            )
    return windows
