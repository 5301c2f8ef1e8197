"""Models in the form of Hugging Face's transformers: names, shapes and answers."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny import PAIRS, make_tiny_model

from ernie_toolkit.errors import ModelError
from ernie_toolkit.models import Vocabulary, load_model, save_model
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


def test_a_pooler_may_be_missing_where_the_head_does_not_read_it(vocabulary: Vocabulary, tmp_path: Path) -> None:
    for task in ("qa", "seq_cls"):
        save_model(make_tiny_model(vocabulary, ("0", "1"), task, "bert").model, vocabulary, tmp_path)
        path = converted(tmp_path) / "model.safetensors"
        save_file({name: value for name, value in load_file(str(path)).items() if "pooler" not in name}, str(path))
        if task == "qa":
            assert load_model(str(tmp_path), task=task).fresh == ()
        else:
            with pytest.raises(ModelError, match=r"no weight 'bert\.pooler\.dense\.weight'"):
                load_model(str(tmp_path), PAIRS)


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
    with pytest.raises(ModelError, match=r"pytorch_model\.bin: a PyTorch pickle, which is not read: write it as"):
        load_model(str(tmp_path), PAIRS)
