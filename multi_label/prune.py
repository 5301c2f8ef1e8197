"""Prune a trained multi-label model to one or several widths and depths.

python multi_label/prune.py --params_dir ./checkpoint/ --dataset_dir data --output_dir ./prune --width_mult '2/3'
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.arguments.options import ScreenOptions, default_values
from ernie_toolkit.arguments.settings import resolve_options, script_parser
from ernie_toolkit.compression.options import CompressionOptions, check_compression_options
from ernie_toolkit.compression.report.metrics import megabytes_text, speed_text
from ernie_toolkit.compression.report.model import Report
from ernie_toolkit.compression.state import Request, check_unfinished
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, print_settings, say, warn
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.multi_label.options import NOT_FOR_PRUNING, PRUNING_DEFAULTS, TRAINING_DEFAULTS, PruneOptions
from ernie_toolkit.tasks import MultiLabelClassification
from ernie_toolkit.training.devices import use_device
from ernie_toolkit.training.options import TrainingOptions, check_training_options

# Characters of the table's first column, where no model's name needs more.
LEAST_WIDTH = 16


def print_report(report: Report, directory: Path) -> None:
    """Print a line for each model: dev metrics, size, speed."""
    width = max(LEAST_WIDTH, *(len(item.name) + 2 for item in (report.baseline, *report.candidates)))
    say(f"{'model':<{width}}{'micro F1':>10}{'macro F1':>10}{'MB':>8}  speed, and how many times FP32's that is")
    for item in (report.baseline, *report.candidates):
        micro, macro = (100 * item.metrics[name] for name in ("micro_f1", "macro_f1"))
        size = megabytes_text(report, item.size)
        say(f"{item.name:<{width}}{micro:>10.2f}{macro:>10.2f}{size:>8}  {speed_text(report, item)}  {item.file}")
    say(f"report: {directory / 'compress_report.md'} (.json, .png)")


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    classes = (PruneOptions, CompressionOptions, TrainingOptions, ScreenOptions)
    return script_parser("multi_label/prune.py", __doc__, *classes, defaults=PRUNING_DEFAULTS, without=NOT_FOR_PRUNING)


def main(argv: Sequence[str]) -> None:
    """Check the options and the model, read the data, prune, report."""
    parser = build_parser()
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        own = resolve_options(PruneOptions, {}, given)
        options = resolve_options(CompressionOptions, PRUNING_DEFAULTS, given)
        options = dataclasses.replace(options, width_mult_list=own.width_mult, depth_mult_list=own.depth_mult)
        check_compression_options(options)
        if "dynabert" not in options.parts:
            raise ConfigError(f"--strategy {options.strategy}: pruning is dynabert, alone or with other parts")
        resolve_options(TrainingOptions, TRAINING_DEFAULTS, given)  # a mistake is reported before the model is read
        from ernie_toolkit.multi_label.trained import check_labels, check_params, load_trained, trained_with
        from ernie_toolkit.multi_label.training import load_directory

        directory = check_params(own.params_dir)
        training = resolve_options(TrainingOptions, {**TRAINING_DEFAULTS, **trained_with(directory)}, given)
        check_training_options(training, MultiLabelClassification.metrics)
        request = Request(options, training, Path(own.output_dir), own.resume, own.overwrite_output_dir)
        check_unfinished(request)
        data = load_directory(own, ("train", "dev"))
        check_labels(directory, data.spec.labels, Path(own.dataset_dir) / own.label_file)
        settings = dataclasses.asdict(own) | dataclasses.asdict(options) | dataclasses.asdict(training)
        defaults = default_values(PruneOptions, CompressionOptions, TrainingOptions)
        verbose = resolve_options(ScreenOptions, {}, given).verbose
        print_settings(settings, defaults | PRUNING_DEFAULTS | TRAINING_DEFAULTS, verbose)
        device = use_device(own.device or None, training.fast_cpu)
        from ernie_toolkit.multi_label.pruning import prune_trained
        from ernie_toolkit.training import seed_everything

        seed_everything(training.seed)
        report = prune_trained(load_trained(str(directory), training.max_seq_length), data, request, device)
        print_report(report, request.directory)
        warn(*data.warnings)


if __name__ == "__main__":
    main(sys.argv[1:])
