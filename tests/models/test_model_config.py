"""config.json of a model: values of odd kinds, and sizes that the weights file beside it cannot have."""

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ernie_toolkit.errors import ModelError
from ernie_toolkit.models import check_model_directory, load_model
from ernie_toolkit.models.config import (
    check_weights_size,
    model_labels,
    model_task,
    model_thresholds,
    read_model_config,
)


@pytest.fixture
def copy(model_dir: Path, tmp_path: Path) -> Path:
    """A copy of a trained model to change."""
    return Path(shutil.copytree(model_dir, tmp_path / "model", ignore=shutil.ignore_patterns("export")))


def edit(directory: Path, **changes: Any) -> None:
    """Change values of config.json."""
    path = directory / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architectures": 1}, "architectures is 1: it must be a list of texts"),
        ({"architectures": [1]}, "architectures is .1.: it must be"),
        ({"architectures": "ErnieForSequenceClassification"}, "architectures is 'Ernie.*: it must be a list"),
        ({"id2label": "x"}, "id2label is 'x': it must be an object"),
        ({"id2label": ["0", "1"]}, "id2label is"),
        ({"id2label": {"a": "0"}}, "id2label does not number the labels from 0 on"),
        ({"id2label": {"0": "0", "2": "1"}}, "id2label does not number"),
        ({"id2label": {"0": 0, "1": 1}}, "id2label is .*: it must be an object of numbers to texts"),
        ({"label2id": [1]}, "label2id is"),
        ({"label2id": {"0": "0"}}, "label2id is"),
        ({"vocab_size": "many"}, "vocab_size is 'many': it must be a whole number"),
        ({"vocab_size": 1e3}, "vocab_size is 1000.0: it must be a whole number"),
        ({"vocab_size": None}, "vocab_size is None"),
        ({"vocab_size": True}, "vocab_size is True"),
        ({"hidden_size": -1}, "hidden_size is -1: it must be at least 1"),
        ({"hidden_size": 10**30}, "hidden_size is .*: it must be at most"),
        ({"hidden_size": 33}, "hidden_size is 33: it must be a multiple of num_attention_heads, 4"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000: it must be at most 1,000"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"hidden_dropout_prob": 2}, "hidden_dropout_prob is 2: it must lie between 0 and 1"),
        ({"layer_norm_eps": "x"}, "layer_norm_eps is 'x'"),
        ({"thresholds": 0.5}, "thresholds is 0.5: it must be a list"),
        ({"thresholds": [0.5, "x"]}, "thresholds has 'x'"),
        ({"thresholds": [0.5]}, "thresholds has 1 values for 2 labels"),
        ({"model_type": ["ernie"]}, "model_type is"),
        ({"use_task_id": "yes"}, "use_task_id is 'yes'"),
    ],
)
def test_values_of_odd_kinds(copy: Path, changes: dict[str, Any], message: str) -> None:
    edit(copy, **changes)
    for read in (check_model_directory, model_task, model_labels, model_thresholds, lambda path: load_model(str(path))):
        with pytest.raises(ModelError, match=rf"config\.json: {message}.*: write or copy it again$") as caught:
            read(copy)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("changes", [{"hidden_act": "nothing"}, {"hidden_act": None}, {"pad_token_id": 10**6}])
def test_values_that_paddle_cannot_build_a_model_of(copy: Path, changes: dict[str, Any]) -> None:
    edit(copy, **changes)
    with pytest.raises(ModelError, match=r"config\.json") as caught:
        load_model(str(copy))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"vocab_size": 10**8},
        {"hidden_size": 10**6},
        {"intermediate_size": 10**8},
        {"num_hidden_layers": 1000},
        {"max_position_embeddings": 10**8},
        {"type_vocab_size": 10**8},
    ],
)
def test_sizes_that_the_weights_file_cannot_have(copy: Path, changes: dict[str, Any]) -> None:
    edit(copy, **changes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match=r"cannot hold the .* weights of the model that config.json describes"):
        load_model(str(copy))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


def test_sizes_of_pruned_and_half_precision_models(tmp_path: Path) -> None:
    config = {
        "hidden_size": 768,
        "num_hidden_layers": 6,
        "intermediate_size": 3072,
        "vocab_size": 40_000,
        "max_position_embeddings": 2048,
        "type_vocab_size": 4,
        "num_attention_heads": 12,
    }
    weights = tmp_path / "w"
    weights.write_bytes(b"")
    for size, changes in ((150_000_000, {}), (60_000_000, {"pruned_num_attention_heads": 1})):
        with weights.open("r+b") as stream:
            stream.truncate(size)
        check_weights_size({**config, **changes}, weights, weights.stat().st_size)


def test_what_is_not_known_stays(copy: Path) -> None:
    edit(copy, something={"a": [1]}, thresholds=None, paddlenlp_version=None)
    assert read_model_config(copy / "config.json")["something"] == {"a": [1]}
    assert load_model(str(copy)).fresh == ()


def test_the_script_says_it_in_one_line(root: Path, copy: Path) -> None:
    edit(copy, id2label={"0": "x", "1": 7})
    done = subprocess.run(
        [sys.executable, "run_seq_cls.py", "--do_eval", "--model_name_or_path", str(copy), "--data_source", "sample"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and done.stderr.startswith("run_seq_cls.py: error: ") and done.stderr.count("\n") == 1
