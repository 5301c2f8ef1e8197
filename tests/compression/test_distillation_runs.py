"""Runs of several students: each as alone, cut off and resumed, refused."""

import dataclasses
from pathlib import Path

import pytest
from compression_runs import TRAINING, Halt, check_bundles, make_teacher
from distillation_runs import CUT, NAMES, NARROW, OPTIONS, SLICE, equal, run_distillation, weights_of
from tiny import PAIRS

from ernie_toolkit.compression.distillation.run import REPORT_NAME, DistillationRequest, check_places, distill_encoders
from ernie_toolkit.compression.report.model import read_report
from ernie_toolkit.data import DataSet, load_dataset
from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.models import LoadedModel, Vocabulary, load_model, save_model
from ernie_toolkit.session import Session
from ernie_toolkit.training.records import read_metrics

# Dropout draws, and gradients are clipped: nothing of it may depend on who else is there.
STRICT = dataclasses.replace(TRAINING, hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.2, max_grad_norm=0.05)
TEXTS = tuple((f"第{n}句话", f"第{n + 1}句话") for n in range(24))


def dropping(vocabulary: Vocabulary) -> LoadedModel:
    """A teacher whose students drop values while they learn."""
    loaded = make_teacher(vocabulary)
    loaded.model.config.hidden_dropout_prob = loaded.model.config.attention_probs_dropout_prob = 0.2
    return loaded


def test_students_learn_beside_others_as_they_do_alone(
    vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path
) -> None:
    students = (CUT, NARROW, SLICE)
    report = run_distillation(dropping(vocabulary), afqmc_sample, tmp_path / "all", students=students, training=STRICT)
    assert [item.name for item in report.candidates] == [NAMES[student] for student in students]
    assert [item.kept for item in report.candidates] == [True] * 3
    check_bundles(report, afqmc_sample, tmp_path / "all")
    assert read_report(tmp_path / "all" / f"{REPORT_NAME}.json") == report
    for student in students:
        run_distillation(
            dropping(vocabulary), afqmc_sample, tmp_path / "one" / student[:2], students=(student,), training=STRICT
        )
        name = NAMES[student]
        assert equal(weights_of(tmp_path / "all" / name), weights_of(tmp_path / "one" / student[:2] / name)), name


def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(
    vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ernie_toolkit.compression.distillation.online import OnlineTrainer

    values = {"stage": ("general", "task"), "unlabeled_file": "texts", "texts": TEXTS, "general_max_steps": 2}
    values |= {"assistant": "layers=2,hidden=32,heads=4", "every": 2, "general_learning_rate": 1e-3}
    loaded = dropping(vocabulary)
    report = run_distillation(loaded, afqmc_sample, tmp_path / "whole", training=STRICT, **values)  # type: ignore[arg-type]
    cut_off = tmp_path / "cut"
    step = OnlineTrainer.compute_loss

    def stopping(self: OnlineTrainer, *arguments: object, **more: object) -> object:
        if self.objective.soft_loss is not None and self.state.global_step == 3:
            raise Halt("killed")
        return step(self, *arguments, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(Halt):
        patch.setattr(OnlineTrainer, "compute_loss", stopping)
        run_distillation(dropping(vocabulary), afqmc_sample, cut_off, training=STRICT, **values)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="`resume`"):
        run_distillation(dropping(vocabulary), afqmc_sample, cut_off, training=STRICT, **values)  # type: ignore[arg-type]
    other = {**values, "temperature": 2.0}
    with pytest.raises(ConfigError, match="this is not the run"):
        run_distillation(dropping(vocabulary), afqmc_sample, cut_off, resume=True, training=STRICT, **other)  # type: ignore[arg-type]
    said: list[str] = []
    again = run_distillation(
        dropping(vocabulary),
        afqmc_sample,
        cut_off,
        resume=True,
        said=said,
        training=STRICT,
        **values,  # type: ignore[arg-type]
    )
    assert not any(line.startswith("general:") for line in said)
    assert [item.metrics for item in again.candidates] == [item.metrics for item in report.candidates]
    for item in report.candidates:
        assert equal(weights_of(tmp_path / "whole" / item.name), weights_of(cut_off / item.name)), item.name
    assert not (cut_off / "unfinished").exists()
    # A run that has ended is not made again.
    assert (
        run_distillation(dropping(vocabulary), afqmc_sample, cut_off, resume=True, training=STRICT, **values) == again
    )  # type: ignore[arg-type]


def test_kept_logits_train_as_computed_ones(vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path) -> None:
    training = dataclasses.replace(TRAINING, max_steps=16, save_steps=8)
    values = {"students": (CUT,), "hidden_weight": 0.0, "relation_weight": 0.0, "training": training}
    found = []
    for cached in (True, False):
        said: list[str] = []
        place = tmp_path / str(cached)
        report = run_distillation(
            make_teacher(vocabulary), afqmc_sample, place, said=said, cache_logits=cached, **values
        )  # type: ignore[arg-type]
        assert any("are computed once" in line for line in said) is cached
        found.append(report.candidates[0].metrics)
    # Weights without a gradient (biases of keys) go where rounding leads Adam: what is answered is the same.
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_texts_alone_train_encoders(vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path) -> None:
    values = {"stage": ("general",), "unlabeled_file": "texts", "general_max_steps": 2}
    options = dataclasses.replace(OPTIONS, **values)  # type: ignore[arg-type]
    loaded = make_teacher(vocabulary)
    session = Session(loaded, afqmc_sample, PAIRS)
    distill_encoders(session, DistillationRequest(options, TRAINING, tmp_path), TEXTS, lambda line: None)
    for student in (CUT, NARROW):
        made = load_model(str(tmp_path / NAMES[student]), ("0", "1"))
        assert "classifier.weight" in made.fresh
    assert not (tmp_path / "unfinished").exists()


@pytest.mark.parametrize(
    ("task_name", "dataset"), [("token_cls", "msra_ner"), ("qa", "cmrc2018"), ("multiple_choice", "c3")]
)
def test_other_tasks(task_name: str, dataset: str, vocabulary: Vocabulary, tmp_path: Path) -> None:
    data = load_dataset(dataset, data_source="sample", limits={"train": 40, "dev": 12})
    task = data.spec.task(48)
    loaded = make_teacher(vocabulary, task.labels, task_name)
    texts = ("第一句话里有北京", "第二句话") if task_name == "token_cls" else ()
    report = run_distillation(loaded, data, tmp_path, task, texts=texts, students=(CUT, NARROW))
    for item in report.candidates:
        assert item.method == "distilled" and read_metrics(tmp_path / item.name)["metrics"] == item.metrics
    check_bundles(report, data, tmp_path)


def test_a_student_with_weights_of_its_own(
    vocabulary: Vocabulary, afqmc_sample: DataSet, model_dir: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    run_distillation(make_teacher(vocabulary), afqmc_sample, tmp_path / "a", said=said, students=(str(model_dir),))
    assert any(f"weights of {model_dir}, its own head" in line for line in said)
    loaded = load_model(str(model_dir))
    fewer = dataclasses.replace(loaded.vocabulary, tokens=(*loaded.vocabulary.tokens[:-1], "[unlike]"))
    save_model(loaded.model, fewer, tmp_path / "other")
    with pytest.raises(ModelError, match=r"its vocabulary .* is not the teacher's"):
        run_distillation(make_teacher(vocabulary), afqmc_sample, tmp_path / "b", students=(str(tmp_path / "other"),))
    with pytest.raises(ConfigError, match="`relation_heads` 5 does not divide"):
        run_distillation(make_teacher(vocabulary), afqmc_sample, tmp_path / "c", relation_heads=5)


def test_models_of_others_are_not_written_over(
    vocabulary: Vocabulary, afqmc_sample: DataSet, model_dir: Path, tmp_path: Path
) -> None:
    own = load_model(str(model_dir))
    save_model(own.model, own.vocabulary, tmp_path / NAMES[CUT])
    before = (tmp_path / NAMES[CUT] / "model_state.pdparams").read_bytes()
    with pytest.raises(ConfigError, match="holds a model that no distillation there has made"):
        run_distillation(make_teacher(vocabulary), afqmc_sample, tmp_path)
    with pytest.raises(ConfigError, match="is read by this run, and would be written over"):
        run_distillation(make_teacher(vocabulary), afqmc_sample, tmp_path, students=(str(tmp_path / NAMES[CUT]),))
    with pytest.raises(ConfigError, match="is read by this run"):
        check_places(DistillationRequest(OPTIONS, TRAINING, tmp_path, overwrite=True), str(tmp_path / "teacher"))
    assert (tmp_path / NAMES[CUT] / "model_state.pdparams").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [NAMES[CUT]]
