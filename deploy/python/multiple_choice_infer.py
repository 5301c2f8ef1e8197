"""Choose answers to questions about contexts with FastDeploy.

python deploy/python/multiple_choice_infer.py --device cpu --backend onnx_runtime
python deploy/python/multiple_choice_infer.py --context 男：我是一名医生。 --question 男的是做什么工作的？ \\
    --choices 司机 医生 教师
"""

from __future__ import annotations

from typing import Sequence

from ernie_toolkit.console import exit_on_toolkit_error, notice
from ernie_toolkit.data.inputs import texts_to_predict
from ernie_toolkit.decoding import ChoiceAnswer
from ernie_toolkit.fastdeploy import build_parser, open_bundle, open_predictor, report, settings_of
from ernie_toolkit.formats.escapes import terminal_line
from ernie_toolkit.inference.console import inputs_of
from ernie_toolkit.inference.predictor import limited
from ernie_toolkit.text.features import TextInput

TASK = "multiple_choice"


def show(number: int, text: TextInput, answer: ChoiceAnswer) -> str:
    """A question, and which of its choices was taken; they are counted from 0."""
    place = f"choice: [{answer.index}] of {len(answer.probabilities)}"
    lines = (f"question: {text[1]}", f"answer: {answer.choice}   {place}   confidence: {answer.confidence:.4f}")
    return "\n".join(map(terminal_line, lines))


def main(argv: Sequence[str] | None = None) -> None:
    """Read the questions, open the model on FastDeploy, choose, report."""
    parser = build_parser("multiple_choice_infer.py", __doc__, TASK)
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        bundle = open_bundle(args.model_dir, TASK, verify=not args.no_verify)
        if not args.use_fast:
            notice("--use_fast false has no effect: there is one tokenizer, and it is the fast one")
        rows = inputs_of(args, limited(bundle.info, args.max_length, None))
        predictor = open_predictor(bundle, settings_of(args), args.max_length)
        answers = predictor.predict(texts_to_predict(rows), args.batch_size)
        report(rows, answers, bundle.info, args.output_file, show)


if __name__ == "__main__":
    main()
