"""How fast a bundle predicts, and whether it answers as Paddle does.

    python benchmarks/prediction_speed.py --model_dir best_models/tnews --data_dir DIR --dataset tnews --max_rows 2000

Works for every task. Times ONNX Runtime on the same rows in three ways, in turn, in one process: batches by
length (what Predictor does), batches in the order of arrival, and every row padded to --padded_length;
tokenizing is timed apart and counted in none of them. Prints the medians and the ratios, the figures of Paddle
and of Predictor on the same dev rows, and the share of inputs to which both give the same answer. With
--repeats 0 nothing is timed.
"""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.data import load_dataset
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.engines.base import AUTO, ENGINES, PRECISIONS
from ernie_toolkit.text.batching import batches_by_length
from ernie_toolkit.text.dataset import EncodedDataset
from ernie_toolkit.text.features import Features, pad_batch


def run_batches(
    predictor: Predictor, features: Sequence[Features], batches: Sequence[list[int]], length: int | None
) -> None:
    """Compute all rows, batch by batch as given, padded to `length` or to each batch's longest row."""
    for rows in batches:
        batch = pad_batch([features[row] for row in rows], predictor.tokenizer.special.pad, length)
        predictor.compute(batch)


def compare(ways: dict[str, Callable[[], None]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each way in each repeat, the ways taken in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def main() -> None:
    """Measure and print."""
    parser = OneLineParser(prog="prediction_speed.py", description=__doc__)
    parser.add_argument("--model_dir", type=Path, required=True, help="trained model; its bundle is export/ in it")
    parser.add_argument("--dataset", default="tnews")
    parser.add_argument("--data_dir", type=Path, help="official files; the sample where not given")
    parser.add_argument("--max_rows", type=int, default=2000, help="dev rows used (default: %(default)s)")
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--padded_length", type=int, help="(default: the bundle's longest sequence)")
    parser.add_argument("--num_threads", type=int)
    parser.add_argument("--engine", default=AUTO, choices=(AUTO, *ENGINES))
    parser.add_argument("--precision", default="fp32", choices=PRECISIONS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, help="write the figures as JSON here")
    args = parser.parse_args()
    with exit_on_toolkit_error(parser.prog):
        source = {"data_dir": args.data_dir} if args.data_dir else {"data_source": "sample"}
        data = load_dataset(args.dataset, splits=("dev",), limits={"dev": args.max_rows}, **source)
        examples = data.split("dev")
        predictor = Predictor(
            args.model_dir / "export", num_threads=args.num_threads, precision=args.precision, engine=args.engine
        )
        started = time.perf_counter()
        rows = predictor.task.with_targets(
            predictor.task.encode(predictor.tokenizer, predictor.task.inputs(examples)), examples
        )
        tokenizing = time.perf_counter() - started
        report = agreement(args.model_dir, predictor, rows, examples, args.batch_size)
        lengths = rows.lengths()
        report |= {"rows": len(rows), "mean_tokens": statistics.mean(lengths), "tokenizing_seconds": tokenizing}
        if args.repeats > 0:
            report["sequences_per_second"] = rates(
                predictor, rows, args.batch_size, args.padded_length or predictor.task.max_seq_length, args.repeats
            )
        show(report)
        if args.output:
            args.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def rates(
    predictor: Predictor, rows: EncodedDataset, batch_size: int, padded_length: int, repeats: int
) -> dict[str, float]:
    """Sequences a second of each way, medians over the repeats."""
    features, lengths = rows.features, rows.lengths()
    order = list(range(len(rows)))
    arrival = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    ways: dict[str, Callable[[], None]] = {
        "by length": lambda: run_batches(predictor, features, batches_by_length(lengths, batch_size), None),
        "arrival order": lambda: run_batches(predictor, features, arrival, None),
        f"padded to {padded_length}": lambda: run_batches(predictor, features, arrival, padded_length),
    }
    seconds = compare(ways, repeats)
    return {name: len(rows) / statistics.median(taken) for name, taken in seconds.items()}


def agreement(
    model_dir: Path, predictor: Predictor, rows: EncodedDataset, examples: Sequence[dict[str, Any]], batch_size: int
) -> dict[str, Any]:
    """Figures of Paddle and of Predictor, the share of inputs with the same answer, the largest difference."""
    from ernie_toolkit.training.acceleration import apply_cpu_settings, import_paddle

    apply_cpu_settings()
    import_paddle()
    from ernie_toolkit.models import load_model
    from ernie_toolkit.training import predict_logits

    task = predictor.task
    paddle_model = load_model(str(model_dir), task.labels, task=task.name).model
    expected, got = predict_logits(paddle_model, rows, batch_size), predictor.run(rows, batch_size)
    inputs = task.inputs(examples)
    pairs = list(zip(task.decode(rows, expected, inputs), task.decode(rows, got, inputs), strict=True))
    return {
        "inputs": len(inputs),
        "figures_paddle": overall(task.score(rows, expected, examples)),
        "figures_predictor": overall(task.score(rows, got, examples)),
        "equal_answers": sum(one.content == other.content for one, other in pairs) / len(pairs),
        "max_abs_difference": float(max(np.abs(a - b).max() for a, b in zip(expected, got, strict=True))),
    }


def overall(figures: dict[str, float]) -> dict[str, float]:
    """The figures without the tables of details."""
    return {name: value for name, value in figures.items() if "/" not in name}


def show(report: dict[str, Any]) -> None:
    """Print the figures."""
    print(
        f"{report['inputs']} inputs, {report['rows']} rows of {report['mean_tokens']:.1f} tokens on average; "
        f"tokenizing all of them {report['tokenizing_seconds']:.3f} s"
    )
    speeds: dict[str, float] = report.get("sequences_per_second", {})
    for name, rate in speeds.items():
        print(f"  {name:<16}{rate:>9.1f} sequences/s{rate / min(speeds.values()):>8.2f}x")
    for name, value in report["figures_paddle"].items():
        print(f"{name}: Paddle {value:.4f}, ONNX Runtime {report['figures_predictor'][name]:.4f}")
    print(f"equal answers {report['equal_answers']:.2%}; largest logit difference {report['max_abs_difference']:.1e}")


if __name__ == "__main__":
    main()
