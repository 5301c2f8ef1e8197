"""The yardstick of the other tests: `Predictor` has answers of many kinds for the shared inputs."""

from pathlib import Path

import pytest
from answers import INPUTS, expected_answers


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("task", list(INPUTS))
def test_answers_differ_from_input_to_input(bundles: dict[str, Path], task: str, precision: str) -> None:
    answers = expected_answers(bundles[task], task, precision)
    assert len({str(answer) for answer in answers}) == len(answers)
    if task == "token_cls":
        assert sum(len(answer["entities"]) for answer in answers) > 5
    elif task == "seq_cls":
        assert {answer["label"] for answer in answers} == {"0", "1"}
