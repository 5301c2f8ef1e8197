"""The data sets the toolkit knows by name, and what each of them looks like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ernie_toolkit.errors import ConfigError

if TYPE_CHECKING:
    from ernie_toolkit.tasks import Task

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
CUSTOM = "custom"

DEFAULT_TASK = "seq_cls"
"""What a user's own files are read as where nothing else is said."""

_JSON_FILES: Mapping[str, tuple[str, ...]] = {split: (f"{split}.json",) for split in SPLITS}


@dataclass(frozen=True)
class DatasetSpec:
    """What a data set is: its task, its labels in their official order, and how its files are read.

    Attributes:
        name: As in `DATASETS`, or "custom".
        task_name: The task's name, as in `TASKS`.
        labels: Label identifiers in the order of the model's outputs: BIO tags in token_cls, none in qa.
        label_names: Readable names in the same order, or None where the labels have no others.
        text_format: How texts are read, one of those of `features.texts_of`.
        metric: The metric that models are measured by on it.
        files: For each split its file names, tried in order.
        has_gold_gaps: Whether rows labelled "-" have no gold label (the annotators did not agree) and are left out.
    """

    name: str
    task_name: str
    labels: tuple[str, ...]
    text_format: str
    label_names: tuple[str, ...] | None = None
    metric: str = "accuracy"
    files: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _JSON_FILES)
    has_gold_gaps: bool = False

    @property
    def label_ids(self) -> dict[str, int]:
        """Each label's index in the model's output."""
        return {label: index for index, label in enumerate(self.labels)}

    def task(self, max_seq_length: int, **limits: int) -> Task:
        """The task of this data set: its labels and texts.

        Args:
            max_seq_length: The longest sequence in tokens.
            **limits: The task's further settings (`window_overlap`, `doc_stride`, ...; see its own class).

        Raises:
            ConfigError: On a setting that the task does not have.
        """
        from ernie_toolkit.tasks import make_task  # tasks need numpy, the names of data sets do not

        return make_task(self.task_name, self.labels, max_seq_length, self.text_format, self.label_names, limits)


TNEWS_NAMES = {
    "100": "news_story",
    "101": "news_culture",
    "102": "news_entertainment",
    "103": "news_sports",
    "104": "news_finance",
    "106": "news_house",
    "107": "news_car",
    "108": "news_edu",
    "109": "news_tech",
    "110": "news_military",
    "112": "news_travel",
    "113": "news_world",
    "114": "news_stock",
    "115": "news_agriculture",
    "116": "news_game",
}

# The index in this list is the label.
IFLYTEK_NAMES = (
    "打车",
    "地图导航",
    "免费WIFI",
    "租车",
    "同城服务",
    "快递物流",
    "婚庆",
    "家政",
    "公共交通",
    "政务",
    "社区服务",
    "薅羊毛",
    "魔幻",
    "仙侠",
    "卡牌",
    "飞行空战",
    "射击游戏",
    "休闲益智",
    "动作类",
    "体育竞技",
    "棋牌中心",
    "经营养成",
    "策略",
    "MOBA",
    "辅助工具",
    "约会社交",
    "即时通讯",
    "工作社交",
    "论坛圈子",
    "婚恋社交",
    "情侣社交",
    "社交工具",
    "生活社交",
    "微博博客",
    "新闻",
    "漫画",
    "小说",
    "技术",
    "教辅",
    "问答交流",
    "搞笑",
    "杂志",
    "百科",
    "影视娱乐",
    "求职",
    "兼职",
    "视频",
    "短视频",
    "音乐",
    "直播",
    "电台",
    "K歌",
    "成人",
    "中小学",
    "职考",
    "公务员",
    "英语",
    "视频教育",
    "高等教育",
    "成人教育",
    "艺术",
    "语言(非英语)",
    "旅游资讯",
    "综合预定",
    "民航",
    "铁路",
    "酒店",
    "行程管理",
    "民宿短租",
    "出国",
    "工具",
    "亲子儿童",
    "母婴",
    "驾校",
    "违章",
    "汽车咨询",
    "汽车交易",
    "日常养车",
    "行车辅助",
    "租房",
    "买房",
    "装修家居",
    "电子产品",
    "问诊挂号",
    "养生保健",
    "医疗服务",
    "减肥瘦身",
    "美妆美业",
    "菜谱",
    "餐饮店",
    "体育咨讯",
    "运动健身",
    "支付",
    "保险",
    "股票",
    "借贷",
    "理财",
    "彩票",
    "记账",
    "银行",
    "美颜",
    "影像剪辑",
    "摄影修图",
    "相机",
    "绘画",
    "二手",
    "电商",
    "团购",
    "外卖",
    "电影票务",
    "社区超市",
    "购物咨询",
    "笔记",
    "办公",
    "日程管理",
    "女性",
    "经营",
    "收款",
    "其他",
)

# CLUE's sentence-level sets (https://arxiv.org/abs/2004.05986) and OCNLI (https://arxiv.org/abs/2010.05444);
# labels in the order of PaddleNLP's loaders, so that its fine-tuned models keep their meaning.
_SPECS = (
    DatasetSpec("afqmc", "seq_cls", ("0", "1"), "pair", ("不同义", "同义")),
    DatasetSpec("tnews", "seq_cls", tuple(TNEWS_NAMES), "sentence", tuple(TNEWS_NAMES.values())),
    DatasetSpec("iflytek", "seq_cls", tuple(map(str, range(119))), "sentence", IFLYTEK_NAMES),
    DatasetSpec(
        "ocnli",
        "seq_cls",
        ("entailment", "contradiction", "neutral"),
        "pair",
        ("蕴含", "矛盾", "中立"),
        files={**_JSON_FILES, "train": ("train.50k.json", "train.json")},
        has_gold_gaps=True,
    ),
    DatasetSpec(
        "cmnli",
        "seq_cls",
        ("contradiction", "entailment", "neutral"),
        "pair",
        ("矛盾", "蕴含", "中立"),
        has_gold_gaps=True,
    ),
    DatasetSpec("cluewsc2020", "seq_cls", ("true", "false"), "coreference", ("指代相符", "指代不符")),
    DatasetSpec("csl", "seq_cls", ("0", "1"), "keywords", ("关键词不符", "关键词相符")),
    # The MSRA corpus of the third SIGHAN bakeoff (https://aclanthology.org/W06-0115) has no dev part: published
    # guides evaluate on its test part.
    DatasetSpec(
        "msra_ner",
        "token_cls",
        ("B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "O"),
        "characters",
        metric="f1",
        files={
            "train": ("train.txt", "train.tsv"),
            "dev": ("dev.txt", "dev.tsv", "test.txt", "test.tsv"),
            "test": ("test.txt", "test.tsv"),
        },
    ),
    # https://arxiv.org/abs/1810.07366; its test part is not public, the trial part of the challenge is.
    DatasetSpec(
        "cmrc2018",
        "qa",
        (),
        "question_context",
        metric="f1",
        files={
            "train": ("train.json", "cmrc2018_train.json"),
            "dev": ("dev.json", "cmrc2018_dev.json"),
            "test": ("test.json", "cmrc2018_trial.json"),
        },
    ),
    # https://arxiv.org/abs/1904.09679; the other part of each split, c3-m-*.json, is read with it. CLUE's names follow.
    DatasetSpec(
        "c3",
        "multiple_choice",
        (),
        "choices",
        files={
            "train": ("c3-d-train.json", "c3-m-train.json", "d-train.json", "m-train.json"),
            "dev": ("c3-d-dev.json", "c3-m-dev.json", "d-dev.json", "m-dev.json"),
            "test": ("c3-d-test.json", "c3-m-test.json", "test1.1.json", "test1.0.json"),
        },
    ),
    # https://aclanthology.org/P19-1075, as CLUE has it.
    DatasetSpec(
        "chid",
        "multiple_choice",
        (),
        "cloze",
        files={**_JSON_FILES, "test": ("test.json", "test1.1.json", "test1.0.json")},
    ),
)
DATASETS: dict[str, DatasetSpec] = {spec.name: spec for spec in _SPECS}


def check_task(spec: DatasetSpec, task: str | None) -> None:
    """Check that a data set is of the task asked for.

    Args:
        spec: The data set.
        task: The task's name; None: any.

    Raises:
        ConfigError: Where it is of another; it names the script for that one.
    """
    from ernie_toolkit.tasks import TASKS  # tasks need numpy, the names of data sets do not

    if task is not None and spec.task_name != task:
        raise ConfigError(
            f"data set '{spec.name}' is of task '{spec.task_name}', not '{task}': "
            f"use {TASKS[spec.task_name].script} for it"
        )


def get_spec(name: str) -> DatasetSpec:
    """The specification of a data set known by name.

    Raises:
        ConfigError: On an unknown name, and on "custom", whose specification comes from its files
            (`custom.custom_spec`).
    """
    if name == CUSTOM:
        raise ConfigError(f"data set '{CUSTOM}' is what its files hold: give `train_file` or `label_file`")
    try:
        return DATASETS[name]
    except KeyError:
        known = ", ".join((*DATASETS, CUSTOM))
        raise ConfigError(f"data set '{name}' is not known: use one of {known}") from None
