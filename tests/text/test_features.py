"""Texts to model inputs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.models import Vocabulary
from ernie_toolkit.text.features import Features, encode, mark_spans, pad_batch, texts_of, truncated_lengths
from ernie_toolkit.text.tokenization import WordPieceTokenizer, build_tokenizer

TEXT = st.text(min_size=1).filter(lambda text: bool(text.strip()))


@pytest.fixture(scope="module")
def tokenizer(vocabulary: Vocabulary) -> WordPieceTokenizer:
    return build_tokenizer(vocabulary.tokens)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(2, 80))
def test_truncation_equals_taking_tokens_one_by_one(first: int, second: int, room: int) -> None:
    a, b = first, second
    while a + b > room:
        a, b = (a - 1, b) if a > b else (a, b - 1)
    assert truncated_lengths(first, second, room) == (a, b)


@given(a=TEXT, b=TEXT, limit=st.integers(5, 40))
def test_layout_of_sequences(tokenizer: WordPieceTokenizer, a: str, b: str, limit: int) -> None:
    cls, sep = tokenizer.special.cls, tokenizer.special.sep
    (ids_a,), (ids_b,) = tokenizer.encode_ids([a]), tokenizer.encode_ids([b])
    single = encode(tokenizer, [a], limit)[0]
    assert single.input_ids == [cls, *ids_a[: limit - 2], sep]
    assert single.token_type_ids == [0] * len(single)
    pair = encode(tokenizer, [(a, b)], limit, "pair")[0]
    kept_a, kept_b = truncated_lengths(len(ids_a), len(ids_b), limit - 3)
    assert pair.input_ids == [cls, *ids_a[:kept_a], sep, *ids_b[:kept_b], sep]
    assert pair.token_type_ids == [0] * (kept_a + 2) + [1] * (kept_b + 1)
    assert len(pair) <= limit


def test_special_tokens_in_a_text_stay_plain_text(tokenizer: WordPieceTokenizer) -> None:
    ids = encode(tokenizer, ["开[SEP]始[MASK][CLS]"], 64)[0].input_ids
    assert ids.count(tokenizer.special.sep) == 1 and ids.count(tokenizer.special.cls) == 1
    assert tokenizer.special.mask not in ids


def test_pairs_are_cut_as_paddlenlp_cuts_them(tokenizer: WordPieceTokenizer, model_dir: object) -> None:
    from paddlenlp.transformers import ErnieTokenizer

    peer = ErnieTokenizer.from_pretrained(str(model_dir))
    first, second = "今天的天气怎么样适合出门散步吗", "明天会不会下雨"
    for limit in range(8, 26):
        ours = encode(tokenizer, [(first, second)], limit, "pair")[0]
        theirs = peer(first, second, max_length=limit, truncation=True)
        assert ours == Features(theirs["input_ids"], theirs["token_type_ids"]), limit


@pytest.mark.parametrize(
    ("example", "text_format", "expected"),
    [
        ({"sentence": "标题", "keywords": "a"}, "sentence", "标题"),
        ({"sentence1": "甲", "sentence2": "乙"}, "pair", ("甲", "乙")),
        ({"keyword": ["模型", "压缩"], "abst": "摘要"}, "keywords", ("模型 压缩", "摘要")),
        (
            {
                "text": "小明说他累了",
                "target": {"span1_index": 0, "span1_text": "小明", "span2_index": 3, "span2_text": "他"},
            },
            "coreference",
            "_小明_说[他]累了",
        ),
        (
            {
                "text": "他说小明累了",
                "target": {"span1_index": 2, "span1_text": "小明", "span2_index": 0, "span2_text": "他"},
            },
            "coreference",
            "[他]说_小明_累了",
        ),
    ],
)
def test_what_the_model_reads(example: dict[str, object], text_format: str, expected: object) -> None:
    assert texts_of(example, text_format) == expected


@given(st.text(alphabet="甲乙丙丁", min_size=4, max_size=20), st.data())
def test_marks_can_be_taken_away_again(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=4, max_size=4)))
    spans = [(cuts[0], cuts[1]), (cuts[2], cuts[3])]
    first, second = spans if data.draw(st.booleans()) else spans[::-1]
    marked = mark_spans(text, first, second)
    assert marked.translate(str.maketrans("", "", "_[]")) == text
    assert f"_{text[slice(*first)]}_" in marked and f"[{text[slice(*second)]}]" in marked


def test_padding() -> None:
    batch = pad_batch([Features([1, 5, 2], [0, 0, 0]), Features([1, 2], [0, 1])], pad_id=9)
    assert batch["input_ids"].dtype == batch["token_type_ids"].dtype == np.int64
    assert batch["input_ids"].tolist() == [[1, 5, 2], [1, 2, 9]]
    assert batch["token_type_ids"].tolist() == [[0, 0, 0], [0, 1, 0]]
    assert pad_batch([Features([1], [0])], 0, length=3)["input_ids"].shape == (1, 3)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["好", ("好", "坏")], "input 2 is 2 text"),
        ([("好", "坏")], "input 1 is 2 text"),
        (["好", " \n"], "input 2 is an empty text"),
        (["好", 3], "input 2 is of type int"),
    ],
)
def test_inputs_that_are_refused(tokenizer: WordPieceTokenizer, texts: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        encode(tokenizer, texts, 32)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="input 1 is one text"):
        encode(tokenizer, ["好", "坏"], 32, "pair")


def test_limits_and_formats_that_are_refused(tokenizer: WordPieceTokenizer) -> None:
    with pytest.raises(ConfigError, match="at least 5"):
        encode(tokenizer, ["好"], 4)
    with pytest.raises(ConfigError, match="text format 'tree'"):
        texts_of({}, "tree")
    assert encode(tokenizer, [], 16) == []
