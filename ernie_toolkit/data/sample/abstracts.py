"""Sample for CSL: are these really the keywords of the abstract?

An abstract names four terms of its field. Real keywords (label 1) are among them; in the others (label 0)
one or two are terms of the same field that the abstract does not name, so the field gives nothing away.
"""

from ernie_toolkit.data.sample.grammar import Draw, Row, Sizes, draw_splits

SIZES: Sizes = {"train": 3000, "dev": 450, "test": 200}

FIELDS: tuple[tuple[str, ...], ...] = tuple(
    tuple(line.split())
    for line in (
        "土壤水分 冬小麦 灌溉制度 蒸散量 产量构成 秸秆覆盖 氮肥利用率 根系分布 播种密度 滴灌",
        "混凝土 抗压强度 裂缝扩展 钢筋锈蚀 粉煤灰 耐久性 徐变 骨料级配 冻融循环 界面过渡区",
        "图像分割 卷积网络 注意力机制 特征融合 边缘检测 迁移学习 小样本 目标跟踪 噪声抑制 数据增强",
        "高血压 左心室肥厚 动态监测 肾功能 血管内皮 降压药物 老年患者 体质指数 盐敏感性 随访研究",
        "区域经济 产业集聚 空间溢出 城镇化 人力资本 环境规制 外商投资 财政分权 收入差距 面板数据",
        "锂离子电池 正极材料 循环稳定性 电解液 固态电池 包覆改性 容量衰减 倍率性能 热失控 石墨烯",
    )
)
OPENINGS = (
    "针对{0}研究中{1}考虑不足的问题",
    "为探讨{0}与{1}之间的关系",
    "为了弄清{1}对{0}的作用",
    "以{0}为对象，围绕{1}",
)
METHODS = (
    "设计了以{2}为变量的对比试验",
    "建立了包含{2}的分析模型",
    "收集了近三年的样本并测定{2}",
    "从{2}入手提出了改进方案",
)
RESULTS = (
    "结果表明，{3}的变化最为明显",
    "分析发现，{3}是主要的影响因素",
    "试验显示，{3}得到了有效改善",
    "验证说明，该方法有利于{3}的评价",
)
ENDINGS = ("。", "，可为相关工作提供参考。", "，具有一定的应用价值。", "，仍需扩大规模加以检验。")


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
    named, absent = terms[:4], terms[4:]
    text = "，".join(draw.choice(part) for part in (OPENINGS, METHODS, RESULTS)) + draw.choice(ENDINGS)
    count = 2 + draw.below(2)
    keywords = draw.sample(named, count)
    if index % 2 == 0:
        wrong = 1 + draw.below(2)
        keywords = draw.shuffled(keywords[wrong:] + absent[:wrong])
    return {"id": 0, "abst": text.format(*named), "keyword": keywords, "label": str(index % 2)}
