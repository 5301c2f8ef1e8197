"""Models written for transformers: what the files say, that they come back bit by bit, what is refused."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file
from tiny import PAIRS, make_tiny_model

from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.models import LoadedModel, Vocabulary, load_model, save_model
from ernie_toolkit.models.interchange import transformers_names, turned, with_paddle_names
from ernie_toolkit.models.transformers_export import as_transformers, export_transformers

LABELS = {"seq_cls": ("b", "a", "c"), "multi_label": ("x", "y"), "token_cls": ("O", "B-P", "I-P")}
HEADS = {
    "seq_cls": "ForSequenceClassification",
    "multi_label": "ForSequenceClassification",
    "token_cls": "ForTokenClassification",
    "qa": "ForQuestionAnswering",
    "multiple_choice": "ForMultipleChoice",
}


def trained(vocabulary: Vocabulary, directory: Path, task: str = "seq_cls", family: str = "ernie", **more: Any) -> Path:
    """A tiny model of a task, saved; all its weights are random."""
    import paddle

    loaded = make_tiny_model(vocabulary, LABELS.get(task, ("0", "1")), task, family, **more)
    for parameter in loaded.model.parameters():
        parameter.set_value(parameter + 0.1 * paddle.randn(parameter.shape))
    save_model(loaded.model, vocabulary, directory)
    return directory


def config_of(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    return found


def weights_of(loaded: LoadedModel) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in loaded.model.state_dict().items()}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return list(one) == list(other) and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("task", list(HEADS))
@pytest.mark.parametrize("family", ["bert", "ernie"])
def test_every_task_comes_back_bit_by_bit(task: str, family: str, vocabulary: Vocabulary, tmp_path: Path) -> None:
    source = trained(
        vocabulary, tmp_path / "source", task, family, **({"use_task_id": True} if family == "ernie" else {})
    )
    written = export_transformers(source, tmp_path / "out")
    assert written.left_out == () and written.task == task
    config = config_of(tmp_path / "out")
    assert config["architectures"] == [family.capitalize() + HEADS[task]] and config["model_type"] == family
    count = {"qa": 2, "multiple_choice": 1}.get(task) or len(LABELS[task])
    assert list(config["id2label"]) == [str(place) for place in range(count)]
    assert list(config["id2label"].values()) == list(LABELS.get(task, config["label2id"]))
    problem = {"seq_cls": "single_label_classification", "multi_label": "multi_label_classification"}.get(task)
    assert config.get("problem_type") == problem and config["layer_norm_eps"] == 1e-12
    own, back = (load_model(str(path), task=task) for path in (source, tmp_path / "out"))
    assert back.fresh == () and back.vocabulary == own.vocabulary and same(weights_of(own), weights_of(back))
    names = load_file(str(tmp_path / "out" / "model.safetensors"))
    assert f"{family}.encoder.layer.1.attention.self.query.bias" in names
    assert ("qa_outputs.weight" in names) == (task == "qa")
    again = export_transformers(tmp_path / "out", tmp_path / "again")
    assert same(again.state, written.state) and config_of(tmp_path / "again") == config


def test_fewer_layers_and_narrower_ones_and_fewer_heads(vocabulary: Vocabulary, tmp_path: Path) -> None:
    from ernie_toolkit.models.slices import select

    source = trained(vocabulary, tmp_path / "source")
    loaded = load_model(str(source))
    select(loaded.model, [np.arange(4)] * 2, [np.arange(40)] * 2)
    save_model(loaded.model, vocabulary, tmp_path / "narrow")
    export_transformers(tmp_path / "narrow", tmp_path / "out")
    assert config_of(tmp_path / "out")["intermediate_size"] == 40
    assert same(weights_of(load_model(str(tmp_path / "out"))), weights_of(loaded))
    select(loaded.model, [np.arange(3)] * 2, [np.arange(30)] * 2)
    save_model(loaded.model, vocabulary, tmp_path / "narrower")
    with pytest.raises(
        ModelError,
        match=r"its layers keep 3 of 4 attention heads of size 8, and .*, 32 / 3",
    ):
        export_transformers(tmp_path / "narrower", tmp_path / "none")
    assert not (tmp_path / "none").exists()
    shallow = trained(vocabulary, tmp_path / "shallow", num_hidden_layers=1)
    assert export_transformers(shallow, tmp_path / "one").config["num_hidden_layers"] == 1


def test_tinybert_is_bert_but_for_texts(vocabulary: Vocabulary, tmp_path: Path) -> None:
    source = trained(vocabulary, tmp_path / "tokens", "token_cls", "tinybert")
    written = export_transformers(source, tmp_path / "out")
    assert written.config["architectures"] == ["BertForTokenClassification"] and written.left_out == ()
    own, back = (load_model(str(path), task="token_cls") for path in (source, tmp_path / "out"))
    state = {name.replace("tinybert.", "bert."): value for name, value in weights_of(own).items()}
    assert same(state, weights_of(back))
    with pytest.raises(ModelError, match="TinyBERT's head for texts has a ReLU before it in PaddleNLP"):
        as_transformers(trained(vocabulary, tmp_path / "texts", "seq_cls", "tinybert"))


@pytest.mark.parametrize("family", ["ernie_gram", "roformerv2"])
def test_families_that_transformers_has_not(family: str, vocabulary: Vocabulary, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json: transformers has no \S+ models: it cannot be written"):
        as_transformers(trained(vocabulary, tmp_path, family=family, embedding_size=32))


@pytest.mark.parametrize(
    ("family", "changes", "reason"),
    [
        ("bert", {"pool_act": "relu"}, "pool_act is 'relu'"),
        ("ernie", {"use_task_id": True, "task_id": 1}, "task_id is 1"),
        ("ernie", {"hidden_act": "mish"}, "hidden_act 'mish' is not known to be the same"),
        ("ernie", {"architectures": ["ErnieModel"]}, r"its architectures \(ErnieModel\) name no head of a task"),
        ("ernie", {"architectures": ["ErnieForTokenClassification"], "id2label": {"0": "O"}}, "3 outputs, .* names 1"),
        ("ernie", {"vocab_size": 10}, r"vocab_size is 10, the vocabulary has [0-9,]+ tokens"),
        (
            "ernie",
            {"num_hidden_layers": 3},
            r"no weight for 'ernie\.encoder\.layer\.2\.\S+query\.weight'",
        ),
        ("ernie", {"type_vocab_size": 5}, r"has shape \[16, 32\], not \[5, 32\]"),
    ],
)
def test_what_transformers_would_compute_otherwise_is_refused(
    family: str, changes: dict[str, Any], reason: str, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    source = trained(vocabulary, tmp_path, family=family)
    (source / "config.json").write_text(json.dumps({**config_of(source), **changes}), encoding="utf-8")
    with pytest.raises(ModelError, match=reason):
        as_transformers(source)


def test_weights_of_other_parts_are_left_out_and_named(vocabulary: Vocabulary, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    source = trained(vocabulary, tmp_path)
    (source / "model_state.pdparams").unlink()
    path = source / "model_state.safetensors"
    save_file({**load_file(str(path)), "cls.predictions.bias": np.zeros(2, np.float32)}, str(path))
    assert as_transformers(source).left_out == ("cls.predictions.bias",)


def test_earlier_files_are_not_replaced_unasked(vocabulary: Vocabulary, tmp_path: Path) -> None:
    source = trained(vocabulary, tmp_path / "source")
    for place in (source, trained(vocabulary, tmp_path / "other", "qa")):
        with pytest.raises(ConfigError, match="holds a trained model: give another place"):
            export_transformers(source, place, overwrite=True)
    target = tmp_path / "out"
    export_transformers(source, target)
    (target / "README.md").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="holds a model already"):
        export_transformers(source, target)
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    with pytest.raises(ModelError):
        export_transformers(tmp_path / "nowhere", target, overwrite=True)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    export_transformers(tmp_path / "other", target, overwrite=True)
    assert config_of(target)["architectures"] == ["ErnieForQuestionAnswering"]
    assert (target / "README.md").read_text(encoding="utf-8") == "mine"


def test_the_command(vocabulary: Vocabulary, tmp_path: Path) -> None:
    trained(vocabulary, tmp_path / "model")

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        code = "import sys; from ernie_toolkit.commands.app import main; main(); sys.exit('paddle' in sys.modules)"
        command = [sys.executable, "-c", code, "export-hf", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    done = call("model", "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "out: ErnieForSequenceClassification, 2 layers, hidden 32, 64 neurons, "
        f"{len(vocabulary.tokens):,} tokens, 3 labels",
        "load it: transformers.AutoModelForSequenceClassification.from_pretrained('out')",
    ]
    files = ["config.json", "model.safetensors", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [*files, "vocab.txt"]
    for words, reason in (
        (("model", "out"), "--overwrite_output_dir"),
        (("nowhere", "out2"), "nowhere: no such model directory"),
        (("model",), "required: OUTPUT"),
    ):
        done = call(*words)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and reason in done.stderr
    assert load_model(str(tmp_path / "out"), PAIRS).notices != ()  # its labels are others, which is said


NAMES = st.sampled_from(
    [
        *(f"embeddings.{name}_embeddings.weight" for name in ("word", "position", "token_type", "task_type")),
        "embeddings.layer_norm.weight",
        "embeddings.layer_norm.bias",
        "pooler.dense.weight",
        "pooler.dense.bias",
        *(
            f"encoder.layers.{layer}.{part}.{kind}"
            for layer in (0, 1, 10, 11)
            for part in (
                *(f"self_attn.{name}_proj" for name in ("q", "k", "v", "out")),
                *("norm1", "linear1", "linear2", "norm2"),
            )
            for kind in ("weight", "bias")
        ),
    ]
)


@given(
    names=st.lists(NAMES, unique=True),
    prefix=st.sampled_from(["bert", "ernie"]),
    head=st.sampled_from(["sequence", "token", "span", "choice"]),
    dtype=st.sampled_from(["f4", "f2", "f8"]),
)
@settings(deadline=None)
def test_names_go_there_and_back(names: list[str], prefix: str, head: str, dtype: str) -> None:
    full = [f"{prefix}.{name}" for name in ("encoder.layers.0.self_attn.q_proj.weight", *names)]
    full = [*dict.fromkeys(full), "classifier.weight", "classifier.bias"]
    draw = np.random.default_rng(1)
    state = {
        name: draw.normal(size=(4, 3) if name.endswith("weight") and "norm" not in name else 3).astype(dtype)
        for name in full
    }
    theirs = transformers_names(full, prefix, prefix, head)
    there = {theirs[name]: turned(name, value) for name, value in state.items()}
    assert len(there) == len(full) and ("qa_outputs.bias" in there) == (head == "span")
    assert same(with_paddle_names(there, Path("model.safetensors")), state)
