"""Multiple choice from examples to answers: the loss, batches of whole questions, deployments, scripts, refusals."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from answers import INPUTS
from hypothesis import given
from hypothesis import strategies as st
from tiny import make_tiny_model

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.compression.distillation.losses import SOFT_LOSSES, soft_loss_on
from ernie_toolkit.data import DataSet, load_dataset, make_dataset
from ernie_toolkit.data.sample import sample_vocab
from ernie_toolkit.decoding import ChoiceAnswer, softmax
from ernie_toolkit.errors import ConfigError, DataError, ModelError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.models import Vocabulary, load_model, save_model
from ernie_toolkit.models.checks import require_trained_head
from ernie_toolkit.models.choices import choice_log_probabilities
from ernie_toolkit.models.config import model_task
from ernie_toolkit.session import Session
from ernie_toolkit.simple_serving.options import ServingOptions
from ernie_toolkit.simple_serving.service import Service
from ernie_toolkit.simple_serving.wire import RequestError, parse_request
from ernie_toolkit.tasks import MultipleChoice
from ernie_toolkit.text.dataset import GroupedDataset
from ernie_toolkit.text.tokenization import build_tokenizer
from ernie_toolkit.training import predict_logits
from ernie_toolkit.training.loss import batch_loss
from ernie_toolkit.training.options import TrainingOptions
from ernie_toolkit.triton import models as triton_models
from ernie_toolkit.triton.interface import interface_of, join_choices, text_arrays
from ernie_toolkit.triton.repository import RepositoryOptions, build_repository

TOKENIZER = build_tokenizer(sample_vocab())
SPLITS = ("train", "dev", "test")


def small(name: str) -> DataSet:
    return load_dataset(name, data_source="sample", splits=SPLITS, limits={"train": 60, "dev": 40, "test": 10})


@pytest.fixture(scope="module", params=["c3", "chid"])
def session(request: pytest.FixtureRequest, vocabulary: Vocabulary) -> Session:
    """A new tiny model on a few questions of a sample."""
    data = small(request.param)
    model = make_tiny_model(vocabulary, ("0", "1"), "multiple_choice", initializer_range=0.2)
    return Session(model, data, data.spec.task(48))


@pytest.fixture(scope="module")
def bundle(session: Session, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return session.export(tmp_path_factory.mktemp(session.data.spec.name) / "export", 20, {"accuracy": 0.5}, True)


def question_losses(session: Session, examples: Sequence[Any]) -> list[float]:
    """Cross entropy of each question, by numpy."""
    rows = session.encoded(examples)
    logits = np.ravel(predict_logits(session.loaded.model, rows, 7))
    parts = np.split(logits, np.cumsum([len(example["choices"]) for example in examples])[:-1])
    return [-np.log(softmax(part)[example["answer"]]) for part, example in zip(parts, examples, strict=True)]


def test_the_loss_is_that_of_each_questions_own_choices(session: Session) -> None:
    examples = session.data.split("train")[:12]
    rows = session.task.training_rows(session.encoded(examples), TrainingOptions())
    assert isinstance(rows, GroupedDataset) and len(rows) == len(examples)
    model, losses = session.loaded.model, question_losses(session, examples)
    model.eval()
    for chosen in ([0], [3, 1, 7], list(range(12))):
        found = float(batch_loss(model, rows.collate(chosen)))
        assert found == pytest.approx(np.mean([losses[number] for number in chosen]), abs=1e-4)
    scores = session.evaluate(16)
    assert scores["loss"] == pytest.approx(np.mean(question_losses(session, session.data.split("dev"))), abs=1e-4)
    assert ("argmax_accuracy" in scores) == (session.data.spec.name == "chid")


@given(st.lists(st.integers(0, 3), min_size=1, max_size=9), st.integers(0, 99))
def test_log_probabilities_of_any_grouping(questions: list[int], seed: int) -> None:
    logits = np.random.default_rng(seed).normal(size=(len(questions), 1)).astype(np.float32)
    found = choice_log_probabilities(paddle.to_tensor(logits), paddle.to_tensor(questions)).numpy()
    for number in set(questions):
        own = [row for row, name in enumerate(questions) if name == number]
        assert np.exp(found[own]) == pytest.approx(softmax(logits[own, 0]), abs=1e-5)


def test_a_students_loss_is_least_where_it_answers_as_its_teacher() -> None:
    labels = paddle.to_tensor([[0, 1], [0, 0], [4, 0], [4, 1], [4, 0]])
    loss = soft_loss_on("choices", {"labels": labels})
    assert soft_loss_on("classes", {}) is SOFT_LOSSES["classes"]
    teacher = paddle.to_tensor([[2.0], [0.5], [1.0], [-1.0], [0.0]])
    mask = paddle.ones([5, 3], "bool")
    # Only differences within a question count, so a shift of one question's logits changes nothing.
    shifted = teacher + paddle.to_tensor([[3.0], [3.0], [-2.0], [-2.0], [-2.0]])
    least = float(loss(teacher, teacher, mask))
    assert float(loss(shifted, teacher, mask)) == pytest.approx(least, abs=1e-5)
    assert float(loss(-teacher, teacher, mask)) > least + 0.1
    whole = float(SOFT_LOSSES["choices"](shifted, teacher, mask))
    assert whole > float(SOFT_LOSSES["choices"](teacher, teacher, mask)) + 0.1


def test_weights_have_paddlenlps_names_and_meaning(session: Session, tmp_path: Path) -> None:
    from paddlenlp.transformers import ErnieForMultipleChoice

    save_model(session.loaded.model, session.loaded.vocabulary, tmp_path)
    published = ErnieForMultipleChoice.from_pretrained(str(tmp_path), num_choices=3)
    own = session.loaded.model.state_dict()
    assert set(own) == set(published.state_dict()) and own["classifier.weight"].shape == [32, 1]
    published.eval()
    session.loaded.model.eval()
    ids = paddle.to_tensor(np.random.default_rng(3).integers(5, 500, (2, 3, 9)))
    theirs = published(ids).numpy()
    ours = session.loaded.model(ids.reshape([6, 9])).numpy()
    assert np.abs(theirs - ours.reshape(2, 3)).max() < 1e-5
    assert model_task(tmp_path) == "multiple_choice"
    again = load_model(str(tmp_path), session.task)
    assert again.fresh == () and again.notices == ()
    other = load_model(str(tmp_path), ("0", "1"))
    assert other.fresh and "trained for the task 'multiple_choice'" in other.notices[0]
    with pytest.raises(ModelError, match="has no trained head for multiple choice"):
        require_trained_head(make_tiny_model(session.loaded.vocabulary, ("0", "1"), "multiple_choice"), session.task)


def test_answers_do_not_depend_on_batches_or_on_what_else_is_asked(session: Session, bundle: Bundle) -> None:
    inputs = session.task.inputs(session.data.split("dev"))
    predictor = Predictor(bundle, num_threads=1)
    together = predictor.predict(inputs)
    assert together == predictor.predict(list(inputs), batch_size=200)
    expected = session.predict(session.data.split("dev"), 5)
    # Blanks of one passage are filled together, so that whole passages may be asked apart, and in any order.
    passages: dict[Any, list[int]] = {}
    for number, given_input in enumerate(inputs):
        key = given_input[0] if session.data.spec.name == "chid" else number
        passages.setdefault(key, []).append(number)
    for numbers in list(passages.values())[:12]:
        apart = predictor.predict([inputs[number] for number in reversed(numbers)], batch_size=1)
        for answer, number in zip(apart, reversed(numbers), strict=True):
            assert isinstance(answer, ChoiceAnswer) and answer.content == together[number].content
            assert answer.content == expected[number].content
            assert answer.probabilities == pytest.approx(expected[number].probabilities, abs=1e-4)
    assert predictor.predict([]) == [] and np.shape(predictor.logits([])) == (0, 1)


def test_blanks_of_a_passage_get_different_idioms(vocabulary: Vocabulary) -> None:
    data = small("chid")
    model = make_tiny_model(vocabulary, ("0", "1"), "multiple_choice", initializer_range=0.3)
    answers = Session(model, data, data.spec.task(48)).predict(data.split("dev"))
    used: dict[str, list[int]] = {}
    for example, answer in zip(data.split("dev"), answers, strict=True):
        used.setdefault(example["context"], []).append(answer.content)
    assert any(len(own) > 1 for own in used.values())
    assert all(len(set(own)) == len(own) for own in used.values())


@pytest.mark.parametrize("answer", [2, -1, None, "甲"])
def test_an_example_without_a_right_choice_is_named(vocabulary: Vocabulary, answer: Any) -> None:
    good = {"context": "甲", "question": "", "choices": ["甲", "乙"], "answer": 0}
    data = make_dataset(train=[good], dev=[good, {**good, "answer": answer}], task="multiple_choice")
    session = Session(make_tiny_model(vocabulary, ("0", "1"), "multiple_choice"), data, data.spec.task(16))
    with pytest.raises(DataError, match=r"example 1: its answer is .*: it must be the index of a choice"):
        session.evaluate()


def test_cut_rows_are_counted(vocabulary: Vocabulary) -> None:
    said: list[str] = []
    data = small("c3")
    model = make_tiny_model(vocabulary, ("0", "1"), "multiple_choice")
    Session(model, data, MultipleChoice(34), say=said.append).evaluate()
    rows = sum(len(example["choices"]) for example in data.split("dev"))
    count = said[0].removeprefix("cut at 34 tokens: ").removesuffix(f" of {rows:,} dev rows")
    assert 0 < int(count) < rows


def test_it_learns_and_resumes(vocabulary: Vocabulary, tmp_path: Path) -> None:
    data = load_dataset("chid", data_source="sample", limits={"train": 120, "dev": 40})
    options = TrainingOptions(
        learning_rate=2e-3,
        max_steps=60,
        per_device_train_batch_size=12,
        disable_tqdm=True,
        report_to="none",
        save_steps=30,
    )
    shape: dict[str, Any] = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "initializer_range": 0.1}
    session = Session(make_tiny_model(vocabulary, ("0", "1"), "multiple_choice", **shape), data, data.spec.task(32))
    before = session.evaluate()
    result = session.train(options, tmp_path)
    assert result.metrics["loss"] < before["loss"] and result.steps == 60
    assert result.metrics["accuracy"] == session.evaluate()["accuracy"]
    again = Session(make_tiny_model(vocabulary, ("0", "1"), "multiple_choice", **shape), data, data.spec.task(32))
    with pytest.raises(ConfigError, match="holds an unfinished run"):
        again.train(options, tmp_path)
    assert again.train(options, tmp_path, resume=True).metrics == result.metrics


class TestService:
    """The HTTP service's wire."""

    @pytest.fixture(scope="class")
    def service(self, bundle: Bundle) -> Iterator[Service]:
        found = Service(ServingOptions("multiple_choice", str(bundle.directory), num_threads=1))
        yield found
        found.close()

    def test_it_answers_as_predictor_does(self, session: Session, bundle: Bundle, service: Service) -> None:
        inputs = session.task.inputs(session.data.split("dev")[:6])
        expected = [answer.fields() for answer in Predictor(bundle, num_threads=1).predict(inputs)]
        values = list(map(MultipleChoice.request_values, inputs))
        data = {name: [row[place] for row in values] for place, name in enumerate(("context", "question", "choices"))}
        body, texts = asyncio.run(service.answer(json.dumps({"data": data}).encode()))
        result = json.loads(body)["result"]
        assert texts == len(inputs) and result["choices"] == data["choices"] and result["question"] == data["question"]
        for name in ("choice", "index"):
            assert result[name] == [item[name] for item in expected]
        for ours, theirs in zip(result["probabilities"], expected, strict=True):
            assert ours == pytest.approx(theirs["probabilities"], abs=1e-4)
        about = service.description()
        assert about["fields"] == ("context", "question", "choices") and not about["pairs"]
        assert isinstance(about["examples"][0][2], list)

    def test_what_is_refused(self) -> None:
        good = {"context": ["甲"], "question": ["问"], "choices": [["乙", "丙"]]}
        for change, message in (
            ({"context": None}, "data has no field 'context'"),
            ({"choices": None}, "data has no field 'choices'"),
            ({"choices": [["乙"]]}, r"data.choices\[0\] has 1 choice"),
            ({"choices": ["乙"]}, r"data.choices has 1 choice"),
            ({"choices": [["乙", ""]]}, r"data.choices\[0\]\[1\] is an empty text"),
            ({"choices": [["乙", 3]]}, r"data.choices\[0\]\[1\] is 3: it must be a string"),
            ({"choices": [["乙", "丙"], "丁"]}, r"data.choices\[1\] is '丁': it must be a list of texts"),
            ({"choices": [["乙", "丙"]] * 2, "question": ["问"] * 3}, "data.choices has 2 entries, and 3 are asked"),
            ({"context": [""]}, r"data.context\[0\] is an empty text"),
            ({"question": [5]}, r"data.question\[0\] is 5"),
            ({"question": ["问"] * 9}, "data.question has 9 texts: a request may have 8"),
        ):
            with pytest.raises(RequestError, match=message):
                parse_request(json.dumps({"data": {**good, **change}}).encode(), "multiple_choice", "choices", 8)

    def test_what_may_be_shared_or_left_out(self) -> None:
        def inputs(**data: Any) -> list[Any]:
            body = json.dumps({"data": data}).encode()
            return list(parse_request(body, "multiple_choice", "choices", 8).inputs)

        assert inputs(context="甲", choices=["乙", "丙"]) == [("甲", "", "乙", "丙")]
        assert inputs(context="甲", question=["问", ""], choices=["乙", "丙"]) == [
            ("甲", "问", "乙", "丙"),
            ("甲", "", "乙", "丙"),
        ]
        assert inputs(context=["甲", "丁"], question="问", choices=[["乙", "丙"], ["一", "二", "三"]]) == [
            ("甲", "问", "乙", "丙"),
            ("丁", "问", "一", "二", "三"),
        ]

    def test_a_request_of_more_rows_than_may_be_is_refused_before_it_is_encoded(self) -> None:
        assert MultipleChoice(48).least_rows([("甲", "", "乙", "丙"), ("甲", "", *"一二三")]) == 5


class TestTriton:
    """The Python models of a repository, on arrays in place of Triton's tensors."""

    def test_each_step_gives_the_next_what_it_reads(
        self, session: Session, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        interface = build_repository(bundle.directory, tmp_path / "models", RepositoryOptions())
        assert [(item.name, item.dims) for item in interface.texts] == [
            ("CONTEXT", (1,)),
            ("QUESTION", (1,)),
            ("CHOICES", (-1,)),
        ]
        assert interface.windows and interface.choices and interface.text_format == "choices"

        class Model(triton_models.Step):
            def _bundle(self, args: dict[str, str]) -> Bundle:
                return bundle

        monkeypatch.setattr(triton_models, "tensor", lambda request, name: request[name])
        inputs = [*session.task.inputs(session.data.split("dev")[:6])]
        columns = text_arrays(inputs, interface)
        assert columns[0].shape == (6, 1) and columns[2].shape == (6, max(map(len, inputs)) - 2)
        config = {
            "parameters": {"pad_multiple": {"string_value": "1"}},
            "input": [{"name": item.name} for item in interface.texts],
            "output": [],
        }
        steps = []
        for kind in (triton_models.TokenizerModel, triton_models.PostprocessModel):
            step = type(kind.__name__, (Model, kind), {})()
            step.initialize({"model_config": json.dumps(config)})
            steps.append(step)
        given_texts = dict(zip(("CONTEXT", "QUESTION", "CHOICES"), columns, strict=True))
        input_ids, token_type_ids, texts = steps[0].compute(given_texts)
        predictor = Predictor(bundle, num_threads=1)
        (logits,) = predictor.compute({"input_ids": input_ids, "token_type_ids": token_type_ids})
        assert texts.shape == (len(logits), 3)
        outputs = steps[1].compute({bundle.info.outputs[0]: logits, "TEXTS": texts})
        found = dict(zip([item.name for item in interface.answers], outputs, strict=True))
        expected = predictor.predict(inputs)
        assert [text.decode() for text in found["choice"].ravel()] == [answer.choice for answer in expected]
        assert found["index"].ravel().tolist() == [answer.index for answer in expected]
        assert found["confidence"].ravel() == pytest.approx([answer.confidence for answer in expected], abs=1e-4)

    def test_texts_come_back_from_tensors(self) -> None:
        interface = interface_of("multiple_choice", False)
        arrays = text_arrays(INPUTS["multiple_choice"], interface)
        texts = [[[text.decode() for text in row] for row in array] for array in arrays]
        joined = join_choices([row[0] for row in texts[0]], [row[0] for row in texts[1]], texts[2])
        assert joined == INPUTS["multiple_choice"]
        with pytest.raises(DataError, match=r"input tensors with 2, 1 and 1 row\(s\)"):
            join_choices(["甲", "乙"], ["问"], [["一", "二"]])


def test_without_scipy_only_several_blanks_of_a_passage_are_refused(
    session: Session, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service answers the built-in examples when it starts, so that these need none."""
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    predictor = Predictor(bundle, num_threads=1)
    examples = MultipleChoice.examples_for(session.task.text_format)
    assert len(predictor.predict(examples)) == len(examples) == 2
    if session.task.text_format == "cloze":
        context = "他#idiom1#地写，#idiom2#地笑。"
        with pytest.raises(ConfigError, match=r"several blanks of one passage .* pip install"):
            predictor.predict([(context, blank, "一丝不苟", "喜出望外") for blank in ("#idiom1#", "#idiom2#")])
