"""Vocabularies cut to a domain: tokens that its texts never use leave the tokenizer and the embedding table."""

import copy
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ernie_toolkit.compression.options import CompressionOptions
from ernie_toolkit.compression.state import Say
from ernie_toolkit.data.registry import Split
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.models import LoadedModel, Vocabulary
from ernie_toolkit.models.families import family_of_model
from ernie_toolkit.session import Session
from ernie_toolkit.text.tokenization import SPECIAL_TOKENS, WordPieceTokenizer, build_tokenizer, is_ideograph


def used_ids(tokenizer: WordPieceTokenizer, texts: Sequence[str]) -> Counter[int]:
    """How often some texts are tokenized to each id; ids that they never are tokenized to have no entry.

    Args:
        tokenizer: Of the whole vocabulary, or of a cut one.
        texts: Single texts; of a pair each is one.
    """
    return Counter(id_ for ids in tokenizer.encode_ids(texts) for id_ in ids)


def unknown_share(tokenizer: WordPieceTokenizer, used: Counter[int]) -> float:
    """The share of some texts' tokens that are [UNK], between 0 and 1.

    Args:
        tokenizer: The one that has tokenized them.
        used: Of `used_ids`.
    """
    return used[tokenizer.special.unk] / max(used.total(), 1)


def kept_ids(
    tokens: Sequence[str], used: Mapping[int, int], unseen_ideographs: bool = True, max_size: int = 0
) -> list[int]:
    """The ids that stay, in their order: special tokens, those in use, and single ideographs.

    A text of the same domain may hold any ideograph, and one without a token would be unknown: those not in use stay
    too. Pieces that continue an ideograph ("##中") are not among them: every ideograph is a word of its own.

    Args:
        tokens: The vocabulary; a token's place is its id.
        used: How often each id comes in a domain's texts.
        unseen_ideographs: Whether ideographs that are not in use stay.
        max_size: How many stay at most: special tokens, then those used most, then unseen ideographs in the
            vocabulary's order, which in a published one is that of their frequency; 0: no limit.

    Raises:
        ConfigError: Where special tokens leave no room.
    """
    special = {id_ for id_, token in enumerate(tokens) if token in SPECIAL_TOKENS}
    if 0 < max_size <= len(special):
        raise ConfigError(f"`max_vocab_size` {max_size}: {len(special)} of them are special tokens: give more")
    ranked = sorted(used.keys() - special, key=lambda id_: (-used[id_], id_))
    if unseen_ideographs:
        taken = special | used.keys()
        ranked += [
            id_ for id_, token in enumerate(tokens) if id_ not in taken and len(token) == 1 and is_ideograph(token)
        ]
    return sorted([*special, *(ranked[: max_size - len(special)] if max_size else ranked)])


def prune_vocabulary(
    loaded: LoadedModel, texts: Iterable[str], unseen_ideographs: bool = True, max_size: int = 0, positions: int = 0
) -> LoadedModel:
    """A model whose vocabulary and embedding table hold what `kept_ids` keeps for some texts of its domain.

    These texts are tokenized to the same tokens as before, and get the same answers, unless `max_size` leaves tokens of
    theirs out. Of other texts, and of these then, a word that was dropped is read as shorter pieces, or as [UNK] where
    there are none.

    Args:
        loaded: The model; it stays as it is.
        texts: Training texts.
        unseen_ideographs: See `kept_ids`.
        max_size: See `kept_ids`.
        positions: Where the table of positions ends, so that longer sequences cannot be read any more; 0: it stays
            whole. A family whose positions have no table stays as it is.

    Raises:
        ConfigError: As `kept_ids`.
    """
    tokenizer = build_tokenizer(loaded.vocabulary.tokens, loaded.vocabulary.do_lower_case)
    used = used_ids(tokenizer, list(texts))
    return _with_tokens(loaded, kept_ids(loaded.vocabulary.tokens, used, unseen_ideographs, max_size), positions)


def _with_tokens(loaded: LoadedModel, ids: Sequence[int], positions: int) -> LoadedModel:
    """A model with some of the tokens of another one, and no more than `positions`, where that is not 0."""
    from ernie_toolkit.models import build_model

    tokens = loaded.vocabulary.tokens
    vocabulary = Vocabulary(tuple(tokens[id_] for id_ in ids), loaded.vocabulary.do_lower_case)
    config = copy.deepcopy(loaded.model.config)
    config.vocab_size, config.pad_token_id = len(ids), ids.index(loaded.model.config.pad_token_id)
    weights = {name: value.numpy() for name, value in loaded.model.state_dict().items()}
    family = family_of_model(loaded.model)
    weights[family.token_table] = weights[family.token_table][np.array(ids)]
    if positions and family.has_position_table:
        table = weights[family.position_table][:positions]
        weights[family.position_table], config.max_position_embeddings = table, len(table)
    model = build_model(type(loaded.model), config)
    for name, target in model.state_dict().items():
        target.set_value(weights[name])
    model.eval()
    return LoadedModel(model, vocabulary, loaded.source, ())


def with_less_vocabulary(session: Session, options: CompressionOptions, say: Say) -> Session:
    """The session of a model with fewer tokens, as the options ask.

    Args:
        session: The model as it is; it stays so.
        options: Say which tokens and positions are dropped.
        say: Gets a line: how many stay, and what is unknown to the model before and after.
    """
    before, positions = session.loaded, session.task.max_seq_length if options.cuts_positions else 0
    splits: tuple[Split, ...] = ("train", "dev")
    texts = {split: _texts(session, split) for split in splits}
    used = {split: used_ids(session.tokenizer, texts[split]) for split in splits}
    ids = kept_ids(before.vocabulary.tokens, used["train"], options.unseen_ideographs, options.max_vocab_size)
    loaded = _with_tokens(before, ids, positions)
    cut = replace(session, loaded=loaded)
    parts = [f"{len(ids):,} of {len(before.vocabulary.tokens):,} tokens stay"]
    if positions and not family_of_model(before.model).has_position_table:
        parts.append("its positions have no table that could be cut")
    elif positions:
        now, were = (item.model.config.max_position_embeddings for item in (loaded, before))
        parts.append(f"{now} of {were} positions")
    for split in splits:
        share = unknown_share(cut.tokenizer, used_ids(cut.tokenizer, texts[split]))
        was = unknown_share(session.tokenizer, used[split])
        parts.append(f"{split}: {share:.2%} of its tokens are unknown ({was:.2%} before)")
    say(f"vocabulary: {', '.join(parts)}")
    return cut


def _texts(session: Session, split: Split) -> list[str]:
    items = session.task.inputs(session.data.split(split))
    return [text for item in items for text in ([item] if isinstance(item, str) else item)]
