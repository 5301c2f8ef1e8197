"""One fine-tuning run, from encoded rows to the best model."""

import dataclasses
import random
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ernie_toolkit.console import notice
from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.files import remove_directory, sweep_directory, write_json
from ernie_toolkit.files.parsing import read_json_object
from ernie_toolkit.progress import Progress
from ernie_toolkit.text.dataset import EncodedDataset, Outputs
from ernie_toolkit.training.acceleration import freed_memory_kept
from ernie_toolkit.training.checkpoints import (
    broken_checkpoints,
    checkpoint_step,
    last_checkpoint,
    missing_from,
    read_state,
)
from ernie_toolkit.training.options import TrainingOptions
from ernie_toolkit.training.plan import Plan, plan_notices, planned_steps

if TYPE_CHECKING:
    from paddlenlp.trainer import TrainingArguments
    from paddlenlp.transformers import PretrainedModel

CHECKPOINTS, LOGS, RUN_FILE = "checkpoints", "runs", "run.json"
ROW_KEYS = ("training rows", "dev rows")
# Settings that may change between a run and its resumption without changing what it computes.
FREE_ON_RESUME = frozenset(
    (
        "logging_strategy",
        "logging_steps",
        "logging_first_step",
        "logging_dir",
        "save_total_limit",
        "keep_checkpoints",
        "disable_tqdm",
        "report_to",
        "dataloader_num_workers",
        "per_device_eval_batch_size",
    )
)


@dataclass(frozen=True)
class TrainingResult:
    """The result of a run.

    Attributes:
        metrics: Dev metrics of the model.
        best_step: The step whose weights the model has, the last one where no best checkpoint was wanted.
        steps: Optimizer steps of the run.
        history: The Trainer's log entries, each with `step` and either `loss` or `eval_*`.
        seconds: Wall clock of this process, evaluation and checkpoints included, since the start or the last resume.
        resumed_from_step: The step that the run was resumed from, 0 where it was not.
    """

    metrics: dict[str, float]
    best_step: int
    steps: int
    history: list[dict[str, Any]]
    seconds: float
    resumed_from_step: int


def predict_logits(
    model: "PretrainedModel", dataset: EncodedDataset, batch_size: int, progress: Progress | None = None
) -> Outputs:
    """Compute the logits of all rows in their own order (see `Outputs`), by Paddle in evaluation mode.

    Args:
        model: The model.
        dataset: The rows.
        batch_size: Rows that are computed at once.
        progress: Counts the rows; None: nobody looks.
    """
    from ernie_toolkit.training.trainer import model_logits

    return model_logits(model, dataset, batch_size, progress=progress)


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and Paddle's random generators."""
    import paddle

    random.seed(seed)
    np.random.seed(seed)
    paddle.seed(seed)


def fingerprint(dataset: EncodedDataset) -> str:
    """Return the number of rows and a checksum of what the model reads of them, to detect changed data on resuming."""
    checksum = 0
    for row, item in enumerate(dataset.features):
        targets = [np.atleast_1d(values[row]) for values in dataset.targets.values()]
        content = np.concatenate([*targets, item.input_ids])
        checksum = zlib.crc32(content.astype(np.int64).tobytes(), checksum)
    return f"{len(dataset)}:{checksum:08x}"


def change(key: str, before: Any, now: Any) -> str:
    """Describe what changed between a run and its resumption, for a message.

    Args:
        key: What it is.
        before: Its value in the run; for rows their fingerprint.
        now: Its value on resuming.
    """
    if key in ROW_KEYS and isinstance(before, str) and isinstance(now, str):
        earlier, current = (value.partition(":")[0] for value in (before, now))
        return (
            f"the {key} are others ({earlier}, now {current})"
            if earlier != current
            else f"the {key} have changed (as many as before, {current}, with other content)"
        )
    if isinstance(before, dict) and isinstance(now, dict):
        parts = [name for name in now if before.get(name) != now[name]]
        before, now = {name: before.get(name) for name in parts}, {name: now[name] for name in parts}
    return f"{key} was {before!s:.100} and is {now!s:.100}"


def _arguments(options: TrainingOptions, run_dir: Path, device: str, plan: Plan) -> "TrainingArguments":
    from paddlenlp.trainer import TrainingArguments

    same = (
        "learning_rate",
        "num_train_epochs",
        "max_steps",
        "per_device_train_batch_size",
        "per_device_eval_batch_size",
        "gradient_accumulation_steps",
        "weight_decay",
        "adam_beta1",
        "adam_beta2",
        "adam_epsilon",
        "max_grad_norm",
        "lr_scheduler_type",
        "warmup_ratio",
        "warmup_steps",
        "save_total_limit",
        "metric_for_best_model",
        "seed",
        "fp16",
        "bf16",
        "fp16_opt_level",
        "recompute",
        "dataloader_num_workers",
        "num_cycles",
        "lr_end",
        "power",
        "scale_loss",
        "logging_first_step",
    )
    given = {name: getattr(options, name) for name in same}
    if options.fp16_opt_level == "O0":
        given.update(fp16=False, bf16=False)
    # Where an interval is 0 there is nothing before the last step, and the Trainer wants a number over 0.
    strategies = {
        "evaluation_strategy": plan.eval_steps,
        "save_strategy": plan.save_steps,
        "logging_strategy": plan.logging_steps,
    }
    return TrainingArguments(
        output_dir=str(run_dir / CHECKPOINTS),
        logging_dir=options.logging_dir or str(run_dir / LOGS),
        device=device,
        do_train=True,
        do_eval=plan.eval_steps > 0,
        eval_steps=plan.eval_steps or plan.total,
        save_steps=plan.save_steps or plan.total,
        logging_steps=plan.logging_steps or plan.total,
        load_best_model_at_end=options.keeps_best,
        greater_is_better=options.metric_for_best_model != "loss",
        report_to=["visualdl"] if options.report_to != "none" else [],
        disable_tqdm=True,
        **{name: "steps" if steps else "no" for name, steps in strategies.items()},
        **given,
    )


def _check_resume(run_dir: Path, settings: dict[str, Any], resume: bool, overwrite: bool, main: bool) -> Path | None:
    """Return the checkpoint to resume from, or None for a new run; ConfigError where it is another run's."""
    from ernie_toolkit.training.trainer import STAGING

    checkpoints = run_dir / CHECKPOINTS
    found = last_checkpoint(checkpoints)
    if found is not None and not resume and not overwrite:
        raise ConfigError(
            f"{checkpoints} holds an unfinished run ({found.name}): go on with it by `resume`, "
            "or drop it with `overwrite`"
        )
    if not main:
        return found if resume else None
    if not resume:
        remove_directory(checkpoints)
    # What an interrupted run has left half written or half deleted.
    shutil.rmtree(checkpoints / STAGING, ignore_errors=True)
    sweep_directory(checkpoints)
    for path, missing in broken_checkpoints(checkpoints):
        notice(f"{path} {missing}: it is not resumed from")
    if found is None or not resume:
        write_json(checkpoints / RUN_FILE, settings)
        return None
    if not (checkpoints / RUN_FILE).is_file():
        raise ConfigError(
            f"{checkpoints / RUN_FILE} is missing: the settings of the run are unknown; drop it with `overwrite`"
        )
    before = read_json_object(checkpoints / RUN_FILE, ConfigError, "start anew with `overwrite`")
    # Runs that began before labels were recorded are distinguished by their rows' targets.
    before.setdefault("labels", settings.get("labels"))
    changed = [key for key in settings if key not in FREE_ON_RESUME and before.get(key) != settings[key]]
    if changed:
        said = ", ".join(change(key, before.get(key), settings[key]) for key in changed)
        raise ConfigError(
            f"`resume`, but this is not the run in {checkpoints}: {said}: give it what it had, or start anew with "
            "`overwrite`"
        )
    # Reading the state also checks it: PaddleNLP would fail later, with a traceback.
    best = read_state(found).get("best_model_checkpoint")
    # Without its best checkpoint the Trainer would keep the last step's weights, and say so nowhere.
    if best and settings.get("load_best_model_at_end") and (missing := missing_from(checkpoints / Path(best).name)):
        raise ConfigError(
            f"{found}: {Path(best).name}, the best one until then, {missing}: copy it back, or start anew with "
            "`overwrite`"
        )
    return found


def train(
    model: "PretrainedModel",
    train_set: EncodedDataset,
    dev_set: EncodedDataset,
    score: Callable[[Outputs], dict[str, float]],
    options: TrainingOptions,
    run_dir: Path,
    device: str = "cpu",
    resume: bool = False,
    overwrite: bool = False,
    identity: dict[str, Any] | None = None,
    make_trainer: Callable[..., Any] | None = None,
) -> TrainingResult:
    """Fine-tune `model` in place.

    It holds the weights of the best checkpoint afterwards, or of the last step where the options keep no best one.

    Args:
        model: The model.
        train_set: Rows with targets to train on.
        dev_set: Rows with targets to evaluate on.
        score: Computes the metrics from the dev set's logits, `loss` and `options.metric_for_best_model` among them.
        options: How to train.
        run_dir: Gets `checkpoints/`, and `runs/` with VisualDL's logs.
        device: As `use_device` has returned it.
        resume: Whether to resume an unfinished run in `run_dir`.
        overwrite: Whether to delete it; with neither it is an error.
        identity: What else must be the same on resuming (data set, model).
        make_trainer: Takes the arguments of `ToolkitTrainer`, the default.

    Raises:
        ConfigError: Where the settings differ from those of the run in `run_dir`.
        ModelError: Where a checkpoint or the maximum length does not fit the model.
        ToolkitError: When the loss is no longer finite.
    """
    import paddle

    from ernie_toolkit.models import quiet_paddlenlp
    from ernie_toolkit.training.callbacks import ProgressLine
    from ernie_toolkit.training.trainer import ToolkitTrainer

    _check_rows(train_set, dev_set, options.max_seq_length, model.config.max_position_embeddings)
    world_size = paddle.distributed.get_world_size()
    sets = {"training rows": fingerprint(train_set), "dev rows": fingerprint(dev_set)}
    settings = {**(identity or {}), **dataclasses.asdict(options), "world_size": world_size, **sets}
    notice(*plan_notices(options))
    with quiet_paddlenlp():
        checkpoint = _check_resume(run_dir, settings, resume, overwrite, main=paddle.distributed.get_rank() == 0)
        plan = planned_steps(len(train_set), world_size, options)
        arguments = _arguments(options, run_dir, device, plan)
        progress = ProgressLine(not options.disable_tqdm)
        trainer = (make_trainer or ToolkitTrainer)(
            model, arguments, train_set, dev_set, score, options.group_by_length, [progress, *_callbacks(options)]
        )
        started = time.perf_counter()
        faster = _fast_cpu(trainer, model) if options.fast_cpu and device == "cpu" else nullcontext()
        with closing(progress), faster:
            _run(trainer, checkpoint, plan, options)
        seconds = time.perf_counter() - started
    return _result(trainer, seconds, checkpoint_step(checkpoint) if checkpoint is not None else 0)


def _run(trainer: Any, checkpoint: Path | None, plan: Plan, options: TrainingOptions) -> None:
    """Train from a checkpoint on, or from the start; of a run that has ended, take over its model."""
    from ernie_toolkit.models.paddle_files import safe_paddle_load
    from ernie_toolkit.training.callbacks import RestoreRandomState

    with safe_paddle_load():
        if checkpoint is None:
            trainer.train()
        elif _has_ended(checkpoint, plan, options):
            notice(f"{checkpoint} is the run's last step: nothing is left to train")
            trainer.restore(checkpoint)
        else:
            trainer.add_callback(RestoreRandomState(trainer, str(checkpoint)))
            trainer.train(resume_from_checkpoint=str(checkpoint))


@contextmanager
def _fast_cpu(trainer: Any, model: "PretrainedModel") -> Iterator[None]:
    """Train faster on a CPU within it, in more memory; what is free is given back after each evaluation and at the end.

    Args:
        trainer: Trains.
        model: Its model.
    """
    from ernie_toolkit.training.callbacks import GiveBackMemory
    from ernie_toolkit.training.fast_layers import fast_layers

    trainer.add_callback(GiveBackMemory())
    with freed_memory_kept(), fast_layers(model):
        yield


def _check_rows(train_set: EncodedDataset, dev_set: EncodedDataset, max_seq_length: int, positions: int) -> None:
    """ConfigError where a split has no labelled row, ModelError where a row is longer than the model allows."""
    if not (train_set.targets and dev_set.targets and len(train_set) and len(dev_set)):
        raise ConfigError("training needs at least one labelled training row and one labelled dev row")
    if max(*train_set.lengths(), *dev_set.lengths()) > positions:
        raise ModelError(f"`max_seq_length` {max_seq_length} is over the model's limit of {positions} positions")


def _has_ended(checkpoint: Path, plan: Plan, options: TrainingOptions) -> bool:
    """Whether the run that a checkpoint is of had come to its end with it: by its steps, or stopped early."""
    if checkpoint_step(checkpoint) >= plan.total:
        return True
    if not options.early_stopping:
        return False
    from ernie_toolkit.training.callbacks import has_stalled

    return has_stalled(read_state(checkpoint).get("log_history", []), options)


def _callbacks(options: TrainingOptions) -> list[Any]:
    from ernie_toolkit.training.callbacks import LastStep, StopEarly

    callbacks: list[Any] = [LastStep(options.strategies[1] != "no")]
    if options.early_stopping:
        callbacks.append(StopEarly(options))
    return callbacks


def discard_checkpoints(run_dir: Path) -> None:
    """Delete the checkpoints of a run whose best model has been saved, with its record."""
    remove_directory(run_dir / CHECKPOINTS)


def _result(trainer: Any, seconds: float, resumed_from_step: int) -> TrainingResult:
    state, best_step = trainer.state, trainer.state.global_step
    if trainer.args.load_best_model_at_end:
        best_step = checkpoint_step(state.best_model_checkpoint)
    best = next(entry for entry in state.log_history if "eval_loss" in entry and entry["step"] == best_step)
    metrics = {key[5:]: value for key, value in best.items() if key.startswith("eval_") and key != "eval_runtime"}
    return TrainingResult(metrics, best_step, state.global_step, state.log_history, seconds, resumed_from_step)
