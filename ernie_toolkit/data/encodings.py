"""What a text file's bytes are: which encoding, or which kind of file that is no text.

Files are UTF-8 unless the user says otherwise. What is read in another encoding is said (`encoding_notice`), and what
is no text is named with its remedy (`codec_of`).
"""

from __future__ import annotations

import codecs
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.files.transactions import finish_transaction

HEAD_BYTES = 65_536
"""How much of a file is looked at to find its kind and encoding."""

_BLOCK_BYTES = 1 << 20
_UTF8_MARK = codecs.BOM_UTF8
# UTF-32's little-endian mark begins with UTF-16's: it is looked for first.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
NAMES = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16 (little endian)",
    "utf-16-be": "UTF-16 (big endian)",
    "utf-32-le": "UTF-32 (little endian)",
    "utf-32-be": "UTF-32 (big endian)",
    "gb18030": "GB18030 (GBK)",
}
# The option that reads a codec plainly; UTF-32 has none.
_OPTIONS = {"utf-16-le": "utf-16", "utf-16-be": "utf-16", "gb18030": "gb18030"}
_ZIP = b"PK\x03\x04"
_EXCEL = 'open it in Excel and save the sheet as "CSV UTF-8" (.csv)'
_ROWS = "write its rows as JSON lines first"
# Files that are no text: what they begin with, what they are, what to do.
_KINDS = (
    (b"\x1f\x8b", "a gzip file", "unpack it first (gunzip)"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls) or another file of Office's", _EXCEL),
    (b"PAR1", "a Parquet file", _ROWS + " (pandas: to_json with orient='records', lines=True)"),
    (b"ARROW1", "an Arrow file", _ROWS),
    (b"BZh", "a bzip2 file", "unpack it first (bunzip2)"),
    (b"\xfd7zXZ", "an xz file", "unpack it first (unxz)"),
    (b"\x28\xb5\x2f\xfd", "a zstd file", "unpack it first (unzstd)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it and give the file in it"),
    (b"Rar!\x1a", "a rar archive", "unpack it and give the file in it"),
    (b"%PDF-", "a PDF", "save its text as a UTF-8 file"),
    (b"SQLite format 3\x00", "an SQLite database", _ROWS),
)
# Of Chinese text, nearly all characters that are not ASCII lie in these rows of GB 2312: signs, and the ideographs in
# common use. Bytes of another encoding, read as GB18030, give rare ones.
_COMMON_ROWS = (range(0xA1, 0xA4), range(0xB0, 0xD8))
_CLEAR_MAJORITY = 0.8
_PLAUSIBLE = re.compile(
    "[\t\n\r -~\u2010-\u2027\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef"
    "\U0001f000-\U0001faff\U00020000-\U0003ffff]"
)
_NOT_ASCII = re.compile("[^\x00-\x7f]")
_THREE_BYTES = re.compile("[\u0800-\uffff]")


def codec_of(path: Path, head: bytes, encoding: str) -> str:
    """The codec to decode a file with: "utf-8", "utf-16-le", "utf-16-be" or "gb18030".

    Args:
        path: The file.
        head: Its first bytes, up to `HEAD_BYTES`.
        encoding: One of `file_options.ENCODINGS`.

    Raises:
        DataError: On what is no text, or text of another encoding than the one asked for; it names the remedy.
        ConfigError: On an encoding that is not known.
    """
    _check_text(path, head)
    marked = _marked(head)
    if encoding == "utf-8":
        found = marked or (_wide(head) if b"\0" in head else None)
        if found is not None:
            raise _other_encoding(path, found)
        return "utf-8"
    if encoding == "auto":
        found = marked or detected(path, head)
        if found in ("utf-32-le", "utf-32-be"):
            raise _other_encoding(path, found)
        return found or "utf-8"  # what is neither is named by its first line that is not UTF-8
    if encoding == "utf-16":
        return _utf16(path, head, marked)
    if encoding == "gb18030":
        if marked or head.startswith(_UTF8_MARK) or _is_utf8(path, only_wide=True):
            raise _not_as_asked(path, marked or "utf-8", encoding)
        return encoding
    raise ConfigError(f"encoding '{encoding}' is not known: use one of utf-8, auto, utf-16, gb18030")


def encoding_notice(path: Path, encoding: str) -> str | None:
    """The line that says in which encoding a file was read where that was found out, None for UTF-8.

    Args:
        path: The file.
        encoding: One of `file_options.ENCODINGS`.

    Raises:
        DataError: As `codec_of`.
    """
    if encoding != "auto":
        return None
    codec = codec_of(path, read_head(path), encoding)
    return None if codec == "utf-8" else f"{path}: read as {NAMES[codec]}, by its bytes"


def read_head(path: Path) -> bytes:
    """The first bytes of a file, up to `HEAD_BYTES`.

    Raises:
        DataError: Where it cannot be read.
    """
    # Files that belong together may have been replaced by a process that was killed before all were in place.
    finish_transaction(path.parent)
    try:
        with path.open("rb") as stream:
            return stream.read(HEAD_BYTES)
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: OSError) -> DataError:
    """The error of a file that cannot be opened or read.

    Args:
        path: The file.
        error: What the system said.
    """
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: no such file: check the path")
    if isinstance(error, IsADirectoryError):
        return DataError(f"{path}: is a directory: give the path of a file")
    return DataError(f"{path}: cannot be read ({error.strerror or error}): check its rights")


def detected(path: Path, head: bytes) -> str | None:
    """The codec that a file without a mark is clearly of, by its bytes; None where none is clear.

    Args:
        path: The file.
        head: Its first bytes, up to `HEAD_BYTES`.

    Raises:
        DataError: Where the file cannot be read.
    """
    if b"\0" in head:
        wide = _wide(head)
        if wide is not None:
            return wide
    if _is_utf8(path):
        return "utf-8"
    return "gb18030" if _utf8_share(path) < 0.5 and _gb18030_share(path) >= _CLEAR_MAJORITY else None


def undecodable(path: Path, number: int, raw: bytes, error: UnicodeDecodeError, codec: str) -> tuple[DataError, bool]:
    """The error of a line that cannot be decoded, and whether the whole file is of another encoding.

    Args:
        path: The file.
        number: The line's number from 1.
        raw: The line's bytes.
        error: What decoding them raised.
        codec: The codec that they are not of.
    """
    where = f"{path}:{number}: byte {error.start + 1} of the line (0x{raw[error.start]:02x}) is not {NAMES[codec]}"
    if codec != "utf-8":
        return DataError(f"{where}: mend the line, or save the file as UTF-8"), False
    found = detected(path, read_head(path))
    if found in _OPTIONS:
        return DataError(f"{where}: the file is {NAMES[found]}: {_remedy(found)}"), True
    return DataError(f"{where}: save the whole file as UTF-8 (iconv -f ENCODING -t utf-8, naming its own)"), False


def _check_text(path: Path, head: bytes) -> None:
    if head.startswith(_ZIP):
        raise _zip_error(path)
    for start, kind, remedy in _KINDS:
        # Of letters alone a text may begin with them too: it has no byte that a text cannot have.
        if head.startswith(start) and (not start.isascii() or _binary(head)):
            raise DataError(f"{path}: {kind}, not a text file: {remedy}")


def _binary(head: bytes) -> bool:
    return b"\0" in head or not _is_utf8_head(head)


def _is_utf8_head(head: bytes) -> bool:
    """Whether the first bytes of a file are UTF-8; its last character may be cut off."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _zip_error(path: Path) -> DataError:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
        return DataError(f"{path}: a zip archive that is cut off, not a text file: fetch it again and unpack it")
    if any(name.startswith("xl/") for name in names):
        return DataError(f"{path}: an Excel workbook, not a text file: {_EXCEL}")
    if any(name.startswith("word/") for name in names):
        return DataError(f"{path}: a Word document, not a text file: save its text as a UTF-8 file")
    holds = f" (it holds {names[0]!r:.60}{' and others' if len(names) > 1 else ''})" if names else ""
    return DataError(f"{path}: a zip archive, not a text file: unpack it and give the file in it{holds}")


def _marked(head: bytes) -> str | None:
    return next((codec for mark, codec in _MARKS if head.startswith(mark)), None)


def _wide(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark: ASCII has zero bytes in it then, all on the same side."""
    odd, even = head[1::2].count(0), head[::2].count(0)
    # UTF-8 may have a zero byte here and there. Chinese text in UTF-16 may look like that too ("。" is two bytes of
    # ASCII): then the zero bytes have to be all on the side where UTF-16 has them.
    strictly = 4 * (odd + even) < len(head) and _is_utf8_head(head)
    for order, zeros, others in (("le", odd, even), ("be", even, odd)):
        if not strictly and _plausible(head, f"utf-32-{order}", 4):
            return f"utf-32-{order}"
        likely = (zeros > others and not strictly) or not _odd_zeros(_text(head, f"utf-16-{order}", 2))
        if likely and _plausible(head, f"utf-16-{order}", 2):
            return f"utf-16-{order}"
    return None


def _odd_zeros(text: str) -> bool:
    """Whether what was read as UTF-16 has no line, or a zero byte where Chinese and ASCII have none."""
    # "一" (U+4E00) alone has its zero byte on the other side.
    return "\n" not in text or any(ord(character) % 256 == 0 and character != "一" for character in text)


def _text(head: bytes, codec: str, unit: int) -> str:
    return head[: len(head) // unit * unit].decode(codec, errors="replace")


def _plausible(head: bytes, codec: str, unit: int) -> bool:
    """Whether bytes are lines of text in a codec, Chinese or ASCII nearly all of it."""
    text = _text(head, codec, unit)
    # A byte 10 may be half of a character ("上", U+4E0A), but then other lines end as lines of this codec do.
    lines = "\n" in text or b"\n" not in head
    return lines and bool(text) and len(_PLAUSIBLE.findall(text)) >= 0.9 * len(text)


def _utf16(path: Path, head: bytes, marked: str | None) -> str:
    if marked in ("utf-16-le", "utf-16-be"):
        return marked
    found = marked or (_wide(head) if b"\0" in head else None)
    if found in ("utf-16-le", "utf-16-be"):
        return found
    raise _not_as_asked(path, found or detected(path, head), "utf-16")


def _not_as_asked(path: Path, found: str | None, encoding: str) -> DataError:
    what = f"it is {NAMES[found]}" if found else "its bytes show none"
    return DataError(f"{path}: not {encoding.upper()} as `encoding` says, {what}: give `encoding` auto")


def _other_encoding(path: Path, codec: str) -> DataError:
    return DataError(f"{path}: the file is {NAMES[codec]}, not UTF-8: {_remedy(codec)}")


def _remedy(codec: str) -> str:
    save = f"save it as UTF-8 (iconv -f {codec.replace('-le', 'le').replace('-be', 'be')} -t utf-8)"
    option = _OPTIONS.get(codec)
    return f"{save}, or read it with `encoding` {option} (or auto)" if option else save


def _decoded(path: Path, codec: str, errors: str) -> Iterator[str]:
    """A file's text block by block. Raises DataError where it cannot be read."""
    decoder = codecs.getincrementaldecoder(codec)(errors=errors)
    try:
        with path.open("rb") as stream:
            for block in iter(lambda: stream.read(_BLOCK_BYTES), b""):
                yield decoder.decode(block)
    except OSError as error:
        raise unreadable(path, error) from None
    yield decoder.decode(b"", final=True)


def _is_utf8(path: Path, only_wide: bool = False) -> bool:
    """Whether a file is UTF-8; `only_wide`: and has a character of three bytes, which GB18030 has by no chance."""
    wide = False
    try:
        for text in _decoded(path, "utf-8", "strict"):
            wide = wide or _THREE_BYTES.search(text) is not None
    except UnicodeDecodeError:
        return False
    return wide or not only_wide


def _utf8_share(path: Path) -> float:
    """Which share of the characters that are not ASCII is UTF-8."""
    wide = wrong = 0
    for text in _decoded(path, "utf-8", "replace"):
        wide += len(_NOT_ASCII.findall(text))
        wrong += text.count("\ufffd")
    return 1 - wrong / wide if wide else 1.0


def _gb18030_share(path: Path) -> float:
    """Which share of the characters that are not ASCII is in common use, where a file is read as GB18030."""
    counts: Counter[str] = Counter()
    for text in _decoded(path, "gb18030", "replace"):
        counts.update(_NOT_ASCII.findall(text))
    common = sum(count for character, count in counts.items() if _in_common_use(character))
    return common / sum(counts.values()) if counts else 0.0


def _in_common_use(character: str) -> bool:
    try:
        row = character.encode("gb2312")[0]
    except UnicodeEncodeError:
        return False
    return any(row in rows for rows in _COMMON_ROWS)
