"""What compression is asked for: strategies, lists on the command line and in YAML, mistakes in one line."""

import argparse
from fractions import Fraction
from pathlib import Path

import pytest

from ernie_toolkit.arguments.settings import add_options, read_config, resolve_options
from ernie_toolkit.bundle import Bundle
from ernie_toolkit.compression import CompressionOptions
from ernie_toolkit.compression.options import (
    ALL_BATCHES,
    STRATEGIES,
    QatSettings,
    bundle_directory,
    check_compression_options,
    check_distillation,
    option_notices,
    qat_settings,
)
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.models.sizes import Shares
from ernie_toolkit.training.options import TrainingOptions


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_is_accepted_in_any_order(strategy: str) -> None:
    parts = strategy.split("+")
    check_compression_options(CompressionOptions(strategy="+".join(reversed(parts))))
    assert list(CompressionOptions(strategy="+".join(reversed(parts))).parts) == parts


@pytest.mark.parametrize(
    "strategy", ["ptq+qat", "", "ptq+ptq", "prune", "dynabert+", "dynabert,ptq", "ptq+qat+dynabert"]
)
def test_senseless_strategies_are_refused_with_the_list(strategy: str) -> None:
    with pytest.raises(ConfigError, match="use one of dynabert, ptq, qat"):
        check_compression_options(CompressionOptions(strategy=strategy))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width_mult_list": ("3/4", "0.75")}, "each of them once"),
        ({"width_mult_list": ("1",)}, "the full model is in every report"),
        ({"width_mult_list": ("1",), "depth_mult_list": ("1", "1.0")}, "`depth_mult_list`: give one depth at least"),
        ({"depth_mult_list": ()}, "`depth_mult_list`: give one depth at least"),
        ({"depth_mult_list": ("4/3",)}, "depth '4/3' must be over 0"),
        ({"width_mult_list": ("5/4",)}, "width '5/4' must be over 0"),
        ({"width_mult_list": ("wide",)}, "neither a fraction nor a decimal"),
        ({"batch_size_list": (0,)}, "`batch_size_list` has 0"),
        ({"batch_num_list": (1, 1)}, "`batch_num_list`: give one value at least"),
        ({"batch_num_list": (1, 0)}, "`batch_num_list` has 0: each must be at least 1"),
        ({"batch_num_list": (-2,)}, "`batch_num_list` has -2: each must be at least 1"),
        ({"batch_size_list": (-1,)}, "`batch_size_list` has -1: each must be at least 1"),
        ({"batch_size_list": ()}, "`batch_size_list`: give one value at least"),
        ({"max_vocab_size": -1}, "`max_vocab_size` is -1"),
        ({"input_infer_model_path": "export", "strategy": "ptq", "max_vocab_size": 9}, "no `prune_vocab`, `prune_emb"),
        ({"strategy": "dynabert", "activation_quantize_type": "range_abs_max"}, "belongs to qat, which `strategy` dyn"),
        ({"strategy": "ptq", "activation_quantize_type": "dynamic"}, "belongs to qat, which `strategy` ptq does not"),
        ({"strategy": "qat", "use_pact": True, "activation_quantize_type": "abs_max"}, "`use_pact` learns fixed"),
        ({"strategy": "qat", "activation_quantize_type": "max"}, "use one of dynamic, abs_max, moving_average_abs_max"),
        ({"max_drop": -1.0}, "`max_drop` is -1.0"),
        ({"keep_fp32": ("auto", "MatMul.1")}, "give auto, or names"),
        ({"strategy": "dynabert", "keep_fp32": ("auto",)}, "`keep_fp32` belongs to ptq"),
        ({"use_pact": True}, "`use_pact` belongs to qat"),
        ({"strategy": "qat", "round_type": "adaround"}, "`round_type` belongs to ptq"),
        ({"strategy": "embeddings", "bias_correction": True}, "`bias_correction` belongs to ptq"),
        ({"strategy": "qat", "moving_rate": 1.5}, "`moving_rate` is 1.5"),
        ({"strategy": "qat", "use_pact": True, "activation_quantize_type": "dynamic"}, "`use_pact` learns fixed"),
        ({"round_type": "up"}, "`round_type` 'up' is not known: use one of round, adaround"),
        ({"algo_list": ("mse", "best")}, "`algo_list` 'best' is not known"),
        ({"input_infer_model_path": "export"}, "it needs `strategy` ptq"),
        ({"input_infer_model_path": "export", "strategy": "ptq", "prune_vocab": True}, "no `prune_vocab`"),
        ({"num_threads": -1}, "`num_threads` is -1"),
    ],
)
def test_mistakes_are_told_in_one_line(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        check_compression_options(CompressionOptions(**values))  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_ranges_that_qat_learns() -> None:
    """Not asked for, they are those of each batch; PACT has none of these."""
    assert qat_settings(CompressionOptions(strategy="qat")) == QatSettings()
    pact = qat_settings(CompressionOptions(strategy="qat", use_pact=True, moving_rate=0.5))
    assert pact == QatSettings(activation_quantize_type="moving_average_abs_max", use_pact=True, moving_rate=0.5)


def test_ways_to_train_that_compression_cannot_go() -> None:
    check_distillation(TrainingOptions(bf16=True), "gpu")
    for values, device, message in (
        ({"bf16": True}, "cpu", "`bf16` needs a GPU: Paddle computes in float32 on the CPU; leave it out"),
        ({"recompute": True}, "gpu", "`recompute` runs layers again when they have another width already"),
        ({"fp16": True}, "gpu", "leave fp16 out"),
    ):
        with pytest.raises(ConfigError, match=message):
            check_distillation(TrainingOptions(**values), device)  # type: ignore[arg-type]


def parsed(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser, CompressionOptions)
    add_options(parser, TrainingOptions, without=("fp16", "fp16_opt_level"))
    return parser.parse_args(argv)


def test_lists_on_the_command_line() -> None:
    given = parsed("--width_mult_list", "3/4", "0.67", "--batch_size_list", "4", "8", "--algo_list", "avg", "--fp16")
    options = resolve_options(CompressionOptions, {}, given)
    assert options.widths == (Fraction(3, 4), Fraction(2, 3))
    assert options.batch_size_list == (4, 8) and options.algo_list == ("avg",) and options.fp16
    assert resolve_options(CompressionOptions, {}, parsed()) == CompressionOptions()
    with pytest.raises(SystemExit):
        parsed("--algo_list", "best")


def asked(*argv: str) -> CompressionOptions:
    """The options that a command line asks for, checked."""
    options = resolve_options(CompressionOptions, {}, parsed(*argv))
    check_compression_options(options)
    return options


@pytest.mark.parametrize("values", [(), ("None",), ("none",), ("-1",), ("all",)])
def test_no_number_of_batches_is_all_of_them(values: tuple[str, ...]) -> None:
    options = asked("--batch_num_list", *values, "--batch_size_list", "4")
    assert options.batch_numbers == (ALL_BATCHES,) and options.batch_size_list == (4,)


def test_numbers_of_batches() -> None:
    assert asked("--batch_num_list", "1", "None", "8").batch_numbers == (1, ALL_BATCHES, 8)
    assert asked().batch_numbers == (1,)
    with pytest.raises(SystemExit):
        parsed("--batch_num_list", "many")
    with pytest.raises(ConfigError, match="`batch_num_list`: give one value at least, and each of them once"):
        asked("--batch_num_list", "None", "-1")


def test_widths_as_the_guides_write_them() -> None:
    assert asked("--width_mult_list", "3/4", "2/3", "0.5").widths == (Fraction(3, 4), Fraction(2, 3), Fraction(1, 2))
    assert asked("--width_mult_list", "0.75").widths == asked().widths


def test_every_width_at_every_depth_but_for_the_whole_model() -> None:
    third = Fraction(2, 3)
    assert asked().sizes == (Shares(Fraction(3, 4)),)
    assert asked("--depth_mult_list", "2/3").sizes == (Shares(Fraction(3, 4), third),)
    assert asked("--width_mult_list", "1", "--depth_mult_list", "0.67").sizes == (Shares(depth=third),)
    assert [
        shares.text for shares in asked("--width_mult_list", "1", "1/2", "--depth_mult_list", "1", "2/3").sizes
    ] == [
        "1/2",
        "depth 2/3",
        "1/2 depth 2/3",
    ]
    assert asked("--strategy", "ptq", "--width_mult_list", "1").sizes == ()


@pytest.mark.parametrize("kind", ["abs_max", "range_abs_max", "moving_average_abs_max"])
def test_types_of_ranges_that_the_guides_name(kind: str) -> None:
    """In qat each is done; in ptq, where algorithms find the ranges, each is told to change nothing."""
    settings = qat_settings(asked("--strategy", "qat", "--activation_quantize_type", kind))
    assert settings.activation_quantize_type == kind and settings.fixed == (kind != "abs_max")
    for strategy in ("ptq", "dynabert+ptq"):
        [line] = option_notices(asked("--strategy", strategy, "--activation_quantize_type", kind))
        assert f"`activation_quantize_type` {kind} is not needed" in line and "\n" not in line
    lines = option_notices(asked("--strategy", "dynabert+qat", "--activation_quantize_type", kind))
    assert len(lines) == (kind == "abs_max")
    assert option_notices(asked()) == []


def test_the_guides_switches_for_the_embedding_tables() -> None:
    for argv, tokens, positions in (
        ((), False, False),
        (("--prune_vocab",), True, False),
        (("--prune_embeddings",), True, True),
        (("--prune_embeddings", "True", "--max_vocab_size", "6000"), True, True),
        (("--max_vocab_size", "6000"), True, True),
    ):
        options = asked(*argv)
        assert (options.cuts_vocabulary, options.cuts_positions) == (tokens, positions)


def test_a_bundle_by_the_name_of_the_model_in_it(bundle: Bundle, tmp_path: Path) -> None:
    for given in (str(bundle.directory), "", str(tmp_path / "model"), str(bundle.directory / "other")):
        assert bundle_directory(given) == given
    assert bundle_directory(str(bundle.directory / "model")) == str(bundle.directory)


def test_lists_in_yaml(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_text("DefaultArgs:\n  width_mult_list: [3/4, 0.5]\n  batch_size_list: 8\n  learning_rate: 1e-4\n")
    classes = (TrainingOptions, CompressionOptions)
    config = read_config(path, "seq_cls", "afqmc", classes)
    options = resolve_options(CompressionOptions, config, parsed())
    assert options.widths == (Fraction(3, 4), Fraction(1, 2)) and options.batch_size_list == (8,)
    path.write_text("DefaultArgs:\n  batch_num_list: -1\n")
    config = read_config(path, "seq_cls", "afqmc", classes)
    assert resolve_options(CompressionOptions, config, parsed()).batch_numbers == (ALL_BATCHES,)
    path.write_text("DefaultArgs:\n  batch_size_list: [4, many]\n")
    with pytest.raises(ConfigError, match=r"DefaultArgs.batch_size_list is 'many': it must be of type int"):
        read_config(path, "seq_cls", "afqmc", classes)
    path.write_text("DefaultArgs:\n  algo_list: [mse, best]\n")
    with pytest.raises(ConfigError, match=r"algo_list is 'best': use one of abs_max"):
        read_config(path, "seq_cls", "afqmc", classes)
