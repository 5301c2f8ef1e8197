"""Evaluate a trained multi-label model label by label; write the wrong rows and a page to look at.

python multi_label/analysis/evaluate.py --dataset_dir data --params_path ./checkpoint/
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.arguments.options import THRESHOLD_OR_OWN, option
from ernie_toolkit.arguments.settings import add_options, resolve_options
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, say, warn
from ernie_toolkit.files import write_text
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.multi_label.analysis.evaluation import (
    Evaluation,
    bad_case_text,
    bad_cases,
    guide_lines,
    split_result,
)
from ernie_toolkit.multi_label.analysis.report import report_page
from ernie_toolkit.multi_label.checks import check_targets, data_files
from ernie_toolkit.multi_label.options import TrainedOptions
from ernie_toolkit.training.devices import use_device
from ernie_toolkit.training.records import read_metrics


@dataclass(frozen=True)
class EvaluationOptions(TrainedOptions):
    """What is evaluated, and where the wrong rows go."""

    dataset_dir: str = option("../data", "directory with the training, dev and label files", parse=path_text)
    params_path: str = option("../checkpoint/", "directory of a trained model", parse=path_text)
    bad_case_file: str = option(
        "./bad_case.txt", "file for the wrong dev rows: prediction, label, text", parse=path_text
    )
    report_file: str = option("./report.html", "file for the page", parse=path_text)
    threshold: float = option(
        -1.0,
        "probability a label has to be above; -1: the model's own (0.5 where it has none)",
        allowed=THRESHOLD_OR_OWN,
    )


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    parser = OneLineParser(prog="evaluate.py", description=__doc__)
    add_options(parser, EvaluationOptions)
    add_guide_flags(parser, "multi_label/analysis/evaluate.py")
    return parser


def main(argv: Sequence[str]) -> None:
    """Parse arguments, evaluate, write."""
    parser = build_parser()
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        options = resolve_options(EvaluationOptions, {}, given)
        from ernie_toolkit.multi_label.trained import check_labels, check_params, load_trained, model_thresholds
        from ernie_toolkit.multi_label.training import load_directory

        written = {name: Path(getattr(options, name)) for name in ("bad_case_file", "report_file")}
        check_targets(written, data_files(options))
        model = check_params(options.params_path)
        model_thresholds(options.params_path, options.threshold)  # a mistake is told before Paddle is loaded
        data = load_directory(options, ("train", "dev"))
        check_labels(model, data.spec.labels, Path(options.dataset_dir) / options.label_file)
        use_device(options.device or None)
        trained = load_trained(options.params_path, options.max_seq_length, options.threshold)
        thresholds = trained.task.used_thresholds
        results = []
        for rows in (data.split("train"), data.split("dev")):
            texts = [row["sentence"] for row in rows]
            probabilities = trained.probabilities(texts, options.batch_size)
            results.append(split_result(texts, trained.task.gold(rows), probabilities, thresholds))
        evaluation = Evaluation(trained.task.labels, thresholds, *results)
        for line in guide_lines(evaluation):
            say(line)
        cases = bad_cases(evaluation.dev, thresholds)
        write_text(Path(options.bad_case_file), bad_case_text(evaluation, cases))
        warnings = list(dict.fromkeys([*data.warnings, *read_metrics(model).get("warnings", ())]))
        about = {"model": str(model), "data": str(options.dataset_dir), "warnings": warnings}
        write_text(Path(options.report_file), report_page(evaluation, cases, about))
        say(f"{len(cases)} of {len(evaluation.dev.texts)} dev rows are wrong: {options.bad_case_file}")
        say(f"page: {options.report_file}")
        for message in warnings:
            warn(message)


if __name__ == "__main__":
    main(sys.argv[1:])
