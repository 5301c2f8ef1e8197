"""Grids: what the published file says, every combination once, one name for the same settings."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_toolkit.clue_benchmark.grid import (
    CLUE_DATASETS,
    FURTHER_DATASETS,
    DatasetGrid,
    chosen_datasets,
    read_grid,
    training_settings,
    with_dropouts,
)
from ernie_toolkit.clue_benchmark.trials import trial_name
from ernie_toolkit.errors import ConfigError

TRIALS = {
    **{"afqmc": 12, "tnews": 12, "iflytek": 24, "cmnli": 12, "ocnli": 12, "cluewsc2020": 32, "csl": 12},
    **{"cmrc2018": 6, "chid": 6, "c3": 6},
}
EPOCHS = {
    **{"afqmc": 3, "tnews": 3, "iflytek": 3, "cmnli": 2, "ocnli": 5, "cluewsc2020": 50, "csl": 5},
    **{"cmrc2018": 2, "chid": 3, "c3": 8},
}
LENGTHS = {"csl": 256, "cmrc2018": 512, "c3": 512, "chid": 64}
VALUES = st.dictionaries(
    st.sampled_from(["learning_rate", "per_device_train_batch_size", "weight_decay", "dropout"]),
    st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple),
    min_size=1,
)


def test_the_published_grids(root: Path) -> None:
    grids = read_grid(root / "clue" / "grid.yml", (*CLUE_DATASETS, *FURTHER_DATASETS))
    assert {name: len(grids[name].combinations) for name in CLUE_DATASETS} == TRIALS
    for name in CLUE_DATASETS:
        settings = training_settings(grids[name], -1)
        assert settings["num_train_epochs"] == EPOCHS[name]
        assert settings["warmup_ratio"] == (0.06 if name == "chid" else 0.1)
        assert settings["max_seq_length"] == LENGTHS.get(name, 128)
    assert grids["cluewsc2020"].values["per_device_train_batch_size"] == (8, 16, 32, 64)
    assert grids["iflytek"].values["dropout"] == (0.1, 0.0)
    assert grids["c3"].values["learning_rate"] == (1e-5, 2e-5, 3e-5)


def test_dropout_stands_for_both() -> None:
    assert with_dropouts({"dropout": 0.0, "learning_rate": 1e-5}) == {
        "learning_rate": 1e-5,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }


def test_names_of_data_sets() -> None:
    assert chosen_datasets(["all"]) == CLUE_DATASETS
    assert chosen_datasets(["c3", "TNEWS", "wsc", "tnews"]) == ("tnews", "cluewsc2020", "c3")
    assert chosen_datasets(["all", "msra_ner"]) == (*CLUE_DATASETS, "msra_ner")
    with pytest.raises(ConfigError, match="'glue' has no grid: use all"):
        chosen_datasets(["glue"])


@given(VALUES)
def test_every_combination_once(values: dict[str, tuple[int, ...]]) -> None:
    found = DatasetGrid("tnews", {}, values).combinations
    assert len(found) == math.prod(len(set(items)) for items in values.values())
    assert len({tuple(item.items()) for item in found}) == len(found)
    for name, items in values.items():
        assert {item[name] for item in found} == set(items)


@given(VALUES, st.randoms())
def test_the_same_settings_have_one_name_in_any_order(values: dict[str, Any], random: Any) -> None:
    keys = list(values)
    random.shuffle(keys)
    other = {key: values[key] for key in keys}
    assert trial_name({"seed": 1, **values}, {"a": values}) == trial_name({**other, "seed": 1}, {"a": other})
    assert trial_name(values, {"a": values, "b": 1}) != trial_name(values, {"a": values, "b": 2})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {datasets: {tnews: {grid: {learning_rate: 1e-5}}}}", "must be a list of values"),
        ("a: {datasets: {tnews: {grid: {learning_rate: []}}}}", "must be a list of values"),
        ("a: {datasets: {tnews: {grid: {learning_rate: [fast]}}}}", "must be a number"),
        ("a: {datasets: {tnews: {grid: {learning_rate: [-1]}}}}", "learning_rate"),
        ("a: {datasets: {tnews: {grid: {rate: [1]}}}}", "no option of a trial"),
        ("a: {datasets: {tnews: {grid: {seed: [1]}}}}", "no option of a trial"),
        ("a: {datasets: {tnews: {settings: {num_train_epochs: 1}}}}", "no grid of values for tnews"),
        ("a: {datasets: {glue: {grid: {learning_rate: [1e-5]}}}}", "'glue' has no grid"),
        ("a: {datasets: {all: {grid: {learning_rate: [1e-5]}}}}", "no data set"),
        ("a: {grids: {}}", "unknown key 'grids'"),
        ("a: [1]", "must be a mapping"),
        ("[1]", "must be a mapping"),
        ("a: {grid: {learning_rate: [1e-5]}, datasets: {tnews: }}\nb: {datasets: {tnews: }}", "stands there twice"),
        ("a: {datasets: {tnews: {grid: {dropout: [0.1]}, settings: {dropout: 0.1}}}}", ""),
        ("a: {grid: {learning_rate: [1e-5]}, datasets: {afqmc: }}", "no grid for tnews"),
    ],
)
def test_files_that_are_no_grids(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "grid.yml").write_text(text, encoding="utf-8")
    if not message:
        read_grid(tmp_path / "grid.yml", ["tnews"])
        return
    with pytest.raises(ConfigError, match=message) as caught:
        read_grid(tmp_path / "grid.yml", ["tnews"])
    assert "\n" not in str(caught.value)
