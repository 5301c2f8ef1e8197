"""The pipeline service's wire format without a service: arrays and JSON are read back, all else is refused."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ernie_toolkit.decoding import decode_label_sets
from ernie_toolkit.paddle_serving.wire import (
    RequestError,
    ServiceError,
    answer_columns,
    parse_answer,
    parse_texts,
    parse_threshold,
    request_columns,
)

TEXT = st.text(min_size=1, max_size=20).filter(str.strip)


@settings(max_examples=300)
@given(st.lists(TEXT, min_size=1, max_size=6))
def test_texts_come_through_in_every_form(texts: list[str]) -> None:
    with np.printoptions(threshold=10**9):
        forms = [
            repr(np.array([text.encode() for text in texts], dtype=np.object_)),
            repr(np.array(texts, dtype=np.object_)),
            json.dumps(texts),
            json.dumps(texts, ensure_ascii=False),
            request_columns(texts)["sentence"],
        ]
    for form in forms:
        assert parse_texts({"sentence": form}, 6) == texts
    # What NumPy keeps as text of one length loses null characters at its end, not here.
    plain = [text.rstrip("\0") or "a" for text in texts]
    if all(map(str.strip, plain)):
        assert parse_texts({"sentence": repr(np.array(plain))}, 6) == plain


@settings(max_examples=400)
@given(st.text(alphabet="array([b'\"\\xu0Nd, .])=tyeobjcf{}\n", max_size=40) | st.text(max_size=20))
def test_anything_is_read_or_refused_in_one_line(value: str) -> None:
    for given_value in (value, f"array([{value}", f"array(['{value}'], dtype=object)"):
        try:
            texts = parse_texts({"sentence": given_value}, 3)
        except RequestError as error:
            assert str(error) and len(str(error)) < 500
            str(error).encode()
            continue
        assert 1 <= len(texts) <= 3 and all(map(str.strip, texts))


@pytest.mark.parametrize("value", ["", "x", "nan", "inf", "-0.1", "1.1", "1e400"])
def test_a_threshold_is_a_share(value: str) -> None:
    with pytest.raises(RequestError, match="between 0 and 1"):
        parse_threshold({"prob_limit": value})


def test_answers_come_through() -> None:
    assert parse_threshold({"prob_limit": "0.25"}) == 0.25 and parse_threshold({}) is None
    assert parse_threshold(request_columns(["a"], 0.1)) == 0.1
    logits = np.array([[2.0, -1.0, 1.0], [-3.0, -3.0, -3.0]])
    columns = answer_columns(decode_label_sets(logits, ("a", "b", "c"), (0.5,) * 3, ("A", "B", "C")))
    assert columns["label"] == '["0,2", ""]'
    assert parse_answer(0, "", columns) == [
        {"labels": [0, 2], "label_names": ["A", "C"], "confidences": [0.880797, 0.731059]},
        {"labels": [], "label_names": [], "confidences": []},
    ]
    with pytest.raises(ServiceError, match="refused: no text"):
        parse_answer(5000, "no text", {})
