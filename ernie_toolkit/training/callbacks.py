"""What happens around training steps: progress bar, log lines, last evaluation, stopping early, memory.

Imports Paddle; import it inside a function.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paddlenlp.trainer import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ernie_toolkit.inference.memory import give_back_memory
from ernie_toolkit.progress import Progress
from ernie_toolkit.training.options import TrainingOptions


class ProgressLine(TrainerCallback):
    """Steps, rate and time left (see `Progress`), and a line for each log entry and evaluation."""

    def __init__(self, shown: bool) -> None:
        self.shown = shown
        self.progress: Progress | None = None

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Begin at the step where training starts or resumes."""
        if state.is_world_process_zero:
            self.progress = Progress("train", state.max_steps, "steps", state.global_step, self.shown)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Count the step."""
        if self.progress is not None:
            self.progress.add(state.global_step - self.progress.done)

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **_: Any
    ) -> None:
        """Print a training entry or an evaluation in one line."""
        if self.progress is None or not logs:
            return
        if "eval_loss" in logs:
            skipped = ("eval_runtime", "progress_or_epoch")
            shown = [key for key in logs if key not in skipped and "/" not in key]  # details are a table at the end
            metrics = [f"{key[5:]} {logs[key]:.4f}" for key in shown]
            self.progress.write(f"step {state.global_step}: dev {', '.join(metrics)} ({logs['eval_runtime']:.1f} s)")
        elif "loss" in logs:
            rate = logs.get("interval_samples_per_second", 0.0)
            self.progress.write(
                f"step {state.global_step}: loss {logs['loss']:.4f}, learning rate {logs['learning_rate']:.2e}, "
                f"{rate:.1f} rows/s"
            )

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Take the bar away."""
        self.close()

    def close(self) -> None:
        """Take the bar away, where one is drawn: what is printed then begins on a line of its own."""
        if self.progress is not None:
            self.progress.close()
            self.progress = None


class LastStep(TrainerCallback):
    """Evaluate and, where the run saves at all, save at the last step, wherever the regular steps fall."""

    def __init__(self, save: bool = True) -> None:
        self.save = save

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Ask for log, evaluation and checkpoint when the last step is done."""
        if state.global_step >= state.max_steps:
            control.should_log = control.should_evaluate = True
            control.should_save = self.save


def has_stalled(history: Sequence[Mapping[str, Any]], options: TrainingOptions) -> bool:
    """Return whether the last evaluations, as many as the patience, have gained no more than the threshold.

    Args:
        history: The Trainer's log entries, of which those with the metric that chooses the best checkpoint count.
        options: That metric, the patience and the threshold.
    """
    metric = options.metric_for_best_model
    sign = -1.0 if metric == "loss" else 1.0
    values = [sign * entry[f"eval_{metric}"] for entry in history if f"eval_{metric}" in entry]
    if not values:
        return False
    best, since = values[0], 0
    for value in values[1:]:
        better = value > best and value - best > options.early_stopping_threshold
        best, since = (value, 0) if better else (best, since + 1)
    return since >= options.early_stopping_patience


class BestCheckpointHere(TrainerCallback):
    """Look for the best checkpoint in the run's present directory, which may have been moved."""

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Point the state of the checkpoint that is resumed from into the run's own directory."""
        if state.best_model_checkpoint:
            state.best_model_checkpoint = str(Path(args.output_dir) / Path(state.best_model_checkpoint).name)


class StopEarly(TrainerCallback):
    """Stop when the dev metric has not improved for some evaluations.

    Counts in the log history, which checkpoints keep: a resumed run stops where an uninterrupted one would.

    Args:
        options: See `has_stalled`.
    """

    def __init__(self, options: TrainingOptions) -> None:
        self.options = options

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Count evaluations since the last gain over the threshold."""
        if has_stalled(state.log_history, self.options):
            control.should_training_stop = control.should_save = True


class GiveBackMemory(TrainerCallback):
    """Give back what is free after each evaluation: its batches are of other sizes than those of training."""

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Do so."""
        give_back_memory()


class RestoreRandomState(TrainerCallback):
    """Load the random state of a checkpoint before the first batch; the Trainer itself does not at an epoch's start.

    Args:
        trainer: The Trainer of the run.
        checkpoint: The checkpoint's directory.
    """

    def __init__(self, trainer: Any, checkpoint: str) -> None:
        self.trainer, self.checkpoint = trainer, checkpoint
        self.done = False

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Restore once."""
        if not self.done:
            self.done = True
            self.trainer._load_rng_state(self.checkpoint)
