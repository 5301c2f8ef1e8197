"""The lines on what was read, and on how many rows are cut at the maximum length."""

import json
from pathlib import Path

import pytest
from text_files import write

from ernie_toolkit.data import DataSet, load_dataset
from ernie_toolkit.data.label_sets import load_label_sets
from ernie_toolkit.models import Vocabulary
from ernie_toolkit.tasks import make_task
from ernie_toolkit.text.features import encode, encode_counting_cuts
from ernie_toolkit.text.tokenization import build_tokenizer


def test_classification(tmp_path: Path) -> None:
    train = write(tmp_path / "a.tsv", "文本\t标签\n甲甲\t好\n\n乙乙\t好\n丙丙\t坏\n\n")
    dev = write(tmp_path / "b.jsonl", '{"text": "丁丁", "label": "好"}\n')
    labels = write(tmp_path / "labels.txt", "好\n坏\n中\n")
    test = write(tmp_path / "c.tsv", "戊戊\t好\n己己\t\n")
    files = {"train_file": train, "dev_file": dev, "test_file": test, "label_file": labels}
    data = load_dataset("custom", splits=("train", "dev", "test"), limits={"test": 2, "dev": 5}, **files)
    assert data.summary == (
        "  train: a.tsv, tab-separated, header: 文本, 标签: 3 rows of single texts; 2 labels: 好 (2), 坏 (1); "
        "2 blank line(s)",
        "  dev: b.jsonl, JSON lines: text, label: 1 row of single texts; 1 label: 好 (1)",
        "  test: c.tsv, tab-separated, no header: text, label: 2 rows of single texts (no more than 2 asked for); "
        "1 label: 好 (1); 1 without",
        "  labels without a train row: 中",
        "  labels without a dev row: 坏, 中",
    )


def test_many_labels_are_counted_not_listed(tmp_path: Path) -> None:
    rows = "".join(f"文本{n}\t乙{n}\t类{n % 13:02}\n" for n in range(40))
    data = load_dataset("custom", train_file=write(tmp_path / "t.tsv", rows), splits=("train",))
    assert "40 rows of pairs; 13 labels: 类00 (4), 类01 (3)" in data.summary[0]
    assert data.summary[0].endswith("类09 (3) and 3 more")


def test_official_files_say_what_is_left_out(tmp_path: Path) -> None:
    rows = [{"sentence1": "甲", "sentence2": "乙", "label": label} for label in ("neutral", "-", "entailment", "-")]
    write(tmp_path / "train.json", "".join(json.dumps(row) + "\n" for row in rows))
    data = load_dataset("ocnli", data_dir=tmp_path, splits=("train",))
    assert data.summary == (
        "  train: train.json, JSON lines: sentence1, sentence2, label: 2 rows of pairs; "
        "2 labels: neutral (1), entailment (1); left out: 2 row(s) without a gold label (label '-')",
        "  labels without a train row: contradiction",
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tnews", ("rows of single texts; 15 labels: ", " and 5 more")),
        ("msra_ner", ("texts; entities: ", "PER (")),
        ("cmrc2018", ("questions; ", " with an answer")),
    ],
)
def test_every_task_and_the_sample(name: str, words: tuple[str, ...]) -> None:
    data = load_dataset(name, data_source="sample", splits=("train", "dev"))
    for line, split in zip(data.summary, ("train", "dev"), strict=True):
        assert line.startswith(f"  {split}: generated: {len(data.split(split)):,} ")
        assert all(word in line for word in words)


def test_label_sets(tmp_path: Path) -> None:
    write(tmp_path / "label.txt", "物\n人\n景\n")
    write(tmp_path / "train.txt", "甲甲\t物,人\n乙乙\t\n丙丙\t物\n")
    data = load_label_sets(tmp_path, ("train",))
    assert "3 rows of single texts; 2 labels: 物 (2), 人 (1); 1 without" in data.summary[0]
    assert data.summary[1] == "  labels without a train row: 景"


def test_cuts_are_counted(vocabulary: Vocabulary) -> None:
    tokenizer = build_tokenizer(vocabulary.tokens, True)
    texts = ["怎么还款", "怎么还款怎么还款", "还"]
    for length, cuts in ((6, 1), (5, 2), (10, 0), (9, 1)):
        features, count = encode_counting_cuts(tokenizer, texts, length)
        assert count == cuts and features == encode(tokenizer, texts, length)
        task = make_task("seq_cls", ("0", "1"), length, "sentence")
        assert task.encode(tokenizer, texts).cut_rows == cuts
    pairs = [("怎么还款", "还"), ("怎么", "还款"), ("怎么还款", "怎么还款")]
    for length, cuts in ((8, 1), (7, 2), (11, 0)):
        assert encode_counting_cuts(tokenizer, pairs, length, "pair")[1] == cuts
    windows = make_task("token_cls", ("B-X", "I-X", "O"), 6, "characters").encode(tokenizer, texts)
    assert windows.cut_rows is None


def test_a_session_tells_its_cuts(model_dir: Path, afqmc_sample: DataSet) -> None:
    from ernie_toolkit.models import load_model
    from ernie_toolkit.session import Session

    lines: list[str] = []
    task = make_task("seq_cls", ("0", "1"), 8, "pair")
    session = Session(load_model(str(model_dir)), afqmc_sample, task, say=lines.append)
    session.evaluate(32)
    session.predict(afqmc_sample.split("test"), 32)
    cut = session.encoded(afqmc_sample.split("dev")).cut_rows
    assert cut and lines[0] == f"cut at 8 tokens: {cut} of 100 dev rows"
    assert lines[1].endswith(" of 20 test rows")
