"""Sample for AFQMC: do two customers of a card desk ask the same thing?

Both questions name a kind of card and a concern. The pair is equal (label 1) when card and concern are the
same, however they are put; unequal pairs keep one of the two and change the other, and may share their
wording. So neither single words nor the share of common characters tells the label: the questions have to
be compared. There are few cards and concerns, because a small model from scratch has to see each often
before it compares them: dev pairs differ from all training pairs, but in their openings and endings at least,
and not always in more.
"""

from __future__ import annotations

from typing import Tuple

from ernie_toolkit.data.sample.grammar import Draw, Row, Sizes, draw_splits

SIZES: Sizes = {"train": 4000, "dev": 500, "test": 200}

CARDS = ("信用卡", "会员卡", "购物卡", "校园卡")

# Every list holds ways to say one concern; {} is the card. The first four are common, the second four rare:
# they stay hard when the common ones have been learned.
Concern = Tuple[Tuple[str, ...], Tuple[str, ...]]
CONCERNS: tuple[Concern, ...] = (
    (
        ("怎么开通{}", "{}在哪里办理", "我想申请一张{}", "如何拿到{}"),
        ("还没有{}想要一张", "{}从哪儿领", "新办{}", "给我弄一张{}"),
    ),
    (
        ("怎么注销{}", "{}不用了如何销掉", "我想把{}退掉", "{}在哪里取消"),
        ("不想再留着{}", "{}停掉行吗", "{}怎么作废", "彻底关掉{}"),
    ),
    (
        ("怎么查{}余额", "{}里还剩多少钱", "我的{}还有多少余额", "在哪里看{}剩的钱"),
        ("{}的钱够不够花", "{}快花光了吗", "还能用{}付几次款", "帮我看眼{}结余"),
    ),
    (
        ("怎么改{}密码", "{}密码忘了", "我想换{}密码", "在哪里重设{}密码"),
        ("{}口令怎么换", "{}输错三次锁住了", "登录{}的数字记错了", "{}暗号想更新"),
    ),
    (
        ("怎么给{}充值", "{}没钱了如何存", "我想往{}里充钱", "在哪里给{}存钱"),
        ("给{}续费", "转两百到{}", "{}太空了得添点", "{}如何打款进去"),
    ),
)
RARE_SHARE = 0.05
OPENINGS = ("", "", "", "", "你好，")
ENDINGS = ("", "", "。", "，谢谢")


def generate(seed: int) -> dict[str, list[Row]]:
    """Rows of every split: sentence1, sentence2, label; half of them labelled 1."""
    draw = Draw(f"questions {seed}")
    splits = draw_splits(lambda index: _row(draw, index), SIZES, lambda row: (row["sentence1"], row["sentence2"]))
    return {split: draw.shuffled(rows) for split, rows in splits.items()}


def _row(draw: Draw, index: int) -> Row:
    card, concern = draw.choice(CARDS), draw.choice(CONCERNS)
    other_card, other_concern = card, concern
    if index % 2 == 0:
        if draw.chance(0.25):
            other_card = draw.other(CARDS, card)
        else:
            other_concern = draw.other(CONCERNS, concern)
    first = _question(draw, card, concern, None)
    # An equal pair in the same words would be no question at all.
    barred = first[0] if other_card == card and other_concern is concern else None
    second = _question(draw, other_card, other_concern, barred)
    return {"sentence1": first[1], "sentence2": second[1], "label": str(index % 2)}


def _question(draw: Draw, card: str, concern: Concern, barred: str | None) -> tuple[str, str]:
    ways = concern[1] if draw.chance(RARE_SHARE) else concern[0]
    way = draw.other(ways, barred) if barred is not None else draw.choice(ways)
    return way, draw.choice(OPENINGS) + way.format(card) + draw.choice(ENDINGS)
