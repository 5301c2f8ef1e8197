"""Find entities in texts with FastDeploy.

python deploy/python/token_cls_infer.py --device cpu --backend onnx_runtime
python deploy/python/token_cls_infer.py --text 记者在枫坪村见到了教师秦昭岫。
"""

from __future__ import annotations

from typing import Sequence

from ernie_toolkit.console import exit_on_toolkit_error, notice
from ernie_toolkit.data.inputs import texts_to_predict
from ernie_toolkit.decoding import TaggedText
from ernie_toolkit.fastdeploy import build_parser, open_bundle, open_predictor, report, settings_of
from ernie_toolkit.formats.escapes import terminal_line
from ernie_toolkit.inference.console import inputs_of
from ernie_toolkit.inference.predictor import limited
from ernie_toolkit.text.features import TextInput

TASK = "token_cls"


def show(number: int, text: TextInput, answer: TaggedText) -> str:
    """The entities of a text, as PaddleNLP's guide prints them; positions are first and last character."""
    lines = [f"input data: {text}", "The model detects all entities:"]
    lines += [
        f"entity: {item.text}   label: {item.type}   pos: [{item.start}, {item.end - 1}]" for item in answer.entities
    ]
    return "\n".join([*map(terminal_line, lines), "-----------------------------"])


def main(argv: Sequence[str] | None = None) -> None:
    """Read the texts, open the model on FastDeploy, predict, report."""
    parser = build_parser("token_cls_infer.py", __doc__, TASK)
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
