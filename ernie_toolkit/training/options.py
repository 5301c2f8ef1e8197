"""The settings of a training run, as plain values: names and meaning follow PaddleNLP's TrainingArguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ernie_toolkit.arguments.options import check_option_ranges, metric_name, option
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.ranges import (
    BATCH_SIZE,
    COUNT,
    COUNT_OR_NONE,
    SEED,
    SEQUENCE_LENGTH,
    SHARE,
    THREADS_OR_ALL,
    Range,
)

BEST_METRICS = ("accuracy", "f1", "precision", "recall", "exact_match", "macro_f1", "micro_f1", "loss")
SCHEDULERS = ("linear", "cosine", "constant", "constant_with_warmup", "polynomial")
STRATEGIES = ("steps", "epoch", "no")
EPOCHS, POSITIVE = Range(0, 100_000), Range(0, 10**6, above=True)
BETA, DROPOUT = Range(0, 1, below=True), Range(0, 1, below=True, also=(-1,))


@dataclass(frozen=True)
class TrainingOptions:
    """How to train; sizes count rows, lengths count tokens, and 0 means automatic where the help says so."""

    learning_rate: float = option(3e-5, "peak learning rate of AdamW", allowed=Range(0, 1, above=True, below=True))
    num_train_epochs: float = option(3.0, "passes over the training set", allowed=EPOCHS)
    max_steps: int = option(
        -1, "stop after this many optimizer steps; -1: as many as the epochs give", allowed=Range(1, 10**9, also=(-1,))
    )
    per_device_train_batch_size: int = option(
        32, "rows in one training batch of one process or card", allowed=BATCH_SIZE
    )
    per_device_eval_batch_size: int = option(64, "rows in one evaluation batch", allowed=BATCH_SIZE)
    gradient_accumulation_steps: int = option(1, "batches whose gradients are added up before a step", allowed=COUNT)
    max_seq_length: int = option(
        128, "longest sequence in tokens, [CLS] and [SEP] included; the rest is cut off", allowed=SEQUENCE_LENGTH
    )
    weight_decay: float = option(
        0.0, "AdamW weight decay, not applied to biases and normalisation weights", allowed=Range(0, 1000)
    )
    adam_beta1: float = option(0.9, "AdamW beta1", allowed=BETA)
    adam_beta2: float = option(0.999, "AdamW beta2", allowed=BETA)
    adam_epsilon: float = option(1e-8, "AdamW epsilon", allowed=Range(0, 1, above=True))
    max_grad_norm: float = option(
        1.0, "gradients are clipped to this global norm; 0: not clipped", allowed=Range(0, 10**9)
    )
    lr_scheduler_type: str = option("linear", "course of the learning rate after warm-up", SCHEDULERS)
    num_cycles: float = option(0.5, "cosine: waves of the learning rate, 0.5 falls to 0", allowed=POSITIVE)
    lr_end: float = option(1e-7, "polynomial: learning rate at the end", allowed=Range(0, 1, below=True))
    power: float = option(1.0, "polynomial: its power", allowed=POSITIVE)
    warmup_ratio: float = option(0.0, "share of all steps over which the learning rate rises from 0", allowed=SHARE)
    warmup_steps: int = option(0, "the same in steps; beats warmup_ratio when not 0", allowed=COUNT_OR_NONE)
    hidden_dropout_prob: float = option(
        -1.0, "dropout of hidden states; -1: as the model's configuration says", allowed=DROPOUT
    )
    attention_probs_dropout_prob: float = option(
        -1.0, "dropout of attention weights; -1: as the model says", allowed=DROPOUT
    )
    logging_strategy: str = option("steps", "lines of the log: every logging_steps, each epoch, or none", STRATEGIES)
    logging_steps: int = option(
        0, "steps between two lines of the log; 0: about forty lines a run", allowed=COUNT_OR_NONE
    )
    logging_first_step: bool = option(False, "a line of the log for the first step too")
    logging_dir: str = option(
        "", "directory of the training curves (runs/ in the model's where not given)", parse=path_text
    )
    evaluation_strategy: str = option(
        "",
        "dev is evaluated every eval_steps, each epoch, or at the end only (not given: as save_strategy)",
        STRATEGIES,
    )
    save_strategy: str = option(
        "", "checkpoints every save_steps, each epoch, or none (not given: as evaluation_strategy)", STRATEGIES
    )
    eval_steps: int = option(0, "steps between two evaluations; 0: as save_steps", allowed=COUNT_OR_NONE)
    save_steps: int = option(
        0,
        "steps between two checkpoints; 0: as eval_steps, else each epoch and at least four times a run",
        allowed=COUNT_OR_NONE,
    )
    save_total_limit: int = option(1, "checkpoints kept beside the best one", allowed=COUNT)
    keep_checkpoints: bool = option(False, "keep checkpoints after a run that ended well")
    metric_for_best_model: str = option(
        "",
        "dev metric that chooses the best one; not given: the task's own (accuracy, or F1)",
        BEST_METRICS,
        metric_name,
    )
    load_best_model_at_end: bool = option(True, "the model is the best checkpoint on dev; false: the last step's")
    early_stopping: bool = option(False, "stop when the dev metric no longer gets better")
    early_stopping_patience: int = option(4, "evaluations without gain before stopping early", allowed=COUNT)
    early_stopping_threshold: float = option(0.0, "a gain below this does not count", allowed=Range(0, 1000))
    seed: int = option(42, "seed of initialisation, row order and dropout", allowed=SEED)
    fp16: bool = option(False, "mixed precision in float16 (GPU only)")
    bf16: bool = option(False, "mixed precision in bfloat16 (GPU only)")
    fp16_opt_level: str = option(
        "O1", "O0: float32; O1: some operators in half precision; O2: all that can", ("O0", "O1", "O2")
    )
    scale_loss: float = option(
        32768.0, "fp16: what the loss is multiplied by at first", allowed=Range(0, 2**40, above=True)
    )
    recompute: bool = option(False, "compute activations again in the backward pass, to save memory")
    dataloader_num_workers: int = option(
        0, "processes that build batches; 0: the training process itself", allowed=THREADS_OR_ALL
    )
    negative_window_ratio: float = option(
        -1.0,
        "question answering: windows without the answer to train on for each one with it; -1: all",
        allowed=Range(0, 10**6, also=(-1,)),
    )
    group_by_length: bool = option(True, "put rows of similar length into one batch")
    fast_cpu: bool = option(True, "the CPU settings of ernie_toolkit.training.acceleration")
    disable_tqdm: bool = option(False, "no progress bar")
    report_to: str = option("visualdl", "where training curves are logged", ("visualdl", "all", "none"))

    @property
    def strategies(self) -> tuple[str, str]:
        """When dev is evaluated and when checkpoints are written: each of `STRATEGIES`; one stands in for the other."""
        evaluation, save = self.evaluation_strategy, self.save_strategy
        other = "epoch" if "epoch" in (evaluation, save) else "steps"
        return evaluation or other, save or other

    @property
    def dropouts(self) -> tuple[float | None, float | None]:
        """Dropout of hidden states and of attention weights, None for the model's own."""
        hidden, attention = self.hidden_dropout_prob, self.attention_probs_dropout_prob
        return (None if hidden < 0 else hidden), (None if attention < 0 else attention)

    def with_metric(self, metrics: Sequence[str]) -> TrainingOptions:
        """The options with the first of a task's metrics choosing the best checkpoint, where they choose none."""
        return replace(self, metric_for_best_model=self.metric_for_best_model or metrics[0])

    @property
    def keeps_best(self) -> bool:
        """Whether the model is the best checkpoint at the end, which takes evaluations and checkpoints."""
        return self.load_best_model_at_end and "no" not in self.strategies


def check_training_options(options: TrainingOptions, metrics: Sequence[str]) -> None:
    """Check the settings of a training run, alone and together.

    Args:
        options: How to train.
        metrics: Those of the task; `metric_for_best_model` has to be one of them, or empty.

    Raises:
        ConfigError: On the first invalid setting, with its name, its value and what it may be.
    """
    if options.metric_for_best_model not in ("", *metrics):
        known = ", ".join(metrics)
        raise ConfigError(f"`metric_for_best_model` {options.metric_for_best_model}: this task is measured by {known}")
    check_option_ranges(options)
    if options.max_steps < 0 and not options.num_train_epochs > 0:
        raise ConfigError(f"`num_train_epochs` is {options.num_train_epochs}: it must be over 0")
    if options.fp16 and options.bf16:
        raise ConfigError("`fp16` and `bf16` exclude each other: give one of them")
    if options.lr_scheduler_type == "polynomial" and not 0 <= options.lr_end < options.learning_rate:
        raise ConfigError(f"`lr_end` is {options.lr_end}: it must lie between 0 and `learning_rate`")
    if options.early_stopping and options.strategies[0] == "no":
        raise ConfigError("`early_stopping` needs evaluations: leave `evaluation_strategy` no out")
    if options.keeps_best and options.eval_steps and options.save_steps % options.eval_steps:
        raise ConfigError(
            f"`save_steps` {options.save_steps} is not a multiple of `eval_steps` {options.eval_steps}: "
            "a checkpoint can only be the best one when it was evaluated (`load_best_model_at_end` false wants none)"
        )
