"""What the multi-label application reaches: pretrained against from scratch, and unpruned against pruned.

    python benchmarks/multi_label.py --dataset_dir data --model_name ernie-3.0-medium-zh [--output FILE.json]

Runs multi_label/train.py from the pretrained weights, then from random ones of the same shape, and multi_label/prune.py
on the first, as a user would; prints two tables. F1 in points; time is training's own, evaluations included; a row's
milliseconds and the ratio are those of ONNX Runtime in prune.py's report. `--width_mult` with nothing behind it leaves
pruning out.
"""

import argparse
import gc
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from script_runs import run_script

from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.data import DataSet
from ernie_toolkit.data.label_sets import load_label_sets
from ernie_toolkit.files import check_output_file, write_json
from ernie_toolkit.models import load_model, save_model
from ernie_toolkit.multi_label.trained import load_trained
from ernie_toolkit.tasks import MultiLabelClassification
from ernie_toolkit.training.devices import use_device

SCRIPTS = Path(__file__).resolve().parents[1] / "multi_label"


def call(script: str, arguments: dict[str, Any]) -> None:
    """Run a script of multi_label/ with its talk on standard error."""
    command: list[str | Path] = [sys.executable, SCRIPTS / script, "--disable_tqdm", "--report_to", "none"]
    for name, value in arguments.items():
        command += [f"--{name}", *(map(str, value) if isinstance(value, list) else [str(value)])]
    run_script(command, sys.stderr)


def draw_anew(model_name: str, labels: tuple[str, ...], directory: Path) -> None:
    """Write a model of the same shape and vocabulary, with weights drawn at random."""
    loaded = load_model(model_name, labels, task=MultiLabelClassification.name)
    save_model(type(loaded.model)(loaded.model.config).ernie, loaded.vocabulary, directory)


def trained(args: argparse.Namespace, data: DataSet, model_name: str, directory: Path) -> dict[str, float]:
    """Train a model into a directory; its F1 on dev and test, in points, and the seconds it took."""
    call(
        "train.py",
        {
            "dataset_dir": args.dataset_dir,
            "model_name": model_name,
            "save_dir": directory,
            "epochs": args.epochs,
            "batch_size": args.batch_size,
            "learning_rate": args.learning_rate,
            "max_seq_length": args.max_seq_length,
            "warmup_ratio": 0.1,
            "seed": args.seed,
            "device": "cpu",
            "hidden_dropout_prob": args.dropout,
            "attention_probs_dropout_prob": args.dropout,
        },
    )
    record = json.loads((directory / "metrics.json").read_text(encoding="utf-8"))
    model = load_trained(str(directory))
    examples = data.split("test")
    logits = list(model.logits([row["sentence"] for row in examples], 64))
    test = model.task.score(model.encode([]), logits, examples)
    del model
    gc.collect()
    figures = {"seconds": record["training"]["seconds"]}
    for split, scores in (("dev", record["metrics"]), ("test", test)):
        figures |= {f"{split}_{name}": 100 * scores[name] for name in ("micro_f1", "macro_f1")}
    return figures


def pruned(args: argparse.Namespace, model: Path, directory: Path) -> list[dict[str, Any]]:
    """Prune a model; for it and for each width its dev F1 in points, a row's time, both ratios to FP32's speed."""
    call(
        "prune.py",
        {
            "params_dir": model,
            "dataset_dir": args.dataset_dir,
            "output_dir": directory,
            "width_mult": args.width_mult,
            "num_train_epochs": args.prune_epochs,
            "per_device_train_batch_size": args.batch_size,
            "learning_rate": args.prune_learning_rate,
            "warmup_ratio": 0.1,
            "seed": args.seed,
            "device": "cpu",
            "hidden_dropout_prob": args.dropout,
            "attention_probs_dropout_prob": args.dropout,
        },
    )
    report = json.loads((directory / "compress_report.json").read_text(encoding="utf-8"))
    rows = []
    for item in (report["baseline"], *report["candidates"]):
        scores = {name: 100 * item["metrics"][name] for name in ("micro_f1", "macro_f1")}
        rows.append(
            {
                "name": item["name"],
                **scores,
                "latency_ms": item["latency_ms"],
                "bytes": item["size"],
                "speed": item["latency_ratio"],
                "ratio": item["throughput_ratio"],
            }
        )
    return rows


def print_trained(table: dict[str, dict[str, float]]) -> None:
    """A line for each start."""
    print("| start | dev micro F1 | dev macro F1 | test micro F1 | test macro F1 | seconds |\n" + "| --- " * 6 + "|")
    for name, row in table.items():
        cells = [f"{row[f'{split}_{figure}']:.2f}" for split in ("dev", "test") for figure in ("micro_f1", "macro_f1")]
        print(f"| {name} | {' | '.join(cells)} | {row['seconds']:.0f} |", flush=True)


def print_pruned(rows: list[dict[str, Any]]) -> None:
    """A line for each width, in the columns of the guide's table."""
    print("| model | micro F1 | macro F1 | ms a row | ratio | ratio in batches | MB |\n" + "| --- " * 7 + "|")
    for row in rows:
        print(
            f"| {row['name']} | {row['micro_f1']:.2f} | {row['macro_f1']:.2f} | {row['latency_ms']:g} "
            f"| {row['speed']:.2f}x | {row['ratio']:.2f}x | {row['bytes'] / 1e6:.1f} |"
        )


def main() -> None:
    """Parse arguments, measure, print."""
    parser = OneLineParser(prog="multi_label.py", description=__doc__)
    parser.add_argument("--dataset_dir", required=True, help="directory with train.txt, dev.txt, test.txt, label.txt")
    parser.add_argument("--model_name", required=True, help="pretrained model")
    parser.add_argument("--width_mult", nargs="*", default=["3/4", "2/3", "1/2"])
    parser.add_argument("--epochs", type=float, default=4)
    parser.add_argument("--prune_epochs", type=float, default=1)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--learning_rate", type=float, default=3e-4)
    parser.add_argument("--prune_learning_rate", type=float, default=1e-4)
    parser.add_argument("--dropout", type=float, default=-1, help="-1: the model's own")
    parser.add_argument("--max_seq_length", type=int, default=128)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--output", type=Path, help="write all figures here as JSON")
    args = parser.parse_args()
    with exit_on_toolkit_error(parser.prog), tempfile.TemporaryDirectory() as name:
        if args.output:
            check_output_file(args.output)
        use_device("cpu")
        data = load_label_sets(args.dataset_dir, ("train", "dev", "test"))
        place = Path(name)
        table = {"pretrained": trained(args, data, args.model_name, place / "pretrained")}
        draw_anew(args.model_name, data.spec.labels, place / "random")
        table["from scratch"] = trained(args, data, str(place / "random"), place / "scratch")
        print_trained(table)
        rows = pruned(args, place / "pretrained", place / "prune") if args.width_mult else []
        if rows:
            print_pruned(rows)
        if args.output:
            write_json(
                args.output,
                {"arguments": {key: str(value) for key, value in vars(args).items()}, "trained": table, "pruned": rows},
            )


if __name__ == "__main__":
    main()
