"""A task that is registered from outside goes the whole way, from a user's file to a served answer."""

import argparse
import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from similarity_task import Similarity, write_rows

from ernie_toolkit.arguments.settings import read_config
from ernie_toolkit.bundle import Bundle, read_bundle
from ernie_toolkit.data import DataSet, load_dataset, make_dataset
from ernie_toolkit.data.predictions import write_predictions
from ernie_toolkit.errors import BundleError, ConfigError, DataError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.console import add_input_arguments, inputs_of, output_lines, report
from ernie_toolkit.models import SAMPLE_MODEL, load_model, save_model
from ernie_toolkit.models.config import model_task
from ernie_toolkit.session import Session
from ernie_toolkit.simple_serving.options import ServingOptions
from ernie_toolkit.simple_serving.service import Service
from ernie_toolkit.simple_serving.wire import RequestError
from ernie_toolkit.tasks import TASKS, make_task, register
from ernie_toolkit.training.options import TrainingOptions
from ernie_toolkit.triton.repository import RepositoryOptions, build_repository

SAME, OTHER = ("甲乙丙丁", "甲乙丙丁"), ("甲乙丙丁", "天地玄黄")


@dataclass(frozen=True)
class Trained:
    """What a run leaves: its data, its directory, its metrics before and after, its bundle."""

    data: DataSet
    directory: Path
    before: dict[str, float]
    after: dict[str, float]
    bundle: Bundle


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A small model after some steps of training on a user's files."""
    root = tmp_path_factory.mktemp("similarity")
    train_file, dev_file = (write_rows(root / f"{name}.tsv", 64, seed) for seed, name in enumerate(("train", "dev")))
    test_file = write_rows(root / "test.tsv", 6, 3, scored=False)
    data = load_dataset(
        "custom",
        task=Similarity.name,
        splits=("train", "dev", "test"),
        train_file=train_file,
        dev_file=dev_file,
        test_file=test_file,
    )
    loaded = load_model(SAMPLE_MODEL, task=Similarity.name)
    session = Session(loaded, data, data.spec.task(16))
    before = session.evaluate(32)
    options = TrainingOptions(
        learning_rate=2e-3, max_steps=40, per_device_train_batch_size=16, disable_tqdm=True, report_to="none"
    )
    session.train(options, root / "run")
    after = session.evaluate(32)
    save_model(loaded.model, loaded.vocabulary, root / "model")
    write_predictions(data, data.split("test"), session.predict(data.split("test"), 8), root / "predictions")
    bundle = session.export(root / "model" / "export", 16, after, trained=True)
    return Trained(data, root, before, after, bundle)


def test_a_users_file_is_read(trained: Trained, tmp_path: Path) -> None:
    assert (trained.data.spec.task_name, trained.data.spec.labels, trained.data.spec.metric) == (
        "similarity",
        (),
        "correlation",
    )
    assert trained.data.summary[0] == "  train: train.tsv, scored pairs: 64 pairs; mean score 0.50"
    wrong = tmp_path / "rows.tsv"
    wrong.write_text("甲\t乙\t高\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"rows.tsv:1: no two texts and a score"):
        load_dataset("custom", task="similarity", train_file=wrong, dev_file=wrong)
    with pytest.raises(ConfigError, match="pairs have none"):
        load_dataset("custom", task="similarity", train_file=wrong, dev_file=wrong, label_file=wrong)


def test_its_section_of_a_configuration_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_text("Similarity:\n  custom:\n    learning_rate: 2e-3\n", encoding="utf-8")
    assert read_config(path, Similarity.name, "custom", (TrainingOptions,)) == {"learning_rate": 0.002}


def test_examples_of_a_programs_own_are_taken() -> None:
    data = make_dataset(train=[{"sentence1": "甲", "sentence2": "乙", "score": 0.5}], task=Similarity.name)
    assert (data.spec.text_format, data.spec.labels) == ("pair", ())
    assert data.spec.task(16) == Similarity(16)


def test_it_learns(trained: Trained) -> None:
    assert trained.after["loss"] < trained.before["loss"] / 2
    assert trained.after["correlation"] > 0.8


def test_its_model_loads_again(trained: Trained) -> None:
    assert model_task(trained.directory / "model") == "similarity"
    again = load_model(str(trained.directory / "model"), task="similarity")
    assert again.fresh == () and again.notices == ()
    other = load_model(str(trained.directory / "model"), ("0", "1"))
    assert other.fresh and "trained for the task 'similarity'" in other.notices[0]


def test_predictions_are_written(trained: Trained) -> None:
    (path,) = (trained.directory / "predictions").iterdir()
    rows = json.loads(path.read_text(encoding="utf-8"))["predictions"]
    assert [row["line"] for row in rows] == [1, 2, 3, 4, 5, 6]
    scores = [row["score"] for row in rows]
    assert min(scores[1::2]) > max(scores[::2])


def test_its_bundle_answers_on_the_console(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    info = read_bundle(trained.bundle.directory).info
    parser = argparse.ArgumentParser()
    add_input_arguments(parser)
    rows = inputs_of(parser.parse_args([]), info)
    predictor = Predictor(trained.bundle.directory, num_threads=1)
    answers = predictor.predict([row.text for row in rows if row.text is not None])
    report(rows, answers, info, None)
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "input: 甲乙丙丁 | 甲乙丙丁" and shown[1].startswith("score: ")
    same, other = (answer.fields()["score"] for answer in answers)
    assert same > 0.5 > other
    assert json.loads(output_lines(rows, answers, info.task).splitlines()[0]) == {"text": list(SAME), "score": same}
    assert np.shape(predictor.logits([])) == (0, 1)


def test_a_model_of_another_width_is_refused(trained: Trained) -> None:
    predictor = Predictor(trained.bundle.directory, num_threads=1)
    predictor.runtime = lambda batch: [np.zeros((len(batch["input_ids"]), 2), dtype=np.float32)]
    with pytest.raises(BundleError, match="answers with shape"):
        predictor.predict([SAME])


def test_its_service_answers(trained: Trained) -> None:
    expected = [answer.fields()["score"] for answer in Predictor(trained.bundle.directory).predict([SAME, OTHER])]
    service = Service(ServingOptions("similarity", str(trained.bundle.directory), num_threads=1))
    try:
        data = {"text": [SAME[0], OTHER[0]], "text_pair": [SAME[1], OTHER[1]]}
        answer, texts = asyncio.run(service.answer(json.dumps({"data": data}).encode()))
        with pytest.raises(RequestError, match="no field 'text_pair'"):
            asyncio.run(service.answer(json.dumps({"data": {"text": "甲"}}).encode()))
        about = service.description()
    finally:
        service.close()
    assert texts == 2
    assert json.loads(answer)["result"]["score"] == pytest.approx(expected, abs=1e-4)
    assert (about["path"], about["fields"], about["title"]) == (
        "models/similarity",
        ("text", "text_pair"),
        ("文本相似度", "text similarity"),
    )


def test_its_triton_repository_is_built(trained: Trained, tmp_path: Path) -> None:
    interface = build_repository(trained.bundle.directory, tmp_path, RepositoryOptions())
    assert [item.name for item in interface.texts] == ["INPUT", "INPUT_PAIR"]
    config = (tmp_path / "similarity_model" / "config.pbtxt").read_text(encoding="utf-8")
    (output,) = re.findall(r"output \{[^}]*\}", config)
    assert "TYPE_FP32" in output and re.findall(r"dims: *(-?\d+)", output) == ["1"]


def test_a_name_is_registered_once() -> None:
    class Another(Similarity):
        """Of the same name."""

    with pytest.raises(ConfigError, match="registered already"):
        register(Another)
    assert TASKS["similarity"] is Similarity
    with pytest.raises(ConfigError, match="no setting 'doc_stride'"):
        make_task("similarity", (), 16, "pair", limits={"doc_stride": 3})
