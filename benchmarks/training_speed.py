"""Training speed on a CPU: padded to 128 or by length, stock Paddle, accelerated, PyTorch; where a step's time goes.

    python benchmarks/training_speed.py --texts train.json --vocab vocab.txt --padded_steps 4

Each setting of the environment needs its own process (paddle reads it once), so the script starts itself as a
worker, stock and accelerated, in alternating rounds, and reports medians over the rounds. PyTorch trains on the same
batches in a Python of its own, so that this environment needs neither it nor transformers:

    python -m venv torchvenv && torchvenv/bin/pip install torch transformers
    python benchmarks/training_speed.py --texts train.json --vocab vocab.txt --torch_python torchvenv/bin/python

On a busy machine compare rows per CPU second with `--threads 1`: several threads then wait for each other.
"""

import argparse
import contextlib
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.errors import ToolkitError
from ernie_toolkit.training import acceleration

PADDED_LENGTH = 128
BATCH_SIZE = 32
VARIANTS = ("stock", "accelerated")
TORCH_VARIANTS = ("torch fp32", "torch bf16")
LAYOUTS = ("by length", f"padded to {PADDED_LENGTH}")
LABELS = 15
PHASES = ("forward", "backward", "optimizer")


def parse_arguments() -> argparse.Namespace:
    """The arguments; `--worker` is the script's own."""
    parser = OneLineParser(prog="training_speed.py", description=__doc__)
    parser.add_argument("--texts", type=Path, required=True, help="JSON lines file")
    parser.add_argument("--vocab", type=Path, required=True, help="vocab.txt")
    parser.add_argument("--field", default="sentence")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--steps", type=int, default=20, help="measured steps of each variant and layout")
    parser.add_argument("--padded_steps", type=int, help="fewer steps for the slow padded layout (default: --steps)")
    parser.add_argument("--rounds", type=int, default=2, help="processes per variant, alternating")
    parser.add_argument(
        "--threads", type=int, help="of every variant (default: stock as Paddle has it, others all cores)"
    )
    parser.add_argument("--torch_python", type=Path, help="a Python with torch and transformers, to compare with")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--worker", nargs=3, metavar=("VARIANT", "BATCHES", "RESULT"), help=argparse.SUPPRESS)
    return parser.parse_args()


def read_texts(path: Path, field: str, limit: int) -> list[str]:
    """One field of the first lines of a JSON-lines file."""
    texts: list[str] = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            texts.append(json.loads(line)[field])
            if len(texts) == limit:
                break
    return texts


def make_batches(ids: list[list[int]], cls: int, sep: int, count: int, by_length: bool) -> list[list[list[int]]]:
    """Batches of token ids, [CLS] ... [SEP], padded with 0; `count` of them, evenly over the lengths."""
    rows = [[cls, *row[: PADDED_LENGTH - 2], sep] for row in ids]
    if by_length:
        rows.sort(key=len)
    batches = [rows[i : i + BATCH_SIZE] for i in range(0, max(1, len(rows) - BATCH_SIZE + 1), BATCH_SIZE)]
    chosen = [batches[i * len(batches) // count] for i in range(count)]
    random.Random(0).shuffle(chosen)
    widths = [max(map(len, batch)) if by_length else PADDED_LENGTH for batch in chosen]
    return [[row + [0] * (width - len(row)) for row in batch] for batch, width in zip(chosen, widths, strict=True)]


def write_batches(arguments: argparse.Namespace, path: Path) -> int:
    """Write the shape of the model and the batches of each layout, for all workers; return the rows of a batch."""
    from ernie_toolkit.text.tokenization import build_tokenizer, read_vocab

    tokenizer = build_tokenizer(read_vocab(arguments.vocab))
    texts = read_texts(arguments.texts, arguments.field, limit=max(4096, 2 * arguments.steps * BATCH_SIZE))
    ids, special = tokenizer.encode_ids(texts), tokenizer.special
    counts = (arguments.steps, arguments.padded_steps or arguments.steps)
    batches = {
        layout: make_batches(ids, special.cls, special.sep, count, layout == LAYOUTS[0])
        for layout, count in zip(LAYOUTS, counts, strict=True)
    }
    shape = {
        "vocab_size": tokenizer.vocab_size,
        "hidden_size": arguments.hidden,
        "num_hidden_layers": arguments.layers,
        "num_attention_heads": 12,
        "intermediate_size": 4 * arguments.hidden,
        "num_labels": LABELS,
    }
    path.write_text(json.dumps({"shape": shape, "batches": batches}), encoding="utf-8")
    return len(batches[LAYOUTS[0]][0])


def run_worker(variant: str, given: dict[str, Any]) -> dict[str, Any]:
    """(wall, CPU) seconds of the phases of each step, by layout; and the settings of the environment."""
    fast = variant == "accelerated"
    settings = acceleration.apply_cpu_settings() if fast else {}
    import paddle
    from paddlenlp.transformers import ErnieConfig, ErnieForSequenceClassification

    from ernie_toolkit.training.fast_layers import fast_layers

    paddle.set_device("cpu")
    paddle.seed(0)
    model = ErnieForSequenceClassification(ErnieConfig(**given["shape"], use_task_id=False))
    model.train()
    optimizer = paddle.optimizer.AdamW(
        1e-5, parameters=model.parameters(), grad_clip=paddle.nn.ClipGradByGlobalNorm(1.0)
    )
    with contextlib.ExitStack() as stack:
        if fast:
            stack.enter_context(acceleration.freed_memory_kept())
            stack.enter_context(fast_layers(model))
        timings = {
            layout: [time_step(paddle, model, optimizer, batch) for batch in [batches[0], *batches]][1:]
            for layout, batches in given["batches"].items()
        }
    return {"settings": settings, "timings": timings}


def time_step(paddle: Any, model: Any, optimizer: Any, batch: list[list[int]]) -> list[tuple[float, float]]:
    """(wall, CPU) seconds of forward, backward and optimizer step."""
    inputs = paddle.to_tensor(batch, dtype="int64")
    labels = paddle.to_tensor([i % LABELS for i in range(len(batch))], dtype="int64")
    clocks = [(time.perf_counter(), time.process_time())]
    loss = paddle.nn.functional.cross_entropy(model(inputs), labels)
    loss.item()
    clocks.append((time.perf_counter(), time.process_time()))
    loss.backward()
    clocks.append((time.perf_counter(), time.process_time()))
    optimizer.step()
    optimizer.clear_grad()
    clocks.append((time.perf_counter(), time.process_time()))
    return [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(clocks)]


def summarize(timings: list[list[tuple[float, float]]], rows: int) -> dict[str, float]:
    """Totals over steps, because batches by length differ in size."""
    summary: dict[str, float] = {}
    for index, phase in enumerate(PHASES):
        summary[f"{phase}_ms"] = 1e3 * sum(step[index][0] for step in timings) / len(timings)
        summary[f"{phase}_cpu_ms"] = 1e3 * sum(step[index][1] for step in timings) / len(timings)
    wall = sum(summary[f"{phase}_ms"] for phase in PHASES)
    cpu = sum(summary[f"{phase}_cpu_ms"] for phase in PHASES)
    return {**summary, "rows_per_second": 1e3 * rows / wall, "rows_per_cpu_second": 1e3 * rows / cpu}


def start_worker(arguments: argparse.Namespace, variant: str, batches: Path, rows: int) -> dict[str, Any]:
    """What a process of its own measures for one variant: settings, and a summary for each layout."""
    environment = dict(os.environ)
    if arguments.threads:
        environment["OMP_NUM_THREADS"] = str(arguments.threads)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "result.json"
        if variant in TORCH_VARIANTS:
            threads = arguments.threads or min(acceleration.available_cores(), acceleration.MAX_THREADS)
            script = Path(__file__).with_name("training_speed_torch.py")
            command = [str(arguments.torch_python), str(script), str(batches), str(path), "--threads", str(threads)]
            command += ["--bf16"] if variant == "torch bf16" else []
        else:
            command = [sys.executable, __file__, *sys.argv[1:], "--worker", variant, str(batches), str(path)]
        finished = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        if finished.returncode != 0:
            sys.stderr.write(finished.stderr[-4000:])
            raise ToolkitError(f"the {variant} worker failed: its own message is above")
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    summaries = {layout: summarize(steps, rows) for layout, steps in result["timings"].items()}
    return {"settings": result["settings"], **summaries}


def print_table(medians: dict[str, dict[str, dict[str, float]]]) -> None:
    """Print a line for each layout and variant, and ratios."""
    for layout in LAYOUTS:
        for variant, layouts in medians.items():
            row = layouts[layout]
            cpu = sum(row[f"{phase}_cpu_ms"] for phase in PHASES)
            shares = ", ".join(f"{phase} {row[f'{phase}_cpu_ms'] / cpu:.0%}" for phase in PHASES)
            print(
                f"{layout:14} {variant:12} {row['rows_per_second']:7.1f} rows/s "
                f"{row['rows_per_cpu_second']:7.1f} rows/CPU s   {shares}"
            )
    for key, name in (("rows_per_second", "wall"), ("rows_per_cpu_second", "CPU")):
        stock, fast = (medians[variant] for variant in VARIANTS)
        print(
            f"{name} ratios: accelerated/stock {fast[LAYOUTS[0]][key] / stock[LAYOUTS[0]][key]:.2f} by length, "
            f"{fast[LAYOUTS[1]][key] / stock[LAYOUTS[1]][key]:.2f} padded; by length/padded "
            f"{stock[LAYOUTS[0]][key] / stock[LAYOUTS[1]][key]:.2f} stock, "
            f"{fast[LAYOUTS[0]][key] / fast[LAYOUTS[1]][key]:.2f} accelerated"
        )
        others = [variant for variant in medians if variant in TORCH_VARIANTS]
        if others:
            ratios = [f"{fast[LAYOUTS[0]][key] / medians[other][LAYOUTS[0]][key]:.2f} {other}" for other in others]
            print(f"{name} ratios: accelerated by length to {', '.join(ratios)}")


def main() -> None:
    """Measure in alternating processes and print medians."""
    arguments = parse_arguments()
    with exit_on_toolkit_error("training_speed.py"):
        if arguments.worker:
            variant, batches, path = arguments.worker
            given = json.loads(Path(batches).read_text(encoding="utf-8"))
            Path(path).write_text(json.dumps(run_worker(variant, given)), encoding="utf-8")
            return
        variants = (*VARIANTS, *(TORCH_VARIANTS if arguments.torch_python else ()))
        with tempfile.TemporaryDirectory() as directory:
            batches = Path(directory) / "batches.json"
            rows = write_batches(arguments, batches)
            rounds = [
                {variant: start_worker(arguments, variant, batches, rows) for variant in variants}
                for _ in range(arguments.rounds)
            ]
    medians: dict[str, dict[str, dict[str, float]]] = {
        variant: {
            layout: {
                name: statistics.median(one[variant][layout][name] for one in rounds)
                for name in rounds[0][variant][layout]
            }
            for layout in LAYOUTS
        }
        for variant in variants
    }
    print("settings:", rounds[0]["accelerated"]["settings"])
    print_table(medians)
    if arguments.output:
        arguments.output.write_text(json.dumps({"medians": medians, "rounds": rounds}, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
