"""The wire format without a server: every request is read or refused with a reason, every answer fits its request."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ernie_toolkit.bundle import read_bundle
from ernie_toolkit.data.tagged import join_tokens
from ernie_toolkit.decoding import Entity, LabelAnswer, TaggedText, word_starts
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.inference.predictor import bundle_task
from ernie_toolkit.models import Vocabulary
from ernie_toolkit.simple_serving.options import ServingOptions
from ernie_toolkit.simple_serving.wire import RequestError, Settings, WireRequest, parse_request
from ernie_toolkit.tasks import QuestionAnswering, SequenceClassification, TokenClassification
from ernie_toolkit.text.features import TextInput
from ernie_toolkit.text.tokenization import build_tokenizer

FORMATS = [
    ("seq_cls", "sentence"),
    ("seq_cls", "pair"),
    ("token_cls", "characters"),
    ("qa", "question_context"),
    ("multi_label", "sentence"),
]
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(["text", "text_pair", "question", "context", "other"])
TEXTS = st.text(min_size=1, max_size=12).filter(str.strip)


def parse(request: Any, task: str = "seq_cls", text_format: str = "sentence", max_texts: int = 8) -> WireRequest:
    return parse_request(json.dumps(request).encode(), task, text_format, max_texts)


@given(st.binary(max_size=60), st.sampled_from(FORMATS))
def test_any_bytes_are_read_or_refused(body: bytes, kind: tuple[str, str]) -> None:
    with pytest.raises(RequestError):
        parse_request(body, *kind, max_texts=8)


@settings(max_examples=300)
@given(
    st.dictionaries(st.sampled_from(["data", "parameters", "x"]), JSON_VALUES)
    | st.fixed_dictionaries(
        {"data": st.dictionaries(FIELDS, JSON_VALUES, max_size=3)},
        optional={
            "parameters": st.dictionaries(
                st.sampled_from(
                    ["max_seq_len", "batch_size", "doc_stride", "is_split_into_words", "prob_limit", "new"]
                ),
                JSON_VALUES,
            )
        },
    ),
    st.sampled_from(FORMATS),
)
def test_any_json_is_read_or_refused_in_one_line(request_body: dict[str, Any], kind: tuple[str, str]) -> None:
    try:
        request = parse(request_body, *kind)
    except RequestError as error:
        reason = str(error)
        assert reason
        assert len(reason) < 400
        reason.encode("utf-8")
        return
    assert 1 <= len(request.inputs) <= 8
    assert request.settings.max_seq_length is None or request.settings.max_seq_length >= 5


@given(st.lists(TEXTS, min_size=1, max_size=8), st.sampled_from([None, 5, 128, 10**6]))
def test_texts_arrive_as_sent(texts: list[str], length: int | None) -> None:
    body = {"data": {"text": texts, "text_pair": None}, "parameters": {"max_seq_len": length, "batch_size": 2}}
    request = parse(body)
    assert request.inputs == tuple(texts)
    assert request.settings == Settings(length)
    assert parse({"data": {"text": texts[0]}, "parameters": None}).inputs == (texts[0],)
    pairs = parse({"data": {"text": texts, "text_pair": texts[::-1]}}, "seq_cls", "pair")
    assert pairs.inputs == tuple(zip(texts, texts[::-1], strict=True))
    asked = parse({"data": {"context": texts, "question": texts[::-1]}}, "qa", "question_context")
    assert asked.inputs == tuple(zip(texts[::-1], texts, strict=True))


@pytest.mark.parametrize(
    ("data", "parameters", "reason"),
    [
        ({"text": []}, {}, "empty"),
        ({"text": ["a", " \t"]}, {}, r"data.text\[1\] is an empty text"),
        ({"text": ["a", 1]}, {}, r"data.text\[1\] is 1"),
        ({"text": ["a"] * 9}, {}, "9 texts: a request may have 8"),
        ({"texts": "a"}, {}, "no field 'text', only 'texts'"),
        ({"text": ["\ud800"]}, {}, "surrogate"),
        ({"text": "a", "text_pair": "b"}, {}, "single texts"),
        ({"text": "a"}, {"max_seq_len": 4}, "at least 5"),
        ({"text": "a"}, {"max_seq_len": "128"}, "parameters.max_seq_len is '128'"),
        ({"text": "a"}, {"max_seq_len": True}, "true"),
        ({"text": "a"}, {"batch_size": 0}, "batch_size is 0"),
        ({"text": "a"}, {"batch_size": 1.5}, "batch_size is 1.5"),
        ({"text": "a"}, ["max_seq_len"], "parameters is a list"),
        (["a"], {}, "data is a list"),
    ],
)
def test_what_is_refused(data: Any, parameters: Any, reason: str) -> None:
    with pytest.raises(RequestError, match=reason):
        parse({"data": data, "parameters": parameters})


def test_pairs_must_be_pairs_and_the_body_has_two_fields() -> None:
    with pytest.raises(RequestError, match=r"data.text has 2 text\(s\), data.text_pair 1"):
        parse({"data": {"text": ["a", "b"], "text_pair": ["c"]}}, "seq_cls", "pair")
    with pytest.raises(RequestError, match="no field 'context'"):
        parse({"data": {"question": "a"}}, "qa", "question_context")
    with pytest.raises(RequestError, match="doc_stride"):
        parse({"data": {"question": "a", "context": "b"}, "parameters": {"doc_stride": -1}}, "qa", "question_context")
    with pytest.raises(RequestError, match="field 'model'"):
        parse({"data": {"text": "a"}, "model": 1})
    with pytest.raises(RequestError, match="nested too deeply"):
        parse_request(b"[" * 200_000, "seq_cls", "sentence", 8)
    # Parameters of other tasks and of PaddleNLP's tokenizer are passed over.
    assert parse({"data": {"text": "a"}, "parameters": {"return_attention_mask": False, "prob_limit": 0.5}}).inputs


def test_words_come_as_lists() -> None:
    body = {"data": {"text": [["江", "泽", "民"], "江泽民"]}, "parameters": {"is_split_into_words": True}}
    request = parse(body, "token_cls", "characters")
    assert request.inputs == ("江泽民", "江泽民")
    assert request.words == (("江", "泽", "民"), None)
    for bad, reason in (([["江", ""]], "empty"), ([[]], "empty"), ([["江", 1]], "must be a string")):
        with pytest.raises(RequestError, match=reason):
            parse({"data": {"text": bad}}, "token_cls", "characters")
    with pytest.raises(RequestError, match="is_split_into_words to true"):
        parse({**body, "parameters": {"is_split_into_words": False}}, "token_cls", "characters")
    with pytest.raises(RequestError, match="must be true or false"):
        parse({**body, "parameters": {"is_split_into_words": 1}}, "token_cls", "characters")


@given(st.lists(st.text(st.sampled_from("aB1江， "), min_size=1, max_size=3), min_size=1, max_size=8))
def test_words_are_found_in_their_text(words: list[str]) -> None:
    text = join_tokens(words)
    starts = word_starts(text, words)
    assert [text[start : start + len(word)] for start, word in zip(starts, words, strict=True)] == words


def test_entities_are_told_in_words(bundles: dict[str, Path]) -> None:
    info = read_bundle(bundles["token_cls"]).info
    task = bundle_task(info, bundles["token_cls"])
    words = ("New", "York", "很", "大")
    text = join_tokens(words)
    assert text == "New York很大"
    tags = ("B-LOC",) + ("I-LOC",) * 7 + ("O", "O")
    answer = TaggedText(text, tags, (Entity("New York", "LOC", 0, 8, 0.9),))
    result = task.service_result([text], [answer], [], [words])
    inside, outside = info.labels.index("I-LOC"), info.labels.index("O")
    assert result["tokens_label"] == [[info.labels.index("B-LOC"), inside, outside, outside]]
    assert result["value"] == [[{"pos": [0, 1], "entity": "New York", "label": "LOC", "confidence": 0.9}]]
    plain = task.service_result([text], [answer], [], [None])
    assert plain["value"][0][0]["pos"] == [0, 7]
    assert len(plain["tokens_label"][0]) == len(text)


LONG_TEXTS = st.text(st.sampled_from("字句a1 #"), min_size=1, max_size=300).filter(str.strip)
TASKS = {
    "seq_cls": SequenceClassification(("0", "1"), 48, None, "pair"),
    "token_cls": TokenClassification(("O", "B-X"), 12, window_overlap=4),
    "qa": QuestionAnswering(16, doc_stride=6),
}


@settings(deadline=None)
@given(
    st.sampled_from(sorted(TASKS)),
    st.lists(st.tuples(TEXTS | LONG_TEXTS, TEXTS | LONG_TEXTS), min_size=1, max_size=4),
    st.integers(5, 20),
)
def test_windows_are_never_fewer_than_the_bound(
    vocabulary: Vocabulary, name: str, pairs: list[tuple[str, str]], length: int
) -> None:
    tokenizer = build_tokenizer(vocabulary.tokens, vocabulary.do_lower_case)
    task = dataclasses.replace(TASKS[name], max_seq_length=length)  # type: ignore[type-var]
    inputs: list[TextInput] = [pair[1] for pair in pairs] if name == "token_cls" else list(pairs)
    assert 1 <= task.least_rows(inputs) <= len(task.encode(tokenizer, inputs))
    if name == "token_cls":
        plain = ["字" * len(text) for _, text in pairs]
        assert task.least_rows(plain) == len(task.encode(tokenizer, plain))


def test_labels_are_told_as_indices(bundles: dict[str, Path]) -> None:
    import numpy as np

    task = bundle_task(read_bundle(bundles["seq_cls"]).info, bundles["seq_cls"])
    answers = [LabelAnswer(1, "1", "same", 0.75)]
    logits = [np.log(np.array([0.25, 0.75], dtype=np.float32))]
    result = task.service_result([("a", "b")], answers, logits, [])
    assert result["label"] == [1]
    assert result["label_name"] == ["same"]
    assert [(item["label"], item["label_name"], item["confidence"]) for item in result["top"][0]] == [
        (1, "same", 0.75),
        (0, "different", 0.25),
    ]


@pytest.mark.parametrize(
    "setting", [{"workers": 0}, {"queue_size": 0}, {"num_threads": -1}, {"max_wait_ms": -1.0}, {"body_timeout": 0.0}]
)
def test_settings_that_cannot_be_used(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(setting))):
        ServingOptions("qa", "bundle", **setting)
