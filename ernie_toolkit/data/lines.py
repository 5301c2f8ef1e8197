"""Text files line by line, with every fault traced to its file and line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ernie_toolkit.errors import DataError

_BOM = b"\xef\xbb\xbf"


def is_json(path: Path) -> bool:
    """Whether a file's name says that it holds JSON lines."""
    return path.suffix.lower() in (".json", ".jsonl")


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Stream the lines of a UTF-8 file that are not blank, with their line numbers, counted from 1.

    As `read_all_lines`, but lines of white space only are skipped, wherever they stand: several editors and
    `cat` leave them.
    """
    for number, line in read_all_lines(path):
        if line.strip():
            yield number, line


def read_all_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Stream the lines of a UTF-8 file, blank ones too, with their line numbers, counted from 1.

    A byte order mark at the start and "\\r" before a line's end are taken away. Only "\\n" ends a line, so
    that U+2028 and the like inside a text stay there. Raises DataError on a file that cannot be opened and
    on bytes that are not UTF-8.
    """
    try:
        with path.open("rb") as stream:
            for number, raw in enumerate(stream, 1):
                if number == 1:
                    raw = raw[len(_BOM) :] if raw.startswith(_BOM) else raw
                try:
                    line = raw.rstrip(b"\r\n").decode("utf-8")
                except UnicodeDecodeError as error:
                    byte = raw[error.start]
                    raise DataError(
                        f"{path}:{number}: byte {error.start + 1} of the line (0x{byte:02x}) is not UTF-8: "
                        "save the file as UTF-8 (for example: iconv -f gb18030 -t utf-8)"
                    ) from None
                yield number, line
    except FileNotFoundError:
        raise DataError(f"{path}: no such file: check the path") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a directory: give the path of a file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}): check its rights") from None


def parse_object(line: str, where: str) -> dict[str, Any]:
    """Parse one line as a JSON object; `where` is its "file:line" for messages.

    Raises DataError on anything else, and on text with unpaired surrogates, which no tokenizer takes.
    """
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{where}: not valid JSON (column {error.colno}: {error.msg}): write one JSON object a line"
        ) from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not usable JSON ({error}): write one JSON object a line") from None
    if not isinstance(row, dict):
        raise DataError(f"{where}: a JSON {json_type(row)}, not an object: write one JSON object a line")
    return row


def text_field(row: dict[str, Any], name: str, where: str) -> str:
    """A field that has to be a text with something in it. Raises DataError naming the field."""
    if name not in row:
        raise DataError(f"{where}: no field '{name}': the row has {', '.join(map(repr, row)) or 'no field'}")
    return check_text(row[name], f"field '{name}'", where)


def check_text(value: Any, what: str, where: str) -> str:
    """`value` as a text that is not only white space; `what` names it. Raises DataError."""
    if not isinstance(value, str):
        raise DataError(f"{where}: {what} is a JSON {json_type(value)}: it must be a text")
    if not value.strip():
        raise DataError(f"{where}: {what} is an empty text: fill it or take the row out")
    # JSON escapes can spell half a character ("\ud83d" alone), which no tokenizer takes.
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise DataError(f"{where}: {what} holds half of a surrogate pair: write the character itself")
    return value


def json_type(value: Any) -> str:
    """What JSON calls a value's type, for messages."""
    names = {dict: "object", list: "list", str: "text", bool: "truth value", type(None): "null"}
    return names.get(type(value), "number")
