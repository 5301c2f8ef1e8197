"""Answer questions from contexts with FastDeploy.

python deploy/python/qa_infer.py --device cpu --backend onnx_runtime
python deploy/python/qa_infer.py --question 临江公司的总部在哪里？ --context 临江公司的总部设在白埠市东部。
"""

from __future__ import annotations

from typing import Sequence

from ernie_toolkit.console import exit_on_toolkit_error, notice
from ernie_toolkit.data.inputs import texts_to_predict
from ernie_toolkit.decoding import SpanAnswer
from ernie_toolkit.fastdeploy import build_parser, open_bundle, open_predictor, report, settings_of
from ernie_toolkit.formats.escapes import terminal_line
from ernie_toolkit.inference.console import inputs_of
from ernie_toolkit.inference.predictor import limited
from ernie_toolkit.text.features import TextInput

TASK = "qa"


def show(number: int, text: TextInput, answer: SpanAnswer) -> str:
    """A question and its answer; positions are first and last character in the context."""
    assert answer.start is not None and answer.end is not None  # nobody asks here to abstain
    place = f"pos: [{answer.start}, {answer.end - 1}]"
    lines = (f"question: {text[0]}", f"answer: {answer.text}   {place}   confidence: {answer.confidence:.4f}")
    return "\n".join(map(terminal_line, lines))


def main(argv: Sequence[str] | None = None) -> None:
    """Read the texts, open the model on FastDeploy, predict, report."""
    parser = build_parser("qa_infer.py", __doc__, TASK)
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
