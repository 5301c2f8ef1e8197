"""Texts of users where they are shown: in a terminal, in Markdown, in protocol buffers' text format.

What could move the cursor, change colours, turn the direction of writing or begin a line is written as an escape, so
that one line stays one line and shows what is in it. Chinese, emoji and all other writing stay as they are, and so do
files that hold data (JSON, predictions): these have escapes of their own.
"""

from __future__ import annotations

import logging
import re
from typing import Any
from urllib.parse import quote

# Control characters (C0, DEL, C1), marks and overrides of direction, line and paragraph separators, half characters.
_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_UNSAFE_IN_LINES = re.compile(f"[{_CONTROLS}]")
_UNSAFE_IN_A_LINE = re.compile(f"[\n{_CONTROLS}]")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_NAMED = {"\n": "\\n", "\r": "\\r", "\v": "\\v", "\f": "\\f", "\b": "\\b", "\a": "\\a"}
# What Markdown and the HTML in it give a meaning to. An underscore inside a word has none.
_MARKDOWN = re.compile(r"[\\`*|\[\]~<>&]|(?<![^\W_])_|_(?![^\W_])")
_NO_CODE = re.compile(r"[`|\[\]<>&\n]")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
# Bytes that the text format writes by names of their own; the others by three octal digits.
_PROTOBUF_NAMES = {0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x22: '\\"', 0x27: "\\'", 0x5C: "\\\\"}


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return _NAMED.get(found[0]) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def terminal_line(text: str) -> str:
    """Return a text as one line for a terminal or a log; tabs stay, line breaks are escaped."""
    return _UNSAFE_IN_A_LINE.sub(_escape, text)


def terminal_lines(text: str) -> str:
    """Return lines for a terminal or a log; line breaks and tabs stay."""
    return _UNSAFE_IN_LINES.sub(_escape, text)


def markdown_text(text: str) -> str:
    """Return a text on one line for a paragraph, heading or table cell of a Markdown page, without markup."""
    line = " ".join(re.split("[ \t\r\n]+", text.strip()))
    return _MARKDOWN.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), terminal_line(line))


def markdown_code(text: str) -> str:
    """Return a name as code of a Markdown page, or as text where it would end the code or holds markup."""
    return markdown_text(text) if _NO_CODE.search(text) else f"`{terminal_line(text.strip())}`"


def markdown_link(path: str) -> str:
    """Return a file's relative path as a link of a Markdown page."""
    return f"[{markdown_code(path)}]({quote(path, errors='backslashreplace')})"


def protobuf_string(text: str) -> str:
    """Return a string in the text format of protocol buffers, in quotation marks.

    Format: https://protobuf.dev/reference/protobuf/textformat-spec/#string
    """
    written = []
    for character in text:
        encoded = character.encode("utf-8")
        if terminal_line(character) == character and len(encoded) > 1:
            written.append(character)
        else:
            written.extend(_protobuf_byte(byte) for byte in encoded)
    return f'"{"".join(written)}"'


def _protobuf_byte(byte: int) -> str:
    return _PROTOBUF_NAMES.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}")


def half_character(value: Any) -> str | None:
    """Return where a JSON or YAML value has half of a surrogate pair, which no file can hold; None if nowhere.

    The place is as "'label'[2]", "the name of a field", or empty where the value is a text itself.
    """
    remaining: list[tuple[Any, tuple[Any, ...]]] = [(value, ())]
    seen: set[int] = set()  # in YAML a list may stand in several places, and in itself
    while remaining:
        item, path = remaining.pop()
        if isinstance(item, str):
            if not item.isascii() and _HALF_CHARACTER.search(item):
                return _place(path)
        elif id(item) in seen:
            continue
        elif isinstance(item, dict):
            seen.add(id(item))
            if any(isinstance(name, str) and half_character(name) is not None for name in item):
                return "the name of a field"
            remaining.extend((inner, (*path, name)) for name, inner in item.items())
        elif isinstance(item, (list, tuple)):
            seen.add(id(item))
            remaining.extend((inner, (*path, number)) for number, inner in enumerate(item))
    return None


def _place(path: tuple[Any, ...]) -> str:
    """The way to a value: names of fields between quotation marks, places in lists between brackets."""
    return ".".join(f"[{part}]" if isinstance(part, int) else f"'{part}'" for part in path).replace(".[", "[")


class EscapingFormatter(logging.Formatter):
    """A formatter of log records in which a message is one line, whatever a client has sent."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The record's line; a traceback follows it on lines of its own."""
        return terminal_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        """A traceback, on its lines."""
        return terminal_lines(super().formatException(ei))
