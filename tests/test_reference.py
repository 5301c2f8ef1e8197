"""The reference pages are what the code says, and leave out nothing that a user may give or import."""

import re
from pathlib import Path

import pytest

import ernie_toolkit
from ernie_toolkit.commands import compression, distillation, fine_tuning
from ernie_toolkit.reference import API_PAGE, HEADING, OPTIONS_PAGE, api_reference, options_reference

TASKS = {"seq_cls": "afqmc", "token_cls": "msra_ner", "qa": "cmrc2018", "multiple_choice": "c3"}


@pytest.mark.parametrize(("page", "made"), [(OPTIONS_PAGE, options_reference), (API_PAGE, api_reference)])
def test_pages_are_up_to_date(page: str, made: object, root: Path) -> None:
    text = (root / page).read_text(encoding="utf-8")
    assert callable(made) and text.partition(HEADING)[2] == made(), "python scripts/reference.py writes it"


def test_every_flag_of_the_scripts_is_listed() -> None:
    listed = set(re.findall(r"^\| `--(\w+)` ", options_reference(), re.MULTILINE))
    parsers = [
        kind.build_parser(task, data, None) for kind in (fine_tuning, compression) for task, data in TASKS.items()
    ]
    given = {
        flag[2:]
        for parser in (*parsers, distillation.build_parser(None))
        for group in parser._action_groups
        if group.title is not None and group.title.endswith("Options")  # the others are spellings of the guides
        for action in group._group_actions
        for flag in action.option_strings
    }
    assert len(given) > 90 and given <= listed


def test_every_public_name_has_its_docstring_on_the_page() -> None:
    text = api_reference()
    for name in ernie_toolkit.__all__:
        entry = text.partition(f"### {name}\n")[2].partition("\n### ")[0]
        assert (getattr(ernie_toolkit, name).__doc__ or "").strip().splitlines()[0] in entry
    assert "Session.train(" in text and "annotation" not in text.partition("### Session")[2][:400]
