r"""Tagged text in lines: a token and its tag a line, or a sentence a line with its tokens and tags joined by U+0002.

One token, one space or tab, one tag. White space may be a token ("\\u3000 O", " \\tO"), and a token may hold spaces
where a tab separates it from its tag, but not in the first line of a file, by which columns are distinguished from
tokens. Blanks after the tag are dropped. Files of more columns are read with the number of the tag's column.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ernie_toolkit.data.column_names import plain_name
from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.lines import is_json
from ernie_toolkit.data.tag_schemes import Place, may_be_tag, parse_tag
from ernie_toolkit.data.tag_sentences import (
    UNSPACED,
    Line,
    Row,
    Sentence,
    TaggedFile,
    check_tokens,
    everywhere,
    filled_line,
)
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.formats.ranges import whole_number

_JOINT = "\x02"
_HEAD_CHARACTERS = 65_536
_BLANKS = " \t"
# What stands between a character and its tag in files that are not read, but are not texts either.
_OTHER_SEPARATORS = ",;:|/\u3000\xa0"
_DOCUMENT = "-DOCSTART-"
DOCUMENT_LINES = f"{_DOCUMENT} line(s)"
COMMENT_LINES = "comment line(s)"
_HEAD_LINES = 200
_TAGGED_SHARE = 0.9
# Columns' names, as `plain_name` spells them; none of the second is a tag.
_TOKEN_NAMES = {"token", "tokens", "word", "words", "char", "character", "text", "字", "字符", "词", "文本"}
_TAG_NAMES = {"tag", "tags", "label", "labels", "ner", "nertag", "nertags", "entity", "标签", "标注", "实体"}
# Words of Chinese have about two characters; lines with more than this on average are no tokens.
_LONGEST_TOKENS = 4


def is_joined(file: TaggedFile) -> bool:
    """Whether the head of a file has the control character that joins tokens."""
    seen = 0
    try:
        for _, line in file.lines():
            if _JOINT in line:
                return True
            seen += len(line)
            if seen > _HEAD_CHARACTERS:
                break
    except DataError:
        pass  # the reader that comes next raises it, with the rows before it read
    return False


def read_joined(file: TaggedFile) -> Iterator[Row]:
    """The sentences of a file that has one a line."""
    file.record.format = "a sentence a line, tokens and tags joined by U+0002"
    for number, line in file.rows():
        yield number, partial(_joined_sentence, file, line, f"{file.path}:{number}")


def _joined_sentence(file: TaggedFile, row: Line, where: str) -> Sentence:
    line = filled_line(row, where, file.options)
    text, tab, tags = line.rpartition("\t")
    tokens = (text if tab else line).split(_JOINT)
    place = everywhere(where)
    check_tokens(tokens, place)
    return Sentence(tokens, tags.split(_JOINT) if tab else None, place)


def read_columns(file: TaggedFile) -> Iterator[Row]:
    """The sentences of a file with a token and its tag a line; in a test file the first line says if there are tags.

    Only an empty line and "-DOCSTART-" end a sentence. The latter, and comments ("# id = 7") before a sentence, are
    left out and counted.
    """
    parse: _Untagged | _TokenAndTag | _Columns | None = None
    column = _tag_column(file.options.tag_column)
    block: list[str] = []
    first = 0
    fault: DataError | None = None  # of a line of the sentence
    for number, line in file.lines_or_faults():
        if isinstance(line, DataError):
            first = first if block or fault else number
            fault = fault or line
            continue
        if not line or (line[0] == "-" and line.split(None, 1)[0] == _DOCUMENT):
            if fault:
                yield first, partial(_fail, fault)
            elif block and parse is not None:
                yield first, partial(parse, block, first)
            block, fault = [], None
            if line:
                file.record.leave_out(DOCUMENT_LINES, number)
            continue
        if not block and not fault:
            if line[0] == "#" and _is_comment(line):
                file.record.leave_out(COMMENT_LINES, number)
                continue
            if parse is None:
                parse = _parser(file, column, line, f"{file.path}:{number}")
                file.record.format = parse.form
            first = number
        block.append(line)
    if fault:
        yield first, partial(_fail, fault)
    elif block and parse is not None:
        yield first, partial(parse, block, first)


def _fail(error: DataError) -> Sentence:
    raise error


def _parser(file: TaggedFile, column: int | None, line: str, where: str) -> _Untagged | _TokenAndTag | _Columns:
    """What reads the lines of a file of which this is the first."""
    _refuse_header(line, where)
    if column is not None:
        separator = "\t" if "\t" in line[1:] else " "
        count = len(_fields(line, separator))
        if file.split != "test" or (count > 1 and column <= count):
            return _Columns(file, column, separator, count, where)
        return _Untagged(file, separator, count)
    body = line.rstrip(_BLANKS)
    if file.split == "test" and _cut(body) < 0:
        return _Untagged(file)
    if _count(body) > 2:
        raise _columns_error(where, line)
    return _TokenAndTag(file)


def _refuse_header(line: str, where: str) -> None:
    """Raise DataError on a line of the columns' names, which would be read as a token and its tag."""
    words = line.split()
    if len(words) > 1 and plain_name(words[0]) in _TOKEN_NAMES and plain_name(words[-1]) in _TAG_NAMES:
        raise DataError(f"{where}: a header ({', '.join(words)}): take the line out")


def _tag_column(value: str) -> int | None:
    """The number that a user gave, None for none. Raises ConfigError where it is none that a tag can have."""
    if not value:
        return None
    try:
        number = whole_number(value)
    except ValueError:
        number = 0
    if number in (0, 1):
        raise ConfigError(
            f"`tag_column` {value}: the number of the tag's column from 2 (the first is the token's), or -1 for the "
            "last one"
        )
    return number


class _TokenAndTag:
    """Reads lines of a token, a space or tab, and a tag."""

    form = "a token and its tag a line"

    def __init__(self, file: TaggedFile) -> None:
        self.path = file.path
        self.tags: set[str] = set()  # seen, and tags of some scheme

    def __call__(self, block: list[str], first: int) -> Sentence:
        place = partial(_line_of_token, self.path, first)
        tags = [line[2:] for line in block]
        # Nearly all lines of Chinese data are a character, a separator and a tag.
        if self.tags.issuperset(tags) and {line[1] for line in block}.issubset(_BLANKS):
            return Sentence([line[0] for line in block], tags, place)
        pairs = [self._split(line, index, place) for index, line in enumerate(block)]
        tokens, tags = [token for token, _ in pairs], [tag for _, tag in pairs]
        check_tokens(tokens, place)
        self.tags.update(tag for tag in tags if parse_tag(tag) is not None)
        return Sentence(tokens, tags, place)

    def _split(self, line: str, index: int, place: Place) -> tuple[str, str]:
        body = line.rstrip(_BLANKS)
        cut = _cut(body)
        if cut < 0:
            raise DataError(
                f"{place(index)}: no tag after a space or tab: write a token and its tag, or empty the line where the "
                f"sentence ends: {line!r:.60}"
            )
        token, tag = body[:cut], body[cut + 1 :]
        if token.isspace() or not (" " in token or "\t" in token):
            return token, tag
        if token[-1] in _BLANKS:
            blanks = len(body) - len(tag) - len(token.rstrip(_BLANKS))
            raise DataError(
                f"{place(index)}: {blanks} blanks between the token and its tag, where one space or tab is expected: "
                f"take the others out, or give `tag_column` -1, which reads several as one: {line!r:.60}"
            )
        if token[0] in _BLANKS:
            raise DataError(f"{place(index)}: a blank before the token: take it out: {line!r:.60}")
        if body[cut] == " " or "\t" in token:
            raise _columns_error(place(index), line)
        return token, tag


class _Untagged:
    """Reads lines of a token alone, or of columns without the tag's: the first is the token."""

    form = "a token a line, without tags"

    def __init__(self, file: TaggedFile, separator: str = "", columns: int = 1) -> None:
        self.path, self.known = file.path, file.known
        self.separator = separator if columns > 1 else ""
        if self.separator:
            self.form = f"{columns} columns, the token first, without tags"

    def __call__(self, block: list[str], first: int) -> Sentence:
        place = partial(_line_of_token, self.path, first)
        if self.separator:
            tokens = [_fields(line, self.separator)[0] for line in block]
            check_tokens(tokens, place)
            _refuse_numbers(tokens, place(0))
            return Sentence(tokens, None, place)
        for index, line in enumerate(block):
            body = line.rstrip(_BLANKS)
            tag = body[_cut(body) + 1 :] if _cut(body) >= 0 else ""
            if tag in self.known or parse_tag(tag) is not None:
                raise DataError(
                    f"{place(index)}: a tag in a file that begins without: give tags to all lines or to none"
                )
        if len(block) > 1 and sum(len(UNSPACED.findall(line)) for line in block) > _LONGEST_TOKENS * len(block):
            raise DataError(
                f"{place(0)}: {len(block)} lines that read as texts, where a token a line is expected: put a blank "
                'line between texts, or write one a line as JSON, {"text": ...}, in a file named .jsonl'
            )
        return Sentence(block, None, place)


class _Columns:
    """Reads lines of several columns, the token in the first and the tag in one of the others."""

    def __init__(self, file: TaggedFile, column: int, separator: str, count: int, where: str) -> None:
        self.path, self.separator, self.count = file.path, separator, count
        self.index = column - 1 if column > 0 else count + column
        if not 0 < self.index < count:
            given = "no tag can be there" if 0 <= self.index < count else "it is not among them"
            raise DataError(f"{where}: {count} column(s), and the tag's is {column}: {given}, check `tag_column`")
        what = "a tab" if separator == "\t" else "spaces"
        self.form = f"{count} columns separated by {what}, the token in the first, the tag in column {self.index + 1}"

    def __call__(self, block: list[str], first: int) -> Sentence:
        place = partial(_line_of_token, self.path, first)
        rows = [_fields(line, self.separator) for line in block]
        for index, row in enumerate(rows):
            if len(row) != self.count:
                raise DataError(
                    f"{place(index)}: {len(row)} column(s), the first line has {self.count}: {block[index]!r:.60}"
                )
            if not row[self.index]:
                raise DataError(f"{place(index)}: column {self.index + 1} is empty where the tag belongs")
        tokens = [row[0] for row in rows]
        check_tokens(tokens, place)
        if self.count > 2:
            _refuse_numbers(tokens, place(0))
        return Sentence(tokens, [row[self.index] for row in rows], place)


def _refuse_numbers(tokens: list[str], where: str) -> None:
    """Raise DataError where the first column counts the tokens, as in CoNLL-X and CoNLL-U: it is not text."""
    counted = [list(map(str, range(start, start + len(tokens)))) for start in (0, 1)]
    if len(tokens) > 1 and tokens in counted:
        raise DataError(
            f"{where}: the first column counts ({tokens[0]}, {tokens[1]}, ...), where the token is expected: take that "
            "column out"
        )


def _fields(line: str, separator: str) -> list[str]:
    """Columns between tabs, or between runs of spaces; the first may be white space."""
    if separator == "\t":
        first, *others = line.split("\t")
        return [first.strip(" ") or first, *(field.strip(" ") for field in others)]
    fields = [field for field in line.split(" ") if field]
    return [" ", *fields] if line[:1] == " " else fields


def _cut(line: str) -> int:
    """Where the last space or tab stands, -1 for nowhere."""
    return max(line.rfind(" "), line.rfind("\t"))


def _count(line: str) -> int:
    """How many columns a line has where any run of blanks separates two."""
    return len([word for word in line.replace("\t", " ").split(" ") if word])


def _is_comment(line: str) -> bool:
    """Whether a line is "# " and words of which the last is no tag: such a line is no token with its tag."""
    words = line.split()
    return len(words) > 2 and words[0] == "#" and parse_tag(words[-1]) is None


def _columns_error(where: str, line: str) -> DataError:
    return DataError(
        f"{where}: {_count(line)} columns where a token and its tag are expected: say which column is the tag's, "
        f"`tag_column` -1 for the last: {line!r:.60}"
    )


def _line_of_token(path: Path, first: int, index: int) -> str:
    return f"{path}:{first + index}"


def tagged_file_error(path: Path, encoding: str = "utf-8") -> str | None:
    """What to say of a tagged file where a file of plain texts is expected; None for any other file.

    Args:
        path: The file.
        encoding: One of `file_options.ENCODINGS`.

    Raises:
        DataError: Where the file cannot be read.
    """
    if is_json(path):
        return None
    file = TaggedFile(path, "test", FileOptions(encoding=encoding), FileRecord())
    head: list[str] = []
    for _, line in file.lines():
        head.append(line)
        if len(head) == _HEAD_LINES:
            break
    if not looks_tagged(head):
        return None
    what = "a sentence a line with its tags" if any(map(_is_joined_line, head)) else "a token and its tag a line"
    return f"is a tagged file ({what}): write one text a line, or give it to run_token_cls.py as `test_file`"


def looks_tagged(lines: list[str]) -> bool:
    """Whether lines that are not blank are mostly a token and its tag, at least two, or a sentence with its tags."""
    filled = [line for line in lines if line.strip()]
    if any(map(_is_joined_line, filled)):
        return True
    tagged = sum(map(_is_tagged_line, filled))
    return tagged >= 2 and tagged >= _TAGGED_SHARE * len(filled)


def _is_joined_line(line: str) -> bool:
    return _JOINT in line


def _is_tagged_line(line: str) -> bool:
    body = line.rstrip(_BLANKS)
    cut = 1 if body[1:2] and body[1] in _OTHER_SEPARATORS else _cut(body)
    return cut > 0 and may_be_tag(body[cut + 1 :])
