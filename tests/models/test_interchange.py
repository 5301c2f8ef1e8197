"""Models in the form of Hugging Face's transformers: names, shapes and answers."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny import PAIRS, make_tiny_model
from torch_writer import write_torch_file

from ernie_toolkit.errors import ModelError
from ernie_toolkit.models import (
    LoadedModel,
    Vocabulary,
    check_model_directory,
    copy_model,
    is_local,
    load_model,
    save_model,
)
from ernie_toolkit.models.checks import require_trained_head
from ernie_toolkit.models.families import FAMILIES, PUBLISHERS
from ernie_toolkit.models.interchange import with_paddle_names

PARTS = {
    "self_attn.q_proj": "attention.self.query",
    "self_attn.k_proj": "attention.self.key",
    "self_attn.v_proj": "attention.self.value",
    "self_attn.out_proj": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "linear1": "intermediate.dense",
    "linear2": "output.dense",
    "norm2": "output.LayerNorm",
}


def theirs(name: str, old: bool) -> str:
    """A weight's name in transformers."""
    found = re.fullmatch(r"(.*)encoder\.layers\.(\d+)\.(.*)\.(weight|bias)", name)
    if found:
        name = f"{found[1]}encoder.layer.{found[2]}.{PARTS[found[3]]}.{found[4]}"
    name = name.replace("layer_norm", "LayerNorm")
    if old and "LayerNorm" in name:
        name = name.replace(".weight", ".gamma").replace(".bias", ".beta")
    return name


def converted(source: Path, old: bool = False) -> Path:
    """A model directory with its weights as transformers has them, and no others."""
    state = load_file(str(source / "model_state.safetensors"))
    turned = {
        theirs(name, old): np.ascontiguousarray(value.T) if value.ndim == 2 and "embeddings" not in name else value
        for name, value in state.items()
    }
    turned["bert.embeddings.position_ids"] = np.arange(64)[None]
    for name in ("model_state.safetensors", "model_state.pdparams"):
        (source / name).unlink()
    save_file(turned, str(source / "model.safetensors"), metadata={"format": "pt"})
    return source


@pytest.mark.parametrize("family", ["bert", "ernie"])
@pytest.mark.parametrize("old", [False, True])
def test_weights_of_transformers_are_renamed_and_turned(
    family: str, old: bool, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    source = make_tiny_model(vocabulary, ("0", "1"), "seq_cls", family)
    save_model(source.model, vocabulary, tmp_path)
    loaded = load_model(str(converted(tmp_path, old)), PAIRS)
    assert (loaded.fresh, loaded.notices) == ((), ())
    expected = source.model.state_dict()
    for name, value in loaded.model.state_dict().items():
        assert np.array_equal(value.numpy(), expected[name].numpy()), name


def test_the_head_of_reading_comprehension_has_another_name_there(tmp_path: Path) -> None:
    names = ("bert.encoder.layer.0.attention.self.query.weight", "qa_outputs.weight", "qa_outputs.bias")
    state = {name: np.zeros((2, 32) if name.endswith("weight") else 2, np.float32) for name in names}
    found = with_paddle_names(state, tmp_path)
    assert found["classifier.weight"].shape == (32, 2) and found["classifier.bias"].shape == (2,)
    assert set(with_paddle_names({"ernie.x": state[names[0]]}, tmp_path)) == {"ernie.x"}


def tiny_directory(vocabulary: Vocabulary, directory: Path, task: str = "seq_cls", family: str = "bert") -> Path:
    """A tiny model in the form of transformers."""
    save_model(make_tiny_model(vocabulary, ("0", "1"), task, family).model, vocabulary, directory)
    return converted(directory)


def change_config(directory: Path, **values: Any) -> None:
    """Give a model's config.json other values; None takes a key away."""
    path = directory / "config.json"
    config = {**json.loads(path.read_text(encoding="utf-8")), **values}
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}), encoding="utf-8")


def same_weights(one: LoadedModel, other: LoadedModel) -> bool:
    """Whether two models have the same weights bit by bit."""
    expected, found = one.model.state_dict(), other.model.state_dict()
    return list(expected) == list(found) and all(
        np.array_equal(found[name].numpy(), value.numpy()) for name, value in expected.items()
    )


def test_a_pooler_may_be_missing_where_the_head_does_not_read_it_or_there_is_none(
    vocabulary: Vocabulary, tmp_path: Path
) -> None:
    for task in ("qa", "seq_cls"):
        path = tiny_directory(vocabulary, tmp_path, task) / "model.safetensors"
        state = {name: value for name, value in load_file(str(path)).items() if "pooler" not in name}
        save_file(state, str(path))
        if task == "qa":
            assert load_model(str(tmp_path), task=task).fresh == ()
        else:
            with pytest.raises(ModelError, match=r"no weight 'bert\.pooler\.dense\.weight'"):
                load_model(str(tmp_path), PAIRS)
    bare = {name: value for name, value in state.items() if not name.startswith("classifier")}
    save_file({**bare, "cls.predictions.bias": np.zeros(3, np.float32)}, str(path))
    change_config(tmp_path, architectures=["BertForMaskedLM"])
    loaded = load_model(str(tmp_path), PAIRS, seed=3)
    poolers = ("bert.pooler.dense.weight", "bert.pooler.dense.bias")
    assert loaded.fresh == (*poolers, "classifier.weight", "classifier.bias")
    assert loaded.notices == (f"{path}: no pooler in it: it starts anew, as the head does",)
    weight = loaded.model.bert.pooler.dense.weight.numpy()
    assert weight.std() > 0.01 and np.array_equal(
        weight, load_model(str(tmp_path), PAIRS, seed=3).model.bert.pooler.dense.weight.numpy()
    )
    with pytest.raises(ModelError, match="has no trained classifier for 2 labels"):
        require_trained_head(loaded, PAIRS)


@pytest.mark.parametrize("old", [False, True])
def test_a_pickle_of_pytorch_is_read(old: bool, vocabulary: Vocabulary, tmp_path: Path) -> None:
    directory = tiny_directory(vocabulary, tmp_path)
    expected = load_model(str(directory), PAIRS)
    state = load_file(str(directory / "model.safetensors"))
    (directory / "model.safetensors").unlink()
    write_torch_file(state, directory / "pytorch_model.bin", old)
    assert same_weights(load_model(str(directory), PAIRS), expected)
    half = {name: value.astype(np.float16) if value.dtype.kind == "f" else value for name, value in state.items()}
    write_torch_file(half, directory / "pytorch_model.bin", old)
    change_config(directory, dtype="float16")
    loaded = load_model(str(directory), PAIRS)
    assert loaded.model.config.dtype == "float32"
    assert np.array_equal(loaded.model.classifier.weight.numpy(), half["classifier.weight"].T.astype(np.float32))


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_model_in_several_files(name: str, vocabulary: Vocabulary, tmp_path: Path) -> None:
    directory = tiny_directory(vocabulary, tmp_path)
    expected = load_model(str(directory), PAIRS)
    state = load_file(str(directory / "model.safetensors"))
    (directory / "model.safetensors").unlink()
    stem, ending = name.split(".")
    files = [f"{stem}-0000{number}-of-00002.{ending}" for number in (1, 2)]
    places = {weight: files[number % 2] for number, weight in enumerate(state)}
    for file in files:
        part = {weight: value for weight, value in state.items() if places[weight] == file}
        if ending == "bin":
            write_torch_file(part, directory / file)
        else:
            save_file(part, str(directory / file))
    index = directory / f"{name}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}), encoding="utf-8")
    assert same_weights(load_model(str(directory), PAIRS), expected)
    index.write_text(json.dumps({"weight_map": {**places, "more": files[0]}}), encoding="utf-8")
    with pytest.raises(ModelError, match=r"index\.json: its files lack the weight 'more' \(1 missing\)"):
        load_model(str(directory), PAIRS)
    for other in ("../x." + ending, "x.other", "/etc/x." + ending):
        index.write_text(json.dumps({"weight_map": {**places, "more": other}}), encoding="utf-8")
        with pytest.raises(ModelError, match=r"index\.json: it names .*, which is no \.\w+ file beside it"):
            load_model(str(directory), PAIRS)
    index.write_text(json.dumps({"weight_map": places}), encoding="utf-8")
    (directory / files[1]).unlink()
    with pytest.raises(ModelError, match=rf"{files[1]}: not found, {name}\.index\.json names it"):
        load_model(str(directory), PAIRS)
    index.write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match="it has no weight_map of names to files"):
        load_model(str(directory), PAIRS)


def test_bfloat16_is_read_and_its_head_found_by_names(vocabulary: Vocabulary, tmp_path: Path) -> None:
    """The head's outputs are put in the order of the labels: the bits of bfloat16 are no numbers to be put anywhere."""
    directory = tiny_directory(vocabulary, tmp_path)
    change_config(directory, id2label={"0": "yes", "1": "no"}, label2id={"yes": 0, "no": 1})
    state = load_file(str(directory / "model.safetensors"))
    (directory / "model.safetensors").unlink()
    bits = {name: (value.view(np.uint32) >> 16).astype(np.uint16) for name, value in state.items() if value.ndim == 2}
    write_torch_file({**state, **bits}, directory / "pytorch_model.bin")
    loaded = load_model(str(directory), ("no", "yes"))
    rounded = (bits["classifier.weight"].astype(np.uint32) << np.uint32(16)).astype(np.uint32).view(np.float32)
    assert loaded.fresh == () and np.array_equal(loaded.model.classifier.weight.numpy(), rounded.T[:, ::-1])


def test_layer_norm_eps_of_ernie_is_computed_with(
    vocabulary: Vocabulary, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from paddle import nn

    directory = tiny_directory(vocabulary, tmp_path, family="ernie")
    load_model(str(directory), PAIRS)
    assert capsys.readouterr().err == ""
    change_config(directory, layer_norm_eps=1e-5)
    loaded = load_model(str(directory), PAIRS)
    assert "layer_norm_eps is 1e-05, which is computed with as in transformers" in capsys.readouterr().err
    save_model(loaded.model, vocabulary, tmp_path / "saved")
    for model in (loaded.model, copy_model(loaded.model), load_model(str(tmp_path / "saved"), PAIRS).model):
        assert {layer._epsilon for layer in model.sublayers() if isinstance(layer, nn.LayerNorm)} == {1e-5}
    change_config(directory, layer_norm_eps=None, is_decoder=True)
    with pytest.raises(ModelError, match=r"config\.json: is_decoder is true: this toolkit computes encoders"):
        load_model(str(directory), PAIRS)


@pytest.mark.parametrize(
    ("name", "local"),
    [
        ("ernie-3.0-medium-zh", False),
        ("uer/chinese-roberta-tiny", False),
        ("hfl/rbt3", True),
        ("uer/chinese-roberta-tiny/more", True),
        ("./uer", True),
        ("/uer/x", True),
    ],
)
def test_names_with_a_slash(name: str, local: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_local(name) == local
    (tmp_path / "uer" / "chinese-roberta-tiny").mkdir(parents=True)
    assert is_local("uer/chinese-roberta-tiny")
    with pytest.raises(ModelError, match="`hf download hfl/rbt3` fetches and prints"):
        check_model_directory(Path("hfl/rbt3"))
    with pytest.raises(ModelError, match="no such model directory: give a trained model"):
        check_model_directory(Path("uer/rbt3"))


def test_every_published_name_with_a_slash_has_its_publisher() -> None:
    names = [name for family in FAMILIES.values() for name in family.published_names() if "/" in name]
    assert names and {name.split("/")[0] for name in names} == set(PUBLISHERS)


def test_relative_positions_are_refused(vocabulary: Vocabulary, tmp_path: Path) -> None:
    save_model(make_tiny_model(vocabulary, ("0", "1"), "seq_cls", "bert").model, vocabulary, tmp_path)
    path = converted(tmp_path) / "model.safetensors"
    more = {"bert.encoder.layer.0.attention.self.distance_embedding.weight": np.zeros((3, 8), np.float32)}
    save_file({**load_file(str(path)), **more}, str(path))
    with pytest.raises(ModelError, match="relative positions"):
        load_model(str(tmp_path), PAIRS)


def test_a_broken_file_is_named(vocabulary: Vocabulary, tmp_path: Path) -> None:
    save_model(make_tiny_model(vocabulary, ("0", "1"), "seq_cls", "bert").model, vocabulary, tmp_path)
    path = converted(tmp_path) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ModelError, match=r"model\.safetensors: not a safetensors file that can be read"):
        load_model(str(tmp_path), PAIRS)
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["model_type"] == "bert"
    path.rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin: not a PyTorch file that can be read"):
        load_model(str(tmp_path), PAIRS)
