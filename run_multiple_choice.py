"""Fine-tune, evaluate, predict and export an ERNIE model that chooses: C3, ChID or your own data.

python run_multiple_choice.py --dataset c3
"""

import sys
from collections.abc import Sequence

from ernie_toolkit import Session, load_dataset, load_model
from utils import (
    METRICS_FILE,
    is_main_process,
    one_line_errors,
    print_metrics,
    report_bundle,
    report_data,
    report_model,
    report_predictions,
    report_sample,
    run_arguments,
    say,
    set_up_device,
)


def main(argv: Sequence[str]) -> None:
    """The journey from arguments to a bundle that every deployment reads."""
    args = run_arguments("multiple_choice", "c3", __doc__, argv)
    data = load_dataset(args.dataset, **args.source)
    report_data(data)
    args = args.settled(data)  # the model and the settings that nobody chose follow from the data

    task = data.spec.task(args.training.max_seq_length, **args.limits)
    device = set_up_device(args)
    model = load_model(args.model_name_or_path, task, *args.training.dropouts)
    session = Session(model, data, task, device, criterion=None, custom_evaluate=None, say=say)
    if not args.do_train:
        session.require_trained_head()
    report_model(model)

    metrics: dict[str, float] = {}
    if args.do_train:
        result = session.train(args.training, args.model_dir, args.resume_from, args.overwrite_output_dir)
        session.save(args.model_dir, args.settings, args.bundle_dir)
        metrics, path = result.metrics, args.model_dir / METRICS_FILE  # those of the checkpoint that was kept
    elif args.do_eval:
        metrics = session.evaluate(args.training.per_device_eval_batch_size)
        path = session.save_evaluation(metrics, args.model_dir, args.settings)
    if not is_main_process():
        return  # of a distributed run only the first process goes on
    if metrics:
        print_metrics(metrics, path)
    if args.do_predict:
        examples = data.split("test")
        answers = session.predict(examples, args.training.per_device_eval_batch_size)
        report_predictions(data, examples, answers, args.model_dir, args.output_format)
    if args.do_export:
        report_bundle(session.export(args.bundle_dir, metrics=metrics))
    if args.do_train and not args.training.keep_checkpoints:
        session.discard_checkpoints(args.model_dir)  # last of all: until here a run that is cut off can be resumed
    report_sample(data)


if __name__ == "__main__":
    with one_line_errors(__file__):
        main(sys.argv[1:])
