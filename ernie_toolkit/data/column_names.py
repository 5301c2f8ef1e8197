"""Names by which columns and fields of classification files are known, English and Chinese."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_TEXT_BASES = (
    "text",
    "sentence",
    "sent",
    "content",
    "title",
    "query",
    "question",
    "q",
    "s",
    "文本",
    "句子",
    "内容",
    "标题",
    "问题",
    "问句",
    "语句",
    "查询",
)
_FIRST, _SECOND = ("1", "a", "一", "甲"), ("2", "b", "二", "乙")
# A single letter is a text's name only with its number: "q1", "s2".
_TEXTS = {
    *(base for base in _TEXT_BASES if len(base) > 1 or not base.isascii()),
    *(base + end for base in _TEXT_BASES for end in (*_FIRST, *_SECOND)),
    "textpair",
    "sentencepair",
    "premise",
    "hypothesis",
    "review",
    "comment",
    "document",
    "doc",
    "passage",
    "abstract",
    "abst",
    "utterance",
    "body",
    "message",
    "news",
    "tweet",
    "headline",
    "input",
    "answer",
    "context",
    "reviewbody",
    "reviewtext",
    "rawtext",
    "正文",
    "评论",
    "评价",
    "原文",
    "摘要",
    "文章",
    "新闻",
    "微博",
    "文本内容",
    "评论内容",
    "新闻标题",
    "新闻内容",
    "文本对",
    "前提",
    "假设",
    "答案",
    "回答",
    "语料",
    "描述",
    "原始文本",
}
# Two texts that belong together, beside the numbered ones.
_PAIRS = (
    ("text", "textpair"),
    ("sentence", "sentencepair"),
    ("文本", "文本对"),
    ("premise", "hypothesis"),
    ("前提", "假设"),
    ("query", "title"),
    ("query", "passage"),
    ("query", "document"),
    ("query", "doc"),
    ("query", "content"),
    ("query", "text"),
    ("question", "answer"),
    ("question", "context"),
    ("question", "sentence"),
    ("question", "passage"),
    ("title", "content"),
    ("title", "text"),
    ("title", "body"),
    ("title", "abstract"),
    ("问题", "答案"),
    ("问题", "回答"),
    ("查询", "标题"),
    ("查询", "文本"),
    ("标题", "内容"),
    ("标题", "正文"),
    ("标题", "文本"),
    ("标题", "摘要"),
    ("新闻标题", "新闻内容"),
)
# The first that a file has is its label: "label_name" only where there is no "label".
_LABELS = (
    "label",
    "labels",
    "标签",
    "category",
    "class",
    "类别",
    "分类",
    "target",
    "intent",
    "意图",
    "sentiment",
    "情感",
    "polarity",
    "labelid",
    "labelname",
    "labeldesc",
    "labeldes",
    "classid",
    "classname",
    "categoryid",
    "categoryname",
    "goldlabel",
    "类目",
    "类型",
    "情感倾向",
    "情绪",
    "极性",
    "标注",
    "主题",
    "topic",
    "tag",
    "emotion",
    "rating",
    "stars",
    "score",
    "评分",
    "星级",
    "标签名",
    "标签名称",
    "类别名称",
    "分类标签",
    "type",
    "y",
    "cat",
    "cats",
)
_IDS = {
    "id",
    "idx",
    "index",
    "guid",
    "uid",
    "qid",
    "rowid",
    "rownumber",
    "序号",
    "编号",
    "行号",
    "标识",
    "索引",
    "unnamed:0",
    "unnamed0",
    "sampleid",
    "textid",
    "docid",
    "newsid",
    "ids",
    "#",
}


@dataclass(frozen=True)
class Roles:
    """What some named columns are; places count from 0.

    Attributes:
        texts: Places of the texts.
        label: Place of the label, or None.
        row_id: Place of the row's id, or None.
    """

    texts: tuple[int, ...]
    label: int | None
    row_id: int | None


def plain_name(name: str) -> str:
    """A name without what spellings differ in: case, width, blanks, "_", "-", quotation marks, invisible characters."""
    name = unicodedata.normalize("NFKC", name).casefold()
    return "".join(
        character
        for character in name
        if not (character.isspace() or character in "_-.\"'" or unicodedata.category(character) == "Cf")
    )


def plain_names(names: Sequence[str]) -> list[str]:
    """Several names as `plain_name` gives each."""
    return [plain_name(name) for name in names]


def known_roles(names: Sequence[str]) -> Roles:
    """What columns are by their names; of texts all that there are, those of a pair alone where there is one."""
    plain = plain_names(names)
    texts = tuple(place for place, name in enumerate(plain) if name in _TEXTS)
    pair = _pair(plain)
    label = next((plain.index(name) for name in _LABELS if name in plain), None)
    # A column without a name is the number that pandas writes before each row.
    row_id = next((place for place, name in enumerate(plain) if name in _IDS or (name == "" and place == 0)), None)
    return Roles(pair or texts, label, row_id)


def _pair(plain: Sequence[str]) -> tuple[int, ...] | None:
    for base in _TEXT_BASES:
        for first, second in zip(_FIRST, _SECOND):
            # "question" and "question2" are two as well.
            for one in (base + first, base):
                if one in plain and base + second in plain:
                    return plain.index(one), plain.index(base + second)
    texts = [name for name in plain if name in _TEXTS]
    for one, other in _PAIRS:
        if sorted(texts) == sorted((one, other)):
            return plain.index(one), plain.index(other)
    return None


def is_known(name: str) -> bool:
    """Whether a name is that of a text, a label or an id."""
    plain = plain_name(name)
    return plain in _TEXTS or plain in _LABELS or plain in _IDS
