"""Prune a trained multi-label model to one or several widths.

python multi_label/prune.py --params_dir ./checkpoint/ --dataset_dir data --output_dir ./prune --width_mult '2/3'
"""

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.arguments.options import TrainingOptions, check_training_options, option
from ernie_toolkit.arguments.settings import add_options, resolve_options
from ernie_toolkit.compression.options import CompressionOptions, check_compression_options
from ernie_toolkit.compression.pipeline import Request, check_unfinished
from ernie_toolkit.compression.report.metrics import size_text, speed_text
from ernie_toolkit.compression.report.model import Report
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, print_settings, say, warn
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.multi_label.options import TRAINING_DEFAULTS, PlaceOptions
from ernie_toolkit.tasks import MultiLabelClassification
from ernie_toolkit.training.devices import use_device

WIDTHS = ("2/3",)
DEFAULTS = {**TRAINING_DEFAULTS, "strategy": "dynabert", "width_mult_list": WIDTHS}
# The first says --width_mult_list in the guide's words, the others are for bundles or for training in float16.
WITHOUT = ("width_mult_list", "input_infer_model_path", "fp16")


@dataclass(frozen=True)
class PruneOptions(PlaceOptions):
    """Which model is pruned, and where to."""

    params_dir: str = option("./checkpoint/", "directory of a trained model", parse=path_text)
    output_dir: str = option("./prune", "directory for the pruned models and the report", parse=path_text)
    width_mult: tuple[str, ...] = option(WIDTHS, "share of heads and neurons left, each a model: 2/3, 0.5")
    resume: bool = option(False, "go on behind the last finished part of a run that was cut off")
    overwrite_output_dir: bool = option(False, "drop what a run that was cut off has left")


def print_report(report: Report, directory: Path) -> None:
    """Print a line for each model: dev figures, size, speed."""
    say(f"{'model':<16}{'micro F1':>10}{'macro F1':>10}{'MB':>8}  speed, and how many times FP32's that is")
    for item in (report.baseline, *report.candidates):
        micro, macro = (100 * item.metrics[name] for name in ("micro_f1", "macro_f1"))
        size = size_text(report, item)
        say(f"{item.name:<16}{micro:>10.2f}{macro:>10.2f}{size:>8}  {speed_text(report, item)}  {item.file}")
    say(f"report: {directory / 'compress_report.md'} (.json, .png)")


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    parser = OneLineParser(prog="prune.py", description=__doc__)
    add_options(parser, PruneOptions)
    add_options(parser, CompressionOptions, DEFAULTS, without=WITHOUT)
    add_options(parser, TrainingOptions, TRAINING_DEFAULTS, without=("fp16", "fp16_opt_level"))
    add_guide_flags(parser, "multi_label/prune.py")
    return parser


def main(argv: Sequence[str]) -> None:
    """Parse arguments, prune, report."""
    parser = build_parser()
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        own = resolve_options(PruneOptions, {}, given)
        options = resolve_options(CompressionOptions, DEFAULTS, given)
        options = dataclasses.replace(options, width_mult_list=own.width_mult)
        check_compression_options(options)
        if "dynabert" not in options.parts:
            raise ConfigError(f"--strategy {options.strategy}: pruning is dynabert, alone or with other parts")
        resolve_options(TrainingOptions, TRAINING_DEFAULTS, given)  # a mistake is told before the model is looked for
        from ernie_toolkit.multi_label.trained import check_labels, check_params, load_trained, trained_with
        from ernie_toolkit.multi_label.training import load_directory

        directory = check_params(own.params_dir)
        training = resolve_options(TrainingOptions, {**TRAINING_DEFAULTS, **trained_with(directory)}, given)
        check_training_options(training, MultiLabelClassification.metrics)
        request = Request(options, training, Path(own.output_dir), "cpu", own.resume, own.overwrite_output_dir)
        check_unfinished(request)
        data = load_directory(own, ("train", "dev"))
        check_labels(directory, data.spec.labels, Path(own.dataset_dir) / own.label_file)
        print_settings(dataclasses.asdict(own) | dataclasses.asdict(options) | dataclasses.asdict(training))
        request = dataclasses.replace(request, device=use_device(own.device or None, training.fast_cpu))
        from prune_trainer import prune_trained

        from ernie_toolkit.training import seed_everything

        seed_everything(training.seed)
        report = prune_trained(load_trained(str(directory), training.max_seq_length), data, request)
        print_report(report, request.directory)
        for message in data.warnings:
            warn(message)


if __name__ == "__main__":
    main(sys.argv[1:])
