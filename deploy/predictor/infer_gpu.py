"""Predict with an exported model on an NVIDIA GPU: ONNX Runtime's CUDA or TensorRT provider.

python deploy/predictor/infer_gpu.py --model_path best_models/afqmc/export --precision_mode fp16
python deploy/predictor/infer_gpu.py --use_trt --set_dynamic_shape --shape_info_file shape_info.txt
python deploy/predictor/infer_gpu.py --use_trt --shape_info_file shape_info.txt
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ernie_predictor import build_parser, find_bundle, run

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.bundle import Bundle
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, print_line
from ernie_toolkit.data.inputs import texts_to_predict
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.ranges import DEVICE_NUMBER, in_range
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.console import inputs_of
from ernie_toolkit.inference.engines.gpu import (
    GpuOptions,
    ShapeProfile,
    measured_profile,
    read_profile,
    warm_up,
    whole_profile,
)
from ernie_toolkit.inference.predictor import bundle_task, limited
from ernie_toolkit.text.tokenization import load_tokenizer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the GPU alone."""
    parser.add_argument(
        "--device_id", type=in_range(int, DEVICE_NUMBER), default=0, help="which GPU (default: %(default)s)"
    )
    parser.add_argument(
        "--precision_mode",
        default="fp32",
        choices=("fp32", "fp16", "int8"),
        help="fp16: the bundle's, or converted now; int8: the bundle's, with fixed ranges (default: %(default)s)",
    )
    parser.add_argument("--use_trt", action="store_true", help="use TensorRT")
    parser.add_argument(
        "--set_dynamic_shape",
        action="store_true",
        help="measure the shapes of these inputs' batches, and write them to --shape_info_file",
    )
    parser.add_argument(
        "--shape_info_file",
        type=path_text,
        default="shape_info.txt",
        help="shapes that TensorRT builds its engine for; all that can come where it is missing (default: %(default)s)",
    )
    parser.add_argument(
        "--engine_cache",
        type=path_text,
        default="trt_engines",
        help="where TensorRT keeps engines (default: %(default)s)",
    )
    parser.add_argument("--no_warm_up", action="store_true", help="do not run batches before the first measured one")


def shapes(args: argparse.Namespace, bundle: Bundle) -> ShapeProfile:
    """The batches to expect: measured on the inputs, read from the file, or every one that can come."""
    info = limited(bundle.info, args.max_seq_length, None)
    path = Path(args.shape_info_file)
    if args.set_dynamic_shape:
        texts = texts_to_predict(inputs_of(args, info))
        rows = bundle_task(info, bundle.directory).encode(load_tokenizer(bundle.path("tokenizer")), texts)
        profile = measured_profile(rows.lengths(), args.batch_size)
        profile.write(path)
        print_line(f"shapes of {len(rows)} row(s) in {path}: {profile.smallest}, {profile.usual}, {profile.largest}")
        return profile
    if args.use_trt and path.exists():
        return read_profile(path)
    return whole_profile(info.max_seq_length, args.batch_size)


def open_predictor(args: argparse.Namespace, bundle: Bundle) -> Predictor:
    """The predictor on the GPU, warmed up."""
    profile = shapes(args, bundle)
    gpu = GpuOptions(args.device_id, args.use_trt, profile if args.use_trt else None, Path(args.engine_cache))
    predictor = Predictor(
        bundle.directory, "gpu", None, args.precision_mode, args.max_seq_length, None, gpu, verify=not args.no_verify
    )
    if not args.no_warm_up:
        warm_up(predictor.compute, [profile.smallest, profile.usual, profile.largest])
    return predictor


def make_parser() -> OneLineParser:
    """The arguments of this script."""
    parser = build_parser("infer_gpu.py", __doc__)
    add_arguments(parser)
    add_guide_flags(parser, "deploy/predictor/infer_gpu.py")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments and run."""
    parser = make_parser()
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        bundle = find_bundle(args)
        run(args, bundle, lambda: open_predictor(args, bundle))


if __name__ == "__main__":
    main()
