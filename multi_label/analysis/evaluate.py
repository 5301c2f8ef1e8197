"""Evaluate a trained multi-label model label by label; write the wrong rows and a page to look at.

python multi_label/analysis/evaluate.py --dataset_dir data --params_path ./checkpoint/
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.arguments.settings import resolve_options, script_parser
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, say, warn
from ernie_toolkit.files import write_text
from ernie_toolkit.multi_label.analysis.evaluation import bad_case_text, bad_cases, evaluate, guide_lines
from ernie_toolkit.multi_label.analysis.options import EvaluationOptions
from ernie_toolkit.multi_label.analysis.report import report_page
from ernie_toolkit.multi_label.checks import check_targets, data_files
from ernie_toolkit.training.records import read_metrics


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    return script_parser("multi_label/analysis/evaluate.py", __doc__, EvaluationOptions)


def main(argv: Sequence[str]) -> None:
    """Read the data, load the model, evaluate it, write the wrong rows and the page."""
    parser = build_parser()
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        options = resolve_options(EvaluationOptions, {}, given)
        from ernie_toolkit.multi_label.trained import check_params, open_trained
        from ernie_toolkit.multi_label.training import load_known_directory

        bad_case_file, report_file = Path(options.bad_case_file), Path(options.report_file)
        check_targets({"bad_case_file": bad_case_file, "report_file": report_file}, data_files(options))
        model = check_params(options.params_path)
        data = load_known_directory(options, ("train", "dev"))
        evaluation = evaluate(open_trained(options, options.threshold), data, options.batch_size)
        say(*guide_lines(evaluation))
        cases = bad_cases(evaluation.dev, evaluation.thresholds)
        write_text(bad_case_file, bad_case_text(evaluation, cases))
        warnings = list(dict.fromkeys([*data.warnings, *read_metrics(model).get("warnings", ())]))
        about = {"model": str(model), "data": str(options.dataset_dir), "warnings": warnings}
        write_text(report_file, report_page(evaluation, cases, about))
        say(f"{len(cases)} of {len(evaluation.dev.texts)} dev rows are wrong: {options.bad_case_file}")
        say(f"page: {options.report_file}")
        warn(*warnings)


if __name__ == "__main__":
    main(sys.argv[1:])
