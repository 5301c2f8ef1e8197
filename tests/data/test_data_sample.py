"""The embedded sample: formats, balance, no overlap, the same everywhere."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from ernie_toolkit.data import (
    DATASETS,
    SPLITS,
    DataSet,
    get_spec,
    load_dataset,
    read_clue_jsonl,
    read_squad,
    read_tagged,
)
from ernie_toolkit.data.sample import SAMPLE_SEED, generate, sample_vocab, write_sample
from ernie_toolkit.data.sample.apps import KINDS
from ernie_toolkit.data.sample.facts import SUBJECTS
from ernie_toolkit.data.sample.grammar import Draw, Row, draw_splits
from ernie_toolkit.decoding import EntitySpan, entity_spans
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import sha256_of
from ernie_toolkit.text.tokenization import WordPieceTokenizer, build_tokenizer

SEQ_CLS = sorted(name for name, spec in DATASETS.items() if spec.task_name == "seq_cls")
TEXT_FIELDS = ("sentence", "sentence1", "sentence2", "abst", "keyword", "text", "target")
DIGESTS: dict[str, str] = {
    "chid": "f56af3da107f6859f57f9702823a4d683ea68daea2399b3402dbf3c174006c5e",
    "c3": "c2ee2499cad9fd9808d10729953d8044743eac445c541ef78da459cbc694d47f",
    "afqmc": "b8c713439a531fb9b239d0a3c93d01abead4acf5d37fd820d41e81c75198f3af",
    "cluewsc2020": "d582920f9308666029bd1000856bfda4db50734a14504f5070562208f2531ec9",
    "cmrc2018": "5b7e262420ff6d2a33b6deadb70117612588395a0ac16a01dde7ee5e36c59c5c",
    "cmnli": "db03713871efcd9d0ec337cf2b48212f1216f3aedd9474199b735bd9ccc426c6",
    "csl": "077dc4a85ff7903f498c70bb64c9cefa249c620e1fe77c425efb1b4165eff327",
    "iflytek": "85809d62f917dfcc146d4b1903dc87ac8222fd0c35978bfd84bfc4558d2d60d7",
    "msra_ner": "e6af40d10c9dde92d9dc09262a1aa55bb731dec23d46644affaafbf372e4f970",
    "ocnli": "b991b7dc14cd4c63ee8ccb691ad895ab4eb5f1722cc85fce56b2c0a22f1569d8",
    "tnews": "7891731cf381ac852a661c54f18140e50314051b7b05871f1468519cb1b0a3f6",
}
Rows = dict[str, list[Row]]


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


def digest_of(paths: dict[str, Path]) -> str:
    return hashlib.sha256("".join(sha256_of(paths[split]) for split in SPLITS).encode()).hexdigest()


@pytest.mark.parametrize("name", SEQ_CLS)
def test_written_files_are_the_official_format_and_never_change(tmp_path: Path, name: str) -> None:
    paths = write_sample(name, tmp_path)
    assert {split: path.name for split, path in paths.items()} == {s: get_spec(name).files[s][0] for s in SPLITS}
    assert sorted(tmp_path.iterdir()) == sorted(paths.values())
    loaded = load_dataset(name, data_source="sample", splits=SPLITS)
    for split in SPLITS:
        assert list(read_clue_jsonl(paths[split], get_spec(name), split)) == loaded.split(split)
    assert digest_of(paths) == DIGESTS[name]


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


@pytest.fixture(scope="module")
def tokenizer() -> WordPieceTokenizer:
    return build_tokenizer(sample_vocab())


@pytest.fixture(scope="module")
def entities() -> Rows:
    return generate("msra_ner")


@pytest.fixture(scope="module")
def questions() -> Rows:
    return generate("cmrc2018")


def names_in(rows: list[Row]) -> list[tuple[str, str]]:
    """Type and text of every entity."""
    return [
        (kind, "".join(row["tokens"][start:end])) for row in rows for kind, start, end in entity_spans(row["labels"])
    ]


def test_entity_sentences(entities: Rows, tokenizer: WordPieceTokenizer) -> None:
    assert {split: len(rows) for split, rows in entities.items()} == {"train": 3000, "dev": 400, "test": 200}
    texts = ["".join(row["tokens"]) for rows in entities.values() for row in rows]
    assert len(set(texts)) == len(texts)
    assert set("".join(texts)) <= set(sample_vocab())
    assert all(12 <= len(text) <= 60 for text in texts)
    assert all(set(row) == {"tokens"} for row in entities["test"])
    labels = set(get_spec("msra_ner").labels)
    counts: Counter[int] = Counter()
    for row in entities["train"] + entities["dev"]:
        tokens, tags = row["tokens"], row["labels"]
        assert len(tokens) == len(tags)
        assert all(len(token) == 1 for token in tokens)
        spans = entity_spans(tags)
        counts[len(spans)] += 1
        # Every tag is in a span, so none goes on with nothing.
        assert set(tags) <= labels
        assert sum(end - start for _, start, end in spans) == sum(tag != "O" for tag in tags)
        # A word in letters lies in an entity as a whole or not at all, so tags of tokens can be right.
        ((_, offsets),) = tokenizer.encode_offsets(["".join(tokens)])
        assert_whole(spans, offsets)
    assert set(counts) == {0, 1, 2, 3, 4}
    assert min(counts.values()) > 100


def assert_whole(spans: list[EntitySpan], offsets: list[tuple[int, int]]) -> None:
    for _, start, end in spans:
        assert start in {first for first, _ in offsets}
        assert end in {last for _, last in offsets}


def test_names_have_to_be_known_by_more_than_heart(entities: Rows) -> None:
    known, dev = set(names_in(entities["train"])), names_in(entities["dev"])
    for kind, least in (("PER", 0.7), ("ORG", 0.9), ("LOC", 0.3)):
        own = [name for name in dev if name[0] == kind]
        assert len(own) > 150
        assert sum(name not in known for name in own) / len(own) > least
    # The same character is in names of several types and in none.
    tags: dict[str, set[str]] = {}
    for row in entities["train"]:
        for token, tag in zip(row["tokens"], row["labels"], strict=True):
            tags.setdefault(token, set()).add(tag[2:])
    assert {"ORG", "LOC", "PER", ""} == tags["石"] == tags["金"]
    assert {"", "ORG"} <= tags["G"]
    assert {"", "LOC", "ORG"} <= tags["市"]


def test_entity_files(tmp_path: Path, entities: Rows) -> None:
    paths = write_sample("msra_ner", tmp_path)
    assert [paths[split].name for split in SPLITS] == ["train.txt", "dev.txt", "test.txt"]
    first = entities["dev"][0]
    pairs = zip(first["tokens"], first["labels"], strict=True)
    written = "".join(f"{token} {tag}\n" for token, tag in pairs)
    assert paths["dev"].read_text(encoding="utf-8").startswith(written + "\n")
    assert paths["test"].read_text(encoding="utf-8").startswith("\n".join(entities["test"][0]["tokens"]) + "\n\n")
    for split in SPLITS:
        read = list(read_tagged(paths[split], get_spec("msra_ner"), split))
        lines = [row.pop("line") for row in read]
        assert lines == [1 + sum(len(row["text"]) + 1 for row in read[:index]) for index in range(len(read))]
        assert read == load_dataset("msra_ner", data_source="sample", splits=(split,)).split(split)
        assert [row["text"] for row in read] == ["".join(row["tokens"]) for row in entities[split]]
        assert [row["labels"] for row in read] == [row.get("labels") for row in entities[split]]
    assert digest_of(paths) == DIGESTS["msra_ner"]
    assert generate("msra_ner", 1)["dev"] != entities["dev"]


def test_questions(questions: Rows, tokenizer: WordPieceTokenizer) -> None:
    assert {split: len(rows) for split, rows in questions.items()} == {"train": 2400, "dev": 300, "test": 150}
    everything = [row for rows in questions.values() for row in rows]
    assert len({row["id"] for row in everything}) == len(everything)
    assert len({(row["context"], row["question"]) for row in everything}) == len(everything)
    assert set("".join(row["context"] + row["question"] + row["title"] for row in everything)) <= set(sample_vocab())
    assert all(60 <= len(row["context"]) <= 160 for row in everything)
    contexts = [{row["context"] for row in questions[split]} for split in SPLITS]
    assert sum(map(len, contexts)) == len(set.union(*contexts)) == len(everything) / 3
    assert {len(row["answers"]) for row in questions["train"]} == {1}
    assert {len(row["answers"]) for row in questions["dev"]} == {2, 3}
    assert {len(row["answers"]) for row in questions["test"]} == {0}
    for row in questions["train"] + questions["dev"]:
        texts = [answer["text"] for answer in row["answers"]]
        assert len(set(texts)) == len(texts)
        ((_, offsets),) = tokenizer.encode_offsets([row["context"]])
        for text, start in ((answer["text"], answer["answer_start"]) for answer in row["answers"]):
            assert text
            assert row["context"][start : start + len(text)] == text
        # The exact answer is made of whole tokens and stands there once.
        start = row["answers"][0]["answer_start"]
        assert_whole([("", start, start + len(texts[0]))], offsets)
        assert row["context"].count(texts[0]) == 1


def test_contexts_speak_of_one_subject_or_of_two(questions: Rows) -> None:
    subjects = {row["context"]: [name for name in SUBJECTS if name in row["context"]] for row in questions["train"]}
    share = sum(len(found) == 2 for found in subjects.values()) / len(subjects)
    assert set(map(len, subjects.values())) == {1, 2}
    assert 0.4 < share < 0.6


def test_question_files(tmp_path: Path, questions: Rows) -> None:
    paths = write_sample("cmrc2018", tmp_path)
    assert [paths[split].name for split in SPLITS] == ["train.json", "dev.json", "test.json"]
    content = json.loads(paths["dev"].read_text(encoding="utf-8"))
    assert content["version"] == "v1.0"
    assert len(content["data"]) == 100
    entry, row = content["data"][0], questions["dev"][0]
    assert (entry["id"], entry["title"]) == ("SAMPLE_DEV_0", row["title"])
    (paragraph,) = entry["paragraphs"]
    assert (paragraph["id"], paragraph["context"]) == ("SAMPLE_DEV_0", row["context"])
    assert paragraph["qas"] == [{k: r[k] for k in ("id", "question", "answers")} for r in questions["dev"][:3]]
    for split in SPLITS:
        read = list(read_squad(paths[split], split))
        assert read == load_dataset("cmrc2018", data_source="sample", splits=(split,)).split(split)
        for example, row in zip(read, questions[split], strict=True):
            assert example["answers"] == [answer["text"] for answer in row["answers"]]
            spans = [(a["answer_start"], a["answer_start"] + len(a["text"])) for a in row["answers"]]
            assert example["span"] == (spans[0] if spans else None)
    assert digest_of(paths) == DIGESTS["cmrc2018"]
    assert generate("cmrc2018", 1)["dev"] != questions["dev"]


def test_choices() -> None:
    splits = generate("c3")
    sizes = {split: len(rows) for split, rows in splits.items()}
    assert sizes["train"] > 2000 and sizes["dev"] > 250 and sizes["test"] > 120
    contexts = [{tuple(row["context"]) for row in rows} for rows in splits.values()]
    assert sum(map(len, contexts)) == len(set.union(*contexts))
    everything = [row for rows in splits.values() for row in rows]
    texts_of_rows = "".join("".join([*row["context"], row["question"], *row["choice"]]) for row in everything)
    assert set(texts_of_rows) <= set(sample_vocab())
    assert {row["part"] for row in everything} == {"d", "m"}
    assert set(Counter(len(row["choice"]) for row in everything)) == {2, 3, 4}
    places: Counter[int] = Counter()
    for row in splits["train"] + splits["dev"]:
        assert row["answer"] in row["choice"] and len(set(row["choice"])) == len(row["choice"])
        places[row["choice"].index(row["answer"])] += 1
        if len(row["choice"]) > 2:
            assert any(row["answer"] in text for text in row["context"])
    assert min(places[place] for place in range(3)) > 0.2 * sum(places.values())
    # Without the context the choices tell nothing: the most frequent answer among them is seldom right.
    votes = Counter(row["answer"] for row in splits["train"])
    dev = [row for row in splits["dev"] if len(row["choice"]) > 2]
    right = sum(max(row["choice"], key=lambda choice: votes[choice]) == row["answer"] for row in dev)
    assert right / len(dev) < 0.5


def test_blanks() -> None:
    splits = generate("chid")
    everything = [row for rows in splits.values() for row in rows]
    assert len({row["blank"] for row in everything}) == len(everything) > 1500
    assert all("answer" not in row for row in splits["test"])
    for row in splits["train"] + splits["dev"]:
        assert len(set(row["candidates"])) == len(row["candidates"]) == 10 and 0 <= row["answer"] < 10
        assert sum(row["blank"] in text for text in row["content"]) == 1
    assert set("".join("".join(row["content"] + row["candidates"]) for row in everything)) <= set(sample_vocab())
    used: dict[str, list[str]] = {}
    for row in splits["train"]:
        used.setdefault("".join(row["content"]), []).append(row["candidates"][row["answer"]])
    assert all(len(set(idioms)) == len(idioms) for idioms in used.values())
    assert set(map(len, used.values())) == {1, 2, 3}


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("c3", [f"c3-{part}-{split}.json" for part in "dm" for split in sorted(SPLITS)]),
        ("chid", ["dev.json", "dev_answer.json", "test.json", "train.json", "train_answer.json"]),
    ],
)
def test_files_of_choices(tmp_path: Path, name: str, files: list[str]) -> None:
    paths = write_sample(name, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    for split in SPLITS:
        read = load_dataset(name, data_dir=tmp_path, splits=(split,)).split(split)
        generated = load_dataset(name, data_source="sample", splits=(split,)).split(split)
        assert [{key: value for key, value in row.items() if key != "line"} for row in read] == generated
    every = {path.name: path for path in sorted(tmp_path.iterdir())}
    assert hashlib.sha256("".join(map(sha256_of, every.values())).encode()).hexdigest() == DIGESTS[name]
    assert digest_of(paths) and generate(name, 1)["dev"] != generate(name)["dev"]
