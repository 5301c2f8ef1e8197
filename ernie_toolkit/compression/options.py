"""What to compress with: strategies, grids, precision."""

import argparse
from dataclasses import dataclass, fields
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

from ernie_toolkit.arguments.options import check_option_ranges, option
from ernie_toolkit.bundle import BUNDLE_FILE
from ernie_toolkit.compression.quantization.calibration import ALGORITHMS
from ernie_toolkit.compression.quantization.rounding import ROUND_TYPES
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.ranges import BATCH_SIZE, COUNT_OR_NONE, THREADS_OR_ALL, Range, whole_number
from ernie_toolkit.models.sizes import Shares, parse_depth, parse_width
from ernie_toolkit.training.options import BETA, TrainingOptions

PARTS = ("dynabert", "ptq", "qat", "embeddings")
STRATEGIES = (
    "dynabert",
    "ptq",
    "qat",
    "embeddings",
    "dynabert+ptq",
    "dynabert+qat",
    "dynabert+embeddings",
    "ptq+embeddings",
    "qat+embeddings",
    "dynabert+ptq+embeddings",
    "dynabert+qat+embeddings",
)
WEIGHT_TYPES = ("channel_wise_abs_max", "abs_max")
ACTIVATION_TYPES = ("dynamic", "abs_max", "moving_average_abs_max", "range_abs_max")
# PaddleNLP's name for ranges that each batch has.
EACH_BATCH = ("dynamic", "abs_max")
ENGINES = ("onnxruntime", "openvino")
# What makes models for OpenVINO.
OPENVINO_PACKAGES = ("openvino", "nncf")
SWITCH, BIAS_CORRECTIONS = ("on", "off"), ("fast", "accurate")
PTQ_METHODS = ("dynamic", "static")
ALL_BATCHES = -1


def installed_engines() -> tuple[str, ...]:
    """Return the engines that models can be made for here."""
    here = all(find_spec(name) is not None for name in OPENVINO_PACKAGES)
    return ENGINES if here else ENGINES[:1]


def batch_number(text: str) -> int:
    """How many calibration batches a text asks for: a number; "None", "all" and -1 are all.

    Raises:
        argparse.ArgumentTypeError: On a text that is none of these.
    """
    if str(text).lower() in ("none", "all"):
        return ALL_BATCHES
    try:
        return whole_number(str(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of batches: give 1 or more, or all") from None


@dataclass(frozen=True)
class CompressionOptions:
    """How to compress; the names follow PaddleNLP's CompressionArguments where those have one."""

    strategy: str = option("dynabert+ptq", f"parts joined by +: {', '.join(STRATEGIES)}")
    width_mult_list: tuple[str, ...] = option(("3/4",), "dynabert: share of heads and neurons left, each a model")
    depth_mult_list: tuple[str, ...] = option(("1",), "dynabert: share of layers left, at each width a model")
    method_list: tuple[str, ...] = option(
        PTQ_METHODS,
        "ptq: ranges of activations taken from each batch, or fixed by calibration (GPUs need these)",
        PTQ_METHODS,
    )
    algo_list: tuple[str, ...] = option(
        ("mse", "KL"), "ptq: how ranges of activations are chosen for static INT8", tuple(ALGORITHMS)
    )
    batch_size_list: tuple[int, ...] = option((4, 8, 16), "ptq: rows in a calibration batch", allowed=BATCH_SIZE)
    batch_num_list: tuple[int, ...] = option(
        (1,),
        "ptq: calibration batches; all, -1 or no value: all training rows",
        parse=batch_number,
        empty=True,
        allowed=Range(1, 10**9, also=(-1,)),
    )
    engine_list: tuple[str, ...] = option(
        (), "engines to make models for; not given: those that are installed", ENGINES
    )
    smooth_quant_list: tuple[str, ...] = option(
        ("on",), "ptq for openvino: let weights take over large activations (SmoothQuant), or not", SWITCH
    )
    nncf_bias_list: tuple[str, ...] = option(
        ("fast",), "ptq for openvino: biases corrected from statistics, or by running the model", BIAS_CORRECTIONS
    )
    calibration_rows: int = option(
        300, "ptq for openvino: training rows of all lengths that ranges are taken from", allowed=Range(1, 10**9)
    )
    weight_quantize_type: str = option(
        WEIGHT_TYPES[0], "one INT8 scale for each output of a layer, or one for all", WEIGHT_TYPES
    )
    round_type: str = option(ROUND_TYPES[0], "ptq: weights to the nearest step, or as the outputs ask", ROUND_TYPES)
    bias_correction: bool = option(False, "ptq: let biases make up for the mean error of rounded weights")
    activation_quantize_type: str = option(
        "",
        "qat: ranges taken from each batch (dynamic, abs_max), a moving average of the batches' largest values, or the "
        "largest of all (range_abs_max); not given: dynamic, with PACT learned",
        ACTIVATION_TYPES,
    )
    use_pact: bool = option(False, "qat: learn where activations are clipped (PACT)")
    moving_rate: float = option(0.9, "qat: how much of the moving average each step keeps", allowed=BETA)
    keep_fp32: tuple[str, ...] = option(
        (), "ptq: products that stay FP32 by node name; auto: the fewest that keep the loss within `max_drop`"
    )
    max_drop: float = option(
        0.5, "points of the dev metric that `keep_fp32` auto allows to be lost", allowed=Range(0, 100)
    )
    prune_vocab: bool = option(False, "drop tokens that the training texts never use, but for ideographs")
    prune_embeddings: bool = option(False, "the same, and drop the positions beyond `max_seq_length`")
    max_vocab_size: int = option(
        0,
        "as `prune_embeddings`, and keep this many tokens: those that the training texts use most; 0: all they use",
        allowed=COUNT_OR_NONE,
    )
    unseen_ideographs: bool = option(True, "prune_vocab: keep ideographs that the training texts never use")
    fp16: bool = option(False, "write an FP16 model for GPUs too")
    input_infer_model_path: str = option(
        "", "bundle to quantize in place of a model (`strategy` ptq only)", parse=path_text
    )
    num_threads: int = option(0, "threads to measure speed with; 0: all processors", allowed=THREADS_OR_ALL)

    @property
    def parts(self) -> tuple[str, ...]:
        """The strategy's parts, in the order they are applied."""
        return tuple(part for part in PARTS if part in self.strategy.split("+"))

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines that models are made for: those asked for, or those that are installed."""
        return self.engine_list or installed_engines()

    @property
    def widths(self) -> tuple[Fraction, ...]:
        """The widths asked for."""
        return tuple(parse_width(text) for text in self.width_mult_list)

    @property
    def depths(self) -> tuple[Fraction, ...]:
        """The depths asked for."""
        return tuple(parse_depth(text) for text in self.depth_mult_list)

    @property
    def sizes(self) -> tuple[Shares, ...]:
        """Every width at every depth, but for the whole model, which is in every report."""
        pairs = (Shares(width, depth) for depth in self.depths for width in self.widths)
        return tuple(shares for shares in pairs if shares != Shares())

    @property
    def batch_numbers(self) -> tuple[int, ...]:
        """The numbers of calibration batches asked for, `ALL_BATCHES` where there is no limit."""
        return self.batch_num_list or (ALL_BATCHES,)

    @property
    def cuts_vocabulary(self) -> bool:
        """Whether tokens are dropped."""
        return self.prune_vocab or self.cuts_positions

    @property
    def cuts_positions(self) -> bool:
        """Whether positions that no text reaches are dropped."""
        return self.prune_embeddings or self.max_vocab_size > 0

    @property
    def per_channel(self) -> bool:
        """Whether each output of a layer has an INT8 scale of its own."""
        return self.weight_quantize_type == "channel_wise_abs_max"


@dataclass(frozen=True)
class QatSettings:
    """What is rounded how in quantization-aware training.

    Attributes:
        weight_quantize_type: One int8 scale for each output ("channel_wise_abs_max") or one in all ("abs_max").
        activation_quantize_type: Uint8 over the range that each batch has ("dynamic", "abs_max"), or over a fixed one,
            of which the largest magnitude is the moving average of training batches' ("moving_average_abs_max") or the
            largest of them ("range_abs_max").
        use_pact: Whether the fixed range is learned as a parameter, and starts there.
        moving_rate: What one batch leaves of the moving average, from 0 to below 1.

    Raises:
        ConfigError: On values that are not known or do not fit each other.
    """

    weight_quantize_type: str = "channel_wise_abs_max"
    activation_quantize_type: str = "dynamic"
    use_pact: bool = False
    moving_rate: float = 0.9

    @property
    def fixed(self) -> bool:
        """Whether the range of activations is the same for all batches."""
        return self.activation_quantize_type not in EACH_BATCH

    def __post_init__(self) -> None:
        for name, known in (("weight_quantize_type", WEIGHT_TYPES), ("activation_quantize_type", ACTIVATION_TYPES)):
            if getattr(self, name) not in known:
                raise ConfigError(f"`{name}` '{getattr(self, name)}' is not known: use one of {', '.join(known)}")
        if self.use_pact and not self.fixed:
            raise ConfigError(
                "`use_pact` learns fixed ranges: give `activation_quantize_type` moving_average_abs_max (or "
                "range_abs_max)"
            )
        if not 0 <= self.moving_rate < 1:
            raise ConfigError(f"`moving_rate` is {self.moving_rate}: it must be at least 0 and below 1")


def qat_settings(options: CompressionOptions) -> QatSettings:
    """The part of the options that `qat` rounds by; where none is chosen, PACT has fixed ranges, else they are dynamic.

    Raises:
        ConfigError: As `QatSettings`.
    """
    kind = options.activation_quantize_type or ("moving_average_abs_max" if options.use_pact else "dynamic")
    return QatSettings(options.weight_quantize_type, kind, options.use_pact, options.moving_rate)


def check_compression_options(options: CompressionOptions) -> None:
    """Check the settings of a run, each by itself and with the others.

    Args:
        options: How to compress.

    Raises:
        ConfigError: On the first setting that is invalid, or does not go with the others.
    """
    given = options.strategy.split("+")
    if "+".join(options.parts) not in STRATEGIES or sorted(given) != sorted(options.parts):
        raise ConfigError(f"`strategy` {options.strategy}: use one of {', '.join(STRATEGIES)}")
    _check_choices(options)
    check_option_ranges(options)
    for name, shares in (("width", options.widths), ("depth", options.depths)):
        if not shares or len(set(shares)) != len(shares):
            raise ConfigError(f"`{name}_mult_list`: give one {name} at least, and each of them once")
    if "dynabert" in options.parts and not options.sizes:
        raise ConfigError(
            "`width_mult_list` and `depth_mult_list` have 1 only: the full model is in every report; give a share "
            "below 1 in one of them"
        )
    if "openvino" in options.engine_list and "openvino" not in installed_engines():
        raise ConfigError(f"`engine_list` has openvino, which takes pip install {' '.join(OPENVINO_PACKAGES)}")
    if len(set(options.engine_list)) != len(options.engine_list):
        raise ConfigError("`engine_list`: give each engine once")
    grids = ("method_list", "algo_list", "batch_size_list", "batch_num_list", "smooth_quant_list", "nncf_bias_list")
    for name in grids:
        values = options.batch_numbers if name == "batch_num_list" else getattr(options, name)
        if not values or len(set(values)) != len(values):
            raise ConfigError(f"`{name}`: give one value at least, and each of them once")
    if "auto" in options.keep_fp32 and len(options.keep_fp32) > 1:
        raise ConfigError("`keep_fp32`: give auto, or names of products, not both")
    if options.input_infer_model_path and (options.strategy != "ptq" or options.cuts_vocabulary):
        raise ConfigError(
            "`input_infer_model_path` gives a graph that cannot be trained: it needs `strategy` ptq "
            "and no `prune_vocab`, `prune_embeddings` or `max_vocab_size`"
        )
    qat_settings(options)
    _check_parts(options)


def _check_choices(options: CompressionOptions) -> None:
    """ConfigError on a value that is none of its option's; a command line or a YAML file cannot give one."""
    for item in fields(options):
        value, choices = getattr(options, item.name), item.metadata["choices"]
        for one in value if isinstance(value, tuple) else (value,):
            if choices and one not in choices and one != item.default:
                raise ConfigError(f"`{item.name}` '{one}' is not known: use one of {', '.join(choices)}")


def _check_parts(options: CompressionOptions) -> None:
    """ConfigError on a setting of a part that the strategy does not have.

    PaddleNLP's types of ranges are taken for `ptq` too: see `option_notices`.
    """
    types = () if option_notices(options) else ("activation_quantize_type",)
    for part, names in (("ptq", ("keep_fp32", "bias_correction", "round_type")), ("qat", (*types, "use_pact"))):
        for name in names:
            chosen = getattr(options, name)
            if chosen and chosen != ROUND_TYPES[0] and part not in options.parts:
                raise ConfigError(f"`{name}` belongs to {part}, which `strategy` {options.strategy} does not have")


def option_notices(options: CompressionOptions) -> list[str]:
    """What PaddleNLP's options mean here where that is not what they say, a line each."""
    kind = options.activation_quantize_type
    if kind in ("", "dynamic") or not {"ptq", "qat"} & set(options.parts):
        return []
    if "qat" not in options.parts:
        return [
            f"`activation_quantize_type` {kind} is not needed: for ptq, `method_list` and `algo_list` say which ranges "
            "activations have"
        ]
    return [f"`activation_quantize_type` {kind}: ranges are those of each batch, dynamic"] if kind == "abs_max" else []


def bundle_directory(path: str) -> str:
    """A bundle's directory from its path, or from that of the model in it without a suffix, as PaddleNLP takes it."""
    place = Path(path)
    prefix = path and not place.exists() and (place.parent / BUNDLE_FILE).is_file()
    return str(place.parent) if prefix and any(place.parent.glob(f"{place.name}.*")) else path


def check_distillation(training: TrainingOptions, device: str) -> None:
    """Check that pruning and QAT can train as they are asked to.

    Recomputing runs layers a second time in the backward pass: by then the model has another size, and ranges of
    activations would move twice in a step.

    Args:
        training: How they train.
        device: What they train on ("cpu", "gpu", ...).

    Raises:
        ConfigError: On a setting that they do not support there.
    """
    if training.recompute:
        raise ConfigError("`recompute` runs layers again when they have another width already: leave it out")
    if training.fp16:
        raise ConfigError("models are compressed with float32 or bfloat16 training, not with float16: leave fp16 out")
    if training.bf16 and device == "cpu":
        raise ConfigError("`bf16` needs a GPU: Paddle computes in float32 on the CPU; leave it out")
