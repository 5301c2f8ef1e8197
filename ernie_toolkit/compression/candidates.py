"""The INT8 and FP16 candidates of one FP32 model: all judged, the best into its bundle."""

from collections.abc import Collection, Sequence
from pathlib import Path

from ernie_toolkit.compression.evaluator import Variant, Workshop
from ernie_toolkit.compression.options import ALL_BATCHES
from ernie_toolkit.compression.quantization.calibration import Range
from ernie_toolkit.compression.quantization.embeddings import quantize_embeddings
from ernie_toolkit.compression.quantization.onnx import convert_to_fp16, quantize_dynamic, quantize_static
from ernie_toolkit.compression.quantization.ptq import Plan, Quantizer, fewest_kept, make_plans
from ernie_toolkit.compression.report.figures import best_of
from ernie_toolkit.compression.report.model import Candidate

INT8_ROLE, FP16_ROLE = "onnx_int8", "onnx_fp16"


def quantize_after_training(shop: Workshop, variant: Variant) -> None:
    """Judge every plan of `ptq`, and keep the best by the dev metric, of equals the smallest (see `best_of`).

    With `--keep_fp32 auto`, where the best loses more than `--max_drop`, the fewest products that mend it
    stay FP32. With `embeddings` the best gets INT8 embedding tables.
    """
    if _finished(shop, variant):
        return
    work = _workspace(shop, variant)
    options = shop.options
    quantizer = Quantizer(variant.onnx, variant.train, options, shop.seed, work)
    exclude = () if options.keep_fp32 == ("auto",) else options.keep_fp32
    plans = make_plans(options)
    _tell_rows(shop, quantizer, plans)
    judged: list[tuple[Candidate, Plan]] = []
    for plan in plans:
        path = work / "candidate.onnx"
        if shop.report.find(variant.candidate_name(plan.name)) is None:
            quantizer.write(plan, path, exclude)
        settings = _settings(shop, quantizer, plan, exclude)
        judged.append((shop.judge(variant, plan.name, path, "int8", plan.method, settings=settings), plan))
    best = best_of(shop.report, [candidate for candidate, _ in judged])
    plan = next(plan for candidate, plan in judged if candidate is best)
    form = plan.name
    if options.keep_fp32 == ("auto",) and shop.drop(best.metrics) > options.max_drop:
        exclude = _search_kept(shop, variant, quantizer, plan)
        form = f"{plan.name}, {len(exclude)} FP32"
        path = work / "candidate.onnx"
        quantizer.write(plan, path, exclude)
        settings = _settings(shop, quantizer, plan, exclude)
        best = shop.judge(variant, form, path, "int8", plan.method, settings=settings)
    source = None
    if "embeddings" in options.parts:
        source, form = work / "tables.onnx", f"{form} + embeddings"
        quantize_embeddings(quantizer.prepared(exclude), source, positions=shop.task.max_seq_length)
    path = work / "best.onnx"
    quantizer.write(plan, path, exclude, source)
    if source is not None:
        best = shop.judge(variant, form, path, "int8", plan.method, True, best.settings)
    shop.keep(variant, best, INT8_ROLE, path)


def quantize_trained(
    shop: Workshop, variant: Variant, ranges: dict[str, Range] | None, settings: dict[str, object]
) -> None:
    """Judge and keep the INT8 form of a model trained for it.

    `ranges`: learned ranges of its activations by their names in the graph; None where they are taken from
    each batch. `settings`: how it was trained.
    """
    if _finished(shop, variant):
        return
    work, source, form = _workspace(shop, variant), variant.onnx, "INT8"

    def write(source: Path, target: Path) -> None:
        if ranges is None:
            quantize_dynamic(source, target, shop.options.per_channel)
        else:
            quantize_static(source, target, ranges, shop.options.per_channel)

    path = work / "best.onnx"
    write(source, path)
    best = shop.judge(variant, form, path, "int8", "qat", settings=settings)
    if "embeddings" in shop.options.parts:
        quantize_embeddings(variant.onnx, work / "tables.onnx", positions=shop.task.max_seq_length)
        write(work / "tables.onnx", path)
        best = shop.judge(variant, f"{form} + embeddings", path, "int8", "qat", True, settings)
    shop.keep(variant, best, INT8_ROLE, path)


def quantize_tables(shop: Workshop, variant: Variant) -> None:
    """Judge and keep the model with INT8 embedding tables and everything else in FP32."""
    if _finished(shop, variant):
        return
    path = _workspace(shop, variant) / "best.onnx"
    quantize_embeddings(variant.onnx, path, positions=shop.task.max_seq_length)
    best = shop.judge(variant, "INT8 embeddings", path, "int8", "", True)
    shop.keep(variant, best, INT8_ROLE, path)


def halve(shop: Workshop, variant: Variant) -> None:
    """Judge and keep the model in float16. Speed is that of this machine's CPU, which has to convert it back."""
    found = shop.report.find(variant.candidate_name("FP16"))
    if found is not None and _in_bundle(shop, found):
        return
    path = _workspace(shop, variant) / "half.onnx"
    convert_to_fp16(variant.onnx, path)
    shop.keep(variant, shop.judge(variant, "FP16", path, "fp16"), FP16_ROLE, path)


def _settings(shop: Workshop, quantizer: Quantizer, plan: Plan, exclude: Collection[str]) -> dict[str, object]:
    """What a report tells of how a candidate was quantized."""
    options = shop.options
    settings: dict[str, object] = {
        "weight_quantize_type": options.weight_quantize_type,
        "round_type": options.round_type,
        "bias_correction": options.bias_correction,
        **plan.settings,
    }
    if plan.method == "static":
        settings["calibration_rows"] = quantizer.calibration_rows(plan)
    return settings | ({"keep_fp32": list(exclude)} if exclude else {})


def _tell_rows(shop: Workshop, quantizer: Quantizer, plans: Sequence[Plan]) -> None:
    """Say which plans name more calibration rows than there are, and how many rows "all" are."""
    static = [plan for plan in plans if plan.method == "static"]
    whole = [plan for plan in static if plan.batch_num == ALL_BATCHES]
    if whole:
        same = "" if len(shop.options.batch_size_list) == 1 else ", of which other sizes change only avg"
        shop.say(
            f"calibration {', '.join(dict.fromkeys(plan.grid for plan in whole))}: all "
            f"{quantizer.calibration_rows(whole[0]):,} training rows{same}"
        )
    short = {
        plan.grid: quantizer.calibration_rows(plan)
        for plan in static
        if quantizer.calibration_rows(plan) < plan.batch_size * plan.batch_num
    }
    if short:
        shop.say(f"calibration {', '.join(short)}: only {max(short.values())} training rows are there; all are used")


def _in_bundle(shop: Workshop, item: Candidate) -> bool:
    return item.kept and (shop.directory / item.file).is_file()


def _finished(shop: Workshop, variant: Variant) -> bool:
    """Whether an earlier part of this run has put the variant's INT8 model into its bundle."""
    prefix = variant.directory.relative_to(shop.directory).as_posix() + "/"
    return any(
        item.precision == "int8" and item.file.startswith(prefix) and _in_bundle(shop, item)
        for item in shop.report.candidates
    )


def _workspace(shop: Workshop, variant: Variant) -> Path:
    directory = shop.work / variant.directory.name
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _search_kept(shop: Workshop, variant: Variant, quantizer: Quantizer, plan: Plan) -> tuple[str, ...]:
    names = quantizer.by_sensitivity(plan)
    path = quantizer.workspace / "search.onnx"

    def drop(kept: list[str]) -> float:
        quantizer.write(plan, path, kept)
        loss = shop.drop(shop.figures(path, variant.dev, "int8"))
        shop.say(
            f"  {variant.candidate_name(plan.name)}: {len(kept)} of {len(names)} products in FP32: {-loss:+.2f} points"
        )
        return loss

    return fewest_kept(names, lambda kept: drop(list(kept)), shop.options.max_drop)
