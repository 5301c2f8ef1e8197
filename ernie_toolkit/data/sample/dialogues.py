"""Sample for C3: what somebody says or does, asked about a dialogue or a short text, with two to four choices.

In a dialogue (part d) both speakers tell something of themselves; in some they tell the same kind of thing, so that
only the one that the question is about has said the right choice, and the other one's is among the choices. In a text
(part m) one person is told about, and either one thing is asked for, or whether a statement is right. What is not told
is drawn from the same lists, so that no choice can be known without the context. The lists are short, because a small
model from scratch has to see each word often before it compares them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ernie_toolkit.data.sample.grammar import Draw, Row, Sizes, draw_splits

# Documents of each split; most have one question, some two.
SIZES: Sizes = {"train": 1800, "dev": 240, "test": 120}
DIALOGUE_SHARE = 0.6
SAME_TOPIC_SHARE = 0.2
STATEMENT_SHARE = 0.1
TRUE, FALSE = "正确", "错误"


@dataclass(frozen=True)
class Topic:
    """One kind of thing that people tell of themselves.

    Attributes:
        said: How they say it; {v} is the value.
        told: How it is told of somebody; {s} is the person, {v} the value.
        asked: How it is asked of somebody; {s} is the person.
        values: What it may be.
    """

    said: tuple[str, ...]
    told: tuple[str, ...]
    asked: tuple[str, ...]
    values: tuple[str, ...]


TOPICS = (
    Topic(
        ("周末我想去{v}", "我打算周末{v}", "这个周末我要{v}"),
        ("{s}周末常去{v}", "到了周末，{s}就{v}"),
        ("{s}周末打算做什么？", "{s}周末想做什么？"),
        ("爬山", "看书", "游泳", "逛街", "钓鱼", "滑雪"),
    ),
    Topic(
        ("我是一名{v}", "我的工作是{v}", "我现在当{v}"),
        ("{s}是一名{v}", "{s}的工作是{v}"),
        ("{s}是做什么工作的？", "{s}做什么职业？"),
        ("医生", "司机", "教师", "厨师", "警察", "律师"),
    ),
    Topic(
        ("我家住在{v}", "我从{v}来", "我老家在{v}"),
        ("{s}来自{v}", "{s}的老家在{v}"),
        ("{s}是哪里人？", "{s}老家在哪里？"),
        ("北京", "上海", "广州", "成都", "西安", "武汉"),
    ),
    Topic(
        ("我最爱吃{v}", "我喜欢吃{v}", "晚饭我想吃{v}"),
        ("{s}最爱吃{v}", "{s}喜欢吃{v}"),
        ("{s}喜欢吃什么？", "{s}爱吃什么？"),
        ("饺子", "面条", "米饭", "烤鸭", "火锅", "包子"),
    ),
)
SPEAKERS = ("男", "女")
PEOPLE = ("小王", "小李", "老张", "老赵")
OPENINGS = ("", "", "你好，", "是这样，")
ENDINGS = ("。", "。", "！")


def generate(seed: int) -> dict[str, list[Row]]:
    """Rows of every split: part, document, context, question, choice, answer; those of a document are neighbours."""
    draw = Draw(f"dialogues {seed}")
    documents = draw_splits(lambda index: _document(draw), SIZES, lambda row: tuple(row["context"]))
    splits = {}
    for split, rows in documents.items():
        ordered = sorted(rows, key=lambda row: str(row["part"]))  # stable: the files of the two parts one by one
        splits[split] = [
            {"part": row["part"], "document": f"{split}-{number}", "context": row["context"], **question}
            for number, row in enumerate(ordered)
            for question in row["questions"]
        ]
    return splits


def _document(draw: Draw) -> Row:
    return _dialogue(draw) if draw.chance(DIALOGUE_SHARE) else _text(draw)


def _dialogue(draw: Draw) -> Row:
    topics = draw.sample(TOPICS, 2)
    same = draw.chance(SAME_TOPIC_SHARE)
    if same:
        topics[1] = topics[0]
    values = [draw.choice(topics[0].values)]
    values.append(draw.other(topics[1].values, values[0]))
    first = draw.below(2)
    context = [
        f"{SPEAKERS[one]}：{draw.choice(OPENINGS)}{draw.choice(topics[one].said).format(v=values[one])}"
        + draw.choice(ENDINGS)
        for one in (first, 1 - first)
    ]
    questions = [
        _question(draw, topics[one], f"{SPEAKERS[one]}的", values[one], [values[1 - one]] if same else [])
        for one in draw.sample((0, 1), 1 + draw.chance(0.3))
    ]
    return {"part": "d", "context": context, "questions": questions}


def _text(draw: Draw) -> Row:
    person = draw.choice(PEOPLE)
    topics = draw.sample(TOPICS, 2 + draw.below(2))
    values = [draw.choice(topic.values) for topic in topics]
    told = [draw.choice(topic.told).format(s=person, v=value) for topic, value in zip(topics, values)]
    place = draw.below(len(topics))
    topic, value = topics[place], values[place]
    if draw.chance(STATEMENT_SHARE):
        right = draw.chance(0.5)
        stated = value if right else draw.other(topic.values, value)
        statement = topic.told[0].format(s=person, v=stated) + "。"
        question = {"question": statement, "choice": [TRUE, FALSE], "answer": TRUE if right else FALSE}
    else:
        question = _question(draw, topic, person, value, [])
    return {"part": "m", "context": ["。".join(told) + "。"], "questions": [question]}


def _question(draw: Draw, topic: Topic, person: str, value: str, others: Sequence[str]) -> Row:
    """A question with three or four choices, `others` among them."""
    left = [word for word in topic.values if word != value and word not in others]
    choices = [value, *others, *draw.sample(left, 2 + draw.below(2) - len(others))]
    return {"question": draw.choice(topic.asked).format(s=person), "choice": draw.shuffled(choices), "answer": value}
