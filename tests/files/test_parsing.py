"""JSON, YAML, numbers and paths from files and people, where each is read."""

import argparse
import ast
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.files.parsing import (
    MAX_DEPTH,
    JsonError,
    decode_json,
    decode_json_prefix,
    parse_json_object,
    read_json_object,
    read_utf8,
    read_yaml,
)
from ernie_toolkit.files.paths import leads_out, path_problem, path_text
from ernie_toolkit.formats.ranges import COUNT, SEED, SHARE, Range, check_number, in_range

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_what_json_can_say_is_read_as_python_reads_it(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        assert decode_json(text) == value == decode_json_prefix("x" + text, 1)[0]
    if "\\ud" not in json.dumps(value):
        assert decode_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("NaN", "NaN is no number"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ("[1e999]", "1e999 is too large"),
        ("[-1e400]", "-1e400 is too large"),
        ("9" * 5000, "a number of 5,000 digits"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested too deeply"),
        (b"\xff", "it is not UTF-8"),
        (b"\xff\xfe1\x00", "it is not UTF-8"),
        ("", "line 1, column 1"),
        ("{}\n x", "line 2, column 2: Extra data"),
    ],
)
def test_what_is_no_json(text: str | bytes, reason: str) -> None:
    with pytest.raises(JsonError, match=reason) as caught:
        decode_json(text)
    assert len(str(caught.value)) < 200


def test_depths_that_are_read_and_numbers_that_data_sets_may_have() -> None:
    assert decode_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert decode_json('"' + "[" * 1000 + '"') == "[" * 1000
    assert decode_json("\ufeff[10000000000000000000000000000000]") == [10**31]
    assert math.isnan(decode_json("NaN", finite=False)) and decode_json("1e999", finite=False) == math.inf
    with pytest.raises(JsonError, match="digits"):
        decode_json("9" * 5000, finite=False)


def test_objects_of_files(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for content, message in (
        (b"[1]", "not a JSON object: copy it"),
        (b'{"a": "\\ud83d"}', "half of a surrogate pair: copy it"),
        (b'{"\\udc00": 1}', "half of a surrogate pair: copy it"),
        (b"{", r"not JSON \(line 1, column 2"),
        (b"\xc3(", "not JSON .it is not UTF-8"),
    ):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=message) as caught:
            read_json_object(path, ModelError, "copy it")
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    path.write_bytes(b'\xef\xbb\xbf{"a": "\\ud83d\\ude00"}')
    assert read_json_object(path, ModelError, "") == {"a": "\U0001f600"}
    assert parse_json_object('{"a": "\\\\ud83d"}', "here", ModelError, "") == {"a": "\\ud83d"}


@pytest.mark.parametrize("name", ["nowhere", "x" * 300, "x/" * 3000, "a\0b", "\ud800", "."])
def test_files_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    for read in (read_utf8, read_json_object, read_yaml):
        with pytest.raises(ConfigError, match="cannot be read") as caught:
            read(tmp_path / name, ConfigError, "give another")
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_a_device_without_an_end_is_not_read_for_ever() -> None:
    with pytest.raises(ConfigError, match=r"more than .* bytes"):
        read_utf8(Path("/dev/zero"), ConfigError, "give another")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "a: &a [*a]",
        "a: !!int x",
        "a: !!float x",
        "a: !!timestamp x",
        "a: !!bool x",
        "a: !!int ''",
        "a: 2024-13-45",
        "a: !!python/object/apply:os.system [ls]",
        "a: !!binary \u00e9",
        "{[1]: 2}",
        "a: \0",
        "a: [",
        "a: " + "9" * 5000,
        "\n".join(
            ["a0: &a0 [x,x,x,x,x,x,x,x,x]"] + [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
        ),
    ],
)
def test_yaml_that_cannot_be_meant(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"a\.yml: .*: mend it") as caught:
        read_yaml(path, ConfigError, "mend it")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_aliases_that_somebody_means(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("a: &a {x: 1}\nb:\n  <<: *a\n  y: 2\n", encoding="utf-8")
    assert read_yaml(tmp_path / "a.yml", ConfigError, "") == {"a": {"x": 1}, "b": {"x": 1, "y": 2}}


@pytest.mark.parametrize("value", [True, None, "1", [1], {}, math.nan, math.inf, 10**400, 2.0, -1, 0, 10**9 + 1])
def test_numbers_that_are_no_counts(value: Any) -> None:
    with pytest.raises(ModelError, match=r"^f: n is .*: (it|each) must .*: copy it$") as caught:
        check_number(value, int, COUNT, "f: n", ModelError, "copy it")
    assert len(str(caught.value)) < 120


def test_numbers_within_their_bounds() -> None:
    assert check_number(3, int, COUNT, "n") == 3 and check_number(1, float, SHARE, "x") == 1.0
    assert check_number(np.int64(3), int, COUNT, "n") == 3 and check_number(np.float32(0.5), float, SHARE, "x") == 0.5
    for value in (np.float32("nan"), np.float64("inf"), np.bool_(True)):
        with pytest.raises(ConfigError, match="x is"):
            check_number(value, float, SHARE, "x")
    assert -1 in Range(0, 1, also=(-1,)) and -2 not in Range(0, 1, also=(-1,)) and 1 not in Range(0, 1, below=True)
    assert 2**32 - 1 in SEED and 2**32 not in SEED
    for text, message in (("0", "it is 0: it must be at least 1"), ("9" * 12, "it must be at most 1,000,000,000")):
        with pytest.raises(argparse.ArgumentTypeError, match=message):
            in_range(int, COUNT)(text)
    for text in ("9" * 5000, "nan", "x", ""):
        with pytest.raises(ValueError):
            in_range(float, SHARE)(text)


@pytest.mark.parametrize("text", ["", "  ", "a\0", "x" * 256, "字" * 86, "a/" * 2000, "\udcff", "a/\ud800"])
def test_texts_that_are_no_paths(text: str) -> None:
    assert path_problem(text)
    with pytest.raises(argparse.ArgumentTypeError, match="give another"):
        path_text(text)


@pytest.mark.parametrize("text", ["a", "./a b/字", "x" * 255, "字" * 85, "/" + "a/" * 1000, "~"])
def test_texts_that_are(text: str) -> None:
    assert path_text(text) == text


def test_where_links_lead(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir(), outside.mkdir()
    (inside / "a").touch(), (outside / "b").touch()
    (inside / "own").symlink_to("a")
    (inside / "other").symlink_to("../out/b")
    (tmp_path / "link").symlink_to(inside)
    assert not leads_out(inside / "a", inside) and not leads_out(inside / "own", inside)
    assert leads_out(inside / "other", inside) and not leads_out(tmp_path / "link" / "a", tmp_path / "link")
    assert leads_out(outside / "b", inside) and leads_out(tmp_path, inside)


def test_nothing_else_reads_json_or_yaml(root: Path) -> None:
    """Each reader that goes its own way meets the hostile values anew."""
    found = []
    places = [root / name for name in ("ernie_toolkit", "multi_label", "deploy")]
    for path in [*root.glob("*.py"), *(path for place in places for path in place.rglob("*.py"))]:
        if path == root / "ernie_toolkit" / "files" / "parsing.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                name = f"{node.value.id}.{node.attr}"
                if name in ("json.load", "json.loads", "json.JSONDecoder", "yaml.safe_load", "yaml.load"):
                    found.append(f"{path}:{node.lineno}: {name}")
    assert not found
