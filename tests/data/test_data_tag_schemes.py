"""Schemes of tags: found, checked and converted to BIO without loss; label files in any of them."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ernie_toolkit.data import DatasetSpec, Example, custom_spec, load_dataset, read_tagged
from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.tag_schemes import TagReader, bio_labels, parse_tag
from ernie_toolkit.data.tagged import read_tags
from ernie_toolkit.decoding import EntitySpan, entity_spans
from ernie_toolkit.errors import DataError

TYPES = ("PER", "work of art", "e-mail", "B-X")
# Letters at the begin, inside, at the end and alone.
LETTERS = {"BIO": "BIIB", "IOB1": "IIII", "BIOES": "BIES", "BMES": "BMES", "BILOU": "BILU"}


def write_tags(scheme: str, length: int, spans: list[EntitySpan], separator: str = "-") -> list[str]:
    """The tags of a sentence by a scheme's definition."""
    begin, inside, end, alone = LETTERS[scheme]
    tags = ["O"] * length
    last = ("", -1)
    for kind, start, stop in spans:
        letters = [alone] if stop - start == 1 else [begin, *[inside] * (stop - start - 2), end]
        if scheme == "IOB1" and last == (kind, start):
            letters[0] = "B"  # only where an entity of the same type ends directly before
        tags[start:stop] = [f"{letter}{separator}{kind}" for letter in letters]
        last = kind, stop
    return tags


@st.composite
def texts(draw: st.DrawFn) -> list[tuple[int, list[EntitySpan]]]:
    """Sentences as their length and their entities, which may touch."""
    sentences = []
    for _ in range(draw(st.integers(1, 4))):
        place, spans = 0, []
        for kind in draw(st.lists(st.sampled_from(TYPES), max_size=5)):
            start = place + draw(st.integers(0, 2))
            place = start + draw(st.integers(1, 4))
            spans.append((kind, start, place))
        sentences.append((place + draw(st.integers(0 if place else 1, 2)), spans))
    return sentences


@settings(max_examples=300, deadline=None)
@given(texts(), st.sampled_from(sorted(LETTERS)), st.booleans(), st.sampled_from("-_"))
def test_conversion_keeps_every_entity(
    sentences: list[tuple[int, list[EntitySpan]]], scheme: str, named: bool, separator: str
) -> None:
    reader = TagReader(scheme.lower() if named else "auto")
    for length, spans in sentences:
        converted = reader.convert(write_tags(scheme, length, spans, separator), str)
        assert len(converted) == length
        assert entity_spans(converted) == spans
    reader.check()
    assert reader.begun == sum(len(spans) for _, spans in sentences)
    assert reader.types == {kind for _, spans in sentences for kind, _, _ in spans}
    if named or scheme == "BIO":
        assert reader.notices() == []


@settings(max_examples=100, deadline=None)
@given(texts())
def test_plain_bio_stays_as_it_is(sentences: list[tuple[int, list[EntitySpan]]]) -> None:
    reader = TagReader()
    for length, spans in sentences * 2:  # the second time by what was learnt in the first
        tags = write_tags("BIO", length, spans)
        assert reader.convert(tags, str) == tags
    assert reader.scheme.name == "BIO" and reader.begun == 2 * sum(len(spans) for _, spans in sentences)


def columns(path: Path, *sentences: str) -> Path:
    lines = ("\n".join(f"字 {tag}" for tag in sentence.split()) for sentence in sentences)
    path.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    return path


def read(path: Path, scheme: str = "auto", split: Any = "train") -> tuple[list[Example], FileRecord]:
    record, options = FileRecord(), FileOptions(tag_scheme=scheme)
    spec = custom_spec(path, task="token_cls", options=options)
    return list(read_tagged(path, spec, split, options, record)), record


@pytest.mark.parametrize(
    ("sentences", "name", "bio"),
    [
        (["B-X I-X O B-Y"], "BIO", ["B-X I-X O B-Y"]),
        (["I-X I-X O I-Y", "I-X B-X I-X"], "IOB1", ["B-X I-X O B-Y", "B-X B-X I-X"]),
        (["I-X I-Y I-Y"], "IOB1", ["B-X B-Y I-Y"]),
        (["B-X I-X E-X O S-Y"], "BIOES", ["B-X I-X I-X O B-Y"]),
        (["B-X E-X S-X"], "BIOES", ["B-X I-X B-X"]),
        (["S-X O"], "BIOES", ["B-X O"]),
        (["B-X M-X E-X S-X"], "BMES", ["B-X I-X I-X B-X"]),
        (["B-X I-X L-X U-Y"], "BILOU", ["B-X I-X I-X B-Y"]),
        (["B_X I_X O"], "BIO", ["B-X I-X O"]),
        (["B-X O", "B-X E-X", "O"] + ["S-X"] * 9, "BIOES", ["B-X O", "B-X I-X", "O"] + ["B-X"] * 9),
    ],
)
def test_schemes_are_found_and_said(tmp_path: Path, sentences: list[str], name: str, bio: list[str]) -> None:
    examples, record = read(columns(tmp_path / "train.txt", *sentences))
    assert [" ".join(example["labels"]) for example in examples] == bio
    assert record.format.endswith("tags: BIO" if name == "BIO" else f"tags: {name}, converted to BIO")


def test_orphans_by_rule_and_by_slip(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    _, record = read(columns(path, "I-X I-X", "O I-Y", "I-X B-X"))
    assert record.notices == [f"3 of 4 entities begin with I- (first at {path}:1): the tags are IOB1, converted to BIO"]
    examples, record = read(columns(path, "B-X I-X", "O I-Y I-Y", "B-X", "B-Y I-X"))
    assert [example["labels"] for example in examples][1::2] == [["O", "B-Y", "I-Y"], ["B-Y", "B-X"]]
    assert record.notices == [f"2 of 5 entities begin with I- (first at {path}:5): read as if it were B-"]
    _, record = read(columns(path, "I-X", "O I-Y", "O B-X"))
    assert record.notices[1:] == [
        f"1 of 3 entities begin with B- where IOB1 has I- (first at {path}:7): read as beginning there"
    ]


def test_records_follow_what_was_read(tmp_path: Path) -> None:
    path = columns(tmp_path / "train.txt", "B-X O", "I-X O", "B- Y")  # the last sentence cannot be read
    record = FileRecord()
    examples = read_tagged(path, DatasetSpec("custom", "token_cls", ("B-X", "I-X", "O"), "characters"), record=record)
    next(examples)
    assert record.format == "a token and its tag a line; tags: BIO" and record.notices == []
    next(examples)
    assert "1 of 2 entities begin with I-" in record.notices[0]


@pytest.mark.parametrize(
    ("scheme", "sentences", "message"),
    [
        ("auto", ["B-X E-X", "I-X L-X"], r":5: tag 'L-X' is of another scheme than I- at .*:4: write O, and B-TYPE"),
        ("auto", ["B-X M-X", "I-X"], r":4: tag 'I-X' is of another scheme than M- at .*:2"),
        ("auto", ["S-X", "B-X I-X"], r":3: 1 of 2 entities do not begin and end as in BIOES.*\(S- stands first at"),
        ("auto", ["B-X I-X", "B-X E-X O"], r":1: 1 of 2 entities do not begin and end as in BIOES"),
        ("bio", ["B-X", "S-X"], r":3: tag 'S-X' is none of BIO: check `tag_scheme` \(auto finds it out\)"),
        ("iob1", ["B-X E-X"], r":2: tag 'E-X' is none of IOB1"),
        ("bmes", ["B-X I-X"], r":2: tag 'I-X' is none of BMES"),
        ("bioes", ["B-X M-X"], r":2: tag 'M-X' is none of BIOES"),
        ("bioes", ["B-X I-X"], r":1: 1 of 1 entities do not begin and end as in BIOES"),
        ("auto", ["b-x"], r":1: tag 'b-x' is of no scheme that is read"),
        ("auto", ["O", "X-B"], r":3: tag 'X-B' is of no scheme that is read"),
        ("auto", ["O o"], r":2: tag 'o' is of no scheme that is read"),
        ("auto", ["B"], r":1: tag 'B' is of no scheme that is read"),
        ("auto", ["B-X", "W-X"], r":3: tag 'W-X' is of no scheme that is read"),
    ],
)
def test_tags_that_are_of_no_scheme(tmp_path: Path, scheme: str, sentences: list[str], message: str) -> None:
    path = columns(tmp_path / "train.txt", *sentences)
    with pytest.raises(DataError, match=message) as caught:
        read_tags(path, FileOptions(tag_scheme=scheme))
    assert str(caught.value).startswith(f"{path}:") and "\n" not in str(caught.value)
    spec = custom_spec(columns(tmp_path / "other.txt", "B-X I-X"), task="token_cls")
    with pytest.raises(DataError, match=message):
        list(read_tagged(path, spec, "dev", FileOptions(tag_scheme=scheme)))


def test_each_file_has_its_own_scheme(tmp_path: Path) -> None:
    train = columns(tmp_path / "train.txt", "B-X M-X E-X O S-Y")
    files = {"bio": "B-X I-X O B-Y", "iob": "I-X I-X O I-Y", "none": "O O O O", "bioes": "B-X E-X O S-Y"}
    for name, tags in files.items():
        dev = columns(tmp_path / f"{name}.txt", tags)
        data = load_dataset("custom", task="token_cls", train_file=train, dev_file=dev)
        assert data.spec.labels == ("B-X", "I-X", "B-Y", "I-Y", "O")
        expected = files["bio"] if name != "none" else tags
        assert data.split("dev")[0]["labels"] == expected.split()


def test_published_tags_stay_as_they_are(tmp_path: Path) -> None:
    columns(tmp_path / "train.txt", "B-PER I-PER", "I-LOC B-ORG")
    data = load_dataset("msra_ner", data_dir=tmp_path, splits=("train",))
    assert [row["labels"] for row in data.split("train")] == [["B-PER", "I-PER"], ["I-LOC", "B-ORG"]]
    assert data.notices == ()
    record = FileRecord()
    list(read_tagged(tmp_path / "train.txt", data.spec, record=record))
    assert "tags: BIO, 1 I- that continue(s) no entity left as published (first at" in record.format
    rows = read_tagged(columns(tmp_path / "train.txt", "B-PER", "B-PER", "I-LOC", "O O"), data.spec, record=record)
    for _ in range(3):
        next(rows)
    assert "1 I- that continue(s) no entity" in record.format  # known as soon as it was read
    columns(tmp_path / "train.txt", "I-PER I-PER", "I-LOC B-LOC")
    data = load_dataset("msra_ner", data_dir=tmp_path, splits=("train",))
    assert [row["labels"] for row in data.split("train")] == [["B-PER", "I-PER"], ["B-LOC", "B-LOC"]]


BIO_LABELS = ("B-X", "I-X", "B-a b", "I-a b", "O")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (BIO_LABELS, BIO_LABELS),
        (("O", "B-X"), ("O", "B-X")),
        (("O", "B_X", "I_X"), ("O", "B-X", "I-X")),
        (("X", "a b"), BIO_LABELS),
        (("O", "X", "a b"), ("O", *BIO_LABELS[:-1])),
        (("I-X", "I-a b", "O"), BIO_LABELS),
        (("B-X", "E-X", "S-X", "I-X", "S-a b", "O"), BIO_LABELS),
        (("B-X", "M-X", "E-X", "O"), ("B-X", "I-X", "O")),
        (("U-X", "L-X", "O"), ("B-X", "I-X", "O")),
        (("name", "e-mail"), ("B-name", "I-name", "B-e-mail", "I-e-mail", "O")),
    ],
)
def test_label_files_of_every_scheme(tmp_path: Path, labels: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert bio_labels(labels, None, "labels.txt")[0] == expected
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(labels), encoding="utf-8")
    begin = next(label for label in expected if label != "O")
    dev = columns(tmp_path / "dev.txt", f"S-{begin[2:]} O")
    data = load_dataset("custom", task="token_cls", dev_file=dev, label_file=path, splits=("dev",))
    assert (data.spec.labels, data.split("dev")[0]["labels"]) == (expected, [begin, "O"])


def test_names_stay_with_labels_that_stay() -> None:
    assert bio_labels(("O", "B-X"), ("outside", "begin"), "f") == (("O", "B-X"), ("outside", "begin"))
    assert bio_labels(("O", "X"), ("outside", "thing"), "f") == (("O", "B-X", "I-X"), None)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ((), "no type of entity"),
        (("O",), "no type of entity"),
        (("B-X", "I-X"), "the tags have no 'O': add it"),
        (("O", "B-X", "I-Y"), "label 'I-Y' has no 'B-Y': add it"),
        (("O", "B-X", "place"), "label 'place' is no tag, and others are: list the tags"),
        (("B-X", "M-X", "I-X", "O"), r"tags of several schemes \(B, I, M\)"),
        (("o", "b-x", "i-x"), "label 'o' is of no scheme that is read"),
        (("PER-B", "PER-I"), "label 'PER-B' is of no scheme that is read"),
    ],
)
def test_label_files_that_cannot_be_meant(labels: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=f"^dir/labels.txt: {message}") as caught:
        bio_labels(labels, None, "dir/labels.txt")
    assert "\n" not in str(caught.value)


def test_a_label_file_of_one_type(tmp_path: Path) -> None:
    path, labels = columns(tmp_path / "train.txt", "B-X O"), tmp_path / "labels.txt"
    for content in ("X\n", "X\nO\n", "B-X\nI-X\nO\n"):
        labels.write_text(content)
        data = load_dataset("custom", task="token_cls", train_file=path, label_file=labels, splits=("train",))
        assert data.spec.labels == ("B-X", "I-X", "O")
    labels.write_text("\n")
    with pytest.raises(DataError, match=r"labels\.txt: 0 label\(s\) found, the file has no rows: write one type"):
        load_dataset("custom", task="token_cls", train_file=path, label_file=labels, splits=("train",))


def test_types_of_tags() -> None:
    assert parse_tag("B-work of art") == ("B", "work of art")
    assert parse_tag("S-e-mail") == ("S", "e-mail")
    assert parse_tag("O") == ("O", "")
    assert [parse_tag(tag) for tag in ("", "B-", "B- X", "B-X ", "BX", "X", "b-X", "O-X", "-X")] == [None] * 9


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(tags=st.lists(st.sampled_from(["O", *(f"{a}-{b}" for a in "BIESMLU" for b in "XY")]), min_size=1, max_size=8))
def test_any_tags_give_bio_or_a_place(tmp_path: Path, tags: list[str]) -> None:
    path = columns(tmp_path / "train.txt", " ".join(tags))
    try:
        labels = set(read_tags(path))
        examples, _ = read(path)
    except DataError as error:
        assert str(error).startswith(f"{path}:")
    else:
        # Every tag but O is part of an entity of its type.
        covered = {(i, kind) for kind, start, end in entity_spans(examples[0]["labels"]) for i in range(start, end)}
        assert covered == {(i, tag[2:]) for i, tag in enumerate(tags) if tag != "O"}
        assert labels.issuperset(examples[0]["labels"])
