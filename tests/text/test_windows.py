"""Windows: every token in one at least, counted in exactly one, at its own place in the text."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ernie_toolkit.data.sample import sample_vocab
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.text.tokenization import build_tokenizer
from ernie_toolkit.text.windows import context_windows, cut, kept_ranges, text_windows

TOKENIZER = build_tokenizer(sample_vocab())
TEXTS = st.text(min_size=1, max_size=60).filter(str.strip)


@given(st.integers(0, 500), st.integers(1, 60), st.integers(0, 80))
def test_ranges_cover_all_tokens_and_overlap(total: int, room: int, overlap: int) -> None:
    ranges = cut(total, room, overlap)
    assert ranges[0][0] == 0 and ranges[-1][1] == total
    assert all(end - begin <= room for begin, end in ranges)
    assert all(end > begin for begin, end in ranges) or total == 0
    shared = min(overlap, room // 2)
    for (_, end), (begin, _) in pairwise(ranges):
        assert end - begin == shared  # all but the last are full
    assert all(end - begin == room for begin, end in ranges[:-1])


def test_a_window_needs_room() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        cut(5, 0, 0)
    for windows in (text_windows, context_windows):
        with pytest.raises(ConfigError, match="max_seq_length is 4"):
            windows(TOKENIZER, [], 4, 0)  # type: ignore[operator]


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4), st.integers(5, 24), st.integers(0, 20))
def test_each_token_of_a_text_counts_once(texts: list[str], length: int, overlap: int) -> None:
    windows = text_windows(TOKENIZER, texts, length, overlap)
    counted: dict[int, list[int]] = {source: [] for source in range(len(texts))}
    for window, (start, end) in zip(windows, kept_ranges(windows), strict=True):
        assert len(window) <= length and 0 <= start <= end <= len(window.offsets)
        assert window.input_ids[0] == TOKENIZER.special.cls and window.input_ids[-1] == TOKENIZER.special.sep
        counted[window.source] += window.input_ids[window.place][start:end]
        assert window.end - window.begin == len(window.offsets) and window.end <= window.total
    assert list(counted.values()) == TOKENIZER.encode_ids(texts)


@settings(deadline=None)
@given(TEXTS, TEXTS, st.integers(5, 40), st.integers(0, 20))
def test_windows_of_a_context_hold_the_question_apart(question: str, context: str, length: int, overlap: int) -> None:
    windows = context_windows(TOKENIZER, [(question, context)], length, overlap)
    ids, offsets = TOKENIZER.encode_offsets([context])[0]
    asked = TOKENIZER.encode_ids([question])[0][: (length - 3) // 2]
    seen = set()
    for window in windows:
        assert len(window) <= length
        assert window.input_ids[1 : window.first - 1] == asked
        assert set(window.token_type_ids[: window.first]) == {0} and set(window.token_type_ids[window.first :]) == {1}
        assert window.input_ids[window.place] == ids[window.begin : window.end]
        assert [tuple(pair) for pair in window.offsets.tolist()] == offsets[window.begin : window.end]
        seen |= set(range(window.begin, window.end))
    assert seen == set(range(len(ids)))


def test_a_shared_context_gives_the_same_windows() -> None:
    context = "临江大桥长一千二百米。" * 5
    pairs = [("多长？", context), ("这座桥在哪里？", context), ("多长？", context)]
    windows = context_windows(TOKENIZER, pairs, 32, 8)
    alone = context_windows(TOKENIZER, pairs[:1], 32, 8)
    first, last = ([window for window in windows if window.source == source] for source in (0, 2))
    assert [window.input_ids for window in first] == [window.input_ids for window in last]
    assert [window.input_ids for window in first] == [window.input_ids for window in alone]
    assert all(np.array_equal(a.offsets, b.offsets) for a, b in zip(first, alone, strict=True))


def test_inputs_of_the_other_kind_are_refused() -> None:
    with pytest.raises(DataError, match="this model reads single texts"):
        text_windows(TOKENIZER, [("a", "b")], 16, 4)  # type: ignore[list-item]
    with pytest.raises(DataError, match="this model reads pairs"):
        context_windows(TOKENIZER, ["a"], 16, 4)  # type: ignore[list-item]
    with pytest.raises(DataError, match="input 2 is an empty text"):
        text_windows(TOKENIZER, ["a", " "], 16, 4)
