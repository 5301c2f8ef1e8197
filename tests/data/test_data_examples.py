"""Data sets out of a program's own examples."""

import pytest

from ernie_toolkit import make_dataset
from ernie_toolkit.errors import ConfigError, DataError


def test_labels_and_form_are_those_of_the_examples() -> None:
    rows = [{"sentence": "甲", "label": "b"}, {"sentence": "乙", "label": "a", "id": "x"}]
    data = make_dataset(train=rows, dev=rows[:1], test=[{"sentence": "丙"}])
    assert (data.spec.labels, data.spec.text_format, data.spec.task_name) == (("a", "b"), "sentence", "seq_cls")
    assert [row["id"] for row in data.split("train")] == [0, "x"]
    assert data.split("test") == [{"id": 0, "sentence": "丙"}]
    with pytest.raises(ConfigError, match="without its test split"):
        make_dataset(train=rows, dev=rows).split("test")
    pairs = [{"sentence1": "甲", "sentence2": "乙", "label": "1"}, {"sentence1": "甲", "sentence2": "丙", "label": "0"}]
    assert make_dataset(train=pairs).spec.text_format == "pair"
    tags = [{"text": "甲乙", "labels": ["B-X", "O"]}]
    assert make_dataset(train=tags, task="token_cls").spec.labels == ("B-X", "O")
    question = {"question": "谁？", "context": "甲", "answers": ["甲"], "span": (0, 1)}
    assert make_dataset(train=[question], task="qa").spec.labels == ()
    choosing = {"context": "甲", "question": "", "choices": ["甲", "乙"], "answer": 0}
    assert make_dataset(train=[choosing], task="multiple_choice").spec.text_format == "choices"
    blank = {**choosing, "context": "#idiom1#", "question": "#idiom1#"}
    assert make_dataset(train=[blank], task="multiple_choice").spec.text_format == "cloze"
    assert make_dataset(dev=rows[:1], labels=("b", "c")).spec.labels == ("b", "c")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train": [{"sentence": "甲"}]}, "train example 0 has no 'label'"),
        ({"train": [{"text": "甲", "label": "a"}]}, "train example 0 has no 'sentence'"),
        ({"train": [], "dev": []}, "needs labels"),
        ({"dev": [{"sentence": "甲", "label": "a"}], "labels": ("b",)}, "dev example 0: label 'a' is not among"),
        ({"train": [], "task": "ner"}, "task 'ner' is not known"),
    ],
)
def test_what_is_missing_is_named(arguments: dict, message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        make_dataset(**arguments)
