"""Rows of choices: what is kept of contexts, questions and choices, and the windows around blanks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_toolkit.data.sample import sample_vocab
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.text.blanks import blank_of
from ernie_toolkit.text.choices import ChoiceRow, choice_rows
from ernie_toolkit.text.dataset import EncodedDataset, GroupedDataset
from ernie_toolkit.text.tokenization import build_tokenizer

VOCAB = sample_vocab()
TOKENIZER = build_tokenizer(VOCAB)
CHINESE = st.text(st.sampled_from("天地玄黄宇宙洪荒"), min_size=1, max_size=30)


def tokens(row: ChoiceRow) -> str:
    return "".join(VOCAB[token] for token in row.input_ids)


@given(CHINESE, st.just("") | CHINESE, st.lists(CHINESE, min_size=2, max_size=4), st.integers(5, 40))
def test_a_row_for_each_choice(context: str, question: str, choices: list[str], length: int) -> None:
    rows = choice_rows(TOKENIZER, [(context, question, *choices)], length, "choices")
    assert len(rows) == len(choices) and {row.source for row in rows} == {0}
    for row, choice in zip(rows, choices, strict=True):
        assert len(row) <= length and len(row.token_type_ids) == len(row)
        first, second, rest = tokens(row).removeprefix("[CLS]").split("[SEP]")
        assert rest == "" and context.startswith(first) and first
        assert row.token_type_ids == [0] * (len(first) + 2) + [1] * (len(second) + 1)
        whole = len(context) + len(question) + len(choice) + 3 <= length
        assert row.cut == (not whole)
        if whole:
            assert (first, second) == (context, question + choice)
        # The question loses its end before the choice does.
        kept = min(len(choice), len(second))
        assert second.endswith(choice[:kept]) and question.startswith(second[: len(second) - kept])


@given(CHINESE, CHINESE, st.lists(CHINESE, min_size=2, max_size=4, unique=True), st.integers(8, 40))
def test_a_window_lies_around_the_blank(before: str, after: str, choices: list[str], length: int) -> None:
    other = "#idiom7#"
    context = f"别行#idiom8#\n{before}#idiom9#天#idiom12#地{other}{after}\n别行"
    rows = choice_rows(TOKENIZER, [(context, "#idiom12#", *choices)], length, "cloze")
    line = f"{before}[UNK]天[MASK]地[UNK]{after}"
    windows = set()
    for row, choice in zip(rows, choices, strict=True):
        assert len(row) <= length
        first, second, _ = tokens(row).removeprefix("[CLS]").split("[SEP]")
        windows.add(first)
        assert choice.startswith(second) and second and line.count("[MASK]") == first.count("[MASK]") == 1
        assert first in line
    assert len(windows) == 1  # nothing but the choice differs
    if len(line) + 30 < length:
        assert windows == {line}


def test_blanks() -> None:
    assert blank_of("甲#idiom1#乙", "") == blank_of("甲#idiom1#乙", " #idiom1# ") == "#idiom1#"
    assert blank_of("甲#idiom#乙", "") == "#idiom#"
    for context, question, message in (
        ("甲", "", "the question names no blank of its context, which has none"),
        ("#idiom1#和#idiom2#", "", "the question names no blank of its context, which has #idiom1#, #idiom2#"),
        ("#idiom1#", "谁？", "'谁？' is no blank of its context"),
        ("#idiom1#", "#idiom3#", "'#idiom3#' is no blank"),
        ("#idiom1#和#idiom1#", "#idiom1#", "stands in its context more than once"),
    ):
        with pytest.raises(DataError, match=message):
            blank_of(context, question)
    with pytest.raises(ConfigError, match="must be at least 5"):
        choice_rows(TOKENIZER, [("甲", "", "乙", "丙")], 4, "choices")


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.data())
def test_groups_are_drawn_whole(sizes: list[int], data: st.DataObject) -> None:
    rows, groups = [], []
    for source, size in enumerate(sizes):
        groups.append(range(len(rows), len(rows) + size))
        rows += [
            ChoiceRow([1, 5 + source, *[9] * number, 2], [0] * (3 + number), source, False) for number in range(size)
        ]
    labels = np.arange(2 * len(rows)).reshape(-1, 2)
    grouped = GroupedDataset(rows, 0, {"labels": labels}, None, groups)
    assert len(grouped) == len(sizes) and grouped.lengths() == [2 + size for size in sizes]
    chosen = data.draw(st.lists(st.integers(0, len(sizes) - 1), min_size=1, max_size=4))
    batch = grouped.collate(chosen)
    assert batch["input_ids"][:, 1].tolist() == [5 + group for group in chosen for _ in range(sizes[group])]
    assert batch["labels"].tolist() == [labels[row].tolist() for group in chosen for row in groups[group]]
    part = grouped.subset(chosen)
    assert len(part) == len(chosen) and part.lengths() == [2 + sizes[group] for group in chosen]
    again = part.collate(list(range(len(chosen))))
    assert all((again[name] == batch[name]).all() for name in batch)
    alone = grouped.ungrouped()
    assert type(alone) is EncodedDataset and len(alone) == len(rows) and alone.ungrouped() is alone
