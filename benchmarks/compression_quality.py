"""What compression costs in quality, on fine-tuned models and real data (see compression.py)."""

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from script_runs import run_script

from ernie_toolkit.compression.report.model import REPORT_FILE, Candidate, Report, read_report
from ernie_toolkit.data import get_spec
from ernie_toolkit.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]
# Data set -> the metric that the average is taken of.
QUALITY_SETS = {"tnews": "accuracy", "afqmc": "accuracy", "msra_ner": "f1", "cmrc2018": "exact_match"}
WIDTHS = ("3/4", "1/2")
DISTILLATION = ("--warmup_ratio", "0.1", "--hidden_dropout_prob", "0", "--attention_probs_dropout_prob", "0")
# Training rows, dev rows, batch size, epochs and learning rate: cut down to what two CPU cores can do.
CUTS = {
    "tnews": (8000, 2000, 32, 2, 2e-4),
    "afqmc": (4000, 2000, 32, 2, 5e-5),
    "msra_ner": (4000, 2000, 16, 2, 5e-5),
    "cmrc2018": (2000, 1000, 12, 0.5, 5e-5),
}
CUT_OPTIONS = (
    "--max_train_samples",
    "--max_dev_samples",
    "--per_device_train_batch_size",
    "--num_train_epochs",
    "--learning_rate",
)
ROWS = ("pruned 3/4, FP32", "INT8", "pruned 3/4 + INT8", "pruned 1/2, FP32", "pruned 1/2 + INT8")


def compressed(dataset: str, strategy: str, models: Path, data_dir: Path, directory: Path, seed: int) -> Report:
    """The report of a compression run: read where it is finished, else made now by the script a user would call."""
    path = directory / REPORT_FILE
    if path.is_file() and not (directory / "unfinished").exists():
        return read_report(path)
    script = {"seq_cls": "compress_seq_cls.py", "token_cls": "compress_token_cls.py", "qa": "compress_qa.py"}
    command = [
        sys.executable,
        str(ROOT / script[get_spec(dataset).task_name]),
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
        *WIDTHS,
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


def best(report: Report, width: str, precision: str) -> Candidate:
    """The kept candidate of a width and precision; ConfigError where the report has none."""
    for item in report.candidates:
        if item.kept and (item.width, item.precision) == (width, precision):
            return item
    raise ConfigError(f"the report on {report.dataset} has no kept {precision} model of width {width}: make it again")


def losses(dataset: str, models: Path, data_dir: Path, reports: Path, seed: int) -> dict[str, float]:
    """Points lost by each row of the table."""
    metric = QUALITY_SETS[dataset]
    directory = reports / dataset / f"seed_{seed}"
    full = compressed(dataset, "ptq", models, data_dir, directory / "ptq", seed)
    pruned = compressed(dataset, "dynabert+ptq", models, data_dir, directory / "dynabert+ptq", seed)
    found = {
        "pruned 3/4, FP32": best(pruned, "3/4", "fp32"),
        "INT8": best(full, "1", "int8"),
        "pruned 3/4 + INT8": best(pruned, "3/4", "int8"),
        "pruned 1/2, FP32": best(pruned, "1/2", "fp32"),
        "pruned 1/2 + INT8": best(pruned, "1/2", "int8"),
    }
    baseline = full.baseline.metrics[metric]
    return {"FP32": 100 * baseline} | {name: 100 * (baseline - item.metrics[metric]) for name, item in found.items()}


def quality_table(
    models: Path, data_dir: Path, reports: Path, datasets: Sequence[str], seeds: Sequence[int]
) -> dict[str, Any]:
    """Print points lost by data set, means over seeds, and their average; run what has no report yet."""
    found = {dataset: [losses(dataset, models, data_dir, reports, seed) for seed in seeds] for dataset in datasets}
    means = {
        dataset: {row: statistics.mean(one[row] for one in runs) for row in ("FP32", *ROWS)}
        for dataset, runs in found.items()
    }
    print("points lost against FP32 (first row: FP32 itself), seeds " + ", ".join(map(str, seeds)))
    print(f"{'':<22}" + "".join(f"{name + ' ' + QUALITY_SETS[name]:>22}" for name in datasets) + f"{'average':>12}")
    for row in ("FP32", *ROWS):
        values = [means[dataset][row] for dataset in datasets]
        print(f"{row:<22}" + "".join(f"{value:>22.2f}" for value in values) + f"{statistics.mean(values):>12.2f}")
    return {"seeds": list(seeds), "runs": found, "means": means}
