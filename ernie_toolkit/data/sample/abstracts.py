"""Sample for CSL: are these really the keywords of the abstract?

An abstract names three terms of its field. Real keywords (label 1) are among them; in the others (label 0)
one or two are terms of the same field that the abstract does not name, so the field gives nothing away.
"""

from __future__ import annotations

from ernie_toolkit.data.sample.grammar import Draw, Row, Sizes, draw_splits

SIZES: Sizes = {"train": 3000, "dev": 450, "test": 200}

FIELDS: tuple[tuple[str, ...], ...] = (
    ("土壤水分", "冬小麦", "灌溉制度", "秸秆覆盖", "氮肥利用率", "播种密度"),
    ("混凝土", "抗压强度", "裂缝扩展", "钢筋锈蚀", "粉煤灰", "冻融循环"),
    ("图像分割", "卷积网络", "注意力机制", "边缘检测", "迁移学习", "噪声抑制"),
    ("高血压", "左心室肥厚", "动态监测", "肾功能", "降压药物", "体质指数"),
)
OPENINGS = ("针对{0}与{1}的关系", "为弄清{1}对{0}的作用", "以{0}为对象围绕{1}")
METHODS = ("设计了对比试验", "建立了分析模型", "收集样本并作了测定")
RESULTS = ("结果表明{2}的变化最为明显", "分析发现{2}是主要因素", "试验显示{2}得到了改善")
ENDINGS = ("。", "，可供参考。", "，仍需检验。")


def generate(seed: int) -> dict[str, list[Row]]:
    """Rows of every split: id, abst, keyword, label; half of them labelled 1."""
    draw = Draw(f"abstracts {seed}")
    splits = draw_splits(lambda index: _row(draw, index), SIZES, lambda row: (row["abst"], *row["keyword"]))
    shuffled = {split: draw.shuffled(rows) for split, rows in splits.items()}
    for rows in shuffled.values():
        for number, row in enumerate(rows):
            row["id"] = number
    return shuffled


def _row(draw: Draw, index: int) -> Row:
    terms = draw.shuffled(draw.choice(FIELDS))
    named, absent = terms[:3], terms[3:]
    text = "，".join(draw.choice(part) for part in (OPENINGS, METHODS, RESULTS)) + draw.choice(ENDINGS)
    keywords = draw.sample(named, 2)
    if index % 2 == 0:
        wrong = 1 + draw.below(2)
        keywords = draw.shuffled(keywords[wrong:] + absent[:wrong])
    return {"id": 0, "abst": text.format(*named), "keyword": keywords, "label": str(index % 2)}
