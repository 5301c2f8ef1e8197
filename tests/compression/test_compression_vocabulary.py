"""Vocabularies cut to a domain: the domain's texts are read as before, others in shorter pieces."""

import json
from pathlib import Path

import numpy as np
import paddle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import PAIRS, make_tiny_model

from ernie_toolkit.compression import CompressionOptions, compress
from ernie_toolkit.compression.pruning.vocabulary import kept_ids, prune_vocabulary, used_ids, with_less_vocabulary
from ernie_toolkit.data import DataSet
from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.models import Vocabulary, load_model, save_model
from ernie_toolkit.session import Session
from ernie_toolkit.tasks import SequenceClassification
from ernie_toolkit.text.tokenization import SPECIAL_TOKENS, build_tokenizer
from ernie_toolkit.training import predict_logits
from ernie_toolkit.training.options import TrainingOptions

WORDS = ("[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "中", "##中", "国", "app", "##s", "a", "##p", "wifi", "。")


def test_what_is_kept() -> None:
    tokenizer = build_tokenizer(WORDS)
    used = used_ids(tokenizer, ["apps中。", "a"])
    assert used[WORDS.index("a")] == 1
    assert [WORDS[id_] for id_ in sorted(used)] == ["中", "app", "##s", "a", "。"]
    kept = [WORDS[id_] for id_ in kept_ids(WORDS, used)]
    assert [token for token in kept if token != "国"] == [WORDS[id_] for id_ in kept_ids(WORDS, used, False)]
    # "国" is an ideograph that may come; "##中" cannot, and "wifi" and "##p" did not.
    assert kept == ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "中", "国", "app", "##s", "a", "。"]


COUNTS = {WORDS.index(word): count for word, count in (("中", 9), ("app", 2), ("##s", 2), ("a", 5), ("。", 7))}


@pytest.mark.parametrize(
    ("size", "left"),
    [
        (6, {"中"}),
        (8, {"中", "。", "a"}),
        (9, {"中", "。", "a", "app"}),
        (10, {"中", "。", "a", "app", "##s"}),
        (11, {"中", "。", "a", "app", "##s", "国"}),
        (99, {"中", "。", "a", "app", "##s", "国"}),
    ],
)
def test_the_most_frequent_tokens_are_kept(size: int, left: set[str]) -> None:
    """Special tokens always, then by how often the texts use them, of equals the first; then ideographs to come."""
    ids = kept_ids(WORDS, COUNTS, max_size=size)
    assert ids == sorted(ids) and {WORDS[id_] for id_ in ids} == set(SPECIAL_TOKENS) | left
    assert {WORDS[id_] for id_ in kept_ids(WORDS, COUNTS, False, size)} == set(SPECIAL_TOKENS) | (left - {"国"})


def test_special_tokens_alone_are_no_vocabulary() -> None:
    with pytest.raises(ConfigError, match="`max_vocab_size` 5: 5 of them are special tokens"):
        kept_ids(WORDS, COUNTS, max_size=5)


tokens = st.lists(st.sampled_from([*"中国人大小", *"abcdef", "##s", "##x", "app"]), unique=True).map(
    lambda words: (*SPECIAL_TOKENS, *words)
)


@given(tokens, st.data())
def test_a_size_is_kept_to_and_nothing_rarer_stays_than_goes(words: tuple[str, ...], data: st.DataObject) -> None:
    used = data.draw(st.dictionaries(st.integers(0, len(words) - 1), st.integers(1, 9)))
    size = data.draw(st.integers(len(SPECIAL_TOKENS) + 1, 20))
    unseen = data.draw(st.booleans())
    ids, unlimited = kept_ids(words, used, unseen, size), kept_ids(words, used, unseen)
    assert len(ids) == min(size, len(unlimited)) and set(ids) <= set(unlimited) and ids == sorted(ids)
    gone = set(unlimited) - set(ids)
    kept = [used.get(id_, 0) for id_ in ids if words[id_] not in SPECIAL_TOKENS]
    assert not gone or not kept or max(used.get(id_, 0) for id_ in gone) <= min(kept)
    assert unlimited == kept_ids(words, used, unseen, 100)


def test_tables_cut_to_a_size_and_a_length(
    model_dir: Path, afqmc_sample: DataSet, tmp_path: Path, vocabulary: Vocabulary
) -> None:
    """What is left loads, trains on, exports and answers; longer sequences are refused in one line."""
    said: list[str] = []
    session = Session(load_model(str(model_dir)), afqmc_sample, PAIRS, criterion=paddle.nn.CrossEntropyLoss())
    options = CompressionOptions(prune_embeddings=True, max_vocab_size=100)
    cut = with_less_vocabulary(session, options, said.append)
    assert cut.criterion is session.criterion is not None
    assert len(cut.loaded.vocabulary.tokens) == cut.loaded.model.config.vocab_size == 100
    assert cut.loaded.model.config.max_position_embeddings == 48
    [line] = said
    assert line.startswith("vocabulary: 100 of 7,699 tokens stay, 48 of 64 positions, train: ")
    shares = []
    for split in ("train", "dev"):
        texts = [text for pair in PAIRS.inputs(afqmc_sample.split(split)) for text in pair]
        ids = [id_ for row in cut.tokenizer.encode_ids(texts) for id_ in row]
        shares.append(ids.count(cut.tokenizer.special.unk) / len(ids))
        assert f"{split}: {shares[-1]:.2%} of its tokens are unknown (0.00% before)" in line
    assert 0 < shares[0] < 0.5
    save_model(cut.loaded.model, cut.loaded.vocabulary, tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    assert (config["vocab_size"], config["max_position_embeddings"]) == (100, 48)
    loaded = load_model(str(tmp_path / "model"))
    longer = SequenceClassification(PAIRS.labels, 64, None, "pair")
    with pytest.raises(ModelError, match="`max_seq_length` 64 is over the 48 positions of"):
        Session(loaded, afqmc_sample, longer)
    again = Session(loaded, afqmc_sample, PAIRS)
    training = TrainingOptions(max_steps=2, save_steps=2, max_seq_length=48, disable_tqdm=True, report_to="none")
    assert again.train(training, tmp_path / "trained").steps == 2
    bundle = again.export(tmp_path / "export", 10, {}, trained=True)
    pair = ("借" * 40, "还款" * 20)
    assert len(Predictor(bundle.directory).predict([pair])) == 1


def test_a_compression_with_cut_tables(model_dir: Path, afqmc_sample: DataSet, tmp_path: Path) -> None:
    """The pruned model keeps to both limits, and its bundle answers with the figures of the report."""
    options = CompressionOptions(
        max_vocab_size=400, method_list=("dynamic",), num_threads=1, engine_list=("onnxruntime",)
    )
    said: list[str] = []
    report = compress(model_dir, None, afqmc_sample, afqmc_sample, PAIRS, "ptq", tmp_path, options, say=said.append)
    small, int8 = report.candidates
    assert small.vocabulary == int8.vocabulary == 400 and small.size < 0.5 * report.baseline.size
    assert small.file == "width_mult_1_vocab/export/model.onnx" and any("400 of 7,699" in line for line in said)
    predictor = Predictor(tmp_path / "width_mult_1_vocab" / "export", num_threads=1, precision="fp32")
    examples = afqmc_sample.split("dev")
    rows = predictor.task.encode(predictor.tokenizer, predictor.task.inputs(examples))
    figures = predictor.task.score(predictor.task.with_targets(rows, examples), predictor.run(rows), examples)
    assert figures["accuracy"] == pytest.approx(small.metrics["accuracy"])
    loaded = load_model(str(tmp_path / "width_mult_1_vocab"))
    assert loaded.model.config.max_position_embeddings == PAIRS.max_seq_length


def test_a_pruned_model_answers_as_before(vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path) -> None:
    # The special tokens stand elsewhere than at the start, so that the pad's id moves too.
    tokens = ("unused1", "unused2", *vocabulary.tokens)
    loaded = make_tiny_model(Vocabulary(tokens), ("0", "1"), initializer_range=0.2)
    loaded.model.eval()
    session = Session(loaded, afqmc_sample, PAIRS)
    inputs = PAIRS.inputs(afqmc_sample.split("train"))
    texts = [text for pair in inputs for text in pair]
    pruned = prune_vocabulary(loaded, texts)
    assert 6000 < len(pruned.vocabulary.tokens) < len(tokens) - 500
    assert pruned.model.config.pad_token_id == 0 != loaded.model.config.pad_token_id
    assert loaded.model.config.vocab_size == len(tokens)

    small = Session(pruned, afqmc_sample, PAIRS)
    for before, after in zip(session.tokenizer.encode_ids(texts), small.tokenizer.encode_ids(texts), strict=True):
        assert [tokens[id_] for id_ in before] == [pruned.vocabulary.tokens[id_] for id_ in after]
    rows = PAIRS.encode(session.tokenizer, inputs), PAIRS.encode(small.tokenizer, inputs)
    expected = np.asarray(predict_logits(loaded.model, rows[0], 32))
    assert np.array_equal(np.asarray(predict_logits(pruned.model, rows[1], 32)), expected)
    # Saved, loaded, exported: the bundle's own tokenizer has the new ids.
    save_model(pruned.model, pruned.vocabulary, tmp_path / "model")
    again = Session(load_model(str(tmp_path / "model")), afqmc_sample, PAIRS)
    bundle = again.export(tmp_path / "export", 10, {}, trained=True)
    predictor = Predictor(bundle.directory)
    assert np.abs(np.asarray(predictor.logits(inputs)) - expected).max() < 1e-4
    # What the domain never said is read in shorter pieces, or unknown.
    [ids] = predictor.tokenizer.encode_ids(["wifi☆龘"])
    assert predictor.tokenizer.special.unk in ids
