"""The journey of a compression run: from a fine-tuned model, or a bundle, to smaller ones and a report.

Each part that is finished is in the report and on disk; a run that was cut off goes on behind the last one.
"""

import dataclasses
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from ernie_toolkit.bundle import BUNDLE_FILE, ONNX_FILE, Bundle, read_bundle, write_bundle_info
from ernie_toolkit.compression.candidates import halve, quantize_after_training, quantize_tables, quantize_trained
from ernie_toolkit.compression.evaluator import EVALUATION_BATCH, EXPORT, Variant, Workshop
from ernie_toolkit.compression.options import CompressionOptions, option_notices, qat_settings
from ernie_toolkit.compression.pruning.prune import prune, width_name
from ernie_toolkit.compression.pruning.vocabulary import with_less_vocabulary
from ernie_toolkit.compression.quantization.onnx import check_nodes, onnx_parameter_count
from ernie_toolkit.compression.report.files import write_report
from ernie_toolkit.compression.report.measurement import row_tokens
from ernie_toolkit.compression.report.model import REPORT_FILE, Candidate, Report, read_report
from ernie_toolkit.compression.state import (
    BASE,
    REPORT,
    Request,
    RunState,
    Say,
    check_request,
    check_unfinished,
    find_run,
    finished_report,
    plain,
)
from ernie_toolkit.data import DataSet
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import replaced_directory, write_json
from ernie_toolkit.files.parsing import read_json_object
from ernie_toolkit.formats.ranges import FIGURE, check_number
from ernie_toolkit.formats.weights import WEIGHTS_FILE
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.engines.onnxruntime import available_cores
from ernie_toolkit.models.sizes import layer_size
from ernie_toolkit.session import Session, open_session
from ernie_toolkit.tasks import Task
from ernie_toolkit.tasks.custom_metric import CustomEvaluate, with_metric
from ernie_toolkit.text.dataset import EncodedDataset
from ernie_toolkit.training.records import METRICS_FILE, versions
from ernie_toolkit.training.run import fingerprint

__all__ = ["Request", "check_unfinished", "compress_bundle", "compress_session"]

PARITY_ROWS = 64
FULL = Fraction(1)


def compress_session(session: Session, request: Request, say: Say) -> Report:
    """Compress a fine-tuned model as the options' strategy says; the session's model is used up.

    Writes `compress_report.json`, `.md`, `.png` and a directory for each model into `request.directory`:
    `width_mult_1/export` is the bundle of the model as it was, `width_mult_0.75/` a pruned model with its
    bundle. Raises ConfigError on options that do not go together and on an unfinished run found there
    without `resume` or `overwrite`.
    """
    from ernie_toolkit.models.slices import weights_checksum

    check_request(request)
    _tell_options(request, say)
    options, directory = request.options, request.directory
    if "dynabert" in options.parts:
        _check_widths(session, options)
    request = replace(request, training=session.settled(request.training))
    dev, train = session.encoded(session.data.split("dev")), session.training_rows(request.training)
    identity = {
        **session.identity,
        "weights": weights_checksum(session.loaded.model),
        "training rows": fingerprint(train),
        "dev rows": fingerprint(dev),
    }
    run = find_run(request, identity)
    finished = finished_report(request, run, say)
    if finished is not None:
        return finished
    base = directory / width_name(FULL)
    if not _has_base(run, base):
        say(f"exporting {session.loaded.source} as it is, to compare with")
        _write_base(run, base, options, say, session)
    full = _variant(session, "", FULL, base, dev, train)
    shop = _workshop(session.task, session.data, request, run, full, session.loaded.source, say)
    started = session
    if options.cuts_vocabulary:
        started = with_less_vocabulary(session, options, say)
    models = _pruned_models(started, shop, request) if "dynabert" in options.parts else [(FULL, started)]
    for width, model in models:
        _finish_model(model, width, shop, request, full)
    shop.finish()
    return shop.report


def _tell_options(request: Request, say: Say) -> None:
    for line in option_notices(request.options):
        say(f"notice: {line}")


def _check_widths(session: Session, options: CompressionOptions) -> None:
    """ConfigError where a width leaves the model no head, before hours are spent on what comes first."""
    from ernie_toolkit.models.slices import current_size

    full = current_size(session.loaded.model)
    for width in options.widths:
        layer_size(full.num_attention_heads, full.intermediate_size, width)


def compress_bundle(
    bundle: Bundle, data: DataSet, request: Request, say: Say, custom_evaluate: CustomEvaluate | None = None
) -> Report:
    """Quantize an exported model, without Paddle; a copy of its bundle gets the INT8 model (see `compress_session`).

    custom_evaluate: a metric beside the task's own (see `Session`).
    """
    check_request(request)
    _tell_options(request, say)
    inside, target = bundle.directory.resolve(), request.directory.resolve()
    if target == inside or inside in target.parents:
        raise ConfigError(f"--output_dir {request.directory} lies in the bundle {bundle.directory}: give another place")
    predictor = Predictor(bundle.directory)  # checks that bundle, tokenizer and model belong together
    task, tokenizer = with_metric(predictor.task, custom_evaluate), predictor.tokenizer

    dev, train = (
        task.with_targets(task.encode(tokenizer, task.inputs(examples)), examples)
        for examples in (data.split("dev"), data.split("train"))
    )
    identity = {
        "bundle": bundle.info.files["onnx"].sha256,
        "training rows": fingerprint(train),
        "dev rows": fingerprint(dev),
    }
    run = find_run(request, identity)
    finished = finished_report(request, run, say)
    if finished is not None:
        return finished
    base = request.directory / width_name(FULL)
    if not _has_base(run, base):
        _write_base(run, base, request.options, say, bundle)
    onnx = bundle.path("onnx")
    full = Variant("", "1", base, dev, train, tokenizer.vocab_size, onnx_parameter_count(onnx), None)
    shop = _workshop(task, data, request, run, full, str(bundle.directory), say)
    quantize_after_training(shop, full)
    if request.options.fp16:
        halve(shop, full)
    shop.finish()
    return shop.report


def _has_base(run: RunState, base: Path) -> bool:
    """Whether the run that this one goes on with has put the model as it was into its place."""
    return run.has(BASE) and (base / EXPORT / BUNDLE_FILE).is_file()


def _write_base(run: RunState, base: Path, options: CompressionOptions, say: Say, model: Session | Bundle) -> None:
    """Put the bundle of the model as it was into its place, and begin the run where it does not go on.

    What an earlier run has left is replaced when the bundle is whole and the options' node names are known in it.
    """
    place = base / EXPORT
    if isinstance(model, Bundle) and model.directory.resolve() == place.resolve():
        _begin(run, model.path("onnx"), options, say)
    else:
        with replaced_directory(place) as staging:
            if isinstance(model, Bundle):
                shutil.copytree(model.directory, staging, dirs_exist_ok=True)
                read_bundle(staging, verify=True)
            else:
                model.export(staging, PARITY_ROWS, {}, trained=False)
            _begin(run, staging / ONNX_FILE, options, say)
    run.mark(BASE)


def _begin(run: RunState, onnx_path: Path, options: CompressionOptions, say: Say) -> None:
    """Begin the run, unless it goes on; ConfigError where --keep_fp32 names a product that the graph does not have."""
    if options.keep_fp32 and options.keep_fp32 != ("auto",):
        import onnx

        check_nodes(onnx.load(str(onnx_path)), options.keep_fp32)
    if not run.goes_on:
        run.start(say)


def _workshop(
    task: Task, data: DataSet, request: Request, run: RunState, full: Variant, model: str, say: Say
) -> Workshop:
    """The run's state: with the report of the part that is finished, or one that has the FP32 model alone.

    An earlier run's report is replaced when the FP32 model has been measured.
    """
    directory, options = request.directory, request.options
    if run.has(REPORT):
        report = read_report(directory / REPORT_FILE)
        say(f"going on behind {len(report.candidates)} finished candidates")
    else:
        blank = Candidate(
            name="FP32",
            width="1",
            precision="fp32",
            method="",
            settings={},
            embeddings=False,
            vocabulary=full.vocabulary,
            parameters=full.parameters,
            size=full.onnx.stat().st_size,
            metrics={},
            latency_ms=None,
            sequences_per_second=None,
            flops=full.flops,
            kept=False,
            file="",
        )
        report = Report(
            dataset=data.spec.name,
            task=task.name,
            metric=task.metrics[0],
            model=model,
            strategy=options.strategy,
            data_source=data.source,
            warnings=tuple(data.warnings),
            dev_rows=len(data.split("dev")),
            threads=options.num_threads or available_cores(),
            seed=request.training.seed,
            settings=plain(dataclasses.asdict(options) | {"training": dataclasses.asdict(request.training)}),
            versions=versions(),
            baseline=blank,
            candidates=(),
            flops_length=task.max_seq_length,
            row_tokens=row_tokens(full.dev),
            run=run.checksum,
        )
    shop = Workshop(task, data.split("dev"), options, request.training.seed, directory, full.onnx, report, say)
    if not report.baseline.metrics:
        first = shop.measured(full, "", full.onnx, "fp32")
        file = full.onnx.relative_to(directory).as_posix()
        shop.report = replace(report, baseline=replace(first, kept=True, file=file))
        write_report(shop.report, directory)
        run.mark(REPORT)
        say(shop.line(shop.report.baseline))
    return shop


def _variant(
    session: Session, name: str, width: Fraction, directory: Path, dev: EncodedDataset, train: EncodedDataset
) -> Variant:
    from ernie_toolkit.compression.report.complexity import model_flops
    from ernie_toolkit.models.slices import parameter_count

    model = session.loaded.model
    return Variant(
        name,
        str(width),
        directory,
        dev,
        train,
        len(session.loaded.vocabulary.tokens),
        parameter_count(model),
        model_flops(model, session.task.max_seq_length),
    )


@contextmanager
def _own_names(part: str) -> Iterator[None]:
    """Name parameters by the part that makes them, not by what came before: an optimizer's state is found by them."""
    import paddle

    with paddle.utils.unique_name.guard(f"{part}_"):
        yield


def _copied(session: Session) -> Session:
    from ernie_toolkit.models import copy_model

    return replace(session, loaded=replace(session.loaded, model=copy_model(session.loaded.model)))


def _model_directory(request: Request, width: Fraction, suffix: str = "") -> Path:
    cut = "_vocab" if request.options.cuts_vocabulary else ""
    return request.directory / f"{width_name(width)}{cut}{suffix}"


def _pruned_models(session: Session, shop: Workshop, request: Request) -> list[tuple[Fraction, Session]]:
    """A session for each width, trained now or by the part of the run that is finished."""
    from ernie_toolkit.models import load_model, save_model

    widths = request.options.widths
    places = {width: _model_directory(request, width) for width in widths}
    marker = shop.work / "dynabert" / "finished"
    if not marker.exists():
        shop.say(f"dynabert: training widths {', '.join(map(str, widths))} in one run")
        with _own_names("dynabert"):
            pruned, result = prune(
                _copied(session),
                widths,
                request.training,
                marker.parent,
                request.device,
                request.resume,
                request.overwrite,
            )
        for item in pruned:
            save_model(item.loaded.model, item.loaded.vocabulary, places[item.width])
        marker.touch()
        shop.say(f"dynabert: {result.steps} steps in {result.seconds:.1f} s")
    task = session.task
    return [
        (width, open_session(load_model(str(place), task.labels or None, task=task.name), session.data, task))
        for width, place in places.items()
    ]


def _finish_model(session: Session, width: Fraction, shop: Workshop, request: Request, full: Variant) -> None:
    """Export one model, unless it is the one that the run began with, and make its candidates."""
    options, parts = request.options, request.options.parts
    name = ("" if width == FULL else str(width)) + (" cut vocabulary" if options.cuts_vocabulary else "")
    variant = full
    if name:
        variant = _exported(session, name.strip(), width, _model_directory(request, width), shop, full)
    if options.fp16:
        halve(shop, variant)
    if "qat" in parts:
        _train_int8(session, variant, width, shop, request)
    elif "ptq" in parts:
        quantize_after_training(shop, variant)
    elif "embeddings" in parts:
        quantize_tables(shop, variant)


def _exported(
    session: Session, name: str, width: Fraction, directory: Path, shop: Workshop, full: Variant, method: str = ""
) -> Variant:
    """The bundle of a model in its own directory, judged; its record and its bundle tell the dev figures."""
    from ernie_toolkit.models import save_model

    data = session.data
    cut = len(session.loaded.vocabulary.tokens) != full.vocabulary
    dev = session.encoded(data.split("dev")) if cut else full.dev
    train = session.encoded(data.split("train")) if cut else full.train
    variant = _variant(session, name, width, directory, dev, train)
    if shop.report.find(name) is None or not (directory / EXPORT / BUNDLE_FILE).is_file():
        if session.loaded.source != str(directory):
            save_model(session.loaded.model, session.loaded.vocabulary, directory)
        session.export(directory / EXPORT, PARITY_ROWS, {}, trained=True, weights_file=directory / WEIGHTS_FILE)
    judged = shop.judge(variant, "", variant.onnx, "fp32", method)
    report = shop.report
    write_json(
        directory / METRICS_FILE,
        {
            "dataset": report.dataset,
            "task": report.task,
            "metrics": judged.metrics,
            "data_source": report.data_source,
            "warnings": list(report.warnings),
            "model": report.model,
            "width": variant.width,
            "versions": report.versions,
            "settings": {"max_seq_length": shop.task.max_seq_length, **shop.task.limits},
        },
    )
    info = read_bundle(directory / EXPORT).info
    write_bundle_info(directory / EXPORT, replace(info, metrics=judged.metrics))
    shop.keep(variant, judged, "onnx")
    return variant


def _read_outcome(path: Path) -> dict[str, Any]:
    """What training for INT8 has left: ranges of activations, and figures. Raises ConfigError."""
    remedy = "start anew with --overwrite_output_dir"
    found = read_json_object(path, ConfigError, remedy)
    ranges = found.get("ranges")
    pairs = list(ranges.values()) if isinstance(ranges, dict) else []
    if not isinstance(found.get("improved"), bool) or "before" not in found or "ranges" not in found:
        raise ConfigError(f"{path}: not what training for INT8 writes: {remedy}")
    if ranges is not None and not (isinstance(ranges, dict) and all(type(p) is list and len(p) == 2 for p in pairs)):
        raise ConfigError(f"{path}: ranges are no pairs of numbers: {remedy}")
    for value in (value for pair in pairs for value in pair):
        check_number(value, float, FIGURE, f"{path}: ranges", ConfigError, remedy)
    return found


def _train_int8(session: Session, variant: Variant, width: Fraction, shop: Workshop, request: Request) -> None:
    """Train a model for INT8; the result has a directory of its own beside the one it was made of."""
    from ernie_toolkit.compression.qat.layers import onnx_ranges
    from ernie_toolkit.compression.qat.train import train_quantized
    from ernie_toolkit.models import load_model, save_model

    settings = qat_settings(request.options)
    directory = _model_directory(request, width, "_qat")
    work = shop.work / directory.name
    outcome = work / "outcome.json"
    if not outcome.is_file():
        shop.say(f"qat: training {variant.name or 'the full model'} for INT8")
        with _own_names(directory.name):
            copied = _copied(session)
            # The range of a dynamic activation is its batch's: what chooses the best is what the report measures.
            training = replace(request.training, per_device_eval_batch_size=EVALUATION_BATCH)
            result = train_quantized(
                copied, settings, training, work, request.device, request.resume, request.overwrite
            )
        save_model(copied.loaded.model, copied.loaded.vocabulary, directory)
        write_json(outcome, {"ranges": result.ranges, "improved": result.improved, "before": result.start_metrics})
        if not result.improved:
            shop.say("qat: no step was better on dev than the start: the weights stay as they were")
    found = _read_outcome(outcome)
    task = session.task
    loaded = load_model(str(directory), task.labels or None, task=task.name)
    trained = open_session(loaded, session.data, task)
    own = _exported(trained, variant.candidate_name("QAT"), width, directory, shop, variant, "qat")
    ranges = None
    if found["ranges"] is not None:
        ranges = onnx_ranges(own.onnx, loaded.model, {name: tuple(pair) for name, pair in found["ranges"].items()})
    described = {**dataclasses.asdict(settings), "improved": found["improved"], "simulated_before": found["before"]}
    quantize_trained(shop, own, ranges, described)
