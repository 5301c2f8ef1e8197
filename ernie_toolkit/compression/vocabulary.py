"""Vocabularies cut to a domain: tokens that its texts never use leave the tokenizer and the embedding table."""

import copy
from collections.abc import Collection, Iterable, Sequence

import numpy as np

from ernie_toolkit.models import LoadedModel, Vocabulary
from ernie_toolkit.tokenization import SPECIAL_TOKENS, WordPieceTokenizer, build_tokenizer, is_ideograph


def used_ids(tokenizer: WordPieceTokenizer, texts: Sequence[str]) -> set[int]:
    """The ids that some texts are tokenized to."""
    return {id_ for ids in tokenizer.encode_ids(texts) for id_ in ids}


def kept_ids(tokens: Sequence[str], used: Collection[int], unseen_ideographs: bool = True) -> list[int]:
    """The ids that stay, in their order: special tokens, those in use, and single ideographs.

    A text of the same domain may hold any ideograph, and one without a token would be unknown: those not in
    use stay too, but for `unseen_ideographs` false. Pieces that continue an ideograph ("##中") are not among
    them: every ideograph is a word of its own.
    """
    return [
        id_
        for id_, token in enumerate(tokens)
        if id_ in used or token in SPECIAL_TOKENS or (unseen_ideographs and len(token) == 1 and is_ideograph(token))
    ]


def prune_vocabulary(loaded: LoadedModel, texts: Iterable[str], unseen_ideographs: bool = True) -> LoadedModel:
    """A model whose vocabulary and embedding table hold what `kept_ids` keeps for some texts of its domain.

    `texts` (training texts) are tokenized to the same tokens as before, and get the same answers. Of other
    texts, a word that was dropped is read as shorter pieces, or as [UNK] where there are none. The model
    given stays as it is.
    """
    from ernie_toolkit.models import build_model

    tokens = loaded.vocabulary.tokens
    tokenizer = build_tokenizer(tokens, loaded.vocabulary.do_lower_case)
    ids = kept_ids(tokens, used_ids(tokenizer, list(texts)), unseen_ideographs)
    vocabulary = Vocabulary(tuple(tokens[id_] for id_ in ids), loaded.vocabulary.do_lower_case)
    config = copy.deepcopy(loaded.model.config)
    config.vocab_size, config.pad_token_id = len(ids), ids.index(loaded.model.config.pad_token_id)
    model = build_model(type(loaded.model), config)
    weights = {name: value.numpy() for name, value in loaded.model.state_dict().items()}
    table = "ernie.embeddings.word_embeddings.weight"
    weights[table] = weights[table][np.array(ids)]
    for name, target in model.state_dict().items():
        target.set_value(weights[name])
    model.eval()
    return LoadedModel(model, vocabulary, loaded.source, ())
