"""Sample for OCNLI (spoken) and CMNLI (written): does the second sentence follow from the first?

The first sentence tells of a deed and some of its circumstances: when, where, how much, with whom, what for.
The second asserts one circumstance: the same as told (entailment), another (contradiction), or one of which
nothing was told (neutral). It reads alike in all three cases, so that it alone tells nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from ernie_toolkit.data.sample.grammar import Draw, Row, Sizes, draw_splits

SIZES: Sizes = {"train": 3600, "dev": 450, "test": 200}
LABELS = ("entailment", "contradiction", "neutral")
# One row in this many has no gold label, as where OCNLI's annotators did not agree.
GAP_EVERY = 90


@dataclass(frozen=True)
class Lexicon:
    """Words of one genre.

    Attributes:
        actors: Who does something.
        deeds: What they do it to: (verb, measure word, object).
        slots: The values of each circumstance.
        told: For each circumstance the words for it in the first sentence.
        asserted: For each circumstance the words for it in the second sentence.
        frames: Templates of the first sentence.
    """

    actors: tuple[str, ...]
    deeds: tuple[tuple[str, str, str], ...]
    slots: dict[str, tuple[str, ...]]
    told: dict[str, str]
    asserted: dict[str, tuple[str, ...]]
    frames: tuple[str, ...]


SPOKEN = Lexicon(
    actors=("小王", "老李", "我表姐", "张阿姨", "隔壁的小刘", "我同学"),
    deeds=(
        ("买", "本", "小说"),
        ("吃", "碗", "面条"),
        ("拍", "张", "照片"),
        ("画", "幅", "水彩画"),
        ("挑", "件", "毛衣"),
        ("摘", "筐", "橘子"),
    ),
    slots={
        "time": ("昨天早上", "上个周末", "前天晚上", "今天中午"),
        "place": ("城南", "老家", "学校旁边", "河边"),
        "amount": ("两", "三", "五", "八"),
        "company": ("她妹妹", "几个同事", "室友", "邻居家的孩子"),
        "aim": ("爷爷", "女儿", "客人", "老师"),
    },
    told={
        "time": "{v}",
        "place": "在{v}",
        "amount": "{v}",
        "company": "跟{v}一块儿",
        "aim": "，说是给{v}准备的",
    },
    asserted={
        "time": ("{a}是{v}{d}的{o}", "{a}{d}{o}是{v}的事"),
        "place": ("{a}是在{v}{d}的{o}", "{a}{d}{o}的地方在{v}"),
        "amount": ("{a}一共{d}了{v}{m}{o}", "{a}{d}的{o}有{v}{m}"),
        "company": ("{a}是跟{v}一块儿{d}的{o}", "{v}和{a}一块儿{d}了{o}"),
        "aim": ("{a}{d}的{o}是给{v}的", "{o}是{a}替{v}{d}的"),
    },
    frames=(
        "{time}{a}{place}{company}{d}了{amount}{o}{aim}",
        "{a}{time}{company}{place}{d}了{amount}{o}{aim}",
    ),
)
WRITTEN = Lexicon(
    actors=("该公司", "市政府", "研究团队", "这家基金会", "地方委员会", "行业协会"),
    deeds=(
        ("修建", "座", "仓库"),
        ("发布", "份", "报告"),
        ("购置", "台", "设备"),
        ("举办", "场", "论坛"),
        ("培训", "批", "教师"),
        ("资助", "个", "项目"),
    ),
    slots={
        "time": ("去年三月", "本世纪初", "上一财年", "会议召开之前"),
        "place": ("沿海地区", "首都", "西部山区", "边境城市"),
        "amount": ("四", "六", "九", "十二"),
        "company": ("当地大学", "外国专家", "志愿组织", "两家银行"),
        "aim": ("残疾人", "农村学校", "中小企业", "受灾居民"),
    },
    told={
        "time": "{v}，",
        "place": "在{v}",
        "amount": "{v}",
        "company": "联合{v}",
        "aim": "，受益者是{v}",
    },
    asserted={
        "time": ("{a}{d}{o}的时间是{v}", "{v}，{a}开始{d}{o}"),
        "place": ("{a}{d}{o}的地点位于{v}", "{v}有由{a}{d}的{o}"),
        "amount": ("由{a}{d}的{o}共计{v}{m}", "{a}总共{d}了{v}{m}{o}"),
        "company": ("{v}参与了{a}的工作，{d}了{o}", "{a}与{v}合作{d}了{o}"),
        "aim": ("{a}{d}{o}是为了帮助{v}", "{v}将因{a}{d}的{o}而受益"),
    },
    frames=(
        "{time}{a}{place}{company}{d}了{amount}{o}{aim}。",
        "{time}{a}{company}{place}{d}了{amount}{o}{aim}。",
    ),
)


def generate_ocnli(seed: int) -> dict[str, list[Row]]:
    """Rows in OCNLI's format: the labels evenly, a few rows without a gold label in train and dev."""
    draw = Draw(f"entailment spoken {seed}")
    splits = _generate(draw, SPOKEN)
    for rows in splits.values():
        for number, row in enumerate(rows):
            row.update(level=draw.choice(("easy", "medium", "hard")), genre="sample", prem_id=f"sample_{number}")
            row["id"] = number
            if number % GAP_EVERY == GAP_EVERY - 1:
                row["label"] = "-"
    return splits


def generate_cmnli(seed: int) -> dict[str, list[Row]]:
    """Rows in CMNLI's format: sentence1, sentence2, label; the labels evenly."""
    return _generate(Draw(f"entailment written {seed}"), WRITTEN)


def _generate(draw: Draw, lexicon: Lexicon) -> dict[str, list[Row]]:
    def make(index: int) -> Row:
        return _row(draw, lexicon, LABELS[index % len(LABELS)])

    splits = draw_splits(make, SIZES, lambda row: (row["sentence1"], row["sentence2"]))
    return {split: draw.shuffled(rows) for split, rows in splits.items()}


def _row(draw: Draw, lexicon: Lexicon, label: str) -> Row:
    actor = draw.choice(lexicon.actors)
    verb, measure, thing = draw.choice(lexicon.deeds)
    kinds = draw.sample(tuple(lexicon.slots), 3)
    told = {kind: draw.choice(lexicon.slots[kind]) for kind in kinds[:2]}
    kind = kinds[2] if label == "neutral" else kinds[0]
    values = lexicon.slots[kind]
    value = told.get(kind) or draw.choice(values)
    if label == "contradiction":
        value = draw.other(values, value)
    circumstances = dict.fromkeys(lexicon.slots, "")
    for slot, words in told.items():
        circumstances[slot] = lexicon.told[slot].format(v=words) + (measure if slot == "amount" else "")
    first = draw.choice(lexicon.frames).format(a=actor, d=verb, o=thing, **circumstances)
    second = draw.choice(lexicon.asserted[kind]).format(a=actor, d=verb, m=measure, o=thing, v=value)
    return {"sentence1": first, "sentence2": second, "label": label}
