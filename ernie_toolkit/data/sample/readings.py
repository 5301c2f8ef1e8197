"""Sample for CMRC2018: questions on a paragraph whose answers stand in it.

A paragraph tells several facts of one subject, or of two of the same kind. Where it tells the same of both, the
sentence that answers a question is the one about the question's subject. The names of subjects are few, because a
small model from scratch has to see each often before it matches them; the facts of a name are other ones in every
paragraph, so that no answer can be known beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ernie_toolkit.data.sample.facts import KINDS, Fact, Kind, Value
from ernie_toolkit.data.sample.grammar import Draw, Row, Sizes, draw_splits

# Rows of each split; a paragraph has three of them.
SIZES: Sizes = {"train": 2400, "dev": 300, "test": 150}
QUESTIONS = 3
LENGTHS = range(60, 161)
TWO_SUBJECTS = 0.5

FILLERS = (
    "以上内容来自地方资料。",
    "相关记录保存得比较完整。",
    "这些情况曾被多次报道。",
    "不少人对此很感兴趣。",
    "更早的历史已经难以查证。",
    "如今人们仍常常谈起这些事。",
    "资料由志愿者整理而成。",
)


@dataclass(frozen=True)
class _Told:
    """A fact of a subject as the paragraph tells it; `start` is where the value stands in the context."""

    subject: str
    fact: Fact
    value: Value
    start: int


def generate(seed: int) -> dict[str, list[Row]]:
    """Rows of every split: id, title, question, context, answers.

    The questions of a paragraph are neighbours. Rows of `train` have one gold answer, the others two or three,
    the exact one first.
    """
    draw = Draw(f"readings {seed}")
    sizes = {split: size // QUESTIONS for split, size in SIZES.items()}
    paragraphs = draw_splits(lambda index: _paragraph(draw), sizes, lambda row: row["context"])
    return {split: _rows(split, rows) for split, rows in paragraphs.items()}


def _rows(split: str, paragraphs: Sequence[Row]) -> list[Row]:
    rows = []
    for number, paragraph in enumerate(paragraphs):
        for query, (question, answers) in enumerate(paragraph["questions"]):
            rows.append(
                {
                    "id": f"SAMPLE_{split.upper()}_{number}_QUERY_{query}",
                    "title": paragraph["title"],
                    "question": question,
                    "context": paragraph["context"],
                    "answers": answers[:1] if split == "train" else answers,
                }
            )
    return rows


def _paragraph(draw: Draw) -> Row:
    kind = draw.choice(tuple(KINDS.values()))
    while True:
        if draw.chance(TWO_SUBJECTS):
            context, told = _two_subjects(draw, kind)
        else:
            subject = kind.name(draw)
            facts = draw.sample(kind.facts, 4 + draw.below(2))
            context, told = _tell(draw, kind, [(subject, fact) for fact in facts])
        if len(context) in LENGTHS:
            break
    questions = [
        (
            draw.choice(fact.fact.asked).format(s=fact.subject),
            [{"text": gold, "answer_start": fact.start + fact.value.text.index(gold)} for gold in fact.value.golds],
        )
        for fact in draw.sample(told, QUESTIONS)
    ]
    return {"title": told[0].subject, "context": context, "questions": questions}


def _two_subjects(draw: Draw, kind: Kind) -> tuple[str, list[_Told]]:
    first = kind.name(draw)
    second = kind.name(draw)
    while set(first[:2]) & set(second[:2]):  # a question should not nearly fit both
        second = kind.name(draw)
    told = [(subject, fact) for subject in (first, second) for fact in draw.sample(kind.facts, 2 + draw.below(2))]
    return _tell(draw, kind, told)


def _tell(draw: Draw, kind: Kind, facts: Sequence[tuple[str, Fact]]) -> tuple[str, list[_Told]]:
    """The paragraph that tells the facts in their order, with a sentence that tells nothing here and there."""
    context = ""
    told: list[_Told] = []
    pronoun, alone = draw.choice(kind.pronouns), facts[0][0] == facts[-1][0]
    for index, (subject, fact) in enumerate(facts):
        value = fact.value(draw)
        while value.golds[0] in context or any(value.golds[0] == other.value.golds[0] for other in told):
            value = fact.value(draw)
        # A pronoun only where it can mean nobody else: who is meant is hard enough for a small model without.
        name = pronoun if index and alone and draw.chance(0.4) else subject
        before, after = draw.choice(fact.told).format(s=name, v="\n").split("\n")
        told.append(_Told(subject, fact, value, len(context) + len(before)))
        context += before + value.text + after + draw.choice("。。，" if index + 1 < len(facts) else "。")
        if context[-1] == "。" and draw.chance(0.12):
            context += draw.choice(FILLERS)
    return context, told
