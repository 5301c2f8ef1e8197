"""What the sample for CMRC2018 tells and asks: kinds of subjects, and the facts about each, in several wordings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ernie_toolkit.data.sample import names
from ernie_toolkit.data.sample.grammar import Draw


@dataclass(frozen=True)
class Value:
    """A value as a sentence words it, and its gold answers.

    Attributes:
        text: The value's words.
        golds: Parts of `text`, the exact one first.
    """

    text: str
    golds: tuple[str, ...]


@dataclass(frozen=True)
class Fact:
    """One kind of fact about a subject.

    Attributes:
        told: Sentences with it; {s} is the subject, {v} the value.
        asked: Questions for it; {s} is the subject.
        value: Draws its value.
    """

    told: tuple[str, ...]
    asked: tuple[str, ...]
    value: Callable[[Draw], Value]


@dataclass(frozen=True)
class Kind:
    """A kind of subject.

    Attributes:
        name: Draws a subject's name.
        pronouns: What else a subject is called.
        facts: The facts about it.
    """

    name: Callable[[Draw], str]
    pronouns: tuple[str, ...]
    facts: tuple[Fact, ...]


def _year(draw: Draw) -> Value:
    year = str(1901 + draw.below(120))
    return Value(f"{year}年", (f"{year}年", year))


def _month(draw: Draw) -> Value:
    year = f"{1901 + draw.below(120)}年"
    month = f"{year}{1 + draw.below(12)}月"
    return Value(month, (month, year))


def _measured(unit: str, scale: str) -> Callable[[Draw], Value]:
    """A number with a unit; `scale` are its two powers of ten. In characters, so that it looks like no date."""

    def value(draw: Draw) -> Value:
        # Odd and then even, so that each looks like what it is: the beginning of the number or its middle.
        number = f"{draw.choice('三五七九')}{scale[0]}{draw.choice('二四六八')}{scale[1]}"
        text = f"约{number}{unit}" if draw.chance(0.3) else number + unit
        return Value(text, tuple(dict.fromkeys((number + unit, number, text))))

    return value


def _someone(*titles: str) -> Callable[[Draw], Value]:
    def value(draw: Draw) -> Value:
        name = draw.choice(names.SURNAMES) + names.given(draw)
        text = draw.choice(titles) + name
        return Value(text, (name, text))

    return value


def _place(draw: Draw) -> Value:
    name = names.stem(draw) + draw.choice(names.SETTLEMENTS[:4])
    text = name + draw.choice(("东部", "西部", "南部", "北部"))
    return Value(text, (text, name))


def _river(draw: Draw) -> Value:
    name = names.stem(draw) + draw.choice(("河", "江"))
    text = name + draw.choice(("北岸", "南岸", "东岸", "西岸"))
    return Value(text, (name, text))


def _school(draw: Draw) -> Value:
    school = names.stem(draw) + draw.choice(("大学", "师范学院", "工学院"))
    text = school + draw.choice(("物理系", "中文系", "历史系", "化学系"))
    return Value(text, (text, school))


def _one_of(words: str) -> Callable[[Draw], Value]:
    """One of some words, each "whole/part": the exact answer and a shorter one."""
    pairs = [tuple(word.split("/")) for word in words.split()]

    def value(draw: Draw) -> Value:
        whole, part = draw.choice(pairs)
        return Value(whole, (whole, part))

    return value


def _book(draw: Draw) -> Value:
    title = names.given(draw) + draw.choice(("集", "记", "传", "谣"))
    return Value(f"《{title}》", (f"《{title}》", title))


# Few, and in no value, so that a small model soon knows them by sight.
SUBJECTS = ("珑皓", "澄骞", "弈翊", "琛珩", "璃瑾", "麓沐")
_JOBS = "桥梁工程师/工程师 小学教师/教师 外科医生/医生 民航机长/机长 古籍编辑/编辑 汽车技师/技师 园林设计师/设计师"
_HOBBIES = "拉小提琴/小提琴 种兰花/兰花 下象棋/象棋 养信鸽/信鸽 画水彩/水彩 收集邮票/邮票 打羽毛球/羽毛球"
_CROPS = "优质茶叶/茶叶 早熟柑橘/柑橘 山地核桃/核桃 有机大米/大米 紫皮大蒜/大蒜 野生蜂蜜/蜂蜜 红心猕猴桃/猕猴桃"
_GOODS = "节能水泵/水泵 医用口罩/口罩 儿童自行车/自行车 无线耳机/耳机 不锈钢餐具/餐具 全棉毛巾/毛巾"
_FORMS = "三跨石拱结构/石拱 双塔斜拉结构/斜拉 单孔悬索结构/悬索 预制钢梁结构/钢梁"


def _named(ending: str) -> Callable[[Draw], str]:
    return lambda draw: draw.choice(SUBJECTS) + ending


def _person(draw: Draw) -> str:
    return draw.choice(names.SURNAMES[:12]) + draw.choice(SUBJECTS)


KINDS: Mapping[str, Kind] = {
    "person": Kind(
        _person,
        ("他", "她"),
        (
            Fact(("{s}生于{v}", "{s}于{v}出生"), ("{s}是哪一年出生的？", "{s}什么时候出生？"), _year),
            Fact(("{s}的老家在{v}", "{s}来自{v}"), ("{s}的家乡在哪里？", "{s}是哪里人？"), _place),
            Fact(("{s}毕业于{v}", "{s}曾在{v}读书"), ("{s}毕业于哪所学校？", "{s}在哪里上的大学？"), _school),
            Fact(("{s}的职业是{v}", "{s}是一名{v}"), ("{s}的职业是什么？", "{s}是做什么工作的？"), _one_of(_JOBS)),
            Fact(("{s}平时喜欢{v}", "{s}的爱好是{v}"), ("{s}有什么爱好？", "{s}平时喜欢做什么？"), _one_of(_HOBBIES)),
            Fact(("{s}写过一部{v}", "{s}的代表作是{v}"), ("{s}写了哪部作品？", "{s}的代表作叫什么？"), _book),
        ),
    ),
    "town": Kind(
        _named("镇"),
        ("当地", "这里"),
        (
            Fact(("{s}位于{v}", "{s}坐落在{v}"), ("{s}位于哪条河边？", "{s}旁边是什么河？"), _river),
            Fact(("{s}设立于{v}", "{s}在{v}建立"), ("{s}是什么时候设立的？", "{s}建立于哪一年？"), _month),
            Fact(("{s}有居民{v}", "{s}的人口为{v}"), ("{s}有多少人口？", "{s}住着多少人？"), _measured("人", "万千")),
            Fact(("{s}盛产{v}", "{s}的特产是{v}"), ("{s}的特产是什么？", "{s}盛产什么？"), _one_of(_CROPS)),
            Fact(("{s}的海拔是{v}", "{s}海拔{v}"), ("{s}的海拔是多少？", "{s}海拔有多高？"), _measured("米", "百十")),
        ),
    ),
    "company": Kind(
        _named("公司"),
        ("该公司", "这家企业"),
        (
            Fact(("{s}成立于{v}", "{s}在{v}成立"), ("{s}是什么时候成立的？", "{s}成立于哪一年？"), _month),
            Fact(
                ("{s}由{v}创办", "{s}的创始人是{v}"),
                ("{s}是谁创办的？", "{s}的创始人是谁？"),
                _someone("商人", "工程师", "退伍军人"),
            ),
            Fact(("{s}的总部设在{v}", "{s}总部位于{v}"), ("{s}的总部在哪里？", "{s}总部设在什么地方？"), _place),
            Fact(("{s}生产{v}", "{s}的主要产品是{v}"), ("{s}生产什么？", "{s}的主要产品是什么？"), _one_of(_GOODS)),
            Fact(("{s}有员工{v}", "{s}雇用了{v}"), ("{s}有多少员工？", "{s}雇用了多少人？"), _measured("人", "千百")),
        ),
    ),
    "bridge": Kind(
        _named("大桥"),
        ("大桥", "这座桥"),
        (
            Fact(("{s}于{v}通车", "{s}的通车时间是{v}"), ("{s}什么时候通车？", "{s}是哪一年通车的？"), _month),
            Fact(("{s}全长{v}", "{s}的长度为{v}"), ("{s}有多长？", "{s}的长度是多少？"), _measured("米", "千百")),
            Fact(
                ("{s}由{v}设计", "{s}的设计者是{v}"),
                ("{s}是谁设计的？", "{s}的设计者是谁？"),
                _someone("工程师", "教授", "建筑师"),
            ),
            Fact(("{s}通往{v}", "{s}的一端在{v}"), ("{s}通往哪里？", "{s}的一端在哪里？"), _river),
            Fact(("{s}采用{v}", "{s}是{v}"), ("{s}采用什么结构？", "{s}是哪种结构的桥？"), _one_of(_FORMS)),
        ),
    ),
}
