"""The INT8 and FP16 candidates of one FP32 model: all are evaluated, the best goes into its bundle."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from ernie_toolkit.compression.evaluator import Evaluator, Form, Fp32Model
from ernie_toolkit.compression.options import ALL_BATCHES
from ernie_toolkit.compression.quantization.calibration import Range
from ernie_toolkit.compression.quantization.embeddings import quantize_embeddings
from ernie_toolkit.compression.quantization.onnx import convert_to_fp16, quantize_dynamic, quantize_static
from ernie_toolkit.compression.quantization.ptq import Plan, Quantizer, fewest_kept, make_plans
from ernie_toolkit.compression.report.metrics import best_of
from ernie_toolkit.compression.report.model import ONNX_RUNTIME, Candidate

INT8_ROLE, FP16_ROLE = "onnx_int8", "onnx_fp16"
AUTO = ("auto",)


def quantize_after_training(evaluator: Evaluator, model: Fp32Model) -> None:
    """Evaluate every plan of `ptq`, and keep the best by the dev metric, of equals the smallest (see `best_of`).

    With `keep_fp32` "auto", where the best loses more than `max_drop`, the fewest products that bring it back above
    stay FP32. With `embeddings` the best gets INT8 embedding tables.

    Args:
        evaluator: The run's.
        model: Its rows of training are calibrated on.
    """
    if evaluator.has_int8(model, ONNX_RUNTIME):
        return
    work, options = evaluator.workspace(model), evaluator.options
    quantizer = Quantizer(model.onnx, model.rows.calibration, options, evaluator.run.request.training.seed, work)
    plans = make_plans(options)
    _report_rows(evaluator, quantizer, plans)
    exclude = () if options.keep_fp32 == AUTO else options.keep_fp32
    best, form, plan = _best_plan(evaluator, model, quantizer, plans, exclude)
    if options.keep_fp32 == AUTO and evaluator.drop(best.metrics) > options.max_drop:
        exclude = _search_kept(evaluator, model, quantizer, plan)
        form = _form(evaluator, quantizer, plan, exclude, f"{plan.name}, {len(exclude)} FP32")
        path = work / "candidate.onnx"
        quantizer.write(plan, path, exclude)
        best = evaluator.evaluate(model, form, path)
    path = work / "best.onnx"
    if "embeddings" in options.parts:
        tables = work / "tables.onnx"
        quantize_embeddings(quantizer.prepared(exclude), tables, positions=evaluator.task.max_seq_length)
        quantizer.write(plan, path, exclude, tables)
        best = evaluator.evaluate(model, replace(form, name=f"{form.name} + embeddings", embeddings=True), path)
    else:
        quantizer.write(plan, path, exclude)
    evaluator.keep(model, best, {INT8_ROLE: path})


def quantize_trained(
    evaluator: Evaluator, model: Fp32Model, ranges: dict[str, Range] | None, settings: dict[str, object]
) -> None:
    """Evaluate and keep the INT8 form of a model trained for it.

    Args:
        evaluator: The run's.
        model: The FP32 model that training for INT8 has left.
        ranges: Learned ranges of its activations by their names in the graph; None: they are taken from each batch.
        settings: How it was trained, for the report.
    """
    if evaluator.has_int8(model, ONNX_RUNTIME):
        return
    work, per_channel = evaluator.workspace(model), evaluator.options.per_channel

    def write(source: Path, target: Path) -> None:
        if ranges is None:
            quantize_dynamic(source, target, per_channel)
        else:
            quantize_static(source, target, ranges, per_channel)

    path, form = work / "best.onnx", Form("INT8", method="qat", settings=settings)
    write(model.onnx, path)
    best = evaluator.evaluate(model, form, path)
    if "embeddings" in evaluator.options.parts:
        quantize_embeddings(model.onnx, work / "tables.onnx", positions=evaluator.task.max_seq_length)
        write(work / "tables.onnx", path)
        best = evaluator.evaluate(model, replace(form, name="INT8 + embeddings", embeddings=True), path)
    evaluator.keep(model, best, {INT8_ROLE: path})


def quantize_tables(evaluator: Evaluator, model: Fp32Model) -> None:
    """Evaluate and keep the model with INT8 embedding tables and everything else in FP32.

    Args:
        evaluator: The run's.
        model: The FP32 model; its bundle gets the other one.
    """
    if evaluator.has_int8(model, ONNX_RUNTIME):
        return
    path = evaluator.workspace(model) / "best.onnx"
    quantize_embeddings(model.onnx, path, positions=evaluator.task.max_seq_length)
    best = evaluator.evaluate(model, Form("INT8 embeddings", embeddings=True), path)
    evaluator.keep(model, best, {INT8_ROLE: path})


def make_fp16(evaluator: Evaluator, model: Fp32Model) -> None:
    """Evaluate and keep the model in float16. Speed is that of this machine's CPU, which has to convert it back.

    Args:
        evaluator: The run's.
        model: The FP32 model; its bundle gets the other one.
    """
    form = Form("FP16", "fp16")
    found = evaluator.report.find(model.candidate_name(form.name))
    if found is not None and evaluator.in_bundle(found):
        return
    path = evaluator.workspace(model) / "half.onnx"
    convert_to_fp16(model.onnx, path)
    evaluator.keep(model, evaluator.evaluate(model, form, path), {FP16_ROLE: path})


def _best_plan(
    evaluator: Evaluator, model: Fp32Model, quantizer: Quantizer, plans: Sequence[Plan], exclude: Collection[str]
) -> tuple[Candidate, Form, Plan]:
    """The best candidate of all plans, each of which is evaluated, and how it was made."""
    made: list[tuple[Candidate, Form, Plan]] = []
    path = quantizer.workspace / "candidate.onnx"
    for plan in plans:
        if evaluator.report.find(model.candidate_name(plan.name)) is None:
            quantizer.write(plan, path, exclude)
        form = _form(evaluator, quantizer, plan, exclude, plan.name)
        made.append((evaluator.evaluate(model, form, path), form, plan))
    best = best_of(evaluator.report, [candidate for candidate, _, _ in made])
    return next(item for item in made if item[0] is best)


def _form(evaluator: Evaluator, quantizer: Quantizer, plan: Plan, exclude: Collection[str], name: str) -> Form:
    """How a candidate is quantized, for the report."""
    options = evaluator.options
    settings: dict[str, object] = {
        "weight_quantize_type": options.weight_quantize_type,
        "round_type": options.round_type,
        "bias_correction": options.bias_correction,
        **plan.settings,
    }
    if plan.method == "static":
        settings["calibration_rows"] = quantizer.calibration_rows(plan)
    if exclude:
        settings["keep_fp32"] = list(exclude)
    return Form(name, method=plan.method, settings=settings)


def _report_rows(evaluator: Evaluator, quantizer: Quantizer, plans: Sequence[Plan]) -> None:
    """Say which plans name more calibration rows than there are, and how many rows "all" are."""
    static = [plan for plan in plans if plan.method == "static"]
    whole = [plan for plan in static if plan.batch_num == ALL_BATCHES]
    if whole:
        same = "" if len(evaluator.options.batch_size_list) == 1 else ", of which other sizes change only avg"
        evaluator.say(
            f"calibration {', '.join(dict.fromkeys(plan.grid for plan in whole))}: all "
            f"{quantizer.calibration_rows(whole[0]):,} training rows{same}"
        )
    short = {
        plan.grid: quantizer.calibration_rows(plan)
        for plan in static
        if quantizer.calibration_rows(plan) < plan.batch_size * plan.batch_num
    }
    if short:
        evaluator.say(
            f"calibration {', '.join(short)}: only {max(short.values())} training rows are there; all are used"
        )


def _search_kept(evaluator: Evaluator, model: Fp32Model, quantizer: Quantizer, plan: Plan) -> tuple[str, ...]:
    names = quantizer.by_sensitivity(plan)
    path = quantizer.workspace / "search.onnx"

    def drop(kept: Sequence[str]) -> float:
        quantizer.write(plan, path, kept)
        loss = evaluator.drop(evaluator.quality(path, model.rows.dev, Form("", "int8")).metrics)
        name = model.candidate_name(plan.name)
        evaluator.say(f"  {name}: {len(kept)} of {len(names)} products in FP32: {-loss:+.2f} points")
        return loss

    return fewest_kept(names, drop, evaluator.options.max_drop)
