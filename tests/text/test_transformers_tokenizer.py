"""tokenizer.json as transformers has it: what is read of it, what is refused, what is written."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece

from ernie_toolkit.errors import ModelError
from ernie_toolkit.models.vocabulary import read_vocabulary
from ernie_toolkit.text.tokenization import SPECIAL_TOKENS, build_tokenizer
from ernie_toolkit.text.transformers_tokenizer import read_tokenizer_vocabulary, transformers_tokenizer

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b", "好", "$", "$"]


def bert_file(**changes: Any) -> dict[str, Any]:
    """A tokenizer.json as transformers writes it of a BertTokenizer."""
    tokenizer = Tokenizer(WordPiece({token: place for place, token in enumerate(TOKENS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=changes.pop("lowercase", True))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    content: dict[str, Any] = json.loads(tokenizer.to_str())
    for key, value in changes.items():
        part, _, inner = key.partition("__")
        if inner:
            content[part][inner] = value
        else:
            content[part] = value
    return content


def write(directory: Path, content: dict[str, Any]) -> Path:
    path = directory / "tokenizer.json"
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


@pytest.mark.parametrize("lower", [True, False])
def test_the_vocabulary_and_lower_casing_are_read(lower: bool, tmp_path: Path) -> None:
    write(tmp_path, bert_file(lowercase=lower))
    found = read_vocabulary(tmp_path)
    # Of a token that vocab.txt had twice the file has the last place alone.
    assert found.tokens == (*TOKENS[:8], "[unused 8]", "$") and found.do_lower_case == lower
    texts = ["ab 好$", "AB"]
    tokenizers = [build_tokenizer(tokens, lower) for tokens in (TOKENS, found.tokens)]
    assert tokenizers[0].encode_ids(texts) == tokenizers[1].encode_ids(texts)
    (tmp_path / "vocab.txt").write_text("\n".join(TOKENS), encoding="utf-8")
    assert read_vocabulary(tmp_path).tokens == tuple(TOKENS)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model__type": "BPE"}, "its model has type 'BPE', not 'WordPiece'"),
        ({"model__unk_token": "<unk>"}, "unk_token '<unk>'"),
        ({"model__max_input_chars_per_word": 20}, "max_input_chars_per_word 20, not 100"),
        ({"model__vocab": {"a": 0}}, r"lacks \[PAD\]"),
        (
            {"model__vocab": {**{token: place for place, token in enumerate(TOKENS)}, "far": 10**9}},
            "not those of lines",
        ),
        ({"model__vocab": dict.fromkeys(TOKENS, 1)}, "not those of lines"),
        ({"model__vocab": ["a"]}, "no object of tokens to numbers"),
        ({"model": None}, "its model has type None"),
        ({"normalizer": None}, "its normalizer is None, not BertNormalizer"),
        ({"normalizer__strip_accents": False}, "strip_accents False and lowercase True"),
        ({"normalizer__handle_chinese_chars": False}, "handle_chinese_chars False, not true"),
        ({"pre_tokenizer__type": "Whitespace"}, "its pre-tokenizer is not BertPreTokenizer"),
        ({"added_tokens": [{"id": 5, "content": "a"}]}, "it has an added token 'a'"),
        ({"added_tokens": [{"id": 5, "content": "[PAD]"}]}, r"it has an added token '\[PAD\]'"),
        ({"added_tokens": "none"}, "added_tokens is no list"),
    ],
)
def test_other_tokenizers_are_refused(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = write(tmp_path, bert_file(**changes))
    with pytest.raises(ModelError, match=reason) as caught:
        read_tokenizer_vocabulary(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@given(
    extra=st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=4), unique=True, max_size=6).filter(
        lambda tokens: not set(tokens) & set(SPECIAL_TOKENS)
    ),
    lower=st.booleans(),
    draw=st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=20)
def test_what_is_written_is_read_back(
    extra: list[str], lower: bool, draw: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tokens = [*SPECIAL_TOKENS, *extra]
    draw.shuffle(tokens)
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_text(transformers_tokenizer(tokens, lower), encoding="utf-8")
    assert read_tokenizer_vocabulary(path) == (tokens, lower)


def test_special_tokens_go_around_texts(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_str(transformers_tokenizer(TOKENS, True))
    found = tokenizer.encode("AB", "好 $")
    assert found.tokens == ["[CLS]", "a", "##b", "[SEP]", "好", "$", "[SEP]"]
    assert found.type_ids == [0, 0, 0, 0, 1, 1, 1]
