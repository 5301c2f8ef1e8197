"""Models, bundles and Predictor of the two tasks with an output for each token."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny import make_tiny_model

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.data import DataSet, load_dataset
from ernie_toolkit.decoding import SpanAnswer, TaggedText
from ernie_toolkit.errors import BundleError, DataError, ModelError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.models import Vocabulary, load_model, save_model
from ernie_toolkit.models.checks import require_trained_head
from ernie_toolkit.models.config import model_task
from ernie_toolkit.session import Session
from ernie_toolkit.tasks import QuestionAnswering, Task, TokenClassification
from ernie_toolkit.training import predict_logits

SETS = {"token_cls": "msra_ner", "qa": "cmrc2018"}
# Shorter than the sample's texts, so that windows are joined.
LENGTH = {"token_cls": 24, "qa": 64}


def make_task(name: str, data: DataSet) -> Task:
    """The task on the sample, with windows."""
    if name == "qa":
        return QuestionAnswering(LENGTH[name], doc_stride=16)
    return TokenClassification(data.spec.labels, LENGTH[name], window_overlap=6)


@pytest.fixture(scope="module", params=list(SETS))
def session(request: pytest.FixtureRequest, vocabulary: Vocabulary) -> Session:
    """A new tiny model on sixty rows of a task's sample."""
    limits = {"train": 80, "dev": 60, "test": 10}
    data = load_dataset(SETS[request.param], data_source="sample", splits=("train", "dev", "test"), limits=limits)
    labels = data.spec.labels or ("0", "1")
    return Session(
        make_tiny_model(vocabulary, labels, request.param, initializer_range=0.2), data, make_task(request.param, data)
    )


@pytest.fixture(scope="module")
def bundle(session: Session, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return session.export(tmp_path_factory.mktemp(session.task.name) / "export", 40, {"f1": 0.5}, trained=True)


def test_a_bundle_tells_task_windows_and_limits(session: Session, bundle: Bundle) -> None:
    info, task = bundle.info, session.task
    assert (info.task, info.labels, info.text_format) == (task.name, task.labels, task.text_format)
    assert (info.max_seq_length, info.limits) == (task.max_seq_length, task.limits)
    assert len(info.outputs) == (2 if task.name == "qa" else 1)
    assert info.parity["rows"] >= 40 and info.parity["max_abs_difference"] < 1e-4


def test_predictor_answers_as_paddle_does(session: Session, bundle: Bundle) -> None:
    examples = session.data.split("dev")
    inputs = session.task.inputs(examples)
    predictor = Predictor(bundle.directory, num_threads=1)
    assert predictor.task == session.task
    expected = predict_logits(session.loaded.model, session.task.encode(session.tokenizer, inputs), 7)
    got = predictor.logits(inputs, 5)
    assert len(got) == len(expected) > len(inputs)  # some are read in several windows
    for ours, paddles in zip(got, expected, strict=True):
        assert ours.shape == paddles.shape and np.abs(ours - paddles).max() < 1e-5
    for one, other in zip(predictor.predict(inputs), session.predict(examples, 7), strict=True):
        if isinstance(one, TaggedText):
            assert isinstance(other, TaggedText) and one.tags == other.tags and len(one.tags) == len(one.text)
        else:
            assert isinstance(one, SpanAnswer) and isinstance(other, SpanAnswer)
            assert (one.text, one.start, one.end) == (other.text, other.start, other.end)


def test_answers_do_not_depend_on_what_else_is_asked(session: Session, bundle: Bundle) -> None:
    inputs = session.task.inputs(session.data.split("dev")[:12])
    predictor = Predictor(bundle.directory, num_threads=1)
    together = predictor.predict(inputs)
    for text, answer in zip(inputs, together, strict=True):
        [alone] = predictor.predict([text], batch_size=1)
        if isinstance(answer, TaggedText):
            assert isinstance(alone, TaggedText) and alone.tags == answer.tags
        else:
            assert isinstance(alone, SpanAnswer) and isinstance(answer, SpanAnswer) and alone.text == answer.text
    assert predictor.predict([]) == []


def test_int8_runs_and_is_close(session: Session, bundle: Bundle) -> None:
    inputs = session.task.inputs(session.data.split("dev"))
    exact = np.concatenate([row.ravel() for row in Predictor(bundle.directory, num_threads=1).logits(inputs)])
    int8 = Predictor(bundle.directory, num_threads=1, precision="int8").logits(inputs)
    difference = np.linalg.norm(np.concatenate([row.ravel() for row in int8]) - exact) / np.linalg.norm(exact)
    assert 1e-5 < difference < 0.15


def test_limits_can_be_changed_and_bad_ones_are_refused(session: Session, bundle: Bundle, tmp_path: Path) -> None:
    if session.task.name == "qa":
        predictor = Predictor(bundle.directory, limits={"n_best_size": 3, "max_answer_length": 2})
        for answer in predictor.predict(session.task.inputs(session.data.split("dev")[:5])):
            assert isinstance(answer, SpanAnswer) and 1 <= len(answer.candidates) <= 3
        with pytest.raises(DataError, match="this model reads pairs"):
            predictor.predict(["no question"])
    copy = Path(shutil.copytree(bundle.directory, tmp_path / "copy"))
    raw = json.loads((copy / "bundle.json").read_text(encoding="utf-8"))
    del raw["description_sha256"]  # as before there was one
    (copy / "bundle.json").write_text(json.dumps({**raw, "limits": {"depth": 3}}), encoding="utf-8")
    with pytest.raises(BundleError, match="has no setting 'depth'"):
        Predictor(copy)
    (copy / "bundle.json").write_text(json.dumps({**raw, "task": "chat"}), encoding="utf-8")
    with pytest.raises(BundleError, match="task 'chat' is not known"):
        Predictor(copy)


def test_a_trained_model_loads_again_for_its_own_task_only(session: Session, tmp_path: Path) -> None:
    task, model = session.task, session.loaded.model
    save_model(model, session.loaded.vocabulary, tmp_path)
    assert model_task(tmp_path) == task.name
    again = load_model(str(tmp_path), task.labels, task=task.name)
    assert again.fresh == ()
    rows = session.encoded(session.data.split("dev")[:8])
    for one, other in zip(predict_logits(again.model, rows, 8), predict_logits(model.eval(), rows, 8), strict=True):
        assert np.array_equal(one, other)
    # Heads of the tasks have the same names, and often the same shapes.
    for other_task in ("seq_cls", "token_cls", "qa"):
        if other_task != task.name:
            loaded = load_model(str(tmp_path), task.labels or ("0", "1"), task=other_task)
            assert loaded.fresh == ("classifier.weight", "classifier.bias")
            wanted = f"classifier for {len(task.labels)} labels" if task.labels else "head for question answering"
            with pytest.raises(ModelError, match=f"has no trained {wanted}"):
                require_trained_head(loaded, task)


def test_training_lowers_the_loss(session: Session, tmp_path: Path) -> None:
    from training_runs import OPTIONS

    before = session.evaluate(32)
    assert set(session.task.metrics) <= set(before)
    options = dataclasses.replace(OPTIONS, max_steps=20, save_steps=10, metric_for_best_model="loss")
    result = session.train(options, tmp_path)
    assert result.metrics["loss"] < before["loss"]
    assert session.evaluate(32) == pytest.approx(result.metrics, abs=1e-6)


def infer(root: Path, bundle: Bundle, *arguments: str) -> subprocess.CompletedProcess[str]:
    """deploy/predictor/infer_cpu.py as a user runs it."""
    script = root / "deploy" / "predictor" / "infer_cpu.py"
    command = [sys.executable, str(script), "--model_path", str(bundle.directory), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_infer_cpu_prints_and_writes_answers(root: Path, session: Session, bundle: Bundle, tmp_path: Path) -> None:
    task, out = session.task, tmp_path / "out.jsonl"
    inputs = session.task.inputs(session.data.split("test"))
    result = infer(root, bundle, "--task_name", task.name)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("input: ") == 2
    if task.name == "qa":
        assert result.stdout.count("answer: ") == 2
        question, context = inputs[0]
        one = infer(root, bundle, "--question", question, "也问这个？", "--context", context)
        assert one.returncode == 0 and f"input: {question} | {context}" in one.stdout, one.stderr
        (tmp_path / "in.tsv").write_text(f"{question}\t{context}\n", encoding="utf-8")
        written = infer(root, bundle, "--input_file", str(tmp_path / "in.tsv"), "--output_file", str(out))
    else:
        text = str(inputs[0])
        [answer] = Predictor(bundle.directory).predict([text])
        assert isinstance(answer, TaggedText)
        one = infer(root, bundle, "--text", text, "--precision_mode", "fp32")
        shown = [line for line in one.stdout.splitlines() if line.startswith("entity: ")]
        assert [line.split("  ")[:3] for line in shown] == [
            [f"entity: {item.text}", f"label: {item.type}", f"pos: [{item.start}, {item.end - 1}]"]
            for item in answer.entities
        ]
        (tmp_path / "in.txt").write_text(text + "\n", encoding="utf-8")
        written = infer(root, bundle, "--input_file", str(tmp_path / "in.txt"), "--output_file", str(out))
    assert written.returncode == 0, written.stderr
    [row] = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    if task.name == "qa":
        assert row["text"] == list(inputs[0]) and row["answer"] == inputs[0][1][row["start"] : row["end"]]
    else:
        assert len(row["tags"]) == len(row["text"])


def test_infer_cpu_refuses_what_does_not_fit(root: Path, session: Session, bundle: Bundle) -> None:
    qa = session.task.name == "qa"
    cases = {
        ("--task_name", "seq_cls"): f"is a bundle for the task '{session.task.name}', not 'seq_cls'",
        (("--text", "x") if qa else ("--question", "x")): "answers questions" if qa else "answers no questions",
        ("--text", "x", "--question", "y"): "exclude each other",
    }
    if qa:
        cases["--question", "a", "b", "--context", "c", "d", "e"] = "give one context for all questions"
        cases["--context", "c"] = "0 --question and 1 --context"
    for arguments, message in cases.items():
        result = infer(root, bundle, *arguments)
        assert result.returncode == 2 and message in result.stderr, result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
