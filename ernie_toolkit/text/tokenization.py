"""WordPiece tokenization with the Rust `tokenizers`, with the ids of PaddleNLP's Python `ErnieTokenizer`.

The stock BERT normalizer and pre-tokenizer of `tokenizers` give other ids than `ErnieTokenizer`: they keep
runs of symbols together, carry character tables of other Unicode versions, and look for special tokens
inside texts. Here every step is spelt out, with character classes taken from the `unicodedata` of the
Python that builds the tokenizer, which are the ones that `ErnieTokenizer` consults:

1. drop control, format, private-use and unassigned characters, and U+FFFD;
2. if `do_lower_case`: lowercase, decompose (NFD), drop nonspacing marks;
3. split: every ideograph, punctuation mark and symbol is a word of its own, whitespace ends a word;
4. WordPiece, longest match first (Devlin et al., 2019, https://arxiv.org/abs/1810.04805).

All of it is written into tokenizer.json, so the plain `tokenizers` package gives the same ids from that
file alone, and serving keeps the tables that training used. No special token is registered: "[MASK]" in a
user's text is five pieces of text, where `ErnieTokenizer` would read it as the mask token.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import List, Tuple

import numpy as np
from tokenizers import Encoding, Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.errors import ModelError
from ernie_toolkit.files import write_text
from ernie_toolkit.files.parsing import decode_json, read_json_object, read_utf8

SPECIAL_TOKENS = ("[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]")
TOKENIZER_FILE = "tokenizer.json"
VOCAB_FILE = "vocab.txt"
TOKENIZER_CONFIG_FILE = "tokenizer_config.json"
CONTINUATION = "##"
MAX_CHARS_PER_WORD = 100
"""A longer word is [UNK] as a whole."""

_CODE_POINTS = 0x110000
_REPLACEMENT = 0xFFFD
_SURROGATES = (0xD800, 0xDFFF)
_WHITESPACE_CONTROLS = (0x09, 0x0A, 0x0D)
# The blocks that BERT calls Chinese characters; extensions G and later are letters like any other.
_IDEOGRAPHS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
# ASCII characters that are neither letters, digits, space nor control: some are symbols to Unicode, not here.
_ASCII_PUNCTUATION = ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E))
# Letters, digits and U+00AD that ERNIE's vocabulary treats as symbols although Unicode does not.
_EXTRA_SYMBOLS = (0xAD, 0xB2, 0xB5, 0xBA, 0xD8, 0x14B, 0x1B1, 0x3007)
# The one canonical decomposition (Unicode 13) that the tables of tokenizers 0.21 do not have.
_MISSING_DECOMPOSITION = ("\U00011938", "\U00011935\U00011930")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

# Encodings are large: held for all of 53,360 titles at once they double the time.
_TEXTS_AT_ONCE = 256

Offsets = List[Tuple[int, int]]

PARALLELISM = "TOKENIZERS_PARALLELISM"
# Any value but a few means yes; this one distinguishes ours from the user's in processes that inherit it.
_PARALLEL, _ALONE = "parallel", "no"


def _settle_parallelism() -> None:
    """Say what `tokenizers` otherwise warns of at every fork: threads in this process, none in its forked children.

    A child has none of its parent's threads, and would wait for them for ever. What the user has set stays.
    """
    if os.environ.get(PARALLELISM, _PARALLEL) == _PARALLEL:
        os.environ[PARALLELISM] = _PARALLEL
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: os.environ.update({PARALLELISM: _ALONE}))


_settle_parallelism()


@dataclass(frozen=True)
class SpecialIds:
    """Ids of the special tokens in one vocabulary."""

    pad: int
    cls: int
    sep: int
    mask: int
    unk: int


class WordPieceTokenizer:
    """A Rust tokenizer for plain texts, and the ids of the special tokens that go around them.

    Attributes:
        special: Ids of the special tokens.
        vocab_size: Lines of the vocabulary.

    Args:
        tokenizer: Adds no special tokens, cuts nothing and pads nothing.
        source: Where it comes from, for messages.

    Raises:
        ModelError: Where `tokenizer` is not a WordPiece with ERNIE's special tokens, or does more to a text than this.
    """

    def __init__(self, tokenizer: Tokenizer, source: str = "the tokenizer") -> None:
        if not isinstance(tokenizer.model, WordPiece):
            raise ModelError(f"{source} is not a WordPiece tokenizer: build one from the model's {VOCAB_FILE}")
        extras = {
            "special tokens": tokenizer.get_added_tokens_decoder(),
            "a post-processor": tokenizer.post_processor,
            "truncation": tokenizer.truncation,
            "padding": tokenizer.padding,
        }
        if found := [name for name, value in extras.items() if value]:
            raise ModelError(
                f"{source} has {' and '.join(found)} of its own, so its ids could differ from those of "
                f"training: build one from the model's {VOCAB_FILE}"
            )
        ids = [tokenizer.token_to_id(token) for token in SPECIAL_TOKENS]
        check_special_tokens([token for token, id_ in strict_zip(SPECIAL_TOKENS, ids) if id_ is not None], source)
        self.tokenizer = tokenizer
        self.special = SpecialIds(*ids)
        self.vocab_size: int = tokenizer.get_vocab_size()

    def encode_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, without special tokens; an empty list for a text that holds no token."""
        return [encoding.ids for encoding in _encode(self.tokenizer.encode_batch_fast, texts)]

    def encode_offsets(self, texts: Sequence[str]) -> list[tuple[list[int], Offsets]]:
        r"""Token ids of each text, as `encode_ids`, and where in the text each token stands.

        Offsets are [start, end) in characters of the text as given: `text[start:end]` is what the token was made of.
        Tokens made of one character (a Hangul syllable, say) have the same offsets. Only where a spacing mark that
        canonical ordering moves (U+302E, say) follows "\u0130", the token's end is one character early: correcting that
        would cost every text four percent.
        """
        return [(encoding.ids, encoding.offsets) for encoding in _encode(self.tokenizer.encode_batch, texts)]

    def save(self, path: Path) -> None:
        """Write tokenizer.json, whole or not at all; it needs no other file."""
        write_text(Path(path), self.tokenizer.to_str() + "\n")


def _encode(encode_batch: Callable[..., list[Encoding]], texts: Sequence[str]) -> Iterator[Encoding]:
    texts = list(texts)
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        batch = texts[start : start + _TEXTS_AT_ONCE]
        try:
            encodings = encode_batch(batch, add_special_tokens=False)
        except TypeError:
            # A lone surrogate has no UTF-8 form for Rust to read. U+FFFD is dropped as a surrogate would be,
            # and takes one character as well, so offsets stay right.
            if not all(isinstance(text, str) for text in batch):
                raise
            readable = [_LONE_SURROGATE.sub(chr(_REPLACEMENT), text) for text in batch]
            encodings = encode_batch(readable, add_special_tokens=False)
        yield from encodings


def check_special_tokens(tokens: Iterable[str], source: str) -> None:
    """Check that every special token is there exactly once.

    Args:
        tokens: A vocabulary.
        source: Where it comes from, for messages.

    Raises:
        ModelError: Where one is missing or repeated.
    """
    counts = Counter(token for token in tokens if token in SPECIAL_TOKENS)
    if missing := [token for token in SPECIAL_TOKENS if not counts[token]]:
        raise ModelError(f"{source} lacks {', '.join(missing)}: use the {VOCAB_FILE} that belongs to the model")
    if repeated := [token for token, count in counts.items() if count > 1]:
        raise ModelError(f"{source} holds {', '.join(repeated)} more than once: use the model's own {VOCAB_FILE}")


def read_vocab(path: Path) -> list[str]:
    """Read a vocabulary of one token a line; the line number, from 0, is the token's id.

    Blank lines at the end are left out. Other repeated or blank lines are kept, because the lines after them keep their
    numbers (ERNIE 3.0's own vocabulary has "$" twice).

    Raises:
        ModelError: Where the file is missing, empty, not UTF-8, or does not have every special token exactly once.
    """
    # Lines end as in PaddleNLP: at \n, \r\n and \r, not at U+2028, which some files hold.
    text = read_utf8(Path(path), ModelError, f"put the model's {VOCAB_FILE} there, in UTF-8")
    tokens = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    while tokens and not tokens[-1]:
        tokens.pop()
    if not tokens:
        raise ModelError(f"{path} is empty: use the {VOCAB_FILE} that belongs to the model")
    check_special_tokens(tokens, str(path))
    return tokens


def build_tokenizer(vocab: Sequence[str], do_lower_case: bool = True) -> WordPieceTokenizer:
    """Build a tokenizer from a vocabulary in the order of its ids.

    Of a token that is there twice the last id counts, as in PaddleNLP.

    Args:
        vocab: A token for each id.
        do_lower_case: Whether texts are lower-cased and lose their accents.

    Raises:
        ModelError: Where a special token is missing or repeated.
    """
    check_special_tokens(vocab, "the vocabulary")
    last_ids = {token: id_ for id_, token in enumerate(vocab)}
    # An id without a token would be a hole, which `tokenizers` warns of on standard output when it saves.
    # A name with a space fills it: no word has one.
    names = {id_: token if token and last_ids[token] == id_ else f"[unused {id_}]" for id_, token in enumerate(vocab)}
    model = WordPiece(
        {token: id_ for id_, token in names.items()},
        unk_token="[UNK]",
        max_input_chars_per_word=MAX_CHARS_PER_WORD,
        continuing_subword_prefix=CONTINUATION,
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = _normalizer(do_lower_case)
    tokenizer.pre_tokenizer = _pre_tokenizer()
    return WordPieceTokenizer(tokenizer, "the vocabulary")


def load_tokenizer(path: Path) -> WordPieceTokenizer:
    """Load a tokenizer.json, or what a model directory holds: vocab.txt, or else tokenizer.json.

    vocab.txt comes first because a tokenizer.json beside it may be another library's. With vocab.txt, `do_lower_case`
    is read from tokenizer_config.json (absent: true).

    Raises:
        ModelError: Where neither is there or one cannot be used.
    """
    path = Path(path)
    if path.is_dir():
        if (path / VOCAB_FILE).is_file():
            return build_tokenizer(read_vocab(path / VOCAB_FILE), read_do_lower_case(path / TOKENIZER_CONFIG_FILE))
        if not (path / TOKENIZER_FILE).is_file():
            raise ModelError(f"{path} holds neither {VOCAB_FILE} nor {TOKENIZER_FILE}: is it a model directory?")
        path = path / TOKENIZER_FILE
    text = read_utf8(path, ModelError, f"give a model directory or its {TOKENIZER_FILE}")
    try:
        decode_json(text)
        tokenizer = Tokenizer.from_str(text)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a bare Exception for what it cannot read, and its panics are not even that
        raise ModelError(f"{path} is not a tokenizer ({error!s:.200}): export the model again") from error
    return WordPieceTokenizer(tokenizer, str(path))


def read_do_lower_case(path: Path) -> bool:
    """Whether a tokenizer_config.json asks for lower case (absent: true).

    Raises:
        ModelError: Where it cannot be read.
    """
    if not path.is_file():
        return True
    value = read_json_object(path, ModelError, "mend it or take it away").get("do_lower_case", True)
    if not isinstance(value, bool):
        raise ModelError(f"{path}: do_lower_case must be true or false")
    return value


def is_ideograph(character: str) -> bool:
    """Whether a character is of the blocks that BERT calls Chinese characters: each is a word of its own."""
    return any(start <= ord(character) <= end for start, end in _IDEOGRAPHS)


def _normalizer(do_lower_case: bool) -> normalizers.Normalizer:
    classes = _character_classes()
    if not do_lower_case:
        return normalizers.Replace(Regex(f"[{classes.dropped}]"), "")
    return normalizers.Sequence(
        [
            # Marks that canonical ordering moves are dropped before it as well as after it: those newer than
            # the tables of `tokenizers` would keep other marks from moving.
            normalizers.Replace(Regex(f"[{classes.dropped}{classes.moving_marks}]"), ""),
            normalizers.Replace(*_MISSING_DECOMPOSITION),
            normalizers.Lowercase(),
            normalizers.NFD(),
            normalizers.Replace(Regex(f"[{classes.marks}]"), ""),
        ]
    )


def _pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    classes = _character_classes()
    # One pass over the text: splitting in steps (whitespace, then ideographs, then symbols) takes longer.
    words = f"[{classes.single}]|[^{classes.single}{classes.space}]++"
    return pre_tokenizers.Split(Regex(words), "removed", invert=True)


@dataclass(frozen=True)
class _CharacterClasses:
    """Contents of regular-expression brackets."""

    dropped: str
    marks: str
    moving_marks: str
    single: str
    space: str


@lru_cache(maxsize=1)
def _character_classes() -> _CharacterClasses:
    """The classes of characters that `ErnieTokenizer` distinguishes, from this Python's `unicodedata`."""
    names = "".join(map(unicodedata.category, map(chr, range(_CODE_POINTS))))
    category = np.frombuffer(names.encode("ascii"), dtype="S2")
    major = category.view("S1")[::2]

    dropped = major == b"C"
    dropped[list(_WHITESPACE_CONTROLS)] = False
    dropped[_REPLACEMENT] = True
    # Rust texts hold no surrogates, and its regular expressions refuse them.
    dropped[_SURROGATES[0] : _SURROGATES[1] + 1] = False

    space = major == b"Z"
    space[list(_WHITESPACE_CONTROLS)] = True

    single = (major == b"P") | (major == b"S")
    single[list(_EXTRA_SYMBOLS)] = True
    for start, end in (*_IDEOGRAPHS, *_ASCII_PUNCTUATION):
        single[start : end + 1] = True

    marks = category == b"Mn"
    moving_marks = np.zeros_like(marks)
    moving_marks[[cp for cp in np.flatnonzero(marks).tolist() if unicodedata.combining(chr(cp))]] = True
    return _CharacterClasses(*(_bracket(mask) for mask in (dropped, marks, moving_marks, single, space)))


def _bracket(mask: np.ndarray) -> str:
    r"""Ranges of the code points where a boolean mask of shape (0x110000,) is true: \x{41}-\x{5A}\x{5F}..."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)).tolist()
    ranges = strict_zip(edges[::2], edges[1::2])
    return "".join(rf"\x{{{a:X}}}" if b - a == 1 else rf"\x{{{a:X}}}-\x{{{b - 1:X}}}" for a, b in ranges)
