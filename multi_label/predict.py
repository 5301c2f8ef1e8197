"""Predict the labels of texts with a trained multi-label model.

python multi_label/predict.py --params_path ./checkpoint/ --dataset_dir data
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.arguments.settings import resolve_options, script_parser
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, notice, say, warn
from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.inputs import InputRow, read_text_rows, skipped_notice, texts_to_predict, with_answers
from ernie_toolkit.data.label_sets import format_line, read_label_list
from ernie_toolkit.data.lines import is_json
from ernie_toolkit.decoding import LabelSetAnswer
from ernie_toolkit.files import write_text
from ernie_toolkit.inference.console import output_lines
from ernie_toolkit.multi_label.checks import check_targets, data_files
from ernie_toolkit.multi_label.options import PredictOptions
from ernie_toolkit.training.records import read_metrics


def answer_lines(rows: Sequence[InputRow], answers: Sequence[LabelSetAnswer], path: Path) -> str:
    """The output file, a line for each row; a row without an answer is an empty line, or null in JSON."""
    if is_json(path):
        return output_lines(rows, answers, "multi_label")
    found = with_answers(rows, answers)
    return "".join("\n" if answer is None else format_line(str(row.text), answer.labels or ()) for row, answer in found)


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    return script_parser("multi_label/predict.py", __doc__, PredictOptions)


def main(argv: Sequence[str]) -> None:
    """Check the model and its labels, read the texts, predict, write."""
    parser = build_parser()
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        options = resolve_options(PredictOptions, {}, given)
        from ernie_toolkit.multi_label.trained import check_labels, check_params, open_trained

        data, output = Path(options.dataset_dir), Path(options.output_file)
        check_targets({"output_file": output}, {**data_files(options), "data_file": data / options.data_file})
        directory = check_params(options.params_path)
        labels = data / options.label_file
        if labels.is_file() or "label_file" in vars(given):
            check_labels(directory, read_label_list(labels, options.encoding), labels)
        reading, record = FileOptions(encoding=options.encoding, on_error=options.on_error), FileRecord()
        rows = read_text_rows(data / options.data_file, reading, record)
        notice(*record.notices)
        texts = [str(text) for text in texts_to_predict(rows)]
        answers = open_trained(options, options.threshold).predict(texts, options.batch_size)
        write_text(output, answer_lines(rows, answers, output))
        empty = sum(not answer.labels for answer in answers)
        say(f"{len(texts)} texts ({empty} without a label) in {options.output_file}")
        skipped = skipped_notice(rows)
        warn(*read_metrics(directory).get("warnings", ()), *([skipped] if skipped else []))


if __name__ == "__main__":
    main(sys.argv[1:])
