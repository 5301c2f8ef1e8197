"""Train several small students of one fine-tuned teacher in one run; export each, report what each costs.

python distill.py --teacher best_models/tnews --students mini micro nano --dataset tnews
"""

import sys
from collections.abc import Sequence

from ernie_toolkit import Session, load_dataset, load_model
from ernie_toolkit.compression.distillation.run import distill, distill_encoders
from utils import (
    distill_arguments,
    one_line_errors,
    report_data,
    report_distillation,
    report_model,
    report_sample,
    say,
    set_up_device,
)


def main(argv: Sequence[str]) -> None:
    """The journey from a fine-tuned teacher to students with their bundles and a report."""
    args = distill_arguments(__doc__, argv)
    data = load_dataset(args.dataset, **args.source) if args.has_task else args.data_without_rows()
    report_data(data)
    args.print_settings()
    task = data.spec.task(args.training.max_seq_length, **args.limits)
    texts = args.texts(task.text_format)

    device = set_up_device(args)
    teacher = load_model(args.model_name_or_path, task, *args.training.dropouts)
    session = Session(teacher, data, task, device, criterion=None, custom_evaluate=None, say=say)
    if not args.has_task:
        distill_encoders(session, args.request, texts, say)  # the general stage alone: encoders, to be trained further
        return
    session.require_trained_head()
    report_model(teacher)
    report = distill(session, args.request, texts, say)
    report_distillation(report, args.request.directory)
    report_sample(data)


if __name__ == "__main__":
    with one_line_errors(__file__):
        main(sys.argv[1:])
