"""The embedded sample: formats, balance, no overlap, the same everywhere."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from ernie_toolkit.data import DATASETS, SPLITS, DataSet, get_spec, load_dataset, read_clue_jsonl
from ernie_toolkit.data.sample import SAMPLE_SEED, generate, sample_vocab, write_sample
from ernie_toolkit.data.sample.apps import KINDS
from ernie_toolkit.data.sample.grammar import Draw, draw_splits
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import sha256_of

SEQ_CLS = sorted(name for name, spec in DATASETS.items() if spec.task == "seq_cls")
TEXT_FIELDS = ("sentence", "sentence1", "sentence2", "abst", "keyword", "text", "target")
DIGESTS: dict[str, str] = {
    "afqmc": "b8c713439a531fb9b239d0a3c93d01abead4acf5d37fd820d41e81c75198f3af",
    "cluewsc2020": "d582920f9308666029bd1000856bfda4db50734a14504f5070562208f2531ec9",
    "cmnli": "db03713871efcd9d0ec337cf2b48212f1216f3aedd9474199b735bd9ccc426c6",
    "csl": "077dc4a85ff7903f498c70bb64c9cefa249c620e1fe77c425efb1b4165eff327",
    "iflytek": "85809d62f917dfcc146d4b1903dc87ac8222fd0c35978bfd84bfc4558d2d60d7",
    "ocnli": "b991b7dc14cd4c63ee8ccb691ad895ab4eb5f1722cc85fce56b2c0a22f1569d8",
    "tnews": "7891731cf381ac852a661c54f18140e50314051b7b05871f1468519cb1b0a3f6",
}


@pytest.fixture(scope="module", params=SEQ_CLS)
def data(request: pytest.FixtureRequest) -> DataSet:
    return load_dataset(request.param, data_source="sample", splits=SPLITS)


def texts(row: dict[str, object]) -> str:
    return json.dumps([row.get(field) for field in TEXT_FIELDS], ensure_ascii=False, sort_keys=True)


def test_sizes_labels_and_balance(data: DataSet) -> None:
    train, dev, test = (data.split(split) for split in SPLITS)
    assert 3000 <= len(train) <= 4000
    assert 400 <= len(dev) <= 500
    assert 200 <= len(test) <= 240
    assert {row["label"] for row in test} == {None}
    for rows in (train, dev):
        counts = Counter(row["label"] for row in rows)
        assert set(counts) == set(data.spec.labels)
        assert max(counts.values()) <= 1.1 * min(counts.values()) + 1
    assert data.left_out == (
        {"train": 40, "dev": 5, "test": 0} if data.spec.name == "ocnli" else dict.fromkeys(SPLITS, 0)
    )


def test_no_text_stands_in_two_places(data: DataSet) -> None:
    seen = [texts(row) for split in SPLITS for row in data.split(split)]
    assert len(set(seen)) == len(seen)


def test_every_character_is_in_the_vocabulary(data: DataSet) -> None:
    known = set(sample_vocab())
    used = set("".join(texts(row) for split in SPLITS for row in data.split(split)))
    assert used - known - set(" ") == set()


@pytest.mark.parametrize("name", SEQ_CLS)
def test_written_files_are_the_official_format_and_never_change(tmp_path: Path, name: str) -> None:
    paths = write_sample(name, tmp_path)
    assert {split: path.name for split, path in paths.items()} == {s: get_spec(name).files[s][0] for s in SPLITS}
    assert sorted(tmp_path.iterdir()) == sorted(paths.values())
    loaded = load_dataset(name, data_source="sample", splits=SPLITS)
    for split in SPLITS:
        assert list(read_clue_jsonl(paths[split], get_spec(name), split)) == loaded.split(split)
    digest = hashlib.sha256("".join(sha256_of(paths[split]) for split in SPLITS).encode()).hexdigest()
    assert digest == DIGESTS[name]


def test_seeds_and_limits() -> None:
    assert generate("afqmc", 1)["dev"] != generate("afqmc", SAMPLE_SEED)["dev"]
    whole = load_dataset("afqmc", data_source="sample")
    part = load_dataset("afqmc", data_source="sample", limits={"train": 10}, splits=("train",))
    assert part.split("train") == whole.split("train")[:10]
    assert part.location == f"generated, seed {SAMPLE_SEED}"
    with pytest.raises(ConfigError, match="no sample of data set 'custom'"):
        generate("custom")


def overlap(first: str, second: str) -> float:
    return len(set(first) & set(second)) / len(set(first) | set(second))


def test_pairs_cannot_be_told_by_words_or_common_characters() -> None:
    data = load_dataset("afqmc", data_source="sample")
    train, dev = data.split("train"), data.split("dev")
    votes: dict[str, Counter[str]] = {}
    for row in train:
        for character in set(row["sentence1"] + row["sentence2"]):
            votes.setdefault(character, Counter())[row["label"]] += 1
    strength = {c: (v["1"] - v["0"]) / sum(v.values()) for c, v in votes.items()}
    right = 0
    for row in dev:
        score = sum(strength.get(c, 0.0) for c in set(row["sentence1"] + row["sentence2"]))
        right += ("1" if score > 0 else "0") == row["label"]
    assert right / len(dev) < 0.72
    shares = [(overlap(row["sentence1"], row["sentence2"]), row["label"]) for row in dev]
    thresholds = [
        sum(("1" if share >= limit / 50 else "0") == label for share, label in shares) / len(shares)
        for limit in range(51)
    ]
    assert max(thresholds) < 0.75


@pytest.mark.parametrize("name", ["ocnli", "cmnli"])
def test_the_second_sentence_alone_tells_nothing(name: str) -> None:
    data = load_dataset(name, data_source="sample")
    votes: dict[str, Counter[str]] = {}
    for row in data.split("train"):
        votes.setdefault(row["sentence2"], Counter())[row["label"]] += 1
    dev = data.split("dev")
    known = [row for row in dev if row["sentence2"] in votes]
    right = sum(votes[row["sentence2"]].most_common(1)[0][0] == row["label"] for row in known)
    assert right / len(known) < 0.5


def test_vocabulary() -> None:
    vocab = sample_vocab()
    assert vocab[:5] == ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]"]
    assert len(vocab) == len(set(vocab))
    assert 7_445 < len(vocab) < 7_800
    assert {"的", "，", "a", "##a", "Z", "9", "##9", "app", "齄", "々"} <= set(vocab)
    assert sum("\u4e00" <= token <= "\u9fff" for token in vocab) == 6_763


def test_drawing() -> None:
    draw = Draw("seed")
    assert sorted(draw.shuffled(range(9))) == list(range(9))
    assert {draw.other("abc", "b") for _ in range(50)} == {"a", "c"}
    with pytest.raises(RuntimeError, match="too few sentences"):
        draw_splits(lambda index: {"text": str(index % 3)}, {"train": 5}, lambda row: row["text"])


def test_every_kind_of_app_has_its_own_functions() -> None:
    assert len(KINDS) == len(get_spec("iflytek").labels)
    functions = [function for kind in KINDS for function in kind]
    assert all(len(kind) == 3 for kind in KINDS)
    assert len(set(functions)) == len(functions)
