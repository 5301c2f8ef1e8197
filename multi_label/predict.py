"""Predict the labels of texts with a trained multi-label model.

python multi_label/predict.py --params_path ./checkpoint/ --dataset_dir data
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ernie_toolkit.cli import OneLineParser, exit_on_toolkit_error, say, warn
from ernie_toolkit.data.label_sets import format_line, read_label_list, read_texts
from ernie_toolkit.devices import use_device
from ernie_toolkit.files import write_text
from ernie_toolkit.guide_flags import add_guide_flags
from ernie_toolkit.multi_label.checks import check_targets, data_files
from ernie_toolkit.multi_label.options import TrainedOptions
from ernie_toolkit.options import check_at_least_one, option
from ernie_toolkit.pairing import strict_zip
from ernie_toolkit.reporting import read_metrics
from ernie_toolkit.settings import add_options, resolve_options


@dataclass(frozen=True)
class PredictOptions(TrainedOptions):
    """What is predicted, and where answers go."""

    data_file: str = option("data.txt", "name of the file of texts in --dataset_dir, one a line")
    output_file: str = option("output.txt", "file to write text<TAB>label,label to")
    threshold: float = option(-1.0, "probability a label has to be above; -1: the model's own (0.5 where it has none)")


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    parser = OneLineParser(prog="predict.py", description=__doc__)
    add_options(parser, PredictOptions)
    add_guide_flags(parser, "multi_label/predict.py")
    return parser


def main(argv: Sequence[str]) -> None:
    """Parse arguments, predict, write."""
    parser = build_parser()
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        options = resolve_options(PredictOptions, {}, given)
        from ernie_toolkit.multi_label.trained import check_labels, check_params, load_trained, model_thresholds

        check_at_least_one(options, ("batch_size",))
        kept = {**data_files(options), "data_file": Path(options.dataset_dir) / options.data_file}
        check_targets({"output_file": Path(options.output_file)}, kept)
        directory = check_params(options.params_path)
        model_thresholds(options.params_path, options.threshold)  # a mistake is told before Paddle is loaded
        data = Path(options.dataset_dir)
        if (data / options.label_file).is_file() or "label_file" in vars(given):
            check_labels(directory, read_label_list(data / options.label_file), data / options.label_file)
        texts = read_texts(data / options.data_file)
        use_device(options.device or None)
        trained = load_trained(options.params_path, options.max_seq_length, options.threshold)
        answers = trained.predict(texts, options.batch_size)
        lines = [format_line(text, answer.labels) for text, answer in strict_zip(texts, answers)]
        write_text(Path(options.output_file), "".join(lines))
        empty = sum(not answer.labels for answer in answers)
        say(f"{len(texts)} texts ({empty} without a label) in {options.output_file}")
        for message in read_metrics(directory).get("warnings", ()):
            warn(message)


if __name__ == "__main__":
    main(sys.argv[1:])
