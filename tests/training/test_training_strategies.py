"""When a run evaluates, saves and logs, which weights it ends with, and going on from a checkpoint of one's choice."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import PAIRS, make_tiny_model

from ernie_toolkit.data import DataSet
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.models import Vocabulary
from ernie_toolkit.session import Session
from ernie_toolkit.training.chosen_checkpoint import SET_ASIDE, find_checkpoint, resumes, resumes_in_place
from ernie_toolkit.training.options import STRATEGIES, TrainingOptions
from ernie_toolkit.training.plan import plan_notices, planned_steps

OPTIONS = TrainingOptions(
    learning_rate=5e-3,
    max_steps=12,
    per_device_train_batch_size=16,
    save_steps=4,
    max_seq_length=48,
    disable_tqdm=True,
    report_to="none",
    logging_steps=2,
)
BARE = dataclasses.replace(OPTIONS, save_steps=0, logging_steps=0)


@pytest.fixture
def session(vocabulary: Vocabulary, afqmc_sample: DataSet) -> Session:
    """A new tiny model on the sample."""
    return Session(make_tiny_model(vocabulary, ("0", "1")), afqmc_sample, PAIRS)


def run(session: Session, run_dir: Path, options: TrainingOptions, **more: Any) -> Any:
    return session.train(options, run_dir, **more)


def run_anew(vocabulary: Vocabulary, sample: DataSet, run_dir: Path, options: TrainingOptions, **more: Any) -> Any:
    """Train a new model whose parameters have the names that they would have in a process of their own."""
    import paddle

    with paddle.utils.unique_name.guard():
        return run(Session(make_tiny_model(vocabulary, ("0", "1")), sample, PAIRS), run_dir, options, **more)


def steps(result: Any, key: str) -> list[int]:
    return [entry["step"] for entry in result.history if key in entry]


@given(st.sampled_from(("", *STRATEGIES)), st.sampled_from(("", *STRATEGIES)))
def test_one_strategy_stands_in_for_the_other(evaluation: str, save: str) -> None:
    options = TrainingOptions(evaluation_strategy=evaluation, save_strategy=save)
    settled = options.strategies
    assert settled[0] == evaluation or (not evaluation and settled[0] == {"no": "steps", "": "steps"}.get(save, save))
    assert settled[1] == save or (not save and settled[1] == {"no": "steps", "": "steps"}.get(evaluation, evaluation))
    assert options.keeps_best == ("no" not in (evaluation, save))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, (30, 8, 8, 1)),
        ({"evaluation_strategy": "epoch"}, (30, 10, 10, 1)),
        ({"save_strategy": "epoch", "evaluation_strategy": "epoch", "logging_strategy": "epoch"}, (30, 10, 10, 10)),
        ({"evaluation_strategy": "steps", "eval_steps": 5, "save_strategy": "epoch"}, (30, 5, 10, 1)),
        ({"evaluation_strategy": "no"}, (30, 0, 8, 1)),
        ({"save_strategy": "no"}, (30, 8, 0, 1)),
        ({"save_strategy": "no", "eval_steps": 3}, (30, 3, 0, 1)),
        ({"eval_steps": 7}, (30, 7, 7, 1)),
        ({"save_steps": 6}, (30, 6, 6, 1)),
        ({"logging_strategy": "no", "evaluation_strategy": "no", "save_strategy": "no"}, (30, 0, 0, 0)),
        ({"eval_steps": 3, "save_steps": 4, "load_best_model_at_end": False}, (30, 3, 4, 1)),
    ],
)
def test_the_plan_of_a_run(settings: dict[str, Any], expected: tuple[int, ...]) -> None:
    options = dataclasses.replace(BARE, max_steps=-1, num_train_epochs=3.0, **settings)
    assert dataclasses.astuple(planned_steps(160, 1, options)) == expected


def test_strategies_that_never_meet() -> None:
    options = dataclasses.replace(BARE, evaluation_strategy="epoch", save_strategy="steps", save_steps=4)
    with pytest.raises(ConfigError, match="checkpoints every 4 steps and evaluations every 10: none can be the best"):
        planned_steps(160, 1, options)
    planned_steps(160, 1, dataclasses.replace(options, load_best_model_at_end=False))


def test_what_is_said_in_vain() -> None:
    assert plan_notices(OPTIONS) == []
    said = dataclasses.replace(OPTIONS, save_strategy="epoch", logging_strategy="no")
    assert plan_notices(said) == [
        "`save_steps` is for `save_strategy` steps, and it is epoch: left out",
        "`logging_steps` is for `logging_strategy` steps, and it is no: left out",
    ]
    (line,) = plan_notices(dataclasses.replace(BARE, save_strategy="no"))
    assert line == "`save_strategy` no: there is no best checkpoint, the model is that of the last step"
    assert plan_notices(dataclasses.replace(BARE, save_strategy="no", load_best_model_at_end=False)) == []


def test_each_epoch(session: Session, tmp_path: Path) -> None:
    options = dataclasses.replace(
        BARE,
        max_steps=-1,
        num_train_epochs=2.0,
        evaluation_strategy="epoch",
        logging_strategy="epoch",
        per_device_train_batch_size=64,
        logging_first_step=True,
    )
    result = run(session, tmp_path, options)
    assert (result.steps, steps(result, "eval_loss"), steps(result, "loss")) == (8, [4, 8], [1, 4, 8])
    assert {path.name for path in (tmp_path / "checkpoints").glob("checkpoint-*")} == {
        f"checkpoint-{result.best_step}",
        "checkpoint-8",
    }


def test_the_last_steps_weights(session: Session, tmp_path: Path) -> None:
    options = dataclasses.replace(OPTIONS, save_total_limit=3, load_best_model_at_end=False)
    result = run(session, tmp_path, options)
    assert (result.best_step, result.steps) == (12, 12)
    import paddle

    saved = paddle.load(str(tmp_path / "checkpoints" / "checkpoint-12" / "model_state.pdparams"))
    for name, value in session.loaded.model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), saved[name].numpy(), name)
    last = [entry for entry in result.history if "eval_loss" in entry][-1]
    assert last["step"] == 12 and result.metrics["loss"] == last["eval_loss"]


@pytest.mark.parametrize("settings", [{"save_strategy": "no"}, {"evaluation_strategy": "no", "save_strategy": "no"}])
def test_without_checkpoints(session: Session, tmp_path: Path, settings: dict[str, str]) -> None:
    result = run(session, tmp_path, dataclasses.replace(BARE, max_steps=4, eval_steps=0, **settings))
    assert steps(result, "eval_loss") == ([4] if "evaluation_strategy" in settings else [1, 2, 3, 4])
    assert not list((tmp_path / "checkpoints").glob("checkpoint-*")) and result.best_step == 4
    assert session.evaluate(64) == pytest.approx(result.metrics, abs=1e-6)


def test_without_evaluations_but_the_last(session: Session, tmp_path: Path) -> None:
    options = dataclasses.replace(OPTIONS, evaluation_strategy="no", max_steps=6, save_steps=3, save_total_limit=5)
    result = run(session, tmp_path, options)
    assert (steps(result, "eval_loss"), result.best_step) == ([6], 6)
    assert {path.name for path in (tmp_path / "checkpoints").glob("checkpoint-*")} == {"checkpoint-3", "checkpoint-6"}


def test_where_curves_go(session: Session, tmp_path: Path) -> None:
    options = dataclasses.replace(
        OPTIONS, max_steps=2, save_steps=2, report_to="all", logging_dir=str(tmp_path / "curves")
    )
    run(session, tmp_path / "run", options)
    assert list((tmp_path / "curves").iterdir()) and not (tmp_path / "run" / "runs").exists()


@pytest.mark.parametrize("kind", ["cosine", "polynomial"])
def test_the_course_of_the_learning_rate(session: Session, tmp_path: Path, kind: str) -> None:
    options = dataclasses.replace(
        OPTIONS,
        lr_scheduler_type=kind,
        num_cycles=1.0,
        lr_end=1e-3,
        power=2.0,
        logging_steps=1,
        max_steps=4,
        save_steps=4,
    )
    rates = [entry["learning_rate"] for entry in run(session, tmp_path, options).history if "learning_rate" in entry]
    done = np.arange(1, 5) / 4  # of the run, when a step's line is written: the next step's rate
    expected = (
        5e-3 * 0.5 * (1 + np.cos(2 * np.pi * done)) if kind == "cosine" else (5e-3 - 1e-3) * (1 - done) ** 2 + 1e-3
    )
    np.testing.assert_allclose(rates, expected, rtol=1e-5, atol=1e-9)


def test_going_on_from_an_earlier_checkpoint(
    vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = dataclasses.replace(OPTIONS, save_total_limit=5)
    whole = run_anew(vocabulary, afqmc_sample, tmp_path, options)
    chosen = tmp_path / "checkpoints" / "checkpoint-4"
    assert resumes(False, str(chosen), tmp_path, False)
    assert "checkpoint-8, checkpoint-12" in capsys.readouterr().err
    aside = tmp_path / "checkpoints" / SET_ASIDE
    assert {path.name for path in aside.iterdir()} == {"checkpoint-8", "checkpoint-12"}
    again = run_anew(vocabulary, afqmc_sample, tmp_path, options, resume=True)
    assert again.resumed_from_step == 4 and steps(again, "eval_loss") == [4, 8, 12]
    assert again.metrics == pytest.approx(whole.metrics, abs=1e-6) and again.best_step == whole.best_step


def test_going_on_elsewhere_from_another_runs_checkpoint(
    vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path
) -> None:
    options, one, two = dataclasses.replace(OPTIONS, save_total_limit=5), tmp_path / "one", tmp_path / "two"
    whole = run_anew(vocabulary, afqmc_sample, one, options)
    before = sorted(path.name for path in (one / "checkpoints").iterdir())
    assert resumes(False, str(one / "checkpoints" / "checkpoint-8"), two, False)
    again = run_anew(vocabulary, afqmc_sample, two, options, resume=True)
    assert again.resumed_from_step == 8 and again.metrics == pytest.approx(whole.metrics, abs=1e-6)
    assert sorted(path.name for path in (one / "checkpoints").iterdir()) == before
    with pytest.raises(ConfigError, match="holds another unfinished run"):
        resumes(False, str(one), two, False)
    assert resumes(False, str(one), two, True)
    with pytest.raises(ConfigError, match=r"learning_rate was 0\.005 and is 0\.001"):
        run_anew(vocabulary, afqmc_sample, two, dataclasses.replace(options, learning_rate=1e-3), resume=True)


def checkpoint(directory: Path, step: int, best: int | None = None) -> Path:
    path = directory / f"checkpoint-{step}"
    path.mkdir(parents=True)
    named = f"/gone/checkpoint-{best}" if best else None
    (path / "trainer_state.json").write_text(json.dumps({"best_model_checkpoint": named}), encoding="utf-8")
    return path


def test_checkpoints_that_are_none(tmp_path: Path) -> None:
    ten = checkpoint(tmp_path / "checkpoints", 10)
    checkpoint(tmp_path / "checkpoints", 9)
    assert find_checkpoint(str(ten)) == find_checkpoint(str(tmp_path)) == find_checkpoint(str(ten.parent)) == ten
    (tmp_path / "checkpoint-3").mkdir()
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("checkpoint-3", "has no trainer_state.json"),
        ("checkpoint-4", "is not there"),
        ("empty", "holds no checkpoint-N"),
        ("nowhere", "is not there"),
    ):
        with pytest.raises(ConfigError, match=f"`resume_from` .*{name}: {message}: give a checkpoint"):
            find_checkpoint(str(tmp_path / name))
    lost = checkpoint(tmp_path / "checkpoints", 12, best=7)
    with pytest.raises(ConfigError, match="checkpoint-7, the best one until then, is no longer beside it"):
        resumes(False, str(lost), tmp_path, False)


@pytest.mark.parametrize(
    ("text", "resume", "expected"),
    [
        ("", False, False),
        ("", True, True),
        ("true", False, True),
        ("True", False, True),
        ("false", True, True),
    ],
)
def test_resume_from_checkpoint_as_a_switch(text: str, resume: bool, expected: bool, tmp_path: Path) -> None:
    assert resumes(resume, text, tmp_path, False) is resumes_in_place(resume, text, tmp_path) is expected


def test_which_place_a_run_goes_on_in(tmp_path: Path) -> None:
    chosen = checkpoint(tmp_path / "one" / "checkpoints", 4)
    assert resumes_in_place(False, str(chosen), tmp_path / "one")
    assert resumes_in_place(False, str(tmp_path / "one"), tmp_path / "two" / ".." / "one")
    assert not resumes_in_place(True, str(chosen), tmp_path / "two")
    with pytest.raises(ConfigError, match="is not there"):
        resumes_in_place(True, str(tmp_path / "three"), tmp_path / "two")
