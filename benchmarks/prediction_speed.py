"""How fast a bundle predicts, and whether it answers as Paddle does.

    python benchmarks/prediction_speed.py --model_dir best_models/tnews --data_dir DIR --dataset tnews --max_rows 2000

Times ONNX Runtime on the same rows in three ways, in turn, in one process: batches by length (what
Predictor does), batches in the order of arrival, and every row padded to --padded_length; tokenizing is
timed apart and counted in none of them. Prints the medians and the ratios, and the share of rows on which
Paddle and Predictor give the same label.
"""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ernie_toolkit.batching import batches_by_length
from ernie_toolkit.cli import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.data import load_dataset
from ernie_toolkit.features import Features, TextInput, pad_batch
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.session import PRECISIONS


def run_batches(
    predictor: Predictor, features: Sequence[Features], batches: Sequence[list[int]], length: int | None
) -> np.ndarray:
    """Logits of all rows, computed batch by batch as given, padded to `length` or to each batch's longest row."""
    logits = np.empty((len(features), len(predictor.labels)), dtype=np.float32)
    for rows in batches:
        batch = pad_batch([features[row] for row in rows], predictor.tokenizer.special.pad, length)
        logits[rows] = predictor.session.run(None, batch)[0]
    return logits


def compare(ways: dict[str, Callable[[], np.ndarray]], repeats: int) -> dict[str, list[float]]:
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
    parser.add_argument("--padded_length", type=int, default=128)
    parser.add_argument("--num_threads", type=int)
    parser.add_argument("--precision", default="fp32", choices=PRECISIONS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, help="write the figures as JSON here")
    args = parser.parse_args()
    with exit_on_toolkit_error(parser.prog):
        source = {"data_dir": args.data_dir} if args.data_dir else {"data_source": "sample"}
        data = load_dataset(args.dataset, splits=("dev",), limits={"dev": args.max_rows}, **source)
        examples = data.split("dev")
        predictor = Predictor(args.model_dir / "export", num_threads=args.num_threads, precision=args.precision)
        texts = predictor.task.inputs(examples)
        started = time.perf_counter()
        features = predictor.task.encode(predictor.tokenizer, texts).features
        tokenizing = time.perf_counter() - started
        lengths = [len(item) for item in features]
        rows = list(range(len(features)))
        arrival = [rows[start : start + args.batch_size] for start in range(0, len(rows), args.batch_size)]
        ways: dict[str, Callable[[], np.ndarray]] = {
            "by length": lambda: run_batches(predictor, features, batches_by_length(lengths, args.batch_size), None),
            "arrival order": lambda: run_batches(predictor, features, arrival, None),
            f"padded to {args.padded_length}": lambda: run_batches(predictor, features, arrival, args.padded_length),
        }
        seconds = compare(ways, args.repeats)
        report = agreement(args.model_dir, predictor, texts, data.spec.labels, [e["label"] for e in examples])
        report |= {"rows": len(rows), "mean_tokens": statistics.mean(lengths), "tokenizing_seconds": tokenizing}
        report["sequences_per_second"] = {name: len(rows) / statistics.median(taken) for name, taken in seconds.items()}
        show(report)
        if args.output:
            args.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def agreement(
    model_dir: Path, predictor: Predictor, texts: Sequence[TextInput], labels: Sequence[str], gold: Sequence[str]
) -> dict[str, object]:
    """Accuracy of Predictor and of Paddle, and the share of rows with the same answer."""
    from ernie_toolkit.models import load_model
    from ernie_toolkit.training import predict_logits

    rows = predictor.task.encode(predictor.tokenizer, texts)
    expected = np.asarray(predict_logits(load_model(str(model_dir)).model, rows, 32))
    got = np.asarray(predictor.run(rows))
    right = np.array([labels.index(label) for label in gold])
    return {
        "accuracy_paddle": float((expected.argmax(axis=1) == right).mean()),
        "accuracy_onnx": float((got.argmax(axis=1) == right).mean()),
        "equal_answers": float((got.argmax(axis=1) == expected.argmax(axis=1)).mean()),
        "max_abs_difference": float(np.abs(got - expected).max()),
    }


def show(report: dict[str, object]) -> None:
    """Print the figures."""
    rates: dict[str, float] = report["sequences_per_second"]  # type: ignore[assignment]
    slowest = min(rates.values())
    print(f"{report['rows']} rows of {report['mean_tokens']:.1f} tokens on average; "
          f"tokenizing all of them {report['tokenizing_seconds']:.3f} s")  # fmt: skip
    for name, rate in rates.items():
        print(f"  {name:<16}{rate:>9.1f} sequences/s{rate / slowest:>8.2f}x")
    print(
        f"accuracy: Paddle {report['accuracy_paddle']:.4f}, ONNX Runtime {report['accuracy_onnx']:.4f}; "
        f"equal answers {report['equal_answers']:.2%}; "
        f"largest logit difference {report['max_abs_difference']:.1e}"
    )


if __name__ == "__main__":
    main()
