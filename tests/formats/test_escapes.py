"""What users' texts look like where they are shown: one line stays one line, and nothing moves the cursor."""

import io
import json
import logging
import subprocess
import sys
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, text_format
from hypothesis import example, given
from hypothesis import strategies as st

from ernie_toolkit.arguments.settings import read_config
from ernie_toolkit.console import exit_on_toolkit_error, notice, print_line, print_settings, say, warn
from ernie_toolkit.data import load_dataset
from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.inputs import read_input_rows
from ernie_toolkit.decoding import Entity, LabelAnswer, TaggedText
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.formats.escapes import (
    EscapingFormatter,
    half_character,
    markdown_code,
    markdown_link,
    markdown_text,
    protobuf_string,
    terminal_line,
    terminal_lines,
)
from ernie_toolkit.inference.console import show, show_labels
from ernie_toolkit.triton.pbtxt import Symbol, format_message

HOSTILE = "a\x1b[31m\x9b2J\r\nb\u202ec\u2028d\x07\x00e"
PLAIN = "中文，繁體；日本語 한국어 العربية 👩‍👩‍👧 🏳️‍🌈 é ñ \\d+ C:\\名 \t|`<b>"
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)


def is_harmless(text: str) -> bool:
    """Whether a terminal shows a text as one line, in the order of its characters."""
    moves = {"Cc", "Zl", "Zp", "Cs"}
    bidirectional = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return not any(
        character != "\t"
        and (unicodedata.category(character) in moves or unicodedata.bidirectional(character) in bidirectional)
        for character in text
    )


@given(st.text(max_size=30))
@example(HOSTILE)
def test_a_line_is_harmless(text: str) -> None:
    shown = terminal_line(text)
    assert is_harmless(shown) and shown.splitlines() in ([], [shown])
    assert terminal_line(shown) == shown
    shown.encode("utf-8")
    assert "\n".join(map(terminal_line, text.split("\n"))) == terminal_lines(text)


def test_what_is_hidden_is_seen() -> None:
    assert terminal_line(HOSTILE) == "a\\x1b[31m\\x9b2J\\r\\nb\\u202ec\\u2028d\\a\\x00e"
    assert terminal_line("\ud800\u2066x\x7f\x85") == "\\ud800\\u2066x\\x7f\\x85"
    assert terminal_line(PLAIN) == terminal_lines(PLAIN) == PLAIN
    assert terminal_lines("a\n\x1b\n") == "a\n\\x1b\n"


def test_every_way_to_the_console(capsys: pytest.CaptureFixture[str]) -> None:
    for way in (say, print_line, warn, notice):
        way(HOSTILE)
    print_settings({"model": HOSTILE, "labels": ["中"]}, {}, verbose=False)
    with pytest.raises(SystemExit), exit_on_toolkit_error("x.py"):
        raise DataError(f"{HOSTILE}.json:1: label {HOSTILE}: rename it\nas a package says")
    out, err = capsys.readouterr()
    assert all(map(is_harmless, (*out.split("\n"), *err.split("\n"))))
    assert out.count("\n") == 5 and err.count("\n") == 3 and '"中"' in out
    assert err.splitlines()[-1].endswith("e: rename it as a package says") and "\\x1b[31m" in err


def test_a_scripts_arguments(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "\x1b]0;owned\x07\n名.json"
    for argument in ("--nowhere\x1b[2J", str(path)):
        command = [sys.executable, "scripts/compare_reports.py", argument, "x"]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        assert done.returncode == 2 and is_harmless(done.stderr.rstrip("\n")) and "\\x1b" in done.stderr, done.stderr


def test_answers() -> None:
    row = show((HOSTILE, "b"), LabelAnswer(0, HOSTILE, HOSTILE, 0.5))
    tagged = show("ab", TaggedText("ab", ("B-X", "I-X"), (Entity("ab", HOSTILE, 0, 2, 0.5),)))
    for shown, lines in ((row, 2), (tagged, 2), (show_labels(HOSTILE, [HOSTILE], [0.5]) + "\n", 4)):
        assert shown.count("\n") == lines and all(map(is_harmless, shown.split("\n"))) and "\\x1b" in shown


def rendered(markdown: str) -> str:
    """The text of one line of CommonMark, as far as `markdown_text` writes it: escapes, entities, else as it stands."""
    parts: list[str] = []

    class Collect(HTMLParser):
        def handle_data(self, data: str) -> None:
            parts.append(data)

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            raise AssertionError(tag)

    plain, escaped = "", False
    for character in markdown:
        if escaped or character != "\\":
            plain += f"&#{ord(character)};" if escaped else character
        escaped = character == "\\" and not escaped
    collector = Collect(convert_charrefs=True)
    collector.feed(plain)
    collector.close()
    return "".join(parts)


@given(TEXTS)
@example("a|b`c`<img src=x onerror=alert(1)>&lt;*d*_e_ f_g [h](i) ~j~ \\")
@example("**kept** width_mult_0.75")
def test_markdown_shows_the_text(text: str) -> None:
    written = markdown_text(text)
    assert "\n" not in written and "<" not in written and is_harmless(written)
    line = terminal_line(" ".join(part for part in text.replace("\t", " ").replace("\r", " ").split("\n")))
    assert rendered(written).split() == line.split() or "\\" in line  # white space is joined
    for mark in "|`*[]~":
        assert written.count(mark) == written.count(f"\\{mark}")
    code = markdown_code(text)
    assert code == written or (code[0] == code[-1] == "`" and not set("`|[]<>&\n") & set(code[1:-1]))


def test_markdown_of_our_own_names() -> None:
    assert markdown_text("3/4 INT8 mse 4x1 + embeddings, width_mult_0.75 (中)") == (
        "3/4 INT8 mse 4x1 + embeddings, width_mult_0.75 (中)"
    )
    assert markdown_text("_a_ |\n<b>") == "\\_a\\_ \\| &lt;b&gt;"
    assert markdown_link("w/export/model.onnx") == "[`w/export/model.onnx`](w/export/model.onnx)"
    assert markdown_link("a b)`.md") == "[a b)\\`.md](a%20b%29%60.md)"


@given(TEXTS)
@example(HOSTILE + "\"'\\ 中👩‍👩‍👧 \t\x01\x7f\x80\u0085")
def test_protobuf_reads_what_was_written(text: str) -> None:
    message = descriptor_pb2.FileDescriptorProto()
    written = format_message({"name": text, "dependency": [text, "x"], "options": {"java_package": text}})
    assert written.count("\n") == 6 and all(map(is_harmless, written.split("\n")))
    text_format.Parse(written, message)
    assert message.name == text == message.options.java_package and list(message.dependency) == [text, "x"]
    assert (
        protobuf_string("中\x01") == '"中\\001"' and format_message({"kind": Symbol("KIND_CPU")}) == "kind: KIND_CPU\n"
    )


def test_log_records_are_one_line() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(EscapingFormatter("%(levelname)s %(message)s"))
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "GET %s", (HOSTILE,), None)
    handler.emit(record)
    assert stream.getvalue() == f"ERROR GET {terminal_line(HOSTILE)}\n"
    try:
        raise ValueError(HOSTILE.replace("\n", ""))
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "failed", (), sys.exc_info())
    stream.truncate(0)
    handler.emit(record)
    lines = stream.getvalue().strip("\x00\n").split("\n")
    assert lines[:2] == ["ERROR failed", "Traceback (most recent call last):"] and all(map(is_harmless, lines))


def test_pictures_take_any_title(tmp_path: Path) -> None:
    from ernie_toolkit.training.records import plot_training_curve

    history = [{"step": 1, "loss": 1.0}, {"step": 1, "eval_accuracy": 0.5}]
    for title in ("models/$x^$ on data_{1", "$\\frac", HOSTILE, "名 $5 and $6"):
        plot_training_curve(history, "accuracy", title, tmp_path / "x.png", 1)
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


HALF = "half of a surrogate pair"
ROWS = {
    "a label": ({"sentence": "好", "label": "a\ud800"}, "'label'"),
    "a label in a list": ({"text": "好", "labels": ["a", "b\udfff"]}, "'labels'[1]"),
    "an inner field": (
        {"data": {"text": "好"}, "annotations": [{"result": [{"x": "\ud800"}]}]},
        "'annotations'[0].'res",
    ),
    "the name of a field": ({"sentence": "好", "\ud800": 1}, "the name of a field"),
}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("whole", [False, True])
def test_half_characters_are_refused_on_reading(name: str, whole: bool, tmp_path: Path) -> None:
    from ernie_toolkit.data.lines import read_objects

    row, place = ROWS[name]
    path = tmp_path / "rows.json"
    good = {"sentence": "好", "label": "a"}
    path.write_text(json.dumps([good, row]) if whole else f"{json.dumps(good)}\n{json.dumps(row)}\n", encoding="utf-8")
    with pytest.raises(DataError, match=HALF) as refused:
        list(read_objects(path, "train", FileOptions(), FileRecord()))
    where = f"{path}: data[1]: " if whole else f"{path}:2: "
    assert str(refused.value).startswith(where + place) and "write the character itself" in str(refused.value)


def test_one_such_row_of_many_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"sentence": "好"}, {"sentence": "\ud83d"}, {"sentence": "好", "note": "\ud83d"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(DataError, match=HALF):
        read_input_rows(path, "sentence")
    found = read_input_rows(path, "sentence", FileOptions(on_error="skip"))
    assert [row.text for row in found] == ["好", None, None] and all(HALF in row.reason for row in found[1:])
    squad = tmp_path / "questions.json"
    questions = [
        {"id": "1", "question": "谁?"},
        {"id": "2", "question": "谁\ud800"},
        {"id": "\ud800", "question": "谁?"},
    ]
    squad.write_text(json.dumps([{"context": "甲", "qas": questions}]), encoding="utf-8")
    found = read_input_rows(squad, "question_context", FileOptions(on_error="skip"))
    assert [(row.text is None, row.place) for row in found] == [
        (False, "1"),
        (True, "2"),
        (True, "data[0].qas[2]"),
    ]


def test_half_characters_in_yaml(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_text('DefaultArgs:\n  dataset: "a\\ud800"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"config\.yml: 'DefaultArgs'\.'dataset' holds half of a surrogate pair"):
        read_config(path, "seq_cls", "afqmc", {}, False)


def test_where_half_a_character_is() -> None:
    assert half_character({"a": [1, {"b": ("x", "y\ud800")}]}) == "'a'[1].'b'[1]"
    assert half_character("\udc00") == "" and half_character(["é", {"名": 1.5, "x": None}]) is None
    loop: list[Any] = ["好"]
    loop.append(loop)
    assert half_character(loop) is None


SPAN = {"start": 0, "end": 1, "label": "X\ud800"}
ANSWER = {"id": "1", "question": "谁", "context": "甲乙", "answers": {"text": ["甲"], "answer_start": [0]}}
EXAMPLES = {
    "label": ("seq_cls", {"sentence": "好", "label": "a\ud800"}),
    "second text": ("seq_cls", {"text_a": "好", "text_b": "\udfff", "label": "a"}),
    "token": ("token_cls", {"tokens": ["好", "\ud800"], "labels": ["O", "O"]}),
    "tag": ("token_cls", {"tokens": ["好", "人"], "labels": ["B-X\ud800", "O"]}),
    "entity": ("token_cls", {"text": "好人", "entities": [SPAN]}),
    "doccano's span": ("token_cls", {"text": "好人", "label": [[0, 1, "X\ud800"]]}),
    "id": ("qa", {**ANSWER, "id": "\ud800"}),
    "answer": ("qa", {**ANSWER, "answers": {"text": ["甲\ud800"], "answer_start": [0]}}),
    "title": ("qa", {**ANSWER, "title": "\ud800"}),
    "choice": ("multiple_choice", {"context": "甲", "choices": ["甲", "乙\ud800"], "answer": 0}),
    "context": ("multiple_choice", {"context": "甲\ud800", "choices": ["甲", "乙"], "answer": 0}),
}


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("whole", [False, True])
def test_a_users_rows_with_half_characters(name: str, whole: bool, tmp_path: Path) -> None:
    task, row = EXAMPLES[name]
    path = tmp_path / "train.json"
    path.write_text(json.dumps([row, row] if whole else row), encoding="utf-8")
    with pytest.raises(DataError, match=rf"train\.json:.*{HALF}.*: write the character itself"):
        load_dataset("custom", task=task, train_file=path, dev_file=path)
