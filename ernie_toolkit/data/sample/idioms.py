"""Sample for ChID: passages with blanks, each for one of ten idioms.

A row has one to three passages, most of one sentence, some of two, and each sentence a blank of its own. What a
sentence tells fits one idiom alone; the other candidates are drawn from the rest. Every idiom is used once in a row at
most.
"""

from __future__ import annotations

from ernie_toolkit.data.sample.grammar import Draw, Row, Sizes, draw_splits

# Rows of each split, each with two blanks on average.
SIZES: Sizes = {"train": 700, "dev": 120, "test": 60}
CANDIDATES = 10

# Idioms, and sentences for each; {p} is a person, {b} the blank.
SENTENCES: dict[str, tuple[str, ...]] = {
    "一丝不苟": ("{p}写论文{b}，每个数字都要核对三遍。", "{p}核对账目时{b}，一分钱也不会错。"),
    "喜出望外": ("听到获奖的消息，{p}{b}。", "没想到能拿第一，{p}{b}。"),
    "半途而废": ("学琴要坚持，不能{b}。", "{p}劝大家坚持到底，不要{b}。"),
    "车水马龙": ("节日的大街上{b}，路口十分拥挤。", "傍晚的路口{b}，到处是汽车。"),
    "全神贯注": ("{p}{b}地听课，没有听见铃声。", "下棋的时候{p}{b}，谁叫也不应。"),
    "争先恐后": ("门一开，顾客们{b}地往里跑。", "孩子们{b}地举手回答问题。"),
    "风和日丽": ("今天{b}，正好去公园放风筝。", "趁着{b}的天气，{p}去郊外春游。"),
    "雪中送炭": ("{p}在我最困难时借钱给我，真是{b}。", "灾区缺粮，这批粮食{b}。"),
    "画蛇添足": ("文章已经写完，再加一段就是{b}。", "这句话是多余的，实在{b}。"),
    "守株待兔": ("机会要自己去找，不能{b}。", "{p}天天在家等好运，简直是{b}。"),
    "亡羊补牢": ("丢了东西才装锁，也算{b}。", "出了事故以后赶快检修，{b}还不晚。"),
    "对答如流": ("面试的时候{p}{b}，考官很满意。", "不管老师问什么，{p}都{b}。"),
    "井井有条": ("{p}把房间收拾得{b}。", "仓库里的货物放得{b}。"),
    "自言自语": ("{p}一个人对着镜子{b}。", "屋里没有别人，{p}却在{b}。"),
    "狼吞虎咽": ("饿了一天，{p}{b}地吃了三碗饭。", "菜一上桌，{p}就{b}地吃起来。"),
    "手忙脚乱": ("客人突然来了，{p}{b}地准备茶水。", "第一次带孩子，{p}{b}。"),
}
PEOPLE = ("小王", "小李", "老张", "老赵", "姐姐", "弟弟")
LINKS = ("", "后来，", "另外，")
ONE_PASSAGE = 0.15
MOST_BLANKS = 3


def generate(seed: int) -> dict[str, list[Row]]:
    """Rows of every split, one a blank: content, candidates, blank, answer; those of a passage are neighbours."""
    draw = Draw(f"idioms {seed}")
    passages = draw_splits(lambda index: _passage(draw), SIZES, lambda row: row["text"], tries=1000)
    number = 0
    splits: dict[str, list[Row]] = {}
    for split, rows in passages.items():
        found = splits.setdefault(split, [])
        for row in rows:
            blanks = [f"#idiom{number + place:06d}#" for place in range(len(row["idioms"]))]
            number += len(blanks)
            content, candidates = row["text"].format(*blanks).split("\n"), row["candidates"]
            for blank, idiom in zip(blanks, row["idioms"]):
                answer = candidates.index(idiom)
                found.append({"content": content, "candidates": candidates, "blank": blank, "answer": answer})
    return splits


def _passage(draw: Draw) -> Row:
    idioms = draw.sample(list(SENTENCES), 1 + draw.below(MOST_BLANKS))
    text = ""
    for place, idiom in enumerate(idioms):
        if place:
            text += draw.choice(LINKS) if draw.chance(ONE_PASSAGE) else "\n"
        text += draw.choice(SENTENCES[idiom]).format(p=draw.choice(PEOPLE), b="{" + str(place) + "}")
    left = [idiom for idiom in SENTENCES if idiom not in idioms]
    candidates = draw.shuffled([*idioms, *draw.sample(left, CANDIDATES - len(idioms))])
    return {"text": text, "idioms": idioms, "candidates": candidates}
