"""Arguments of the multi-label scripts, as PaddleNLP's multi-label application names them."""

from dataclasses import dataclass, replace

from ernie_toolkit.arguments.options import (
    DEVICES,
    LENGTH_OR_OWN,
    THRESHOLD_OR_OWN,
    check_option_ranges,
    device_of,
    option,
)
from ernie_toolkit.data.file_options import ENCODINGS, ON_ERROR
from ernie_toolkit.data.registry import Split
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.ranges import BATCH_SIZE, COUNT
from ernie_toolkit.training.options import EPOCHS, TrainingOptions

# Where the guide's defaults are others than those of the other tasks.
TRAINING_DEFAULTS = {"seed": 3, "logging_steps": 5, "metric_for_best_model": "macro_f1"}
# Fields of TrainingOptions that the guide calls by another name.
RENAMED = ("per_device_train_batch_size", "num_train_epochs", "early_stopping", "early_stopping_patience")
# As the YAML's `Sample` section of the other tasks: a model from scratch needs larger steps.
SAMPLE_TRAINING = {"learning_rate": 1e-3, "warmup_ratio": 0.1}
WARMUP_RATIO = 0.1
WIDTHS = ("2/3",)
# The guide's step ends with pruned models in FP32: they are compared in one engine unless another is asked for.
PRUNING_DEFAULTS = {
    **TRAINING_DEFAULTS,
    "strategy": "dynabert",
    "width_mult_list": WIDTHS,
    "engine_list": ("onnxruntime",),
}
# The first two are said in the guide's words (--width_mult), the others are for bundles or for training in float16.
NOT_FOR_PRUNING = ("width_mult_list", "depth_mult_list", "input_infer_model_path", "fp16", "fp16_opt_level")


@dataclass(frozen=True)
class PlaceOptions:
    """What every script works on."""

    device: str = option(
        "",
        "device to compute on (cpu, gpu, gpu:1, xpu, npu); not given: a GPU where there is one, else the CPU",
        parse=device_of(*DEVICES),
    )
    dataset_dir: str = option("data", "directory with train.txt, dev.txt, label.txt", parse=path_text)
    train_file: str = option("train.txt", "name of the training file in it: text<TAB>label,label", parse=path_text)
    dev_file: str = option("dev.txt", "name of the dev file in it", parse=path_text)
    label_file: str = option("label.txt", "name of the label file in it, a label a line", parse=path_text)
    encoding: str = option(
        "utf-8", "bytes of the files; auto: UTF-8, UTF-16 or GB18030, whichever the bytes show, and said", ENCODINGS
    )

    @property
    def files(self) -> dict[Split, str]:
        """The splits' file names."""
        return {"train": self.train_file, "dev": self.dev_file}


@dataclass(frozen=True)
class FineTuningOptions(PlaceOptions):
    """How to fine-tune, beside the options of every task's training."""

    save_dir: str = option("./checkpoint", "directory for the best model", parse=path_text)
    model_name: str = option(
        "", "published name or directory of a model (ernie-3.0-medium-zh where not given)", parse=path_text
    )
    batch_size: int = option(32, "rows in one training batch of one process or card", allowed=BATCH_SIZE)
    epochs: float = option(10.0, "passes over the training set", allowed=EPOCHS)
    early_stop: bool = option(False, "stop when the dev metric no longer gets better")
    early_stop_nums: int = option(4, "evaluations, one an epoch, without gain before stopping early", allowed=COUNT)
    warmup: bool = option(False, "let the learning rate rise at the start: over warmup_steps, or a tenth of all steps")
    init_from_ckpt: str = option("", "weights (.pdparams) of the model's own shape to start from", parse=path_text)
    tune_thresholds: bool = option(
        False, "choose each label's threshold by its F1 on dev, and store them with the model"
    )
    resume: bool = option(False, "resume a run that was cut off from its last checkpoint")
    resume_from_checkpoint: str = option(
        "", "resume from this checkpoint (a directory), or from the last one in it; true: as `resume`", parse=path_text
    )
    overwrite_output_dir: bool = option(False, "drop what a run that was cut off has left")

    @property
    def sample_allowed(self) -> bool:
        """Whether the sample may replace a missing directory: only where no model is named either."""
        return not self.model_name


@dataclass(frozen=True)
class TrainedOptions(PlaceOptions):
    """Which trained model answers, and how."""

    params_path: str = option("./checkpoint/", "directory of a trained model", parse=path_text)
    max_seq_length: int = option(
        0, "longest sequence in tokens, the rest is cut off; 0: as in training", allowed=LENGTH_OR_OWN
    )
    batch_size: int = option(32, "rows in one batch", allowed=BATCH_SIZE)


@dataclass(frozen=True)
class PredictOptions(TrainedOptions):
    """What is predicted, and where answers go."""

    data_file: str = option(
        "data.txt",
        "name of the file of texts in `dataset_dir`, one a line, or JSON lines (.json, .jsonl)",
        parse=path_text,
    )
    output_file: str = option(
        "output.txt",
        "file to write text<TAB>label,label to; named .jsonl: JSON with lines and confidences",
        parse=path_text,
    )
    on_error: str = option(
        "stop",
        "lines that are blank or cannot be read: stop there, or skip them with an empty answer (null in JSON), "
        "so that there are as many answers as lines",
        ON_ERROR,
    )
    threshold: float = option(
        -1.0,
        "probability a label has to be above; -1: the model's own (0.5 where it has none)",
        allowed=THRESHOLD_OR_OWN,
    )


@dataclass(frozen=True)
class ExportOptions:
    """What is exported, and where to."""

    params_path: str = option("./checkpoint/", "directory of a trained model", parse=path_text)
    output_path: str = option(
        "./export", "directory for the bundle; an earlier bundle there is replaced", parse=path_text
    )
    max_seq_length: int = option(0, "longest sequence that deployments read; 0: as in training", allowed=LENGTH_OR_OWN)
    threshold: float = option(
        -1.0,
        "probability a label has to be above; -1: the model's own (0.5 where it has none)",
        allowed=THRESHOLD_OR_OWN,
    )
    legacy_pdmodel: bool = option(True, "write float32.pdmodel and float32.pdiparams too")


@dataclass(frozen=True)
class PruneOptions(PlaceOptions):
    """Which model is pruned, and where to."""

    params_dir: str = option("./checkpoint/", "directory of a trained model", parse=path_text)
    output_dir: str = option("./prune", "directory for the pruned models and the report", parse=path_text)
    width_mult: tuple[str, ...] = option(WIDTHS, "share of heads and neurons left, each a model: 2/3, 0.5")
    depth_mult: tuple[str, ...] = option(("1",), "share of layers left, at each width a model: 1 2/3")
    resume: bool = option(False, "resume a run that was cut off after its last finished part")
    overwrite_output_dir: bool = option(False, "drop what a run that was cut off has left")


def training_options(own: FineTuningOptions, options: TrainingOptions) -> TrainingOptions:
    """The options of a run in the names that training knows.

    Args:
        own: The script's own options, some of which have the guide's names.
        options: Those that all tasks have.

    Raises:
        ConfigError: On values out of their range, by the names that these scripts have for them, and where warm-up is
            given twice.
    """
    check_option_ranges(own)
    if not own.epochs > 0:
        raise ConfigError(f"`epochs` is {own.epochs}: it must be over 0")
    if options.warmup_steps and options.warmup_ratio:
        raise ConfigError("`warmup_steps` and `warmup_ratio` say the same: give one of them")
    ratio = options.warmup_ratio
    if own.warmup and not options.warmup_steps and not ratio:
        ratio = WARMUP_RATIO
    return replace(
        options,
        per_device_train_batch_size=own.batch_size,
        num_train_epochs=float(own.epochs),
        early_stopping=own.early_stop,
        early_stopping_patience=own.early_stop_nums,
        warmup_ratio=ratio,
    )
