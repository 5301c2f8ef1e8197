"""Predict with an exported model on the CPU: ONNX Runtime, numpy and tokenizers, no Paddle.

python deploy/predictor/infer_cpu.py --model_path best_models/afqmc/export
python deploy/predictor/infer_cpu.py --task_name token_cls --text 记者在枫坪村见到了教师秦昭岫。
python deploy/predictor/infer_cpu.py --task_name qa \\
    --question 临江公司的总部在哪里？ --context 临江公司的总部设在白埠市。
"""

from __future__ import annotations

from collections.abc import Sequence

from ernie_predictor import build_parser, find_bundle, run

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.formats.ranges import THREADS, in_range
from ernie_toolkit.inference import Predictor


def make_parser() -> OneLineParser:
    """The arguments of this script."""
    parser = build_parser("infer_cpu.py", __doc__)
    parser.add_argument(
        "--num_threads", type=in_range(int, THREADS), help="(default: the processors this process may use)"
    )
    parser.add_argument("--precision_mode", default="fp32", choices=("fp32", "int8"), help="(default: %(default)s)")
    add_guide_flags(parser, "deploy/predictor/infer_cpu.py")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments and run."""
    parser = make_parser()
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        bundle = find_bundle(args)
        settings = ("cpu", args.num_threads, args.precision_mode, args.max_seq_length)
        run(args, bundle, lambda: Predictor(bundle.directory, *settings, verify=not args.no_verify))


if __name__ == "__main__":
    main()
