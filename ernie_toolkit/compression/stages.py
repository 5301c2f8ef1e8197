"""The FP32 models of a compression run: pruned, trained for INT8, written with their bundles.

Paddle is imported inside the functions.
"""

import dataclasses
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ernie_toolkit.bundle import BUNDLE_FILE
from ernie_toolkit.compression.candidates import make_fp16, quantize_after_training, quantize_tables, quantize_trained
from ernie_toolkit.compression.evaluator import EVALUATION_BATCH, Evaluator, Form, Fp32Model, Quality
from ernie_toolkit.compression.openvino_candidates import evaluate_floating, quantize_with_nncf
from ernie_toolkit.compression.options import qat_settings
from ernie_toolkit.compression.pruning.prune import (
    depth_choices,
    fits,
    model_slices,
    prune,
    pruned_directory,
    size_name,
)
from ernie_toolkit.compression.report.model import ONNX_RUNTIME, OPENVINO, LayerChoice
from ernie_toolkit.compression.rows import SplitRows
from ernie_toolkit.compression.state import START_ANEW, Request
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.export import Origin, export_bundle
from ernie_toolkit.files import write_json
from ernie_toolkit.files.transactions import finish_transaction, transaction
from ernie_toolkit.formats.ranges import FIGURE, check_number
from ernie_toolkit.formats.weights import WEIGHTS_FILE
from ernie_toolkit.models.sizes import Shares
from ernie_toolkit.session import PARITY_ROWS, Session
from ernie_toolkit.training.records import METRICS_FILE

FULL = Shares()
PRUNING = "dynabert"


def describe_model(session: Session, name: str, shares: Shares, directory: Path, rows: SplitRows) -> Fp32Model:
    """What is known of a session's model before it is measured.

    Args:
        session: The model and its task.
        name: As its candidates' names begin, empty for the model as it was.
        shares: What is left of the model that the run began with.
        directory: Gets its bundle in `export/`.
        rows: The splits in its vocabulary.
    """
    from ernie_toolkit.compression.report.complexity import model_flops
    from ernie_toolkit.models.slices import parameter_count

    model = session.loaded.model
    tokens = len(session.loaded.vocabulary.tokens)
    flops = model_flops(model, session.task.max_seq_length)
    return Fp32Model(name, shares, directory, rows, tokens, parameter_count(model), flops)


def pruned_sessions(
    session: Session, rows: SplitRows, sizes: Sequence[Shares], evaluator: Evaluator
) -> list[tuple[Shares, Session]]:
    """A session for each size, trained now or by the part of the run that is finished.

    Args:
        session: The model at its full size; it stays as it is.
        rows: The splits in its vocabulary.
        sizes: Checked ones (see `check_sizes`).
        evaluator: The run's.
    """
    run = evaluator.run
    places = {shares: _model_directory(run.request, shares) for shares in sizes}
    if not run.has(PRUNING):
        slices = model_slices(session.loaded.model, sizes, _depth_choices(session, rows, sizes, evaluator))
        what = "widths" if all(shares.depth == 1 for shares in sizes) else "sizes"
        evaluator.say(f"dynabert: training {what} {', '.join(shares.text for shares in sizes)} in one run")
        request, work = run.request, run.work / PRUNING
        with own_names(PRUNING):
            result = prune(_copied(session), rows, slices, request.training, work, request.resume, request.overwrite)
        for shares, place in places.items():
            copy_files(pruned_directory(work, shares), place)
        run.finish(PRUNING)
        evaluator.say(f"dynabert: {result.steps} steps in {result.seconds:.1f} s")
    return [(shares, opened(session, place)) for shares, place in places.items()]


def _depth_choices(
    session: Session, rows: SplitRows, sizes: Sequence[Shares], evaluator: Evaluator
) -> tuple[LayerChoice, ...]:
    """Which layers stay at each depth: as the report of the run that is resumed has it, or chosen now."""
    known, wanted = evaluator.report.depths, dict.fromkeys(str(shares.depth) for shares in sizes if shares.depth != 1)
    fitting = all(fits(choice, session.loaded.model) for choice in known)
    if not fitting or [choice.depth for choice in known] != list(wanted):
        known = depth_choices(session, rows, sizes, evaluator.run.request.training)
        evaluator.record_depths(known)
    return known


def finish_model(session: Session, rows: SplitRows, shares: Shares, evaluator: Evaluator, full: Fp32Model) -> None:
    """Export one model, unless it is the one that the run began with, and make its candidates.

    Args:
        session: The model.
        rows: The splits in its vocabulary.
        shares: What is left of the model that the run began with.
        evaluator: The run's.
        full: The model that the run began with.
    """
    options = evaluator.options
    name = shares.text + (" cut vocabulary" if options.cuts_vocabulary else "")
    model = full
    if name:
        directory = _model_directory(evaluator.run.request, shares)
        model = describe_model(session, name.strip(), shares, directory, rows)
        export_model(session, model, evaluator)
    if OPENVINO in options.engines:
        evaluate_floating(evaluator, model)
    if options.fp16:
        make_fp16(evaluator, model)
    if "qat" in options.parts:
        _train_int8(session, model, evaluator)
    elif "ptq" in options.parts:
        quantize(evaluator, model)
    elif "embeddings" in options.parts:
        quantize_tables(evaluator, model)
    evaluator.recommend(model)


def quantize(evaluator: Evaluator, model: Fp32Model) -> None:
    """Quantize a model after training, for every engine that the options name.

    Args:
        evaluator: The run's.
        model: The FP32 model; its bundle gets the INT8 ones.
    """
    if ONNX_RUNTIME in evaluator.options.engines:
        quantize_after_training(evaluator, model)
    if OPENVINO in evaluator.options.engines:
        quantize_with_nncf(evaluator, model)


def _model_directory(request: Request, shares: Shares, suffix: str = "") -> Path:
    cut = "_vocab" if request.options.cuts_vocabulary else ""
    return request.directory / f"{size_name(shares)}{cut}{suffix}"


@contextmanager
def own_names(part: str) -> Iterator[None]:
    """Name parameters by the part that makes them, not by what came before: an optimizer's state is found by them.

    part: the part's name.
    """
    import paddle

    with paddle.utils.unique_name.guard(f"{part}_"):
        yield


def _copied(session: Session) -> Session:
    from ernie_toolkit.models import copy_model

    return replace(session, loaded=replace(session.loaded, model=copy_model(session.loaded.model)))


def opened(session: Session, directory: Path) -> Session:
    """The session with the model of a directory in place of its own.

    Args:
        session: Its data and its task.
        directory: The model.
    """
    from ernie_toolkit.models import load_model

    return replace(session, loaded=load_model(str(directory), session.task))


def copy_files(source: Path, target: Path) -> None:
    """Copy the files of a model into a directory, together or not at all.

    Args:
        source: The model.
        target: Gets its files.
    """
    finish_transaction(source)
    with transaction(target) as files:
        for path in source.iterdir():
            if path.is_file():
                shutil.copyfile(path, files.path(target / path.name))


def export_model(
    session: Session,
    model: Fp32Model,
    evaluator: Evaluator,
    method: str = "",
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Write a model with its bundle and its record into its directory, and put it into the report.

    Args:
        session: The model and its task.
        model: What is known of it.
        evaluator: The run's.
        method: See `Candidate`.
        settings: See `Candidate`; None: none.
    """
    from ernie_toolkit.models import save_model

    known, form = evaluator.report.find(model.name), Form("", "fp32", method, settings=dict(settings or {}))
    quality = Quality(known.metrics, known.equal_answers) if known is not None else None
    if known is None or not (model.export / BUNDLE_FILE).is_file():
        if session.loaded.source != str(model.directory):
            save_model(session.loaded.model, session.loaded.vocabulary, model.directory)

        def measured(path: Path) -> dict[str, float]:
            nonlocal quality
            quality = quality or evaluator.quality(path, model.rows.dev, form)
            return quality.metrics

        export_bundle(
            session.loaded.model,
            session.tokenizer,
            session.task,
            Origin(session.data.spec.name, session.data.source, {}, tuple(session.data.warnings)),
            session.task.inputs(session.data.split("dev")[:PARITY_ROWS]),
            model.export,
            weights_file=model.directory / WEIGHTS_FILE,
            measure=measured,
        )
    candidate = evaluator.evaluate(model, form, model.onnx, quality)
    report, task = evaluator.report, session.task
    write_json(
        model.directory / METRICS_FILE,
        {
            "dataset": report.dataset,
            "task": report.task,
            "metrics": candidate.metrics,
            "data_source": report.data_source,
            "warnings": list(report.warnings),
            "model": report.model,
            "width": candidate.width,
            "depth": candidate.depth,
            "versions": report.versions,
            "settings": {"max_seq_length": task.max_seq_length, **task.limits},
        },
    )
    evaluator.keep(model, candidate)


def _train_int8(session: Session, model: Fp32Model, evaluator: Evaluator) -> None:
    """Train a model for INT8; the result has a directory of its own beside the one it was made of."""
    from ernie_toolkit.compression.qat.layers import onnx_ranges

    run, settings = evaluator.run, qat_settings(evaluator.options)
    directory = _model_directory(run.request, model.shares, "_qat")
    part = directory.name
    if run.has(part):
        trained, found = opened(session, directory), run.result(part)
        _check_result(found, run.work / f"{part}.json")
    else:
        trained, found = _trained(session, model, directory, evaluator)
    name = model.candidate_name("QAT")
    own = describe_model(trained, name, model.shares, directory, model.rows)
    export_model(trained, own, evaluator, "qat")
    ranges = None
    if found["ranges"] is not None:
        learned = {layer: (pair[0], pair[1]) for layer, pair in found["ranges"].items()}
        ranges = onnx_ranges(own.onnx, trained.loaded.model, learned)
    described = {**dataclasses.asdict(settings), "improved": found["improved"], "simulated_before": found["before"]}
    if ONNX_RUNTIME in evaluator.options.engines:
        quantize_trained(evaluator, own, ranges, described)
    if OPENVINO in evaluator.options.engines:
        quantize_with_nncf(evaluator, own, "qat")
    evaluator.recommend(own)


def _trained(
    session: Session, model: Fp32Model, directory: Path, evaluator: Evaluator
) -> tuple[Session, dict[str, Any]]:
    """A copy of a session's model trained for INT8 and saved, and what `_train_int8` needs of the training."""
    from ernie_toolkit.compression.qat.train import train_quantized
    from ernie_toolkit.models import save_model

    run, part = evaluator.run, directory.name
    request = run.request
    evaluator.say(f"qat: training {model.name or 'the full model'} for INT8")
    # The range of a dynamic activation is its batch's: what chooses the best is what the report measures.
    training = replace(request.training, per_device_eval_batch_size=EVALUATION_BATCH)
    with own_names(part):
        copied = _copied(session)
        result = train_quantized(
            copied,
            model.rows,
            qat_settings(request.options),
            training,
            run.work / part,
            request.resume,
            request.overwrite,
        )
    save_model(copied.loaded.model, copied.loaded.vocabulary, directory)
    found = {"ranges": result.ranges, "improved": result.improved, "before": result.start_metrics}
    run.finish(part, found)
    if not result.improved:
        evaluator.say("qat: no step was better on dev than the start: the weights stay as they were")
    return replace(copied, loaded=replace(copied.loaded, source=str(directory))), found


def _check_result(found: dict[str, Any], path: Path) -> None:
    """ConfigError where what training for INT8 has left is not whole: ranges of activations, and metrics."""
    ranges = found.get("ranges")
    pairs = list(ranges.values()) if isinstance(ranges, dict) else []
    if not isinstance(found.get("improved"), bool) or "before" not in found or "ranges" not in found:
        raise ConfigError(f"{path}: not what training for INT8 writes: {START_ANEW}")
    if ranges is not None and not (isinstance(ranges, dict) and all(type(p) is list and len(p) == 2 for p in pairs)):
        raise ConfigError(f"{path}: ranges are no pairs of numbers: {START_ANEW}")
    for value in (value for pair in pairs for value in pair):
        check_number(value, float, FIGURE, f"{path}: ranges", ConfigError, START_ANEW)
