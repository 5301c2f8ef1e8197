"""Export a trained multi-label model: the bundle that every deployment reads, and float32.* of the format before PIR.

python multi_label/export_model.py --params_path ./checkpoint/ --output_path ./export
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.arguments.settings import resolve_options, script_parser
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, say, warn
from ernie_toolkit.multi_label.checks import check_export_target
from ernie_toolkit.multi_label.options import ExportOptions
from ernie_toolkit.training.devices import use_device


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    return script_parser("multi_label/export_model.py", __doc__, ExportOptions)


def main(argv: Sequence[str]) -> None:
    """Check where the bundle goes, load the model, export it, report."""
    parser = build_parser()
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        options = resolve_options(ExportOptions, {}, given)
        from ernie_toolkit.multi_label.trained import check_params, load_trained

        target = Path(options.output_path)
        directory = check_params(options.params_path)
        check_export_target(target, directory)
        use_device("cpu")
        from ernie_toolkit.commands.reports import report_bundle
        from ernie_toolkit.multi_label.exporting import export_model, legacy_files

        trained = load_trained(options.params_path, options.max_seq_length, options.threshold)
        bundle = export_model(trained, target, options.legacy_pdmodel)
        report_bundle(bundle)
        if options.legacy_pdmodel:
            say("format before PIR: " + ", ".join(map(str, legacy_files(target))))
        warn(*bundle.info.warnings)


if __name__ == "__main__":
    main(sys.argv[1:])
