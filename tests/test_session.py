"""The public path from a data set to an answer, as the README walks it."""

from pathlib import Path

import numpy as np
import pytest
from tiny import PAIRS, make_tiny_model

from ernie_toolkit import Predictor, Session, TrainingOptions, load_dataset, load_model
from ernie_toolkit.data import DataSet
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.models import Vocabulary
from ernie_toolkit.training.records import read_metrics

SHORT = TrainingOptions(max_steps=4, learning_rate=1e-3, max_seq_length=48, disable_tqdm=True, report_to="none")


def test_from_data_to_an_answer(tmp_path: Path) -> None:
    data = load_dataset("afqmc", data_source="sample", limits={"train": 64, "dev": 20})
    task = data.spec.task(max_seq_length=48)
    one, other = (load_model("ernie-sample-nano", task, seed=7) for _ in range(2))
    weights = one.model.state_dict()
    assert all(np.array_equal(value.numpy(), weights[name].numpy()) for name, value in other.model.state_dict().items())
    lines: list[str] = []
    session = Session(one, data, task, say=lines.append)
    with pytest.raises(ConfigError, match="call train first"):
        session.save(tmp_path)
    result = session.train(SHORT, tmp_path)
    session.save(tmp_path)
    record = read_metrics(tmp_path)
    assert record["metrics"] == result.metrics and record["settings"]["max_steps"] == 4
    assert any(line.startswith("trained to step 4") for line in lines)
    bundle = session.export(str(tmp_path / "export"))
    assert bundle.info.metrics == result.metrics and bundle.info.data_source == "sample"
    pair = ("怎么还款", "如何还款")
    assert Predictor(bundle).predict([pair]) == Predictor(tmp_path / "export").predict([pair])
    again = Session(load_model(str(tmp_path), task), data, task)
    again.require_trained_head()
    assert again.evaluate(20) == pytest.approx(result.metrics, abs=1e-5)


def test_a_criterion_is_the_loss_that_is_minimised(
    vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path
) -> None:
    import paddle

    seen = []

    def criterion(logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        seen.append((tuple(logits.shape), labels.dtype))
        return paddle.nn.functional.cross_entropy(logits, labels) * 0.0 + logits.mean() ** 2

    loaded = make_tiny_model(vocabulary, ("0", "1"))
    session = Session(loaded, afqmc_sample, PAIRS, criterion=criterion)
    result = session.train(SHORT, tmp_path)
    assert len(seen) == 4 and seen.count(((32, 2), paddle.int64)) == 3  # and the rows that are left
    losses = [entry["loss"] for entry in result.history if "loss" in entry]
    assert losses and max(losses) < 0.3  # the model's own begins at 0.69


def test_a_metric_may_not_have_the_name_of_another(vocabulary: Vocabulary, afqmc_sample: DataSet) -> None:
    def accuracy(answers: object, examples: object) -> float:
        return 0.0

    with pytest.raises(ConfigError, match="custom_evaluate is named accuracy"):
        Session(make_tiny_model(vocabulary, ("0", "1")), afqmc_sample, PAIRS, custom_evaluate=accuracy)
