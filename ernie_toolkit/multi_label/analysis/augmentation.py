"""New texts from labelled ones: words substituted, inserted, deleted or swapped, labels as they were.

The four operations are those of EDA (Wei and Zou, 2019, https://arxiv.org/abs/1901.11196), with synonyms, homonyms or
a masked language model (see `lexicons` and `masked_model`) for the words that come in.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ernie_toolkit.data.label_sets import split_line
from ernie_toolkit.data.lines import read_lines
from ernie_toolkit.data.readers import Example
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.multi_label.analysis.lexicons import homonyms, synonyms, words_of

STRATEGIES = ("substitute", "insert", "delete", "swap")
MIX, DUPLICATE = "mix", "duplicate"
TYPES = ("synonym", "homonym", "mlm")
ASKED = 4  # places asked for a word for each that is wanted: some have none
TRIES = 8  # draws for one new text before it is given up

Replace = Callable[[Sequence[str], Sequence[int], random.Random], list[str | None]]
"""Words and the places of some of them to a word for each place that may stand there, None where there is none."""


def by_synonyms(words: Sequence[str], places: Sequence[int], draw: random.Random) -> list[str | None]:
    """A synonym of each word; None where there is none.

    Args:
        words: The words of a text.
        places: Which of them are asked for.
        draw: Chooses between synonyms.
    """
    known = synonyms()
    return [draw.choice(known[words[place]]) if words[place] in known else None for place in places]


def by_homonyms(words: Sequence[str], places: Sequence[int], draw: random.Random) -> list[str | None]:
    """Each word with one of its characters in another that sounds the same; None where there is none.

    Args:
        words: The words of a text.
        places: Which of them are asked for.
        draw: Chooses the character and its homonym.
    """
    known = homonyms()
    found: list[str | None] = []
    for place in places:
        word = words[place]
        spots = [spot for spot, character in enumerate(word) if character in known]
        if not spots:
            found.append(None)
            continue
        spot = draw.choice(spots)
        # The first are the most frequent: rare characters make texts that nobody writes.
        found.append(word[:spot] + draw.choice(known[word[spot]][:3]) + word[spot + 1 :])
    return found


REPLACERS: dict[str, Replace] = {"synonym": by_synonyms, "homonym": by_homonyms}


def edited(words: Sequence[str], strategy: str, replace: Replace, percent: float, draw: random.Random) -> str | None:
    """A text made of some words by one operation on a share of them, at least one; None where nothing can be done.

    Only words with a letter or an ideograph take part.

    Args:
        words: The words of a text.
        strategy: One of `STRATEGIES`.
        replace: Gives the words that are substituted or inserted.
        percent: The share of the words that are touched, over 0 and at most 1.
        draw: Chooses the words.
    """
    eligible = [place for place, word in enumerate(words) if any(character.isalpha() for character in word)]
    count = max(1, round(percent * len(words)))
    if strategy == "swap":
        eligible = [place for place in eligible if place + 1 in eligible and words[place] != words[place + 1]]
    if not eligible or (strategy == "delete" and len(eligible) <= count):
        return None
    result: list[str] = list(words)
    draw.shuffle(eligible)
    if strategy == "delete":
        for place in eligible[:count]:
            result[place] = ""
        return "".join(result)
    if strategy == "swap":
        for place in eligible[:count]:
            result[place], result[place + 1] = result[place + 1], result[place]
        return "".join(result)
    if strategy == "insert":
        found = _inserted(words, eligible, count, replace, draw)
    else:
        found = _substituted(words, eligible, count, replace, draw)
    for place, word in found.items():
        result[place] = word
    return "".join(result) if found else None


def _substituted(
    words: Sequence[str], eligible: Sequence[int], count: int, replace: Replace, draw: random.Random
) -> dict[int, str]:
    """Other words for `count` places, or as many as there are.

    No more are asked for at a time than are missing, since a masked language model reads all of them as masks.
    """
    found: dict[int, str] = {}
    left = list(eligible[: ASKED * count])
    while left and len(found) < count:
        asked, left = left[: count - len(found)], left[count - len(found) :]
        pairs = zip(asked, replace(words, asked, draw), strict=True)
        found.update({place: word for place, word in pairs if word is not None})
    return found


def _inserted(
    words: Sequence[str], eligible: Sequence[int], count: int, replace: Replace, draw: random.Random
) -> dict[int, str]:
    """`count` places, or as many as there are, with their own word and a new one after it."""
    found: dict[int, str] = {}
    for place in eligible[: ASKED * count]:
        if len(found) == count:
            break
        # The word twice: a masked language model then fills the second, and reads the first.
        word = replace([*words[: place + 1], *words[place:]], [place + 1], draw)[0]
        if word is not None:
            found[place] = words[place] + word
    return found


def read_rows(path: Path) -> list[Example]:
    """The rows of a labelled file, whatever its labels are.

    Raises:
        DataError: On a line that is no row, and where there is none.
    """
    rows: list[Example] = []
    for number, line in read_lines(path):
        text, labels = split_line(line, f"{path}:{number}")
        rows.append({"sentence": text, "labels": labels})
    if not rows:
        raise DataError(f"{path}: no rows: write text<TAB>label,label, one row a line")
    return rows


def augment(
    rows: Iterable[Example],
    strategy: str,
    replace: Replace,
    create: int,
    percent: float,
    seed: int,
    existing: Iterable[str] = (),
) -> list[Example]:
    """New rows for each row, in the rows' order, with its labels.

    But for copies no new text is one of the rows, an existing one or another new one; where no such text is found after
    some tries there are fewer rows than were asked for.

    Args:
        rows: The rows that new ones are made of.
        strategy: One of `STRATEGIES`, "mix" for one of these at random in each new row, or "duplicate" for copies.
        replace: Gives the words that come in.
        create: The most new rows for each row.
        percent: The share of a text's words that an operation touches, over 0 and at most 1.
        seed: Of the choices.
        existing: Further texts that no new one may be.

    Raises:
        ConfigError: On values out of range.
    """
    check_augmentation(strategy, create, percent)
    rows = list(rows)
    if strategy == DUPLICATE:
        return [{"sentence": row["sentence"], "labels": row["labels"]} for row in rows for _ in range(create)]
    taken = {row["sentence"] for row in rows} | set(existing)
    found = []
    for number, row in enumerate(rows):
        draw = random.Random(f"{seed} {number}")  # so that a row's new texts do not depend on the other rows
        words = words_of(row["sentence"])
        made = 0
        for _ in range(TRIES * create):
            if made == create:
                break
            chosen = draw.choice(STRATEGIES) if strategy == MIX else strategy
            text = edited(words, chosen, replace, percent, draw)
            if text is None or not text.strip() or text in taken:
                continue
            taken.add(text)
            made += 1
            found.append({"sentence": text, "labels": row["labels"]})
    return found


def check_augmentation(strategy: str, create: int, percent: float) -> None:
    """Check the values that `augment` takes.

    Args:
        strategy: See `augment`.
        create: See `augment`.
        percent: See `augment`.

    Raises:
        ConfigError: On the first value out of its range.
    """
    known = (*STRATEGIES, MIX, DUPLICATE)
    if strategy not in known:
        raise ConfigError(f"`aug_strategy` '{strategy}' is not known: use one of {', '.join(known)}")
    if create < 1:
        raise ConfigError(f"`create_n` is {create}: it must be at least 1")
    if not 0 < percent <= 1:
        raise ConfigError(f"`aug_percent` is {percent}: it must be over 0 and at most 1")
