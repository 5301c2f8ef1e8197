"""Predict the labels of texts with an exported model: ONNX Runtime, numpy and tokenizers, no Paddle.

python multi_label/deploy/predictor/infer.py --device cpu --model_path_prefix export/float32 --dataset_dir data
python multi_label/deploy/predictor/infer.py --device cpu --model_path_prefix export/float32 --dataset_dir data --perf
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from predictor import check_label_file, evaluate, find_bundle, show

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.arguments.options import device_of, split_device
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, notice, warn
from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.inputs import InputRow, read_text_rows, skipped_notice
from ernie_toolkit.data.label_sets import LABEL_FILE, UNLABELLED_FILE
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.ranges import BATCH_SIZE, DEVICE_NUMBER, SEQUENCE_LENGTH, SHARE, THREADS, in_range
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.console import add_reading_arguments, examples_of
from ernie_toolkit.inference.engines.gpu import GpuOptions


def build_parser() -> OneLineParser:
    """The arguments, named as PaddleNLP's guide names them."""
    parser = OneLineParser(prog="infer.py", description=__doc__)
    parser.add_argument(
        "--model_path_prefix",
        type=path_text,
        default="export/float32",
        help="DIR/float32 of the bundle in DIR, or DIR itself (default: %(default)s)",
    )
    parser.add_argument(
        "--device", default="cpu", type=device_of("cpu", "gpu"), help="cpu, gpu, gpu:1 (default: %(default)s)"
    )
    parser.add_argument(
        "--device_id", type=in_range(int, DEVICE_NUMBER), default=0, help="which GPU (default: %(default)s)"
    )
    parser.add_argument(
        "--max_seq_length", type=in_range(int, SEQUENCE_LENGTH), help="at most the bundle's own, which is the default"
    )
    parser.add_argument("--batch_size", type=in_range(int, BATCH_SIZE), default=32, help="(default: %(default)s)")
    parser.add_argument(
        "--num_threads", type=in_range(int, THREADS), help="of the CPU (default: the processors this process may use)"
    )
    parser.add_argument("--use_quantize", action="store_true", help="INT8: the bundle's, or made now; CPU only")
    parser.add_argument("--use_fp16", action="store_true", help="FP16: the bundle's, or made now; GPU only")
    parser.add_argument(
        "--threshold",
        type=in_range(float, SHARE),
        help="probability that a label has to be above (default: the bundle's thresholds)",
    )
    parser.add_argument(
        "--dataset_dir", type=path_text, help=f"directory with {UNLABELLED_FILE}; built-in texts without it"
    )
    add_reading_arguments(parser)
    parser.add_argument(
        "--label_file", type=path_text, default=LABEL_FILE, help="its label file (default: %(default)s)"
    )
    parser.add_argument("--perf", action="store_true", help="print speed and F1 on a labelled file of --dataset_dir")
    parser.add_argument("--perf_dataset", default="dev", choices=("dev", "test"), help="(default: %(default)s)")
    parser.add_argument(
        "--no_verify", action="store_true", help="do not compare the checksums of the bundle's files when it is opened"
    )
    add_guide_flags(parser, "multi_label/deploy/predictor/infer.py")
    return parser


def precision_of(args: argparse.Namespace) -> str:
    """The precision asked for; what the device has no use for is left out with a warning, as in the guide."""
    if args.use_quantize and args.device == "gpu":
        warn("--use_quantize is for the CPU: left out (--use_fp16 is for the GPU)")
    if args.use_fp16 and args.device == "cpu":
        warn("--use_fp16 is for the GPU: left out (--use_quantize is for the CPU)")
    if args.device == "cpu":
        return "int8" if args.use_quantize else "fp32"
    return "fp16" if args.use_fp16 else "fp32"


def main(argv: Sequence[str]) -> None:
    """Parse arguments, then predict or measure."""
    parser = build_parser()
    args = parser.parse_args(argv)
    args.device, card = split_device(args.device)
    args.device_id = args.device_id if card is None else card
    with exit_on_toolkit_error(parser.prog):
        bundle = find_bundle(args.model_path_prefix, not args.no_verify)
        if args.perf and not args.dataset_dir:
            raise ConfigError(
                f"--perf needs --dataset_dir, a directory with {args.perf_dataset}.txt and {args.label_file}"
            )
        directory = Path(args.dataset_dir or ".")
        if args.dataset_dir and (directory / args.label_file).is_file():
            check_label_file(bundle, directory / args.label_file, args.encoding)
        rows = [InputRow(text) for text in examples_of(bundle.info)]
        if args.dataset_dir and not args.perf:
            options, record = FileOptions(encoding=args.encoding, on_error=args.on_error), FileRecord()
            rows = read_text_rows(directory / UNLABELLED_FILE, options, record)
            for message in record.notices:
                notice(message)
        predictor = Predictor(
            bundle.directory,
            args.device,
            args.num_threads,
            precision_of(args),
            args.max_seq_length,
            gpu=GpuOptions(args.device_id) if args.device == "gpu" else None,
            threshold=args.threshold,
            verify=not args.no_verify,
        )
        skipped = skipped_notice(rows)
        for message in (*bundle.info.warnings, *([skipped] if skipped else [])):
            warn(message)
        if args.perf:
            evaluate(predictor, directory, args.perf_dataset, args.label_file, args.batch_size, args.encoding)
        else:
            show(predictor, rows, args.batch_size)


if __name__ == "__main__":
    main(sys.argv[1:])
