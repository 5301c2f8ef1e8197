"""What compression costs in quality, on fine-tuned models and real data (see compression.py)."""

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from script_runs import run_script

from ernie_toolkit.compression.options import CompressionOptions, check_compression_options
from ernie_toolkit.compression.report.model import REPORT_FILE, Candidate, Report, read_report
from ernie_toolkit.data import get_spec
from ernie_toolkit.models.sizes import Shares

ROOT = Path(__file__).resolve().parents[1]
# Data set -> the metric that the average is taken of.
QUALITY_SETS = {"tnews": "accuracy", "afqmc": "accuracy", "msra_ner": "f1", "cmrc2018": "exact_match"}
# Those that are measured where they are asked for: a question is as many rows as it has choices.
CHOICE_SETS = {"c3": "accuracy", "chid": "accuracy"}
METRICS = {**QUALITY_SETS, **CHOICE_SETS}
WIDTHS = ("3/4", "1/2")
DISTILLATION = ("--warmup_ratio", "0.1", "--hidden_dropout_prob", "0", "--attention_probs_dropout_prob", "0")
# Training rows, dev rows, batch size, epochs and learning rate: cut down to what two CPU cores can do.
CUTS = {
    "tnews": (8000, 2000, 32, 2, 2e-4),
    "afqmc": (4000, 2000, 32, 2, 5e-5),
    "msra_ner": (4000, 2000, 16, 2, 5e-5),
    "cmrc2018": (2000, 1000, 12, 0.5, 5e-5),
    "c3": (1000, 300, 4, 1, 5e-5),
    "chid": (1000, 300, 8, 1, 5e-5),
}
CUT_OPTIONS = (
    "--max_train_samples",
    "--max_dev_samples",
    "--per_device_train_batch_size",
    "--num_train_epochs",
    "--learning_rate",
)
FORMS = (
    (", FP32", "onnxruntime", "fp32"),
    (" + INT8", "onnxruntime", "int8"),
    (", OpenVINO BF16", "openvino", "bf16"),
    (" + OpenVINO INT8", "openvino", "int8"),
)
FULL_DEPTH = ("1",)
PTQ, PRUNING = "ptq", "dynabert+ptq"
Row = tuple[str, Shares, str, str]  # the run that made it, what is left of the model, engine and precision


def table_rows(depths: Sequence[str]) -> dict[str, Row]:
    """Rows of the table, by the names that it shows."""
    sizes = pruning_options(depths).sizes
    return {
        "INT8": (PTQ, Shares(), "onnxruntime", "int8"),
        "OpenVINO BF16": (PTQ, Shares(), "openvino", "bf16"),
        "OpenVINO INT8": (PTQ, Shares(), "openvino", "int8"),
        **{
            f"pruned {shares.text}{form}": (PRUNING, shares, engine, precision)
            for shares in sizes
            for form, engine, precision in FORMS
        },
    }


def pruning_options(depths: Sequence[str]) -> CompressionOptions:
    """What the pruned models are made with, checked: depth alone, too, where there is one."""
    widths = WIDTHS if tuple(depths) == FULL_DEPTH else ("1", *WIDTHS)
    options = CompressionOptions(PRUNING, width_mult_list=widths, depth_mult_list=tuple(depths))
    check_compression_options(options)
    return options


def compressed(
    dataset: str, strategy: str, models: Path, data_dir: Path, directory: Path, seed: int, depths: Sequence[str]
) -> Report:
    """The report of a compression run: read where it is finished, else made now by the script a user would call."""
    path = directory / REPORT_FILE
    if path.is_file() and not (directory / "unfinished").exists():
        return read_report(path)
    command = [
        sys.executable,
        str(ROOT / f"compress_{get_spec(dataset).task_name}.py"),
        "--dataset",
        dataset,
        "--data_dir",
        str(data_dir),
        "--model_name_or_path",
        str(models / dataset),
        "--output_dir",
        str(directory),
        "--strategy",
        strategy,
        "--width_mult_list",
        *pruning_options(depths).width_mult_list,
        "--depth_mult_list",
        *depths,
        "--seed",
        str(seed),
        "--disable_tqdm",
        "--batch_size_list",
        "8",
        "--save_steps",
        "250",
        *DISTILLATION,
    ]
    command += [text for pair in zip(CUT_OPTIONS, map(str, CUTS[dataset]), strict=True) for text in pair]
    command += ["--resume"] if (directory / "unfinished").exists() else []
    print(f"{dataset}, seed {seed}: {strategy} -> {directory}", flush=True)
    run_script(command)
    return read_report(path)


def find(report: Report, shares: Shares, engine: str, precision: str) -> Candidate | None:
    """The kept candidate of a size, an engine and a precision; None where this machine made none."""
    wanted = (str(shares.width), str(shares.depth), engine, precision)
    for item in report.candidates:
        if item.kept and (item.width, item.depth, item.engine, item.precision) == wanted:
            return item
    return None


def losses(
    dataset: str, models: Path, data_dir: Path, reports: Path, seed: int, depths: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Points lost by each row of the table, and the share of answers that stayed, in per cent; FP32 has its metric."""
    metric, directory = METRICS[dataset], reports / dataset / f"seed_{seed}"
    # Reports of other depths lie beside those of widths alone, which are read again.
    of_depths = f"{PRUNING}, depth {' '.join(depths)}".replace("/", "_")
    places = {PTQ: PTQ, PRUNING: PRUNING if tuple(depths) == FULL_DEPTH else of_depths}
    made = {
        strategy: compressed(dataset, strategy, models, data_dir, directory / place, seed, depths)
        for strategy, place in places.items()
    }
    baseline = made["ptq"].baseline.metrics[metric]
    found = {"FP32": (100 * baseline, 100.0)}
    for row, (strategy, shares, engine, precision) in table_rows(depths).items():
        item = find(made[strategy], shares, engine, precision)
        if item is not None:
            found[row] = (100 * (baseline - item.metrics[metric]), 100 * (item.equal_answers or 0.0))
    return found


def quality_table(
    models: Path,
    data_dir: Path,
    reports: Path,
    datasets: Sequence[str],
    seeds: Sequence[int],
    depths: Sequence[str] = FULL_DEPTH,
) -> dict[str, Any]:
    """Print points lost and answers that stayed by data set, means over seeds; run what has no report yet."""
    found = {
        dataset: [losses(dataset, models, data_dir, reports, seed, depths) for seed in seeds] for dataset in datasets
    }
    rows = [row for row in ("FP32", *table_rows(depths)) if all(row in run for runs in found.values() for run in runs)]
    means = {
        dataset: {row: tuple(map(statistics.mean, zip(*(run[row] for run in runs), strict=True))) for row in rows}
        for dataset, runs in found.items()
    }
    print(
        "points lost against FP32 (first row: FP32 itself) / answers equal to FP32's in per cent, seeds "
        + ", ".join(map(str, seeds))
    )
    print(f"{'':<40}" + "".join(f"{name + ' ' + METRICS[name]:>22}" for name in datasets) + f"{'average lost':>14}")
    for row in rows:
        values = [means[dataset][row] for dataset in datasets]
        cells = "".join(f"{f'{lost:.2f} / {equal:.1f}':>22}" for lost, equal in values)
        print(f"{row:<40}{cells}{statistics.mean(lost for lost, _ in values):>14.2f}")
    return {"seeds": list(seeds), "runs": found, "means": means}
