"""What a caller may give a predictor: one input or several, texts or pairs, and nothing in between."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_toolkit.errors import DataError
from ernie_toolkit.models import Vocabulary
from ernie_toolkit.paddle_serving.wire import parse_texts, request_columns
from ernie_toolkit.tasks import Task, make_task
from ernie_toolkit.text.features import Texts, as_inputs
from ernie_toolkit.text.formats import CHOICE_FORMATS, PAIR_FORMATS, TEXT_FORMATS
from ernie_toolkit.text.tokenization import WordPieceTokenizer, build_tokenizer
from ernie_toolkit.triton.client import ask
from ernie_toolkit.triton.interface import interface_of, join_texts

# Without "\\0", which numpy drops from the end of its own texts.
CHARACTERS = st.characters(exclude_categories=("Cs",), exclude_characters="\0")
TEXT = st.text(CHARACTERS, min_size=1, max_size=12).filter(lambda text: text.strip())
SINGLE = [name for name in TEXT_FORMATS if name not in (*PAIR_FORMATS, *CHOICE_FORMATS)]


@pytest.fixture(scope="module")
def tokenizer(vocabulary: Vocabulary) -> WordPieceTokenizer:
    return build_tokenizer(vocabulary.tokens)


@given(TEXT, st.sampled_from((*SINGLE, *PAIR_FORMATS)))
def test_a_text_alone_is_one_input(text: str, text_format: str) -> None:
    for given_text in (text, np.str_(text), np.array(text, dtype=object)):
        if text_format not in PAIR_FORMATS:
            assert as_inputs(given_text, text_format) == [text]
            continue
        with pytest.raises(DataError, match=r"input 1 is one text .* reads pairs: give a tuple"):
            as_inputs(given_text, text_format)


def containers(items: list[str]) -> tuple[Iterable[str], ...]:
    """The same texts in what holds them in an order; an array of objects, as numpy's texts lose zeros at their ends."""
    return items, iter(items), (item for item in items), np.array(items, dtype=object), dict.fromkeys(items).keys()


@given(st.lists(TEXT, min_size=1, max_size=4), st.sampled_from(SINGLE))
def test_single_texts_in_any_container(texts: list[str], text_format: str) -> None:
    texts = list(dict.fromkeys(texts))  # a dictionary's keys are one of the containers
    for container in containers(texts):
        assert as_inputs(container, text_format) == texts
    with pytest.raises(DataError, match=r"input 1 is \d text\(s\) in one .* reads single texts"):
        as_inputs(tuple(texts), text_format)  # type: ignore[arg-type]


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4), st.sampled_from(PAIR_FORMATS))
def test_pairs_in_any_container(pairs: list[tuple[str, str]], text_format: str) -> None:
    table = np.array(pairs, dtype=object)
    assert table.shape == (len(pairs), 2)
    lists = [list(pair) for pair in pairs]
    for container in (pairs, tuple(pairs), iter(pairs), lists, tuple(lists), table, list(table)):
        found = as_inputs(container, text_format)  # type: ignore[arg-type]
        assert found == pairs
        assert all(type(pair) is tuple and type(pair[0]) is str for pair in found)
    assert as_inputs(pairs[0], text_format) == [pairs[0]]


@given(st.lists(TEXT, max_size=5), st.sampled_from(PAIR_FORMATS))
def test_texts_never_become_pairs(texts: list[str], text_format: str) -> None:
    """However many, in whichever container: texts are no pairs, but for a tuple of two, which is one."""
    if texts:
        for container in (texts, iter(texts), np.array(texts, dtype=object)):
            with pytest.raises(DataError, match="input 1 is one text"):
                as_inputs(container, text_format)
    if len(texts) == 2:
        assert as_inputs(tuple(texts), text_format) == [tuple(texts)]  # type: ignore[arg-type]
    elif texts:
        with pytest.raises(DataError, match=rf"input 1 is {len(texts)} text\(s\) in one"):
            as_inputs(tuple(texts), text_format)  # type: ignore[arg-type]


@given(st.lists(st.tuples(TEXT, st.just("") | TEXT, st.lists(TEXT, min_size=2, max_size=4)), min_size=1, max_size=3))
def test_choices_in_any_container(given_inputs: list[tuple[str, str, list[str]]]) -> None:
    flat = [(context, question, *choices) for context, question, choices in given_inputs]
    lists = [list(item) for item in given_inputs]
    for container in (given_inputs, flat, tuple(flat), iter(flat), lists, [list(item) for item in flat]):
        assert as_inputs(container, "choices") == flat  # type: ignore[arg-type]
    assert as_inputs(flat[0], "cloze") == as_inputs(given_inputs[0], "cloze") == [flat[0]]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("甲", r"input 1 is 1 text\(s\) .*\(context, question, \[choice, choice, ...\]\) with 2 choices at least"),
        (("甲", "乙"), r"input 1 is 2 text\(s\)"),
        (("甲", "乙", "丙"), r"input 1 is 3 text\(s\)"),
        (("甲", "乙", ["丙"]), r"input 1 is 3 text\(s\)"),
        (("甲", "乙", []), r"input 1 is 2 text\(s\)"),
        (("甲", "乙", ["丙", ""]), "input 1 is an empty text"),
        (("", "乙", ["丙", "丁"]), "input 1 is an empty text"),
        (("甲", "乙", ["丙", 3]), "input 1: its part 4 is of type int"),
        (("甲", None, ["丙", "丁"]), "input 1: its part 2 is None"),
        (("甲", "乙\ud83d", ["丙", "丁"]), "input 1 holds half of a surrogate pair"),
    ],
)
def test_what_is_no_question_with_choices(item: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        as_inputs([item], "choices")  # type: ignore[list-item]


@pytest.mark.parametrize("text_format", TEXT_FORMATS)
def test_nothing_is_nothing(text_format: str) -> None:
    for nothing in ([], (), iter(()), np.array([]), np.empty((0, 2), dtype=object)):
        assert as_inputs(nothing, text_format) == []  # type: ignore[arg-type]


class Table:
    """As a data frame: iterating it gives the names of its columns."""

    columns = ("text", "label")

    def __iter__(self) -> object:
        return iter(self.columns)


@pytest.mark.parametrize("text_format", ["sentence", "pair", "characters", "question_context"])
@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (None, "no inputs, but None"),
        (3, "no inputs, but of type int"),
        (2.5, "no inputs, but of type float"),
        (b"abc", "no inputs, but of type bytes"),
        ({"text": "a"}, "no inputs, but of type dict"),
        ({"a", "b"}, "no inputs, but of type set"),
        (Table(), "no inputs, but of type Table"),
        ([None], "input 1 is None"),
        ([3], "input 1 is of type int"),
        (np.array([1, 2]), "input 1 is of type int"),
        ([float("nan")], "input 1 is of type float"),
        ([b"abc"], "input 1 is of type bytes"),
        ([{"text": "a"}], "input 1 is of type dict"),
        ([["a", 1]], "input 1: its part 2 is of type int"),
        ([("a", None)], "input 1: its part 2 is None"),
        ([[["a", "b"]]], "input 1: its part 1 is of type list"),
        ([["a", "b", "c"]], r"input 1 is 3 text\(s\) in one"),
        ([[]], r"input 1 is 0 text\(s\) in one"),
        ([()], r"input 1 is 0 text\(s\) in one"),
    ],
)
def test_what_holds_no_inputs(texts: object, message: str, text_format: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        as_inputs(texts, text_format)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_kinds_are_not_mixed_and_empty_texts_are_found() -> None:
    for texts, text_format, message in (
        (["a", ("a", "b")], "sentence", "input 2 is 2 text"),
        ([("a", "b"), "a"], "pair", "input 2 is one text"),
        (["a", " \n"], "sentence", "input 2 is an empty text"),
        ("　", "characters", "input 1 is an empty text"),
        (("a", ""), "pair", "input 1 is an empty text"),
        (["a", "b\ud83d"], "characters", "input 2 holds half of a surrogate pair"),
        ([("\udc80", "b")], "question_context", "input 1 holds half of a surrogate pair"),
        ([["a"]], "sentence", "input 1 is 1 text"),
    ):
        with pytest.raises(DataError, match=message):
            as_inputs(texts, text_format)  # type: ignore[arg-type]


TASKS = [
    (make_task("seq_cls", ("0", "1"), 16, "sentence"), False),
    (make_task("seq_cls", ("0", "1"), 16, "coreference"), False),
    (make_task("seq_cls", ("0", "1"), 16, "pair"), True),
    (make_task("seq_cls", ("0", "1"), 16, "keywords"), True),
    (make_task("multi_label", ("0", "1"), 16, "sentence"), False),
    (make_task("token_cls", ("B-X", "I-X", "O"), 16, "characters"), False),
    (make_task("qa", (), 16, "question_context"), True),
]


@pytest.mark.parametrize(("task", "pairs"), TASKS, ids=lambda value: getattr(value, "text_format", None))
def test_every_task_counts_inputs_alike(tokenizer: WordPieceTokenizer, task: Task, pairs: bool) -> None:
    def rows(texts: Texts) -> int:
        return len(task.encode(tokenizer, texts))

    one = ("怎么还款", "如何还款") if pairs else "怎么还款"
    assert rows(one) == rows([one]) == rows(iter([one])) == 1
    assert rows([one, one]) == 2 and rows([]) == 0
    for wrong in (
        ("怎么还款", ["怎么还款", "如何还款"]) if pairs else (("怎么还款", "如何还款"), [("怎么还款", "如何还款")])
    ):
        with pytest.raises(DataError, match="this model reads"):
            rows(wrong)  # type: ignore[arg-type]


class TestServers:
    """Both ends of the services' wires."""

    @pytest.mark.parametrize(
        ("task", "pairs"), [("seq_cls", True), ("qa", True), ("seq_cls", False), ("token_cls", False)]
    )
    def test_tritons_client_refuses_before_it_asks(self, task: str, pairs: bool) -> None:
        interface = interface_of(task, pairs)
        for wrong in ("怎么还款", ["怎么还款"], ["怎么", "还款"]) if pairs else (("怎么", "还款"), [("怎么", "还款")]):
            with pytest.raises(DataError, match="this model reads"):
                ask(SimpleNamespace(), interface, wrong)  # type: ignore[arg-type]

    def test_what_an_ensemble_reads(self) -> None:
        formats = [interface_of(*kind).text_format for kind in (("seq_cls", True), ("seq_cls", False), ("qa", False))]
        assert formats == ["pair", "sentence", "question_context"]
        assert join_texts([["a", "b"], ["c", "d"]]) == [("a", "c"), ("b", "d")]
        with pytest.raises(DataError, match="2 and 1 text"):
            join_texts([["a", "b"], ["c"]])

    @given(TEXT)
    def test_paddle_servings_client_sends_one_text_as_one(self, text: str) -> None:
        for texts in (text, [text], iter([text])):
            assert parse_texts(request_columns(texts), 8) == [text]
        with pytest.raises(DataError, match="reads single texts"):
            request_columns((text, text))
