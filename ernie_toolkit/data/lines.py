"""Text files line by line, with every fault traced to its file and line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Dict, Tuple, TypeVar

from ernie_toolkit.data.encodings import codec_of, read_head, undecodable, unreadable
from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.errors import DataError
from ernie_toolkit.files.parsing import JsonError, decode_json
from ernie_toolkit.formats.escapes import half_character

_BOM = b"\xef\xbb\xbf"
ONE_OBJECT_A_LINE = "write one JSON object a line"
SHOWN_FIELDS = 20

_Value = TypeVar("_Value")

JsonRow = Tuple[int, int, str, Dict[str, Any]]
"""A row's number from 0, its line (in a list its place) from 1, its "file:line" for messages, and its fields."""


def is_json(path: Path) -> bool:
    """Whether a file's name says that it holds JSON lines."""
    return path.suffix.lower() in (".json", ".jsonl")


def read_lines(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """Stream the lines of a text file that are not blank, with their line numbers, counted from 1.

    As `read_all_lines`, but lines of white space only are skipped, wherever they stand: several editors and `cat` leave
    them.

    Args:
        path: The file.
        encoding: One of `file_options.ENCODINGS`.

    Raises:
        DataError: As `read_all_lines`.
    """
    for number, line in read_all_lines(path, encoding):
        if line.strip():
            yield number, line


def read_all_lines(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    r"""Stream the lines of a text file, blank ones too, with their line numbers, counted from 1.

    Byte order marks at the start of a line (`cat` leaves them inside of files) and "\\r" before its end are taken away.
    Only "\\n" ends a line, so that U+2028 and the like inside a text stay there.

    Args:
        path: The file.
        encoding: One of `file_options.ENCODINGS`.

    Raises:
        DataError: On a file that cannot be opened, on one that is no text, and on bytes of another encoding.
    """
    for number, line in lines_or_faults(path, encoding):
        if isinstance(line, DataError):
            raise line
        yield number, line


def lines_or_faults(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, str | DataError]]:
    """As `read_all_lines`, but with the error of a single line in its place: the lines behind it can be read.

    Args:
        path: The file.
        encoding: One of `file_options.ENCODINGS`.

    Raises:
        DataError: On a file that cannot be opened, and on one that is no text or of another encoding as a whole.
    """
    codec = codec_of(path, read_head(path), encoding)
    try:
        with path.open("rb") as stream:
            if codec.startswith("utf-16"):
                yield from _wide_lines(path, stream, codec)
                return
            for number, raw in enumerate(stream, 1):
                while raw.startswith(_BOM):
                    raw = raw[len(_BOM) :]
                line: str | DataError
                try:
                    line = raw.rstrip(b"\r\n").decode(codec)
                except UnicodeDecodeError as error:
                    line, whole_file = undecodable(path, number, raw, error, codec)
                    if whole_file:
                        raise line from None
                yield number, line
    except OSError as error:
        raise unreadable(path, error) from None


def _wide_lines(path: Path, stream: BinaryIO, codec: str) -> Iterator[tuple[int, str]]:
    """Lines of UTF-16, whose line ends are two bytes: the file is decoded whole."""
    data = stream.read()
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        number = data[: error.start].decode(codec, errors="replace").count("\n") + 1
        raise DataError(
            f"{path}:{number}: bytes that are not UTF-16, or a file that is cut off: save it as UTF-8"
        ) from None
    lines = text.split("\n")
    for number, line in enumerate(lines if lines[-1] else lines[:-1], 1):
        yield number, line.lstrip("\ufeff").rstrip("\r")


def read_rows(path: Path, split: str, options: FileOptions, record: FileRecord) -> Iterator[tuple[int, str]]:
    """The lines of a file that hold a row, with their numbers from 1.

    In `train` and `dev` blank lines are counted. In `test` each line is a row to predict: a blank one before the last
    row, or one that cannot be decoded, is an error, or is skipped as `options` say.

    Args:
        path: The file.
        split: The split that the file is.
        options: How files are read.
        record: Gets the number of blank lines and the rows that are skipped.

    Raises:
        DataError: At the first line that cannot be read.
    """
    blank: list[int] = []
    for number, line in lines_or_faults(path, options.encoding):
        if isinstance(line, str) and not line.strip():
            blank.append(number)
            continue
        if split == "test":
            for missing in blank:
                record.skip(blank_row(f"{path}:{missing}", options), missing, options, split, missing - 1)
        else:
            record.blank_lines += len(blank)
        blank.clear()
        if isinstance(line, DataError):
            record.skip(line, number, options, split, number - 1)
        else:
            yield number, line
    record.blank_lines += len(blank)


def blank_row(where: str, options: FileOptions) -> DataError:
    """The error of a row to predict that holds nothing; where it stops the run, with the way to continue.

    Args:
        where: The file and the line, for messages.
        options: Whether such rows are skipped.
    """
    hint = "" if options.on_error == "skip" else ", or give `on_error` skip for an answer of null"
    return DataError(f"{where}: a blank line: fill it or take it out{hint}")


def read_objects(path: Path, split: str, options: FileOptions, record: FileRecord) -> Iterator[JsonRow]:
    """The rows of a JSON file: one object a line, or one list of objects.

    The list may stand under `data` in an object. Blank lines are treated as `read_rows` does, rows to predict that are
    no object likewise.

    Args:
        path: The file.
        split: The split that the file is.
        options: How files are read.
        record: Gets the form of the file in `record.format`, the number of blank lines and the rows that are skipped.

    Raises:
        DataError: With the place, "file:line" or "file: data[3]", on anything else.
    """
    whole = whole_list(path, options.encoding)
    if whole is not None:
        record.format = "JSON list"
        for index, value in enumerate(whole):
            where = f"{path}: data[{index}]"
            try:
                if not isinstance(value, dict):
                    raise DataError(f"{where}: a JSON {json_type(value)}, not an object: write objects in the list")
                row = check_whole(value, where)
            except DataError as error:
                record.skip(error, index + 1, options, split, index)
                continue
            yield index, index + 1, where, row
        return
    record.format = "JSON lines"
    for number, line in read_rows(path, split, options, record):
        where = f"{path}:{number}"
        try:
            row = check_whole(parse_object(line, where), where)
        except DataError as error:
            record.skip(error, number, options, split, number - 1)
            continue
        yield number - 1, number, where, row


def whole_list(path: Path, encoding: str) -> list[Any] | None:
    """The rows of a file that is one JSON value, not an object a line; None for lines, which their reader checks.

    Args:
        path: The file.
        encoding: One of `file_options.ENCODINGS`.

    Raises:
        DataError: On a list that is malformed, and on one object over several lines.
    """
    lines = read_lines(path, encoding)
    first = next(lines, (0, ""))[1].lstrip()
    alone = _parsed(first)
    if first[:1] not in ("[", "{") or (isinstance(alone, dict) and (not _is_table(alone) or next(lines, None))):
        return None
    try:
        value = decode_json("\n".join(line for _, line in read_all_lines(path, encoding)), finite=False)
    except JsonError as error:
        if first.startswith("[") and (alone is None or not error.line):
            remedy = "write a JSON list of objects, or one object a line"
            raise DataError(json_message(error, path, remedy)) from None
        return None
    if isinstance(value, dict) and not _is_table(value):
        found = field_names(list(value)[:10])
        raise DataError(
            f"{path}: one JSON object on several lines (its fields: {found}): {ONE_OBJECT_A_LINE}, or a list of objects"
        )
    return list(value["data"] if isinstance(value, dict) else value)


def json_message(error: JsonError, path: Path, remedy: str) -> str:
    """What is wrong with a file that is one JSON value, with the line where that is known.

    Args:
        error: What reading it raised.
        path: The file.
        remedy: What the message tells the user to do.
    """
    if error.line:
        return f"{path}:{error.line}: not valid JSON (column {error.column}: {error.reason}): {remedy}"
    return f"{path}: not usable JSON ({error}): {remedy}"


def _is_table(value: dict[str, Any]) -> bool:
    return isinstance(value.get("data"), list)


def _parsed(line: str) -> Any:
    """The JSON value of a line, None where it is none."""
    try:
        return decode_json(line, finite=False)
    except JsonError:
        return None


def parse_object(line: str, where: str) -> dict[str, Any]:
    """Parse one line as a JSON object.

    Args:
        line: The line.
        where: The file and the line, for messages.

    Raises:
        DataError: On anything else.
    """
    try:
        row = decode_json(line, finite=False)
    except JsonError as error:
        what = f"not valid JSON (column {error.column}: {error.reason})" if error.line else f"not usable JSON ({error})"
        raise DataError(f"{where}: {what}: {ONE_OBJECT_A_LINE}") from None
    if not isinstance(row, dict):
        raise DataError(f"{where}: a JSON {json_type(row)}, not an object: {ONE_OBJECT_A_LINE}")
    return row


def field_names(row: Iterable[str]) -> str:
    """The names of a row's fields, for messages: the first ones, cut where they are long."""
    names = [f"{name!r:.60}" for name in row]
    return ", ".join([*names[:SHOWN_FIELDS], *(["..."] if len(names) > SHOWN_FIELDS else [])]) or "none"


def text_field(row: dict[str, Any], name: str, where: str) -> str:
    """A field that has to be a text with something in it.

    Args:
        row: The row's fields.
        name: The field's name.
        where: The file and the line, for messages.

    Raises:
        DataError: Where the field is not there, or is no such text.
    """
    if name not in row:
        raise DataError(f"{where}: no field '{name}': the row has {field_names(row) if row else 'no field'}")
    return check_text(row[name], f"field '{name}'", where)


def check_text(value: Any, what: str, where: str) -> str:
    """Check that a value is a text that is not only white space, and return it.

    Args:
        value: The value.
        what: What it is called in messages.
        where: The file and the line, for messages.

    Raises:
        DataError: Where it is no such text.
    """
    if not isinstance(value, str):
        raise DataError(f"{where}: {what} is a JSON {json_type(value)}: it must be a text")
    if not value.strip():
        raise DataError(f"{where}: {what} is an empty text: fill it or take the row out")
    check_whole(value, where, what)
    return value


def check_whole(value: _Value, where: str, what: str = "") -> _Value:
    r"""Check that all text in a value of JSON can be written to a file again, and return the value.

    JSON escapes can spell half a character ("\\ud83d" alone), which no tokenizer takes and no file holds.

    Args:
        value: A value of JSON.
        where: The file and the line, for messages.
        what: What a text is called in messages; empty: by its place in the value.

    Raises:
        DataError: Where it holds half a character.
    """
    found = half_character(value)
    if found is not None:
        raise DataError(f"{where}: {what or found} holds half of a surrogate pair: write the character itself")
    return value


def json_type(value: Any) -> str:
    """What JSON calls a value's type, for messages."""
    names = {dict: "object", list: "list", str: "text", bool: "truth value", type(None): "null"}
    return names.get(type(value), "number")
