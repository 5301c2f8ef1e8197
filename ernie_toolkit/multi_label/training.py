"""Fine-tuning a multi-label model: data, training, thresholds, what is saved."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ernie_toolkit.bundle import EXPORT_DIRECTORY
from ernie_toolkit.compat import strict_zip
from ernie_toolkit.console import is_main_process, say, warn
from ernie_toolkit.data import DataSet
from ernie_toolkit.data.label_sets import LABEL_FILE, load_label_sets, may_stand_in, write_sample_directory
from ernie_toolkit.data.registry import Split
from ernie_toolkit.decoding import sigmoid
from ernie_toolkit.files.transactions import transaction
from ernie_toolkit.formats.weights import WEIGHTS_FILE
from ernie_toolkit.models import DEFAULT_MODEL, SAMPLE_MODEL, LoadedModel, load_model, set_weights_file
from ernie_toolkit.models.heads import BIAS
from ernie_toolkit.multi_label.options import FineTuningOptions, PlaceOptions, TrainedOptions
from ernie_toolkit.multi_label.thresholds import tune_thresholds
from ernie_toolkit.multi_label.trained import check_labels, check_params
from ernie_toolkit.session import Session
from ernie_toolkit.tasks import MultiLabelClassification
from ernie_toolkit.training import discard_checkpoints, predict_logits, seed_everything
from ernie_toolkit.training.chosen_checkpoint import resumes, resumes_in_place, wait_until
from ernie_toolkit.training.finished import check_replaceable, drop_stale_bundle
from ernie_toolkit.training.options import TrainingOptions
from ernie_toolkit.training.records import METRICS_FILE, print_metrics

# How long a process of a distributed run waits for the sample that the first one writes, in seconds.
SAMPLE_SECONDS = 60.0


def load_directory(place: PlaceOptions, splits: tuple[Split, ...], sample_allowed: bool = False) -> DataSet:
    """Read a data directory and print what is in it.

    Args:
        place: The directory, its files and their encoding.
        splits: Those to read.
        sample_allowed: Whether the sample is written first where the guide's own directory is missing; one process
            writes it, the others wait.

    Raises:
        ConfigError: As `load_label_sets`, and where the other process has written no sample in time.
        DataError: As `load_label_sets`.
    """
    directory = Path(place.dataset_dir)
    if sample_allowed and may_stand_in(directory):
        if is_main_process():
            write_sample_directory(directory)
        missing = f"{directory}: the main process has written no sample there: see its own message"
        wait_until(directory.exists, SAMPLE_SECONDS, missing)  # it appears whole
        warn(f"{directory}: no such directory: the toolkit's generated sample was written there")
    data = load_label_sets(directory, splits, place.files, place.label_file, place.encoding)
    warn(*data.notices, *data.warnings)
    say(f"data: {directory}, {len(data.spec.labels)} labels")
    say(*data.summary)
    return data


def load_known_directory(options: TrainedOptions, splits: tuple[Split, ...]) -> DataSet:
    """Read the data directory of a trained model, which has to have the model's labels.

    Args:
        options: Name the model, the directory and its files.
        splits: Those to read.

    Raises:
        ModelError: As `check_params` and `check_labels`.
        ConfigError: As `load_directory`.
        DataError: The same.
    """
    model = check_params(options.params_path)
    data = load_directory(options, splits)
    check_labels(model, data.spec.labels, Path(options.dataset_dir) / options.label_file)
    return data


def model_name(own: FineTuningOptions, data: DataSet) -> str:
    """The model to start from: the one named; else the published default, or a small new one for the sample.

    Args:
        own: The script's options.
        data: Says whether it is the sample.
    """
    return own.model_name or (SAMPLE_MODEL if data.source == "sample" else DEFAULT_MODEL)


def start_at_base_rates(loaded: LoadedModel, gold: np.ndarray, labels: Sequence[str]) -> None:
    """Set the bias of new labels so that each begins with its share of the training rows as its probability.

    From 0.5 each, a pretrained model spends its first hundred steps on learning these shares alone (Lin et al., 2017,
    section 3.3, https://arxiv.org/abs/1708.02002). Labels that were trained before keep their bias.

    Args:
        loaded: The model, which is changed.
        gold: Bool of shape (rows, classes).
        labels: Names of its columns.
    """
    new = [place for place, label in enumerate(labels) if BIAS in loaded.fresh or label in loaded.new_labels]
    # A head may have no bias (see `models.families.roformerv2`): its labels begin as its weights make them.
    if new and loaded.model.classifier.bias is not None:
        # Half a row more and half a row less: a label that no row or every row has still has a finite bias.
        shares = (gold.sum(axis=0) + 0.5) / (len(gold) + 1.0)
        bias = loaded.model.classifier.bias.numpy()
        bias[new] = np.log(shares / (1.0 - shares))[new]
        loaded.model.classifier.bias.set_value(bias.astype(np.float32))


def fine_tune(own: FineTuningOptions, options: TrainingOptions, data: DataSet, device: str) -> None:
    """Train on a data directory and save the best model on dev, its metrics, labels and thresholds in `save_dir`.

    Args:
        own: The script's options, which name the model and the directories.
        options: Those of the training.
        data: Train and dev rows.
        device: What `use_device` has chosen.

    Raises:
        ConfigError: Where `save_dir` has a finished model that is not to be replaced.
        ModelError: Where the model cannot be read.
    """
    seed_everything(options.seed)
    task = MultiLabelClassification(data.spec.labels, options.max_seq_length)
    loaded = load_model(model_name(own, data), task, *options.dropouts)
    # A model that was trained before has the thresholds of that run; this one chooses its own, or has none.
    loaded.model.config.thresholds = None
    if own.init_from_ckpt:
        loaded = set_weights_file(loaded, Path(own.init_from_ckpt), task.labels, task.name)
        if loaded.fresh and not loaded.notices:
            warn(f"{own.init_from_ckpt}: no head in it: {', '.join(loaded.fresh)} start at random")
    warn(*loaded.notices)
    start_at_base_rates(loaded, task.gold(data.split("train")), task.labels)
    directory = Path(own.save_dir)
    in_place = resumes_in_place(own.resume, own.resume_from_checkpoint, directory)
    notice = check_replaceable(directory, data.source, in_place, own.overwrite_output_dir)
    if notice:
        say(notice)
    session = Session(loaded, data, task, device, say=say)
    resume = resumes(own.resume, own.resume_from_checkpoint, directory, own.overwrite_output_dir)
    result = session.train(options, directory, resume, own.overwrite_output_dir)
    metrics = result.metrics
    if is_main_process():
        if own.tune_thresholds:
            metrics = _tune(session, options.per_device_eval_batch_size)
        _save(session, options, own, metrics)
        if not options.keep_checkpoints:
            discard_checkpoints(directory)
    best = f"best {options.metric_for_best_model} on dev at step {result.best_step}"
    kept = best if options.keeps_best else "the last step's weights"
    say(f"trained to step {result.steps} in {result.seconds:.1f} s; {kept}: {directory}")


def _tune(session: Session, batch_size: int) -> dict[str, float]:
    """Give the session's model and task thresholds from dev, and return the metrics of dev at them."""
    task = session.task
    assert isinstance(task, MultiLabelClassification)
    examples = session.data.split("dev")
    rows = session.encoded(examples)
    logits = predict_logits(session.loaded.model, rows, batch_size)
    thresholds = tune_thresholds(sigmoid(np.asarray(logits)), task.gold(examples))
    session.loaded.model.config.thresholds = list(thresholds)
    session.task = dataclasses.replace(task, thresholds=thresholds)
    say("thresholds: " + ", ".join(f"{label} {value:.3f}" for label, value in strict_zip(task.labels, thresholds)))
    say("dev figures at these thresholds are of the rows that chose them: other rows will do a little worse")
    return session.task.score(rows, logits, examples)


def _save(session: Session, options: TrainingOptions, own: FineTuningOptions, metrics: dict[str, float]) -> None:
    directory, task, metric = Path(own.save_dir), session.task, options.metric_for_best_model
    record = session.record(metrics, dataclasses.asdict(own) | dataclasses.asdict(options))
    record["thresholds"] = dict(strict_zip(task.labels, task.thresholds)) if task.thresholds else {}
    record["training"]["chosen_by"] = metric
    # Metrics of single labels are in the model's own alone: there may be hundreds.
    record["training"]["evaluations"] = [
        {name: value for name, value in entry.items() if "/" not in name} for entry in record["training"]["evaluations"]
    ]
    with transaction(directory) as files:
        session.stage(files, record, metric, session.data.location)
        files.write_text(directory / LABEL_FILE, "".join(label + "\n" for label in task.labels))
    notice = drop_stale_bundle(directory / EXPORT_DIRECTORY, directory / WEIGHTS_FILE)
    if notice:
        say(notice)
    print_metrics(metrics, directory / METRICS_FILE)
