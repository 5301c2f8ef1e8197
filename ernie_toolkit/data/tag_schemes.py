"""Schemes of tags, and their conversion to BIO without loss.

BIO (IOB2; Tjong Kim Sang and Veenstra, 1999): B-X begins every entity. IOB1 (Ramshaw and Marcus, 1995): I-X does, and
B-X only where an entity of the same type ends directly before; tags with I- alone (IO) are read so too. BIOES (IOBES),
BMES and BILOU (Ratinov and Roth, 2009) also mark an entity's last token (E-, L-) and an entity of one token (S-, U-);
M- stands for I- in BMES.

In each of them an entity begins at B-, S- and U-, and at any other tag that continues none of its type; so the
conversion does not depend on the scheme, only what is said about the tags does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Callable, Optional, Tuple

from ernie_toolkit.errors import DataError

Place = Callable[[int], str]
"""The "file:line" of a token by its index."""

FEW = 0.1
"""Share of entities that may break the rules of BIOES, BMES or BILOU, with a warning; more is an error."""

READ_SCHEMES = (
    "O, and B-TYPE and I-TYPE (BIO, IOB1), with E- and S- (BIOES), with M- for I- (BMES) or with L- and U- (BILOU)"
)
_TAG = re.compile(r"([BIESMLU])[-_](\S(?:.*\S)?)", re.DOTALL)
# What other schemes write: "b-per", "PER-B", "o". They are refused, not taken for names of types.
_FOREIGN = re.compile(r"o|[biesmlu][-_].+|.+[-_][BIESMLU]", re.DOTALL)
_BEGINS = frozenset("BSU")
_GOES_ON = frozenset("BIM")


@dataclass(frozen=True)
class Scheme:
    """A scheme of tags.

    Attributes:
        name: Its name for people.
        letters: The letters of its tags beside O.
        marks_ends: Whether they mark the last token of an entity.
    """

    name: str
    letters: frozenset[str]
    marks_ends: bool


SCHEMES = {
    "bio": Scheme("BIO", frozenset("BI"), False),
    "iob1": Scheme("IOB1", frozenset("BI"), False),
    "bioes": Scheme("BIOES", frozenset("BIES"), True),
    "bmes": Scheme("BMES", frozenset("BMES"), True),
    "bilou": Scheme("BILOU", frozenset("BILU"), True),
}


def parse_tag(tag: str) -> tuple[str, str] | None:
    """Letter and type of a tag, ("O", "") for O; None for what is no tag of any scheme."""
    if tag == "O":
        return "O", ""
    found = _TAG.fullmatch(tag)
    return None if found is None else (found[1], found[2])


def may_be_tag(text: str) -> bool:
    """Whether a text is a tag of a scheme that is read, or one written otherwise ("b-per", "PER-B", "o")."""
    return parse_tag(text) is not None or _FOREIGN.fullmatch(text) is not None


@dataclass
class _Count:
    """How many, and where the first is."""

    number: int = 0
    first: str = ""

    def add(self, place: str, number: int = 1) -> None:
        self.first = self.first if self.number else place
        self.number += number


_Open = Optional[Tuple[int, bool]]


class TagReader:
    """Converts the tags of one file to BIO, sentence by sentence, and knows which scheme they are of.

    With "auto" the scheme is that of all tags read so far: by E- and S- it is BIOES, by M- BMES, by L- and U- BILOU;
    else IOB1 where more entities begin with an I- than with a B- that IOB1 would not have, else BIO.

    Attributes:
        begun: The number of entities that any tag begins.
        types: The types of entity seen.

    Args:
        option: One of `file_options.TAG_SCHEMES`.
        as_published: Whether the tags of a BIO file stay as they are, those too that continue no entity, so that
            metrics on a published data set stay comparable.
    """

    def __init__(self, option: str = "auto", as_published: bool = False) -> None:
        self.option = option
        self.as_published = as_published
        self.begun = 0
        self.types: set[str] = set()
        self._parsed: dict[str, tuple[str, str]] = {"O": ("O", "")}
        self._letters: dict[str, str] = {}
        self._orphans = _Count()  # entities that begin with I-, M-, E- or L-
        self._needless = _Count()  # entities that begin with B- where IOB1 has I-
        self._broken = _Count()  # entities without a proper begin or end, where a scheme marks both
        # Pairs of neighbouring tags that are the same in BIO and are neither orphans nor adjacent entities.
        self._plain: set[tuple[str, str]] = {("O", "O")}
        self._plain_begins: set[str] = set()

    @property
    def scheme(self) -> Scheme:
        """The scheme of the tags so far."""
        if self.option != "auto":
            return SCHEMES[self.option]
        if SCHEMES["bio"].letters.issuperset(self._letters):
            return SCHEMES["iob1" if self._orphans.number > self._needless.number else "bio"]
        return self._fitting(self._letters)[0]

    @property
    def _keeps_orphans(self) -> bool:
        return self.as_published and self.scheme.name == "BIO"

    def convert(self, tags: Sequence[str], place: Place) -> list[str]:
        """The tags of one sentence in BIO.

        Args:
            tags: The tags as they stand.
            place: The file and the line of a token by its index, for messages.

        Raises:
            DataError: On a tag of no scheme or of another one.
        """
        if tags.count("O") == len(tags):
            return list(tags)
        pairs = set(zip(chain(("O",), tags), tags))
        if not pairs <= self._plain:
            converted = self._convert(tags, place)
            return list(tags) if self._keeps_orphans else converted
        entities = sum(map(tags.count, self._plain_begins))
        if entities:
            self.begun += entities
            first = ""
            if not (self._needless.number and self._broken.number):
                first = place(next(i for i, tag in enumerate(tags) if tag in self._plain_begins))
            self._needless.add(first, entities)
            self._broken.add(first, entities)
        return list(tags)

    def add_spans(self, types: Sequence[str]) -> None:
        """Count the entities of a sentence that came as spans, which have no scheme."""
        self.begun += len(types)
        self.types.update(types)

    def check(self) -> None:
        """Check that the tags of the whole file are of the scheme that their letters say.

        Raises:
            DataError: Where they are not.
        """
        scheme = self.scheme
        if scheme.marks_ends and self._broken.number > FEW * self.begun:
            remedy = "name their scheme with `tag_scheme`" if self.option == "auto" else "leave `tag_scheme` out"
            marks = [letter for letter in self._letters if letter not in "BI"] or list(self._letters)
            raise DataError(
                f"{self._broken.first}: {self._broken.number} of {self.begun} entities do not begin and end as in "
                f"{scheme.name}, this one first ({marks[0]}- stands first at {self._letters[marks[0]]}): "
                f"correct the tags, or {remedy}"
            )

    @property
    def description(self) -> str:
        """What the tags are, for people; empty where no tag but O was read."""
        name = self.scheme.name
        if not self._letters:
            return ""
        if name != "BIO":
            return f"tags: {name}, converted to BIO"
        kept = self._orphans if self._keeps_orphans else _Count()
        said = f", {kept.number} I- that continue(s) no entity left as published (first at {kept.first})"
        return "tags: BIO" + (said if kept.number else "")

    def notices(self) -> list[str]:
        """What has to be said about the tags so far: nothing where all follow BIO, or the scheme that was named."""
        scheme, total = self.scheme, self.begun
        orphans, needless, broken = self._orphans, self._needless, self._broken
        if scheme.marks_ends:
            text = f"do not begin and end as in {scheme.name} (first at {broken.first}): each goes as far as its tags"
            return [f"{broken.number} of {total} entities {text}"] if broken.number else []
        if scheme.name == "BIO":
            text = f"begin with I- (first at {orphans.first}): read as if it were B-"
            text += "; `tag_scheme` iob1 if that is the rule" if orphans.number > needless.number else ""
            return [f"{orphans.number} of {total} entities {text}"] if orphans.number and not self.as_published else []
        lines = []
        if self.option == "auto":
            text = f"begin with I- (first at {orphans.first}): the tags are IOB1, converted to BIO"
            lines.append(f"{orphans.number} of {total} entities {text}")
        if needless.number:
            text = f"begin with B- where IOB1 has I- (first at {needless.first}): read as beginning there"
            lines.append(f"{needless.number} of {total} entities {text}")
        return lines

    def _convert(self, tags: Sequence[str], place: Place) -> list[str]:
        parsed = [self._parsed.get(tag) or self._new_tag(tag, index, place) for index, tag in enumerate(tags)]
        converted: list[str] = []
        open_type, before = "", ""  # of the entity that a tag may continue, and of the tag before
        entity: _Open = None  # its first index, and whether it began as it should
        for index, (letter, kind) in enumerate(parsed):
            begins = letter != "O" and (letter in _BEGINS or kind != open_type)
            if entity is not None and (begins or letter == "O"):
                self._broken.add(place(entity[0]))  # nothing has ended it
                entity = None
            if begins:
                entity = index, letter in _BEGINS
                self._begin(letter, kind, before, index, place)
            if entity is not None and letter not in _GOES_ON:
                if not entity[1]:
                    self._broken.add(place(entity[0]))
                entity = None
            converted.append("O" if letter == "O" else f"{'B' if begins else 'I'}-{kind}")
            open_type, before = (kind if letter in _GOES_ON else ""), kind
        if entity is not None:
            self._broken.add(place(entity[0]))
        self._remember(tags, converted)
        return converted

    def _begin(self, letter: str, kind: str, before: str, index: int, place: Place) -> None:
        self.begun += 1
        if letter not in _BEGINS:
            self._orphans.add(place(index))
        elif kind != before:
            self._needless.add(place(index))

    def _remember(self, tags: Sequence[str], converted: Sequence[str]) -> None:
        """Note which pairs of tags need not be looked at again."""
        for before, tag, in_bio in zip(chain(("O",), tags), tags, converted):
            adjacent = tag[:1] == "B" and before[1:] == tag[1:]
            if tag == in_bio and not adjacent:
                self._plain.add((before, tag))
                if tag[0] == "B":
                    self._plain_begins.add(tag)

    def _new_tag(self, tag: str, index: int, place: Place) -> tuple[str, str]:
        parsed = parse_tag(tag)
        where = place(index)
        if parsed is None:
            raise DataError(f"{where}: tag {tag!r:.60} is of no scheme that is read: write {READ_SCHEMES}")
        letter, kind = parsed
        if letter not in self._letters:
            self._check_letter(letter, tag, where)
            self._letters[letter] = where
        self.types.add(kind)
        self._parsed[tag] = parsed
        return parsed

    def _check_letter(self, letter: str, tag: str, where: str) -> None:
        if self.option != "auto" and letter not in SCHEMES[self.option].letters:
            name = SCHEMES[self.option].name
            raise DataError(f"{where}: tag {tag!r:.60} is none of {name}: check `tag_scheme` (auto finds it out)")
        if self.option == "auto" and not self._fitting([*self._letters, letter]):
            other = next(old for old in reversed(list(self._letters)) if old not in "B")
            raise DataError(
                f"{where}: tag {tag!r:.60} is of another scheme than {other}- at {self._letters[other]}: write "
                f"{READ_SCHEMES}"
            )

    @staticmethod
    def _fitting(letters: Iterable[str]) -> list[Scheme]:
        return [scheme for scheme in SCHEMES.values() if scheme.letters.issuperset(letters)]


def bio_labels(
    labels: Sequence[str], names: tuple[str, ...] | None, where: str
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The labels of a user's label file in BIO: it lists the tags of any scheme, or the types of entity.

    BIO tags stay as they are, with their names. For types, and for tags of other schemes or of I- alone, the labels are
    B-TYPE and I-TYPE of each type in their order, O where it stands (types: else at the end), and names do not apply.

    Args:
        labels: The lines of the file.
        names: Readable names in the same order, or None.
        where: The file, for messages.

    Returns:
        The labels, and their names or None.

    Raises:
        DataError: On labels that are neither.
    """
    parsed = {label: parse_tag(label) for label in labels if label != "O"}
    tags = [found for found in parsed.values() if found is not None]
    if not parsed:
        raise DataError(f"{where}: no type of entity: {_LISTS}")
    if not tags:
        if all(_FOREIGN.fullmatch(label) for label in parsed):
            raise DataError(f"{where}: label {next(iter(parsed))!r:.60} is of no scheme that is read: {_LISTS}")
        return _both(labels if "O" in labels else [*labels, "O"], {label: label for label in parsed}), None
    for label, found in parsed.items():
        if found is None:
            raise DataError(f"{where}: label {label!r:.60} is no tag, and others are: {_LISTS}")
    if "O" not in labels:
        raise DataError(f"{where}: the tags have no 'O': add it, it marks what is outside of entities")
    letters = {letter for letter, _ in tags}
    if not any(scheme.letters >= letters for scheme in SCHEMES.values()):
        raise DataError(f"{where}: tags of several schemes ({', '.join(sorted(letters))}): {_LISTS}")
    if letters <= {"B", "I"} and "B" in letters:
        for label, found in parsed.items():
            if found is not None and found[0] == "I" and ("B", found[1]) not in tags:
                raise DataError(f"{where}: label {label!r:.60} has no 'B-{found[1]}': add it")
        plain = tuple("O" if label == "O" else "-".join(parsed[label] or ()) for label in labels)
        return plain, names
    return _both(labels, {label: found[1] for label, found in parsed.items() if found is not None}), None


_LISTS = f"list the tags ({READ_SCHEMES}), or the types of entity alone"


def _both(labels: Sequence[str], types: dict[str, str]) -> tuple[str, ...]:
    """B- and I- of each type where it stands first, and O."""
    made = (("O",) if label == "O" else (f"B-{types[label]}", f"I-{types[label]}") for label in labels)
    return tuple(dict.fromkeys(chain.from_iterable(made)))
