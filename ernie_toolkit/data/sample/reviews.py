"""Sample for multi-label classification: what does a customer's review of an order praise and complain of?

A review has one to four clauses about different things: the label names the thing and the opinion of it. Clauses
that say nothing of either stand between them; a clause about what somebody feared, heard or wished names a thing
and has no label; a negation turns an opinion around. So single words do not tell the labels.
"""

from __future__ import annotations

from ernie_toolkit.data.sample.grammar import Draw, Row, Sizes, draw_splits

SIZES: Sizes = {"train": 3200, "dev": 300, "test": 300, "unlabelled": 300}

# Thing -> words for it, what praises it, what complains of it.
THINGS: dict[str, tuple[str, str, str]] = {
    "物流": (
        "快递 发货 配送 物流",
        "当天就到了 比说好的早 快得惊人 一路都有消息",
        "等了半个月 拖了又拖 半路丢了一次 停在仓库不动",
    ),
    "包装": (
        "包装 外盒 箱子 封口",
        "严严实实 拆开完好无损 里外垫了三层 很讲究",
        "破了个洞 压得变形 一碰就散 渗水了",
    ),
    "质量": (
        "做工 用料 质量 材质",
        "扎实耐用 没有一点毛病 用了半年还像新的 很精细",
        "粗糙得很 没几天就坏 到处是毛边 和照片差远了",
    ),
    "客服": (
        "客服 店家 售后 卖家",
        "有问必答 很有耐心 主动补了差价 半夜都回复",
        "爱理不理 推来推去 一直没人回 说话带刺",
    ),
    "价格": (
        "价格 价钱 性价比 卖价",
        "比别家便宜 很划算 对得起这个数 活动时很实在",
        "贵得离谱 买完就降了 水分太大 不值这个数",
    ),
}
PRAISE, COMPLAINT = "好评", "差评"
LABELS = tuple(f"{thing}{opinion}" for thing in THINGS for opinion in (PRAISE, COMPLAINT))

PLAIN = (
    "这是给家里老人买的",
    "第二次来这家了",
    "同事推荐的",
    "颜色是深灰的",
    "刚拆开",
    "下单是在周末",
    "尺寸选的中号",
    "先用一阵再来说",
    "放在书房里",
    "朋友也想要一个",
    "说明书还没看",
    "配了一根线",
)
# No opinion of the customer's own, whatever stands in {}.
HEARSAY = ("本来担心{}", "看评论有人说{}", "要是{}就好了", "之前在别家{}")
NEGATIONS = ("哪里有{}这回事", "说{}的人太夸张了")
JOINTS = ("，", "，", "；", "，另外", "，不过", "，而且")
OPENINGS = ("", "", "", "实话说，", "总的来说，", "收到了，")
ENDINGS = ("。", "。", "！", "", "，就这样。")


def generate(seed: int) -> dict[str, list[Row]]:
    """Rows of every split: `sentence` and `labels`, in the order of `LABELS`; some have none."""
    draw = Draw(f"reviews {seed}")
    return draw_splits(lambda index: _row(draw), SIZES, lambda row: row["sentence"])


def _row(draw: Draw) -> Row:
    found = set()
    clauses = []
    for thing in draw.sample(list(THINGS), (1, 1, 1, 2, 2, 2, 3, 0)[draw.below(8)]):
        clause, label = _opinion(draw, thing)
        clauses.append(clause)
        found.add(label)
    rest = [thing for thing in THINGS if not any(thing in label for label in found)]
    if draw.chance(0.2):
        clauses.append(draw.choice(HEARSAY).format(_statement(draw, draw.choice(rest), draw.below(2))))
    if not clauses or draw.chance(0.5):
        clauses.append(draw.choice(PLAIN))
    sentence = draw.choice(OPENINGS)
    for number, clause in enumerate(draw.shuffled(clauses)):
        sentence += (draw.choice(JOINTS) if number else "") + clause
    return {
        "sentence": sentence + draw.choice(ENDINGS),
        "labels": tuple(label for label in LABELS if label in found),
    }


def _opinion(draw: Draw, thing: str) -> tuple[str, str]:
    opinion = draw.below(2)
    if draw.chance(0.05):  # the opposite is denied
        clause = draw.choice(NEGATIONS).format(_statement(draw, thing, 1 - opinion))
    else:
        clause = _statement(draw, thing, opinion)
    return clause, thing + (PRAISE, COMPLAINT)[opinion]


def _statement(draw: Draw, thing: str, opinion: int) -> str:
    words, *ways = THINGS[thing]
    return draw.choice(words.split()) + draw.choice(ways[opinion].split())
