"""Sample for IFLYTEK: descriptions of apps of 119 kinds.

A description is several sentences: what the app is for, two or three of its functions, and general praise
that says nothing about the kind. Many name the function of another kind in passing, and some have none but
common functions beside their main one: then only the construction tells which function is theirs.
"""

from __future__ import annotations

from ernie_toolkit.data.registry import DATASETS
from ernie_toolkit.data.sample.grammar import Draw, Row, Sizes, draw_splits

SIZES: Sizes = {"train": 3570, "dev": 476, "test": 238}

# One line for each label, in the official order: phrases for what an app of the kind does.
FUNCTIONS = """
一键叫车 司机实时定位 预约接送机|离线地图 语音导航 避开拥堵路线|附近免费热点 一键连接无线网 测网速
按天租车 异地还车 车型挑选|本地跑腿 同城信息发布 周边生活服务|查快递单号 上门取件 物流跟踪
挑选婚纱 婚礼策划 电子请柬|预约保洁 月嫂上门 家电清洗|实时公交 地铁线路 扫码乘车
办证查询 社保公积金 网上政务大厅|小区物业 缴物业费 邻里互助|领优惠券 返利红包 签到赚金币
魔法世界冒险 召唤精灵 学习咒语|御剑飞行 拜师修仙 渡劫炼丹|收集卡牌 组建卡组 抽卡对战
驾驶战机 空中格斗 击落敌机|狙击枪战 更换枪械 突破敌营|消除方块 闯关解谜 轻松小游戏
连招格斗 横版闯关 刀剑对砍|足球联赛 投篮大赛 赛季冠军|斗地主 打麻将 象棋残局
经营餐馆 养成小镇 建设农场|排兵布阵 攻城掠地 招募武将|五人推塔 英雄对线 团战开黑
游戏加速器 修改游戏按键 账号管理|附近交友 聊天约会 匹配陌生人|发送语音消息 群聊视频 消息加密
职场人脉 商务名片 同行交流|兴趣小组 发帖盖楼 热门话题|相亲征婚 红娘牵线 实名婚恋
情侣空间 恋爱纪念日 双人相册|聊天表情 社交账号分身 好友动态助手|分享生活点滴 结识邻居 线下聚会
发微博 写博客 关注博主|滚动新闻 时事要闻 本地头条|连载漫画 国漫新番 漫画收藏
网络小说 章节更新 离线看书|编程教程 程序员社区 代码示例|同步教材 课后习题解答 名师教辅
有问必答 知识问答 专家回复|搞笑段子 爆笑图片 神评论|电子杂志 期刊订阅 封面故事
百科词条 知识大全 生僻概念解释|明星八卦 影视资讯 娱乐花絮|投简历 搜职位 面试邀请
短期兼职 日结工资 学生打零工|追剧 高清视频 影片缓存|拍短视频 十五秒创作 特效转场
听歌 歌单推荐 无损音质|看直播 主播互动 送礼物|收听电台 有声节目 调频广播
唱歌打分 伴奏录音 合唱对唱|成年人话题 深夜私密阅读 年龄验证|小学数学 初中物理 高中题库
职业资格考试 会计考证 历年真题|公务员考试 行测申论 面试真题|背单词 英语听力 口语跟读
名校公开课 在线视频课程 课程回放|大学课表 考研资料 校园成绩查询|成人自考 学历提升 继续教育
学钢琴 美术素描 书法练习|日语入门 韩语发音 法语词汇|旅游资讯 景点介绍 游记分享
机票酒店一站预订 度假套餐 景区门票|航班动态 值机选座 买机票|抢火车票 列车时刻 余票查询
酒店预订 钟点房 会员住宿优惠|行程安排 出行计划单 旅途清单|短租民宿 房东直租 特色民居
签证办理 留学移民 出国翻译|手电筒 文件压缩 系统清理|儿歌故事 宝宝启蒙 亲子游戏
孕期记录 育儿知识 疫苗提醒|驾照考试 科目一题库 预约练车|违章查询 罚款缴纳 扣分提醒
汽车报价 新车评测 选车对比|二手车买卖 车辆估价 个人卖车|洗车保养 汽车维修 更换机油
行车记录仪 停车找车位 倒车影像|整租合租 租房看房 房租支付|新房楼盘 买房贷款计算 二手房源
装修效果图 家具选购 装修报价|智能手环连接 耳机设备管理 家电遥控|预约挂号 在线问诊 排队候诊
中医养生 睡眠健康 食疗调理|用药提醒 体检报告 医院服务|减肥打卡 热量计算 瘦身食谱
化妆教程 美发美甲 护肤品测评|家常菜谱 烘焙教程 食材搭配|餐厅点餐 排队取号 门店会员
体育新闻 赛事比分 球队数据|跑步计步 健身课程 瑜伽训练|扫码支付 转账 生活缴费
车险投保 保单管理 理赔报案|炒股开户 实时行情 自选股|小额贷款 借钱到账 分期还款
基金定投 理财收益 活期存款产品|彩票开奖 双色球走势 选号工具|记账本 收支统计 预算管理
手机银行 账户查询 信用卡还款|美颜自拍 瘦脸磨皮 贴纸滤镜|视频剪辑 添加字幕 配乐合成
照片修图 拼图抠图 调色滤镜|专业相机 连拍快门 手动对焦|画画涂色 手绘板 线稿临摹
二手闲置 旧物转让 验机回收|网上商城 正品特卖 购物车下单|多人拼团 团购券 限时团购
外卖点餐 骑手配送 送餐上门|电影选座 购买电影票 影院排片|生鲜配送 社区超市 买菜送到家
购物攻略 比价查询 好物推荐|记笔记 手写便签 云端笔记本|文档编辑 考勤审批 远程会议
日程提醒 待办清单 日历倒计时|经期记录 女性健康 穿衣搭配|店铺管理 库存进货 员工排班
收款码 收银记账 到账播报|壁纸铃声 趣味测试 随机小功能
"""
NAMES = (
    "小蓝",
    "云朵",
    "快鹿",
    "好帮手",
    "大树",
    "星光",
    "橙子",
    "飞鱼",
    "白鸽",
    "南风",
    "一起",
    "口袋",
    "向日葵",
    "百川",
    "晨曦",
)
TAILS = ("通", "宝", "助手", "在线", "家", "圈", "管家", "精灵")
OPENINGS = (
    "{n}为您提供{a}服务。",
    "{n}是一款主打{a}的手机应用。",
    "想要{a}？试试{n}吧！",
    "{n}，专注{a}多年。",
    "有了{n}，{a}不再麻烦。",
)
BODIES = (
    "支持{b}，还可以{c}。",
    "主要功能：{b}、{c}。",
    "用户可以随时{b}，也能{c}。",
    "我们提供{b}；此外还有{c}。",
)
PRAISE = (
    "界面简洁，操作方便。",
    "新版本修复了已知问题，运行更加流畅。",
    "全国已有数百万用户选择了我们。",
    "注册即可免费使用，无广告打扰。",
    "如有意见请联系客服，我们会及时回复。",
    "数据安全保存，换了手机也不会丢失。",
)
COMMON = ("个性设置", "一键分享", "消息推送", "夜间模式", "收藏内容", "多端同步")
ASIDES = ("与普通的{d}软件不同，", "这里没有{d}，只有您需要的内容。", "以前只做{d}，如今全面改版。")


def _functions() -> tuple[tuple[str, ...], ...]:
    kinds = FUNCTIONS.strip().replace("\n", "|").split("|")
    return tuple(tuple(kind.split()) for kind in kinds)


KINDS = _functions()


def generate(seed: int) -> dict[str, list[Row]]:
    """Rows of every split: label, label_des, sentence; every label equally often."""
    draw = Draw(f"apps {seed}")
    count = len(KINDS)
    splits = draw_splits(lambda index: _row(draw, index % count), SIZES, lambda row: row["sentence"])
    return {split: draw.shuffled(rows) for split, rows in splits.items()}


def _row(draw: Draw, label: int) -> Row:
    first, second, third = draw.shuffled(KINDS[label])
    if draw.chance(0.4):
        second, third = draw.sample(COMMON, 2)
    name = draw.choice(NAMES) + draw.choice(TAILS)
    parts = [draw.choice(OPENINGS).format(n=name, a=first), draw.choice(BODIES).format(b=second, c=third)]
    if draw.chance(0.4):
        stranger = draw.choice(draw.other(KINDS, KINDS[label]))
        parts.insert(draw.below(2), draw.choice(ASIDES).format(d=stranger))
    parts.extend(draw.sample(PRAISE, 1 + draw.below(3)))
    names = DATASETS["iflytek"].label_names or ()
    return {"label": str(label), "label_des": names[label], "sentence": "".join(parts)}
