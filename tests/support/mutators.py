"""Files spoilt in the ways that disks, editors, half copies and hostile people spoil them, the same in every run."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

import yaml

NESTED = 100_000
NUMBERS = ("1e999", "NaN", "-Infinity", "1" + "0" * 30, "9" * 5000, "-1", "0.5", "1e30", ".nan", "18446744073709551616")
VALUES: tuple[Any, ...] = (
    *(None, True, 0, 1, -1, 10**30, 10**9, 0.5, 1e300, "", "x", "x" * 300, "x" * 5000, "../x", "/etc/passwd", "a\0b"),
    *("\x1b[31m", "\ud83d", [], ["x"], [1], [[]], {}, {"a": 1}, {"0": "a"}),
)
NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?")
TEXT = re.compile(rb'"[^"\n]*"')

Mutator = Callable[[bytes, random.Random], bytes]


def flip_bits(content: bytes, draw: random.Random) -> bytes:
    """One to eight bits."""
    spoilt = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8))):
        spoilt[draw.randrange(len(spoilt))] ^= 1 << draw.randrange(8)
    return bytes(spoilt)


def truncate(content: bytes, draw: random.Random) -> bytes:
    """The end is missing, or everything."""
    return content[: draw.choice((0, draw.randrange(len(content))))]


def duplicate(content: bytes, draw: random.Random) -> bytes:
    """A block is there twice, or in another place."""
    start, end = sorted(draw.randrange(len(content) + 1) for _ in range(2))
    place = draw.randrange(len(content) + 1)
    return content[:place] + content[start:end] + content[place:]


def drop(content: bytes, draw: random.Random) -> bytes:
    """A block is missing."""
    start, end = sorted(draw.randrange(len(content) + 1) for _ in range(2))
    return content[:start] + content[end:]


def nest(content: bytes, draw: random.Random) -> bytes:
    """Brackets without an end, alone, in the place of a value, or closed again."""
    opening, middle, closing = draw.choice(((b"[", b"", b"]"), (b'{"a":', b"1", b"}"), (b"- ", b"x", b"")))
    depth = draw.choice((50, 101, 990, NESTED))
    block = opening * depth + middle + closing * draw.choice((0, depth))
    if draw.random() < 0.3:
        return block
    found = list(TEXT.finditer(content)) or list(NUMBER.finditer(content))
    if not found:
        return content + block
    chosen = draw.choice(found)
    return content[: chosen.start()] + block + content[chosen.end() :]


def huge_number(content: bytes, draw: random.Random) -> bytes:
    """A number in another's place, or in a text's."""
    found = list(NUMBER.finditer(content)) or list(TEXT.finditer(content))
    if not found:
        return content + draw.choice(NUMBERS).encode()
    chosen = draw.choice(found)
    return content[: chosen.start()] + draw.choice(NUMBERS).encode() + content[chosen.end() :]


def long_name(content: bytes, draw: random.Random) -> bytes:
    """A text of hundreds or thousands of characters in another's place."""
    found = list(TEXT.finditer(content))
    name = b'"' + b"n" * draw.choice((300, 5000, 100_000)) + b'"'
    if not found:
        return name + content
    chosen = draw.choice(found)
    return content[: chosen.start()] + name + content[chosen.end() :]


def other_bytes(content: bytes, draw: random.Random) -> bytes:
    """Bytes that are no UTF-8, control characters, half characters, byte order marks, another encoding."""
    if draw.random() < 0.1:
        return content.decode("utf-8", "replace").encode(draw.choice(("utf-16", "gb18030", "utf-32")), "replace")
    block = draw.choice(
        (b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\0", b"\x1b[2J", b"\\ud83d", b"\xef\xbb\xbf", b"\r", b"\xe2\x80\xa8")
    )
    place = draw.choice((0, draw.randrange(len(content) + 1)))
    return content[:place] + block + content[place:]


def _changed(value: Any, draw: random.Random) -> Any:
    """A value with one of its parts, at any depth, of another kind, missing or added."""
    if isinstance(value, (dict, list)) and value and draw.random() < 0.85:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key, copied = draw.choice(keys), value.copy()
        fate = draw.random()
        if fate < 0.1:
            del copied[key]
        elif fate < 0.15 and isinstance(copied, dict):
            copied[draw.choice(("x", "", "n" * 300))] = copied.pop(key)
        else:
            copied[key] = _changed(copied[key], draw)
        return copied
    return draw.choice(VALUES)


def other_type(content: bytes, draw: random.Random) -> bytes:
    """A JSON value, or one of a file's lines of JSON, with a part of another type."""
    lines = content.split(b"\n")
    place = draw.randrange(len(lines))
    for text, put in ((content, None), (lines[place], place)):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):  # spoilt before
            continue
        made = json.dumps(_changed(value, draw), ensure_ascii=draw.random() < 0.5).encode("utf-8", "surrogatepass")
        return made if put is None else b"\n".join([*lines[:put], made, *lines[put + 1 :]])
    return huge_number(content, draw)


def other_yaml(content: bytes, draw: random.Random) -> bytes:
    """A YAML file with a part of another type, or with aliases that stand for more than can be written out."""
    if draw.random() < 0.1:
        rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
        return content + ("\n".join(rows) + "\n").encode()
    if draw.random() < 0.2:
        tag = draw.choice(
            (
                b"!!int x",
                b"!!float x",
                b"!!timestamp x",
                b"!!bool x",
                b"!!binary x",
                b"!!python/name:os.system",
                b"&a [*a]",
                b"2024-13-45",
                b"!!int ''",
                b"!!set {a}",
            )
        )
        chosen = draw.choice(list(NUMBER.finditer(content)) or [None])
        return content[: chosen.start()] + tag + content[chosen.end() :] if chosen else tag
    try:
        value = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, AttributeError, RecursionError):  # spoilt before
        return huge_number(content, draw)
    return yaml.safe_dump(_changed(value, draw)).encode("utf-8", "surrogatepass")


ANY: tuple[Mutator, ...] = (flip_bits, truncate, duplicate, drop, nest, huge_number, long_name, other_bytes)
BINARY: tuple[Mutator, ...] = (flip_bits, flip_bits, truncate, duplicate, drop)
JSON: tuple[Mutator, ...] = (*ANY, other_type, other_type, other_type)
YAML: tuple[Mutator, ...] = (*ANY, other_yaml, other_yaml, other_yaml)


def mutated(content: bytes, mutators: tuple[Mutator, ...], seed: str) -> bytes:
    """A content spoilt once, or sometimes twice, as a seed says."""
    draw = random.Random(seed)
    for _ in range(draw.choice((1, 1, 1, 2))):
        content = draw.choice(mutators)(content, draw) if content else content
    return content
