"""Vocabularies cut to a domain: the domain's texts are read as before, others in shorter pieces."""

from pathlib import Path

import numpy as np
from tiny import PAIRS, make_tiny_model

from ernie_toolkit.compression.vocabulary import kept_ids, prune_vocabulary, used_ids
from ernie_toolkit.data import DataSet
from ernie_toolkit.finetuning import open_session
from ernie_toolkit.inference import Predictor
from ernie_toolkit.models import Vocabulary, load_model, save_model
from ernie_toolkit.tokenization import build_tokenizer
from ernie_toolkit.training import predict_logits

WORDS = ("[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "中", "##中", "国", "app", "##s", "a", "##p", "wifi", "。")


def test_what_is_kept() -> None:
    tokenizer = build_tokenizer(WORDS)
    used = used_ids(tokenizer, ["apps中。", "a"])
    assert [WORDS[id_] for id_ in sorted(used)] == ["中", "app", "##s", "a", "。"]
    kept = [WORDS[id_] for id_ in kept_ids(WORDS, used)]
    assert [token for token in kept if token != "国"] == [WORDS[id_] for id_ in kept_ids(WORDS, used, False)]
    # "国" is an ideograph that may come; "##中" cannot, and "wifi" and "##p" did not.
    assert kept == ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "中", "国", "app", "##s", "a", "。"]


def test_a_pruned_model_answers_as_before(vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path) -> None:
    # The special tokens stand elsewhere than at the start, so that the pad's id moves too.
    tokens = ("unused1", "unused2", *vocabulary.tokens)
    loaded = make_tiny_model(Vocabulary(tokens), ("0", "1"), initializer_range=0.2)
    loaded.model.eval()
    session = open_session(loaded, afqmc_sample, PAIRS)
    inputs = PAIRS.inputs(afqmc_sample.split("train"))
    texts = [text for pair in inputs for text in pair]
    pruned = prune_vocabulary(loaded, texts)
    assert 6000 < len(pruned.vocabulary.tokens) < len(tokens) - 500
    assert pruned.model.config.pad_token_id == 0 != loaded.model.config.pad_token_id
    assert loaded.model.config.vocab_size == len(tokens)

    small = open_session(pruned, afqmc_sample, PAIRS)
    for before, after in zip(session.tokenizer.encode_ids(texts), small.tokenizer.encode_ids(texts), strict=True):
        assert [tokens[id_] for id_ in before] == [pruned.vocabulary.tokens[id_] for id_ in after]
    rows = PAIRS.encode(session.tokenizer, inputs), PAIRS.encode(small.tokenizer, inputs)
    expected = np.asarray(predict_logits(loaded.model, rows[0], 32))
    assert np.array_equal(np.asarray(predict_logits(pruned.model, rows[1], 32)), expected)
    # Saved, loaded, exported: the bundle's own tokenizer has the new ids.
    save_model(pruned.model, pruned.vocabulary, tmp_path / "model")
    again = open_session(load_model(str(tmp_path / "model")), afqmc_sample, PAIRS)
    bundle = again.export(tmp_path / "export", 10, {}, trained=True)
    predictor = Predictor(bundle.directory)
    assert np.abs(np.asarray(predictor.logits(inputs)) - expected).max() < 1e-4
    # What the domain never said is read in shorter pieces, or unknown.
    [ids] = predictor.tokenizer.encode_ids(["wifi☆龘"])
    assert predictor.tokenizer.special.unk in ids
