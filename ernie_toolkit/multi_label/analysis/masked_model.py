"""Words by a masked language model: what an ERNIE model would write in the place of a word."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ernie_toolkit.console import notice
from ernie_toolkit.errors import ModelError
from ernie_toolkit.formats.weights import read_model_weights
from ernie_toolkit.models import check_model_directory, fill_model, quiet_paddlenlp, read_vocabulary
from ernie_toolkit.models.config import CONFIG_FILE, read_model_config
from ernie_toolkit.models.families import family_of_config
from ernie_toolkit.models.families.ernie import ERNIE

# Only these many of the most probable characters are drawn from.
CANDIDATES = 5
HEAD = "cls.predictions."


class MaskedModel:
    """A masked language model of a directory, as `augmentation.Replace`.

    A word is masked character by character, and read in the whole text.

    Args:
        directory: The model's.

    Raises:
        ModelError: On a directory without a whole masked-language-model head, whose random one would write nonsense.
    """

    def __init__(self, directory: Path) -> None:
        check_model_directory(directory)
        if family_of_config(read_model_config(directory / CONFIG_FILE)) is not ERNIE:
            raise ModelError(f"{directory / CONFIG_FILE}: words are replaced by ERNIE models only: give one of these")
        from paddlenlp.transformers import ErnieConfig, ErnieForMaskedLM

        weights = read_model_weights(directory)
        if weights.notice:
            notice(weights.notice)
        if not any(name.startswith(HEAD) for name in weights.state):
            raise ModelError(
                f"{directory} has no masked-language-model head (weights '{HEAD}*'): give a pretrained model that "
                "has kept its own, or another `aug_type`"
            )
        with quiet_paddlenlp():
            self._model: Any = ErnieForMaskedLM(ErnieConfig.from_pretrained(str(directory)))
        self._model.tie_weights()
        fresh, own = fill_model(self._model, weights.state, weights.path), self._model.state_dict()
        # One parameter may have several names, of which a file holds one.
        filled = {id(value) for name, value in own.items() if name not in fresh}
        random_ones = [name for name in fresh if id(own[name]) not in filled]
        if random_ones:
            raise ModelError(
                f"{weights.path}: no weight '{random_ones[0]}': its masked-language-model head is not whole"
            )
        self._model.eval()
        self._tokens = read_vocabulary(directory).tokens
        self._ids = {token: index for index, token in enumerate(self._tokens)}
        self._limit = int(self._model.config.max_position_embeddings) - 2
        # A character alone may stand for a character; continuations, special tokens and signs may not.
        self._allowed = np.array([len(token) == 1 and token.isalpha() for token in self._tokens])

    def __call__(self, words: Sequence[str], places: Sequence[int], draw: random.Random) -> list[str | None]:
        """Another word of the same length for each place; None where the model cannot read it, or writes the same.

        Args:
            words: The words of a text.
            places: Which of them are asked for; all are masked at once.
            draw: Chooses between the most probable characters.
        """
        starts = np.cumsum([0, *map(len, words)]).tolist()
        chosen = [place for place in places if starts[place + 1] <= self._limit]
        spots = [spot for place in chosen for spot in range(starts[place], starts[place + 1])]
        if not spots:
            return [None] * len(places)
        logits = self._logits("".join(words)[: self._limit], spots)
        written: dict[int, str | None] = {}
        rows = iter(logits)
        for place in chosen:
            written[place] = self._word(words[place], [next(rows) for _ in words[place]], draw)
        return [written.get(place) for place in places]

    def _logits(self, text: str, spots: Sequence[int]) -> np.ndarray:
        """What the model says of masked characters: float32 of shape (spots, tokens)."""
        import paddle

        unknown, mask = self._ids["[UNK]"], self._ids["[MASK]"]
        ids = [self._ids.get(character.lower(), unknown) for character in text]
        for spot in spots:
            ids[spot] = mask
        inputs = [self._ids["[CLS]"], *ids, self._ids["[SEP]"]]
        with paddle.no_grad():
            logits = self._model(paddle.to_tensor([inputs]))
        values: np.ndarray = logits.numpy()[0]
        return values[[spot + 1 for spot in spots]][:, : len(self._tokens)]

    def _word(self, word: str, rows: Sequence[np.ndarray], draw: random.Random) -> str | None:
        """A word, each of its characters drawn from the most probable, another word than `word`."""
        written = ""
        for original, row in zip(word, rows, strict=True):
            scores = np.where(self._allowed, row, -np.inf)
            best = [self._tokens[index] for index in np.argsort(-scores, kind="stable")[: CANDIDATES + 1]]
            others = [token for token in best if token != original or len(word) > 1][:CANDIDATES]
            written += draw.choice(others)
        return written if written != word else None
