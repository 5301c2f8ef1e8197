"""Fine-tune, evaluate, predict and export an ERNIE model on a CLUE classification set or your own.

python run_seq_cls.py --dataset afqmc
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ernie_toolkit.cli import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.data import DATASETS, DataSet
from ernie_toolkit.data.registry import CUSTOM
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.models import DEFAULT_MODEL, SAMPLE_MODEL, is_local, model_labels
from ernie_toolkit.options import RunOptions, TrainingOptions, check_training_options
from utils import (
    PARITY_ROWS,
    accelerate_cpu,
    add_options,
    check_device,
    check_run,
    is_main_process,
    load_data,
    print_settings,
    read_config,
    resolve_options,
    say,
    warn,
)

if TYPE_CHECKING:
    from ernie_toolkit.finetuning import Session
    from ernie_toolkit.training import TrainingResult


def train_model(session: "Session", run: RunOptions, options: TrainingOptions, device: str) -> "TrainingResult":
    """Fine-tune and save the best model and the training curve."""
    from ernie_toolkit.models import save_model
    from ernie_toolkit.reporting import plot_training_curve
    from ernie_toolkit.training import discard_checkpoints, train

    directory = Path(run.output_dir) / run.dataset
    examples = session.data.split("train"), session.data.split("dev")
    result = train(
        session.loaded.model, session.encoded(examples[0]), session.encoded(examples[1]), options, directory,
        device, run.resume, run.overwrite_output_dir,
        identity={"dataset": run.dataset, "data_source": session.data.source, "model": session.loaded.source},
    )  # fmt: skip
    if is_main_process():
        save_model(session.loaded.model, session.loaded.vocabulary, directory)
        title = f"{session.loaded.source} on {run.dataset} ({session.data.source})"
        plot_training_curve(result.history, "accuracy", title, directory / "training_curve.png")
        if not options.keep_checkpoints:
            discard_checkpoints(directory)
    say(
        f"trained to step {result.steps} in {result.seconds:.1f} s; best on dev at step {result.best_step}: {directory}"
    )
    return result


def write_metrics(
    session: "Session",
    run: RunOptions,
    options: TrainingOptions,
    metrics: dict[str, float],
    result: "TrainingResult | None",
) -> None:
    """Write figures, where they come from, settings and versions: metrics.json of a training run.

    An evaluation alone goes to eval_results.json, and leaves what training wrote as it is.
    """
    from ernie_toolkit.files import write_json
    from ernie_toolkit.reporting import EVALUATION_FILE, METRICS_FILE, versions

    report: dict[str, Any] = {"dataset": run.dataset, "metrics": metrics}
    if result is not None:
        report["training"] = {
            "steps": result.steps, "best_step": result.best_step, "seconds": round(result.seconds, 1),
            "resumed_from_step": result.resumed_from_step,
            "evaluations": [entry for entry in result.history if "eval_loss" in entry],
        }  # fmt: skip
    data = session.data
    report |= {
        "model": session.loaded.source, "data_source": data.source, "data_location": data.location,
        "left_out": data.left_out, "warnings": list(data.warnings), "seed": options.seed,
        "settings": dataclasses.asdict(run) | dataclasses.asdict(options), "versions": versions(),
    }  # fmt: skip
    path = Path(run.output_dir) / run.dataset / (METRICS_FILE if result is not None else EVALUATION_FILE)
    write_json(path, report)
    say(f"dev: {', '.join(f'{name} {value:.4f}' for name, value in metrics.items())} ({path})")


def export_model(session: "Session", run: RunOptions, metrics: dict[str, float]) -> None:
    """Write the bundle and say how far ONNX and Paddle agree."""
    from ernie_toolkit.export import TaskDescription, export_bundle
    from ernie_toolkit.reporting import read_metrics

    data, spec = session.data, session.spec
    # The bundle tells what the model was trained on, which an export alone knows from the model's own record only.
    record: dict[str, Any] = {"data_source": data.source, "warnings": data.warnings}
    if not run.do_train:
        record = {"data_source": "unknown", "warnings": [], "metrics": {}} | read_metrics(Path(run.model_name_or_path))
    description = TaskDescription(
        spec.name, spec.labels, spec.label_names, spec.text_format, session.max_seq_length, record["data_source"],
        metrics=metrics or record.get("metrics", {}), warnings=tuple(record["warnings"]),
    )  # fmt: skip
    directory = Path(run.export_model_dir) / run.dataset / "export"
    texts = session.texts(data.split("dev")[:PARITY_ROWS])
    bundle = export_bundle(session.loaded.model, session.tokenizer, description, texts, directory)
    parity = bundle.info.parity
    say(f"bundle in {directory}: ONNX and Paddle logits differ by at most {parity['max_abs_difference']:.1e} "
        f"on {parity['rows']:.0f} rows")  # fmt: skip


def run_stages(run: RunOptions, options: TrainingOptions, data: DataSet) -> None:
    """Load the model and go through the stages that were asked for."""
    if options.fast_cpu:
        accelerate_cpu(run.device or None)
    device = check_device(run.device or None)
    if device == "cpu" and (options.fp16 or options.bf16):
        raise ConfigError("--fp16 and --bf16 need a GPU: Paddle computes in float32 on the CPU; leave them out")
    import paddle

    from ernie_toolkit.finetuning import open_session, require_trained_head, write_predictions
    from ernie_toolkit.models import load_model
    from ernie_toolkit.training import evaluate_model, seed_everything

    paddle.set_device(device)
    seed_everything(options.seed)
    dropouts = [None if p < 0 else p for p in (options.hidden_dropout_prob, options.attention_probs_dropout_prob)]
    loaded = load_model(run.model_name_or_path, data.spec.labels, *dropouts)
    if not run.do_train:
        recorded = model_labels(Path(run.model_name_or_path)) if is_local(run.model_name_or_path) else None
        require_trained_head(loaded, data.spec.labels, recorded)
    session = open_session(loaded, data, options.max_seq_length)
    result = train_model(session, run, options, device) if run.do_train else None
    if not is_main_process():
        return
    metrics = result.metrics if result is not None else {}
    if run.do_eval and result is None:  # training has evaluated the checkpoint it kept
        metrics = evaluate_model(loaded.model, session.encoded(data.split("dev")), options.per_device_eval_batch_size)
    if metrics:
        write_metrics(session, run, options, metrics, result)
    if run.do_predict:
        paths = write_predictions(
            session, Path(run.output_dir) / run.dataset, options.per_device_eval_batch_size, data.warnings
        )
        say("predictions: " + ", ".join(map(str, paths)))
    if run.do_export:
        export_model(session, run, metrics)


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments, settle settings, run."""
    parser = OneLineParser(
        prog="run_seq_cls.py", description=__doc__, epilog=f"data sets: {', '.join(DATASETS)}, {CUSTOM}"
    )
    for options_class in (RunOptions, TrainingOptions):
        add_options(parser, options_class)
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        run = check_run(resolve_options(RunOptions, {}, given), given)

        def training_options(sample: bool) -> TrainingOptions:
            config = read_config(Path(run.config), "SequenceClassification", run.dataset, TrainingOptions, sample)
            options = resolve_options(TrainingOptions, config, given)
            check_training_options(options)
            return options

        training_options(sample=False)  # a mistake in the settings is told before data is looked for
        data = load_data(run, given)
        if not run.model_name_or_path:
            model = SAMPLE_MODEL if data.source == "sample" else DEFAULT_MODEL
            run = dataclasses.replace(run, model_name_or_path=model)
        options = training_options(sample=run.model_name_or_path == SAMPLE_MODEL)
        print_settings(dataclasses.asdict(run) | dataclasses.asdict(options))
        run_stages(run, options, data)
        for message in data.warnings if data.source == "sample" else ():
            warn(message)


if __name__ == "__main__":
    main(sys.argv[1:])
