"""The settings of a training run, as plain values: names and meaning follow PaddleNLP's TrainingArguments."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ernie_toolkit.errors import ConfigError

BEST_METRICS = ("accuracy", "f1", "precision", "recall", "exact_match", "macro_f1", "micro_f1", "loss")
SCHEDULERS = ("linear", "cosine", "constant", "constant_with_warmup", "polynomial")
STRATEGIES = ("steps", "epoch", "no")
DEVICES = ("cpu", "gpu", "xpu", "npu")


def option(
    default: Any,
    text: str,
    choices: tuple[str, ...] | None = None,
    parse: Callable[[str], Any] | None = None,
    empty: bool = False,
) -> Any:
    """A dataclass field with a default, a help text and, where the values are few, their list.

    `parse`: what a value's text becomes; it raises ArgumentTypeError on a text that is none. `empty`: whether a list
    may be given without a value.
    """
    return field(default=default, metadata={"help": text, "choices": choices, "parse": parse, "empty": empty})


def boolean(text: str) -> bool:
    """A switch's value as the guides write it; ArgumentTypeError on anything else."""
    if text.lower() in ("1", "true", "t", "yes", "y", "on"):
        return True
    if text.lower() in ("0", "false", "f", "no", "n", "off"):
        return False
    raise argparse.ArgumentTypeError(f"'{text}' is neither true nor false")


def split_device(device: str) -> tuple[str, int | None]:
    """The kind of a device and the card's number: "gpu:1" is ("gpu", 1), "gpu" is ("gpu", None)."""
    kind, _, number = device.partition(":")
    return kind, int(number) if number else None


def device_of(*kinds: str) -> Callable[[str], str]:
    """A parser of devices of these kinds, which may name a card: "gpu", "gpu:1"; "cpu:0" is "cpu"."""

    def device_name(text: str) -> str:
        found = re.fullmatch(r"([a-z]+)(?::([0-9]+))?", text.strip().lower())
        if found is None or found[1] not in kinds:
            cards = [kind for kind in kinds if kind != "cpu"]
            example = f", or {cards[0]}:0 for one card" if cards else ""
            raise argparse.ArgumentTypeError(f"'{text}' is no device: use one of {', '.join(kinds)}{example}")
        return "cpu" if found[1] == "cpu" else found[0]

    return device_name


def dataset_name(text: str) -> str:
    """The name of a data set as `registry` has it, of one as PaddleNLP's scripts take it: "clue tnews", "TNEWS"."""
    words = text.lower().split()
    if len(words) == 2 and words[0] == "clue":
        words = words[1:]
    name = " ".join(words)
    return {"cluewsc": "cluewsc2020", "wsc": "cluewsc2020"}.get(name, name)


def metric_name(text: str) -> str:
    """A figure's name without the "eval_" that PaddleNLP's Trainer puts before it."""
    return text[5:] if text.startswith("eval_") else text


@dataclass(frozen=True)
class TrainingOptions:
    """How to train; sizes count rows, lengths count tokens, and 0 means automatic where the help says so."""

    learning_rate: float = option(3e-5, "peak learning rate of AdamW")
    num_train_epochs: float = option(3.0, "passes over the training set")
    max_steps: int = option(-1, "stop after this many optimizer steps; -1: as many as the epochs give")
    per_device_train_batch_size: int = option(32, "rows in one training batch of one process or card")
    per_device_eval_batch_size: int = option(64, "rows in one evaluation batch")
    gradient_accumulation_steps: int = option(1, "batches whose gradients are added up before a step")
    max_seq_length: int = option(128, "longest sequence in tokens, [CLS] and [SEP] included; the rest is cut off")
    weight_decay: float = option(0.0, "AdamW weight decay, not applied to biases and normalisation weights")
    adam_beta1: float = option(0.9, "AdamW beta1")
    adam_beta2: float = option(0.999, "AdamW beta2")
    adam_epsilon: float = option(1e-8, "AdamW epsilon")
    max_grad_norm: float = option(1.0, "gradients are clipped to this global norm; 0: not clipped")
    lr_scheduler_type: str = option("linear", "course of the learning rate after warm-up", SCHEDULERS)
    num_cycles: float = option(0.5, "cosine: waves of the learning rate, 0.5 falls to 0")
    lr_end: float = option(1e-7, "polynomial: learning rate at the end")
    power: float = option(1.0, "polynomial: its power")
    warmup_ratio: float = option(0.0, "share of all steps over which the learning rate rises from 0")
    warmup_steps: int = option(0, "the same in steps; beats warmup_ratio when not 0")
    hidden_dropout_prob: float = option(-1.0, "dropout of hidden states; -1: as the model's configuration says")
    attention_probs_dropout_prob: float = option(-1.0, "dropout of attention weights; -1: as the model says")
    logging_strategy: str = option("steps", "lines of the log: every logging_steps, each epoch, or none", STRATEGIES)
    logging_steps: int = option(0, "steps between two lines of the log; 0: about forty lines a run")
    logging_first_step: bool = option(False, "a line of the log for the first step too")
    logging_dir: str = option("", "directory of the training curves (runs/ in the model's where not given)")
    evaluation_strategy: str = option(
        "", "dev is evaluated every eval_steps, each epoch, or at the end only (not given: as save_strategy)",
        STRATEGIES,
    )  # fmt: skip
    save_strategy: str = option(
        "", "checkpoints every save_steps, each epoch, or none (not given: as evaluation_strategy)", STRATEGIES
    )
    eval_steps: int = option(0, "steps between two evaluations; 0: as save_steps")
    save_steps: int = option(
        0, "steps between two checkpoints; 0: as eval_steps, else each epoch and at least four times a run"
    )
    save_total_limit: int = option(1, "checkpoints kept beside the best one")
    keep_checkpoints: bool = option(False, "keep checkpoints after a run that ended well")
    metric_for_best_model: str = option(
        "", "dev metric that chooses the best one; not given: the task's own (accuracy, or F1)", BEST_METRICS,
        metric_name,
    )  # fmt: skip
    load_best_model_at_end: bool = option(True, "the model is the best checkpoint on dev; false: the last step's")
    early_stopping: bool = option(False, "stop when the dev metric no longer gets better")
    early_stopping_patience: int = option(4, "evaluations without gain before stopping early")
    early_stopping_threshold: float = option(0.0, "a gain below this does not count")
    seed: int = option(42, "seed of initialisation, row order and dropout")
    fp16: bool = option(False, "mixed precision in float16 (GPU only)")
    bf16: bool = option(False, "mixed precision in bfloat16 (GPU only)")
    fp16_opt_level: str = option(
        "O1", "O0: float32; O1: some operators in half precision; O2: all that can", ("O0", "O1", "O2")
    )
    scale_loss: float = option(32768.0, "fp16: what the loss is multiplied by at first")
    recompute: bool = option(False, "compute activations again in the backward pass, to save memory")
    dataloader_num_workers: int = option(0, "processes that build batches; 0: the training process itself")
    negative_window_ratio: float = option(
        -1.0, "question answering: windows without the answer to train on for each one with it; -1: all"
    )
    group_by_length: bool = option(True, "put rows of similar length into one batch")
    fast_cpu: bool = option(True, "the CPU settings of ernie_toolkit.acceleration")
    disable_tqdm: bool = option(False, "no progress bar")
    report_to: str = option("visualdl", "where training curves are logged", ("visualdl", "all", "none"))

    @property
    def strategies(self) -> tuple[str, str]:
        """When dev is evaluated and when checkpoints are written: each of `STRATEGIES`; one stands in for the other."""
        evaluation, save = self.evaluation_strategy, self.save_strategy
        other = "epoch" if "epoch" in (evaluation, save) else "steps"
        return evaluation or other, save or other

    @property
    def keeps_best(self) -> bool:
        """Whether the model is the best checkpoint at the end, which takes evaluations and checkpoints."""
        return self.load_best_model_at_end and "no" not in self.strategies


_AT_LEAST_ONE = (
    "per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps",
    "save_total_limit", "early_stopping_patience",
)  # fmt: skip
_NOT_NEGATIVE = (
    "weight_decay", "max_grad_norm", "warmup_ratio", "warmup_steps", "logging_steps", "eval_steps", "save_steps",
    "early_stopping_threshold", "seed", "dataloader_num_workers",
)  # fmt: skip


def check_at_least_one(options: object, names: Sequence[str]) -> None:
    """Raise ConfigError on the first of these options that is below 1."""
    for name in names:
        if getattr(options, name) < 1:
            raise ConfigError(f"--{name} is {getattr(options, name)}: it must be at least 1")


def check_training_options(options: TrainingOptions, metrics: Sequence[str]) -> None:
    """Raise ConfigError on the first setting that cannot be meant, with its name, value and what it may be.

    `metrics`: the figures that the task has; none chosen means its own.
    """
    if options.metric_for_best_model not in ("", *metrics):
        known = ", ".join(metrics)
        raise ConfigError(f"--metric_for_best_model {options.metric_for_best_model}: this task is measured by {known}")
    check_at_least_one(options, _AT_LEAST_ONE)
    for name in _NOT_NEGATIVE:
        if not getattr(options, name) >= 0:
            raise ConfigError(f"--{name} is {getattr(options, name)}: it must not be negative")
    if not 0 < options.learning_rate < 1:
        raise ConfigError(f"--learning_rate is {options.learning_rate}: it must lie between 0 and 1")
    if options.max_steps == 0 or options.max_steps < -1:
        raise ConfigError(f"--max_steps is {options.max_steps}: it must be at least 1, or -1 for all epochs")
    if options.max_steps < 0 and not options.num_train_epochs > 0:
        raise ConfigError(f"--num_train_epochs is {options.num_train_epochs}: it must be over 0")
    if not 5 <= options.max_seq_length <= 2048:
        raise ConfigError(f"--max_seq_length is {options.max_seq_length}: it must lie between 5 and 2048")
    if options.warmup_ratio > 1:
        raise ConfigError(f"--warmup_ratio is {options.warmup_ratio}: it must lie between 0 and 1")
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        value = getattr(options, name)
        if value != -1 and not 0 <= value < 1:
            raise ConfigError(f"--{name} is {value}: it must lie between 0 and 1, or be -1 for the model's own")
    if options.negative_window_ratio != -1 and not options.negative_window_ratio >= 0:
        raise ConfigError(
            f"--negative_window_ratio is {options.negative_window_ratio}: it must not be negative, or be -1 for all"
        )
    if options.fp16 and options.bf16:
        raise ConfigError("--fp16 and --bf16 exclude each other: give one of them")
    for name in ("num_cycles", "power", "scale_loss"):
        if not getattr(options, name) > 0:
            raise ConfigError(f"--{name} is {getattr(options, name)}: it must be over 0")
    if options.lr_scheduler_type == "polynomial" and not 0 <= options.lr_end < options.learning_rate:
        raise ConfigError(f"--lr_end is {options.lr_end}: it must lie between 0 and --learning_rate")
    if options.early_stopping and options.strategies[0] == "no":
        raise ConfigError("--early_stopping needs evaluations: leave --evaluation_strategy no out")
    if options.keeps_best and options.eval_steps and options.save_steps % options.eval_steps:
        raise ConfigError(
            f"--save_steps {options.save_steps} is not a multiple of --eval_steps {options.eval_steps}: "
            "a checkpoint can only be the best one when it was evaluated (--load_best_model_at_end false wants none)"
        )


@dataclass(frozen=True)
class ReadingOptions:
    """How a context is read, and how an answer is searched in it."""

    doc_stride: int = option(128, "tokens that neighbouring windows of a context share, at most half of a window")
    n_best_size: int = option(20, "candidates kept for a question")
    max_answer_length: int = option(50, "tokens of the longest answer")


def check_reading_options(options: ReadingOptions) -> None:
    """Raise ConfigError on the first setting that cannot be meant."""
    if options.doc_stride < 0:
        raise ConfigError(f"--doc_stride is {options.doc_stride}: it must not be negative")
    check_at_least_one(options, ("n_best_size", "max_answer_length"))


@dataclass(frozen=True)
class SourceOptions:
    """Which model and which data a script works on, where it writes, and on what it computes."""

    model_name_or_path: str = option("", "directory of a fine-tuned model (best_models/DATASET where not given)")
    dataset: str = option("", "data set by name, or custom", parse=dataset_name)
    data_dir: str = option("", "directory with the data set's official files")
    data_source: str = option(
        "auto",
        "auto: PaddleNLP's cache, its download, else the sample where neither model nor data was given; "
        "official: no sample; sample: nothing else",
        ("auto", "official", "sample"),
    )
    train_file: str = option("", "custom: labelled training rows (README tells the formats)")
    dev_file: str = option("", "custom: labelled dev rows")
    label_file: str = option("", "custom: one label a line; otherwise the labels of train_file, sorted")
    max_train_samples: int = option(0, "use the first rows of the training set only; 0: all")
    max_dev_samples: int = option(0, "use the first rows of the dev set only; 0: all")
    output_dir: str = option("", "directory to write to (the model's own where not given)")
    config: str = option("configs/default.yml", "YAML file with settings per data set")
    device: str = option(
        "", "device to compute on (cpu, gpu, gpu:1, xpu, npu); not given: a GPU where there is one, else the CPU",
        parse=device_of(*DEVICES),
    )  # fmt: skip
    resume: bool = option(False, "go on from the last checkpoint of a run that was cut off")
    overwrite_output_dir: bool = option(False, "drop what a run that was cut off has left")


@dataclass(frozen=True)
class RunOptions(SourceOptions):
    """What a run_* script works on, and which parts of the journey it makes."""

    model_name_or_path: str = option("", "model directory or published name (ernie-3.0-medium-zh where not given)")
    output_dir: str = option("./best_models", "trained models go to a directory of the data set's name in here")
    test_file: str = option("", "custom: rows to predict")
    max_test_samples: int = option(0, "use the first rows of the test set only; 0: all")
    export_model_dir: str = option("best_models/", "bundles go to NAME/export in here")
    output_format: str = option(
        "toolkit", "do_predict: test_results.json as this toolkit writes it, or as PaddleNLP's guide does",
        ("toolkit", "guide"),
    )  # fmt: skip
    resume_from_checkpoint: str = option(
        "", "go on from this checkpoint (a directory), or from the last one in it; true: as --resume"
    )
    do_train: bool = option(False, "fine-tune (none of do_* given: train, evaluate and export)")
    do_eval: bool = option(False, "evaluate on the dev set")
    do_predict: bool = option(False, "predict the test set")
    do_export: bool = option(False, "export the bundle: static graph, ONNX, tokenizer")
