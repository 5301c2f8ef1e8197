"""Trials on disk: their directories, what is reused, what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from clue_results import GRID

from ernie_toolkit.clue_benchmark.grid import read_grid
from ernie_toolkit.clue_benchmark.options import GridOptions, check_grid_options
from ernie_toolkit.clue_benchmark.search import report_plan
from ernie_toolkit.clue_benchmark.trials import (
    FAILURE_FILE,
    RESULT_FILE,
    Cell,
    failure_of,
    locked,
    plan_cells,
    read_trial,
    trial_options,
    write_failure,
    write_plan,
)
from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.files import write_json


def planned(directory: Path, text: str = GRID, **given: Any) -> list[Cell]:
    """The cells of a grid on the sample."""
    (directory / "grid.yml").write_text(text, encoding="utf-8")
    values = {"models": ("ernie-sample-nano",), "datasets": ("tnews", "afqmc"), "data_source": "sample", **given}
    options = check_grid_options(GridOptions(output_dir=str(directory / "results"), local=True, **values))
    return plan_cells(options, read_grid(directory / "grid.yml", options.datasets))


def test_the_same_plan_in_any_order(tmp_path: Path) -> None:
    first = planned(tmp_path, seeds=(1, 2))
    write_plan(first)
    second = planned(
        tmp_path, GRID.replace("1.0e-3, 3.0e-3", "3.0e-3, 1.0e-3"), seeds=(2, 1), datasets=("afqmc", "tnews")
    )
    names = [{trial.directory for cell in cells for trial in cell.trials} for cells in (first, second)]
    assert names[0] == names[1] and len(names[0]) == 8
    trial = read_trial(first[0].trials[0].directory)
    assert trial.description == first[0].trials[0].description and trial.state == "new"
    options = trial_options(trial.description)
    assert (options.learning_rate, options.seed, options.num_train_epochs) == (1e-3, 1, 1)


def test_a_wider_grid_reuses_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = planned(tmp_path)
    write_plan(before)
    for trial in before[0].trials:
        write_json(trial.directory / RESULT_FILE, {})
    now = planned(tmp_path, GRID.replace("1.0e-3, 3.0e-3", "3.0e-3, 5.0e-3"))
    report_plan(now)
    printed = capsys.readouterr().out
    assert "trials: 4 (1 finished before and reused, 3 new)" in printed
    assert "1 finished trials of another grid count too" in printed and now[0].others == [before[0].trials[0].directory]


@pytest.mark.parametrize(
    ("text", "given", "said"),
    [
        (GRID.replace("num_train_epochs: 1", "num_train_epochs: 2"), {}, "num_train_epochs was 1.0 and is 2.0"),
        (GRID, {"max_steps": 3}, "max_steps was -1 and is 3"),
        (GRID, {"max_train_samples": 5}, "max_samples was {} and is {'train': 5}"),
        (GRID.replace("_size: 16", "_size: 16, weight_decay: 0.5"), {}, "weight_decay was 0.01 and is 0.5"),
    ],
)
def test_other_settings_are_never_mixed(tmp_path: Path, text: str, given: dict[str, int], said: str) -> None:
    write_plan(planned(tmp_path))
    with pytest.raises(ConfigError, match=r"was begun with other settings \(") as caught:
        planned(tmp_path, text, **given)
    assert said in str(caught.value)


def test_models_of_one_name(tmp_path: Path, model_dir: Path) -> None:
    import shutil

    for folder in "ab":
        shutil.copytree(model_dir, tmp_path / folder / "tiny")
    with pytest.raises(ConfigError, match="have one name, tiny"):
        planned(tmp_path, models=(str(tmp_path / "a" / "tiny"), str(tmp_path / "b" / "tiny")))
    write_plan(planned(tmp_path, models=(str(tmp_path / "a" / "tiny"),)))
    with pytest.raises(ConfigError, match=r"model was .*a/tiny and is .*b/tiny"):
        planned(tmp_path, models=(str(tmp_path / "b" / "tiny"),))
    with pytest.raises(ModelError, match="no such model directory"):
        planned(tmp_path, models=("./nowhere",))


def test_options_that_do_not_go_together() -> None:
    for given, said in (
        ({"local": True, "ray_address": "auto"}, "runs without Ray"),
        ({"local": True, "early_stopping": "asha"}, "compares trials"),
        ({"data_source": "sample", "data_dir": "x"}, "takes no `data_dir`"),
        ({"device": "cpu", "gpus_per_trial": 1.0}, "`gpus_per_trial` over 0"),
        ({"seeds": ()}, "`seeds` is empty"),
    ):
        with pytest.raises(ConfigError, match=said):
            check_grid_options(GridOptions(**given))


def test_failures_are_one_line_and_forgotten_by_the_next_plan(tmp_path: Path) -> None:
    cells = planned(tmp_path)
    write_plan(cells)
    trial = cells[0].trials[0]
    write_failure(trial.directory, "out of\nmemory")
    assert failure_of(trial.directory) == "out of memory" and trial.state == "failed"
    assert json.loads((trial.directory / FAILURE_FILE).read_text(encoding="utf-8"))
    write_plan(cells)
    assert not failure_of(trial.directory) and trial.state == "new"


def test_a_lock_is_held_once(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "new" / "lock", "busy"),
        pytest.raises(ConfigError, match="busy"),
        locked(tmp_path / "new" / "lock", "busy", 0.3),
    ):
        pass
    with locked(tmp_path / "new" / "lock", "busy"):
        pass
