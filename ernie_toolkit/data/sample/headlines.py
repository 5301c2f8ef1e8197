"""Sample for TNEWS: titles of 15 kinds of news.

A title has a subject of its topic and an event, of the topic or of none; many also mention the subject of
another topic. Where the event is of none, only the construction tells which subject the news is about.
"""

from __future__ import annotations

from ernie_toolkit.data.registry import TNEWS_NAMES
from ernie_toolkit.data.sample.grammar import Draw, Row, Sizes, draw_splits

SIZES: Sizes = {"train": 3000, "dev": 450, "test": 200}

# label: (subjects, events)
TOPICS: dict[str, tuple[str, str]] = {
    "100": (
        "守灯塔的老人 村口的修鞋匠 一对分别多年的兄弟 卖花的小姑娘 老街上的裁缝 退休邮递员 山里的护林人",
        "写下一封没有寄出的信 三十年只等一人回来 把秘密讲给了孙女 收留了一只流浪猫 半辈子还一份人情 临别说出心事",
    ),
    "101": (
        "古琴传承人 明代戏台 敦煌壁画 这位书法家 民间剪纸 县城的老书店 一部失传的曲谱",
        "在博物馆里重新展出 被列入保护名录 让年轻人爱上传统 背后藏着千年的讲究 举办专题讲座 出版了修订本",
    ),
    "102": (
        "这位女演员 新晋歌手 一部古装剧 老牌相声演员 这档综艺 年度最佳导演 当红组合",
        "在红毯上惊艳亮相 公布恋情 新片定档春节 因演技引发热议 深夜发文回应传闻 收视率创下新高",
    ),
    "103": (
        "国家女排 主队门将 这名短跑选手 乒乓小将 马拉松冠军 篮球队主教练 新赛季的前锋",
        "加时赛绝杀对手 打破全国纪录 因伤缺席半决赛 连胜五场晋级 赛后谈战术变化 夺得首枚金牌",
    ),
    "104": (
        "央行 多家基金公司 小微企业 国际金价 养老金 这家投资机构 消费信贷",
        "下调存款利率 公布年度财报 获得新一轮融资 一周内连涨三天 调整理财产品门槛 面临坏账压力",
    ),
    "106": (
        "二手房 市中心的学区房 这个新楼盘 公积金贷款 房东 老旧小区 城郊别墅",
        "首付比例再次下调 开盘当天售罄 挂牌半年无人看房 加装电梯通过方案 每平方米降了两千 延期交房引业主不满",
    ),
    "107": (
        "这款电动轿车 国产越野车 新手司机 七座家用车 某品牌混动车型 老款面包车 自动变速箱",
        "百公里油耗公布 因刹车隐患召回 试驾体验超出预期 续航里程达到六百公里 上市首月销量过万 保养一次要花多少",
    ),
    "108": (
        "乡村小学 高三学生 这所大学 中考 语文老师 研究生导师 寄宿学校",
        "公布招生简章 把课堂搬到了田野 取消早自习 调整录取分数线 讲解作文怎么写 开学第一天分班引关注",
    ),
    "109": (
        "国产芯片 这家手机厂商 人工智能公司 折叠屏手机 新一代路由器 开源社区 量子计算团队",
        "发布新系统 宣布突破关键算法 拆机测评来了 电池技术迎来升级 裁撤整个产品线 服务器宕机两小时",
    ),
    "110": (
        "海军舰队 新型战斗机 边防连 这支特战小队 无人侦察机 退役坦克 导弹部队",
        "完成实弹演习 首次公开亮相 在高原展开夜训 护航任务凯旋 列装新式装备 模拟拦截来袭目标",
    ),
    "112": (
        "高原湖泊 这座海滨小城 古镇民宿 周末自驾线路 热带海岛 雪山营地 世界遗产景区",
        "五月最适合看花 门票降到半价 三天两夜怎么玩 游客排队四小时 迎来最美观景季 这份攻略请收好",
    ),
    "113": (
        "联合国 某国总统 欧洲议会 邻国外长 南太平洋岛国 国际维和人员 多国代表团",
        "就边境冲突发表声明 宣布提前大选 签署贸易协定 撤离驻外使馆人员 在峰会上会晤 面临议会不信任投票",
    ),
    "114": (
        "沪市大盘 创业板 这只白酒股 券商板块 北向资金 半导体概念股 新股",
        "午后直线拉升 连续三日跌停 成交量明显萎缩 主力资金净流入 跌破年线 散户该不该补仓",
    ),
    "115": (
        "种粮大户 大棚蔬菜 山里的果园 养猪场 春耕时节的合作社 新品种水稻 茶农",
        "亩产又创新高 抢在雨前播种 滞销果子找到了出路 用上无人机打药 防治病虫害有妙招 一斤收购价涨了五毛",
    ),
    "116": (
        "这款手游 人气战队 新英雄 老玩家 开放世界游戏 电竞选手 经典副本",
        "上线新皮肤 版本更新后被削弱 决赛三比零横扫 抽卡概率引吐槽 通关攻略出炉 内测资格开始发放",
    ),
}
EVENTS = ("引发热议", "登上热搜", "有了新消息", "迎来转机", "备受关注", "出现新变化")
FRAMES = (
    "{s}{e}",
    "{s}{e}，你怎么看？",
    "刚刚，{s}{e}",
    "{s}为何{e}？",
    "{e}，{s}这次让人意外",
    "听说{s}{e}，是真的吗",
    "一图看懂：{s}{e}",
    "{s}{e}，评论区吵翻了",
)
CROSSED = ("不说{d}，{s}{e}", "和{d}同一天，{s}{e}", "比{d}更受关注：{s}{e}", "{s}{e}，{d}也来凑热闹")


def generate(seed: int) -> dict[str, list[Row]]:
    """Rows of every split: label, label_desc, sentence, keywords; every label equally often."""
    draw = Draw(f"headlines {seed}")
    labels = tuple(TOPICS)
    splits = draw_splits(lambda index: _row(draw, labels[index % len(labels)]), SIZES, lambda row: row["sentence"])
    return {split: draw.shuffled(rows) for split, rows in splits.items()}


def _row(draw: Draw, label: str) -> Row:
    subjects, events = (words.split() for words in TOPICS[label])
    subject, event = draw.choice(subjects), draw.choice(EVENTS if draw.chance(0.4) else events)
    if draw.chance(0.4):
        stranger = draw.choice(TOPICS[draw.other(tuple(TOPICS), label)][0].split())
        sentence = draw.choice(CROSSED).format(s=subject, e=event, d=stranger)
    else:
        sentence = draw.choice(FRAMES).format(s=subject, e=event)
    keywords = f"{subject},{event}" if draw.chance(0.7) else ""
    return {"label": label, "label_desc": TNEWS_NAMES[label], "sentence": sentence, "keywords": keywords}
