"""Predict with an exported model on an NVIDIA GPU: ONNX Runtime's CUDA or TensorRT provider.

python deploy/predictor/infer_gpu.py --model_path best_models/afqmc/export --precision_mode fp16
python deploy/predictor/infer_gpu.py --use_trt --set_dynamic_shape --shape_info_file shape_info.txt
python deploy/predictor/infer_gpu.py --use_trt --shape_info_file shape_info.txt
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.data.inputs import texts_to_predict
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.answer_arguments import answer_options
from ernie_toolkit.inference.cli import add_gpu_arguments, build_parser, find_bundle, print_speed, shape_profile
from ernie_toolkit.inference.console import inputs_of, report
from ernie_toolkit.inference.engines.gpu import GpuOptions, warm_up


def make_parser() -> OneLineParser:
    """The arguments of this script."""
    parser = build_parser("infer_gpu.py", __doc__)
    add_gpu_arguments(parser)
    add_guide_flags(parser, "deploy/predictor/infer_gpu.py")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Find the bundle, read the texts, open the predictor and warm it up, predict, report."""
    parser = make_parser()
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        bundle = find_bundle(args)
        options = answer_options(args, bundle.info, bundle.directory)
        rows = inputs_of(args, bundle.info)
        texts = texts_to_predict(rows)
        started = time.perf_counter()
        profile = shape_profile(args, bundle)
        gpu = GpuOptions(args.device_id, args.use_trt, profile if args.use_trt else None, Path(args.engine_cache))
        settings = ("gpu", None, args.precision_mode, args.max_seq_length)
        predictor = Predictor(bundle.directory, *settings, gpu=gpu, verify=not args.no_verify)
        if not args.no_warm_up:
            warm_up(predictor.compute, [profile.smallest, profile.usual, profile.largest])
        ready = time.perf_counter()
        answers = predictor.predict(texts, args.batch_size, options)
        done = time.perf_counter()
        report(rows, answers, bundle.info, args.output_file, options)
        print_speed(len(texts), ready - started, done - ready)


if __name__ == "__main__":
    main()
