"""What students learn: losses beside direct computation, relations between unequal heads, logits kept on disk."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from compression_runs import TRAINING, make_teacher
from distillation_runs import CUT, NARROW, SLICE
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import PAIRS, make_tiny_model

from ernie_toolkit.compression.distillation.options import DistillationOptions
from ernie_toolkit.compression.distillation.students import parse_students, relation_heads
from ernie_toolkit.compression.distillation.teacher_logits import LOGITS_FILE, logits_batch, teacher_logits
from ernie_toolkit.compression.distillation.texts import with_row_numbers
from ernie_toolkit.compression.rows import session_rows
from ernie_toolkit.data import DataSet, load_dataset
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.models import Vocabulary, copy_model
from ernie_toolkit.models.families import FAMILIES
from ernie_toolkit.models.slices import weights_checksum
from ernie_toolkit.session import Session
from ernie_toolkit.text.dataset import Batch

MASK = np.array([[True] * 5, [True, True, True, False, False]])


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def direct_relation_loss(student: np.ndarray, teacher: np.ndarray, heads: int) -> float:
    """Token by token, head by head."""
    losses = []
    for row, mask in enumerate(MASK):
        tokens = int(mask.sum())
        for head in range(heads):
            relations = []
            for states in (student, teacher):
                size = states.shape[-1] // heads
                part = states[row, :tokens, head * size : (head + 1) * size]
                relations.append(softmax(part @ part.T / math.sqrt(size)))
            ours, theirs = relations
            losses += [float((theirs[at] * np.log(theirs[at] / ours[at])).sum()) for at in range(tokens)]
    return float(np.mean(losses))


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_relations_between_unequal_widths_and_heads(heads: int) -> None:
    import paddle

    from ernie_toolkit.compression.distillation.relations import relation_loss

    drawn = np.random.default_rng(3)
    students = [drawn.normal(size=(2, 5, 12)).astype("float32") for _ in range(3)]
    teachers = [drawn.normal(size=(2, 5, 32)).astype("float32") for _ in range(3)]
    wanted = np.mean([direct_relation_loss(*pair, heads) for pair in zip(students, teachers, strict=True)])
    found = relation_loss(
        [paddle.to_tensor(value) for value in students],
        [paddle.to_tensor(value) for value in teachers],
        heads,
        paddle.to_tensor(MASK),
    )
    assert float(found) == pytest.approx(wanted, rel=1e-5)


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 16), st.integers(0, 20))
def test_heads_of_relations_divide_both_widths(student: int, teacher: int, most: int, wanted: int) -> None:
    common = math.gcd(student, teacher)
    if wanted and common % wanted:
        with pytest.raises(ConfigError, match=f"`relation_heads` {wanted} does not divide the widths"):
            relation_heads(student, teacher, wanted, most)
        return
    found = relation_heads(student, teacher, wanted, most)
    assert common % found == 0 and (found == wanted if wanted else found <= most)


def test_hidden_states_of_padding_do_not_count() -> None:
    import paddle

    from ernie_toolkit.compression.distillation.losses import hidden_loss

    drawn = np.random.default_rng(5)
    ours, theirs = (drawn.normal(size=(2, 5, 8)).astype("float32") for _ in range(2))
    wanted = float(((ours - theirs) ** 2)[MASK].mean())
    mask = paddle.to_tensor(MASK)
    assert float(hidden_loss([paddle.to_tensor(ours)], [paddle.to_tensor(theirs)], mask)) == pytest.approx(wanted)


def batch_of(session: Session, rows: int) -> Batch:
    return session.encoded(session.data.split("train")).collate(range(rows))


def test_a_student_equal_to_its_teacher_has_nothing_to_learn(vocabulary: Vocabulary, afqmc_sample: DataSet) -> None:
    import paddle

    from ernie_toolkit.compression.distillation.objective import Objective, make_lesson

    options = DistillationOptions(soft_weight=0.0, label_weight=0.0)
    teacher = make_teacher(vocabulary).model
    teacher.eval()
    student = copy_model(teacher)
    batch = {name: paddle.to_tensor(value) for name, value in batch_of(session_of(vocabulary, afqmc_sample), 6).items()}
    mask = batch["input_ids"] != 0
    lesson = make_lesson(student, teacher, (0, 1), options, "", 1)
    objective = Objective(options, "classes")
    ours, theirs = (objective.look(model, batch, -1, False) for model in (student, teacher))
    assert float(objective.loss(ours, theirs.detached(), lesson, batch, mask)) == 0.0


def session_of(vocabulary: Vocabulary, data: DataSet) -> Session:
    return Session(make_teacher(vocabulary), data, PAIRS)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_soft_answers_and_labels(vocabulary: Vocabulary, afqmc_sample: DataSet, temperature: float) -> None:
    """At a temperature, soft answers are as large as at 1; the rows' labels come with their own weight."""
    import paddle

    from ernie_toolkit.compression.distillation.objective import Objective, make_lesson

    options = DistillationOptions(
        hidden_weight=0.0, relation_weight=0.0, temperature=temperature, soft_weight=2.0, label_weight=0.25
    )
    session = session_of(vocabulary, afqmc_sample)
    teacher, student = session.loaded.model, make_tiny_model(vocabulary, ("0", "1"), hidden_size=16).model
    for model in (teacher, student):
        model.eval()
    batch = {name: paddle.to_tensor(value) for name, value in batch_of(session, 6).items()}
    objective = Objective(options, "classes")
    ours, theirs = objective.look(student, batch, -1, True), objective.look(teacher, batch, -1, False)
    lesson = make_lesson(student, teacher, (0, 1), options, "", 1)
    found = objective.loss(ours, theirs.detached(), lesson, batch, batch["input_ids"] != 0)
    logits, wanted = (signal.observed.logits[0].numpy().astype("float64") for signal in (ours, theirs))
    labels = batch["labels"].numpy()
    soft = -(softmax(wanted / temperature) * np.log(softmax(logits / temperature))).sum(axis=-1).mean() * temperature**2
    hard = -np.log(softmax(logits)[np.arange(len(labels)), labels]).mean()
    assert float(found) == pytest.approx(2.0 * soft + 0.25 * hard, rel=1e-5)
    own = Objective(options, "classes", lambda given, targets: given.sum() + targets.sum())
    assert float(own.look(student, batch, -1, True).loss) == pytest.approx(logits.sum() + labels.sum(), rel=1e-5)


SETS = {"seq_cls": "tnews", "token_cls": "msra_ner", "qa": "cmrc2018", "multiple_choice": "c3"}


@pytest.mark.parametrize("task_name", SETS)
def test_kept_logits_equal_computed_ones(task_name: str, vocabulary: Vocabulary, tmp_path: Path) -> None:
    import paddle

    from ernie_toolkit.compression.distillation.objective import Objective
    from ernie_toolkit.compression.distillation.online import all_rows

    data = load_dataset(SETS[task_name], data_source="sample", limits={"train": 12, "dev": 4})
    task = data.spec.task(48)
    loaded = make_teacher(vocabulary, task.labels, task_name)
    session = Session(loaded, data, task)
    rows = with_row_numbers(session.encoded(data.split("train")))
    loaded.model.eval()
    logits = teacher_logits(loaded.model, "one", all_rows(rows), 4, tmp_path, lambda line: None)
    batch = rows.collate(range(3))
    tensors = {name: paddle.to_tensor(value) for name, value in batch.items() if name != "row_numbers"}
    options = DistillationOptions(hidden_weight=0.0, relation_weight=0.0)
    computed = Objective(options, task.soft_loss).look(loaded.model, tensors, -1, False).observed.logits
    numbers = batch["row_numbers"].tolist()
    kept = logits_batch(logits, numbers, batch["input_ids"].shape[1], len(computed))
    counts = batch["input_ids"] != 0
    for ours, theirs in zip(kept, computed, strict=True):
        assert list(ours.shape) == list(theirs.shape)
        per_token = task_name in ("token_cls", "qa")
        where = counts if per_token else np.ones(len(numbers), bool)
        assert np.allclose(ours[where], theirs.numpy()[where], atol=1e-5)


def test_a_damaged_file_of_logits_is_made_anew(vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path) -> None:
    from ernie_toolkit.compression.distillation.online import all_rows

    session = session_of(vocabulary, afqmc_sample)
    model, said = session.loaded.model, []  # type: ignore[var-annotated]
    rows = all_rows(session.encoded(afqmc_sample.split("dev")))
    checksum = weights_checksum(model)
    first = teacher_logits(model, checksum, rows, 16, tmp_path, said.append)
    again = teacher_logits(model, checksum, rows, 16, tmp_path, said.append)
    assert "are computed once" in said[0] and "are taken from" in said[1]
    assert np.array_equal(np.stack(first), np.stack(again))
    path = tmp_path / LOGITS_FILE
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    mended = teacher_logits(model, checksum, rows, 16, tmp_path, said.append)
    assert said[2].endswith("is damaged: its logits are computed anew") and np.array_equal(np.stack(first), mended)
    teacher_logits(model, "another", rows, 16, tmp_path, said.append)
    assert "is of another teacher or of other rows" in said[4]


@settings(max_examples=30)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=5), st.integers(1, 2), st.integers(1, 4))
def test_logits_of_a_batch_are_padded(lengths: list[int], outputs: int, classes: int) -> None:
    drawn = np.random.default_rng(1)
    shapes = [(length, classes) if outputs == 1 else (2, length) for length in lengths]
    logits = [drawn.normal(size=shape).astype("float32") for shape in shapes]
    numbers, tokens = list(reversed(range(len(lengths)))), max(lengths) + 1
    found = logits_batch(logits, numbers, tokens, outputs)
    assert len(found) == outputs
    for place, number in enumerate(numbers):
        if outputs == 1:
            assert np.array_equal(found[0][place, : lengths[number]], logits[number])
            assert not found[0][place, lengths[number] :].any()
        else:
            assert all(np.array_equal(found[at][place, : lengths[number]], logits[number][at]) for at in (0, 1))


@pytest.mark.parametrize("family", FAMILIES)
def test_students_of_every_family(family: str, vocabulary: Vocabulary, afqmc_sample: DataSet) -> None:
    import paddle

    from ernie_toolkit.compression.distillation.building import build_students
    from ernie_toolkit.compression.distillation.objective import Objective
    from ernie_toolkit.compression.distillation.online import make_lessons

    own = {"embedding_size": 32} if family == "ernie_gram" else {}
    teacher = make_tiny_model(vocabulary, ("0", "1"), family=family, initializer_range=0.2, **own)
    session = Session(dataclasses.replace(teacher, fresh=()), afqmc_sample, PAIRS)
    rows = session_rows(session, TRAINING)
    requests, _ = parse_students((CUT, NARROW, SLICE))
    said: list[str] = []
    students = build_students(session, rows, requests, TRAINING, said.append)
    assert ["from scratch" in line for line in said] == [False, True, False]
    options = DistillationOptions()
    lessons = make_lessons(teacher.model, students, "", options, 1)
    objective = Objective(options, "classes")
    batch = {name: paddle.to_tensor(value) for name, value in rows.train.collate(range(6)).items()}
    teacher.model.eval()
    signal = objective.look(teacher.model, batch, -1, False).detached()
    for student in students:
        own = objective.look(student.model, batch, -1, True)
        lesson = lessons[student.name]
        loss = objective.loss(own, signal, lesson, batch, batch["input_ids"] != 0)
        loss.backward()
        trained = [
            item for item in (*student.model.parameters(), *lesson.projection.parameters()) if not item.stop_gradient
        ]
        assert np.isfinite(float(loss)) and sum(item.grad is not None for item in trained) >= len(trained) - 2
