"""Which settings a run prints: those that differ from the defaults, or all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_toolkit.arguments.options import default_values, option
from ernie_toolkit.console import print_settings
from ernie_toolkit.training.options import TrainingOptions

VALUES = st.dictionaries(st.sampled_from("abcdef"), st.one_of(st.integers(), st.text(st.characters(codec="ascii"))))


def test_what_nobody_changed_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    print_settings({"epochs": 3, "seed": 42, "name": "x"}, {"epochs": 2, "seed": 42}, verbose=False)
    assert capsys.readouterr().out == (
        'settings (1 more are the defaults of --help; --verbose prints all):\n  epochs  3\n  name    "x"\n'
    )
    print_settings({"seed": 42}, {"seed": 42}, verbose=False)
    assert capsys.readouterr().out == "settings (1 more are the defaults of --help; --verbose prints all):\n"


@given(VALUES, VALUES)
def test_a_setting_is_printed_if_it_differs(settings: dict[str, object], defaults: dict[str, object]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr("ernie_toolkit.console.say", lines.append)
        print_settings(settings, defaults, verbose=False)
        names = [line.split()[0] for line in lines[1:]]
        assert names == [name for name in settings if name not in defaults or settings[name] != defaults[name]]
        lines.clear()
        print_settings(settings, defaults, verbose=True)
        assert lines[0] == "settings:" and [line.split()[0] for line in lines[1:]] == list(settings)


def test_defaults_of_several_classes() -> None:
    from dataclasses import dataclass

    @dataclass
    class Own:
        learning_rate: float = option(1.0, "")

    both = default_values(TrainingOptions, Own)
    assert both["learning_rate"] == 1.0 and both["seed"] == TrainingOptions().seed
