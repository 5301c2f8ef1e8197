"""Model directories and export."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny import PAIRS, make_tiny_model

from ernie_toolkit.bundle import read_bundle
from ernie_toolkit.data import DataSet
from ernie_toolkit.errors import BundleError, ConfigError, ModelError
from ernie_toolkit.export import Origin, export_bundle
from ernie_toolkit.models import Vocabulary, load_model, save_model
from ernie_toolkit.models.config import model_labels
from ernie_toolkit.session import Session
from ernie_toolkit.tasks import SequenceClassification
from ernie_toolkit.training import predict_logits


@pytest.fixture
def copy(model_dir: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model to damage."""
    return Path(shutil.copytree(model_dir, tmp_path / "model"))


def test_a_saved_model_loads_with_from_pretrained(model_dir: Path, afqmc_sample: DataSet) -> None:
    from paddlenlp.transformers import AutoModelForSequenceClassification, AutoTokenizer

    session = Session(load_model(str(model_dir)), afqmc_sample, PAIRS)
    rows = session.encoded(afqmc_sample.split("dev"))
    theirs = AutoModelForSequenceClassification.from_pretrained(str(model_dir))
    assert np.array_equal(predict_logits(session.loaded.model, rows, 16), predict_logits(theirs, rows, 16))
    tokenizer = AutoTokenizer.from_pretrained(str(model_dir))
    first, second = PAIRS.inputs(afqmc_sample.split("dev")[:1])[0]
    assert tokenizer(first, second)["input_ids"] == rows.features[0].input_ids
    assert model_labels(model_dir) == ("0", "1")


def test_saving_again_replaces_files_and_leaves_others(copy: Path, vocabulary: Vocabulary) -> None:
    (copy / "metrics.json").write_text("{}")
    before = {path.name for path in copy.iterdir()}
    loaded = make_tiny_model(vocabulary, ("0", "1", "2"))
    save_model(loaded.model, loaded.vocabulary, copy)
    assert {path.name for path in copy.iterdir()} == before
    again = load_model(str(copy))
    assert again.fresh == () and model_labels(copy) == ("0", "1", "2")
    for name, value in loaded.model.state_dict().items():
        assert np.array_equal(value.numpy(), again.model.state_dict()[name].numpy()), name


def test_another_number_of_labels_starts_a_new_head(model_dir: Path) -> None:
    loaded = load_model(str(model_dir), ("a", "b", "c"))
    assert loaded.fresh == ("classifier.weight", "classifier.bias")
    assert loaded.model.config.num_labels == 3


def test_a_bare_encoder_loads(model_dir: Path, tmp_path: Path, vocabulary: Vocabulary) -> None:
    source = load_model(str(model_dir))
    save_model(source.model.ernie, vocabulary, tmp_path / "encoder")
    loaded = load_model(str(tmp_path / "encoder"), ("0", "1"))
    assert loaded.fresh == ("classifier.weight", "classifier.bias")
    expected = source.model.ernie.state_dict()
    for name, value in loaded.model.ernie.state_dict().items():
        assert np.array_equal(value.numpy(), expected[name].numpy()), name


def test_dropout_can_be_set(model_dir: Path) -> None:
    config = load_model(str(model_dir), hidden_dropout=0.3, attention_dropout=0.0).model.config
    assert (config.hidden_dropout_prob, config.attention_probs_dropout_prob) == (0.3, 0.0)


@pytest.mark.parametrize("name", ["config.json", "model_state.pdparams", "vocab.txt"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / "model_state.safetensors").unlink()  # either file of weights would do
    (copy / name).unlink()
    with pytest.raises(ModelError, match=name):
        load_model(str(copy))


def test_directories_that_are_refused(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model directory"):
        load_model(str(tmp_path / "nowhere"))
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    (copy / "config.json").write_text(json.dumps({**config, "hidden_size": 64}), encoding="utf-8")
    with pytest.raises(ModelError, match=r"has shape .* config\.json makes it"):
        load_model(str(copy))
    (copy / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}), encoding="utf-8")
    with pytest.raises(ModelError, match=r"no weight 'ernie.encoder.layers.2.*16 missing"):
        load_model(str(copy))
    (copy / "config.json").write_text(json.dumps({**config, "model_type": "gpt2"}), encoding="utf-8")
    with pytest.raises(ModelError, match="model_type is 'gpt2'"):
        load_model(str(copy))
    (copy / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match="not JSON"):
        load_model(str(copy))
    (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (copy / "model_state.pdparams").write_bytes(b"\x80nonsense")
    with pytest.raises(ModelError, match=r"model_state\.pdparams: 9 bytes cannot hold .* not a weights file"):
        load_model(str(copy))
    with (copy / "vocab.txt").open("a", encoding="utf-8") as stream:
        stream.write("surplus\n")
    with pytest.raises(ModelError, match="belong to different models"):
        load_model(str(copy))


def test_names_that_cannot_be_had() -> None:
    with pytest.raises(ModelError, match=r"model 'ernie-3\.0-nowhere-zh' can neither be found"):
        load_model("ernie-3.0-nowhere-zh", ("0", "1"))
    with pytest.raises(ConfigError, match="has no labels of its own"):
        load_model("ernie-sample-nano")


PUBLISHED = """
import pickle, shutil, sys
from pathlib import Path
import paddle
from paddlenlp.transformers import ErnieConfig, ErnieModel
from paddlenlp.transformers.ernie.configuration import ERNIE_PRETRAINED_INIT_CONFIGURATION as configurations
from paddlenlp.utils.env import MODEL_HOME
from ernie_toolkit.errors import ModelError
from ernie_toolkit.models import load_model, save_model

cache = Path(MODEL_HOME) / "ernie-3.0-nano-zh"
cache.mkdir(parents=True)
encoder = ErnieModel(ErnieConfig(**configurations["ernie-3.0-nano-zh"]))
paddle.save(encoder.state_dict(), str(cache / "model_state.pdparams"))
shutil.copy(sys.argv[1], cache / "ernie_3.0_nano_zh_vocab.txt")
loaded = load_model("ernie-3.0-nano-zh", ("a", "b", "c"))
assert loaded.fresh == ("classifier.weight", "classifier.bias"), loaded.fresh
weights = [model.embeddings.word_embeddings.weight for model in (loaded.model.ernie, encoder)]
assert bool((weights[0] == weights[1]).all())
save_model(loaded.model, loaded.vocabulary, Path(sys.argv[2]))
again = load_model(sys.argv[2])
assert again.fresh == () and again.vocabulary == loaded.vocabulary
print(len(loaded.vocabulary.tokens), loaded.model.config.vocab_size)

class Runs:
    def __reduce__(self):
        return print, ("it was run",)

with (cache / "model_state.pdparams").open("wb") as stream:
    pickle.dump({"more": Runs()}, stream)
try:
    load_model("ernie-3.0-nano-zh", ("a", "b", "c"))
except ModelError as error:
    assert "it holds 'builtins.print', which is no array" in str(error), error
else:
    raise AssertionError("a file in the cache was run")
"""


def test_a_published_name_loads_from_paddlenlps_cache(model_dir: Path, vocabulary: Vocabulary, tmp_path: Path) -> None:
    """In the published shape, whose table has more rows (40,000) than the vocabulary has tokens."""
    result = subprocess.run(
        [sys.executable, "-c", PUBLISHED, str(model_dir / "vocab.txt"), str(tmp_path / "saved")],
        env={**os.environ, "PPNLP_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split()[-2:] == [str(len(vocabulary.tokens)), "40000"]


ORIGIN = Origin("afqmc", "sample")


@pytest.fixture
def session(model_dir: Path, afqmc_sample: DataSet) -> Session:
    return Session(load_model(str(model_dir)), afqmc_sample, PAIRS)


def test_a_large_difference_refuses_the_bundle_and_keeps_the_earlier(session: Session, tmp_path: Path) -> None:
    texts = PAIRS.inputs(session.data.split("dev")[:8])
    target = tmp_path / "export"
    earlier = export_bundle(session.loaded.model, session.tokenizer, PAIRS, ORIGIN, texts, target)
    with pytest.raises(BundleError, match=r"differ from Paddle's by up to .*over 0e\+00|over 1e-12"):
        export_bundle(session.loaded.model, session.tokenizer, PAIRS, ORIGIN, texts, target, max_difference=1e-12)
    assert read_bundle(target, verify=True).info == earlier.info
    assert list(tmp_path.iterdir()) == [target]


def test_a_model_can_be_trained_on_after_export(session: Session, tmp_path: Path) -> None:
    rows = session.encoded(session.data.split("dev"))
    before = predict_logits(session.loaded.model, rows, 16)
    texts = PAIRS.inputs(session.data.split("dev")[:8])
    export_bundle(session.loaded.model, session.tokenizer, PAIRS, ORIGIN, texts, tmp_path / "export")
    assert np.array_equal(predict_logits(session.loaded.model, rows, 16), before)
    export_bundle(session.loaded.model, session.tokenizer, PAIRS, ORIGIN, texts, tmp_path / "again")


def test_models_with_task_ids_export(vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path) -> None:
    """The published ERNIE 3.0 models have task type embeddings; the graph takes none from outside."""
    from paddlenlp.transformers import ErnieConfig, ErnieForSequenceClassification

    from ernie_toolkit.models import LoadedModel

    plain = make_tiny_model(vocabulary, ("0", "1"))
    config = ErnieConfig(**{**plain.model.config.to_dict(), "use_task_id": True, "task_type_vocab_size": 3})
    loaded = LoadedModel(ErnieForSequenceClassification(config), vocabulary, "tiny", ())
    session = Session(loaded, afqmc_sample, PAIRS)
    texts = PAIRS.inputs(afqmc_sample.split("dev")[:8])
    bundle = export_bundle(loaded.model, session.tokenizer, PAIRS, ORIGIN, texts, tmp_path / "export")
    assert bundle.info.inputs == ("input_ids", "token_type_ids")


def test_more_tokens_than_positions(model_dir: Path, afqmc_sample: DataSet) -> None:
    with pytest.raises(ModelError, match="over the 64 positions"):
        Session(load_model(str(model_dir)), afqmc_sample, SequenceClassification(("0", "1"), 65))
