"""Sample for AFQMC: do two customers of a card desk ask the same thing?

Both questions name a kind of card and a concern. The pair is equal (label 1) when card and concern are the
same, however they are put; unequal pairs keep one of the two and change the other, and may share their
wording. So neither single words nor the share of common characters tells the label: the questions have to
be compared.
"""

from ernie_toolkit.data.sample.grammar import Draw, Row, Sizes, draw_splits

SIZES: Sizes = {"train": 4000, "dev": 500, "test": 200}

CARDS = ("信用卡", "会员卡", "购物卡", "校园卡", "公交卡", "加油卡", "电话卡", "图书卡")

# Every list holds ways to say one concern; {} is the card.
CONCERNS: tuple[tuple[str, ...], ...] = (
    ("怎么开通{}", "{}在哪里办理", "我想申请一张{}", "办{}要走什么流程", "如何才能拿到一张{}"),
    ("怎么注销{}", "{}不用了如何销掉", "我想把{}退掉", "取消{}要走什么流程", "{}在哪里注销"),
    ("怎么查{}的余额", "{}里还剩多少钱", "在哪里看{}剩下的钱", "我想知道{}还有多少余额", "{}余额如何查询"),
    ("怎么改{}的密码", "{}密码忘了如何重设", "我想换一个{}密码", "在哪里修改{}密码", "{}的密码不记得了怎么办"),
    ("怎么给{}充值", "{}没钱了如何存进去", "我想往{}里充钱", "在哪里能给{}加钱", "{}充值要走什么流程"),
    ("{}丢了怎么办", "如何挂失{}", "我的{}找不到了", "{}被偷了在哪里挂失", "我想补一张丢掉的{}"),
    ("{}要交年费吗", "用{}一年收多少费用", "{}的年费是多少", "我想知道{}怎么收费", "每年要给{}交钱吗"),
    ("{}一天最多能花多少", "{}的限额是多少", "怎么提高{}的额度", "我想知道{}每天的限额", "在哪里看{}的额度"),
    ("怎么把{}绑到手机上", "手机里如何添加{}", "我想用手机刷{}", "{}在哪里绑定手机", "{}绑定手机要走什么流程"),
    ("怎么看{}的消费记录", "{}的账单在哪里看", "我想查{}上个月的明细", "{}花在哪里了如何查", "如何打印{}的账单"),
)
OPENINGS = ("", "", "", "请问", "你好，", "想问一下，")
ENDINGS = ("", "", "", "？", "呢", "，谢谢")


def generate(seed: int) -> dict[str, list[Row]]:
    """Rows of every split: sentence1, sentence2, label; half of them labelled 1."""
    draw = Draw(f"questions {seed}")
    splits = draw_splits(lambda index: _row(draw, index), SIZES, lambda row: (row["sentence1"], row["sentence2"]))
    return {split: draw.shuffled(rows) for split, rows in splits.items()}


def _row(draw: Draw, index: int) -> Row:
    card, concern = draw.choice(CARDS), draw.choice(CONCERNS)
    other_card, other_concern = card, concern
    if index % 2 == 0:
        if draw.chance(0.5):
            other_card = draw.other(CARDS, card)
        else:
            other_concern = draw.other(CONCERNS, concern)
    first = _question(draw, card, concern, None)
    # An equal pair in the same words would be no question at all.
    barred = first[0] if other_card == card else None
    second = _question(draw, other_card, other_concern, barred)
    return {"sentence1": first[1], "sentence2": second[1], "label": str(index % 2)}


def _question(draw: Draw, card: str, ways: tuple[str, ...], barred: str | None) -> tuple[str, str]:
    way = draw.other(ways, barred) if barred is not None else draw.choice(ways)
    return way, draw.choice(OPENINGS) + way.format(card) + draw.choice(ENDINGS)
