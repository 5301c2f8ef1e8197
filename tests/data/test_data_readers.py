"""Official JSON-lines files: what is read, and where a malformed line is named."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ernie_toolkit.data import DATASETS, SPLITS, Example, get_spec, load_dataset, read_clue_jsonl
from ernie_toolkit.data.file_options import FileRecord
from ernie_toolkit.data.readers import NO_GOLD_LABEL
from ernie_toolkit.errors import ConfigError, DataError

PAIR = {"sentence1": "怎么还款", "sentence2": "如何还款", "label": "1"}
SPANS = {"span1_text": "小明", "span1_index": 0, "span2_text": "他", "span2_index": 7}
CLUEWSC = {"text": "小明说天冷了，他想回家", "target": SPANS, "label": "true", "idx": 3}
CSL = {"id": 4, "abst": "研究了土壤。", "keyword": ["土壤"], "label": "1"}
ROWS = {"afqmc": PAIR, "tnews": {"sentence": "新车上市", "label": "107"}, "cluewsc2020": CLUEWSC, "csl": CSL}


def write(path: Path, *lines: Any) -> Path:
    """Write rows, and texts as they are, a line each."""
    texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def read(path: Path, name: str, split: Any = "train") -> list[Example]:
    return list(read_clue_jsonl(path, get_spec(name), split))


def changed(name: str, **fields: Any) -> dict[str, Any]:
    """A good row with some fields replaced, or taken out where None is given as the value `...`."""
    row = {**ROWS[name], **fields}
    return {field: value for field, value in row.items() if value is not ...}


def spans(**fields: Any) -> dict[str, Any]:
    return changed("cluewsc2020", target={**SPANS, **fields})


BAD_LINES = [
    ("afqmc", '{"sentence1": "a", ', "not valid JSON"),
    ("afqmc", '{"sentence1": "a"} {"sentence1": "b"}', "not valid JSON"),
    ("afqmc", '["a", "b", "1"]', "a JSON list, not an object"),
    ("afqmc", '"a"', "a JSON text, not an object"),
    ("afqmc", "null", "a JSON null, not an object"),
    ("afqmc", "[" * 100_000, "not"),
    ("afqmc", '{"label": ' + "1" * 5000 + "}", ""),
    ("afqmc", changed("afqmc", sentence2=...), "no field 'sentence2'"),
    ("afqmc", changed("afqmc", sentence1=5), "field 'sentence1' is a JSON number: it must be a text"),
    ("afqmc", changed("afqmc", sentence1=None), "field 'sentence1' is a JSON null"),
    ("afqmc", changed("afqmc", sentence2=" \u3000\t"), "field 'sentence2' is an empty text"),
    ("afqmc", '{"sentence1": "\\ud83d", "sentence2": "b", "label": "0"}', "half of a surrogate pair"),
    ("afqmc", changed("afqmc", label=...), "no label"),
    ("afqmc", changed("afqmc", label=None), "no label"),
    ("afqmc", changed("afqmc", label="2"), "label '2' is not one of afqmc's labels: 0, 1"),
    ("afqmc", changed("afqmc", label=0.5), "neither a text nor a whole number"),
    ("afqmc", changed("afqmc", label=["1", "0"]), "neither a text nor a whole number"),
    ("afqmc", changed("afqmc", label="-"), "label '-' is not one of"),
    ("afqmc", changed("afqmc", id="seven"), "id is not a whole number"),
    ("tnews", changed("tnews", label="105"), "label '105' is not one of tnews's labels: 100, 101"),
    ("tnews", changed("tnews", sentence=""), "field 'sentence' is an empty text"),
    ("csl", changed("csl", keyword="土壤"), "field 'keyword' must be a list"),
    ("csl", changed("csl", keyword=[]), "field 'keyword' must be a list"),
    ("csl", changed("csl", keyword=["土壤", 3]), "keyword 2 is a JSON number"),
    ("csl", changed("csl", keyword=["土壤", ""]), "keyword 2 is an empty text"),
    ("csl", changed("csl", abst=...), "no field 'abst'"),
    ("cluewsc2020", changed("cluewsc2020", target=...), "field 'target' must be an object"),
    ("cluewsc2020", changed("cluewsc2020", target=[]), "field 'target' must be an object"),
    ("cluewsc2020", spans(span1_text=""), "target: field 'span1_text' is an empty text"),
    ("cluewsc2020", spans(span2_index="7"), "field 'span2_index' must be a whole number"),
    ("cluewsc2020", spans(span2_index=True), "field 'span2_index' must be a whole number"),
    ("cluewsc2020", spans(span2_index=6), "span2_text '他' is not at span2_index 6"),
    ("cluewsc2020", spans(span2_index=6), "the text has it first at 7"),
    ("cluewsc2020", spans(span2_index=-4), "span2_text '他' is not at span2_index -4"),
    ("cluewsc2020", spans(span2_index=99), "is not at span2_index 99"),
    ("cluewsc2020", spans(span1_text="小红"), "the text does not have it at all"),
    ("cluewsc2020", spans(span2_text="明", span2_index=1), "span1 and span2 overlap"),
]


@pytest.mark.parametrize(("name", "line", "message"), BAD_LINES)
def test_malformed_line_is_named(tmp_path: Path, name: str, line: Any, message: str) -> None:
    good = ROWS[name]
    path = write(tmp_path / "train.json", good, "", line, good)
    with pytest.raises(DataError) as caught:
        read(path, name)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_encoding_names_line_and_byte(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    line = json.dumps(PAIR, ensure_ascii=False)
    path.write_bytes(line.encode() + b"\n" + line.encode("gb18030") + b"\n")
    with pytest.raises(DataError, match=r"train\.json:2: byte 16 of the line \(0xd4\) is not UTF-8"):
        read(path, "afqmc")


def test_reading_stops_at_the_first_bad_line_only(tmp_path: Path) -> None:
    path = write(tmp_path / "train.json", PAIR, PAIR, "oops")
    rows = read_clue_jsonl(path, get_spec("afqmc"))
    assert next(rows)["id"] == 0
    assert next(rows)["id"] == 1
    with pytest.raises(DataError, match=":3:"):
        next(rows)


@pytest.mark.parametrize("kind", ["missing", "directory"])
def test_file_that_cannot_be_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "no.json" if kind == "missing" else tmp_path
    with pytest.raises(DataError, match="no such file" if kind == "missing" else "is a directory"):
        read(path, "afqmc")


def test_byte_order_mark_crlf_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    line = json.dumps(PAIR, ensure_ascii=False).encode()
    path.write_bytes(b"\xef\xbb\xbf" + line + b"\r\n\r\n" + line + b"\r\n\n  \n")
    assert read(path, "afqmc") == [{**PAIR, "id": 0}, {**PAIR, "id": 1}]


def test_line_separators_inside_a_text_stay(tmp_path: Path) -> None:
    text = "一\u2028二\x85三\x0b四"
    path = write(tmp_path / "train.json", changed("tnews", sentence=text))
    assert read(path, "tnews")[0]["sentence"] == text


@pytest.mark.parametrize(("value", "label"), [("true", "true"), (True, "true"), (False, "false")])
def test_truth_values_are_labels(tmp_path: Path, value: Any, label: str) -> None:
    path = write(tmp_path / "train.json", changed("cluewsc2020", label=value))
    assert read(path, "cluewsc2020")[0]["label"] == label


def test_number_labels_and_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "train.json", changed("tnews", label=107, id="12"), changed("tnews", id=5), ROWS["tnews"])
    rows = read(path, "tnews")
    assert [row["label"] for row in rows] == ["107"] * 3
    assert [row["id"] for row in rows] == [12, 5, 2]
    assert read(write(path, CLUEWSC), "cluewsc2020")[0]["id"] == 3


def test_test_split_needs_no_label_and_keeps_repeated_ids(tmp_path: Path) -> None:
    unlabelled = changed("afqmc", label=..., id=7)
    path = write(tmp_path / "test.json", unlabelled, unlabelled, changed("afqmc", label=""), PAIR)
    rows = read(path, "afqmc", "test")
    assert [row["label"] for row in rows] == [None, None, None, "1"]
    assert [row["id"] for row in rows] == [7, 7, 2, 3]
    with pytest.raises(DataError, match=r"test\.json:1: label '9'"):
        read(write(path, changed("afqmc", label="9")), "afqmc", "test")


def test_rows_without_gold_label_are_left_out_and_counted(tmp_path: Path) -> None:
    gap, good = {**PAIR, "label": "-"}, {**PAIR, "label": "neutral"}
    path = write(tmp_path / "train.json", gap, good, gap)
    record = FileRecord()
    rows = list(read_clue_jsonl(path, get_spec("ocnli"), "train", record=record))
    assert [row["id"] for row in rows] == [1]
    assert record.left_out == {NO_GOLD_LABEL: [1, 3]}
    assert [row["label"] for row in read(path, "ocnli", "test")] == [None, "neutral", None]


def test_specifications() -> None:
    sizes = {name: len(spec.labels) for name, spec in DATASETS.items()}
    assert tuple(sizes.values()) == (2, 15, 119, 3, 3, 2, 2, 7, 0, 0, 0)
    for spec in DATASETS.values():
        assert len(set(spec.labels)) == len(spec.labels)
        assert spec.label_names is None or len(set(spec.label_names)) == len(spec.labels)
    tnews = get_spec("tnews")
    assert (tnews.label_names or ())[tnews.label_ids["109"]] == "news_tech"
    with pytest.raises(ConfigError, match=r"'wnli' is not known: use one of afqmc, .*, custom"):
        get_spec("wnli")


texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30).filter(lambda text: text.strip())
pairs = st.fixed_dictionaries({"sentence1": texts, "sentence2": texts, "label": st.sampled_from(["0", "1"])})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(rows=st.lists(pairs, max_size=5), ascii_only=st.booleans(), end=st.sampled_from(["\n", "\r\n", "\n\n"]))
def test_rows_written_are_the_rows_read(tmp_path: Path, rows: list[Any], ascii_only: bool, end: str) -> None:
    path = tmp_path / "train.json"
    path.write_bytes("".join(json.dumps(row, ensure_ascii=ascii_only) + end for row in rows).encode())
    assert read(path, "afqmc") == [{**row, "id": index} for index, row in enumerate(rows)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
fields = ("sentence", "sentence1", "sentence2", "label", "id", "idx", "abst", "keyword", "text", "target")
strange_rows = st.dictionaries(st.sampled_from(fields), json_values, max_size=8).map(
    lambda row: json.dumps(row).encode()
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(
    name=st.sampled_from([name for name, spec in DATASETS.items() if spec.task_name == "seq_cls"]),
    split=st.sampled_from(SPLITS),
    data=st.binary(max_size=60) | strange_rows,
)
def test_any_bytes_give_rows_or_a_data_error(tmp_path: Path, name: str, split: Any, data: bytes) -> None:
    path = tmp_path / "any.json"
    path.write_bytes(data)
    try:
        rows = read(path, name, split)
    except DataError as error:
        assert str(error).startswith(f"{path}:")
    else:
        assert all(isinstance(row["id"], int) for row in rows)


REAL_ROWS = {
    "afqmc": (34_334, 4_316, 3_861),
    "tnews": (53_360, 10_000, 2_000),
    "iflytek": (5_753, 2_599, 2_600),
    "ocnli": (10_000, 3_000, 3_000),
    "cmnli": (10_000, 2_241, 2_241),
    "cluewsc2020": (996, 249, 249),
    "csl": (2_510, 627, 627),
}


@pytest.mark.parametrize("name", REAL_ROWS)
def test_real_files(dev_data: Path, name: str) -> None:
    data = load_dataset(name, data_dir=dev_data, splits=SPLITS)
    rows = tuple(len(data.split(split)) + data.left_out[split] for split in SPLITS)
    assert rows == REAL_ROWS[name]
    gaps = {"train": 15, "dev": 50, "test": 0} if name == "ocnli" else {"train": 0, "dev": 0, "test": 0}
    assert data.left_out == gaps
    names = data.spec.label_names
    field = {"tnews": "label_desc", "iflytek": "label_des"}.get(name)
    if names is not None and field is not None:
        assert all(row[field] == names[data.spec.label_ids[row["label"]]] for row in data.split("train"))
    assert {row["label"] for row in data.split("test")} == {None}
