"""The HTTP service of a cascade: `Predictor`'s answers, and which part gave them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from answers import INPUTS, assert_same_answers
from cascades import SHAPES, make_cascade
from http_calls import answers_of, data_of, serving
from label_sets import TEXTS
from task_bundles import make_multi_label_bundle, make_task_bundle

from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.cascade.confidence import confidences
from ernie_toolkit.models import Vocabulary


@pytest.fixture(scope="module")
def python(environment: Callable[[str], Path]) -> Path:
    return environment("simple_serving")


def test_answers_and_the_rows_of_each_part(python: Path, vocabulary: Vocabulary, tmp_path: Path) -> None:
    parts = [
        make_task_bundle("seq_cls", vocabulary, tmp_path / str(number), **shape)
        for number, shape in enumerate(SHAPES[:2])
    ]
    found = sorted(answer.confidence for answer in Predictor(parts[0]).predict(INPUTS["seq_cls"]))  # type: ignore[attr-defined]
    threshold = (found[2] + found[3]) / 2
    path = make_cascade(tmp_path / "cascade", parts, [threshold], temperatures=(1.0, 1.0)).directory
    predictor = Predictor(path, num_threads=1)
    expected = [answer.fields() for answer in predictor.predict(INPUTS["seq_cls"])]
    assert predictor.cascade is not None and predictor.cascade.answered == {"part_1": 3, "part_2": 3}
    with serving(python, "seq_cls", path, tmp_path / "log", "--num_threads", 2) as server:
        assert "ernie_serving_cascade_rows_total" not in str(server.figures())  # what warms it up is not counted
        assert_same_answers("seq_cls", answers_of("seq_cls", server.result(data_of("seq_cls"))), expected)
        with ThreadPoolExecutor(4) as pool:  # whose rows share batches
            single = pool.map(lambda item: server.result(data_of("seq_cls", [item])), INPUTS["seq_cls"])
            assert_same_answers("seq_cls", [answers_of("seq_cls", one)[0] for one in single], expected)
        figures = server.figures()
        for name in ("part_1", "part_2"):
            assert figures[f'ernie_serving_cascade_rows_total{{part="{name}"}}'] == 6
        about = server.call("GET", "/info").json
        assert about["warnings"] == ["untrained models"] and about["engine"] == "onnxruntime"
        assert server.server.stop() == 0


def test_thresholds_are_those_of_the_part_that_answers(python: Path, vocabulary: Vocabulary, tmp_path: Path) -> None:
    parts = [
        make_multi_label_bundle(vocabulary, tmp_path / str(number), **shape) for number, shape in enumerate(SHAPES[:2])
    ]
    texts = TEXTS[:30]
    small = Predictor(parts[0])
    sure = np.sort(confidences(np.asarray(small.logits(texts)), small.task, "margin", 1.25))
    path = make_cascade(tmp_path / "cascade", parts, [float(sure[14:16].mean())], "margin").directory
    predictor = Predictor(path, num_threads=1)
    expected = [answer.fields() for answer in predictor.predict(texts)]
    assert predictor.cascade is not None and all(predictor.cascade.answered.values())
    with serving(python, "multi_label", path, tmp_path / "log") as server:
        result = server.result({"text": texts})
        assert result["label_id"] == [fields["labels"] for fields in expected]
        every = server.result({"text": texts}, prob_limit=0)
        assert all(len(labels) == len(predictor.labels) for labels in every["label_id"])
        assert server.server.stop() == 0


def test_a_damaged_cascade_is_one_line(python: Path, vocabulary: Vocabulary, tmp_path: Path) -> None:
    parts = [
        make_task_bundle("seq_cls", vocabulary, tmp_path / str(number), **shape)
        for number, shape in enumerate(SHAPES[:2])
    ]
    path = make_cascade(tmp_path / "cascade", parts, [0.5]).directory
    (path / "part_1" / "model.onnx").unlink()
    log = tmp_path / "log"
    with pytest.raises(AssertionError), serving(python, "seq_cls", path, log):
        pass
    assert "part_1/model.onnx is missing" in log.read_text(encoding="utf-8")
