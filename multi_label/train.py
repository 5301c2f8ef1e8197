"""Fine-tune an ERNIE model on texts with any number of labels.

python multi_label/train.py --dataset_dir data
python -m paddle.distributed.launch --nproc_per_node 2 multi_label/train.py --device cpu --dataset_dir data
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.arguments.options import ScreenOptions, default_values
from ernie_toolkit.arguments.settings import resolve_options, script_parser
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, print_settings, warn
from ernie_toolkit.models import SAMPLE_MODEL
from ernie_toolkit.multi_label.options import (
    RENAMED,
    SAMPLE_TRAINING,
    TRAINING_DEFAULTS,
    FineTuningOptions,
    training_options,
)
from ernie_toolkit.tasks import MultiLabelClassification
from ernie_toolkit.training.devices import end_distributed_run, use_device
from ernie_toolkit.training.options import TrainingOptions, check_training_options


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    classes = (FineTuningOptions, TrainingOptions, ScreenOptions)
    return script_parser("multi_label/train.py", __doc__, *classes, defaults=TRAINING_DEFAULTS, without=RENAMED)


def main(argv: Sequence[str]) -> None:
    """Read the data, choose the model, fine-tune it, save the best one, report."""
    parser = build_parser()
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        own = resolve_options(FineTuningOptions, {}, given)
        options = training_options(own, resolve_options(TrainingOptions, TRAINING_DEFAULTS, given))
        check_training_options(options, MultiLabelClassification.metrics)
        from ernie_toolkit.multi_label.training import fine_tune, load_directory, model_name
        from ernie_toolkit.training.chosen_checkpoint import resumes_in_place
        from ernie_toolkit.training.finished import check_replaceable

        resume = resumes_in_place(own.resume, own.resume_from_checkpoint, Path(own.save_dir))
        check_replaceable(Path(own.save_dir), None, resume, own.overwrite_output_dir)
        data = load_directory(own, ("train", "dev"), own.sample_allowed)
        own = dataclasses.replace(own, model_name=model_name(own, data))
        if own.model_name == SAMPLE_MODEL:
            values = {**TRAINING_DEFAULTS, **SAMPLE_TRAINING}
            if "warmup_steps" in vars(given):
                del values["warmup_ratio"]
            options = training_options(own, resolve_options(TrainingOptions, values, given))
        defaults = default_values(FineTuningOptions, TrainingOptions) | TRAINING_DEFAULTS
        verbose = resolve_options(ScreenOptions, {}, given).verbose
        print_settings(dataclasses.asdict(own) | dataclasses.asdict(options), defaults, verbose)
        device = use_device(own.device or None, options.fast_cpu)
        fine_tune(own, options, data, device)
        warn(*data.warnings)
    end_distributed_run()


if __name__ == "__main__":
    main(sys.argv[1:])
