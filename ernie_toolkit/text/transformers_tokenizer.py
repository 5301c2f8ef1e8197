"""tokenizer.json as Hugging Face's transformers reads and writes it: with special tokens and what goes around a text.

The toolkit's own file has neither (see `tokenization`): its tasks put the special tokens in themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken
from tokenizers.processors import TemplateProcessing

from ernie_toolkit.errors import ModelError
from ernie_toolkit.files.parsing import decode_json, read_json_object
from ernie_toolkit.text.tokenization import (
    CONTINUATION,
    MAX_CHARS_PER_WORD,
    SPECIAL_TOKENS,
    VOCAB_FILE,
    build_tokenizer,
    check_special_tokens,
)

_REMEDY = f"put the model's {VOCAB_FILE} beside it"
_MODEL = {
    "type": "WordPiece",
    "unk_token": "[UNK]",
    "continuing_subword_prefix": CONTINUATION,
    "max_input_chars_per_word": MAX_CHARS_PER_WORD,
}


def transformers_tokenizer(tokens: Sequence[str], do_lower_case: bool) -> str:
    """Return a tokenizer.json with the ids of `build_tokenizer`, [CLS] before a text and [SEP] behind each.

    Args:
        tokens: A token for each id.
        do_lower_case: Whether texts are lower-cased and lose their accents.

    Raises:
        ModelError: Where a special token is missing or repeated.
    """
    built = build_tokenizer(tokens, do_lower_case)
    tokenizer = built.tokenizer
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", built.special.cls), ("[SEP]", built.special.sep)],
    )
    text: str = tokenizer.to_str()
    return text + "\n"


def read_tokenizer_vocabulary(path: Path) -> tuple[list[str], bool]:
    """Read the tokens of a tokenizer.json in the order of their ids, and whether texts are lower-cased.

    Args:
        path: The file. Its steps are BERT's (`BertNormalizer`, `BertPreTokenizer`), or those that this toolkit writes
            itself; ids without a token get names that no text has.

    Raises:
        ModelError: Where it cannot be read, or its model or one of its steps is another: ids would differ from those of
            the model's training.
    """
    found = read_json_object(path, ModelError, _REMEDY)
    model = found.get("model")
    vocab = model.get("vocab") if isinstance(model, dict) else None
    for key, wanted in _MODEL.items():
        value = model.get(key) if isinstance(model, dict) else None
        if value != wanted:
            raise _other(path, f"its model has {key} {value!r:.40}, not {wanted!r}")
    tokens = _tokens(path, vocab)
    _check_added(path, found.get("added_tokens") or [], tokens)
    return tokens, _lower_case(path, found.get("normalizer"), found.get("pre_tokenizer"))


def _other(path: Path, reason: str) -> ModelError:
    return ModelError(f"{path}: not a tokenizer as BERT has it ({reason}): take another model, or {_REMEDY}")


def _tokens(path: Path, vocab: Any) -> list[str]:
    if not isinstance(vocab, dict) or not vocab or not all(type(place) is int for place in vocab.values()):
        raise _other(path, "its vocabulary is no object of tokens to numbers")
    places = {place: token for token, place in vocab.items()}
    highest = max(places)
    # A token that vocab.txt lists twice leaves a hole; one that is nowhere near the others would take the memory.
    if len(places) < len(vocab) or min(places) < 0 or highest >= 2 * len(vocab):
        raise _other(path, "its ids are not those of lines in a file")
    tokens = [places.get(place, f"[unused {place}]") for place in range(highest + 1)]
    check_special_tokens(tokens, str(path))
    return tokens


def _check_added(path: Path, added: Any, tokens: list[str]) -> None:
    """ModelError where a token was added that is looked for in texts before they are split."""
    if not isinstance(added, list) or not all(isinstance(item, dict) for item in added):
        raise _other(path, "added_tokens is no list of objects")
    for item in added:
        token, place = item.get("content"), item.get("id")
        if token not in SPECIAL_TOKENS or type(place) is not int or tokens[place : place + 1] != [token]:
            raise _other(path, f"it has an added token {token!r:.40}")


def _lower_case(path: Path, normalizer: Any, splitter: Any) -> bool:
    kind = normalizer.get("type") if isinstance(normalizer, dict) else None
    if kind == "BertNormalizer":
        lower = normalizer.get("lowercase") is True
        accents = normalizer.get("strip_accents")
        for key in ("clean_text", "handle_chinese_chars"):
            if normalizer.get(key) is not True:
                raise _other(path, f"its normalizer has {key} {normalizer.get(key)!r:.20}, not true")
        if accents is not None and accents is not lower:
            raise _other(path, f"its normalizer has strip_accents {accents!r:.20} and lowercase {lower}")
        if not isinstance(splitter, dict) or splitter.get("type") != "BertPreTokenizer":
            raise _other(path, "its pre-tokenizer is not BertPreTokenizer")
        return lower
    for lower in (True, False):
        own = decode_json(build_tokenizer(SPECIAL_TOKENS, lower).tokenizer.to_str())
        if (own["normalizer"], own["pre_tokenizer"]) == (normalizer, splitter):
            return lower
    raise _other(path, f"its normalizer is {kind!r:.40}, not BertNormalizer")
