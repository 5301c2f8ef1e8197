"""Contexts, questions and choices to model inputs: a row for each choice, the rows of a question next to each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.text.blanks import BLANK, blank_of
from ernie_toolkit.text.features import MIN_SEQ_LENGTH, Features, TextInput, truncated_lengths
from ernie_toolkit.text.tokenization import WordPieceTokenizer


@dataclass(frozen=True)
class ChoiceRow(Features):
    """One choice of a question as the model reads it.

    Attributes:
        source: The number of its input, from 0.
        cut: Whether tokens were lost at the maximum length.
    """

    source: int
    cut: bool


def choice_rows(
    tokenizer: WordPieceTokenizer, inputs: Sequence[TextInput], max_seq_length: int, text_format: str
) -> list[ChoiceRow]:
    """A row for each choice, [CLS] context [SEP] question choice [SEP].

    Of what is too long, the longer of the two texts loses its end first, and the second one loses the question's end
    before the choice's. In "cloze" the context is the window around the question's blank, which [MASK] stands for,
    within its own line; for other blanks in it stands [UNK]: something that is not known.

    Args:
        tokenizer: The model's tokenizer.
        inputs: Contexts, questions and choices, as `as_inputs` returns them.
        max_seq_length: Tokens of a row at most, [CLS] and [SEP] included.
        text_format: One of `CHOICE_FORMATS`.

    Raises:
        ConfigError: On a maximum length below `MIN_SEQ_LENGTH`.
        DataError: On a question that is not a blank of its context, where it must be one.
    """
    if max_seq_length < MIN_SEQ_LENGTH:
        raise ConfigError(f"max_seq_length is {max_seq_length}: it must be at least {MIN_SEQ_LENGTH}")
    encoded = _tokens(tokenizer, {text for given in inputs for text in given[2:]})
    if text_format == "cloze":
        return list(_cloze_rows(tokenizer, inputs, encoded, max_seq_length - 3))
    encoded.update(_tokens(tokenizer, {text for given in inputs for text in given[:2]}))
    return list(_plain_rows(tokenizer, inputs, encoded, max_seq_length - 3))


def _tokens(tokenizer: WordPieceTokenizer, texts: set[str]) -> dict[str, list[int]]:
    """The ids of each text; one that several inputs share is tokenized once."""
    unique = sorted(texts)
    return dict(strict_zip(unique, tokenizer.encode_ids(unique)))


def _plain_rows(
    tokenizer: WordPieceTokenizer, inputs: Sequence[TextInput], encoded: dict[str, list[int]], room: int
) -> Iterator[ChoiceRow]:
    for source, given in enumerate(inputs):
        first, asked = encoded[given[0]], encoded[given[1]]
        for choice in given[2:]:
            own = encoded[choice]
            kept, kept_second = truncated_lengths(len(first), len(asked) + len(own), room)
            kept_choice = min(len(own), kept_second)
            second = asked[: kept_second - kept_choice] + own[:kept_choice]
            cut = len(first) + len(asked) + len(own) > room
            yield _row(tokenizer, first[:kept], second, source, cut)


def _cloze_rows(
    tokenizer: WordPieceTokenizer, inputs: Sequence[TextInput], encoded: dict[str, list[int]], room: int
) -> Iterator[ChoiceRow]:
    sides = [_sides(given[0], blank_of(given[0], given[1])) for given in inputs]
    pieces = _tokens(tokenizer, {text for pair in sides for side in pair for text in BLANK.split(side)})
    for source, (given, (before, after)) in enumerate(strict_zip(inputs, sides)):
        choices = [encoded[text][: room // 2] for text in given[2:]]
        left, right = (_joined(side, pieces, tokenizer.special.unk) for side in (before, after))
        # One window for all choices, so that nothing but the choice differs.
        space = room - max(map(len, choices)) - 1
        kept_left = min(len(left), max(space // 2, space - len(right)))
        kept_right = min(len(right), space - kept_left)
        window = [*left[len(left) - kept_left :], tokenizer.special.mask, *right[:kept_right]]
        cut = kept_left < len(left) or kept_right < len(right)
        for choice in choices:
            yield _row(tokenizer, window, choice, source, cut)


def _sides(context: str, blank: str) -> tuple[str, str]:
    """What stands before and after a blank in its line."""
    line = next(line for line in context.split("\n") if blank in line)
    before, _, after = line.partition(blank)
    return before, after


def _joined(side: str, pieces: dict[str, list[int]], unknown: int) -> list[int]:
    first, *others = (pieces[text] for text in BLANK.split(side))
    return first + [token for piece in others for token in (unknown, *piece)]


def _row(tokenizer: WordPieceTokenizer, first: list[int], second: list[int], source: int, cut: bool) -> ChoiceRow:
    cls, sep = tokenizer.special.cls, tokenizer.special.sep
    types = [0] * (len(first) + 2) + [1] * (len(second) + 1)
    return ChoiceRow([cls, *first, sep, *second, sep], types, source, cut)
