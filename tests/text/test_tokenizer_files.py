"""The tokenizer's files: vocabularies, tokenizer.json, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, processors
from vocabularies import CASES, LITTLE_VOCAB, NOTABLE, character_vocab, write_vocab

from ernie_toolkit.errors import ModelError
from ernie_toolkit.text.tokenization import (
    SPECIAL_TOKENS,
    SpecialIds,
    WordPieceTokenizer,
    build_tokenizer,
    load_tokenizer,
    read_vocab,
)


@pytest.fixture(scope="module")
def little() -> WordPieceTokenizer:
    return build_tokenizer(LITTLE_VOCAB)


def test_special_tokens_in_a_text_are_plain_text(little: WordPieceTokenizer) -> None:
    ids = little.encode_ids(["a[MASK]a", "[SEP]", "[UNK]"])
    assert [little.tokenizer.id_to_token(id_) for id_ in ids[0]] == ["a", "[", "mask", "]", "a"]
    for special in (little.special.sep, little.special.mask, little.special.cls, little.special.pad):
        assert all(special not in row for row in ids)


@pytest.mark.parametrize("do_lower_case", [True, False])
def test_tokenizer_json_alone_gives_the_same_ids(tmp_path: Path, do_lower_case: bool) -> None:
    built = build_tokenizer(character_vocab([ord(char) for char in NOTABLE]), do_lower_case)
    built.save(tmp_path / "export" / "tokenizer.json")
    assert [path.name for path in (tmp_path / "export").iterdir()] == ["tokenizer.json"]
    texts = [text for text in CASES if text.isprintable() or text.isascii()]
    for path in (tmp_path / "export", tmp_path / "export" / "tokenizer.json"):
        loaded = load_tokenizer(path)
        assert (loaded.special, loaded.vocab_size) == (built.special, built.vocab_size)
        assert loaded.encode_offsets(CASES) == built.encode_offsets(CASES)
    plain = Tokenizer.from_file(str(tmp_path / "export" / "tokenizer.json"))
    assert [plain.encode(text).ids for text in texts] == built.encode_ids(texts)


def test_special_ids_follow_the_vocabulary() -> None:
    tokenizer = build_tokenizer(["a", *reversed(SPECIAL_TOKENS)])
    assert tokenizer.special == SpecialIds(pad=5, cls=4, sep=3, mask=2, unk=1)
    assert tokenizer.encode_ids(["a b"]) == [[0, 1]]


def test_windows_line_ends_and_no_last_line_end(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes("\r\n".join([*SPECIAL_TOKENS, "\u2028", "a"]).encode())
    assert read_vocab(path) == [*SPECIAL_TOKENS, "\u2028", "a"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        ("\n".join(["[PAD]", "[CLS]", "a", "[UNK]"]).encode(), r"lacks \[SEP\], \[MASK\]"),
        ("\n".join([*SPECIAL_TOKENS, "a", "[SEP]"]).encode(), r"\[SEP\] more than once"),
        ("\ufeff" + "\n".join(SPECIAL_TOKENS), r"lacks \[PAD\]"),
        (b"\xff\xfe[PAD]", "is not UTF-8"),
    ],
)
def test_vocabularies_that_cannot_be_used(tmp_path: Path, content: bytes | str | None, message: str) -> None:
    path = tmp_path / "vocab.txt"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ModelError, match=message) as caught:
        read_vocab(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_building_checks_the_special_tokens() -> None:
    with pytest.raises(ModelError, match=r"lacks \[MASK\]"):
        build_tokenizer([token for token in SPECIAL_TOKENS if token != "[MASK]"])
    with pytest.raises(ModelError, match=r"\[PAD\] more than once"):
        build_tokenizer([*SPECIAL_TOKENS, "[PAD]"])


@pytest.mark.parametrize(
    ("config", "lowered"),
    [(None, True), ("{}", True), ('{"do_lower_case": true}', True), ('{"do_lower_case": false}', False)],
)
def test_model_directory_says_whether_to_lowercase(tmp_path: Path, config: str | None, lowered: bool) -> None:
    write_vocab(tmp_path / "vocab.txt", [*SPECIAL_TOKENS, "a"])
    (tmp_path / "tokenizer.json").write_text("another library's", encoding="utf-8")
    if config is not None:
        (tmp_path / "tokenizer_config.json").write_text(config, encoding="utf-8")
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.encode_ids(["A"]) == [[5 if lowered else tokenizer.special.unk]]


@pytest.mark.parametrize("config", ["{", "[]", '{"do_lower_case": "false"}', '{"do_lower_case": null}'])
def test_tokenizer_config_that_cannot_be_used(tmp_path: Path, config: str) -> None:
    write_vocab(tmp_path / "vocab.txt", SPECIAL_TOKENS)
    (tmp_path / "tokenizer_config.json").write_text(config, encoding="utf-8")
    with pytest.raises(ModelError, match=r"tokenizer_config\.json"):
        load_tokenizer(tmp_path)


def test_paths_without_a_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds neither"):
        load_tokenizer(tmp_path)
    with pytest.raises(ModelError, match="cannot be read"):
        load_tokenizer(tmp_path / "nowhere")
    (tmp_path / "tokenizer.json").write_text('{"version": ', encoding="utf-8")
    with pytest.raises(ModelError, match="is not a tokenizer"):
        load_tokenizer(tmp_path)


def test_tokenizers_of_another_kind_are_refused(tmp_path: Path, little: WordPieceTokenizer) -> None:
    path = tmp_path / "tokenizer.json"
    other = Tokenizer.from_str(little.tokenizer.to_str())
    other.add_special_tokens(["[MASK]"])
    other.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    other.save(str(path))
    with pytest.raises(ModelError, match="has special tokens and a post-processor of its own"):
        load_tokenizer(path)
    content = json.loads(little.tokenizer.to_str())
    del content["model"]["vocab"]["[SEP]"]
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError, match=r"lacks \[SEP\]"):
        load_tokenizer(path)
    content["model"] = {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError, match="not a WordPiece tokenizer"):
        load_tokenizer(path)


def test_saving_replaces_the_file_whole(tmp_path: Path, little: WordPieceTokenizer, monkeypatch: Any) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text("earlier", encoding="utf-8")

    def fail(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", fail)
        with pytest.raises(OSError, match="no space left"):
            little.save(path)
    assert path.read_text(encoding="utf-8") == "earlier"
    assert [item.name for item in tmp_path.iterdir()] == ["tokenizer.json"]
    little.save(path)
    assert load_tokenizer(path).encode_ids(["你好"]) == little.encode_ids(["你好"])
