"""Make a fine-tuned multiple choice model smaller and faster; prune, quantize, report what each costs.

python compress_multiple_choice.py --model_name_or_path best_models/c3/ --dataset c3
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit import compress, load_dataset, load_model
from utils import (
    compress_arguments,
    one_line_errors,
    report_compression,
    report_data,
    report_model_to_compress,
    report_sample,
    say,
    set_up_device,
)


def main(argv: Sequence[str]) -> None:
    """The journey from a fine-tuned model, or its bundle, to smaller ones and a report."""
    args = compress_arguments("multiple_choice", "c3", __doc__, argv)
    data = load_dataset(args.dataset, **args.source)
    report_data(data)
    args.print_settings()
    task = data.spec.task(args.training.max_seq_length, **args.limits)

    device = set_up_device(args)
    bundle = args.compression.input_infer_model_path
    model = args.bundle(data) if bundle else load_model(args.model_name_or_path, task, *args.training.dropouts)
    report_model_to_compress(model, task)
    report = compress(
        model,
        None,
        data,
        data,
        task,
        output_dir=args.output_dir,
        options=args.compression,
        training=args.training,
        device=device,
        resume=args.resume,
        overwrite=args.overwrite_output_dir,
        say=say,
        criterion=None,
        custom_evaluate=None,
    )
    report_compression(report, Path(args.output_dir))
    report_sample(data)


if __name__ == "__main__":
    with one_line_errors(__file__):
        main(sys.argv[1:])
