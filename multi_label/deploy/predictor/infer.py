"""Predict the labels of texts with an exported model: ONNX Runtime, numpy and tokenizers, no Paddle.

python multi_label/deploy/predictor/infer.py --device cpu --model_path_prefix export/float32 --dataset_dir data
python multi_label/deploy/predictor/infer.py --device cpu --model_path_prefix export/float32 --dataset_dir data --perf
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.arguments.options import split_device
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, notice, warn
from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.inputs import InputRow, read_text_rows, skipped_notice
from ernie_toolkit.data.label_sets import UNLABELLED_FILE
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.inference import Predictor, label_sets
from ernie_toolkit.inference.cli import print_choice
from ernie_toolkit.inference.console import examples_of
from ernie_toolkit.inference.engines.gpu import GpuOptions


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    parser = label_sets.build_parser("infer.py", __doc__)
    add_guide_flags(parser, "multi_label/deploy/predictor/infer.py")
    return parser


def main(argv: Sequence[str]) -> None:
    """Find the bundle, read the texts, open the predictor, then predict or measure."""
    parser = build_parser()
    args = parser.parse_args(argv)
    args.device, card = split_device(args.device)
    args.device_id = args.device_id if card is None else card
    with exit_on_toolkit_error(parser.prog):
        bundle = label_sets.find_bundle(args.model_path_prefix, not args.no_verify)
        if args.perf and not args.dataset_dir:
            raise ConfigError(
                f"--perf needs --dataset_dir, a directory with {args.perf_dataset}.txt and {args.label_file}"
            )
        directory = Path(args.dataset_dir or ".")
        if args.dataset_dir and (directory / args.label_file).is_file():
            label_sets.check_label_file(bundle, directory / args.label_file, args.encoding)
        rows = [InputRow(text) for text in examples_of(bundle.info)]
        if args.dataset_dir and not args.perf:
            options, record = FileOptions(encoding=args.encoding, on_error=args.on_error), FileRecord()
            rows = read_text_rows(directory / UNLABELLED_FILE, options, record)
            notice(*record.notices)
        predictor = Predictor(
            bundle,
            args.device,
            args.num_threads,
            label_sets.precision_of(args),
            args.max_seq_length,
            gpu=GpuOptions(args.device_id) if args.device == "gpu" else None,
            threshold=args.threshold,
            engine=args.engine,
            engine_cache=args.engine_cache,
        )
        skipped = skipped_notice(rows)
        warn(*bundle.info.warnings, *([skipped] if skipped else []))
        if args.perf:
            label_sets.evaluate(
                predictor, directory, args.perf_dataset, args.label_file, args.batch_size, args.encoding
            )
        else:
            label_sets.show(predictor, rows, args.batch_size)
        print_choice(predictor)


if __name__ == "__main__":
    main(sys.argv[1:])
