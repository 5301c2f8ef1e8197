"""Training for real: best checkpoint, resuming, stopping early, refusing what cannot be right."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from tiny import PAIRS, make_tiny_model
from training_runs import OPTIONS, run

from ernie_toolkit.console import with_flags
from ernie_toolkit.data import DataSet
from ernie_toolkit.errors import ConfigError, ToolkitError
from ernie_toolkit.models import Vocabulary
from ernie_toolkit.session import Session
from ernie_toolkit.text.dataset import EncodedDataset
from ernie_toolkit.training import discard_checkpoints, train
from ernie_toolkit.training.checkpoints import MANIFEST, last_checkpoint, missing_from, seal
from ernie_toolkit.training.chosen_checkpoint import find_checkpoint
from ernie_toolkit.training.options import TrainingOptions, check_training_options
from ernie_toolkit.training.plan import Plan, planned_steps
from ernie_toolkit.training.selection import best_of

METRICS = ("accuracy", "loss")


@pytest.fixture
def session(vocabulary: Vocabulary, afqmc_sample: DataSet) -> Session:
    """A new tiny model on the sample."""
    return Session(make_tiny_model(vocabulary, ("0", "1")), afqmc_sample, PAIRS)


def test_the_model_returned_is_the_best_one(session: Session, tmp_path: Path) -> None:
    result = run(session, tmp_path)
    evaluations = [entry for entry in result.history if "eval_loss" in entry]
    assert [entry["step"] for entry in evaluations] == [4, 8, 12]
    best = evaluations[best_of(evaluations, "accuracy", "eval_")]
    assert (result.best_step, result.metrics["accuracy"]) == (best["step"], best["eval_accuracy"])
    assert session.evaluate(64) == pytest.approx(result.metrics, abs=1e-6)
    checkpoints = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert set(checkpoints) == {"run.json", ".partial", f"checkpoint-{best['step']}", "checkpoint-12"}
    discard_checkpoints(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("accuracies", "losses", "best"),
    [
        ((0.5, 0.5, 0.5), (0.9, 0.6, 0.7), 8),
        ((0.5, 0.5, 0.5), (0.6, 0.6, 0.6), 12),
        ((0.5, 0.6, 0.6), (0.1, 0.9, 0.8), 12),
        ((0.7, 0.6, 0.7), (0.5, 0.1, 0.9), 4),
    ],
)
def test_ties_go_to_the_lower_loss_and_then_to_the_later_step(
    session: Session, tmp_path: Path, accuracies: tuple[float, ...], losses: tuple[float, ...], best: int
) -> None:
    figures = iter([{"accuracy": a, "loss": b} for a, b in zip(accuracies, losses, strict=True)])
    train_rows, dev_rows = (session.encoded(session.data.split(split)) for split in ("train", "dev"))
    options = session.settled(OPTIONS)
    result = train(session.loaded.model, train_rows, dev_rows, lambda _: next(figures), options, tmp_path)
    assert result.best_step == best and (tmp_path / "checkpoints" / f"checkpoint-{best}").is_dir()
    saved = sorted(path.name for path in (tmp_path / "checkpoints").glob("checkpoint-*"))
    assert saved == sorted({f"checkpoint-{best}", "checkpoint-12"})


def test_ranks_of_evaluations() -> None:
    assert best_of([{"f1": 0.3, "loss": 2.0}, {"f1": 0.3, "loss": 1.0}, {"f1": 0.2, "loss": 0.1}], "f1") == 1
    assert best_of([{"x/loss": 1.0}, {"x/loss": 0.5}, {"x/loss": 0.5}], "loss", "x/") == 2


def test_the_last_step_is_evaluated_wherever_it_falls(session: Session, tmp_path: Path) -> None:
    options = dataclasses.replace(OPTIONS, max_steps=5, save_steps=3)
    result = run(session, tmp_path, options)
    assert [entry["step"] for entry in result.history if "eval_loss" in entry] == [3, 5]


def test_stopping_early(session: Session, tmp_path: Path) -> None:
    options = dataclasses.replace(
        OPTIONS,
        max_steps=40,
        save_steps=2,
        early_stopping=True,
        early_stopping_patience=2,
        early_stopping_threshold=0.9,
    )
    result = run(session, tmp_path, options)
    assert result.steps == 6  # the first evaluation and two without a gain of 0.9


def test_an_interrupted_run_is_not_overwritten_unasked(session: Session, tmp_path: Path) -> None:
    run(session, tmp_path)
    with pytest.raises(ConfigError, match=r"unfinished run \(checkpoint-12\)"):
        run(session, tmp_path)
    with pytest.raises(ConfigError, match=r"learning_rate was 0\.005 and is 0\.001"):
        run(session, tmp_path, dataclasses.replace(OPTIONS, learning_rate=1e-3), resume=True)
    elsewhere = dataclasses.replace(session, data=dataclasses.replace(session.data, source="official"))
    with pytest.raises(ConfigError, match="data_source was sample and is official"):
        run(elsewhere, tmp_path, resume=True)
    rows = [{**row, "label": "0"} for row in session.data.split("train")]
    for changed, said in (
        (rows, "have changed (as many as before, 200, with"),
        (rows[:90], "are others (200, now 90)"),
    ):
        other = dataclasses.replace(session, data=dataclasses.replace(session.data, train=changed))
        with pytest.raises(ConfigError, match=re.escape(f"the training rows {said}")) as refused:
            run(other, tmp_path, resume=True)
        assert "give it what it had, or start anew with `overwrite`" in str(refused.value)
    (tmp_path / "checkpoints" / "run.json").unlink()
    with pytest.raises(ConfigError, match=r"run\.json is missing"):
        run(session, tmp_path, resume=True)
    result = run(session, tmp_path, dataclasses.replace(OPTIONS, max_steps=2), overwrite=True)
    assert result.steps == 2


def test_resuming_with_nothing_to_resume_starts(session: Session, tmp_path: Path) -> None:
    assert run(session, tmp_path, resume=True).resumed_from_step == 0


def test_a_loss_that_is_not_finite_stops_the_run(session: Session, tmp_path: Path) -> None:
    session.loaded.model.classifier.bias.set_value(np.full(2, np.inf, dtype=np.float32))
    with pytest.raises(ToolkitError, match="not finite after step 0"):
        run(session, tmp_path)


def test_sets_that_cannot_be_trained_on(session: Session, tmp_path: Path) -> None:
    rows = session.encoded(session.data.split("dev"))
    unlabelled = EncodedDataset(rows.features, rows.pad_id)
    with pytest.raises(ConfigError, match="one labelled dev row"):
        train(session.loaded.model, rows, unlabelled, lambda logits: {}, OPTIONS, tmp_path)
    with pytest.raises(ConfigError, match="`metric_for_best_model` f1: this task is measured by accuracy, loss"):
        run(session, tmp_path, dataclasses.replace(OPTIONS, metric_for_best_model="f1"))


def test_steps_of_a_run() -> None:
    options = TrainingOptions(per_device_train_batch_size=16)
    assert planned_steps(160, 1, options) == Plan(30, 8, 8, 1)
    assert planned_steps(161, 1, options) == Plan(33, 9, 9, 1)
    assert planned_steps(160, 2, options) == Plan(15, 4, 4, 1)
    assert planned_steps(160, 1, dataclasses.replace(options, gradient_accumulation_steps=2)) == Plan(15, 4, 4, 1)
    assert planned_steps(160, 1, dataclasses.replace(options, num_train_epochs=50.0)) == Plan(500, 10, 10, 12)


def test_processes_share_the_rows_of_an_epoch(session: Session) -> None:
    from ernie_toolkit.training.trainer import EpochBatchSampler

    rows = session.encoded(session.data.split("train"))
    shares = []
    for rank in (0, 1):
        sampler = EpochBatchSampler(rows, 16, 42, rank, 2, True)
        sampler.set_epoch(3)
        batches = list(sampler)
        assert len(batches) == len(sampler) == 7
        assert all(len(batch) == 16 for batch in batches)
        shares.append([row for batch in batches for row in batch])
    assert set(shares[0]) | set(shares[1]) == set(range(200))


def test_checkpoints_move_with_their_directory(session: Session, tmp_path: Path) -> None:
    first = run(session, tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    checkpoints = tmp_path / "moved" / "checkpoints"
    (checkpoints / "checkpoint-99").mkdir()  # not whole: it has no state
    state = (checkpoints / "checkpoint-12" / "trainer_state.json").read_bytes()
    second = run(session, tmp_path / "moved", resume=True)
    assert (second.steps, second.best_step, second.metrics) == (first.steps, first.best_step, first.metrics)
    assert (checkpoints / "checkpoint-12" / "trainer_state.json").read_bytes() == state


def test_a_run_that_had_ended_trains_no_further(session: Session, tmp_path: Path) -> None:
    """Cut off after its last checkpoint: nothing is trained again, and the model is the best one."""
    whole = run(session, tmp_path / "whole")
    weights = {name: value.numpy() for name, value in session.loaded.model.state_dict().items()}
    for value in session.loaded.model.state_dict().values():
        value.set_value(value * 0)
    again = run(session, tmp_path / "whole", resume=True)
    assert (again.steps, again.resumed_from_step) == (whole.steps, whole.steps)
    assert (again.best_step, again.metrics, again.history) == (whole.best_step, whole.metrics, whole.history[:-1])
    assert all(
        np.array_equal(value.numpy(), weights[name]) for name, value in session.loaded.model.state_dict().items()
    )


@pytest.mark.parametrize("damage", ["missing", "cut", "list"])
def test_a_checkpoint_counts_when_all_of_it_is_there(
    vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(resume: bool) -> None:
        with unique_name.guard():  # parameters are counted anew, as in a new process
            session = Session(make_tiny_model(vocabulary, ("0", "1")), afqmc_sample, PAIRS)
            run(session, tmp_path / "run", resume=resume)

    from paddle.utils import unique_name

    train(resume=False)
    last = tmp_path / "run" / "checkpoints" / "checkpoint-12"
    assert last_checkpoint(last.parent) == last and not missing_from(last)
    optimizer = last / "optimizer.pdopt"
    if damage == "missing":
        optimizer.unlink()
    elif damage == "cut":
        optimizer.write_bytes(optimizer.read_bytes()[:-1])
    else:
        (last / MANIFEST).write_text("[")
    assert missing_from(last)
    found = last_checkpoint(last.parent)
    assert found is not None and found.name != last.name
    with pytest.raises(ConfigError, match="optimizer.pdopt" if damage != "list" else MANIFEST):
        find_checkpoint(str(last))
    train(resume=True)
    assert f"notice: {last} has " in capsys.readouterr().err and not missing_from(last)


def test_a_run_without_its_best_checkpoint_is_not_gone_on_with(session: Session, tmp_path: Path) -> None:
    run(session, tmp_path, dataclasses.replace(OPTIONS, save_total_limit=5))
    last = tmp_path / "checkpoints" / "checkpoint-12"
    path = last / "trainer_state.json"
    state = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**state, "best_model_checkpoint": "moved/checkpoint-4"}), encoding="utf-8")
    seal(last)
    (tmp_path / "checkpoints" / "checkpoint-4" / "model_state.pdparams").unlink()
    with pytest.raises(ConfigError, match=r"checkpoint-4, the best one until then, has no model_state\.pdparams: copy"):
        run(session, tmp_path, dataclasses.replace(OPTIONS, save_total_limit=5), resume=True)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("per_device_train_batch_size", 0, "at least 1"),
        ("weight_decay", -0.1, "not be negative"),
        ("learning_rate", 0.0, "between 0 and 1"),
        ("learning_rate", float("nan"), "between 0 and 1"),
        ("max_steps", 0, "at least 1, or -1"),
        ("num_train_epochs", 0.0, "over 0"),
        ("max_seq_length", 4, "between 5 and 2048"),
        ("warmup_ratio", 1.5, "between 0 and 1"),
        ("warmup_ratio", float("nan"), "between 0 and 1"),
        ("hidden_dropout_prob", 1.0, "between 0 and 1"),
    ],
)
def test_settings_that_cannot_be_meant(name: str, value: float, message: str) -> None:
    options = dataclasses.replace(TrainingOptions(), **{name: value})
    with pytest.raises(ConfigError, match=message) as caught:
        check_training_options(options, METRICS)
    assert f"--{name}" in with_flags(str(caught.value))  # as a script prints it


def test_settings_that_exclude_each_other() -> None:
    for settings, message in (
        ({"fp16": True, "bf16": True}, "exclude each other"),
        ({"eval_steps": 4, "save_steps": 6}, "not a multiple"),
        ({"early_stopping": True, "evaluation_strategy": "no"}, "needs evaluations"),
        ({"lr_scheduler_type": "polynomial", "lr_end": 1.0}, "`lr_end`"),
    ):
        with pytest.raises(ConfigError, match=message):
            check_training_options(dataclasses.replace(TrainingOptions(), **settings), METRICS)
    check_training_options(TrainingOptions(), METRICS)
