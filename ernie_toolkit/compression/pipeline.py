"""The journey of a compression run: from a fine-tuned model, or a bundle, to smaller ones and a report.

Each part that is finished is in the report and on disk; a run that was cut off goes on behind the last one.
"""

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from ernie_toolkit.bundle import BUNDLE_FILE, Bundle, read_bundle
from ernie_toolkit.compression.candidates import halve, quantize_after_training, quantize_tables, quantize_trained
from ernie_toolkit.compression.measurement import row_tokens
from ernie_toolkit.compression.onnx_quantization import onnx_parameter_count
from ernie_toolkit.compression.options import CompressionOptions, QatSettings, check_compression_options
from ernie_toolkit.compression.pruning import prune, width_name
from ernie_toolkit.compression.report import REPORT_FILE, Candidate, Report, read_report
from ernie_toolkit.compression.report_files import write_report
from ernie_toolkit.compression.vocabulary import prune_vocabulary
from ernie_toolkit.compression.widths import layer_size
from ernie_toolkit.compression.workshop import EVALUATION_BATCH, EXPORT, WORK, Variant, Workshop
from ernie_toolkit.data import DataSet
from ernie_toolkit.encoded import EncodedDataset
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import replaced_directory, write_json
from ernie_toolkit.finetuning import Session, open_session
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.session import available_cores
from ernie_toolkit.options import TrainingOptions
from ernie_toolkit.reporting import versions
from ernie_toolkit.tasks import Task
from ernie_toolkit.training.run import fingerprint

RUN_FILE = "run.json"
PARITY_ROWS = 64
FULL = Fraction(1)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What a run is to do: with which options, where, and whether it goes on with one that was cut off."""

    options: CompressionOptions
    training: TrainingOptions
    directory: Path
    device: str = "cpu"
    resume: bool = False
    overwrite: bool = False


def compress_session(session: Session, request: Request, say: Say) -> Report:
    """Compress a fine-tuned model as the options' strategy says; the session's model is used up.

    Writes `compress_report.json`, `.md`, `.png` and a directory for each model into `request.directory`:
    `width_mult_1/export` is the bundle of the model as it was, `width_mult_0.75/` a pruned model with its
    bundle. Raises ConfigError on options that do not go together and on an unfinished run found there
    without `resume` or `overwrite`.
    """
    options, directory = request.options, request.directory
    check_compression_options(options)
    if "dynabert" in options.parts:
        _check_widths(session, options)
    request = replace(request, training=session.settled(request.training))
    dev, train = session.encoded(session.data.split("dev")), session.training_rows(request.training)
    identity = {**session.identity, "training rows": fingerprint(train), "dev rows": fingerprint(dev)}
    goes_on = _begin(request, identity)
    base = directory / width_name(FULL)
    if not (goes_on and (base / EXPORT / BUNDLE_FILE).is_file()):
        say(f"exporting {session.loaded.source} as it is, to compare with")
        session.export(base / EXPORT, PARITY_ROWS, {}, trained=False)
    full = _variant(session, "", FULL, base, dev, train)
    shop = _workshop(session.task, session.data, request, full, session.loaded.source, say)
    started = session
    if options.prune_vocab:
        started = _with_less_vocabulary(session, options.unseen_ideographs, say)
    models = _pruned_models(started, shop, request) if "dynabert" in options.parts else [(FULL, started)]
    for width, model in models:
        _finish_model(model, width, shop, request, full)
    shop.finish()
    return shop.report


def _check_widths(session: Session, options: CompressionOptions) -> None:
    """ConfigError where a width leaves the model no head, before hours are spent on what comes first."""
    from ernie_toolkit.compression.structure import current_size

    full = current_size(session.loaded.model)
    for width in options.widths:
        layer_size(full.num_attention_heads, full.intermediate_size, width)


def compress_bundle(bundle: Bundle, data: DataSet, request: Request, say: Say) -> Report:
    """Quantize an exported model, without Paddle; a copy of its bundle gets the INT8 model (see `compress_session`)."""
    check_compression_options(request.options)
    inside, target = bundle.directory.resolve(), request.directory.resolve()
    if target == inside or inside in target.parents:
        raise ConfigError(f"--output_dir {request.directory} lies in the bundle {bundle.directory}: give another place")
    predictor = Predictor(bundle.directory)  # checks that bundle, tokenizer and model belong together
    task, tokenizer = predictor.task, predictor.tokenizer

    dev, train = (
        task.with_targets(task.encode(tokenizer, task.inputs(examples)), examples)
        for examples in (data.split("dev"), data.split("train"))
    )
    identity = {"bundle": bundle.info.files["onnx"].sha256, "training rows": fingerprint(train),
                "dev rows": fingerprint(dev)}  # fmt: skip
    _begin(request, identity)
    base = request.directory / width_name(FULL)
    if bundle.directory.resolve() != (base / EXPORT).resolve():
        with replaced_directory(base / EXPORT) as staging:
            shutil.copytree(bundle.directory, staging, dirs_exist_ok=True)
        read_bundle(base / EXPORT, verify=True)
    onnx = bundle.path("onnx")
    full = Variant("", "1", base, dev, train, tokenizer.vocab_size, onnx_parameter_count(onnx), None)
    shop = _workshop(task, data, request, full, str(bundle.directory), say)
    quantize_after_training(shop, full)
    if request.options.fp16:
        halve(shop, full)
    shop.finish()
    return shop.report


def check_unfinished(request: Request) -> None:
    """ConfigError where a run was cut off in the directory, and nobody said what to do about it."""
    path = request.directory / WORK / RUN_FILE
    if path.is_file() and not request.overwrite and not request.resume:
        raise ConfigError(
            f"{path.parent} is what is left of an unfinished run: go on with it by --resume, or drop it with "
            "--overwrite_output_dir"
        )


def _begin(request: Request, identity: dict[str, Any]) -> bool:
    """Mark the directory as that of an unfinished run; whether it was one before, and this run goes on with it."""
    directory, path = request.directory, request.directory / WORK / RUN_FILE
    training = dataclasses.asdict(request.training)
    for name in ("logging_steps", "disable_tqdm", "report_to", "dataloader_num_workers", "keep_checkpoints"):
        training.pop(name)
    wanted = _plain({**identity, **dataclasses.asdict(request.options), "training": training})
    check_unfinished(request)
    if path.is_file() and not request.overwrite:
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [key for key in wanted if before.get(key) != wanted[key]]
        if changed:
            said = f"{changed[0]} was {before.get(changed[0])} and is {wanted[changed[0]]}"
            raise ConfigError(f"--resume with other settings than the run in {directory}: {said}")
        return True
    shutil.rmtree(path.parent, ignore_errors=True)
    (directory / REPORT_FILE).unlink(missing_ok=True)
    write_json(path, wanted)
    return False


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """The same values as they come back from JSON."""
    return dict(json.loads(json.dumps(values)))


def _workshop(task: Task, data: DataSet, request: Request, full: Variant, model: str, say: Say) -> Workshop:
    """The run's state: with the report of the part that is finished, or one that has the FP32 model alone."""
    directory, options = request.directory, request.options
    path = directory / REPORT_FILE
    if path.is_file():  # `_begin` has left it because the run goes on
        report = read_report(path)
        say(f"going on behind {len(report.candidates)} finished candidates")
    else:
        blank = Candidate(
            name="FP32", width="1", precision="fp32", method="", settings={}, embeddings=False,
            vocabulary=full.vocabulary, parameters=full.parameters, size=full.onnx.stat().st_size, metrics={},
            drop=0.0, latency_ms=None, sequences_per_second=None, latency_ratio=None, throughput_ratio=None,
            flops=full.flops, kept=False, file="",
        )  # fmt: skip
        report = Report(
            dataset=data.spec.name, task=task.name, metric=task.metrics[0], model=model, strategy=options.strategy,
            data_source=data.source, warnings=tuple(data.warnings), dev_rows=len(data.split("dev")),
            threads=options.num_threads or available_cores(), seed=request.training.seed,
            settings=_plain(dataclasses.asdict(options) | {"training": dataclasses.asdict(request.training)}),
            versions=versions(), baseline=blank, candidates=(), flops_length=task.max_seq_length,
            row_tokens=row_tokens(full.dev),
        )  # fmt: skip
    shop = Workshop(task, data.split("dev"), options, request.training.seed, directory, full.onnx, report, say)
    if not report.baseline.metrics:
        first = shop.measured(full, "", full.onnx, "fp32")
        file = full.onnx.relative_to(directory).as_posix()
        shop.report = replace(
            report, baseline=replace(first, latency_ratio=1.0, throughput_ratio=1.0, kept=True, file=file)
        )
        write_report(shop.report, directory)
        say(f"FP32: {report.metric} {first.metrics[report.metric]:.4f}, {first.size / 1e6:.1f} MB, "
            f"{first.latency_ms:.1f} ms a row")  # fmt: skip
    return shop


def _variant(
    session: Session, name: str, width: Fraction, directory: Path, dev: EncodedDataset, train: EncodedDataset
) -> Variant:
    from ernie_toolkit.compression.complexity import model_flops
    from ernie_toolkit.compression.structure import parameter_count

    model = session.loaded.model
    return Variant(
        name, str(width), directory, dev, train, len(session.loaded.vocabulary.tokens), parameter_count(model),
        model_flops(model, session.task.max_seq_length),
    )  # fmt: skip


def _with_less_vocabulary(session: Session, unseen_ideographs: bool, say: Say) -> Session:
    texts: list[str] = []
    for item in session.task.inputs(session.data.split("train")):
        texts += [item] if isinstance(item, str) else list(item)
    loaded = prune_vocabulary(session.loaded, texts, unseen_ideographs)
    say(f"vocabulary: {len(loaded.vocabulary.tokens):,} of {len(session.loaded.vocabulary.tokens):,} tokens stay")
    return open_session(loaded, session.data, session.task)


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
    cut = "_vocab" if request.options.prune_vocab else ""
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
                _copied(session), widths, request.training, marker.parent, request.device, request.resume,
                request.overwrite,
            )  # fmt: skip
        for item in pruned:
            save_model(item.loaded.model, item.loaded.vocabulary, places[item.width])
            write_json(places[item.width] / "metrics.json", {
                "dataset": shop.report.dataset, "task": shop.report.task, "metrics": item.metrics,
                "data_source": shop.report.data_source, "warnings": list(shop.report.warnings),
                "model": shop.report.model, "width": str(item.width), "versions": shop.report.versions,
                "settings": {"max_seq_length": shop.task.max_seq_length, **shop.task.limits},
            })  # fmt: skip
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
    name = ("" if width == FULL else str(width)) + (" cut vocabulary" if options.prune_vocab else "")
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


def _exported(session: Session, name: str, width: Fraction, directory: Path, shop: Workshop, full: Variant) -> Variant:
    """The bundle of a model in its own directory, judged."""
    from ernie_toolkit.models import save_model

    data = session.data
    cut = len(session.loaded.vocabulary.tokens) != full.vocabulary
    dev = session.encoded(data.split("dev")) if cut else full.dev
    train = session.encoded(data.split("train")) if cut else full.train
    variant = _variant(session, name, width, directory, dev, train)
    if shop.report.find(name) is None:
        save_model(session.loaded.model, session.loaded.vocabulary, directory)
        session.export(directory / EXPORT, PARITY_ROWS, {}, trained=True)
    shop.keep(variant, shop.judge(variant, "", variant.onnx, "fp32"), "onnx")
    return variant


def _train_int8(session: Session, variant: Variant, width: Fraction, shop: Workshop, request: Request) -> None:
    """Train a model for INT8; the result has a directory of its own beside the one it was made of."""
    from ernie_toolkit.compression.fake_quantization import onnx_ranges
    from ernie_toolkit.compression.qat import train_quantized
    from ernie_toolkit.models import load_model, save_model

    options = request.options
    kind = options.activation_quantize_type or ("moving_average_abs_max" if options.use_pact else "dynamic")
    settings = QatSettings(options.weight_quantize_type, kind, options.use_pact, options.moving_rate)
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
    found = json.loads(outcome.read_text(encoding="utf-8"))
    task = session.task
    loaded = load_model(str(directory), task.labels or None, task=task.name)
    trained = open_session(loaded, session.data, task)
    own = _exported(trained, variant.candidate_name("QAT"), width, directory, shop, variant)
    ranges = None
    if found["ranges"] is not None:
        ranges = onnx_ranges(own.onnx, loaded.model, {name: tuple(pair) for name, pair in found["ranges"].items()})
    described = {**dataclasses.asdict(settings), "improved": found["improved"],
                 "simulated_before": found["before"]}  # fmt: skip
    quantize_trained(shop, own, ranges, described)
