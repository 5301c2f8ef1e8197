"""Predict with an exported model on the CPU: ONNX Runtime or OpenVINO, numpy and tokenizers, no Paddle.

python deploy/predictor/infer_cpu.py --model_path best_models/afqmc/export
python deploy/predictor/infer_cpu.py --task_name token_cls --text 记者在枫坪村见到了教师秦昭岫。
python deploy/predictor/infer_cpu.py --task_name qa \\
    --question 临江公司的总部在哪里？ --context 临江公司的总部设在白埠市。
python deploy/predictor/infer_cpu.py --task_name multiple_choice \\
    --context 男：我是一名医生。 --question 男的是做什么工作的？ --choices 司机 医生 教师
python deploy/predictor/infer_cpu.py --model_path best_models/afqmc/export --input corpus/*.jsonl --output answers
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.bundle import CascadeBundle
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.corpus.options import add_corpus_arguments, corpus_options
from ernie_toolkit.corpus.run import predict_corpus
from ernie_toolkit.data.inputs import texts_to_predict
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.formats.ranges import THREADS, in_range
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.answer_arguments import answer_options
from ernie_toolkit.inference.cli import build_parser, find_bundle, print_choice, print_speed
from ernie_toolkit.inference.console import inputs_of, report
from ernie_toolkit.inference.engine_arguments import add_engine_arguments


def make_parser() -> OneLineParser:
    """The arguments of this script."""
    parser = build_parser("infer_cpu.py", __doc__)
    parser.add_argument(
        "--num_threads", type=in_range(int, THREADS), help="(default: the processors this process may use)"
    )
    add_engine_arguments(parser)
    add_corpus_arguments(parser)
    add_guide_flags(parser, "deploy/predictor/infer_cpu.py")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Find the bundle, read the texts, open the predictor, predict, report; or predict whole files, chunk by chunk."""
    parser = make_parser()
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        corpus = corpus_options(args)
        bundle = find_bundle(args, cascades=True)
        options = answer_options(args, bundle.info, bundle.directory)
        if corpus is not None:
            if options.given:
                raise ConfigError(f"`{options.given[0]}` is not for files of `input` yet: give --input_file")
            if isinstance(bundle, CascadeBundle):
                part = bundle.parts[-1].directory
                raise ConfigError(f"--input takes no cascade yet: give --input_file, or one of its parts ({part})")
            predict_corpus(bundle, replace(corpus, precision=args.precision_mode))
            return
        rows = inputs_of(args, bundle.info)
        texts = texts_to_predict(rows)
        settings = ("cpu", args.num_threads, args.precision_mode, args.max_seq_length)
        started = time.perf_counter()
        predictor = Predictor(bundle, *settings, engine=args.engine, engine_cache=args.engine_cache)
        ready = time.perf_counter()
        answers = predictor.predict(texts, args.batch_size, options)
        done = time.perf_counter()
        report(rows, answers, bundle.info, args.output_file, options)
        print_choice(predictor)
        print_speed(len(texts), ready - started, done - ready)


if __name__ == "__main__":
    main()
