"""What infer_cpu.py and infer_gpu.py share: arguments, opening the bundle, predicting, reporting."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from ernie_toolkit.bundle import BUNDLE_FILE, Bundle, read_bundle, stale_message
from ernie_toolkit.console import OneLineParser, notice, warn
from ernie_toolkit.data.inputs import texts_to_predict
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.ranges import BATCH_SIZE, SEQUENCE_LENGTH, in_range
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.console import add_input_arguments, inputs_of, report
from ernie_toolkit.tasks import TASKS, SequenceClassification


def build_parser(prog: str, description: str | None) -> OneLineParser:
    """The arguments of both scripts."""
    parser = OneLineParser(prog=prog, description=description)
    parser.add_argument("--task_name", choices=tuple(TASKS), help="must be the bundle's own, which is the default")
    parser.add_argument(
        "--model_path",
        type=path_text,
        help="bundle, or DIR/float32 of it (default: best_models/NAME/export, NAME as run_*.py makes it)",
    )
    add_input_arguments(parser)
    parser.add_argument("--batch_size", type=in_range(int, BATCH_SIZE), default=32, help="(default: %(default)s)")
    parser.add_argument(
        "--max_seq_length", type=in_range(int, SEQUENCE_LENGTH), help="at most the bundle's own, which is the default"
    )
    parser.add_argument(
        "--no_verify", action="store_true", help="do not compare the checksums of the bundle's files when it is opened"
    )
    return parser


def find_bundle(args: argparse.Namespace) -> Bundle:
    """The bundle asked for, which may be named as the guide names a model's files, DIR/float32 or DIR/int8.

    DIR/int8 asks for the INT8 model. Warns of a bundle that was made from other weights than the model beside it has.
    Raises ConfigError where it is a bundle for another task than `--task_name`.
    """
    path = args.model_path or TASKS[args.task_name or SequenceClassification.name].model_path
    if not Path(path).is_dir() and (Path(path).parent / BUNDLE_FILE).is_file():
        if Path(path).name == "int8" and args.precision_mode == "fp32":
            notice(f"--model_path {path} asks for INT8: computed as with --precision_mode int8")
            args.precision_mode = "int8"
        path = str(Path(path).parent)
    bundle = read_bundle(path, not args.no_verify)
    task = bundle.info.task
    if args.task_name not in (None, task):
        raise ConfigError(f"{path} is a bundle for the task '{task}', not '{args.task_name}': change one of the two")
    if message := stale_message(bundle):
        warn(message)
    return bundle


def run(args: argparse.Namespace, bundle: Bundle, open_predictor: Callable[[], Predictor]) -> None:
    """Open the bundle, predict, print or write."""
    rows = inputs_of(args, bundle.info)
    texts = texts_to_predict(rows)
    started = time.perf_counter()
    predictor = open_predictor()
    ready = time.perf_counter() - started
    started = time.perf_counter()
    answers = predictor.predict(texts, args.batch_size)
    seconds = time.perf_counter() - started
    report(rows, answers, bundle.info, args.output_file)
    print(f"ready in {ready:.2f} s; {len(texts)} input(s) in {seconds:.3f} s, {len(texts) / seconds:.1f} a second")
