"""Classify texts or pairs with FastDeploy.

python deploy/python/seq_cls_infer.py --device cpu --backend onnx_runtime
python deploy/python/seq_cls_infer.py --text 怎么还款 --text_pair 如何还款
"""

from __future__ import annotations

from functools import partial
from typing import Sequence

from ernie_toolkit.console import exit_on_toolkit_error, notice
from ernie_toolkit.data.inputs import texts_to_predict
from ernie_toolkit.decoding import LabelAnswer
from ernie_toolkit.fastdeploy import build_parser, open_bundle, open_predictor, report, settings_of
from ernie_toolkit.formats.escapes import terminal_line
from ernie_toolkit.inference.console import inputs_of
from ernie_toolkit.inference.predictor import limited
from ernie_toolkit.text.features import TextInput

TASK = "seq_cls"


def show(batch_size: int, number: int, text: TextInput, answer: LabelAnswer) -> str:
    """The label of a text or a pair, as PaddleNLP's guide prints it; `number`: the row's, from 0."""
    texts = f"text:{text}" if isinstance(text, str) else f"sentence1:{text[0]}, sentence2:{text[1]}"
    place = f"Batch id:{number // batch_size}, example id:{number % batch_size}"
    return terminal_line(f"{place}, {texts}, label:{answer.label}, similarity:{answer.confidence:.4f}")


def main(argv: Sequence[str] | None = None) -> None:
    """Read the texts, open the model on FastDeploy, predict, report."""
    parser = build_parser("seq_cls_infer.py", __doc__, TASK)
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        bundle = open_bundle(args.model_dir, TASK, verify=not args.no_verify)
        if not args.use_fast:
            notice("--use_fast false has no effect: there is one tokenizer, and it is the fast one")
        rows = inputs_of(args, limited(bundle.info, args.max_length, None))
        predictor = open_predictor(bundle, settings_of(args), args.max_length)
        answers = predictor.predict(texts_to_predict(rows), args.batch_size)
        report(rows, answers, bundle.info, args.output_file, partial(show, args.batch_size))


if __name__ == "__main__":
    main()
