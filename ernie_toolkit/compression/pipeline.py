"""The course of a compression run: from a fine-tuned model, or a bundle, to smaller ones and a report.

Each part that is finished is in the report and on disk; a run that was cut off resumes after the last one.
"""

import dataclasses
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from ernie_toolkit.bundle import BUNDLE_FILE, EXPORT_DIRECTORY, ONNX_FILE, Bundle, read_bundle
from ernie_toolkit.compression.candidates import AUTO, make_fp16
from ernie_toolkit.compression.evaluator import Evaluator, Fp32Model
from ernie_toolkit.compression.openvino_candidates import evaluate_floating
from ernie_toolkit.compression.options import check_distillation, option_notices
from ernie_toolkit.compression.pruning.prune import check_sizes, size_name
from ernie_toolkit.compression.pruning.vocabulary import with_less_vocabulary
from ernie_toolkit.compression.quantization.onnx import check_nodes, onnx_parameter_count
from ernie_toolkit.compression.report.measurement import row_tokens
from ernie_toolkit.compression.report.model import OPENVINO, Candidate, Report, read_report
from ernie_toolkit.compression.rows import bundle_rows, session_rows
from ernie_toolkit.compression.stages import FULL, describe_model, finish_model, pruned_sessions, quantize
from ernie_toolkit.compression.state import (
    Request,
    RunState,
    Say,
    check_unfinished,
    find_run,
    finished_report,
    plain,
)
from ernie_toolkit.data import DataSet
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import replaced_directory
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.engines.compiled_cache import FOLDER as COMPILED
from ernie_toolkit.inference.processor import available_cores
from ernie_toolkit.session import Session
from ernie_toolkit.tasks import Task
from ernie_toolkit.tasks.custom_metric import CustomEvaluate, with_metric
from ernie_toolkit.training.records import versions

# The first parts of a run: the model as it was is in its place; the report has its metrics.
BASE, REPORT = "base", "report"


def compress_session(session: Session, request: Request, say: Say) -> Report:
    """Compress a fine-tuned model as the options' strategy says; the session's model is used up.

    Writes `compress_report.json`, `.md`, `.png` and a directory for each model into `request.directory`:
    `width_mult_1/export` is the bundle of the model as it was, `width_mult_0.75/` a pruned model with its bundle,
    `width_mult_0.75_depth_mult_0.5/` one that has fewer layers too.

    Args:
        session: The model, its data and its task.
        request: How to compress and train, where to, and whether an unfinished run there is resumed.
        say: Gets the lines that report progress.

    Raises:
        ConfigError: On training that compression cannot do, on widths and depths that leave no head or layer, and
            on an unfinished run found there without `resume` or `overwrite`.
    """
    from ernie_toolkit.models.slices import weights_checksum

    _begin(request, session.device, say)
    options = request.options
    sizes = options.sizes if "dynabert" in options.parts else ()
    check_sizes(session.loaded.model, sizes)
    request = replace(request, training=session.settled(request.training))
    rows = session_rows(session, request.training)
    identity = {**session.identity, "weights": weights_checksum(session.loaded.model), **rows.identity}
    run = find_run(request, identity)
    finished = finished_report(run, say)
    if finished is not None:
        return finished
    base = place_base(run, say, session)
    full = describe_model(session, "", FULL, base, rows)
    evaluator = make_evaluator(session.task, session.data, run, full, session.loaded.source, say)
    if OPENVINO in options.engines:
        evaluate_floating(evaluator, full)
    evaluator.recommend(full)
    if options.cuts_vocabulary:
        session = with_less_vocabulary(session, options, say)
        rows = session_rows(session, request.training)
    models = pruned_sessions(session, rows, sizes, evaluator) if sizes else [(FULL, session)]
    for shares, model in models:
        finish_model(model, rows, shares, evaluator, full)
    run.end()
    return evaluator.report


def compress_bundle(
    bundle: Bundle, data: DataSet, request: Request, say: Say, custom_evaluate: CustomEvaluate | None = None
) -> Report:
    """Quantize an exported model, without Paddle; a copy of its bundle gets the INT8 model (see `compress_session`).

    Args:
        bundle: Of `read_bundle`; it stays as it is.
        data: Train rows are calibrated on, dev rows evaluated on.
        request: See `compress_session`.
        say: Gets the lines that report progress.
        custom_evaluate: A metric beside the task's own (see `Session`); None: none.

    Raises:
        ConfigError: As `compress_session`, and where the directory to write to lies in the bundle.
        BundleError: Where the bundle's files do not belong together.
    """
    _begin(request, "cpu", say)
    inside, target = bundle.directory.resolve(), request.directory.resolve()
    if target == inside or inside in target.parents:
        raise ConfigError(f"`output_dir` {request.directory} lies in the bundle {bundle.directory}: give another place")
    # Checks that bundle, tokenizer and model belong together.
    predictor = Predictor(bundle, engine="onnxruntime", precision="fp32")
    task = with_metric(predictor.task, custom_evaluate)
    rows = bundle_rows(task, predictor.tokenizer, data)
    run = find_run(request, {"bundle": bundle.info.files["onnx"].sha256, **rows.identity})
    finished = finished_report(run, say)
    if finished is not None:
        return finished
    base = place_base(run, say, bundle)
    tokens, parameters = predictor.tokenizer.vocab_size, onnx_parameter_count(bundle.path("onnx"))
    full = Fp32Model("", FULL, base, rows, tokens, parameters, None)
    evaluator = make_evaluator(task, data, run, full, str(bundle.directory), say)
    if OPENVINO in request.options.engines:
        evaluate_floating(evaluator, full)
    quantize(evaluator, full)
    if request.options.fp16:
        make_fp16(evaluator, full)
    evaluator.recommend(full)
    run.end()
    return evaluator.report


def _begin(request: Request, device: str, say: Say) -> None:
    """Refuse what cannot be done before hours are spent, and say what PaddleNLP's options mean here."""
    check_distillation(request.training, device)
    check_unfinished(request)
    for line in option_notices(request.options):
        say(f"notice: {line}")


def place_base(run: RunState, say: Say, model: Session | Bundle, name: str = size_name(FULL)) -> Path:
    """Put the bundle of the model as it was into its place, unless the run that this one resumes has; gives the place.

    That is the directory of its `export/`. The run is started where it is not resumed. What an earlier run has left is
    replaced when the bundle is whole and the options' node names are known in it.

    Args:
        run: The run.
        say: Gets the lines that report progress.
        model: The model.
        name: Of the directory.

    Raises:
        ConfigError: Where `keep_fp32` names a product that the graph has not.
        BundleError: On a bundle that is damaged.
    """
    base = run.directory / name
    place = base / EXPORT_DIRECTORY
    if run.has(BASE) and (place / BUNDLE_FILE).is_file():
        return base
    if isinstance(model, Bundle) and model.directory.resolve() == place.resolve():
        _start(run, model.path("onnx"), say)
    else:
        with replaced_directory(place) as staging:
            if isinstance(model, Bundle):
                # Without what an engine has compiled there.
                shutil.copytree(model.directory, staging, ignore=shutil.ignore_patterns(COMPILED), dirs_exist_ok=True)
                read_bundle(staging, verify=True)
            else:
                say(f"exporting {model.loaded.source} as it is, to compare with")
                model.export(staging, trained=False)
            _start(run, staging / ONNX_FILE, say)
    run.finish(BASE)
    return base


def _start(run: RunState, onnx_path: Path, say: Say) -> None:
    """Start the run, unless it is resumed; ConfigError where `keep_fp32` names a product that the graph has not."""
    kept = run.request.options.keep_fp32
    if kept and kept != AUTO:
        import onnx

        check_nodes(onnx.load(str(onnx_path)), kept)
    if not run.resumed:
        run.start(say)


def make_evaluator(
    task: Task, data: DataSet, run: RunState, full: Fp32Model, model: str, say: Say, strategy: str = "", **settings: Any
) -> Evaluator:
    """The run's evaluator: with the report of the part that is finished, or one that has the FP32 model alone.

    An earlier run's report is replaced when the FP32 model has been measured.

    Args:
        task: The task.
        data: The data set.
        run: The run.
        full: The FP32 model.
        model: Where that was loaded from.
        say: Gets the lines that report progress.
        strategy: For the report; empty: the options'.
        **settings: What the report has in place of the options of the run's request; none: those.

    Raises:
        ModelError: On a report that cannot be read.
    """
    if run.has(REPORT):
        report = read_report(run.request.report_file)
        say(f"resuming after {len(report.candidates)} finished candidates")
        return Evaluator(run, task, data.split("dev"), full, report, say)
    report = _new_report(task, data, run, full, model, strategy, settings)
    evaluator = Evaluator(run, task, data.split("dev"), full, report, say)
    evaluator.record_baseline(full)
    run.finish(REPORT)
    return evaluator


def _new_report(
    task: Task, data: DataSet, run: RunState, full: Fp32Model, model: str, strategy: str, more: dict[str, Any]
) -> Report:
    """A report without metrics of the FP32 model."""
    request = run.request
    blank = Candidate(
        name="FP32",
        width=str(full.shares.width),
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
    return Report(
        dataset=data.spec.name,
        task=task.name,
        metric=task.metrics[0],
        model=model,
        strategy=strategy or request.options.strategy,
        data_source=data.source,
        warnings=tuple(data.warnings),
        dev_rows=len(data.split("dev")),
        threads=request.options.num_threads or available_cores(),
        seed=request.training.seed,
        settings=plain(
            (more or dataclasses.asdict(request.options)) | {"training": dataclasses.asdict(request.training)}
        ),
        versions=versions(),
        baseline=blank,
        candidates=(),
        flops_length=task.max_seq_length,
        row_tokens=row_tokens(full.rows.dev),
        run=run.checksum,
    )
