"""Predict the labels of texts with a trained multi-label model.

python multi_label/predict.py --params_path ./checkpoint/ --dataset_dir data
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.arguments.options import THRESHOLD_OR_OWN, option
from ernie_toolkit.arguments.settings import add_options, resolve_options
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, notice, say, warn
from ernie_toolkit.data.file_options import ON_ERROR, FileOptions, FileRecord
from ernie_toolkit.data.inputs import InputRow, read_text_rows, skipped_notice, texts_to_predict, with_answers
from ernie_toolkit.data.label_sets import format_line, read_label_list
from ernie_toolkit.data.lines import is_json
from ernie_toolkit.decoding import LabelSetAnswer
from ernie_toolkit.files import write_text
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.inference.console import output_lines
from ernie_toolkit.multi_label.checks import check_targets, data_files
from ernie_toolkit.multi_label.options import TrainedOptions
from ernie_toolkit.training.devices import use_device
from ernie_toolkit.training.records import read_metrics


@dataclass(frozen=True)
class PredictOptions(TrainedOptions):
    """What is predicted, and where answers go."""

    data_file: str = option(
        "data.txt",
        "name of the file of texts in --dataset_dir, one a line, or JSON lines (.json, .jsonl)",
        parse=path_text,
    )
    output_file: str = option(
        "output.txt",
        "file to write text<TAB>label,label to; named .jsonl: JSON with lines and confidences",
        parse=path_text,
    )
    on_error: str = option(
        "stop",
        "lines that are blank or cannot be read: stop there, or skip them with an empty answer (null in JSON), "
        "so that there are as many answers as lines",
        ON_ERROR,
    )
    threshold: float = option(
        -1.0,
        "probability a label has to be above; -1: the model's own (0.5 where it has none)",
        allowed=THRESHOLD_OR_OWN,
    )


def answer_lines(rows: Sequence[InputRow], answers: Sequence[LabelSetAnswer], path: Path) -> str:
    """The output file, a line for each row; a row without an answer is an empty line, or null in JSON."""
    if is_json(path):
        return output_lines(rows, answers, "multi_label")
    found = with_answers(rows, answers)
    return "".join("\n" if answer is None else format_line(str(row.text), answer.labels) for row, answer in found)


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

        kept = {**data_files(options), "data_file": Path(options.dataset_dir) / options.data_file}
        check_targets({"output_file": Path(options.output_file)}, kept)
        directory = check_params(options.params_path)
        model_thresholds(options.params_path, options.threshold)  # a mistake is told before Paddle is loaded
        data = Path(options.dataset_dir)
        if (data / options.label_file).is_file() or "label_file" in vars(given):
            path = data / options.label_file
            check_labels(directory, read_label_list(path, options.encoding), path)
        record = FileRecord()
        reading = FileOptions(encoding=options.encoding, on_error=options.on_error)
        rows = read_text_rows(data / options.data_file, reading, record)
        for message in record.notices:
            notice(message)
        texts = [str(text) for text in texts_to_predict(rows)]
        use_device(options.device or None)
        trained = load_trained(options.params_path, options.max_seq_length, options.threshold)
        answers = trained.predict(texts, options.batch_size)
        write_text(Path(options.output_file), answer_lines(rows, answers, Path(options.output_file)))
        empty = sum(not answer.labels for answer in answers)
        say(f"{len(texts)} texts ({empty} without a label) in {options.output_file}")
        skipped = skipped_notice(rows)
        for message in (*read_metrics(directory).get("warnings", ()), *([skipped] if skipped else [])):
            warn(message)


if __name__ == "__main__":
    main(sys.argv[1:])
