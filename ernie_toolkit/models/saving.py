"""Save a model with its vocabulary, so that PaddleNLP and this toolkit load it.

Paddle is imported inside the functions: the module itself loads at once.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from ernie_toolkit.files import scratch_directory
from ernie_toolkit.files.transactions import Transaction, transaction
from ernie_toolkit.formats.weights import SAFETENSORS_FILE, WEIGHTS_FILE, write_safetensors
from ernie_toolkit.models.config import CONFIG_FILE
from ernie_toolkit.models.families import family_of_model
from ernie_toolkit.models.loading import quiet_paddlenlp
from ernie_toolkit.models.vocabulary import SPECIAL_TOKENS_FILE, Vocabulary, write_vocabulary
from ernie_toolkit.text.tokenization import TOKENIZER_CONFIG_FILE, VOCAB_FILE

if TYPE_CHECKING:
    from paddlenlp.transformers import PretrainedModel


def save_model(model: "PretrainedModel", vocabulary: Vocabulary, directory: Path) -> None:
    """Write config.json, weights and tokenizer files, together or not at all, so that `from_pretrained` loads them.

    Other files of the directory stay.

    Args:
        model: The model.
        vocabulary: Its vocabulary.
        directory: Gets the files.
    """
    with transaction(directory) as files:
        stage_model(model, vocabulary, files)


def stage_model(model: "PretrainedModel", vocabulary: Vocabulary, files: Transaction) -> None:
    """As `save_model`, into a transaction's directory, with whatever else belongs to the transaction.

    Args:
        model: The model.
        vocabulary: Its vocabulary.
        files: The transaction.
    """
    with scratch_directory(files.staging / "model") as staging:
        with quiet_paddlenlp():
            model.save_pretrained(str(staging))
        write_safetensors(staging / WEIGHTS_FILE)
        write_vocabulary(staging, vocabulary, family_of_model(model).tokenizer_class)
        weights = (WEIGHTS_FILE, SAFETENSORS_FILE)
        for file in (*weights, CONFIG_FILE, VOCAB_FILE, TOKENIZER_CONFIG_FILE, SPECIAL_TOKENS_FILE):
            (staging / file).replace(files.path(files.directory / file))
