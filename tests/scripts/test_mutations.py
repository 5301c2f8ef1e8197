"""A share of the campaign of spoilt files (see `mutations`): in every one an answer or one line, never a traceback."""

from pathlib import Path

import pytest
from mutations import all_targets, campaign, loaded_target
from mutators import BINARY, JSON, mutated

from ernie_toolkit.bundle import Bundle

FILES = 800


def test_spoilt_files_are_refused_in_one_line(model_dir: Path, bundle: Bundle, tmp_path: Path) -> None:
    targets = [*all_targets(tmp_path, model_dir, bundle.directory), loaded_target(tmp_path / "model")]
    outcomes = campaign(targets, FILES)
    assert [line for outcome in outcomes.values() for line in outcome.wrong] == []
    assert sum(outcome.tried for outcome in outcomes.values()) >= FILES
    for name, outcome in outcomes.items():
        assert outcome.refused, f"{name}: nothing of {outcome.tried} was refused"


@pytest.mark.parametrize("mutators", [BINARY, JSON])
def test_files_are_spoilt_the_same_way_in_every_run(mutators: tuple[object, ...]) -> None:
    content = b'{"a": [1, 2, {"b": "text"}], "c": 0.5}'
    first = [mutated(content, mutators, f"x:{number}") for number in range(50)]  # type: ignore[arg-type]
    assert first == [mutated(content, mutators, f"x:{number}") for number in range(50)]  # type: ignore[arg-type]
    assert sum(spoilt != content for spoilt in first) > 40 and len(set(first)) > 40
