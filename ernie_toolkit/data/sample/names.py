"""Invented names of people, places and organisations, composed of characters.

There are so many that most names of one split stand in no other: a model has to use how they are composed and
what stands around them.
"""

from __future__ import annotations

from ernie_toolkit.data.sample.grammar import Draw

# Many of these are also the beginning of ordinary words, and several given names are ordinary words throughout.
SURNAMES = (*"高方马江石白黄金钱温常万严安关向成于管时林沈陆苏顾叶程夏秦梁田杜韩谢冯", "欧阳", "司徒", "上官")
GIVEN_STARTS = "霁砚檀昭朔若知景予墨书明文新清"
GIVEN_ENDS = "澜屿笙禾苒汐棠岫衡岚舟桐岳言和平安"
SYLLABLE_STARTS = "巴卡莫尼"
SYLLABLES = "洛维恩特里斯娜德拉"

STEM_STARTS = "栖鹿沙雁荷枫霜苍渡梧砾蓼岚松石柳青云白金"
STEM_ENDS = "泽岭湾塘潭桥埠浔坪洲汀渚荡垄"
SETTLEMENTS = ("市", "县", "镇", "村", "区", "乡")
LANDSCAPE = ("山", "河", "湖", "岛", "江", "港")

BRAND_STARTS = "星瑞智盛凯宏捷"
BRAND_ENDS = "恒拓汇元鑫博璇"
TRADES = ("机械", "乳业", "科技", "建材", "食品", "物流", "制药", "纺织", "能源", "文化传媒")
FIRMS = ("公司", "集团", "有限公司", "厂")
INSTITUTIONS = (
    "大学",
    "师范学院",
    "人民医院",
    "第二医院",
    "教育局",
    "第三中学",
    "足球队",
    "博物馆",
    "法院",
    "日报社",
    "图书馆",
    "消防队",
    "气象台",
    "农科所",
)
CHARITIES = ("基金会", "工作室", "纪念馆")
LETTERS = "ABCDEFGHKLMPQRSTUVXYZ"


def person(draw: Draw) -> str:
    """A surname with a given name of one or two characters, or, of one in seven, syllables as of a foreign name."""
    if draw.chance(0.15):
        return draw.choice(SYLLABLE_STARTS) + "".join(draw.sample(SYLLABLES, 2 + draw.below(2)))
    return draw.choice(SURNAMES) + (draw.choice(GIVEN_ENDS[:8]) if draw.chance(0.15) else given(draw))


def given(draw: Draw) -> str:
    """A given name of two characters."""
    return draw.choice(GIVEN_STARTS) + draw.choice(GIVEN_ENDS)


def stem(draw: Draw) -> str:
    """Two characters that may be the name of a place."""
    return draw.choice(STEM_STARTS) + draw.choice(STEM_ENDS)


def place(draw: Draw) -> str:
    """A place: a stem, mostly with a word for a settlement or a landscape."""
    if draw.chance(0.15):
        return stem(draw)
    return stem(draw) + draw.choice(SETTLEMENTS if draw.chance(0.65) else LANDSCAPE)


def firm(draw: Draw) -> str:
    """A company, named by a brand and its trade."""
    return draw.choice(BRAND_STARTS) + draw.choice(BRAND_ENDS) + draw.choice(TRADES) + draw.choice(FIRMS)


def abbreviation(draw: Draw) -> str:
    """Three different capital letters."""
    return "".join(draw.sample(LETTERS, 3))


def organisation(draw: Draw) -> str:
    """An institution of a place, a company with or without its place, or one named by letters or a person."""
    kind = draw.below(20)
    if kind < 9:
        return stem(draw) + draw.choice(("", *SETTLEMENTS[:3])) + draw.choice(INSTITUTIONS)
    if kind < 13:
        return firm(draw)
    if kind < 17:
        return stem(draw) + draw.choice(("", "市")) + firm(draw)
    if kind < 19:
        return abbreviation(draw) + draw.choice((*FIRMS[:2], "实验室", "俱乐部"))
    return person(draw) + draw.choice(CHARITIES)
