"""Which columns of a classification file hold what: by its header, by the user's word, or by their number."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ernie_toolkit.data.column_names import is_known, known_roles, plain_name, plain_names
from ernie_toolkit.data.file_options import FileOptions
from ernie_toolkit.data.registry import Split
from ernie_toolkit.data.tables import SEPARATOR_NAMES, Cells, Table
from ernie_toolkit.errors import DataError

LABELLED_COLUMNS = "2 (text, label) or 3 (text, text, label)"
_TEST_COLUMNS = "1 (text) or 2 (text, text)"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_ .\-]*")
# A number, or one behind a prefix: "train-12".
_NUMBERED = re.compile(r"([A-Za-z_\-]*)([0-9]{1,18})")
# Numbers of rows, keys, dates: no word, but for digits in it.
_IDENTIFIER = re.compile(r"(?=\D*[0-9])[A-Za-z0-9_.:/#\-]+")
_CHINESE = re.compile("[\u4e00-\u9fff]")
# Fewer rows than these show neither a header of unknown names, nor a counter.
_HEADER_ROWS = 6
_COUNTER_ROWS = 4


@dataclass(frozen=True)
class Layout:
    """Places of what a file has in its columns, from 0.

    Attributes:
        texts: Places of the text or the two texts.
        label: Place of the label, or None.
        row_id: Place of the row's id, or None.
        width: The number of columns.
        names: The header's, empty where there is none.
        settled: Whether the places are by a header or by the user's word, not by the number of columns alone.
        separator: What stands between columns.
    """

    texts: tuple[int, ...]
    label: int | None
    row_id: int | None
    width: int
    names: tuple[str, ...] = ()
    settled: bool = False
    separator: str = "\t"

    @property
    def shown(self) -> str:
        """The columns for people."""
        used = {*self.texts, self.label, self.row_id}
        if self.names:
            unread = [name or f"column {place}" for place, name in enumerate(self.names, 1) if place - 1 not in used]
            return f"header: {', '.join(self.names)}" + (f" (not read: {', '.join(unread)})" if unread else "")
        roles = dict.fromkeys(self.texts, "text")
        if self.label is not None:
            roles[self.label] = "label"
        if self.row_id is not None:
            roles[self.row_id] = "id"
        return "no header: " + ", ".join(roles.get(place, "(not read)") for place in range(self.width))


@dataclass(frozen=True)
class Source:
    """A file whose layout is looked for.

    Attributes:
        path: The file.
        table: Its rows.
        split: The split that it is.
        options: The columns that the user names, if any.
        texts: How many texts a row has, None where that is not known.
    """

    path: Path
    table: Table
    split: Split
    options: FileOptions
    texts: int | None = None


def find_layout(source: Source, reference: Layout | None = None) -> Layout | None:
    """The layout of a file, None where it has no row.

    A header is known by its names, or by those that the user gives. A file without one has its columns as `reference`,
    else by their number: text and label, or two texts and label.

    Args:
        source: The file.
        reference: The layout of the training file, None where there is none.

    Raises:
        DataError: Where the columns are ambiguous; it names the options that decide.
    """
    found = _found_layout(source, reference)
    return None if found is None else replace(found, separator=source.table.separator)


def _found_layout(source: Source, reference: Layout | None) -> Layout | None:
    rows = [(number, cells) for number, cells in source.table.rows if cells and not isinstance(cells, DataError)]
    if not rows:
        return None
    number, first = rows[0]
    where = f"{source.path}:{number}"
    others = [cells for _, cells in rows[1:]]
    if _is_header(source, first, others, reference, where):
        return _named_layout(source, first, where)
    asked = _asked(source.options)
    _refuse_unknown_header(source, first, others, where)
    if reference is not None:
        layout = _like_reference(reference, len(first), source.split)
        if layout is not None:
            if not layout.settled:
                _refuse_counter(source, [first, *others], where)
            return layout
    if asked:
        return _numbered_layout(source, len(first), where)
    layout = _default_layout(source, first, where)
    _refuse_counter(source, [first, *others], where)
    return layout


def columns_error(where: str, expected: str, cells: Cells, separator: str) -> DataError:
    """The error of a row with another number of columns than its file has.

    Args:
        where: The file and the line, for messages.
        expected: The number or numbers that were expected.
        cells: The row.
        separator: What stands between columns.
    """
    line = separator.join(cells)
    kind = SEPARATOR_NAMES[separator]
    hint = ""
    if "\r" in line:
        hint = " (its line ends are CR alone: save the file with LF)"
    elif line.lstrip().startswith(("{", "[{")) or line.strip() == "[":
        hint = " (name a file of JSON .jsonl)"
    elif len(cells) > 3:
        hint = ": name them with `text_column` and `label_column`"
    elif len(cells) == 1 and any(sign in line for sign in ",;"):
        hint = f": part them by {kind}s" + (", or name the file .csv if commas part them" if kind == "tab" else "")
    return DataError(
        f"{where}: {len(cells)} {kind}-separated column(s) where {expected} are expected{hint}: {line!r:.60}"
    )


def _asked(options: FileOptions) -> dict[str, str]:
    """The columns that the user names, by option."""
    names = ("text_column", "text_pair_column", "label_column")
    return {name: value for name in names if (value := getattr(options, name).strip())}


def _is_header(source: Source, first: Cells, others: Sequence[Cells], reference: Layout | None, where: str) -> bool:
    named = {option: value for option, value in _asked(source.options).items() if not value.isdigit()}
    if named:
        plain = plain_names(first)
        missing = [item for item in named.items() if plain_name(item[1]) not in plain]
        if source.split == "test":
            missing = [item for item in missing if item[0] != "label_column"]
        if not missing:
            return True
        like = None if reference is None else _like_reference(reference, len(first), source.split)
        if reference is not None and reference.names and like is not None:
            return False  # the other file's header says where these columns are
        option, value = missing[0]
        found = ", ".join(first)
        raise DataError(f"{where}: no column '{value}' (`{option}`) in the first line, which has {found!r:.100}")
    roles = known_roles(first)
    label = roles.label
    if label is not None:
        below = [cells[label] for cells in others if label < len(cells) and plain_names(cells) != plain_names(first)]
        if plain_name(first[label]) in map(plain_name, below):
            return False  # a label like the others
        if roles.texts or len(first) != 2:
            return bool(roles.texts)
        # "星级\tpraise" is a text and its label where other rows have that label too.
        other = first[1 - label]
        again = any(cells[1 - label] == other for cells in others if len(cells) == 2 and cells != first)
        return not again and _NAME.fullmatch(other.strip()) is not None
    unknown = [place for place, cell in enumerate(first) if not is_known(cell)]
    if not roles.texts or first in others:
        return False
    if source.split == "test":
        return not unknown
    # Among names that are known a single other one is the label's: id, text, is_spam.
    if len(unknown) != 1 or len(first) < 3:
        return False
    return not any(cells[unknown[0]] == first[unknown[0]] for cells in others if len(cells) == len(first))


def _named_layout(source: Source, names: Cells, where: str) -> Layout:
    """The layout by a header's names, and by the options where they say something else."""
    roles, asked, width = known_roles(names), _asked(source.options), len(names)
    header = ", ".join(names)
    label = roles.label
    if "label_column" in asked:
        label = _place("label_column", asked, names, width, where, required=source.split != "test")
    if "text_column" in asked or "text_pair_column" in asked:
        texts = _asked_texts(asked, roles.texts, names, width, where)
    else:
        texts = tuple(place for place in roles.texts if place != label)
    rest = [place for place in range(width) if place not in (label, roles.row_id, *texts)]
    if not texts and len(rest) == 1:
        texts, rest = (rest[0],), []
    if label is None and source.split != "test":
        if len(rest) != 1:
            raise DataError(f"{where}: no label column in the header '{header:.100}': name it with `label_column`")
        label = rest[0]
    if not 1 <= len(texts) <= 2:
        many = "several columns of text" if texts else "no column of text"
        raise DataError(
            f"{where}: {many} in the header '{header:.100}': name the one to read with `text_column`, "
            "and a pair's second with `text_pair_column`"
        )
    _check_apart(texts, label, where)
    row_id = None if roles.row_id in (*texts, label) else roles.row_id
    return Layout(texts, label, row_id, width, tuple(name.strip() for name in names), settled=True)


def _asked_texts(
    asked: dict[str, str], known: tuple[int, ...], names: Cells, width: int, where: str
) -> tuple[int, ...]:
    pair = _place("text_pair_column", asked, names, width, where)
    first = _place("text_column", asked, names, width, where)
    if first is None:
        rest = [place for place in known if place != pair]
        if len(rest) != 1:
            raise DataError(f"{where}: `text_pair_column` names the second text: name the first with `text_column`")
        first = rest[0]
    return (first,) if pair is None else (first, pair)


def _place(
    option: str, asked: dict[str, str], names: Cells, width: int, where: str, required: bool = True
) -> int | None:
    """The place of the column that an option names or numbers; None where it names none, or one that may be missing."""
    value = asked.get(option)
    if value is None:
        return None
    plain = plain_names(names)
    if plain_name(value) in plain:
        return plain.index(plain_name(value))
    # Of a few ASCII digits: "²" is a digit too, and no number.
    number = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0
    if 1 <= number <= width:
        return number - 1
    if not required:
        return None
    if value.isdigit():
        raise DataError(f"{where}: `{option}` {value}, and the file has {width} column(s), counted from 1")
    raise DataError(f"{where}: `{option}` {value}, and the file has no header: give the column's number from 1")


def _check_apart(texts: tuple[int, ...], label: int | None, where: str) -> None:
    places = [*texts, *(() if label is None else (label,))]
    if len(set(places)) != len(places):
        twice = next(place for place in places if places.count(place) > 1)
        raise DataError(
            f"{where}: column {twice + 1} is asked for twice: give `text_column`, `text_pair_column` and "
            "`label_column` a column each"
        )


def _numbered_layout(source: Source, width: int, where: str) -> Layout:
    """The layout of a file without a header by the numbers that the options give; the label is else the last column."""
    asked, labelled = _asked(source.options), source.split != "test"
    texts: tuple[int, ...] = ()
    label = _place("label_column", asked, [], width, where, required=labelled)
    if "text_column" in asked or "text_pair_column" in asked:
        others = tuple(place for place in range(width) if place != label)
        texts = _asked_texts(asked, others[:1], [], width, where)
    rest = [place for place in range(width) if place not in (label, *texts)]
    if label is None and labelled:
        if not rest:
            raise DataError(f"{where}: {width} column(s), none left for the label: give `label_column`")
        label = rest.pop()
    if not texts:
        texts = tuple(rest)
    if not 1 <= len(texts) <= 2:
        raise DataError(f"{where}: {len(texts)} columns beside the label: give `text_column` (and `text_pair_column`)")
    _check_apart(texts, label, where)
    return Layout(texts, label, None, width, settled=True)


def _like_reference(reference: Layout, width: int, split: Split) -> Layout | None:
    """The layout of another file for one without a header: as it is, or, to predict, without the label."""
    if width == reference.width:
        return replace(reference, names=())
    label = reference.label
    if split != "test" or label is None or width != reference.width - 1:
        return None

    def moved(place: int) -> int:
        return place - (place > label)

    row_id = None if reference.row_id is None else moved(reference.row_id)
    return Layout(tuple(map(moved, reference.texts)), None, row_id, width, settled=reference.settled)


def _default_layout(source: Source, cells: Cells, where: str) -> Layout:
    """By the number of columns: text, or two texts, and the label, which rows to predict need not have."""
    width, texts, test = len(cells), source.texts, source.split == "test"
    separator = source.table.separator
    if texts is None:
        texts = width if test else width - 1
        if texts not in (1, 2):
            raise columns_error(where, _TEST_COLUMNS if test else LABELLED_COLUMNS, cells, separator)
    elif width != texts + 1 and not (test and width == texts):
        expected = f"{texts} or {texts + 1}" if test else f"{texts + 1}"
        raise columns_error(where, expected, cells, separator)
    return Layout(tuple(range(texts)), texts if width > texts else None, None, width)


def _refuse_unknown_header(source: Source, first: Cells, others: Sequence[Cells], where: str) -> None:
    """Raise DataError where the first line has names that no row below it is like, and they are not known."""
    if source.split == "test" or len(first) < 2 or len(others) < _HEADER_ROWS:
        return
    if not all(_NAME.fullmatch(cell.strip()) or is_known(cell) for cell in first):
        return
    labels = [{cells[place] for cells in others if place < len(cells)} for place in range(len(first))]
    chinese = sum(any(map(_CHINESE.search, cells)) and not all(map(is_known, cells)) for cells in others)
    if chinese >= 0.9 * len(others) and not any(cell in known for cell, known in zip(first, labels)):
        counts = [Counter(cells[place] for cells in others if place < len(cells)) for place in range(len(first))]
        if any(len(count) > 1 and min(count.values()) > 1 for count in counts):
            raise DataError(
                f"{where}: this looks like a header ({', '.join(first)}) of names that are not known: name the columns "
                "with `text_column` and `label_column` (or take the line out)"
            )


def _refuse_counter(source: Source, rows: Sequence[Cells], where: str) -> None:
    """Raise DataError where the first or the last of several columns numbers the rows or has a key for each."""
    width = len(rows[0])
    if len(rows) < _COUNTER_ROWS or width < 2:
        return
    text, label = (2, 3) if width > 2 else (1, 2)
    remedy = f"say which columns to read, for example `text_column` {text} `label_column` {label}"
    if source.split == "test":
        remedy = "take it out (cut -f2-), or give the file a header (id, text)"
    if _numbers_rows([cells[0].strip() for cells in rows], width):
        shown = ", ".join(cells[0].strip() for cells in rows[:3])
        raise DataError(f"{where}: column 1 numbers the rows ({shown} ...) and is no text: {remedy}")
    last = [cells[-1].strip() for cells in rows if len(cells) == width]
    if source.split != "test" and width > 2 and len(last) == len(rows) and _numbers_rows(last, width):
        raise DataError(
            f"{where}: column {width} numbers the rows ({', '.join(last[:3])} ...) and is no label: "
            "say which columns to read, for example `text_column` 1 `label_column` 2"
        )


def _numbers_rows(values: Sequence[str], width: int) -> bool:
    """Whether the values of a column count up; in a file of three or more columns also whether each is a key."""
    found = [_NUMBERED.fullmatch(value) for value in values]
    numbers = [int(match[2]) for match in found if match]
    one_prefix = len({match[1] for match in found if match}) == 1 and len(numbers) == len(values)
    if one_prefix and all(after == before + 1 for before, after in zip(numbers, numbers[1:])):
        return True
    # Rows that were shuffled after they were numbered, or have keys.
    many = len(values) > 2 * _COUNTER_ROWS and width > 2
    return many and len(set(values)) == len(values) and all(map(_IDENTIFIER.fullmatch, values))
