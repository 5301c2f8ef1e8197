"""Texts with tags: columns, joined lines and JSON lines; tags for every character; errors with their line."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from text_files import write

from ernie_toolkit.data import SPLITS, DatasetSpec, Example, custom_spec, get_spec, load_dataset, read_tagged
from ernie_toolkit.data.inputs import read_inputs
from ernie_toolkit.data.tag_schemes import TagReader
from ernie_toolkit.data.tagged import join_tokens, parse_tagged_row, read_tags
from ernie_toolkit.errors import ConfigError, DataError

MSRA = get_spec("msra_ner")


def read(path: Path, split: Any = "train", spec: DatasetSpec = MSRA) -> list[Example]:
    """The examples of a file without their line numbers, which have a test of their own."""
    examples = list(read_tagged(path, spec, split))
    lines = [example.pop("line") for example in examples]
    assert lines == sorted(set(lines))
    return examples


def parse(row: dict[str, Any], split: Any = "train", spec: DatasetSpec = MSRA) -> Example:
    return parse_tagged_row(row, spec, split, 0, "row")


def tags_of(tokens: list[str], tags: list[str]) -> list[str]:
    return list(parse({"tokens": tokens, "labels": tags})["labels"])


def joined(*sentences: tuple[str, str]) -> str:
    return "".join("\t".join("\x02".join(part.split()) for part in sentence) + "\n" for sentence in sentences)


def test_columns(tmp_path: Path) -> None:
    path = write(
        tmp_path / "train.txt", "\ufeff李 B-PER\r\n明\tI-PER\r\n\r\n\r\n好 O\r\n\u3000 O\r\n  O\r\n\t O\r\n吗 O"
    )
    assert read(path) == [
        {"id": 0, "text": "李明", "labels": ["B-PER", "I-PER"]},
        {"id": 1, "text": "好\u3000 \t吗", "labels": ["O"] * 5},
    ]


def test_joined_lines_are_told_by_their_content(tmp_path: Path) -> None:
    text = joined(("李 明 好", "B-PER I-PER O"), ("好", "O")) + "\n" + joined(("北 京", "B-LOC I-LOC"))
    expected = [
        {"id": 0, "text": "李明好", "labels": ["B-PER", "I-PER", "O"]},
        {"id": 1, "text": "好", "labels": ["O"]},
        {"id": 2, "text": "北京", "labels": ["B-LOC", "I-LOC"]},
    ]
    for name in ("train.tsv", "train.txt"):
        assert read(write(tmp_path / name, text)) == expected


@pytest.mark.parametrize("field", ["labels", "tags", "ner_tags"])
def test_json_lines(tmp_path: Path, field: str) -> None:
    rows = [
        {"tokens": ["李", "明"], field: ["B-PER", "I-PER"], "id": 7},
        {"text": "北京", field: ["B-LOC", "I-LOC"], "id": "x"},
    ]
    path = write(tmp_path / "train.jsonl", "\n\n".join(map(json.dumps, rows)))
    assert read(path) == [
        {"id": 7, "text": "李明", "labels": ["B-PER", "I-PER"]},
        {"id": 1, "text": "北京", "labels": ["B-LOC", "I-LOC"]},
    ]


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (["New", "York"], "New York"),
        (["N", "B", "A"], "NBA"),
        (["iPhone", "6", "s"], "iPhone 6s"),
        (["v", "10"], "v 10"),
        (["在", "New", "York", "的", "3", "G"], "在New York的3G"),
        (["foo", ",", "bar"], "foo,bar"),
        (["北京", "大学"], "北京大学"),
        (["カメラ", "です", "한국", "사람", "ｱｲ", "ab"], "カメラです한국사람ｱｲab"),
        (["Ａｂ", "Ｃ"], "Ａｂ Ｃ"),
        (["a ", "bc", " d"], "a bc d"),
        ([], ""),
    ],
)
def test_spaces_stand_between_words_of_an_alphabet(tokens: list[str], text: str) -> None:
    assert join_tokens(tokens) == text


def test_tags_expand_to_characters() -> None:
    assert tags_of(["北京", "人"], ["B-LOC", "O"]) == ["B-LOC", "I-LOC", "O"]
    assert tags_of(["北京", "大学"], ["B-ORG", "I-ORG"]) == ["B-ORG", "I-ORG", "I-ORG", "I-ORG"]
    assert tags_of(["多少"], ["O"]) == ["O", "O"]


@pytest.mark.parametrize(
    ("tags", "space"),
    [
        ("B-LOC I-LOC", "I-LOC"),
        ("I-LOC I-LOC", "I-LOC"),
        ("B-PER I-LOC", "O"),
        ("O I-LOC", "O"),
        ("B-LOC B-LOC", "O"),
        ("B-LOC O", "O"),
        ("O O", "O"),
    ],
)
def test_a_space_put_in_belongs_to_the_entity_around_it(tags: str, space: str) -> None:
    labels = tags_of(["ab", "cd"], tags.split())
    assert len(labels) == 5
    assert labels[2] == space


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("中", "no tag after a space or tab"),
        ("中 ", "no tag after a space or tab"),
        (" ", "no tag after a space or tab"),
        (" O", "token 2 is empty"),
        ("中 B-GPE", "label 'B-GPE' is not one of msra_ner's labels: B-PER, I-PER, B-ORG"),
        ("中 o", "tag 'o' is of no scheme that is read: write O, and B-TYPE and I-TYPE (BIO, IOB1), with E- and S-"),
    ],
)
@pytest.mark.parametrize("split", ["train", "dev"])
def test_bad_columns(tmp_path: Path, line: str, message: str, split: str) -> None:
    path = write(tmp_path / "train.txt", f"好 O\n\n在 O\n{line}\n好 O\n")
    with pytest.raises(DataError) as caught:
        read(path, split)
    assert str(caught.value).startswith(f"{path}:4: ")
    assert message in str(caught.value)


def test_sentence_of_white_space_names_its_first_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train\.txt:3: the sentence is an empty text"):
        read(write(tmp_path / "train.txt", "好 O\n\n\u3000 O\n  O\n\n好 O\n"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (joined(("李 明", "B-PER")), "2 token(s) and 1 tag(s)"),
        (joined(("李 明", "B-PER I-PER O")), "2 token(s) and 3 tag(s)"),
        (joined(("李 明", "B-PER I-GPE")), "label 'I-GPE' is not one of"),
        ("李\x02\x02明\tB-PER\x02I-PER\x02O\n", "token 2 is empty"),
        ("李\x02明\n", "no tags: a sentence of the train file needs one for each token"),
        ("\u3000\tO\n", "the sentence is an empty text"),
    ],
)
def test_bad_joined_lines(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path / "train.tsv", joined(("李 明", "B-PER I-PER")) + line)
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "not valid JSON"),
        ({"labels": ["O"]}, "no text: expected 'tokens', 'text' or 'sentence'; the fields are 'labels'"),
        ({"tokens": [], "labels": []}, "field 'tokens' is an empty list"),
        ({"tokens": "好", "labels": ["O"]}, "field 'tokens' is a JSON text: it must be a list of texts"),
        ({"tokens": ["好", 3], "labels": ["O", "O"]}, "field 'tokens' has a JSON number at place 2"),
        ({"tokens": ["好", ""], "labels": ["O", "O"]}, "token 2 is empty"),
        ({"tokens": ["\u3000"], "labels": ["O"]}, "the sentence is an empty text"),
        ({"tokens": ["\ud83d"], "labels": ["O"]}, "half of a surrogate pair"),
        ({"tokens": ["好"], "ner": ["O"]}, "the fields are 'tokens', 'ner': tags are read under labels, tags,"),
        ({"tokens": ["好"], "labels": []}, "no tags"),
        ({"tokens": ["好"], "labels": "O"}, "field 'labels' is a JSON text: it must be a list"),
        ({"tokens": ["好"], "ner_tags": [0]}, "place 1: write texts (the names of tags), not numbers"),
        ({"tokens": ["好"], "labels": ["O", "O"]}, "1 token(s) and 2 tag(s)"),
        ({"tokens": ["好"], "labels": ["X\nY"]}, "tag 'X\\nY' is of no scheme"),
        ({"tokens": ["好"], "labels": ["B-X\nY"]}, "label 'B-X\\nY' is not one of"),
        ({"tokens": ["好"], "labels": ["S-GPE"]}, "tag 'S-GPE': label 'B-GPE' is not one of"),
        ({"text": "好的", "labels": ["O"]}, "1 tag(s) under 'labels' for a text of 2 characters"),
    ],
)
def test_bad_json_lines(tmp_path: Path, row: Any, message: str) -> None:
    good = json.dumps({"tokens": ["好"], "labels": ["O"]})
    path = write(tmp_path / "train.json", f"{good}\n{row if isinstance(row, str) else json.dumps(row)}\n{good}\n")
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_test_files_without_tags(tmp_path: Path) -> None:
    untagged = [{"id": 0, "text": "李明", "labels": None}, {"id": 1, "text": "\u3000好", "labels": None}]
    files = {
        "a.txt": "李\n明\n\n\u3000\n好\n",
        "b.tsv": "李\x02明\n\u3000\x02好\n",
        "c.json": '{"tokens": ["李", "明"], "labels": []}\n{"text": "\u3000好"}\n',
    }
    for name, content in files.items():
        assert read(write(tmp_path / name, content), "test") == untagged
    row = {"id": 0, "text": "在New York 里", "labels": None}
    assert read(write(tmp_path / "d.txt", "在\nNew York\n \n里\n"), "test") == [row]


def custom(labels: tuple[str, ...]) -> DatasetSpec:
    return DatasetSpec("custom", "token_cls", labels, "characters")


def test_test_files_with_tags(tmp_path: Path) -> None:
    assert read(write(tmp_path / "test.txt", "李 B-PER\n明 I-PER\n"), "test")[0]["labels"] == ["B-PER", "I-PER"]
    with pytest.raises(DataError, match=r"test\.txt:2: no tag after a space or tab"):
        read(write(tmp_path / "test.txt", "李 B-PER\n明\n"), "test")
    with pytest.raises(DataError, match=r"test\.txt:3: a tag in a file that begins without"):
        read(write(tmp_path / "test.txt", "李\n\n明 O\n"), "test")
    with pytest.raises(DataError, match=r"test\.txt:1: tag 'I-GPE': label 'B-GPE' is not one of"):
        read(write(tmp_path / "test.txt", "李 I-GPE\n"), "test")


def test_reading_stops_early_with_limits(tmp_path: Path) -> None:
    write(tmp_path / "train.txt", "好 O\n\n好 O\n\nmalformed\n")
    data = load_dataset("msra_ner", data_dir=tmp_path, splits=("train",), limits={"train": 2})
    assert len(data.split("train")) == 2
    with pytest.raises(DataError, match=r"train\.txt:5:"):
        load_dataset("msra_ner", data_dir=tmp_path, splits=("train",))
    with pytest.raises(DataError, match=r"train\.txt: no rows"):
        load_dataset("msra_ner", data_dir=write(tmp_path / "train.txt", "\n\n").parent, splits=("train",))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "train.txt")
    (tmp_path / "train.txt").write_bytes("好 O\n".encode() + "中 O\n".encode("gb18030"))
    with pytest.raises(DataError, match=r"train\.txt:2: byte 1 of the line \(0xd6\) is not UTF-8"):
        read(tmp_path / "train.txt")


def test_dev_is_the_test_file_where_there_is_no_other(tmp_path: Path) -> None:
    write(tmp_path / "test.txt", "测 O\n")
    assert load_dataset("msra_ner", data_dir=tmp_path, splits=("dev",)).split("dev")[0]["text"] == "测"
    write(tmp_path / "dev.tsv", "开 O\n")
    assert load_dataset("msra_ner", data_dir=tmp_path, splits=("dev",)).split("dev")[0]["text"] == "开"


def test_tags_of_a_training_file(tmp_path: Path) -> None:
    path = write(tmp_path / "train.txt", "好 O\n甲 B-ORG\n\n乙 B-LOC\n丙 I-LOC\n")
    assert read_tags(path) == ("B-LOC", "I-LOC", "B-ORG", "I-ORG", "O")
    for content, message in (
        ("好 O\n李 B-\n", r"train\.txt:2: tag 'B-' is of no scheme that is read"),
        ("好 O\n李 O\n", r"train\.txt: no entity in it"),
        ("", r"train\.txt: the file is empty"),
    ):
        with pytest.raises(DataError, match=message):
            read_tags(write(path, content))


def test_custom_files(tmp_path: Path) -> None:
    train = write(tmp_path / "train.txt", "甲 B-X\n乙 O\n\n丙 O\n")
    dev = write(tmp_path / "dev.json", '{"tokens": ["甲乙"], "labels": ["B-X"]}\n')
    data = load_dataset("custom", task="token_cls", train_file=train, dev_file=dev)
    spec = data.spec
    assert (spec.task_name, spec.text_format, spec.metric, spec.labels) == (
        "token_cls",
        "characters",
        "f1",
        ("B-X", "I-X", "O"),
    )
    assert (data.source, len(data.split("train"))) == ("custom", 2)
    assert data.split("dev")[0]["labels"] == ["B-X", "I-X"]
    with pytest.raises(ConfigError, match="give `label_file` or `train_file`"):
        load_dataset("custom", task="token_cls", test_file=dev, splits=("test",))


def test_custom_label_files(tmp_path: Path) -> None:
    train = write(tmp_path / "train.txt", "甲 B-X\n乙 I-X\n")
    labels = write(tmp_path / "labels.txt", "O\tnothing\nB-X\tbegin\nI-X\tinside\n")
    spec = custom_spec(train, label_file=labels, task="token_cls")
    assert (spec.labels, spec.label_names) == (("O", "B-X", "I-X"), ("nothing", "begin", "inside"))
    for content in ("好\nB-X\n", "B-X\nI-X\n", "O\nB-X\nI-Y\n"):
        with pytest.raises(DataError, match=r"labels\.txt"):
            custom_spec(train, label_file=write(labels, content), task="token_cls")


def test_tag_that_a_longer_token_needs() -> None:
    with pytest.raises(DataError, match="row: a token of several characters needs the tag 'I-X'"):
        parse({"tokens": ["甲乙"], "labels": ["B-X"]}, spec=custom(("B-X", "O")))


def test_texts_to_predict(tmp_path: Path) -> None:
    assert read_inputs(write(tmp_path / "in.txt", "李明在北京\n a b \n\n"), "characters") == ["李明在北京", " a b "]
    with pytest.raises(DataError, match=r"in\.txt:1: 2 tab-separated column\(s\), the model reads 1 text"):
        read_inputs(write(tmp_path / "in.txt", "李\tB-PER\n"), "characters")
    rows = '{"text": "甲"}\n{"sentence": "乙", "labels": 5}\n{"tokens": ["New", "York"], "labels": ["O"]}\n'
    assert read_inputs(write(tmp_path / "in.jsonl", rows), "characters") == ["甲", "乙", "New York"]
    with pytest.raises(DataError, match=r"in\.jsonl:1: no text: expected 'tokens', 'text' or 'sentence'"):
        read_inputs(write(tmp_path / "in.jsonl", '{"a": 1}\n'), "characters")
    with pytest.raises(DataError, match=r"in\.jsonl:1: the sentence is an empty text"):
        read_inputs(write(tmp_path / "in.jsonl", '{"tokens": [" "]}\n'), "characters")


characters = st.characters(exclude_categories=("Cs",), exclude_characters="\n\r\x02\ufeff")
tokens = st.one_of(st.text(characters, min_size=1, max_size=4), st.sampled_from(["New", "York", "N", "9", "北京"]))
sentences = st.lists(st.tuples(tokens, st.sampled_from(MSRA.labels)), min_size=1, max_size=8).filter(
    lambda sentence: any(token.strip() for token, _ in sentence)
)


@settings(deadline=None, max_examples=150)
@given(sentence=sentences)
def test_every_character_gets_one_tag(sentence: list[tuple[str, str]]) -> None:
    row = {"tokens": [token for token, _ in sentence], "labels": [tag for _, tag in sentence]}
    example = parse(row)
    assert len(example["labels"]) == len(example["text"])
    assert set(example["labels"]) <= set(MSRA.labels)
    in_bio = TagReader().convert(row["labels"], str)
    place = 0
    for token, tag in zip(row["tokens"], in_bio, strict=True):
        if not example["text"].startswith(token, place) or example["labels"][place] != tag:
            assert example["text"][place] == " "
            place += 1
        inside = [f"I-{tag[2:]}" if tag.startswith("B-") else tag] * (len(token) - 1)
        assert example["text"][place : place + len(token)] == token
        assert example["labels"][place : place + len(token)] == [tag, *inside]
        place += len(token)
    assert place == len(example["text"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(rows=st.lists(sentences, min_size=1, max_size=4), kind=st.sampled_from(["columns", "joined", "json"]))
def test_sentences_written_are_the_sentences_read(tmp_path: Path, rows: list[list[tuple[str, str]]], kind: str) -> None:
    if kind == "columns":
        assume(all(token.isspace() or not {" ", "\t"} & set(token) for row in rows for token, _ in row))
        content = "\n\n".join("\n".join(f"{token} {tag}" for token, tag in row) for row in rows)
    elif kind == "joined":
        lines = ("\t".join("\x02".join(part) for part in zip(*row, strict=True)) for row in rows)
        content = "\n".join(lines)
        assume("\x02" in content)
    else:
        dumped = (dict(zip(("tokens", "labels"), map(list, zip(*row, strict=True)), strict=True)) for row in rows)
        content = "\n".join(map(json.dumps, dumped))
    spec = custom(MSRA.labels)
    examples = read(write(tmp_path / ("train.json" if kind == "json" else "train.txt"), content), spec=spec)
    expected = [parse({"tokens": [t for t, _ in row], "labels": [t for _, t in row]}, spec=spec) for row in rows]
    assert examples == [{**example, "id": index} for index, example in enumerate(expected)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(
    data=st.binary(max_size=60) | st.text(st.sampled_from("中O \t\n\x02B-PER"), max_size=40).map(str.encode),
    suffix=st.sampled_from([".txt", ".json"]),
    split=st.sampled_from(SPLITS),
)
def test_any_bytes_give_sentences_or_a_data_error(tmp_path: Path, data: bytes, suffix: str, split: Any) -> None:
    path = tmp_path / f"any{suffix}"
    path.write_bytes(data)
    try:
        examples = read(path, split)
    except DataError as error:
        assert str(error).startswith(f"{path}:")
    else:
        assert all(row["labels"] is None or len(row["labels"]) == len(row["text"]) for row in examples)


def test_real_files(dev_data: Path) -> None:
    data = load_dataset("msra_ner", data_dir=dev_data, splits=SPLITS)
    assert {split: len(data.split(split)) for split in SPLITS} == {"train": 50_658, "dev": 4_631, "test": 4_631}
    assert data.split("dev") == data.split("test")
    assert data.notices == ()
    labels = [label for row in data.split("train") for label in row["labels"]]
    assert len(labels) == sum(len(row["text"]) for row in data.split("train"))
    begun = {label: labels.count(label) for label in ("B-PER", "B-ORG", "B-LOC")}
    assert begun == {"B-PER": 17_615, "B-ORG": 20_571, "B-LOC": 36_517}
    assert read_tags(dev_data / "msra_ner" / "train.txt") == ("B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER", "O")
