"""Predict with an exported model in Paddle Inference, for those who have PaddlePaddle installed; other engines too.

python deploy/predictor/infer.py --model_path best_models/afqmc/export
python deploy/predictor/infer.py --model_path best_models/afqmc/export --enable_bf16 --perf --input_file in.tsv
"""

from __future__ import annotations

from collections.abc import Sequence

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.arguments.options import device_of, split_device
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, print_line
from ernie_toolkit.data.inputs import texts_to_predict
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.formats.ranges import COUNT_OR_NONE, THREADS, in_range
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.answer_arguments import answer_options
from ernie_toolkit.inference.cli import build_parser, find_bundle, print_choice, task_of_dataset
from ernie_toolkit.inference.console import inputs_of, report
from ernie_toolkit.inference.engine_arguments import add_engine_arguments
from ernie_toolkit.inference.engines.gpu import GpuOptions
from ernie_toolkit.inference.speed import measure_speed


def make_parser() -> OneLineParser:
    """The arguments of this script."""
    parser = build_parser("infer.py", __doc__, datasets=True)
    parser.add_argument(
        "--device", default="cpu", type=device_of("cpu", "gpu"), help="cpu, gpu, gpu:1 (default: %(default)s)"
    )
    parser.add_argument(
        "--num_threads",
        type=in_range(int, THREADS),
        help="of the CPU (default: the processors this process may use)",
    )
    add_engine_arguments(parser, "paddle_inference")
    parser.add_argument("--perf", action="store_true", help="print latency and throughput in place of answers")
    parser.add_argument(
        "--perf_warmup_steps",
        type=in_range(int, COUNT_OR_NONE),
        default=20,
        help="batches before the first that --perf measures (default: %(default)s)",
    )
    add_guide_flags(parser, "deploy/predictor/infer.py")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Find the bundle, read the texts, open the predictor, then predict or measure."""
    parser = make_parser()
    args = task_of_dataset(parser.parse_args(argv))
    device, card = split_device(args.device)
    with exit_on_toolkit_error(parser.prog):
        bundle = find_bundle(args)
        options = answer_options(args, bundle.info, bundle.directory)
        if args.perf and options.given:
            raise ConfigError(f"--perf prints no answers: leave `{options.given[0]}` out")
        rows = inputs_of(args, bundle.info)
        texts = texts_to_predict(rows)
        predictor = Predictor(
            bundle,
            device,
            args.num_threads,
            args.precision_mode,
            args.max_seq_length,
            gpu=GpuOptions(card or 0) if device == "gpu" else None,
            engine=args.engine,
            engine_cache=args.engine_cache,
        )
        if args.perf:
            print_choice(predictor)
            print_line(str(measure_speed(predictor, texts, args.batch_size, args.perf_warmup_steps)))
            return
        answers = predictor.predict(texts, args.batch_size, options)
        report(rows, answers, bundle.info, args.output_file, options)
        print_choice(predictor)


if __name__ == "__main__":
    main()
