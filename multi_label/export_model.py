"""Export a trained multi-label model: the bundle that every deployment reads, and float32.* of the format before PIR.

python multi_label/export_model.py --params_path ./checkpoint/ --output_path ./export
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.arguments.options import LENGTH_OR_OWN, THRESHOLD_OR_OWN, option
from ernie_toolkit.arguments.settings import add_options, resolve_options
from ernie_toolkit.bundle import BUNDLE_FILE
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, say, warn
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.weights import weights_file
from ernie_toolkit.training.devices import use_device


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


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    parser = OneLineParser(prog="export_model.py", description=__doc__)
    add_options(parser, ExportOptions)
    add_guide_flags(parser, "multi_label/export_model.py")
    return parser


def main(argv: Sequence[str]) -> None:
    """Parse arguments, export."""
    parser = build_parser()
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        options = resolve_options(ExportOptions, {}, given)
        from ernie_toolkit.models.config import CONFIG_FILE
        from ernie_toolkit.multi_label.trained import check_params, load_trained, model_thresholds

        directory, target = check_params(options.params_path), Path(options.output_path)
        model_thresholds(options.params_path, options.threshold)  # a mistake is told before Paddle is loaded
        if target.resolve() == directory.resolve() or target.resolve() in directory.resolve().parents:
            raise ConfigError(f"--output_path {target} is where the model is: give another place")
        if (target / CONFIG_FILE).exists() or weights_file(target) is not None:
            raise ConfigError(f"--output_path {target} holds a trained model: give another place")
        if target.exists() and (not target.is_dir() or (any(target.iterdir()) and not (target / BUNDLE_FILE).exists())):
            raise ConfigError(f"--output_path {target} is there and is no bundle: give another place, or empty it")
        use_device("cpu")
        from ernie_toolkit.multi_label.exporting import export_model, legacy_files

        trained = load_trained(options.params_path, options.max_seq_length, options.threshold)
        bundle = export_model(trained, target, options.legacy_pdmodel)
        parity = bundle.info.parity
        say(
            f"bundle in {target}: ONNX and Paddle logits differ by at most {parity['max_abs_difference']:.1e} "
            f"on {parity['rows']:.0f} rows"
        )
        if options.legacy_pdmodel:
            say("format before PIR: " + ", ".join(map(str, legacy_files(target))))
        for message in bundle.info.warnings:
            warn(message)


if __name__ == "__main__":
    main(sys.argv[1:])
