"""Files in other encodings, and files that are no text: recognised by their bytes, each with its remedy."""

import gzip
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ernie_toolkit.data import custom_spec, load_dataset, read_clue_jsonl, read_custom
from ernie_toolkit.data.encodings import encoding_notice
from ernie_toolkit.data.file_options import FileOptions
from ernie_toolkit.data.lines import read_all_lines
from ernie_toolkit.data.registry import get_spec
from ernie_toolkit.errors import DataError

ROWS = "窗户上有一层灰\t脏\n地板刚刚擦过\t净\n桌子又亮又滑\t净\n"
LINES = [(number, line) for number, line in enumerate(ROWS.splitlines(), 1)]
REUSED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)
WIDE = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def refusal(path: Path, encoding: str = "utf-8") -> str:
    with pytest.raises(DataError) as caught:
        list(read_all_lines(path, encoding))
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message
    return message


@pytest.mark.parametrize(
    ("codec", "mark", "option"),
    [
        ("utf-16-le", WIDE["utf-16-le"], "utf-16"),
        ("utf-16-be", WIDE["utf-16-be"], "utf-16"),
        ("utf-16-le", b"", "utf-16"),
        ("utf-16-be", b"", "utf-16"),
        ("gb18030", b"", "gb18030"),
        ("gbk", b"", "gb18030"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_other_encodings(tmp_path: Path, codec: str, mark: bytes, option: str, end: str) -> None:
    path = put(tmp_path / "rows.tsv", mark + ROWS.replace("\n", end).encode(codec))
    message = refusal(path)
    assert f"`encoding` {option} (or auto)" in message and "iconv -f" in message
    assert list(read_all_lines(path, option)) == list(read_all_lines(path, "auto")) == LINES
    assert "UTF-16" in str(encoding_notice(path, "auto")) or "GB18030" in str(encoding_notice(path, "auto"))
    other = "gb18030" if option == "utf-16" else "utf-16"
    if mark or option == "gb18030":
        assert "give `encoding` auto" in refusal(path, other)
    data = load_dataset("custom", train_file=path, splits=("train",), options=FileOptions(encoding="auto"))
    assert data.spec.labels == ("净", "脏") and str(path) in data.notices[0]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_utf8_stays_utf8(tmp_path: Path, mark: bytes) -> None:
    path = put(tmp_path / "rows.tsv", mark + ROWS.encode())
    assert list(read_all_lines(path)) == list(read_all_lines(path, "auto")) == LINES
    assert encoding_notice(path, "auto") is None
    for encoding in ("utf-16", "gb18030"):
        assert "it is UTF-8: give `encoding` auto" in refusal(path, encoding)
    ascii_rows = put(tmp_path / "ascii.tsv", b"one\ta\ntwo\tb\n")
    assert list(read_all_lines(ascii_rows, "gb18030")) == [(1, "one\ta"), (2, "two\tb")]


def test_zero_bytes_in_utf8_are_no_utf16(tmp_path: Path) -> None:
    path = put(tmp_path / "rows.tsv", b"a longer line of plain letters\x00 and more\nanother line\n")
    assert len(list(read_all_lines(path))) == len(list(read_all_lines(path, "auto"))) == 2


@pytest.mark.parametrize("codec", ["utf-32", "utf-32-le", "utf-32-be"])
def test_utf32_is_named(tmp_path: Path, codec: str) -> None:
    path = put(tmp_path / "rows.tsv", ROWS.encode(codec))
    for encoding in ("utf-8", "auto"):
        assert "UTF-32" in refusal(path, encoding) and "`encoding`" not in refusal(path, encoding)


def zipped(path: Path, *names: str) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return path.read_bytes()


@pytest.mark.parametrize("encoding", ["utf-8", "auto", "utf-16", "gb18030"])
def test_files_that_are_no_text(tmp_path: Path, encoding: str) -> None:
    archive = tmp_path / "any.zip"
    kinds = {
        "an Excel workbook": zipped(archive, "[Content_Types].xml", "xl/workbook.xml"),
        "a Word document": zipped(archive, "word/document.xml"),
        "unpack it and give the file in it (it holds 'rows.jsonl')": zipped(archive, "rows.jsonl"),
        "(it holds 'a.txt' and others)": zipped(archive, "a.txt", "b.txt"),
        "a zip archive that is cut off": zipped(archive, "rows.jsonl")[:20],
        "a gzip file": gzip.compress(ROWS.encode()),
        "an old Excel workbook": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500),
        "a Parquet file": b"PAR1\x15\x00\x15\x10" + bytes(20) + b"PAR1",
        "a bzip2 file": b"BZh91AY&SY\xff\xfe\x80",
        "an SQLite database": b"SQLite format 3\x00\x10",
    }
    for words, data in kinds.items():
        assert words in refusal(put(tmp_path / "train.tsv", data), encoding)
    labels = put(tmp_path / "labels.txt", gzip.compress(b"a\nb\n"))
    with pytest.raises(DataError, match=r"labels\.txt: a gzip file"):
        custom_spec(put(tmp_path / "rows.tsv", ROWS.encode()), label_file=labels)


def test_texts_that_begin_as_such_files_do(tmp_path: Path) -> None:
    for start in ("PAR1", "%PDF-", "BZh9", "Rar!"):
        assert len(list(read_all_lines(put(tmp_path / "rows.tsv", f"{start} 是什么\t问\n".encode())))) == 1


def test_one_bad_line_is_the_lines_own(tmp_path: Path) -> None:
    lines = [f"第{number}行都是好的" for number in range(6)]
    data = "\n".join(lines).encode()
    path = put(tmp_path / "rows.txt", data.replace("第3行".encode(), "第3行".encode("gb18030")))
    for encoding in ("utf-8", "auto"):
        message = refusal(path, encoding)
        assert message.startswith(f"{path}:4: byte 1 of the line (0xb5) is not UTF-8: save the whole file as UTF-8")
    cut = put(tmp_path / "cut.txt", "\n".join(lines).encode("gb18030")[:-1])
    assert "cut.txt:6: byte 12 of the line (0xb5) is not GB18030" in refusal(cut, "gb18030")
    wide = put(tmp_path / "wide.txt", WIDE["utf-16-le"] + "\n".join(lines).encode("utf-16-le")[:-1])
    assert "wide.txt:6: bytes that are not UTF-16" in refusal(wide, "utf-16")


@pytest.mark.parametrize("codec", ["big5", "shift_jis", "latin-1"])
def test_what_is_not_clear_is_not_guessed(tmp_path: Path, codec: str) -> None:
    text = {
        "big5": "這個產品的質量非常好，我們都很喜歡",
        "shift_jis": "これはとても良いものですね",
        "latin-1": "déjà vu, garçon é",
    }
    path = put(tmp_path / "rows.txt", (text[codec] + "\n").encode(codec) * 3)
    assert "is not UTF-8: save the whole file as UTF-8" in refusal(path, "auto")


def test_official_files_and_labels_take_the_encoding(tmp_path: Path) -> None:
    rows = [{"sentence": "球队昨晚赢了比赛", "label": "103"}, {"sentence": "新车下月上市", "label": "107"}]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path = put(tmp_path / "train.json", lines.encode("gb18030"))
    found = list(read_clue_jsonl(path, get_spec("tnews"), options=FileOptions(encoding="auto")))
    assert [row["sentence"] for row in found] == [row["sentence"] for row in rows]
    train = put(tmp_path / "rows.tsv", ROWS.encode("gb18030"))
    labels = put(tmp_path / "labels.txt", "脏\n净\n".encode("utf-16"))
    options = FileOptions(encoding="auto")
    data = load_dataset("custom", train_file=train, label_file=labels, splits=("train",), options=options)
    assert data.spec.labels == ("脏", "净")
    assert [warning.split(": read as ")[1] for warning in data.notices] == [
        "UTF-16 (little endian), by its bytes",
        "GB18030 (GBK), by its bytes",
    ]


# The characters of a page of plain prose.
COMMON = (
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成"
    "会可主发年动同工也能下过子说产种面而方后多定行学法所民得经"
)


@REUSED
@given(
    texts=st.lists(st.text(COMMON + "，。！abc12 ", min_size=4, max_size=30).filter(str.strip), min_size=2, max_size=9),
    codec=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030", "gbk"]),
)
@example(["1。。上", "1。。。"], "utf-16-le")  # "。" is two bytes of ASCII in UTF-16, "上" has the byte 10
@example(["1。。。", "1。。。"], "utf-16-be")
@example(["一一一一一地", "地一一一一一"], "utf-16-le")  # more zero bytes in "一" than in ASCII
def test_every_encoding_gives_the_same_rows(tmp_path: Path, texts: list[str], codec: str) -> None:
    rows = "".join(f"{text}\t{'好坏'[number % 2]}\n" for number, text in enumerate(texts))
    path = put(tmp_path / "rows.tsv", rows.encode(codec))
    options = FileOptions(encoding="auto")
    found = list(read_custom(path, custom_spec(path, options=options), options=options))
    assert [row["sentence"] for row in found] == texts


@REUSED
@given(data=st.binary(max_size=80), encoding=st.sampled_from(["utf-8", "auto", "utf-16", "gb18030"]))
def test_any_bytes_are_lines_or_a_data_error(tmp_path: Path, data: bytes, encoding: str) -> None:
    path = put(tmp_path / "any.txt", data)
    try:
        assert all("\n" not in line for _, line in read_all_lines(path, encoding))
    except DataError as error:
        assert str(error).startswith(str(path))
