"""The flags of PaddleNLP's guides: each parses with our scripts' own parsers, and says what it is here."""

import argparse
import dataclasses
import re
import shlex
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from script_parsers import parser_of
from tiny import ROOT

from ernie_toolkit.arguments.guide_flag_table import DOES, NOT_NEEDED, OTHER_NAME, SCRIPTS, GuideFlag
from ernie_toolkit.arguments.guide_flags import DOCUMENT, _NotNeeded, add_guide_flags, flag_table
from ernie_toolkit.arguments.options import dataset_name, device_of, metric_name, split_device
from ernie_toolkit.data import DATASETS
from ernie_toolkit.errors import DeviceError
from ernie_toolkit.training.devices import check_device

COMMANDS = [
    line
    for line in (ROOT / "tests" / "support" / "guide_commands.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def refused(parser: argparse.ArgumentParser, words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line with which a parser refuses some words."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        parser.parse_args(words)
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("notice: ")]
    assert end.value.code == 2 and len(lines) == 1
    return lines[0]


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_flag_of_a_script_parses(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = parser_of(script)
    names = Counter(item.name for item in SCRIPTS[script])
    assert set(names.values()) == {1}, [name for name, count in names.items() if count > 1]
    for item in SCRIPTS[script]:
        before = vars(parser.parse_args([]))
        capsys.readouterr()
        after = vars(parser.parse_args(item.words))
        printed = capsys.readouterr().err
        if item.kind == NOT_NEEDED:
            assert printed == f"notice: --{item.name} is not needed: {item.text}\n" and after == before
            assert isinstance(parser._option_string_actions[f"--{item.name}"], _NotNeeded)
        else:
            assert printed == "" and (item.name in after or item.kind == OTHER_NAME)


@pytest.mark.parametrize("script", SCRIPTS)
def test_other_names_say_what_our_own_say(script: str) -> None:
    parser = parser_of(script)
    for item in (item for item in SCRIPTS[script] if item.kind == OTHER_NAME):
        our = item.text.split()
        words = [*our, *(item.values if len(our) == 1 else ())]
        assert parser.parse_args(item.words) == parser.parse_args(words), item
        if len(our) == 2:
            assert parser.parse_args([f"--{item.name}", "false"]) == parser.parse_args([])


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_guides_parse(command: str) -> None:
    script, *words = shlex.split(command)
    parser_of(script).parse_args(words)


def test_all_flags_together_parse_in_any_script() -> None:
    for script in ("run_qa.py", "multi_label/prune.py"):
        given_, parser = [word for item in SCRIPTS[script] for word in item.words], parser_of(script)
        assert parser.parse_args(given_)


def test_unknown_flags_stay_errors(capsys: pytest.CaptureFixture[str]) -> None:
    for script in SCRIPTS:
        assert "unrecognized arguments: --lazy_data" in refused(parser_of(script), ["--lazy_data"], capsys)


def test_values_of_flags_that_are_not_needed(capsys: pytest.CaptureFixture[str]) -> None:
    parser = parser_of("run_seq_cls.py")
    for words in (
        ["--lazy_data_processing"],
        ["--lazy_data_processing", "False"],
        ["--use_fast_tokenizer=True"],
        ["--dynamic_max_length", "32"],
        ["--sharding", "stage2 offload"],
        ["--past_index=-1"],
    ):
        parser.parse_args(words)
    for words, message in (
        (["--preprocessing_num_workers", "four"], "invalid int value: 'four'"),
        (["--preprocessing_num_workers"], "expected one argument"),
        (["--lazy_data_processing", "perhaps"], "'perhaps' is neither true nor false"),
        (["--optim", "sgd"], "invalid choice: 'sgd'"),
    ):
        assert message in refused(parser, words, capsys)


def test_the_parsers_own_flags_are_left_alone() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--num_classes", type=int)
    add_guide_flags(parser, "multi_label/export_model.py")
    assert parser.parse_args(["--num_classes", "3", "--multilingual"]).num_classes == 3


def test_the_document_has_the_table() -> None:
    text = (ROOT / DOCUMENT).read_text(encoding="utf-8")
    assert text.partition("## Table\n\n")[2] == flag_table(), "python scripts/guide_flags.py writes it"
    for flags in SCRIPTS.values():
        for item in flags:
            assert f"`--{item.name}`" in text and (item.kind == DOES or item.text in text)


def test_no_field_of_paddlenlps_arguments_is_missing() -> None:
    from paddlenlp.trainer import CompressionArguments, TrainingArguments

    for script, flags in SCRIPTS.items():
        compresses = script.startswith("compress_") or script == "multi_label/prune.py"
        if compresses or script.startswith("run_") or script == "multi_label/train.py":
            fields = {
                item.name for item in dataclasses.fields(CompressionArguments if compresses else TrainingArguments)
            }
            assert fields - {item.name for item in flags} == set(), script


def test_devices() -> None:
    parse = device_of("cpu", "gpu")
    for text, device, parts in (
        ("gpu", "gpu", ("gpu", None)),
        ("gpu:0", "gpu:0", ("gpu", 0)),
        ("GPU:12", "gpu:12", ("gpu", 12)),
        ("cpu", "cpu", ("cpu", None)),
        ("cpu:0", "cpu", ("cpu", None)),
    ):
        assert parse(text) == device and split_device(device) == parts
    for text in ("npu", "gpu:", "gpu:-1", "gpu:x", ":0", "", "cuda:0", "gpu 0"):
        with pytest.raises(argparse.ArgumentTypeError, match="is no device: use one of cpu, gpu, or gpu:0"):
            parse(text)


def test_one_card_for_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    with pytest.raises(DeviceError, match=r"`device` gpu:0 is one card, and .* started 2 processes: give `device` gpu"):
        check_device("gpu:0")


@given(st.sampled_from(sorted(DATASETS)), st.sampled_from(["{}", "clue {}", "CLUE  {}", " clue\t{} "]), st.booleans())
def test_names_of_data_sets(name: str, form: str, upper: bool) -> None:
    assert dataset_name(form.format(name.upper() if upper else name)) == name


def test_names_of_data_sets_that_are_none() -> None:
    assert (dataset_name("clue cluewsc"), dataset_name("wsc")) == ("cluewsc2020", "cluewsc2020")
    assert dataset_name("clue") == "clue" and dataset_name("glue tnews") == "glue tnews"
    assert (metric_name("eval_accuracy"), metric_name("eval_macro_f1"), metric_name("f1")) == (
        "accuracy",
        "macro_f1",
        "f1",
    )


def test_words_of_a_flag() -> None:
    assert GuideFlag("width_mult_list", ("3/4", "2/3")).words == ["--width_mult_list", "3/4", "2/3"]
    assert not re.search(r"[^\x00-\x7f]", flag_table())
