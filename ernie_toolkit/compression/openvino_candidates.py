"""The candidates of one FP32 model in OpenVINO: FP32, BF16, and INT8, of which the best goes into its bundle."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ernie_toolkit.compression.candidates import AUTO
from ernie_toolkit.compression.evaluator import Evaluator, Form, Fp32Model
from ernie_toolkit.compression.quantization.embeddings import quantize_embeddings
from ernie_toolkit.compression.quantization.openvino import (
    WEIGHTS,
    OpenVinoPlan,
    calibration_rows,
    quantize_for_openvino,
    quantize_within,
)
from ernie_toolkit.compression.quantization.ptq import Quantizer
from ernie_toolkit.compression.report.metrics import best_of
from ernie_toolkit.compression.report.model import OPENVINO, Candidate
from ernie_toolkit.inference.engines.openvino import INT8_ROLE, INT8_WEIGHTS_ROLE
from ernie_toolkit.inference.processor import computes
from ernie_toolkit.text.dataset import Batch

FLOATING = {"fp32": "OpenVINO FP32", "bf16": "OpenVINO BF16"}


def evaluate_floating(evaluator: Evaluator, model: Fp32Model) -> None:
    """Evaluate a model in FP32, and in BF16 where the processor computes it; both are deployed from the ONNX file.

    Args:
        evaluator: The run's.
        model: The FP32 model.
    """
    for precision, name in FLOATING.items():
        found = evaluator.report.find(model.candidate_name(name))
        if not computes(precision) or (found is not None and evaluator.in_bundle(found)):
            continue
        form = Form(name, precision, engine=OPENVINO)
        evaluator.keep(model, evaluator.evaluate(model, form, model.onnx))


def make_openvino_plans(evaluator: Evaluator) -> list[OpenVinoPlan]:
    """The ways to make an INT8 model that the options ask for.

    Weights that AdaRound has rounded lie on the steps of INT8 already: SmoothQuant, which scales them, would undo that.
    """
    options = evaluator.options
    smooth = options.smooth_quant_list
    if options.round_type == "adaround":
        smooth = ("off",)
        if options.smooth_quant_list != smooth:
            evaluator.say("OpenVINO INT8: without SmoothQuant, which would undo what adaround has rounded")
    return [OpenVinoPlan(one == "on", bias == "accurate") for one in smooth for bias in options.nncf_bias_list]


def quantize_with_nncf(evaluator: Evaluator, model: Fp32Model, method: str = "static") -> None:
    """Evaluate every plan, and keep the best by the dev metric, of equals the smallest (see `best_of`).

    With `keep_fp32` "auto", where the best loses more than `max_drop`, NNCF leaves the operations in floating point
    that bring it back. With `embeddings` the best gets INT8 embedding tables.

    Args:
        evaluator: The run's.
        model: Its rows of training are calibrated on.
        method: What the report says of how it was made: "static", or "qat" where it was trained for INT8.
    """
    if evaluator.has_int8(model, OPENVINO):
        return
    options, work = evaluator.options, evaluator.workspace(model)
    source = model.onnx
    if options.round_type == "adaround" and method != "qat":
        source = Quantizer(
            model.onnx, model.rows.calibration, options, evaluator.run.request.training.seed, work
        ).prepared()
    batches = calibration_rows(model.rows.calibration, options.calibration_rows)
    made: list[tuple[Candidate, Form, OpenVinoPlan]] = []
    for plan in make_openvino_plans(evaluator):
        path = _file(work, plan)
        settings = {**plan.settings, "round_type": options.round_type, "calibration_rows": len(batches)}
        form = Form(plan.name, method=method, settings=settings, engine=OPENVINO)
        if evaluator.report.find(model.candidate_name(form.name)) is None:
            quantize_for_openvino(source, path, plan, batches)
        made.append((evaluator.evaluate(model, form, path), form, plan))
    best = best_of(evaluator.report, [candidate for candidate, _, _ in made])
    form, plan = next((form, plan) for candidate, form, plan in made if candidate is best)
    path = _file(work, plan)
    if "embeddings" in options.parts:
        tables = work / "openvino_tables.onnx"
        quantize_embeddings(source, tables, positions=evaluator.task.max_seq_length)
        source, form = tables, replace(form, name=f"{form.name} + embeddings", embeddings=True)
        path = work / "openvino_tables.xml"
    if options.keep_fp32 == AUTO and evaluator.drop(best.metrics) > options.max_drop:
        form, best = _within(evaluator, model, form, plan, source, path, batches)
    else:
        if not path.is_file():  # embedding tables; or the run was cut off, and what it had made is gone
            quantize_for_openvino(source, path, plan, batches)
        best = evaluator.evaluate(model, form, path)
    evaluator.keep(model, best, {INT8_ROLE: path, INT8_WEIGHTS_ROLE: path.with_suffix(WEIGHTS)})


def _file(work: Path, plan: OpenVinoPlan) -> Path:
    """Where a plan's model is written."""
    return work / f"openvino_{plan.settings['smooth_quant']}_{plan.settings['bias_correction']}.xml"


def _within(
    evaluator: Evaluator,
    model: Fp32Model,
    form: Form,
    plan: OpenVinoPlan,
    source: Path,
    path: Path,
    batches: Sequence[Batch],
) -> tuple[Form, Candidate]:
    """The candidate of which so much stays in floating point that it loses no more than `max_drop`."""

    def score(run: Callable[[Batch], Sequence[np.ndarray]]) -> float:
        return evaluator.answers(run, model.rows.dev)[0][evaluator.report.metric]

    left = quantize_within(source, path, plan, batches, score, evaluator.options.max_drop / 100)
    form = replace(form, name=f"{form.name}, {left} FP32", settings={**form.settings, "products_in_fp32": left})
    return form, evaluator.evaluate(model, form, path)
