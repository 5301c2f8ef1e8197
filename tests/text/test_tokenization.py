"""The Rust tokenizer against PaddleNLP's Python `ErnieTokenizer`, and its offsets."""

import itertools
import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vocabularies import CASES, LITTLE_VOCAB, NOTABLE, SURROGATES, character_vocab, write_vocab

from ernie_toolkit.text.tokenization import (
    SPECIAL_TOKENS,
    WordPieceTokenizer,
    build_tokenizer,
    read_vocab,
)

Reference = Callable[[str], list[int]]

BMP_AND_EMOJI = [*range(0x10000), *range(0x1F000, 0x1FB00), *range(0xE0000, 0xE0200)]
# Marks that canonical ordering moves and that stay (category Mc), of which the tables of tokenizers 0.21 do
# not know that they move: U+1715 (since Unicode 14), U+1193D, U+11F41, U+16FF0, U+16FF1.
MARKS_NOT_MOVED = {chr(cp) for cp in (0x1715, 0x1193D, 0x11F41, 0x16FF0, 0x16FF1) if unicodedata.combining(chr(cp))}
# How many pairs of such marks keep another order than ErnieTokenizer gives them, by Unicode version: those of
# Python 3.10, 3.11 and 3.12.
EXCHANGED_PAIRS = {"13.0.0": 52, "14.0.0": 66, "15.0.0": 78}


@pytest.fixture(scope="module")
def ernie_reference(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Reference]:
    """Makes the function text -> ids of PaddleNLP's Python tokenizer for one vocabulary file.

    It is loaded with `from_pretrained`, as every script of PaddleNLP does: one that is constructed directly
    does not look for special tokens in a text.
    """
    transformers = pytest.importorskip("paddlenlp.transformers", reason="parity needs paddlenlp: pip install .[train]")

    def make(vocab_file: Path, do_lower_case: bool = True) -> Reference:
        directory = tmp_path_factory.mktemp("reference")
        (directory / "vocab.txt").write_bytes(vocab_file.read_bytes())
        reference = transformers.ErnieTokenizer.from_pretrained(str(directory), do_lower_case=do_lower_case)
        assert reference.do_lower_case is do_lower_case
        return lambda text: reference.convert_tokens_to_ids(reference.tokenize(text))

    return make


@pytest.fixture(scope="module")
def character_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_vocab(tmp_path_factory.mktemp("characters") / "vocab.txt", character_vocab(BMP_AND_EMOJI))


@pytest.fixture(scope="module")
def characters(character_file: Path) -> WordPieceTokenizer:
    return build_tokenizer(read_vocab(character_file))


@pytest.fixture(scope="module")
def character_reference(ernie_reference: Callable[..., Reference], character_file: Path) -> Reference:
    return ernie_reference(character_file)


@pytest.fixture(scope="module")
def little() -> WordPieceTokenizer:
    return build_tokenizer(LITTLE_VOCAB)


def differing(tokenizer: WordPieceTokenizer, reference: Reference, texts: Sequence[str]) -> list[str]:
    """The texts whose ids are not those of the reference."""
    encoded = tokenizer.encode_ids(texts)
    return [text for text, ids in zip(texts, encoded, strict=True) if reference(text) != ids]


def sweep(tokenizer: WordPieceTokenizer, reference: Reference, code_points: Sequence[int]) -> list[str]:
    """The characters whose ids differ in 'a?b' or in '??', each written as its code point and category.

    Words of 200 characters go through the reference at once (its fixed cost per text is high); where ids
    differ, one by one.
    """
    found = []
    for start in range(0, len(code_points), 200):
        pairs = [(f"a{chr(cp)}b", chr(cp) * 2) for cp in code_points[start : start + 200]]
        if differing(tokenizer, reference, [" ".join(itertools.chain(*pairs))]):
            wrong = [pair for pair in pairs if differing(tokenizer, reference, pair)]
            assert wrong, "the words differ together but not alone"
            found += [f"U+{ord(twice[0]):04X} {unicodedata.category(twice[0])}" for _, twice in wrong]
    return found


# --- equal ids ---------------------------------------------------------------------------------------------


def test_every_bmp_character_and_emoji_has_the_ids_of_ernie_tokenizer(
    characters: WordPieceTokenizer, character_reference: Reference
) -> None:
    """Assigned or not: unassigned characters are dropped by both."""
    assert sweep(characters, character_reference, BMP_AND_EMOJI) == []


def test_every_bmp_character_and_emoji_without_lowercasing(
    ernie_reference: Callable[..., Reference], character_file: Path
) -> None:
    tokenizer = build_tokenizer(read_vocab(character_file), do_lower_case=False)
    assert sweep(tokenizer, ernie_reference(character_file, do_lower_case=False), BMP_AND_EMOJI) == []


@pytest.mark.slow
@pytest.mark.parametrize("do_lower_case", [True, False])
def test_every_code_point_has_the_ids_of_ernie_tokenizer(
    ernie_reference: Callable[..., Reference], tmp_path: Path, do_lower_case: bool
) -> None:
    everything = range(0x110000)
    vocab_file = write_vocab(tmp_path / "vocab.txt", character_vocab(everything))
    tokenizer = build_tokenizer(read_vocab(vocab_file), do_lower_case)
    assert sweep(tokenizer, ernie_reference(vocab_file, do_lower_case), everything) == []


def test_what_differs_from_ernie_tokenizer(ernie_reference: Callable[..., Reference], tmp_path: Path) -> None:
    """All that is known to differ; whatever joins or leaves this list fails here or in the sweeps above.

    1. The five special tokens, written in a text, are text here and special there: on purpose, or a user's
       text could move the model's [CLS] or [SEP].
    2. Two combining marks of category Mc in a row that canonical ordering exchanges, at least one of them
       newer than the Unicode tables of tokenizers 0.21 (`MARKS_NOT_MOVED`): they keep the order in which
       they were written. One mark at a time has equal ids, and so has every other character of Unicode.
    3. A tokenizer.json built by a Python of another Unicode version (3.10: 13, 3.11: 14, 3.12: 15) than the
       ErnieTokenizer it is compared with: characters assigned between the two. Not visible in one process.
    """
    specials = [f"a{token}b" for token in SPECIAL_TOKENS]
    moving = [chr(cp) for cp in range(0x110000) if unicodedata.combining(chr(cp)) and cp not in SURROGATES]
    staying = [mark for mark in moving if unicodedata.category(mark) != "Mn"]
    pairs = ["a" + "".join(pair) for pair in itertools.product(staying, repeat=2)]
    # One dropped mark of each class between the two, known to the old tables or not, must change nothing.
    dropped = {unicodedata.combining(mark): mark for mark in moving if unicodedata.category(mark) == "Mn"}
    between = [f"a{x}{mark}{y}" for x, y in itertools.product(staying[:12], repeat=2) for mark in dropped.values()]
    vocab = [*SPECIAL_TOKENS, *(prefix + mark for mark in [*staying, *"ab[]"] for prefix in ("", "##"))]
    vocab_file = write_vocab(tmp_path / "vocab.txt", vocab)
    tokenizer, reference = build_tokenizer(vocab), ernie_reference(vocab_file)

    exchanged = [
        text
        for text in pairs
        if unicodedata.combining(text[1]) > unicodedata.combining(text[2]) and MARKS_NOT_MOVED & set(text)
    ]
    assert differing(tokenizer, reference, specials) == specials
    assert differing(tokenizer, reference, pairs) == exchanged
    assert len(exchanged) == EXCHANGED_PAIRS[unicodedata.unidata_version]
    assert differing(tokenizer, reference, [t for t in between if not MARKS_NOT_MOVED & set(t)]) == []


@pytest.mark.parametrize("do_lower_case", [True, False])
def test_notable_texts(ernie_reference: Callable[..., Reference], character_file: Path, do_lower_case: bool) -> None:
    tokenizer = build_tokenizer(read_vocab(character_file), do_lower_case)
    assert differing(tokenizer, ernie_reference(character_file, do_lower_case), CASES) == []


# Half of the texts are drawn from characters that have a rule of their own, or they would hardly ever meet.
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=60),
    st.text(st.sampled_from([char for char in NOTABLE if not MARKS_NOT_MOVED & {char}]), max_size=130),
)
many = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def has_known_difference(text: str) -> bool:
    """Whether a text has what `test_what_differs_from_ernie_tokenizer` lists."""
    return bool(MARKS_NOT_MOVED & set(text)) or any(token in text for token in SPECIAL_TOKENS)


@many
@given(text=TEXTS.filter(lambda text: not has_known_difference(text)))
def test_any_text_has_the_ids_of_ernie_tokenizer(
    characters: WordPieceTokenizer, character_reference: Reference, text: str
) -> None:
    assert characters.encode_ids([text])[0] == character_reference(text)


# --- development data --------------------------------------------------------------------------------------


def strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings_in(item)


def texts_of_file(path: Path) -> list[str]:
    """Every string of a data file: JSON, JSON lines, lines, or sentences of one character and tag a line."""
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        try:
            rows = [json.loads(content)]
        except ValueError:
            rows = [json.loads(line) for line in content.split("\n") if line.strip()]
        found: list[str] = list(strings_in(rows))
    elif path.parent.name == "msra_ner":
        sentences = content.split("\n\n")
        found = ["".join(line.split()[0] for line in text.split("\n") if line.split()) for text in sentences]
    else:
        found = content.split("\n")
    return list(dict.fromkeys(text for text in found if text))


def data_files(dev_data: Path) -> list[Path]:
    paths = sorted(dev_data.glob("*/*.*"))
    return [path for path in paths if path.suffix in (".json", ".txt") and path.parent.name != "vocab"]


VOCABS = ["ernie-3.0-base-vocab.txt", "ernie-1.0-vocab.txt", "bert-base-chinese-vocab.txt"]


@pytest.fixture(scope="module")
def sample_texts(dev_data: Path) -> list[str]:
    return [text for path in data_files(dev_data) for text in texts_of_file(path)[::300]]


@pytest.mark.parametrize(("name", "step"), [(VOCABS[0], 1), (VOCABS[1], 5), (VOCABS[2], 5)])
def test_sample_of_the_development_data(
    ernie_reference: Callable[..., Reference], dev_data: Path, sample_texts: list[str], name: str, step: int
) -> None:
    vocab_file = dev_data / "vocab" / name
    assert len(sample_texts) > 1000
    assert differing(build_tokenizer(read_vocab(vocab_file)), ernie_reference(vocab_file), sample_texts[::step]) == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "step"), [(VOCABS[0], 3), (VOCABS[1], 9), (VOCABS[2], 9)])
def test_the_development_data(ernie_reference: Callable[..., Reference], dev_data: Path, name: str, step: int) -> None:
    """Every third text with ERNIE 3.0's vocabulary, fewer with the others, which differ in the last step only.

    benchmarks/tokenization.py compares every text of a file.
    """
    vocab_file = dev_data / "vocab" / name
    tokenizer, reference = build_tokenizer(read_vocab(vocab_file)), ernie_reference(vocab_file)
    files = (texts_of_file(path)[::step] for path in data_files(dev_data))
    wrong = [text for texts in files for text in differing(tokenizer, reference, texts)]
    assert wrong == []


def test_published_vocabularies(dev_data: Path, ernie_reference: Callable[..., Reference], capfd: Any) -> None:
    """ERNIE 3.0's has "$" twice: lines keep their numbers, the last counts, and nothing is printed on saving."""
    path = dev_data / "vocab" / VOCABS[0]
    vocab = read_vocab(path)
    assert len(vocab) == len(path.read_text(encoding="utf-8").split("\n")) - 1
    first, last = (number for number, token in enumerate(vocab) if token == "$")
    tokenizer = build_tokenizer(vocab)
    assert tokenizer.vocab_size == len(vocab)
    assert tokenizer.encode_ids(["$"]) == [[last]] == [ernie_reference(path)("$")] != [[first]]
    tokenizer.tokenizer.to_str()
    assert capfd.readouterr().out == ""


# --- offsets -----------------------------------------------------------------------------------------------


def normalized(text: str) -> str:
    """What is left of a text for its words, spaces aside."""
    kept = "".join(char for char in text if unicodedata.category(char)[0] not in "CZ" and char != "\ufffd")
    return "".join(
        c for c in unicodedata.normalize("NFD", "".join(map(str.lower, kept))) if unicodedata.category(c) != "Mn"
    )


def has_known_offset(text: str) -> bool:
    """Whether a spacing mark that canonical ordering moves follows U+0130 (see `encode_offsets`)."""
    after = (unicodedata.normalize("NFD", part) for part in text.split("\u0130")[1:])
    return any(unicodedata.combining(c) and unicodedata.category(c) != "Mn" for part in after for c in part)


@many
@given(texts=st.lists(TEXTS.filter(lambda text: not has_known_offset(text)), max_size=4))
def test_offsets_of_any_text(characters: WordPieceTokenizer, texts: list[str]) -> None:
    found = characters.encode_offsets(texts)
    assert [ids for ids, _ in found] == characters.encode_ids(texts)
    for text, (ids, offsets) in zip(texts, found, strict=True):
        assert len(ids) == len(offsets)
        assert all(0 <= start < end <= len(text) for start, end in offsets)
        assert offsets == sorted(offsets)
        assert [end for _, end in offsets] == sorted(end for _, end in offsets)
        for id_, (start, end) in zip(ids, offsets, strict=True):
            token = characters.tokenizer.id_to_token(id_)
            if token != "[UNK]":
                assert set(token.removeprefix("##")) <= set(normalized(text[start:end]))
        covered = {position for start, end in offsets for position in range(start, end)}
        left = "".join(char for position, char in enumerate(text) if position not in covered)
        assert normalized(left) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("你好，你", [(0, 1), (1, 2), (2, 3), (3, 4)]),
        ("  UNaffable ", [(2, 4), (4, 7), (7, 11)]),
        ("😀你😀", [(0, 1), (1, 2), (2, 3)]),
        ("\u200b\x00你\ufeff\u3000好", [(2, 3), (5, 6)]),
        ("\ud83d\ude00你\ud800好", [(2, 3), (4, 5)]),
        ("áa\u0301", [(0, 1), (1, 2)]),
        ("[MASK]", [(0, 1), (1, 5), (5, 6)]),
        ("", []),
        ("\u3000", []),
    ],
)
def test_offsets_point_into_the_text_as_given(
    little: WordPieceTokenizer, text: str, expected: list[tuple[int, int]]
) -> None:
    assert little.encode_offsets([text])[0][1] == expected


def test_many_texts_keep_their_order(little: WordPieceTokenizer) -> None:
    texts = ["你" * (number % 7) + ("\ud800" if number == 600 else "") for number in range(1000)]
    expected = [[little.tokenizer.token_to_id("你")] * (number % 7) for number in range(1000)]
    assert little.encode_ids(texts) == expected
    assert [ids for ids, _ in little.encode_offsets(texts)] == expected
    assert little.encode_ids([]) == little.encode_offsets([]) == []


def test_what_is_not_a_text_is_a_type_error(little: WordPieceTokenizer) -> None:
    with pytest.raises(TypeError):
        little.encode_ids(["a", 1])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        little.encode_ids(["\ud800", None])  # type: ignore[list-item]


def test_repeated_and_blank_lines_keep_the_numbers(tmp_path: Path, ernie_reference: Callable[..., Reference]) -> None:
    path = write_vocab(tmp_path / "vocab.txt", [*SPECIAL_TOKENS, "a", "", "b", "a", "", "c", "", ""])
    tokenizer = build_tokenizer(read_vocab(path))
    assert tokenizer.vocab_size == 11
    assert tokenizer.encode_ids(["a b c"]) == [[8, 7, 10]] == [ernie_reference(path)("a b c")]
    saved = json.loads(tokenizer.tokenizer.to_str())["model"]["vocab"]
    assert sorted(saved.values()) == list(range(11))


FORKING = """
import os, subprocess, sys
from ernie_toolkit.data.sample import sample_vocab
from ernie_toolkit.text.tokenization import build_tokenizer
tokenizer = build_tokenizer(tuple(sample_vocab()))
texts = ["怎么注销信用卡"] * 600
expected = tokenizer.encode_ids(texts)
subprocess.run(["true"], check=True, preexec_fn=lambda: None)
child = os.fork()
if child == 0:
    os._exit(0 if tokenizer.encode_ids(texts) == expected else 3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print(os.environ["TOKENIZERS_PARALLELISM"])
"""


@pytest.mark.parametrize("given", [None, "parallel", "false"])
def test_forks_are_quiet_and_do_not_wait_for_ever(root: Path, given: str | None) -> None:
    """A process that tokenized with threads forks; the child tokenizes, too. What the user has set stays."""
    others = {name: value for name, value in os.environ.items() if name != "TOKENIZERS_PARALLELISM"}
    done = subprocess.run(
        [sys.executable, "-c", FORKING],
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
        timeout=60,
        env={**others, **({"TOKENIZERS_PARALLELISM": given} if given else {})},
    )
    assert done.returncode == 0 and done.stderr == "" and done.stdout == f"{given or 'parallel'}\n", done.stderr
