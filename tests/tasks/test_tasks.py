"""Tasks from text to answer: targets that a perfect model would give back, on texts where alignment is hard."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ernie_toolkit.data.sample import sample_vocab
from ernie_toolkit.decoding import Answer, SpanAnswer, TaggedText
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.tasks import QuestionAnswering, TokenClassification, make_task
from ernie_toolkit.tasks.base import Example
from ernie_toolkit.tasks.custom_metric import with_metric
from ernie_toolkit.tasks.question_answering import thin_negatives
from ernie_toolkit.text.dataset import IGNORED, EncodedDataset, run_rows
from ernie_toolkit.text.tokenization import build_tokenizer

TOKENIZER = build_tokenizer(sample_vocab())
LABELS = ("B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "O")
TEXTS = st.text(min_size=1, max_size=60).filter(str.strip)
ZERO_WIDTH, FULL_SPACE, JOINER = "\u200b", "\u3000", "\u200d"

# Chinese, English, digits, emoji, full-width, white space and zero-width characters side by side; what is to be
# found stands between ⟦ and ⟧, with its type before "|".
HARD_ENTITIES = (
    f"９月⟦PER|Dr. John{FULL_SPACE}Smith⟧和⟦PER|欧阳{ZERO_WIDTH}小明⟧到⟦LOC|Ｂ２座⟧开会👨{JOINER}👩{JOINER}👧，"
    "⟦ORG|iPhone15维修中心⟧出钱①。",
    f"🎉⟦ORG|ＡＢＣ大学(北校区)⟧在⟦LOC|São Paulo⟧招生2024人{ZERO_WIDTH}{ZERO_WIDTH}，"
    "⟦PER|김철수⟧ 的 e-mail：⟦PER|Ａｎｎａ⟧@x.cn",
)
HARD_ANSWERS = (
    ("谁去了？", f"昨天{ZERO_WIDTH}🎈下午，⟦Dr. John{FULL_SPACE}Smith⟧（约翰）坐Ｇ１０２次列车来的。"),
    ("Which 型号 最贵？", f"表里 iPhone 15 Pro Max卖９９９９元😀😀；⟦MateBook{ZERO_WIDTH}Ｘ 2024款⟧，卖1.2万元整②。"),
)


def unmark(marked: str) -> tuple[str, list[tuple[str, int, int]]]:
    """A text without its marks, and (type, start, end) of what they enclose; the type is empty without a "|"."""
    text, spans = "", []
    for part in marked.split("⟧"):
        before, *inside = part.split("⟦")
        text += before
        if inside:
            kind, _, words = inside[0].rpartition("|")
            spans.append((kind, len(text), len(text) + len(words)))
            text += words
    return text, spans


def tagged(text: str, spans: list[tuple[str, int, int]], number: int = 0) -> dict[str, Any]:
    """An example with a tag for each character."""
    labels = ["O"] * len(text)
    for kind, start, end in spans:
        labels[start:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - start - 1)
    return {"id": number, "text": text, "labels": labels}


def perfect_tags(rows: EncodedDataset) -> list[np.ndarray]:
    """Logits of a model that gives the targets back; what is ignored gets a tag that must not show."""
    logits = []
    for target in rows.targets["labels"]:
        values = np.zeros((len(target), len(LABELS)), dtype=np.float32)
        values[np.arange(len(target)), np.where(target == IGNORED, 2, target)] = 9.0
        logits.append(values)
    return logits


def perfect_spans(rows: EncodedDataset) -> list[np.ndarray]:
    """Logits of a model that gives the targets back; what is ignored goes to [CLS]."""
    logits = []
    starts, ends = (np.asarray(rows.targets[name]) for name in ("start_positions", "end_positions"))
    for feature, start, end in zip(rows.features, starts.tolist(), ends.tolist(), strict=True):
        values = np.zeros((2, len(feature)), dtype=np.float32)
        values[0, max(start, 0)] = values[1, max(end, 0)] = 9.0
        logits.append(values)
    return logits


@pytest.mark.parametrize("marked", HARD_ENTITIES)
@pytest.mark.parametrize("length", [128, 24, 12])
def test_hard_entities_come_back_at_their_own_characters(marked: str, length: int) -> None:
    text, spans = unmark(marked)
    task = TokenClassification(LABELS, length)
    examples = [tagged(text, spans), tagged("⟦", [], 1)]
    rows = task.with_targets(task.encode(TOKENIZER, task.inputs(examples)), examples)
    answer = task.decode(rows, perfect_tags(rows), task.inputs(examples))[0]
    assert [(item.type, item.start, item.end) for item in answer.entities] == spans
    assert [item.text for item in answer.entities] == [text[start:end] for _, start, end in spans]
    figures = task.score(rows, perfect_tags(rows), examples)
    assert (figures["precision"], figures["recall"], figures["f1"]) == (1.0, 1.0, 1.0)
    assert figures["PER/support"] == sum(kind == "PER" for kind, _, _ in spans) and figures["loss"] < 0.01


@pytest.mark.parametrize(("question", "marked"), HARD_ANSWERS)
@pytest.mark.parametrize("length", [128, 40])
def test_hard_answers_come_back_at_their_own_characters(question: str, marked: str, length: int) -> None:
    context, [(_, start, end)] = unmark(marked)
    task = QuestionAnswering(length, doc_stride=30)
    gold = context[start:end]
    examples = [{"id": "q", "question": question, "context": context, "answers": [gold], "span": (start, end)}]
    rows = task.with_targets(task.encode(TOKENIZER, task.inputs(examples)), examples)
    assert np.asarray(rows.targets["start_positions"]).max() > 0
    answer = task.decode(rows, perfect_spans(rows), task.inputs(examples))[0]
    assert (answer.text, answer.start, answer.end) == (gold, start, end)
    figures = task.score(rows, perfect_spans(rows), examples)
    assert (figures["exact_match"], figures["f1"]) == (1.0, 1.0) and figures["loss"] < 0.05


def test_a_custom_metric_and_the_tasks_own_are_of_the_same_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    decode, calls = TokenClassification.decode, []

    def counted(task: TokenClassification, *given: Any) -> list[TaggedText]:
        calls.append(given)
        return decode(task, *given)

    def entities(answers: Sequence[Answer], examples: Sequence[Example]) -> float:
        return sum(len(answer.entities) for answer in answers if isinstance(answer, TaggedText)) / len(examples)

    text, spans = unmark(HARD_ENTITIES[0])
    task = TokenClassification(LABELS, 24)
    examples = [tagged(text, spans)]
    rows = task.with_targets(task.encode(TOKENIZER, task.inputs(examples)), examples)
    monkeypatch.setattr(TokenClassification, "decode", counted)
    found = with_metric(task, entities).score(rows, perfect_tags(rows), examples)
    assert (found["entities"], found["f1"], len(calls)) == (len(spans), 1.0, 1)


def random_logits(rows: EncodedDataset, seed: int, *shape: int) -> list[np.ndarray]:
    """Logits of a model that knows nothing."""
    generator = np.random.default_rng(seed)
    return [
        generator.normal(size=(len(item), *shape) if shape else (2, len(item))).astype(np.float32)
        for item in rows.features
    ]


@settings(deadline=None, max_examples=200)
@given(st.lists(TEXTS, min_size=1, max_size=3), st.integers(5, 40), st.integers(0, 20), st.integers(0, 2**32 - 1))
def test_any_entity_is_its_stretch_of_the_text(texts: list[str], length: int, overlap: int, seed: int) -> None:
    task = TokenClassification(LABELS, length, overlap)
    rows = task.encode(TOKENIZER, texts)
    answers = task.decode(rows, random_logits(rows, seed, len(LABELS)), texts)
    assert [answer.text for answer in answers] == texts
    for answer in answers:
        assert isinstance(answer, TaggedText) and len(answer.tags) == len(answer.text)
        for item in answer.entities:
            assert answer.text[item.start : item.end] == item.text and item.start < item.end


@settings(deadline=None, max_examples=200)
@given(
    TEXTS, st.lists(TEXTS, min_size=1, max_size=3), st.integers(5, 40), st.integers(0, 30), st.integers(0, 2**32 - 1)
)
def test_any_answer_is_its_stretch_of_the_context(
    question: str, contexts: list[str], length: int, stride: int, seed: int
) -> None:
    task = QuestionAnswering(length, stride, n_best_size=5, max_answer_length=8)
    pairs = [(question, context) for context in contexts]
    rows = task.encode(TOKENIZER, pairs)
    answers = task.decode(rows, random_logits(rows, seed), pairs)
    assert len(answers) == len(contexts)
    for answer, context in zip(answers, contexts, strict=True):
        assert isinstance(answer, SpanAnswer)
        assert answer.text == context[answer.start : answer.end]
        assert bool(answer.candidates) == bool(TOKENIZER.encode_ids([context])[0])
        for item in answer.candidates:
            assert context[item.start : item.end] == item.text and item.start < item.end


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_answer_of_whole_tokens_is_a_target(data: st.DataObject) -> None:
    """A perfect model's answer is the gold one, whatever stands around it, where it fits into a window."""
    context = data.draw(TEXTS)
    places = TOKENIZER.encode_offsets([context])[0][1]
    if not places:
        return
    first = data.draw(st.integers(0, len(places) - 1))
    last = data.draw(st.integers(first, min(first + 7, len(places) - 1)))
    start, end = places[first][0], places[last][1]
    task = QuestionAnswering(24, doc_stride=10)
    examples = [
        {"id": "q", "question": "问", "context": context, "answers": [context[start:end]], "span": (start, end)}
    ]
    rows = task.with_targets(task.encode(TOKENIZER, task.inputs(examples)), examples)
    answer = task.decode(rows, perfect_spans(rows), task.inputs(examples))[0]
    assert (answer.start, answer.end) == (start, end)


def test_unknown_places_and_absent_answers() -> None:
    context = "甲乙丙丁戊己庚辛" * 4
    task = QuestionAnswering(16, doc_stride=4)
    base = {"question": "问？", "context": context, "answers": ["丙丁"]}
    examples = [{"id": "a", "span": (2, 4), **base}, {"id": "b", "span": None, **base}]
    rows = task.with_targets(task.encode(TOKENIZER, task.inputs(examples)), examples)
    starts = np.asarray(rows.targets["start_positions"])
    of_first = np.array([window.source == 0 for window in rows.features])  # type: ignore[attr-defined]
    assert (starts[of_first] > 0).sum() == 1  # the other windows of the context do not hold it
    assert set(starts[of_first].tolist()) == {0, 6} and set(starts[~of_first].tolist()) == {IGNORED}
    assert np.isfinite(task.score(rows, random_logits(rows, 1), examples)["loss"])


def test_unanswerable_questions_are_right_where_the_answer_is_empty() -> None:
    task = QuestionAnswering(16, doc_stride=4)
    known = {"id": "a", "question": "问？", "context": "甲乙丙丁", "answers": ["乙丙"], "span": (1, 3)}
    none = {"id": "b", "question": "问？", "answers": [], "span": None, "is_impossible": True}
    # The second context has no token at all, so no answer but the empty one.
    for context, right in (("甲乙丙丁", 1), (ZERO_WIDTH, 2)):
        examples = [known, {**none, "context": context}]
        rows = task.with_targets(task.encode(TOKENIZER, task.inputs(examples)), examples)
        figures = task.score(rows, perfect_spans(rows), examples)
        assert (figures["exact_match"], figures["f1"]) == (right / 2, right / 2) and figures["loss"] < 0.05


def test_batches_hold_targets_padded_with_ignored() -> None:
    task = TokenClassification(LABELS, 12)
    examples = [tagged("甲乙丙", [("LOC", 0, 2)]), tagged("甲", [], 1)]
    rows = task.with_targets(task.encode(TOKENIZER, task.inputs(examples)), examples)
    batch = rows.collate([1, 0])
    o, b, i = LABELS.index("O"), LABELS.index("B-LOC"), LABELS.index("I-LOC")
    assert batch["labels"].tolist() == [[IGNORED, o, IGNORED, IGNORED, IGNORED], [IGNORED, b, i, o, IGNORED]]
    assert batch["input_ids"].shape == (2, 5)


def test_rows_come_back_in_order_and_without_padding() -> None:
    task = TokenClassification(LABELS, 20)
    rows = task.encode(TOKENIZER, ["甲", "甲乙丙丁", "甲乙"])

    def echo(batch: dict[str, np.ndarray]) -> list[np.ndarray]:
        return [batch["input_ids"], batch["input_ids"] + 1]

    for row, logits in zip(rows.features, run_rows(rows, 2, echo), strict=True):
        assert logits.tolist() == [row.input_ids, [token + 1 for token in row.input_ids]]


def test_tasks_by_name() -> None:
    assert make_task("qa", (), 64, "question_context", limits={"doc_stride": 5}).limits["doc_stride"] == 5
    assert make_task("token_cls", LABELS, 64, "characters").limits == {"window_overlap": 32}
    with pytest.raises(ConfigError, match="task 'chat' is not known"):
        make_task("chat", (), 64, "sentence")
    with pytest.raises(ConfigError, match="task 'seq_cls' has no setting 'doc_stride'"):
        make_task("seq_cls", ("a", "b"), 64, "sentence", limits={"doc_stride": 5})
    with pytest.raises(DataError, match="this model reads pairs"):
        make_task("qa", (), 64, "question_context").encode(TOKENIZER, ["only a text"])


def test_training_windows_without_the_answer_are_thinned() -> None:
    task = QuestionAnswering(24, doc_stride=4)
    context = "临江公司的总部设在白埠市东部。" + "那里的人都说话很慢。" * 12
    examples: list[dict[str, Any]] = [
        {"question": "总部在哪里？", "context": context, "answers": ["白埠市"], "span": (9, 12)},
        {"question": "谁说话很慢？", "context": context, "answers": ["谁"], "span": None},
    ]
    rows = task.with_targets(task.encode(TOKENIZER, task.inputs(examples)), examples)
    starts = np.asarray(rows.targets["start_positions"])
    positives, negatives = int((starts > 0).sum()), int((starts == 0).sum())
    assert positives and negatives > 3 * positives and (starts == IGNORED).any()
    assert thin_negatives(rows, -1, 0) is rows
    assert len(thin_negatives(rows, 0, 0)) == positives
    two = thin_negatives(rows, 2, 0)
    assert len(two) == 3 * positives and len(thin_negatives(rows, 1000, 0)) == positives + negatives
    assert (np.asarray(two.targets["start_positions"]) != IGNORED).all()
    for place, features in enumerate(two.features):
        before = next(row for row, item in enumerate(rows.features) if item is features)
        for name in rows.targets:
            assert two.targets[name][place] == rows.targets[name][before]
