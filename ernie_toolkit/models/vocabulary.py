"""The vocabulary of a model, and the files that PaddleNLP's tokenizer reads it from."""

from dataclasses import dataclass
from pathlib import Path

from ernie_toolkit.files import write_json, write_text
from ernie_toolkit.models.families.ernie import ERNIE
from ernie_toolkit.text.tokenization import (
    SPECIAL_TOKENS,
    TOKENIZER_CONFIG_FILE,
    TOKENIZER_FILE,
    VOCAB_FILE,
    read_do_lower_case,
    read_vocab,
)
from ernie_toolkit.text.transformers_tokenizer import read_tokenizer_vocabulary

SPECIAL_TOKENS_FILE = "special_tokens_map.json"


@dataclass(frozen=True)
class Vocabulary:
    """The vocabulary of a model.

    Attributes:
        tokens: The tokens in the order of their ids.
        do_lower_case: Whether texts are lower-cased first.
    """

    tokens: tuple[str, ...]
    do_lower_case: bool = True


def vocabulary_file(directory: Path) -> Path:
    """The file that a model directory's vocabulary is read from: `vocab.txt`, or else `tokenizer.json`."""
    listed, other = directory / VOCAB_FILE, directory / TOKENIZER_FILE
    return other if other.is_file() and not listed.is_file() else listed


def read_vocabulary(directory: Path) -> Vocabulary:
    """The vocabulary of a model directory: `vocab.txt`, and `do_lower_case` of `tokenizer_config.json`.

    Where there is no `vocab.txt`, both are read from `tokenizer.json`, the one file that transformers 5 writes.

    Raises:
        ModelError: Where it cannot be read, or is of another kind than BERT's.
    """
    path = vocabulary_file(directory)
    if path.name == TOKENIZER_FILE:
        tokens, lower = read_tokenizer_vocabulary(path)
        return Vocabulary(tuple(tokens), lower)
    do_lower_case = read_do_lower_case(directory / TOKENIZER_CONFIG_FILE)
    return Vocabulary(tuple(read_vocab(path)), do_lower_case)


def write_vocabulary(directory: Path, vocabulary: Vocabulary, tokenizer_class: str = ERNIE.tokenizer_class) -> None:
    """Write the tokenizer's files as PaddleNLP's AutoTokenizer reads them.

    Args:
        directory: Gets the files.
        vocabulary: The vocabulary.
        tokenizer_class: The name of PaddleNLP's tokenizer of the model's family; all tokenize to the same ids.
    """
    write_text(directory / VOCAB_FILE, "".join(token + "\n" for token in vocabulary.tokens))
    names = {f"{token.strip('[]').lower()}_token": token for token in SPECIAL_TOKENS}
    write_json(
        directory / TOKENIZER_CONFIG_FILE,
        {"do_lower_case": vocabulary.do_lower_case, **names, "tokenizer_class": tokenizer_class},
    )
    write_json(directory / SPECIAL_TOKENS_FILE, names)
