"""Pruning on the sample: what is returned is what was measured, loads, exports and resumes."""

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from compression_runs import TEACHER
from task_bundles import SETS
from tiny import PAIRS, TINY_SHAPE, make_tiny_model

from ernie_toolkit.compression.distillation.losses import SOFT_LOSSES, distillation_loss, observe
from ernie_toolkit.compression.pruning.elastic import cut_out, make_elastic, using
from ernie_toolkit.compression.pruning.prune import (
    check_sizes,
    depth_choices,
    importance_batches,
    model_slices,
    prune,
    pruned_directory,
    size_name,
)
from ernie_toolkit.compression.rows import session_rows
from ernie_toolkit.data import DataSet, load_dataset
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.models import LoadedModel, Vocabulary, copy_model, load_model
from ernie_toolkit.models.sizes import LayerSize, ModelSlice, Shares
from ernie_toolkit.models.slices import current_size, encoder_layers
from ernie_toolkit.session import Session
from ernie_toolkit.tasks import TASKS, MultipleChoice, QuestionAnswering, Task, TokenClassification
from ernie_toolkit.training import TrainingResult, predict_logits
from ernie_toolkit.training.options import TrainingOptions
from ernie_toolkit.training.selection import best_of

WIDTHS = (Shares(Fraction(3, 4)), Shares(Fraction(1, 2)))
BOTH = (0, 1)
OPTIONS = TrainingOptions(
    learning_rate=2e-3,
    max_steps=20,
    per_device_train_batch_size=16,
    save_steps=5,
    max_seq_length=48,
    disable_tqdm=True,
    report_to="none",
    logging_steps=10,
)


@pytest.fixture
def session(vocabulary: Vocabulary, afqmc_sample: DataSet) -> Session:
    """A tiny model that answers with conviction; what it answers counts as right: a teacher needs no more."""
    found = Session(make_tiny_model(vocabulary, ("0", "1"), **TEACHER), afqmc_sample, PAIRS)
    bias = found.loaded.model.classifier.bias
    bias.set_value(
        -np.median(predict_logits(found.loaded.model, found.encoded(afqmc_sample.split("train")), 32), axis=0)
    )
    return dataclasses.replace(found, data=dataclasses.replace(afqmc_sample, dev=answered(found, "dev")))


def answered(session: Session, split: str) -> list[dict[str, Any]]:
    """The examples of a split with the session's own answers for labels."""
    examples = session.data.split(split)  # type: ignore[arg-type]
    answers = session.predict(examples, 32)
    return [{**example, "label": answer.label} for example, answer in zip(examples, answers, strict=True)]


def pruned(
    session: Session, sizes: Sequence[Shares], options: TrainingOptions, directory: Path
) -> tuple[list[LoadedModel], TrainingResult]:
    """What `prune` makes of a session's model, a model of each size."""
    options = session.settled(options)
    rows = session_rows(session, options)
    slices = model_slices(session.loaded.model, sizes, depth_choices(session, rows, sizes, options))
    result = prune(session, rows, slices, options, directory)
    return [load_model(str(pruned_directory(directory, shares))) for shares in sizes], result


def task_session(vocabulary: Vocabulary, name: str) -> Session:
    """The same for the other tasks."""
    limits = {"train": 40, "dev": 20}
    data = load_dataset(SETS[name], data_source="sample", limits=limits)
    task: Task = QuestionAnswering(56, 16) if name == "qa" else TokenClassification(data.spec.labels, 48)
    task = MultipleChoice(48) if name == "multiple_choice" else task
    model = make_tiny_model(vocabulary, data.spec.labels or ("0", "1"), name, **TEACHER)
    return Session(model, data, task)


@pytest.mark.parametrize("task", SETS)
def test_elastic_sizes_compute_what_cut_models_compute(vocabulary: Vocabulary, session: Session, task: str) -> None:
    used = session if task == "seq_cls" else task_session(vocabulary, task)
    rows = used.encoded(used.data.split("dev")[:10])
    model = copy_model(used.loaded.model)
    before = np.concatenate([item.ravel() for item in predict_logits(model, rows, 5)])
    full = make_elastic(model)
    for size in (LayerSize(3, 48), LayerSize(2, 32), full):
        for layers in (BOTH, (0,), (1,)):
            part = ModelSlice(size, layers)
            with using(model, part):
                elastic = np.concatenate([item.ravel() for item in predict_logits(model, rows, 5)])
            small = cut_out(model, part)
            cut = np.concatenate([item.ravel() for item in predict_logits(small, rows, 5)])
            assert np.abs(elastic - cut).max() < 1e-5 and current_size(small) == size
            assert len(encoder_layers(small)) == small.config.num_hidden_layers == len(layers)
            assert (np.abs(elastic - before).max() < 1e-5) == (part == ModelSlice(full, BOTH))


def test_every_task_names_its_soft_loss() -> None:
    assert {task.soft_loss for task in TASKS.values()} == set(SOFT_LOSSES)


@pytest.mark.parametrize("task", SETS)
def test_a_model_has_nothing_to_learn_from_itself(vocabulary: Vocabulary, session: Session, task: str) -> None:
    used = session if task == "seq_cls" else task_session(vocabulary, task)
    rows = used.encoded(used.data.split("dev")[:6])
    model = used.loaded.model
    model.eval()
    batch = {name: paddle.to_tensor(value) for name, value in rows.collate(list(range(len(rows)))[:6]).items()}
    mask = batch["input_ids"] != model.config.pad_token_id
    soft_loss = SOFT_LOSSES[used.task.soft_loss]
    distillation_loss(observe(model, batch), observe(copy_model(model), batch), mask, soft_loss).backward()
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert float(parameter.grad.abs().max()) < 1e-5, name
    # Padding takes no part, whatever stands there.
    inputs = {name: batch[name] for name in ("input_ids", "token_type_ids")}
    longer = {name: paddle.concat([value, value[:, :3] * 0], axis=1) for name, value in inputs.items()}
    mask_longer = longer["input_ids"] != model.config.pad_token_id
    teacher, student = copy_model(model), cut_out(model, ModelSlice(LayerSize(2, 32), BOTH))
    short = distillation_loss(observe(student, batch), observe(teacher, batch), mask, soft_loss)
    long = distillation_loss(observe(student, longer), observe(teacher, longer), mask_longer, soft_loss)
    assert float(short) == pytest.approx(float(long), abs=1e-4)


def test_widths_are_trained_in_one_run(session: Session, tmp_path: Path) -> None:
    teacher = copy_model(session.loaded.model)
    rows = session.encoded(session.data.split("dev"))
    wanted = np.asarray(predict_logits(teacher, rows, 32))
    models, result = pruned(session, WIDTHS, OPTIONS, tmp_path)
    assert [current_size(loaded.model) for loaded in models] == [LayerSize(3, 48), LayerSize(2, 32)]
    assert result.steps == 20
    for loaded, shares in zip(models, WIDTHS, strict=True):
        assert loaded.fresh == ()
        logits = np.asarray(predict_logits(loaded.model, rows, 32))
        metrics = session.task.score(rows, logits, session.data.split("dev"))
        prefix = f"eval_{size_name(shares)}/"
        seen = [entry for entry in result.history if "eval_loss" in entry]
        best = seen[best_of(seen, "accuracy", prefix)]
        # Neither width disturbed the other.
        assert metrics == pytest.approx({name: best[prefix + name] for name in metrics}, abs=1e-5)
        assert len(seen) == 5 and best[prefix + "accuracy"] == max(entry[prefix + "accuracy"] for entry in seen)
        assert np.corrcoef(logits.ravel(), wanted.ravel())[0, 1] > 0.5
    assert [entry["step"] for entry in result.history if "eval_loss" in entry] == [0, 5, 10, 15, 20]
    means = [entry["eval_accuracy"] for entry in result.history if "eval_loss" in entry and entry["step"]]
    assert result.metrics["accuracy"] == pytest.approx(max(means))
    # Exported, it answers as in Paddle.
    small = dataclasses.replace(session, loaded=models[1])
    bundle = small.export(tmp_path / "export", 20, {"accuracy": 0.5}, trained=True)
    texts = session.task.inputs(session.data.split("dev"))
    expected = np.asarray(predict_logits(models[1].model, rows, 32))
    assert np.abs(np.asarray(Predictor(bundle.directory).logits(texts)) - expected).max() < 1e-4


def test_distillation_brings_a_small_model_nearer(session: Session, tmp_path: Path) -> None:
    """On the rows it is taught with: a teacher that knows nothing has nothing to say about others."""
    session = dataclasses.replace(session, data=dataclasses.replace(session.data, dev=answered(session, "train")))
    rows = session.encoded(session.data.split("train"))
    wanted = np.asarray(predict_logits(session.loaded.model, rows, 32))

    def distance(loaded: paddle.nn.Layer) -> float:
        return float(np.abs(np.asarray(predict_logits(loaded, rows, 32)) - wanted).mean())

    other = dataclasses.replace(session.loaded, model=copy_model(session.loaded.model))
    hardly = dataclasses.replace(OPTIONS, max_steps=1, save_steps=1, learning_rate=1e-6, metric_for_best_model="loss")
    first, _ = pruned(dataclasses.replace(session, loaded=other), WIDTHS[1:], hardly, tmp_path / "untrained")
    options = dataclasses.replace(OPTIONS, max_steps=80, save_steps=80, metric_for_best_model="loss")
    second, _ = pruned(session, WIDTHS[1:], options, tmp_path / "trained")
    assert distance(second[0].model) < 0.8 * distance(first[0].model)


def test_importance_batches_come_from_training_rows(session: Session) -> None:
    rows = session.encoded(session.data.split("train"))
    batches = importance_batches(rows, 16, 42, 3)
    assert len(batches) == 3 and all(batch["labels"].shape == (16,) for batch in batches)
    assert len(importance_batches(rows, 16, 42, 100)) == 13
    assert TINY_SHAPE["num_attention_heads"] == 4


def test_sizes_that_a_model_cannot_have(session: Session) -> None:
    half = Fraction(1, 2)
    check_sizes(session.loaded.model, (Shares(half), Shares(half, half), Shares(depth=half)))
    for sizes, message in (
        ((Shares(half), Shares(Fraction(1, 5))), "leaves 0 of 4 heads"),
        ((Shares(half), Shares(half, Fraction(1, 3))), "depth 1/3 leaves none of 2 layers: use 1/2 at least"),
        ((Shares(half, half), Shares(half, Fraction(2, 3))), "1/2 and 2/3 both leave 1 of 2 layers: give one of them"),
    ):
        with pytest.raises(ConfigError, match=message):
            check_sizes(session.loaded.model, sizes)
