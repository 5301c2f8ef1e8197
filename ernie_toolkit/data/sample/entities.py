"""Sample for MSRA-NER: people, organisations and places in a sentence.

A sentence is one clause or two around names that are composed anew each time, so few names of `dev` are known
from `train`. A place's name within that of an organisation is part of the organisation. Ordinary words share
their characters with surnames and places, and words in letters are names or none.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ernie_toolkit.data.sample import names
from ernie_toolkit.data.sample.grammar import Draw, Row, Sizes, draw_splits

SIZES: Sizes = {"train": 3000, "dev": 400, "test": 200}
LENGTHS = range(12, 61)
MOST_ENTITIES = 4

OPENINGS = (
    "",
    "",
    "",
    "{date}，",
    "{date}，",
    "据了解，",
    "近日，",
    "{clock}，",
    "一般来说，",
    "高兴的是，",
    "马上就到年底，",
    "由于时间有限，",
    "关于这件事，",
    "石头路修好以后，",
    "江水退去的第二天，",
)
# PER, ORG and LOC are names; the others are filled with words outside of any.
CLAUSES = (
    "{PER}出生在{LOC}，后来进入{ORG}工作",
    "{ORG}聘请{PER}担任顾问",
    "{PER}和{PER}一起从{LOC}出发，前往{LOC}",
    "{ORG}的{PER}向大家介绍了{word}的新用法",
    "记者在{LOC}见到了{age}岁的{PER}",
    "{PER}终于回到了离别多年的{LOC}",
    "为方便群众，{ORG}把会场设在{LOC}",
    "石料和水泥要从{LOC}运到{LOC}",
    "{LOC}的水位上涨了{count}厘米",
    "{PER}说：“{LOC}的春天很美”",
    "{ORG}与{ORG}签订了{count}万元的合同",
    "{PER}、{PER}和{PER}分别获得前三名",
    "这条公路经过{LOC}，全长{count}公里",
    "一位姓{surname}的老人在{LOC}住了{age}年",
    "{ORG}主办的展览吸引了{count}名观众",
    "{PER}被{ORG}录取，成为村里第一个大学生",
    "在{LOC}，{PER}租下了{count}亩土地",
    "{ORG}派{PER}到{LOC}调查{word}的情况",
    "{PER}给{ORG}写信，要求公开账目",
    "{LOC}一家医院引进了{word}设备",
    "{LOC}和{LOC}之间将修建一座大桥",
    "{ORG}宣布，{PER}不再担任主任",
    "{PER}（中）在{LOC}的家中接受采访",
    "来自{LOC}的教师{PER}获得表彰",
    "{ORG}在{LOC}开设了第{age}家分店",
    "县里请来专家{PER}讲解{word}",
    "{PER}在接受{ORG}检查时表示满意",
    "{LOC}附近发现一处古代遗址",
    "画家{PER}以{LOC}为题材创作了{age}幅作品",
    "由{ORG}研制的{word}系统投入使用",
    "成绩公布后，{PER}向{PER}表示祝贺",
    "于是{PER}把钱还给了{ORG}",
    "大雨使{LOC}到{LOC}的列车晚点{age}分钟",
    "{ORG}队员{PER}打进一球，以{small}比{small}取胜",
    "时任厂长{PER}决定迁往{LOC}",
    "河边的石头上刻着{PER}的名字",
)
PLAIN = (
    "白天的气温达到{small}度，江边的人不多",
    "方法很简单，马路两旁种上高大的树就行",
    "万一出现严重问题，关门整顿也不奇怪",
    "安全工作时刻不能放松，{word}检查常常要做",
    "县城里的路口装了{count}个{word}摄像头",
    "市场上的黄瓜每斤涨了{small}角钱",
    "山区的学校新建了图书室和{small}间教室",
    "公司成立以来，大学生员工增加了{count}人",
)
TAILS = (
    "",
    "",
    "",
    "，温度也慢慢升高",
    "，成功并不容易",
    "，这在当地还是第一次",
    "，安排得十分周到",
    "，时间持续了{small}小时",
    "，{PER}也在场",
    "，消息很快传到{LOC}",
    "，{ORG}对此没有回应",
    "，大家方才放心",
    "，向来如此",
    "，金额约{count}万元",
)
ENDS = ("。", "。", "。", "", "！")
WORDS = ("GPS", "VIP", "DNA", "5G", "LED", "app", "CPU", "智能", "节水", "安全", "新型", "PDF")
_SLOT = re.compile(r"\{(\w+)\}")
_NAMES: dict[str, Callable[[Draw], str]] = {"PER": names.person, "ORG": names.organisation, "LOC": names.place}
_FILLERS: dict[str, Callable[[Draw], str]] = {
    "date": lambda draw: f"{1950 + draw.below(75)}年{1 + draw.below(12)}月{1 + draw.below(28)}日",
    "clock": lambda draw: draw.choice(("今天上午", "昨天下午", "周三晚上", "当地时间凌晨", "去年夏天")),
    "count": lambda draw: str(100 + draw.below(2900)),
    "age": lambda draw: str(11 + draw.below(80)),
    "small": lambda draw: str(1 + draw.below(9)),
    "surname": lambda draw: draw.choice(names.SURNAMES),
    "word": lambda draw: names.abbreviation(draw) if draw.chance(0.3) else draw.choice(WORDS),
}


def generate(seed: int) -> dict[str, list[Row]]:
    """Rows of every split: tokens (single characters) and labels (a BIO tag for each)."""
    draw = Draw(f"entities {seed}")
    return draw_splits(lambda index: _row(draw), SIZES, lambda row: "".join(row["tokens"]))


def _row(draw: Draw) -> Row:
    while True:
        clauses = [draw.choice(PLAIN if draw.chance(0.12) else CLAUSES) for _ in range(1 if draw.chance(0.8) else 2)]
        template = draw.choice(OPENINGS) + "；".join(clauses) + draw.choice(TAILS) + draw.choice(ENDS)
        row = _fill(draw, template)
        entities = sum(label[0] == "B" for label in row["labels"])
        if len(row["tokens"]) in LENGTHS and entities <= MOST_ENTITIES:
            return row


def _fill(draw: Draw, template: str) -> Row:
    tokens: list[str] = []
    labels: list[str] = []
    # Splitting at a pattern with a group gives text and slot in turn.
    for place, part in enumerate(_SLOT.split(template)):
        if place % 2 and part in _NAMES:
            text = _NAMES[part](draw)
            labels += [f"B-{part}"] + [f"I-{part}"] * (len(text) - 1)
        else:
            text = _FILLERS[part](draw) if place % 2 else part
            labels += ["O"] * len(text)
        tokens += text
    return {"tokens": tokens, "labels": labels}
