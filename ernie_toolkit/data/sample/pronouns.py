"""Sample for CLUEWSC2020: does the pronoun mean the marked person?

Two people and a deed, then a reason that only fits one of them; each deed comes with reasons for either, so
neither the deed nor the order of the names decides: which of the names is marked and what the reason says have
to be brought together. Names and things are few, so that a small model from scratch sees each often.
"""

from __future__ import annotations

from ernie_toolkit.data.sample.grammar import Draw, Row, Sizes, draw_splits

SIZES: Sizes = {"train": 3200, "dev": 400, "test": 200}

MEN = ("建国", "志强", "海涛", "文斌")
WOMEN = ("玉梅", "秀英", "丽华", "春燕")
THINGS = ("自行车", "雨伞", "相机", "帐篷", "电脑", "吉他")

# A deed of {a} towards {b} with the thing {x}; reasons that fit a; reasons that fit b. {p} is the pronoun.
SCHEMAS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("{a}把{x}借给了{b}", ("因为{p}暂时用不上", "{p}要求按时归还"), ("因为{p}急着要用", "{p}答应按时归还")),
    ("{a}向{b}借了{x}", ("因为{p}急着要用", "{p}答应小心爱护"), ("因为{p}正好有多余的", "{p}爽快地同意了")),
    (
        "{a}把{x}卖给了{b}",
        ("{p}收到钱以后很高兴", "因为{p}想换一个新的"),
        ("{p}付完钱就拿走了", "因为{p}一直想买一个"),
    ),
    (
        "{a}向{b}请教{x}的用法",
        ("因为{p}是第一次用", "{p}听完连声道谢"),
        ("因为{p}用得最熟练", "{p}讲得十分耐心"),
    ),
    ("{a}教{b}修理{x}", ("{p}讲得很仔细", "因为{p}做过多年师傅"), ("{p}学得很快", "因为{p}从来没有修过")),
    ("{a}弄坏了{b}的{x}", ("{p}赶紧道歉", "{p}愿意照价赔偿"), ("{p}很生气", "{p}要求照价赔偿")),
    (
        "{a}替{b}找回了丢失的{x}",
        ("{p}没有收下谢礼", "{p}在路边发现了它"),
        ("{p}再三道谢", "{p}已经着急了一整天"),
    ),
    (
        "{a}输给了{b}，没能赢得{x}",
        ("{p}有些失落", "{p}说下次再努力"),
        ("{p}高兴地领了奖", "{p}成了全场的冠军"),
    ),
)
PLACES = ("", "", "", "听说")
ENDINGS = ("", "。")


def generate(seed: int) -> dict[str, list[Row]]:
    """Rows of every split: target, idx, label, text; half of them labelled "true"."""
    draw = Draw(f"pronouns {seed}")
    splits = draw_splits(lambda index: _row(draw, index), SIZES, lambda row: (row["text"], row["target"]["span1_text"]))
    shuffled = {split: draw.shuffled(rows) for split, rows in splits.items()}
    for rows in shuffled.values():
        for number, row in enumerate(rows):
            row["idx"] = number
    return shuffled


def _row(draw: Draw, index: int) -> Row:
    men = draw.chance(0.5)
    first, second = draw.sample(MEN if men else WOMEN, 2)
    pronoun = "他" if men else "她"
    deed, for_first, for_second = draw.choice(SCHEMAS)
    means_first = draw.chance(0.5)
    reason = draw.choice(for_first if means_first else for_second)
    opening = draw.choice(PLACES) + deed.format(a=first, b=second, x=draw.choice(THINGS)) + "，"
    text = opening + reason.format(p=pronoun) + draw.choice(ENDINGS)
    label = "true" if index % 2 else "false"
    marked = first if means_first == (label == "true") else second
    target = {
        "span1_text": marked,
        "span1_index": text.index(marked),
        "span2_text": pronoun,
        "span2_index": text.index(pronoun, len(opening)),
    }
    return {"target": target, "idx": 0, "label": label, "text": text}
