"""The texts that every deployment is asked, what `Predictor` answers, and how the two are compared."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ernie_toolkit.inference import Predictor
from ernie_toolkit.text.features import TextInput

HARD = [
    "国产电动车上半年出口量再创新高",
    "A股  three\tspaces，ｆｕｌｌ ｗｉｄｔｈ １２３",
    "😀表情👨‍👩‍👧与组合字符é，以及\u200b零宽空格",
    '"引号"、反斜杠\\和<b>标签</b>&amp;',
    "𠮷野家的𡨴字",
    "记者在枫坪村见到了56岁的教师秦昭岫，" * 8,
]
CONTEXT = "临江公司成立于1998年5月。临江公司生产全棉毛巾。😀临江公司的总部设在白埠市东部。" * 4
INPUTS: dict[str, list[TextInput]] = {
    "seq_cls": [(text, HARD[-1 - number]) for number, text in enumerate(HARD)],
    "token_cls": list(HARD),
    "multiple_choice": [
        ("男：我是一名医生。😀\n女：我最爱吃饺子。", "男的是做什么工作的？", "司机", "医生"),
        (CONTEXT, 'What is "it"?', "临江公司", "A股", HARD[3], HARD[4], "毛巾"),
        (HARD[5], "", HARD[0], "枫坪村", "é"),
    ],
    "qa": [("临江公司成立于哪一年？", CONTEXT), ("总部在哪里😀？", CONTEXT[:40]), ('What is "it"?', HARD[1])],
}
BATCH_SIZE = 32


def json_row(task: str, item: TextInput) -> dict[str, Any]:
    """An input as a row of a JSON file to predict."""
    if task == "multiple_choice":
        return {"context": item[0], "question": item[1], "choices": list(item[2:])}
    names = {"seq_cls": ("sentence1", "sentence2"), "token_cls": ("text",), "qa": ("question", "context")}[task]
    return dict(zip(names, (item,) if isinstance(item, str) else item, strict=True))


def expected_answers(bundle: Path, task: str, precision: str = "fp32") -> list[dict[str, Any]]:
    """What `Predictor` answers to `INPUTS`, all in one batch, by `Answer.fields`."""
    predictor = Predictor(bundle, num_threads=1, precision=precision)
    return [answer.fields() for answer in predictor.predict(INPUTS[task], BATCH_SIZE)]


def assert_same_answers(
    task: str, got: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]], tolerance: float = 2e-5
) -> None:
    """Same labels, entities or spans, and the same confidence up to rounding.

    `got` has the fields of `Answer.fields`, of which a deployment may leave out `label_name`, `tags`, `n_best` and
    `probabilities`.
    """
    assert len(got) == len(expected)
    for number, (one, other) in enumerate(zip(got, expected, strict=True)):
        where = f"input {number}: {one} instead of {other}"
        if task == "token_cls":
            assert len(one["entities"]) == len(other["entities"]), where
            for entity, wanted in zip(one["entities"], other["entities"], strict=True):
                assert all(entity[name] == wanted[name] for name in ("text", "type", "start", "end")), where
                assert abs(entity["confidence"] - wanted["confidence"]) <= tolerance, where
            continue
        names = {"seq_cls": ("label",), "multiple_choice": ("choice", "index")}.get(task, ("answer", "start", "end"))
        assert all(one[name] == other[name] for name in names), where
        assert abs(one["confidence"] - other["confidence"]) <= tolerance, where
