"""The steps of a run: how many there are, and when it evaluates, saves and logs."""

import math
from dataclasses import dataclass

from ernie_toolkit.errors import ConfigError
from ernie_toolkit.training.options import TrainingOptions

LOG_LINES = 40
MIN_EVALUATIONS = 4


@dataclass(frozen=True)
class Plan:
    """The steps of a run; 0 between two of a kind: none but for the evaluation and the line after the last step.

    Attributes:
        total: Optimizer steps of the run.
        eval_steps: Steps between two evaluations.
        save_steps: Steps between two checkpoints.
        logging_steps: Steps between two lines of the log.
    """

    total: int
    eval_steps: int
    save_steps: int
    logging_steps: int


def planned_steps(rows: int, world_size: int, options: TrainingOptions) -> Plan:
    """Plan the steps of a run.

    Args:
        rows: Training rows of all processes.
        world_size: The number of processes.
        options: How to train.

    Raises:
        ConfigError: Where checkpoints are not saved at evaluated steps, so that none can be the best one.
    """
    batches = math.ceil(rows / (options.per_device_train_batch_size * world_size))
    per_epoch = max(1, batches // options.gradient_accumulation_steps)
    total = options.max_steps if options.max_steps > 0 else max(1, int(per_epoch * options.num_train_epochs))
    usual = max(1, math.ceil(total / max(MIN_EVALUATIONS, math.ceil(total / per_epoch))))
    evaluation, save = options.strategies
    each = {"epoch": per_epoch, "no": 0}
    save_steps = each.get(save, options.save_steps or (options.eval_steps if evaluation == "steps" else 0) or usual)
    eval_steps = each.get(evaluation, options.eval_steps or (save_steps if save == "steps" else 0) or usual)
    if options.keeps_best and save_steps % eval_steps:
        raise ConfigError(
            f"checkpoints every {save_steps} steps and evaluations every {eval_steps}: none can be the best one; give "
            "`evaluation_strategy` and `save_strategy` the same value, or `load_best_model_at_end` false"
        )
    logging_steps = each.get(options.logging_strategy, options.logging_steps or max(1, total // LOG_LINES))
    return Plan(total, eval_steps, save_steps, logging_steps)


def plan_notices(options: TrainingOptions) -> list[str]:
    """Return a line for each option that has no effect beside the others."""
    evaluation, save = options.strategies
    strategies = {
        "eval": ("evaluation", evaluation),
        "save": ("save", save),
        "logging": ("logging", options.logging_strategy),
    }
    notices = [
        f"`{name}_steps` is for `{word}_strategy` steps, and it is {value}: left out"
        for name, (word, value) in strategies.items()
        if getattr(options, f"{name}_steps") and value != "steps"
    ]
    if options.load_best_model_at_end and not options.keeps_best:
        name = "evaluation_strategy" if evaluation == "no" else "save_strategy"
        notices.append(f"`{name}` no: there is no best checkpoint, the model is that of the last step")
    return notices
