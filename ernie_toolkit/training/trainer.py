"""PaddleNLP's Trainer with batches by length, evaluation through our own decoding, and whole checkpoints.

Imports Paddle; import it inside a function.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddlenlp.trainer import Trainer, TrainerCallback, TrainerState, TrainingArguments
from paddlenlp.trainer.trainer_utils import PREFIX_CHECKPOINT_DIR

from ernie_toolkit.errors import ToolkitError
from ernie_toolkit.files import remove_directory, sync_directory, writing
from ernie_toolkit.progress import Progress
from ernie_toolkit.text.batching import shuffled_batches_by_length
from ernie_toolkit.text.dataset import Batch, EncodedDataset, Outputs, in_order, run_share
from ernie_toolkit.training.callbacks import BestCheckpointHere
from ernie_toolkit.training.checkpoint_reading import check_optimizer, check_weights, reading
from ernie_toolkit.training.checkpoints import STATE_FILE, checkpoint_step, seal
from ernie_toolkit.training.loss import Criterion, evaluating
from ernie_toolkit.training.selection import rank

STAGING = ".partial"
Score = Callable[[Outputs], dict[str, float]]


class EpochBatchSampler(paddle.io.DistributedBatchSampler):
    """Batches of one process for one epoch: a function of seed and epoch alone, so that a resumed run draws the same.

    It is a DistributedBatchSampler by name only, because the Trainer sets the epoch of no other sampler.

    Args:
        dataset: The rows.
        batch_size: Rows of a batch of one process.
        seed: The seed of the run.
        rank: The process's number, from 0.
        world_size: The number of processes.
        by_length: Whether rows of similar length share a batch.
    """

    def __init__(
        self, dataset: EncodedDataset, batch_size: int, seed: int, rank: int, world_size: int, by_length: bool
    ) -> None:
        self.lengths = dataset.lengths() if by_length else [1] * len(dataset)
        self.batch_size, self.seed, self.rank, self.world_size = batch_size, seed, rank, world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration draws."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.lengths) // (self.batch_size * self.world_size))

    def __iter__(self) -> Iterator[list[int]]:
        batches = shuffled_batches_by_length(self.lengths, self.batch_size, self.seed, self.epoch, self.world_size)
        for rows in batches:
            # Neighbours in length go to different processes, so that none waits for a longer batch.
            yield rows[self.rank :: self.world_size]


def model_logits(
    model: paddle.nn.Layer,
    dataset: EncodedDataset,
    batch_size: int,
    rank: int = 0,
    world_size: int = 1,
    progress: Progress | None = None,
) -> Outputs:
    """Logits of all rows in their own order (see `Outputs`), computed in evaluation mode.

    With several processes each computes its share of the batches and all get the whole.

    Args:
        model: The model.
        dataset: The rows.
        batch_size: Rows that are computed at once.
        rank: The process's number, from 0.
        world_size: The number of processes.
        progress: Counts the rows that this process has computed; None: nobody looks.
    """

    def compute(batch: Batch) -> list[np.ndarray]:
        outputs = model(*(paddle.to_tensor(batch[name]) for name in ("input_ids", "token_type_ids")))
        tensors = outputs if isinstance(outputs, tuple) else (outputs,)
        logits = [tensor.astype("float32").numpy() for tensor in tensors]
        if progress is not None:
            progress.add(len(batch["input_ids"]))
        return logits

    with evaluating(model), paddle.no_grad():
        parts = run_share(dataset, batch_size, partial(map, compute), rank, world_size)
    if world_size > 1:
        gathered: list[dict[int, np.ndarray]] = []
        paddle.distributed.all_gather_object(gathered, parts)
        parts = {row: logits for share in gathered for row, logits in share.items()}
    return in_order(parts, len(dataset))


class ToolkitTrainer(Trainer):
    """The Trainer of a fine-tuning run; the module's first line says in what it differs from PaddleNLP's.

    Args:
        model: The model.
        arguments: PaddleNLP's own settings.
        train_set: Rows with targets to train on.
        dev_set: Rows with targets to evaluate on.
        score: Computes the metrics from the dev set's logits.
        by_length: Whether rows of similar length share a batch.
        callbacks: What happens around steps.
        criterion: The loss that is trained on (see `Session`); None: the model's own.
        more_callbacks: A caller's own, which are called after the others.
    """

    control: Any  # the callbacks' TrainerControl

    def __init__(
        self,
        model: paddle.nn.Layer,
        arguments: TrainingArguments,
        train_set: EncodedDataset,
        dev_set: EncodedDataset,
        score: Score,
        by_length: bool,
        callbacks: list[TrainerCallback],
        criterion: Criterion | None = None,
        more_callbacks: Sequence[TrainerCallback] = (),
    ) -> None:
        super().__init__(
            model=model,
            criterion=criterion,
            args=arguments,
            data_collator=train_set.collate,
            train_dataset=train_set,
        )
        self.dev_set, self.score, self.by_length = dev_set, score, by_length
        for callback in list(self.callback_handler.callbacks):
            if type(callback).__name__ in ("ProgressCallback", "PrinterCallback"):
                self.remove_callback(callback)
        for callback in (BestCheckpointHere(), *callbacks, *more_callbacks):
            self.add_callback(callback)

    def _load_from_checkpoint(self, resume_from_checkpoint: Any = None) -> None:
        with reading(resume_from_checkpoint):
            super()._load_from_checkpoint(resume_from_checkpoint)

    def _load_optimizer_and_scheduler(self, checkpoint: Any) -> None:
        with reading(checkpoint):
            super()._load_optimizer_and_scheduler(checkpoint)
            if checkpoint is not None:
                parameters = {item.name: list(item.shape) for item in self.model.parameters()}
                state = self.optimizer._accumulators_holder
                check_optimizer(parameters, {name: list(item.shape) for name, item in state.items()})

    def _load_rng_state(self, checkpoint: Any) -> None:
        with reading(checkpoint):
            super()._load_rng_state(checkpoint)

    def _set_state_dict_in_model(self, state_dict: dict[str, np.ndarray]) -> None:
        """Give the model the weights of a checkpoint; the Trainer itself passes over those that do not fit."""
        own = {name: list(value.shape) for name, value in self.model.state_dict().items()}
        check_weights(own, {name: list(value.shape) for name, value in state_dict.items()})
        super()._set_state_dict_in_model(state_dict)

    def get_train_dataloader(self) -> paddle.io.DataLoader:
        """Batches by length, each padded to its own longest row."""
        sampler = EpochBatchSampler(
            self.train_dataset,
            self.args.per_device_train_batch_size,
            self.args.seed,
            self.args.dataset_rank,
            self.args.dataset_world_size,
            self.by_length,
        )
        return paddle.io.DataLoader(
            self.train_dataset,
            batch_sampler=sampler,
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
        )

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Compute the metrics of the dev set, log them and pass them to the callbacks."""
        started = time.time()
        metrics = {f"eval_{name}": value for name, value in self.dev_metrics().items()}
        metrics["eval_runtime"] = round(time.time() - started, 3)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def dev_metrics(self) -> dict[str, float]:
        """Return the metrics of the dev set with the present weights; several processes share the work."""
        logits = model_logits(
            self.model,
            self.dev_set,
            self.args.per_device_eval_batch_size,
            self.args.dataset_rank,
            self.args.dataset_world_size,
        )
        return self.score(logits)

    def log(self, logs: dict[str, float], **kwargs: Any) -> None:
        """Log, and keep the entry in the state: the Trainer empties its history, checkpoints should have it."""
        history = self.state.log_history
        super().log(logs, **kwargs)
        self.state.log_history = [*history, {**logs, "step": self.state.global_step}]

    def _best_entry(self) -> dict[str, Any] | None:
        """The evaluation of the best checkpoint so far, None where there is none."""
        if self.state.best_model_checkpoint is None:
            return None
        step = checkpoint_step(self.state.best_model_checkpoint)
        entries = [entry for entry in self.state.log_history if "eval_loss" in entry and entry["step"] == step]
        return entries[-1] if entries else None

    def _check_loss_valid(self, loss: paddle.Tensor) -> None:
        if not self.args.fp16 and not np.isfinite(loss.item()):
            raise ToolkitError(
                f"the training loss is not finite after step {self.state.global_step}: "
                "lower `learning_rate`, or set `max_grad_norm` and `warmup_ratio`"
            )

    def _save_checkpoint(self, model: paddle.nn.Layer, metrics: dict[str, float] | None = None) -> None:
        """Save into a staging directory and rename the checkpoint when it is whole; then delete surplus ones."""
        run_dir, limit = Path(self.args.output_dir), self.args.save_total_limit
        staging = run_dir / STAGING
        name = f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
        self.args.output_dir = self.args.output_signal_dir = str(staging)
        self.args.save_total_limit = None
        best = self._best_entry()
        if metrics is not None and best is not None:
            metric = self.args.metric_for_best_model
            if rank(metrics, metric, "eval_") >= rank(best, metric, "eval_"):
                self.state.best_metric = None  # the Trainer then takes this checkpoint for the best one
        try:
            with writing(run_dir / name):
                super()._save_checkpoint(model, metrics)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)  # half of it is of no use, and in the way on a full disk
            raise
        finally:
            self.args.output_dir = self.args.output_signal_dir = str(run_dir)
            self.args.save_total_limit = limit
        if self.state.best_model_checkpoint == str(staging / name):
            self.state.best_model_checkpoint = str(run_dir / name)
        if self.args.should_save:
            with writing(run_dir / name):
                self.state.save_to_json(str(staging / name / STATE_FILE))
                seal(staging / name)
            remove_directory(run_dir / name)  # an incomplete one, else the run would have resumed after it
            os.replace(staging / name, run_dir / name)
            sync_directory(run_dir)
            self._rotate_checkpoints(use_mtime=False, output_dir=str(run_dir))
        if self.args.world_size > 1:
            paddle.distributed.barrier()

    def _rotate_checkpoints(self, use_mtime: bool = False, output_dir: Any = None) -> None:
        """Delete the oldest checkpoints over the limit, each as a whole; the best one stays."""
        limit = self.args.save_total_limit
        if not limit or limit < 0:
            return
        found = self._sorted_checkpoints(use_mtime=use_mtime, output_dir=output_dir)  # the best one is moved back
        best = self.state.best_model_checkpoint
        if limit == 1 and best is not None and found and found[-1] != best:
            limit = 2  # a run resumes from the last one
        for path in found[: max(0, len(found) - limit)]:
            remove_directory(Path(path))

    def restore(self, checkpoint: Path) -> None:
        """Load the state and the weights that a run ended with, as after `train`, from its last checkpoint."""
        self.state = TrainerState.load_from_json(str(checkpoint / STATE_FILE))
        BestCheckpointHere().on_train_begin(self.args, self.state, self.control)
        best = self.state.best_model_checkpoint if self.args.load_best_model_at_end else None
        self._load_from_checkpoint(str(best or checkpoint))
